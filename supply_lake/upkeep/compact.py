"""Compaction: many small files of a date become few large ones, by a commit that changes no row.

What belongs here: which snapshots are put together, and giving way to other writers. What does not: writing them anew and the
records of it (``ingest.regroup``).

Only what reads alike is put together: snapshots of one date and one schema, and, with ``mode: replace``, of one delivery. Each
date is a commit of its own, so that another writer who comes first costs the work on one date, and is not itself held up for
longer. What was live before stays readable as of its commits until ``gc`` removes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from supply_lake.curate.schema import LINEAGE
from supply_lake.datasets.spec import DatasetSpec, Mode
from supply_lake.errors import CommitConflict, UsageError
from supply_lake.ingest.again import Records
from supply_lake.ingest.regroup import Lot, Regrouping
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.parquet import parts_of
from supply_lake.snapshots.records import Batch, Kind, Snapshot

SMALL_BYTES = 32 * 1024**2
TRIES = 5


@dataclass(frozen=True, slots=True)
class Compacted:
    """What came of one date: files and bytes before and after.

    ``batch`` is the commit; ``None`` for a rehearsal, and where other writers came first so often that it gave way.
    """

    dataset: str
    partition: dt.date
    snapshots: int
    files_before: int
    bytes_before: int
    files_after: int
    bytes_after: int = 0
    batch: Batch | None = None
    gave_way: bool = False

    def to_json(self) -> dict[str, Any]:
        """The result as public JSON."""
        return {
            "dataset": self.dataset,
            "partition": self.partition.isoformat(),
            "snapshots": self.snapshots,
            "files_before": self.files_before,
            "bytes_before": self.bytes_before,
            "files_after": self.files_after,
            "bytes_after": self.bytes_after or None,
            "commit": self.batch.commit if self.batch else None,
            "gave_way": self.gave_way,
        }


@dataclass(frozen=True)
class Compaction:
    """The terms of one compaction of one dataset.

    :param small_bytes: files below this size are small
    :param least_files: a date with fewer small files is left alone
    :param rehearsal: write nothing; tell what would come of it
    """

    stores: Stores
    spec: DatasetSpec
    small_bytes: int = SMALL_BYTES
    least_files: int = 2
    rehearsal: bool = False
    run_id: str = ""
    by: str = ""
    _why: str = field(default="small files put together", init=False)

    def run(self, partition: dt.date | None = None) -> Iterator[Compacted]:
        """Compact what is live, date by date, oldest first; of one date if given.

        :raises UsageError: nothing of the given date is live
        :raises VerificationError: a live file is not the one that was written
        :raises StoreUnavailable: a store does not answer; the dates before are done
        """
        dates = self.stores.metadata.live_partitions(self.spec.name)
        if partition is not None and partition not in dates:
            raise UsageError(f"nothing of dataset {self.spec.name} is live on {partition}")
        for date in dates if partition is None else [partition]:
            found = self._compacted(date)
            if found is not None:
                yield found

    def _compacted(self, date: dt.date) -> Compacted | None:
        for _ in range(TRIES):
            lots = self._lots(date)
            if not lots or self.rehearsal:
                return self._told(date, lots) if lots else None
            try:
                records = Records(self.stores.metadata.snapshots(self.spec.name))
                return self._told(
                    date, lots, Regrouping(self.stores, self.spec, records, self._why, self.run_id, self.by).run(lots)
                )
            except CommitConflict:
                continue
        return self._told(date, lots, gave_way=True)

    def _told(self, date: dt.date, lots: list[Lot], batch: Batch | None = None, *, gave_way: bool = False) -> Compacted:
        before = [one for lot in lots for one in lot.live]
        return Compacted(
            dataset=self.spec.name,
            partition=date,
            snapshots=len(before),
            files_before=sum(len(one.files) for one in before),
            bytes_before=sum(one.bytes for one in before),
            files_after=sum(len(one.files) for one in batch.snapshots)
            if batch
            else sum(map(_parts_after, (lot.live for lot in lots))),
            bytes_after=sum(one.bytes for one in batch.snapshots) if batch else 0,
            batch=batch,
            gave_way=gave_way,
        )

    # --- what is put together

    def _lots(self, date: dt.date) -> list[Lot]:
        alike: dict[object, list[Snapshot]] = {}
        for one in self.stores.metadata.live(self.spec.name, partition=date):
            if any(file.bytes < self.small_bytes for file in one.files):
                alike.setdefault(self._alike(one), []).append(one)
        return [
            Lot(tuple(those), (tuple(held for one in those for held in one.held),))
            for those in alike.values()
            if self._is_worth_it(those)
        ]

    def _alike(self, one: Snapshot) -> object:
        schema = (one.schema_fingerprint, tuple((column.name, column.type) for column in one.columns))
        return (*schema, one.delivery if self.spec.mode is Mode.REPLACE else "")

    def _is_worth_it(self, those: list[Snapshot]) -> bool:
        if len(those) == 1 and those[0].kind is Kind.COMPACT:
            return False
        files = [file for one in those for file in one.files]
        small = sum(1 for file in files if file.bytes < self.small_bytes)
        return small >= self.least_files and _parts_after(those) < len(files)


def _parts_after(those: Iterable[Snapshot]) -> int:
    those = list(those)
    return parts_of(sum(one.rows_total for one in those), max(len(one.columns) for one in those) + len(LINEAGE))


def compact(stores: Stores, name: str, partition: dt.date | None = None, **terms: Any) -> list[Compacted]:
    """Compact one dataset; ``terms`` are those of ``Compaction``.

    :raises UnknownDataset: no dataset is called so
    """
    return list(Compaction(stores, stores.registry.get(name), **terms).run(partition))
