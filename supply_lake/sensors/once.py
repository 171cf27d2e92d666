"""Ingest in this process: the real landing sensor, evaluated until it asks for nothing, and every run that it asks for.

What belongs here: standing in for Dagster's daemon and run workers on the persistent instance. What does not: any rule about
what is pending or how it is published; those are the sensor's and the asset's.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.utils import make_new_run_id

from supply_lake.assets.lake import lake_asset, landing_asset
from supply_lake.assets.naming import DATASET_TAG, DIGEST_TAG, OUTAGE_TAG
from supply_lake.datasets.registry import Registry, load_registry
from supply_lake.errors import StoreUnavailable, SupplyLakeError, UnknownDataset
from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import ObjectState
from supply_lake.resources.instance import answering, open_instance, quiet
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.landing import NAME, NOTHING_NEW, landing_sensor
from supply_lake.sensors.lookout import Patience
from supply_lake.sensors.requests import under_way
from supply_lake.sensors.run_here import run_here
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch

LOOK_AGAIN_SECONDS = 0.25
OnBatch = Callable[[Batch], None]


@dataclass(slots=True)
class Ingested:
    """``batches`` that were recorded, in order; ``troubles``: a sentence for every run that failed, rejections included;
    ``remarks``: sentences on what landed and was not run."""

    batches: list[Batch] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def run_everything(
    settings: Settings,
    names: Collection[str] | None = None,
    on_batch: OnBatch | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Ingested:
    """Discover what is pending and run it to the end.

    Runs that a daemon has under way meanwhile are waited for, not repeated. A batch that fails is tried again until its
    attempts are used up; one that fails because a store is away is tried once, and stays pending.

    :param names: only these datasets
    :param on_batch: called with every batch as its run ends
    :param on_wait: called with a sentence for every run of another process that is waited for
    :raises UnknownDataset: a name is no dataset, or none is declared
    :raises StoreUnavailable: landing, the metadata store or Dagster's own storage does not answer; what was published until
        then was told to ``on_batch``
    """
    registry = load_registry(settings.datasets)
    if not registry:
        raise UnknownDataset(f"no dataset is declared in {registry.folder}; write the first one there, as <name>.yaml")
    for name in names or ():
        registry.get(name)
    with quiet(), answering(settings), open_instance(settings) as instance, Stores.open(settings) as stores:
        return _Session(
            settings,
            registry,
            names=names,
            instance=instance,
            stores=stores,
            on_batch=on_batch or _nothing,
            on_wait=on_wait or _nothing,
        ).run()


def _nothing(_: object) -> None:
    """Told of something that no one asked to be told of."""


class _Session:
    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        *,
        names: Collection[str] | None,
        instance: dg.DagsterInstance,
        stores: Stores,
        on_batch: OnBatch,
        on_wait: Callable[[str], None],
    ) -> None:
        self.instance, self.stores, self.on_batch, self.on_wait = instance, stores, on_batch, on_wait
        patience = Patience(seconds=0, for_writers=settings.settle_seconds + 1, after_outage=dt.timedelta(), drain=True)
        sensor = landing_sensor(settings, patience=patience, names=names)
        self.definitions = dg.Definitions(
            assets=[asset for spec in registry.values() for asset in (landing_asset(spec), lake_asset(spec))],
            sensors=[sensor],
            resources={"lake_stores": LakeStores(settings)},
            executor=dg.in_process_executor,
        )
        self.job = self.definitions.resolve_implicit_global_asset_job_def()
        self.names = names
        self.ingested = Ingested()
        self.asked: set[str] = set()
        self.given_up: set[str] = set()
        self.waited_for: set[str] = set()

    def run(self) -> Ingested:
        begin = dt.datetime.now(dt.UTC)
        while True:
            found = self._tick()
            fresh = [request for request in found.run_requests or [] if self._is_fresh(request)]
            for request in fresh:
                self._execute(request)
            if not fresh:
                others = under_way(self.instance, self.names)
                if not others:
                    self.ingested.remarks += self._remarks(found.skip_message, begin)
                    return self.ingested
                self._say_what_is_waited_for(others)
                time.sleep(LOOK_AGAIN_SECONDS)

    def _is_fresh(self, request: dg.RunRequest) -> bool:
        return request.tags[DIGEST_TAG] not in self.asked and request.tags[DATASET_TAG] not in self.given_up

    def _say_what_is_waited_for(self, others: Collection[dg.DagsterRun]) -> None:
        for run in others:
            if run.run_id not in self.waited_for:
                self.waited_for.add(run.run_id)
                self.on_wait(f"waiting for run {run.run_id} of {run.tags.get(DATASET_TAG)}, on which another process works")

    def _remarks(self, skipped: str | None, begin: dt.datetime) -> Iterator[str]:
        if skipped and skipped != NOTHING_NEW:
            yield skipped
        refused = [one for one in self.stores.metadata.objects(state=ObjectState.REFUSED) if (one.first_seen or begin) >= begin]
        if refused:
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            yield f"{refused[0].object.key} is refused: {refused[0].reason}{more}; see `supply-lake objects --state refused`"

    def _tick(self) -> SensorExecutionData:
        sensor = self.definitions.resolve_sensor_def(NAME)
        context = dg.build_sensor_context(
            instance=self.instance, definitions=self.definitions, sensor_name=NAME, resources=self.definitions.resources
        )
        with _own_errors(), context:
            return sensor.evaluate_tick(context)

    def _execute(self, request: dg.RunRequest) -> None:
        self.asked.add(request.tags[DIGEST_TAG])
        run_id = make_new_run_id()
        try:
            self.ingested.troubles += run_here(
                self.instance,
                self.job,
                run_id=run_id,
                asset=request.asset_selection[0] if request.asset_selection else None,
                partition=request.partition_key,
                tags={**request.tags, "dagster/sensor_name": NAME, "dagster/run_key": request.run_key or ""},
            )
        finally:  # a run that breaks off may have published some of its batches
            with suppress(StoreUnavailable):
                self._take_up(request.tags[DATASET_TAG], run_id)
        run = self.instance.get_run_by_id(run_id)
        if run and OUTAGE_TAG in run.tags:
            self.given_up.add(request.tags[DATASET_TAG])

    def _take_up(self, dataset: str, run_id: str) -> None:
        for batch in reversed(self.stores.metadata.batches(dataset, run_id=run_id)):
            self.ingested.batches.append(batch)
            self.on_batch(batch)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Let our own errors through as they are; Dagster wraps what a sensor raises."""
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, SupplyLakeError):
                raise cause from None
            cause = cause.__cause__
        raise
