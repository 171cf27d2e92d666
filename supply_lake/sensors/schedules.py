"""Schedules of datasets that declare one: at its times, landing is listed whole and what is pending is asked for.

What belongs here: the cron side of discovery. What does not: which runs (``requests``).
"""

import dagster as dg

from supply_lake.assets.naming import ASSET_JOB
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.alerts import TickAlarm
from supply_lake.sensors.requests import only, wanted
from supply_lake.settings import Settings


def dataset_schedule(settings: Settings, spec: DatasetSpec, cron: str, alarm: TickAlarm) -> dg.ScheduleDefinition:
    """The schedule of one dataset; times are UTC."""

    name = f"{spec.name}_schedule"

    @dg.schedule(
        name=name,
        job_name=ASSET_JOB,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Looks for files of {spec.name} that nobody told of, and asks for runs.",
    )
    def look(
        context: dg.ScheduleEvaluationContext, lake_stores: dg.ResourceParam[LakeStores]
    ) -> list[dg.RunRequest] | dg.SkipReason:
        from supply_lake.ingest.discovery import tick

        with alarm.over(f"schedule {name}"), lake_stores.open() as stores:
            tick(stores, full=True)
            found = wanted(context.instance, settings, stores.registry, only(stores.metadata.pending(), [spec.name]))
        return found.requests or dg.SkipReason("; ".join(found.remarks) or f"Nothing of {spec.name} is pending.")

    return look
