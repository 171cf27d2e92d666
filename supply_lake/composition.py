"""Datasets and settings → everything that Dagster loads of a lake.

What belongs here: putting assets, sensors, schedules and resources together. What does not: any of them, and which lake it is
(``definitions`` takes the one of the environment, ``components`` those of a ``dg`` project).

Dagster imports this module in its code server and again in every run worker, so it imports nothing that curating or querying
needs.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from supply_lake.assets.lake import lake_asset, landing_asset
from supply_lake.assets.revocation import revoke_job
from supply_lake.assets.upkeep import upkeep_jobs
from supply_lake.datasets.registry import load_registry
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.alarms import alarm_sensors
from supply_lake.sensors.alerts import TickAlarm
from supply_lake.sensors.landing import landing_sensors
from supply_lake.sensors.lookout import Patience
from supply_lake.sensors.schedules import dataset_schedule, pull_schedule, upkeep_schedules
from supply_lake.settings import Settings


def dataset_assets(spec: DatasetSpec) -> list[dg.AssetSpec | dg.AssetsDefinition]:
    """The two assets of a dataset."""
    return [landing_asset(spec), lake_asset(spec)]


def lake_definitions(settings: Settings, specs: Sequence[DatasetSpec], *, patience: Patience | None = None) -> dg.Definitions:
    """What a lake has besides its assets: sensors, schedules, the jobs that revoke and care for it, and resources.

    :param patience: how long the landing sensors wait inside a tick
    """
    alarm = TickAlarm(settings.alert_url)
    return dg.Definitions(
        sensors=[*landing_sensors(settings, alarm, patience), *alarm_sensors(settings, specs)],
        schedules=[
            *(dataset_schedule(settings, spec, spec.schedule, alarm) for spec in specs if spec.schedule),
            *(pull_schedule(spec, spec.source.schedule, alarm) for spec in specs if spec.source.schedule),
            *upkeep_schedules(settings),
        ],
        jobs=[revoke_job(), *upkeep_jobs()],
        resources={"lake_stores": _lake_stores(settings), "duckdb": _duckdb(settings)},
    )


def build_definitions(settings: Settings, *, patience: Patience | None = None) -> dg.Definitions:
    """Everything of one lake.

    :param patience: how long the landing sensors wait inside a tick
    :raises SpecError: one line for every fault of every dataset file
    """
    specs = list(load_registry(settings.datasets).values())
    lake = lake_definitions(settings, specs, patience=patience)
    return dg.Definitions(
        assets=[asset for spec in specs for asset in dataset_assets(spec)],
        sensors=lake.sensors,
        schedules=lake.schedules,
        jobs=lake.jobs,
        resources=lake.resources,
        executor=dg.in_process_executor,
    )


# Dagster shows a resource under the name of the function that makes it.


def _lake_stores(settings: Settings) -> dg.ResourceDefinition:
    def lake_stores(_: dg.InitResourceContext) -> LakeStores:
        return LakeStores(settings)

    return dg.ResourceDefinition(lake_stores, description="Landing, lake and rejects, and the metadata store.")


def _duckdb(settings: Settings) -> dg.ResourceDefinition:
    def live_duckdb(_: dg.InitResourceContext) -> object:
        from supply_lake.resources.duckdb_live import LiveDuckDB

        return LiveDuckDB.over(settings)

    return dg.ResourceDefinition(live_duckdb, description="DuckDB in memory; every dataset is a view of its name.")
