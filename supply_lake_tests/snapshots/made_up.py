"""Made-up object versions, snapshots and batches, for tests of metadata stores."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from supply_lake.curate.schema import Schema, SchemaColumn
from supply_lake.datasets.quality import Severity
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.quality.verdict import Verdict
from supply_lake.snapshots.records import Batch, ColumnStats, DataFile, Kind, Outcome, Rows, Snapshot, SourceRecord, Status
from supply_lake.snapshots.schema_versions import ProposedSchema
from supply_lake.snapshots.store import MetadataStore, Proposal
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.object_store import ObjectVersion

DAY = dt.date(2026, 11, 1)
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
NEXT_DAY = DAY + dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
MICROSECOND = dt.timedelta(microseconds=1)
VERDICT = Verdict(
    "known_sku", "references", Severity.WARN, False, "1 of 3 rows break it", 1 / 3, None, 0.1, 1, 3, None, (("products", 7),)
)


@dataclass
class Clock:
    """A clock that stands still unless it is told otherwise."""

    now: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        return self.now


def version(name: str = "a.csv", etag: str = "e1", size: int = 10, at: float = 0, dataset: str = "orders") -> ObjectVersion:
    """An object version under the dataset's landing folder, modified so many seconds after noon."""
    return ObjectVersion(f"{dataset}/2026/11/01/{name}", etag, size, NOON + at * SECOND)


def entry(one: ObjectVersion, state: ObjectState = ObjectState.PENDING, **fields: Any) -> LedgerEntry:
    return LedgerEntry(**({"object": one, "dataset": "orders", "landing_date": DAY, "state": state} | fields))


def source(
    one: ObjectVersion, outcome: Outcome = Outcome.READ, reason: str = "", sha256: str = "", *, replayed: bool = False
) -> SourceRecord:
    rows = Rows(3, 2, 1, 0) if outcome is Outcome.READ else Rows()
    return SourceRecord(
        uri=f"/landing/{one.key}",
        key=one.key,
        etag=one.etag,
        size=one.size,
        rows=rows,
        outcome=outcome,
        reason=reason,
        sha256=sha256 or f"sha of {one.etag}",
        replayed=replayed,
    )


def batch(
    *partitions: dt.date,
    dataset: str = "orders",
    sources: Sequence[SourceRecord] = (),
    status: Status = Status.COMMITTED,
    landing_date: dt.date = DAY,
    notes: Sequence[str] = (),
    reason: str = "",
    kind: Kind = Kind.INGEST,
    **facts: Any,
) -> Batch:
    """A batch with one snapshot per partition given; ``facts`` go to each of them."""
    batch_id = new_snapshot_id()
    snapshots = [_snapshot(dataset, day, landing_date, batch_id, status, tuple(sources), tuple(notes)) for day in partitions]
    rows = sum((one.rows for one in sources), start=Rows())
    snapshots = [replace(one, kind=kind, reason=reason, **facts) for one in snapshots]
    return Batch(
        id=batch_id,
        dataset=dataset,
        landing_date=landing_date,
        status=status,
        rows=rows,
        sources=tuple(sources),
        snapshots=tuple(snapshots),
        reason=reason,
        run_id="run-7",
        quality=(VERDICT,),
        kind=kind,
        by=facts.get("by", ""),
    )


def _snapshot(
    dataset: str,
    day: dt.date,
    landing_date: dt.date,
    batch_id: str,
    status: Status,
    sources: tuple[SourceRecord, ...],
    notes: tuple[str, ...],
) -> Snapshot:
    file = DataFile("dataset=orders/part-00000.parquet", 2, 512, "f00d")
    return Snapshot(
        id=new_snapshot_id(),
        dataset=dataset,
        partition=day,
        landing_date=landing_date,
        batch_id=batch_id,
        status=status,
        rows=sum((one.rows for one in sources), start=Rows()),
        rows_total=2,
        bytes=512,
        location="/lake/dataset=orders",
        files=(file,) if status is Status.COMMITTED else (),
        rejects=(file,),
        columns=(ColumnStats("order_id", "string", 0, "a", "z"),),
        schema_fingerprint="5c4e",
        sources=sources,
        created_at=NOON,
        notes=notes or ("one row had a column too many",),
        quality=(VERDICT, replace(VERDICT, rule="cumulative", partition=day, commits=())),
        measures={"rows": "2", "sum of quantity": "12345678901234567890.50"},
        source_system={"system": "shop", "café": "\0 is no letter"},
    )


def proposal(
    *partitions: dt.date,
    objects: Sequence[ObjectVersion] = (),
    dataset: str = "orders",
    kind: Kind = Kind.INGEST,
    **fields: Any,
) -> Proposal:
    """A commit of one snapshot per partition, which read these objects."""
    made = batch(*partitions, dataset=dataset, sources=[source(one) for one in objects], kind=kind)
    return Proposal(batch=made, objects=tuple(objects), **fields)


def states(store: MetadataStore) -> dict[str, ObjectState]:
    """Of every object version, by its ETag."""
    return {one.object.etag: one.state for one in store.objects()}


def the_entry(store: MetadataStore, one: ObjectVersion) -> LedgerEntry:
    (found,) = [found for found in store.objects() if found.object.identity == one.identity]
    return found


def proposed(*columns: tuple[str, str], based_on: int = 0, brought: dict[str, str] | None = None) -> ProposedSchema:
    """A schema of declared columns, each a name and a type."""
    made = Schema(tuple(SchemaColumn(name, kind, kind) for name, kind in columns), ("id",), "evolve")
    return ProposedSchema(made, based_on, "orders/2026/11/01/a.csv", brought or {})
