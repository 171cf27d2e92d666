"""What follows from notices of objects: notices and what stands under their keys now → entries for the ledger. Pure.

A notice only says that something happened to a key. What counts is what stands there when the notice is read: so notices may
come twice, late, or in any order, and the lake never goes back to older bytes. Bytes that were overwritten or deleted before
anyone looked are entered too, as ``replaced``: nothing that a producer sent goes without a record.

What belongs here: that rule. What does not: reading messages (``messages``), asking the store, and judging keys (``rules``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from supply_lake.errors import ObjectGone, SupplyLakeError, UsageError
from supply_lake.landing.discovery import stale
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.messages import Notice
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import ObjectVersion

Seen = ObjectVersion | SupplyLakeError
Known = Mapping[str, set[tuple[str, int]]]


@dataclass(slots=True)
class Delivered:
    """What notices led to. Store ``fingerprints`` first, then register ``entries``.

    ``answered`` counts keys of which the store said what stands there. ``unanswered`` has those of which it did not, and why:
    their notices have to come again.
    """

    entries: list[LedgerEntry] = field(default_factory=list)
    fingerprints: dict[str, int] = field(default_factory=dict)
    answered: int = 0
    unanswered: dict[str, SupplyLakeError] = field(default_factory=dict)


def to_ask(notices: Sequence[Notice], known: Known) -> list[str]:
    """Keys of which it has to be asked what stands there. Of others the ledger has all that was told: it came again."""
    return list(dict.fromkeys(one.key for one in notices if not (one.key.endswith("/") or _is_known(one, known))))


def from_events(
    notices: Sequence[Notice],
    seen: Mapping[str, Seen],
    known: Known,
    rules: Rules,
    *,
    fingerprints: Mapping[str, int],
    now: dt.datetime,
) -> Delivered:
    """Enter what stands under the keys now, and what stood there in between.

    :param seen: what the store answered for the keys of ``to_ask``: a version, ``ObjectGone``, or another error
    :param known: the ledger's versions of the keys
    :param fingerprints: those stored after earlier discoveries
    """
    delivered = Delivered(fingerprints=stale(fingerprints, seen))
    by_key: dict[str, list[Notice]] = {}
    for one in notices:
        by_key.setdefault(one.key, []).append(one)
    for key, told in by_key.items():
        told.sort(key=lambda one: one.order)
        answer = seen.get(key)
        if key.endswith("/"):
            delivered.entries.append(rules.place(_nothing(key, now), now, len(told)))
        elif answer is None:
            delivered.entries += [_delivered_again(one, now) for one in told]
        elif isinstance(answer, UsageError):
            delivered.entries.append(_refused(key, str(answer), len(told), now))
        elif isinstance(answer, ObjectVersion | ObjectGone):
            delivered.answered += 1
            delivered.entries += _standing(answer, told, known, rules, now)
        else:
            delivered.unanswered[key] = answer
    return delivered


def _standing(
    answer: ObjectVersion | ObjectGone, told: Sequence[Notice], known: Known, rules: Rules, now: dt.datetime
) -> list[LedgerEntry]:
    """What stood under one key, oldest first, and last what stands there now."""
    identity = (answer.etag, answer.size) if isinstance(answer, ObjectVersion) else None
    others = [one for one in told if one.etag and (one.etag, one.size) != identity]
    entries = [_delivered_again(one, now) if _is_known(one, known) else _overtaken(one, rules, now) for one in others]
    if isinstance(answer, ObjectVersion) and (len(others) < len(told) or identity not in known.get(answer.key, ())):
        entries.append(rules.place(answer, now, max(1, len(told) - len(others))))
    return entries


def _overtaken(one: Notice, rules: Rules, now: dt.datetime) -> LedgerEntry:
    """An object version that nobody will read, if it is data at all."""
    entry = rules.place(ObjectVersion(one.key, one.etag, one.size, now), now)
    if entry.state is not ObjectState.PENDING:
        return entry
    kept = f"; the bucket keeps it as version {one.version}" if one.version else ""
    reason = f"it was overwritten or deleted before it was read{kept}"
    return LedgerEntry(entry.object, entry.dataset, entry.landing_date, ObjectState.REPLACED, reason=reason, first_seen=now)


def _delivered_again(one: Notice, now: dt.datetime) -> LedgerEntry:
    """Counts a delivery of a version that the ledger has, and changes nothing else."""
    return LedgerEntry(ObjectVersion(one.key, one.etag, one.size, now), "", None, ObjectState.REPLACED, first_seen=now)


def _refused(key: str, reason: str, times: int, now: dt.datetime) -> LedgerEntry:
    return LedgerEntry(_nothing(key, now), "", None, ObjectState.REFUSED, deliveries=times, reason=reason, first_seen=now)


def _nothing(key: str, now: dt.datetime) -> ObjectVersion:
    return ObjectVersion(key, "", 0, now)


def _is_known(one: Notice, known: Known) -> bool:
    return bool(one.etag) and (one.etag, one.size) in known.get(one.key, ())
