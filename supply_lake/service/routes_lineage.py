"""Routes over lineage: landed object ↔ snapshots ↔ run, from whichever end one starts.

What belongs here: these routes and their shapes. What does not: lineage of single rows, which stands in the rows (``__rows``).
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, BaseModel, Field

from supply_lake.errors import NotFound
from supply_lake.landing.ledger import LedgerEntry
from supply_lake.service.answers import of_model
from supply_lake.service.asking import Lake, may
from supply_lake.service.grants import Verb
from supply_lake.service.models import DatasetName, RowCounts, SnapshotSummary, SourcePart
from supply_lake.service.opened import Opened
from supply_lake.service.routes_history import SnapshotId, detail
from supply_lake.snapshots.records import Batch, source_json

router = APIRouter(prefix="/v1/datasets/{dataset}/lineage", tags=["lineage"], dependencies=[may(Verb.READ)])


def _printable(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL, which nothing here is called by")
    return text


Key = Annotated[
    str, Query(min_length=1, max_length=1024, description="Key below the landing root."), AfterValidator(_printable)
]
RunId = Annotated[str, Path(pattern=r"^[\w.:-]{1,200}$", description="Id of the Dagster run.")]


class ObjectVersionLineage(BaseModel):
    """One version of a landed object, and what came of it."""

    key: str
    etag: str
    size: int
    modified: dt.datetime
    landing_date: dt.date | None
    state: str = Field(description="`pending`, `done`, `set_aside`, `ignored`, `refused`, `replaced` or `revoked`.")
    deliveries: int
    attempts: int
    reason: str = Field(description="Why it is in that state.")
    first_seen: dt.datetime | None
    batch_id: str = Field(description="The batch that settled it.")
    snapshots: list[SnapshotSummary] = Field(
        description="The snapshots of that batch, and of the last that took up its rejects."
    )


class ObjectLineage(BaseModel):
    """Every version of one landing key."""

    dataset: str
    key: str
    versions: list[ObjectVersionLineage] = Field(description="Oldest first.")


class SnapshotLineage(BaseModel):
    """Where one snapshot came from, and what it replaced."""

    dataset: str
    snapshot_id: str
    run_id: str
    batch_id: str
    sources: list[SourcePart] = Field(description="The objects that it came from.")
    same_batch: list[str] = Field(description="Other snapshots of its batch.")
    supersedes: list[str]
    superseded_by: int | None = Field(description="The commit that took it out of the live set.")
    revoked_by: int | None = Field(description="The commit that revoked it.")
    replays: list[str] = Field(description="Snapshots whose rejected rows it took up.")
    revokes: list[str] = Field(description="Snapshots that it takes out of the live set.")
    restores: str = Field(description="The snapshot whose rows it holds again.")


class BatchLineage(BaseModel):
    """What one run made of the objects of one landing date."""

    batch_id: str
    kind: str
    status: str
    landing_date: dt.date
    commit: int | None
    rows: RowCounts
    reason: str
    sources: list[SourcePart]
    snapshots: list[str]


class RunLineage(BaseModel):
    """What one run did to the dataset."""

    dataset: str
    run_id: str
    batches: list[BatchLineage] = Field(description="Newest first.")


@router.get("/objects", summary="A landed object → snapshots and runs", response_model=ObjectLineage)
async def of_object(request: Request, dataset: DatasetName, key: Key, lake: Lake) -> Response:
    """Every version of the key, with the snapshots that came of it."""
    return of_model(request, await lake.in_thread(lambda: _of_object(lake, dataset, key)))


@router.get("/snapshots/{snapshot_id}", summary="A snapshot → objects and run", response_model=SnapshotLineage)
async def of_snapshot(request: Request, dataset: DatasetName, snapshot_id: SnapshotId, lake: Lake) -> Response:
    """Its sources with their counts, its run, and its place among its neighbours."""
    return of_model(request, await lake.in_thread(lambda: _of_snapshot(lake, dataset, snapshot_id)))


@router.get("/runs/{run_id}", summary="A run → objects and snapshots", response_model=RunLineage)
async def of_run(request: Request, dataset: DatasetName, run_id: RunId, lake: Lake) -> Response:
    """Every batch of the run that was of this dataset."""
    return of_model(request, await lake.in_thread(lambda: _of_run(lake, dataset, run_id)))


def _of_object(lake: Opened, dataset: str, key: str) -> ObjectLineage:
    entries = [one for one in lake.lake.stores.metadata.versions([key]).get(key, []) if one.dataset == dataset]
    if not entries:
        raise NotFound(f"nothing that dataset {dataset} takes ever landed under {key!r}")
    return ObjectLineage(dataset=dataset, key=key, versions=[_version(lake, entry) for entry in entries])


def _version(lake: Opened, entry: LedgerEntry) -> ObjectVersionLineage:
    batches = [one for one in dict.fromkeys([entry.batch_id, entry.standing_in]) if one]
    return ObjectVersionLineage(
        key=entry.object.key,
        etag=entry.object.etag,
        size=entry.object.size,
        modified=entry.object.modified,
        landing_date=entry.landing_date,
        state=entry.state,
        deliveries=entry.deliveries,
        attempts=entry.attempts,
        reason=entry.reason,
        first_seen=entry.first_seen,
        batch_id=entry.batch_id,
        snapshots=SnapshotSummary.all_of(lake.pages.of_batches(batches)) if batches else [],
    )


def _of_snapshot(lake: Opened, dataset: str, snapshot_id: str) -> SnapshotLineage:
    one = detail(lake, dataset, snapshot_id)
    batch = SnapshotSummary.all_of(lake.pages.of_batches([one.batch_id]))
    return SnapshotLineage(
        dataset=dataset,
        snapshot_id=snapshot_id,
        run_id=one.run_id,
        batch_id=one.batch_id,
        sources=one.sources,
        same_batch=[other.snapshot_id for other in batch if other.snapshot_id != snapshot_id],
        supersedes=one.supersedes,
        superseded_by=one.superseded_by,
        revoked_by=one.revoked_by,
        replays=one.replays,
        revokes=one.revokes,
        restores=one.restores,
    )


def _of_run(lake: Opened, dataset: str, run_id: str) -> RunLineage:
    found = lake.lake.stores.metadata.batches(dataset, run_id=run_id)
    if not found:
        raise NotFound(f"run {run_id} did nothing to dataset {dataset}")
    return RunLineage(dataset=dataset, run_id=run_id, batches=[_batch(one) for one in found])


def _batch(batch: Batch) -> BatchLineage:
    return BatchLineage(
        batch_id=batch.id,
        kind=batch.kind,
        status=batch.status,
        landing_date=batch.landing_date,
        commit=batch.commit,
        rows=RowCounts.model_validate(batch.rows, from_attributes=True),
        reason=batch.reason,
        sources=[SourcePart.model_validate(source_json(one)) for one in batch.sources],
        snapshots=[one.id for one in batch.snapshots],
    )
