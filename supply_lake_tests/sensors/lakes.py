"""A small lake with a Dagster instance, for tests that run the real sensor and the real asset."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AssetRecordsFilter, DagsterEventType

from supply_lake.assets.naming import PENDING_TAG, RANGE_END_TAG, RANGE_START_TAG, lake_key, landing_key
from supply_lake.composition import build_definitions
from supply_lake.ingest.discovery import tick
from supply_lake.ingest.stores import Stores
from supply_lake.sensors.landing import NAME
from supply_lake.sensors.lookout import Patience
from supply_lake.settings import Settings
from supply_lake_tests.sensors.made_up import write_specs

TODAY = dt.datetime.now(dt.UTC).date()
YESTERDAY = TODAY - dt.timedelta(days=1)
GOOD = "order_id,quantity\no1,1\no2,2\n"
BAD = "order_id,quantity\no1,many\no2,-2\no3,3\n"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Lake:
    settings: Settings
    stores: Stores
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def land(self, file: str, text: str, day: dt.date = TODAY, dataset: str = "orders") -> None:
        self.stores.landing.put(f"{dataset}/{day:%Y/%m/%d}/{file}", text.encode())

    def discover(self) -> None:
        tick(self.stores, full=True)

    def look(self) -> dg._core.definitions.sensor_definition.SensorExecutionData:
        """One tick of the real sensor."""
        sensor = self.definitions.resolve_sensor_def(NAME)
        with dg.build_sensor_context(
            instance=self.instance, definitions=self.definitions, sensor_name=NAME, resources=self.definitions.resources
        ) as context:
            return sensor.evaluate_tick(context)

    def run(
        self,
        first: dt.date = TODAY,
        last: dt.date | None = None,
        dataset: str = "orders",
        *,
        pending: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """One run of the asset over these dates."""
        dates = {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()} if last else {}
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[lake_key(dataset)],
            partition_key=None if last else first.isoformat(),
            tags={**dates, **({PENDING_TAG: "true"} if pending else {}), **(tags or {})},
            run_config=QUIET,
            raise_on_error=False,
        )

    def materializations(self, dataset: str = "orders", *, landing: bool = False) -> dict[str, dg.AssetMaterialization]:
        """The newest event of each partition."""
        key = landing_key(dataset) if landing else lake_key(dataset)
        records = self.instance.fetch_materializations(AssetRecordsFilter(key), limit=1_000, ascending=True).records
        return {record.partition_key or "": record.asset_materialization for record in records if record.asset_materialization}

    def evaluations(self, result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
        """Check evaluations of a run by check and partition."""
        events = result.all_events
        found = [one.asset_check_evaluation_data for one in events if one.event_type is DagsterEventType.ASSET_CHECK_EVALUATION]
        return {(one.check_name, one.partition or ""): one for one in found}


def reasons(result: dg.ExecuteInProcessResult) -> str:
    """Why the steps of a run failed, as its user reads it."""
    data = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return "\n".join(one.user_failure_data.description for one in data)


@contextmanager
def lake(home: Path, specs: Sequence[dict[str, Any]], patience: float = 0, **env: str) -> Iterator[Lake]:
    folder = write_specs(home, *specs)
    variables = {"SUPPLY_LAKE_HOME": str(home / "lake"), "SUPPLY_LAKE_DATASETS": str(folder), "SUPPLY_LAKE_SETTLE_SECONDS": "0"}
    settings = Settings.from_env({**variables, **env})
    with dg.DagsterInstance.ephemeral(tempdir=str(home / "dagster")) as instance, Stores.open(settings) as stores:
        yield Lake(settings, stores, instance, build_definitions(settings, patience=Patience(seconds=patience)))
