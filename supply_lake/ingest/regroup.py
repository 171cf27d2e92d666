"""Live rows of a partition into other files, by a commit that changes no row: the same values, the same lineage.

Snapshots are put together to be read faster (``upkeep.compact``), and one is taken apart again where a revocation, a replay or
a re-curation deals with a part of what was put together (``take_apart``).

What belongs here: rewriting, the records of it, and the commit. What does not: choosing what to put together.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate.settle import LIVE_ROWS_AT_ONCE
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import CommitConflict, ObjectGone, VerificationError
from supply_lake.ingest.again import Records
from supply_lake.ingest.stores import Stores
from supply_lake.quality.measures import Measure, from_text, to_text
from supply_lake.snapshots.parquet import Written, write_parts
from supply_lake.snapshots.records import Batch, DataFile, Kind, Rows, Snapshot, Status
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id, snapshot_dir
from supply_lake.storage.object_store import ObjectStore

COMMIT_TRIES = 20
_IN_MEMORY = 64 * 1024**2
_BLOCK = 1024**2


@dataclass(frozen=True, slots=True)
class Lot:
    """Live snapshots of one partition and one schema, and the snapshots that take their place.

    Each group has ids of snapshots whose rows one new snapshot holds; the groups have all that the live ones hold, once.
    """

    live: tuple[Snapshot, ...]
    groups: tuple[tuple[str, ...], ...]

    @property
    def partition(self) -> dt.date:
        """The date of them all."""
        return self.live[0].partition


@dataclass
class Regrouping:
    """One commit that writes lots of one partition again.

    :param why: a sentence for the record
    """

    stores: Stores
    spec: DatasetSpec
    records: Records
    why: str
    run_id: str = ""
    by: str = ""
    written: list[DataFile] = field(default_factory=list)

    def run(self, lots: Sequence[Lot]) -> Batch:
        """Write and commit.

        :raises CommitConflict: other writers moved what is live there; nothing was changed
        :raises VerificationError: a live file is not the one that was written; nothing was changed
        """
        batch_id = new_snapshot_id()
        try:
            snapshots = tuple(self._one(lot, group, batch_id) for lot in lots for group in lot.groups)
            return self.stores.commit(
                Proposal(
                    batch=self._batch(batch_id, snapshots),
                    objects=(),
                    supersedes=tuple(one.id for lot in lots for one in lot.live),
                )
            )
        except Exception:
            self.stores.lake.delete([file.path for file in self.written])
            raise

    # --- files

    def _one(self, lot: Lot, group: tuple[str, ...], batch_id: str) -> Snapshot:
        held = [self.records.by_id[one] for one in group]
        blank = self._blank(lot, held, batch_id)
        written = write_parts(self.stores.lake, self.spec, lot.partition, blank.id, self._frames(lot, group))
        self.written += written.files
        return self._counted(self._of_files(blank, written), held)

    def _frames(self, lot: Lot, group: tuple[str, ...]) -> Iterator[pl.DataFrame]:
        """The rows of a group: told by the snapshot that each row names, where the lot has several groups."""
        others = self._lineages(lot, group)
        for snapshot in lot.live:
            for file in snapshot.files:
                for frame in _frames(self.stores.lake, file):
                    yield frame.filter(~pl.col("_snapshot_id").is_in(others)) if others else frame

    def _lineages(self, lot: Lot, group: tuple[str, ...]) -> list[str]:
        return sorted({one for other in lot.groups if other != group for held in other for one in self.records.lineage(held)})

    def _counted(self, snapshot: Snapshot, held: Sequence[Snapshot]) -> Snapshot:
        wanted = sum(one.rows_total for one in held)
        if snapshot.rows_total != wanted:
            raise VerificationError(
                f"the live files of {self.spec.name} on {snapshot.partition} gave {snapshot.rows_total:,} rows, their records "
                f"count {wanted:,}; they stay as they are: run `supply-lake verify {self.spec.name}`"
            )
        return snapshot

    # --- records

    def _blank(self, lot: Lot, held: Sequence[Snapshot], batch_id: str) -> Snapshot:
        alone = held[0] if len(held) == 1 else None
        deliveries = {one.delivery for one in held}
        return Snapshot(
            id=new_snapshot_id(),
            dataset=self.spec.name,
            partition=lot.partition,
            landing_date=max(one.landing_date for one in held),
            batch_id=batch_id,
            status=Status.COMMITTED,
            rows=Rows(),
            run_id=self.run_id,
            reason=self.why,
            created_at=dt.datetime.now(dt.UTC),
            source_system={"system": self.spec.source.system, **self.spec.source.metadata},
            kind=Kind.COMPACT,
            by=self.by,
            mode=alone.mode if alone else self.spec.mode,
            schema_fingerprint=lot.live[0].schema_fingerprint,
            schema_version=max(one.schema_version for one in lot.live),
            measures=self._measures(held),
            delivered_in=deliveries.pop() if len(deliveries) == 1 else "",
            restores=alone.id if alone else "",
            holds=tuple(one.id for one in held),
            rows_at=max((one.arrived_at for one in held if one.arrived_at), default=None),
        )

    def _measures(self, held: Sequence[Snapshot]) -> dict[str, str]:
        """The figures that rules ask for, where every record has them."""
        found: dict[str, str] = {}
        for measure in {one for rule in self.spec.quality if (one := Measure.of(rule))}:
            texts = [one.measures[measure.key] for one in held if measure.key in one.measures]
            if len(texts) == len(held):
                kind = self.spec.column(measure.column).dtype.name if measure.column else ""
                together = measure.together(from_text(text, kind) for text in texts)
                found |= {} if together is None else {measure.key: to_text(together)}
        return found

    def _of_files(self, blank: Snapshot, written: Written) -> Snapshot:
        return replace(
            blank,
            rows_total=sum(file.rows for file in written.files),
            bytes=sum(file.bytes for file in written.files),
            files=written.files,
            columns=written.columns,
            location=self.stores.lake.uri(snapshot_dir(self.spec.name, blank.partition, blank.id)),
        )

    def _batch(self, batch_id: str, snapshots: tuple[Snapshot, ...]) -> Batch:
        return Batch(
            id=batch_id,
            dataset=self.spec.name,
            landing_date=max(one.landing_date for one in snapshots),
            status=Status.COMMITTED,
            rows=Rows(),
            snapshots=snapshots,
            run_id=self.run_id,
            reason=self.why,
            kind=Kind.COMPACT,
            by=self.by,
        )


def take_apart(stores: Stores, spec: DatasetSpec, ids: Collection[str], *, why: str, run_id: str = "", by: str = "") -> None:
    """Give each of these snapshots' rows a live snapshot of their own, where a compaction put them together with others'.

    :raises CommitConflict: other writers won every one of many races
    """
    for _ in range(COMMIT_TRIES):
        records = Records(stores.metadata.snapshots(spec.name))
        shared = {holder.id: holder for one in ids if (holder := records.holders.get(one)) and len(holder.holds) > 1}
        try:
            for holder in shared.values():
                Regrouping(stores, spec, records, why, run_id, by).run([_apart(holder, ids)])
        except CommitConflict:
            continue
        return
    raise CommitConflict(f"dataset {spec.name}: other writers committed first {COMMIT_TRIES} times in a row; try again")


def take_delivery_apart(stores: Stores, spec: DatasetSpec, delivery: str, *, run_id: str = "") -> None:
    """Give the rows of a delivery live snapshots of their own, where a compaction put them together with those of others.

    :raises CommitConflict: other writers won every one of many races
    """
    records = Records(stores.metadata.snapshots(spec.name))
    ids = [one for one, holder in records.holders.items() if records.by_id[one].delivery == delivery != holder.delivery]
    if ids:
        take_apart(stores, spec, ids, why=f"what batch {delivery} delivered is taken up again", run_id=run_id)


def _apart(live: Snapshot, ids: Collection[str]) -> Lot:
    alone = tuple((one,) for one in live.holds if one in ids)
    rest = tuple(one for one in live.holds if one not in ids)
    return Lot((live,), (*alone, *((rest,) if rest else ())))


def _frames(lake: ObjectStore, file: DataFile) -> Iterator[pl.DataFrame]:
    with _proven(lake, file) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(LIVE_ROWS_AT_ONCE):
            yield pl.DataFrame(batch)


@contextmanager
def _proven(lake: ObjectStore, file: DataFile) -> Iterator[BinaryIO]:
    """The file, if it is the one that was written: what is written anew would give a damaged one a fresh checksum."""
    try:
        with lake.read(file.path) as stream:
            if file.bytes <= _IN_MEMORY:
                data = stream.read()
                _require(lake, file, hashlib.sha256(data).hexdigest())
                yield io.BytesIO(data)
            else:
                digest = hashlib.sha256()
                for block in iter(partial(stream.read, _BLOCK), b""):
                    digest.update(block)
                _require(lake, file, digest.hexdigest())
                stream.seek(0)
                yield stream
    except ObjectGone as gone:
        raise VerificationError(f"live file {lake.uri(file.path)} is missing; it is left as it is") from gone


def _require(lake: ObjectStore, file: DataFile, digest: str) -> None:
    if digest != file.sha256:
        raise VerificationError(f"live file {lake.uri(file.path)} is not the file that was written; it is left as it is")
