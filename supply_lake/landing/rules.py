"""Whose object is it? Which dataset and landing date a key belongs to, or why it is ignored or refused. Pure.

What belongs here: judging one object version by its key, size and time. What does not: finding out which ones are new
(``discovery``) and whether a file is still being written (``settling``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.storage.layout import PULLS, key_fault, parse_snapshot_path
from supply_lake.storage.object_store import ObjectVersion

_IGNORED = (
    (re.compile(r"/$|_\$folder\$$"), "folder marker"),
    (re.compile(r"(^|/)\."), "hidden file"),
    (re.compile(r"(^|/)(_SUCCESS|_(started|committed)_?[^/]*|_(common_)?metadata|_temporary/.*)$"), "marker of another system"),
    (
        re.compile(r"\.(tmp|temp|part|partial|filepart|crdownload|download|swp|inprogress|lock)$|~$|(^|/)~\$", re.I),
        "temporary name",
    ),
    (re.compile(r"(^|/)(thumbs\.db|desktop\.ini)$", re.I), "file of an operating system"),
)
Judgement: TypeAlias = tuple[str, dt.date | None, ObjectState, str]  # dataset, landing date, state, reason
_DAY = dt.timedelta(days=1)


class Rules:
    """All datasets' key patterns, ready to judge keys.

    :param specs: the datasets
    :param own: key prefixes under which the lake itself writes, when its roots lie inside landing
    """

    def __init__(self, specs: Iterable[DatasetSpec], own: Sequence[str] = ()) -> None:
        self.own = tuple(own)
        self._by_folder: dict[str, list[DatasetSpec]] = {}
        for spec in specs:
            self._by_folder.setdefault(spec.key_pattern.prefix, []).append(spec)

    def place(self, version: ObjectVersion, now: dt.datetime, deliveries: int = 1) -> LedgerEntry:
        """The object version as a new entry of the ledger: pending, ignored or refused, with the reason."""
        dataset, date, state, reason = self._judge(version, now)
        return LedgerEntry(version, dataset, date, state, deliveries=deliveries, reason=reason, first_seen=now)

    def fingerprint(self, now: dt.datetime) -> int:
        """Changes when keys that were refused may be taken now: other patterns, other first dates, another day."""
        facts = sorted(
            (spec.key_pattern.pattern, spec.name, spec.start_date) for specs in self._by_folder.values() for spec in specs
        )
        digest = hashlib.blake2b(repr((facts, self.own, now.date())).encode(), digest_size=8).digest()
        return int.from_bytes(digest) >> 1

    def _judge(self, version: ObjectVersion, now: dt.datetime) -> Judgement:
        key = version.key
        ignored = self._why_ignored(key, version.size)
        if ignored:
            return "", None, ObjectState.IGNORED, ignored
        if fault := key_fault(key):
            return "", None, ObjectState.REFUSED, f"{fault}; land it again under a plain one"
        return self._judge_by_pattern(version, now)

    def _judge_by_pattern(self, version: ObjectVersion, now: dt.datetime) -> Judgement:
        key = version.key
        takers = [(spec, match) for spec in self._candidates(key) if (match := spec.key_pattern.match(key))]
        if len(takers) == 1:
            spec, match = takers[0]
            return _dated(spec, match.date, version, now)
        if takers:
            names = " and ".join(sorted(spec.name for spec, _ in takers))
            return "", None, ObjectState.REFUSED, f"{names} both take this key; make their landing patterns differ"
        for spec in self._candidates(key):
            if date := spec.key_pattern.impossible_date(key):
                return spec.name, None, ObjectState.REFUSED, f"no calendar has {date}; land it again under a right date"
        return "", None, ObjectState.REFUSED, "no dataset takes this key; correct it, or declare a dataset whose pattern fits"

    def _why_ignored(self, key: str, size: int) -> str:
        if key.startswith(self.own) or parse_snapshot_path(key):
            return "the lake's own output"
        for pattern, reason in _IGNORED:
            if pattern.search(key):
                return reason
        if size == 0 and "." not in key.rpartition("/")[2]:  # some stores list a marker without its slash
            return "zero bytes and no extension: a folder marker"
        return ""

    def _candidates(self, key: str) -> Iterable[DatasetSpec]:
        """Datasets whose keys all lie in a folder that this key lies in."""
        end = len(key)
        while end >= 0:
            end = key.rfind("/", 0, end)
            yield from self._by_folder.get(key[: end + 1], ())


def _dated(spec: DatasetSpec, date: dt.date | None, version: ObjectVersion, now: dt.datetime) -> Judgement:
    """The landing date: the key's, else that of arrival; a file may bring along a time from before it arrived."""
    latest = now.date() + _DAY  # a producer may live east of UTC
    if date is None:
        arrived = version.modified.astimezone(dt.UTC).date()
        return spec.name, arrived if spec.start_date <= arrived <= latest else now.date(), ObjectState.PENDING, ""
    if date < spec.start_date:
        reason = f"{date} is before {spec.start_date}, the `start_date` of {spec.name}; set that earlier if it is no mistake"
        return spec.name, date, ObjectState.REFUSED, reason
    if date > latest:
        return spec.name, date, ObjectState.REFUSED, f"{date} is in the future; land it again under a right date"
    return spec.name, date, ObjectState.PENDING, ""


def own_prefixes(landing: str, others: Iterable[str]) -> tuple[str, ...]:
    """Key prefixes of what the lake itself writes into landing: manifests, and other locations (lake, …) that lie inside it."""
    root = landing.rstrip("/") + "/"
    inside = (other.rstrip("/")[len(root) :] + "/" for other in others if other.startswith(root) and len(other) > len(root))
    return (PULLS, *inside)
