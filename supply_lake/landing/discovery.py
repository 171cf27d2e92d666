"""What is new in landing? A listing and the ledger → entries for the ledger. Pure: it asks by callables, and writes nothing.

The work is set by what is new. A listing is cut into buckets, the objects of one folder that were modified on one UTC day. A
bucket whose fingerprint is the stored one was entered whole before and is passed over; only the others are compared with the
ledger, key by key. A fingerprint is handed out for storing only when everything in its bucket is entered.

What belongs here: that comparison. What does not: judging keys (``rules``), events (``events``), reading or writing anything.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import polars as pl
import pyarrow as pa

from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import LISTING, ObjectVersion

Known = Callable[[Sequence[str]], dict[str, set[tuple[str, int]]]]
Unsettled = Callable[[Sequence[ObjectVersion], Mapping[str, set[tuple[str, int]]]], Mapping[str, str]]

RULES = "rules"  # no bucket: those end in a date
_MASK = 2**63 - 1  # what a signed database integer holds
_ODD = 0x9E37_79B9_7F4A_7C15
_ROWS_AT_ONCE = 250_000
_KEYS_AT_ONCE = 10_000
_MOST_WAITING = 10_000


@dataclass(slots=True)
class Discovery:
    """What a listing showed. Register ``entries`` first, then store ``fingerprints``.

    ``deferred`` counts objects that were not looked at because there were enough entries: look again at once. ``waiting`` has
    keys that are not ready to be read, with the reason: look at their folders again soon. ``rules_changed``: refused objects
    may fit now, see ``reconsider``.
    """

    entries: list[LedgerEntry] = field(default_factory=list)
    fingerprints: dict[str, int] = field(default_factory=dict)
    listed: int = 0
    compared: int = 0
    deferred: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    rules_changed: bool = False


def discover(
    listing: Iterable[pa.RecordBatch],
    known: Known,
    rules: Rules,
    fingerprints: Mapping[str, int],
    now: dt.datetime,
    *,
    unsettled: Unsettled | None = None,
    prefixes: Sequence[str] = ("",),
    max_entries: int = 50_000,
) -> Discovery:
    """Find the object versions that the ledger does not have.

    :param listing: record batches with ``key``, ``etag``, ``size``, ``modified``, complete for the ``prefixes``
    :param known: the ledger's versions of some keys
    :param fingerprints: those stored after earlier discoveries
    :param unsettled: of some new object versions (and the ledger's versions of their keys), which are not ready, and why
    :param max_entries: how many entries to hand out at most; the rest is found again by the next discovery
    """
    found = Discovery()
    left = {
        bucket for bucket, value in fingerprints.items() if value and bucket != RULES and bucket.startswith(tuple(prefixes))
    }
    for frame in _whole_folders(listing):
        found.listed += frame.height
        rows, now_there = _fingerprinted(frame.filter(~_below(rules.own)))
        left -= now_there.keys()
        changed = {bucket: value for bucket, value in now_there.items() if fingerprints.get(bucket) != value}
        fresh = rows.join(_column("bucket", changed), on="bucket", how="semi", maintain_order="left")
        unfinished = _enter(found, fresh, known, rules, now, unsettled=unsettled, max_entries=max_entries)
        found.fingerprints |= {bucket: value for bucket, value in changed.items() if bucket not in unfinished}
    # What has vanished may come back unchanged; it must not then be taken for something entered.
    found.fingerprints |= dict.fromkeys(left, 0)
    if fingerprints.get(RULES) != (rules_now := rules.fingerprint(now)):
        found.rules_changed = True
        found.fingerprints[RULES] = rules_now
    return found


def reconsider(entries: Iterable[LedgerEntry], rules: Rules, now: dt.datetime) -> list[LedgerEntry]:
    """Of entries that were refused, those that a dataset takes by the rules of now, as new entries."""
    placed = (rules.place(entry.object, now, deliveries=0) for entry in entries)
    return [entry for entry in placed if entry.state is ObjectState.PENDING]


def stale(fingerprints: Mapping[str, int], keys: Iterable[str]) -> dict[str, int]:
    """Fingerprints to store so that the folders of these keys are compared again whatever they look like.

    Needed when the ledger learns of a key in another way than by a listing: from an event, or when it was gone or changed when
    it was to be read. Should it then come back as it was listed, its folder would look the same as before.
    """
    folders = {key.rpartition("/")[0] + "/" if "/" in key else "" for key in keys}
    return {bucket: 0 for bucket in fingerprints if bucket != RULES and bucket.rpartition("@")[0] in folders}


def _enter(
    found: Discovery,
    fresh: pl.DataFrame,
    known: Known,
    rules: Rules,
    now: dt.datetime,
    *,
    unsettled: Unsettled | None,
    max_entries: int,
) -> set[str]:
    """Add what the ledger lacks to ``found``; returns the buckets of which something was left for later."""
    unfinished: set[str] = set()
    for slice_ in fresh.iter_slices(_KEYS_AT_ONCE):
        if len(found.entries) >= max_entries:  # not looked up: whatever is new in it is found later
            unfinished.update(slice_["bucket"].unique())
            found.deferred += slice_.height
            continue
        new, ledger = _unknown(slice_, known)
        found.compared += slice_.height
        waiting = unsettled([version for version, _ in new], ledger) if unsettled and new else {}
        for version, bucket in new:
            if version.key in waiting:
                unfinished.add(bucket)
            elif len(found.entries) >= max_entries:
                unfinished.add(bucket)
                found.deferred += 1
            else:
                found.entries.append(rules.place(version, now))
        found.waiting |= islice(waiting.items(), max(0, _MOST_WAITING - len(found.waiting)))
    return unfinished


def _unknown(frame: pl.DataFrame, known: Known) -> tuple[list[tuple[ObjectVersion, str]], dict[str, set[tuple[str, int]]]]:
    """The object versions that the ledger lacks, with their buckets; and what it has of these keys."""
    ledger = known(frame["key"].to_list())
    rows = frame.select(*LISTING.names, "bucket").iter_rows()
    new = [
        (ObjectVersion(key, etag, size, modified.astimezone(dt.UTC)), bucket)
        for key, etag, size, modified, bucket in rows
        if (etag, size) not in ledger.get(key, ())
    ]
    return new, ledger


def _whole_folders(listing: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
    """The listing in frames of some size, none of which cuts a folder in two as long as the listing is in order.

    Should it not be, a folder seen in two parts is compared twice: slower, never wrong.
    """
    held: list[pa.RecordBatch] = []
    rows, limit = 0, _ROWS_AT_ONCE
    for batch in listing:
        held.append(batch)
        rows += batch.num_rows
        if rows >= limit:
            frame = _with_folders(held)
            still_open = pl.lit(frame["folder"][-1]).str.starts_with(pl.col("folder"))
            closed, rest = frame.filter(~still_open), frame.filter(still_open)
            if closed.height:
                yield closed
            held = rest.select(LISTING.names).to_arrow().cast(LISTING).to_batches()
            rows, limit = rest.height, max(_ROWS_AT_ONCE, 2 * rest.height)
    if rows:
        yield _with_folders(held)


def _with_folders(batches: Sequence[pa.RecordBatch]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches(batches))
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(folder=pl.col("key").str.replace(r"[^/]*$", ""))


def _fingerprinted(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """The frame with each row's bucket, and each bucket's fingerprint; the order of rows does not count."""
    line = pl.concat_str("key", "etag", pl.col("size", "modified").to_physical().cast(pl.String), separator="\n")
    groups = (
        frame.lazy()
        .group_by("folder", day=pl.col("modified").dt.date())
        .agg(sum=line.hash(_ODD & _MASK).sum(), count=pl.len())
        .with_columns(bucket=pl.concat_str("folder", pl.lit("@"), pl.col("day").dt.to_string("%Y-%m-%d")))
        .collect()
    )
    days = frame.with_columns(day=pl.col("modified").dt.date())
    with_bucket = days.join(groups.select("folder", "day", "bucket"), on=["folder", "day"], how="left", maintain_order="left")
    prints = zip(groups["bucket"], groups["sum"], groups["count"], strict=True)
    return with_bucket, {bucket: max(1, (total + count * _ODD) & _MASK) for bucket, total, count in prints}


def _below(prefixes: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *(pl.col("key").str.starts_with(prefix) for prefix in prefixes))


def _column(name: str, values: Iterable[str]) -> pl.DataFrame:
    return pl.DataFrame({name: list(values)}, schema={name: pl.String})
