"""A dataset as it will be after the commit that is being prepared: what is live now, without what the commit supersedes, and
with what it brings. Rules ask it, by partition date.

What belongs here: choosing snapshots and figures, each read once. What does not: any rule (``quality``), and the commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial

import polars as pl

from supply_lake.curate.curate import LivePart, Settled
from supply_lake.datasets.spec import DatasetSpec, Mode
from supply_lake.ingest.peers import Peers
from supply_lake.ingest.stores import Stores
from supply_lake.quality.live_rows import Bounds, read
from supply_lake.quality.measures import Measure, Value, by_date, from_text, to_text
from supply_lake.snapshots.key_filter import may_hold
from supply_lake.snapshots.records import Batch, DataFile, Kind, Snapshot, Status


class AfterCommit:
    """``quality.judge.Dates`` over the stores.

    :param met: what is live and matters to the batch, against which it was settled
    """

    def __init__(self, stores: Stores, spec: DatasetSpec, settled: Settled, met: Peers) -> None:
        self._stores, self._spec, self._settled = stores, spec, settled
        self._changed = set(settled.changed_partitions)
        self._carried = {one.id for one in met.merged if settled.carries(one.partition)}
        self._gone = set(met.superseded(settled, settled.changed_partitions))
        self._live: dict[dt.date, list[Snapshot]] = {}
        self._read: dict[tuple[str, str], Value | None] = {}

    # --- dates

    @cached_property
    def judged(self) -> list[dt.date]:
        """The dates to which the batch brings rows, oldest first."""
        return [date for date in sorted(self._changed) if self._settled.by_partition[date].rows.published]

    @cached_property
    def live(self) -> list[dt.date]:
        """All dates that have live rows, oldest first."""
        known = self._stores.metadata.live_partitions(self._spec.name)
        suspects = self._changed | {self._stores.metadata.snapshot(one).partition for one in self._gone}
        emptied = {date for date in suspects if not self._rows_in(date) and not self._staying(date)}
        return sorted((set(known) | self._changed) - emptied)

    def _rows_in(self, date: dt.date) -> int:
        return self._settled.by_partition[date].rows_total if date in self._changed else 0

    # --- figures

    def value(self, date: dt.date, measure: Measure) -> Value | None:
        """The figure of a date."""
        parts = [self._recorded(snapshot, measure) for snapshot in self._staying(date)]
        if date in self._changed:
            parts.append(self._brought.get(date, {}).get(measure.key))
        return measure.together(parts)

    def earlier(self, date: dt.date, measure: Measure) -> Value | None:
        """The figure of a date before this commit."""
        return measure.together(self._recorded(snapshot, measure) for snapshot in self._live_on(date))

    def batch_value(self, measure: Measure) -> Value | None:
        """The figure of all rows that the batch brings."""
        columns = [measure.column] if measure.column else []
        brought = by_date(self._settled.standing(columns, new=True), [measure])
        return measure.together(here.get(measure.key) for here in brought.values())

    def recent(self, rule: str, most: int) -> list[Value]:
        """What a rule observed of the newest published batches, at most so many, the newest last."""
        return [
            one.observed
            for batch in reversed(self._newest(most))
            if not any(snapshot.revoked_by for snapshot in batch.snapshots)
            for one in batch.quality
            if one.rule == rule and one.observed is not None
        ]

    def _newest(self, most: int) -> list[Batch]:
        """The newest published batches. Compactions are passed over: they judge nothing."""
        asked = most
        while True:
            batches = self._stores.metadata.batches(self._spec.name, asked, status=Status.COMMITTED)
            judging = [one for one in batches if one.kind is not Kind.COMPACT]
            if len(judging) >= most or len(batches) < asked:
                return judging[:most]
            asked *= 2

    def measures(self, date: dt.date) -> dict[str, str]:
        """The figures of the rows that the commit writes for a date, as its snapshot's record keeps them."""
        return {key: to_text(value) for key, value in self._brought.get(date, {}).items()} if self._measures else {}

    @cached_property
    def _measures(self) -> list[Measure]:
        return list(dict.fromkeys(measure for rule in self._spec.quality if (measure := Measure.of(rule))))

    @cached_property
    def _brought(self) -> dict[dt.date, dict[str, Value]]:
        columns = [one.column for one in self._measures if one.column]
        return by_date(self._settled.standing(columns), self._measures)

    def _recorded(self, snapshot: Snapshot, measure: Measure) -> Value | None:
        """The figure of a live snapshot: as recorded, or from its files when a rule is younger than they are."""
        if measure.key in snapshot.measures:
            kind = self._spec.column(measure.column).dtype.name if measure.column else ""
            return from_text(snapshot.measures[measure.key], kind)
        if measure.kind == "rows" and self._spec.tombstone is None:
            return snapshot.rows_total
        if (snapshot.id, measure.key) not in self._read:
            types = self._settled.types_of([measure.column] if measure.column else [])
            frames = (
                frame.with_columns(pl.lit(part.partition).alias("_date")) for part, frame in read(self.parts([snapshot]), types)
            )
            figures = by_date(frames, [measure]).get(snapshot.partition, {})
            self._read[snapshot.id, measure.key] = figures.get(measure.key)
        return self._read[snapshot.id, measure.key]

    # --- rows

    def rows(self, date: dt.date, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of the rows of a date."""
        types = self._settled.types_of(columns)
        if date in self._changed:
            yield from (frame.select(columns) for frame in self._settled.standing(columns, date=date))
        yield from (frame.select(columns) for _, frame in read(self.parts(self._staying(date)), types))

    def new_rows(self, date: dt.date, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of the rows that the batch brings to a date."""
        return (frame.select(columns) for frame in self._settled.standing(columns, date=date, new=True))

    def others(self, bounds: Bounds) -> list[LivePart]:
        """Files of live snapshots that the commit leaves alone, but for those that hold no row within the bounds."""
        live = self._stores.metadata.live(self._spec.name)
        return self.parts(one for one in self._kept(live) if one.id not in self._carried and may_hold(one, bounds))

    def parts(self, snapshots: Iterable[Snapshot]) -> list[LivePart]:
        """The files of snapshots, to be read."""
        return [live_part(self._stores, snapshot, file) for snapshot in snapshots for file in snapshot.files]

    # --- snapshots

    def _staying(self, date: dt.date) -> list[Snapshot]:
        """The live snapshots of a date that the commit leaves alone."""
        return self._kept(self._live_on(date))

    def _kept(self, live: Iterable[Snapshot]) -> list[Snapshot]:
        replaced = self._changed if self._spec.mode is Mode.REPLACE else set()
        return [one for one in live if one.id not in self._gone and one.partition not in replaced]

    def _live_on(self, date: dt.date) -> list[Snapshot]:
        if date not in self._live:
            self._live[date] = self._stores.metadata.live(self._spec.name, partition=date)
        return self._live[date]


def live_part(stores: Stores, snapshot: Snapshot, file: DataFile) -> LivePart:
    """One file of a snapshot, to be read."""
    return LivePart(snapshot.partition, snapshot.id, partial(stores.lake.read_own, file.path, file.bytes))
