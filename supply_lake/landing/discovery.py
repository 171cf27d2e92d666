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
from functools import reduce
from itertools import islice
from operator import xor

import polars as pl
import pyarrow as pa

from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import LISTING, ObjectVersion

Known = Callable[[Sequence[str]], dict[str, set[tuple[str, int]]]]
Unsettled = Callable[[Sequence[ObjectVersion], Mapping[str, set[tuple[str, int]]]], Mapping[str, str]]

RULES = "rules"  # no bucket: those end in a date
_MASK = 2**63 - 1  # what a signed database integer holds
_SEEDS = (0x9E37_79B9, 0x7F4A_7C15, 0x85EB_CA6B, 0xC2B2_AE35)  # any four numbers
_ROWS_AT_ONCE = 100_000
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
        buckets = _buckets(frame.filter(~_below(rules.own)) if rules.own else frame)
        now_there = dict(zip(buckets["bucket"], buckets["fingerprint"], strict=True))
        left -= now_there.keys()
        changed = {bucket: value for bucket, value in now_there.items() if fingerprints.get(bucket) != value}
        fresh = _rows_of(frame, buckets.filter(pl.col("bucket").is_in(list(changed))), rules)
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
    held: list[pl.DataFrame] = []
    rows, limit = 0, _ROWS_AT_ONCE
    for batch in listing:
        held.append(_with_folder_and_day(batch))
        rows += batch.num_rows
        if rows >= limit:
            frame = pl.concat(held, rechunk=False)
            still_open = pl.lit(frame["folder"][-1]).str.starts_with(pl.col("folder"))
            held = [frame.filter(still_open)]
            rows = held[0].height
            limit = max(_ROWS_AT_ONCE, 2 * rows)
            if rows < frame.height:
                yield frame.filter(~still_open)
    if rows:
        yield pl.concat(held, rechunk=False)


def _with_folder_and_day(batch: pa.RecordBatch) -> pl.DataFrame:
    frame = pl.from_arrow(batch)
    assert isinstance(frame, pl.DataFrame)
    return frame.with_columns(folder=pl.col("key").str.replace(r"[^/]*$", ""), day=pl.col("modified").dt.date())


def _buckets(frame: pl.DataFrame) -> pl.DataFrame:
    """Folder, day, name and fingerprint of each bucket. The order of objects does not count, every fact of each does."""
    facts = zip((pl.col(name) for name in LISTING.names), _SEEDS, strict=True)
    object_hash = reduce(xor, (fact.hash(seed) for fact, seed in facts)).hash(_SEEDS[0])
    return (
        frame.lazy()
        .group_by("folder", "day")
        .agg(total=object_hash.sum(), count=pl.len().cast(pl.UInt64))  # sums of unsigned integers wrap around
        .select(
            "folder",
            "day",
            bucket=pl.concat_str("folder", pl.lit("@"), pl.col("day").dt.to_string("%Y-%m-%d")),
            fingerprint=((pl.col("total") ^ pl.col("count").hash(_SEEDS[1])) & _MASK) | 1,  # never 0
        )
        .collect()
    )


def _rows_of(frame: pl.DataFrame, buckets: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """The objects in some of the buckets, with the bucket's name."""
    wanted = buckets.select("folder", "day", "bucket")
    rows = frame.join(wanted, on=["folder", "day"], how="inner", maintain_order="left")
    return rows.filter(~_below(rules.own)) if rules.own else rows


def _below(prefixes: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *(pl.col("key").str.starts_with(prefix) for prefix in prefixes))
