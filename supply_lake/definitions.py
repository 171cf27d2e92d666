"""The composition root: datasets folder and settings → everything that Dagster loads.

What belongs here: putting assets, sensors, schedules and resources together. What does not: any of them.

Dagster imports this module in its code server and again in every run worker, so it imports nothing that curating or querying
needs. A fault in a dataset file stops the whole location from loading, with one line for each fault (``file:line: what;
remedy``): a location that loads without a dataset would leave that dataset's files lying, and no one would know.
"""

from __future__ import annotations

import dagster as dg

from supply_lake.assets.lake import lake_asset, landing_asset
from supply_lake.datasets.registry import load_registry
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.alerts import TickAlarm, alert_sensor
from supply_lake.sensors.landing import landing_sensors
from supply_lake.sensors.lookout import Patience
from supply_lake.sensors.schedules import dataset_schedule, pull_schedule
from supply_lake.settings import Settings


def build_definitions(settings: Settings, *, patience: Patience | None = None) -> dg.Definitions:
    """Everything of one lake.

    :param patience: how long the landing sensors wait inside a tick
    :raises SpecError: one line for every fault of every dataset file
    """
    registry = load_registry(settings.datasets)
    specs, alarm = list(registry.values()), TickAlarm(settings.alert_url)
    return dg.Definitions(
        assets=[asset for spec in specs for asset in (landing_asset(spec), lake_asset(spec))],
        sensors=[*landing_sensors(settings, alarm, patience), alert_sensor(settings)],
        schedules=[
            *(dataset_schedule(settings, spec, spec.schedule, alarm) for spec in specs if spec.schedule),
            *(pull_schedule(spec, spec.source.schedule) for spec in specs if spec.source.schedule),
        ],
        resources={"lake_stores": LakeStores(settings), "duckdb": _duckdb(settings)},
        executor=dg.in_process_executor,
    )


def _duckdb(settings: Settings) -> dg.ResourceDefinition:
    def make(_: dg.InitResourceContext) -> object:
        from supply_lake.resources.duckdb_live import LiveDuckDB

        return LiveDuckDB.over(settings)

    return dg.ResourceDefinition(make, description="DuckDB in memory; every dataset is a view of its name.")


defs = build_definitions(Settings.from_env())
