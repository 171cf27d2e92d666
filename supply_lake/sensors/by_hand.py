"""What a person asks for at a terminal, as a run in this process: a replay, a revocation. The UI runs the same.

What belongs here: which run it is, and what came of it. What does not: either of them (``assets.curation``,
``assets.revocation``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
from dagster._core.utils import make_new_run_id

from supply_lake.assets.lake import lake_asset, landing_asset
from supply_lake.assets.naming import DATASET_TAG, RANGE_END_TAG, RANGE_START_TAG, REPLAY_TAG, REVOKE_JOB, lake_key
from supply_lake.assets.revocation import OP, revoke_job
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import NotRevocable
from supply_lake.ingest.replay import landing_dates
from supply_lake.ingest.stores import Stores
from supply_lake.resources.instance import answering, open_instance, quiet
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.once import Ingested
from supply_lake.sensors.run_here import run_here
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch


def run_replay(settings: Settings, name: str, snapshot_id: str | None = None) -> Ingested:
    """Replay what was rejected of a dataset.

    :param snapshot_id: only what stands of the rejects of this snapshot's batch
    :raises UnknownDataset: no dataset is called so
    :raises UnknownSnapshot: the dataset has no such snapshot
    :raises StoreUnavailable: a store, or Dagster's own storage, does not answer
    """
    with _opened(settings) as (instance, stores):
        spec = stores.registry.get(name)
        dates, remarks = _placeable(spec, landing_dates(stores, name, snapshot_id))
        if not dates:
            return Ingested(remarks=remarks)
        definitions = dg.Definitions(
            assets=[landing_asset(spec), lake_asset(spec)],
            resources={"lake_stores": LakeStores(settings)},
            executor=dg.in_process_executor,
        )
        run_id, (first, last) = make_new_run_id(), (dates[0].isoformat(), dates[-1].isoformat())
        troubles = run_here(
            instance,
            definitions.resolve_implicit_global_asset_job_def(),
            run_id=run_id,
            asset=lake_key(name),
            partition=first if first == last else None,
            tags={
                REPLAY_TAG: snapshot_id or "true",
                DATASET_TAG: name,
                **({RANGE_START_TAG: first, RANGE_END_TAG: last} if first != last else {}),
            },
        )
        return Ingested(_batches(stores, name, run_id), troubles, remarks)


def run_revocation(settings: Settings, snapshot_id: str, *, why: str, by: str = "") -> Batch:
    """Take a snapshot out of the live set.

    :raises UnknownSnapshot: no record has this id
    :raises NotRevocable: it cannot be revoked; the message says why, and what to do
    :raises StoreUnavailable: a store, or Dagster's own storage, does not answer
    """
    with _opened(settings) as (instance, stores):
        name, run_id = stores.metadata.snapshot(snapshot_id).dataset, make_new_run_id()
        job = dg.Definitions(
            jobs=[revoke_job()], resources={"lake_stores": LakeStores(settings)}, executor=dg.in_process_executor
        ).resolve_job_def(REVOKE_JOB)
        asked = {"snapshot": snapshot_id, "why": why, "by": by}
        troubles = run_here(instance, job, run_id=run_id, tags={DATASET_TAG: name}, config={OP: {"config": asked}})
        if troubles:
            raise NotRevocable(troubles[0])
        return _batches(stores, name, run_id)[0]


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[dg.DagsterInstance, Stores]]:
    with quiet(), answering(settings), open_instance(settings) as instance, Stores.open(settings) as stores:
        yield instance, stores


def _batches(stores: Stores, name: str, run_id: str) -> list[Batch]:
    return list(reversed(stores.metadata.batches(name, run_id=run_id)))


def _placeable(spec: DatasetSpec, dates: Sequence[dt.date]) -> tuple[list[dt.date], list[str]]:
    """The dates that the asset has, and remarks on others."""
    today = dt.datetime.now(dt.UTC).date()
    placed = [date for date in dates if spec.start_date <= date <= today]
    return placed, [
        f"what was rejected of {date} is left: that date is before the start_date {spec.start_date} of {spec.name}, or to come"
        for date in dates
        if date not in placed
    ]
