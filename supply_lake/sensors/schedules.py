"""Schedules: when landing is listed whole for what is pending, when a source is pulled, and when the lake is cared for.

What belongs here: the cron side of discovery, pulling and upkeep. What does not: which runs publish (``requests``), and any of
the work.
"""

import datetime as dt

import dagster as dg

from supply_lake.assets.naming import (
    ASSET_JOB,
    COMPACT_JOB,
    DATASET_TAG,
    GC_JOB,
    PULL_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    RECONCILE_JOB,
    VERIFY_JOB,
    landing_key,
)
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.alerts import TickAlarm
from supply_lake.sensors.requests import only, pulls_under_way, wanted
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


def upkeep_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules of the jobs that care for what is stored, as far as settings ask for them; times are UTC."""
    crons = {
        COMPACT_JOB: settings.compact_schedule,
        GC_JOB: settings.gc_schedule,
        RECONCILE_JOB: settings.reconcile_schedule,
        VERIFY_JOB: settings.verify_schedule,
    }
    config = {GC_JOB: {"ops": {"collect_garbage": {"config": {"delete": True}}}}}
    return [
        dg.ScheduleDefinition(
            name=f"upkeep_{job}",
            job_name=job,
            cron_schedule=cron,
            execution_timezone="UTC",
            run_config=config.get(job),
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description=f"Runs the job {job} on all datasets.",
        )
        for job, cron in crons.items()
        if cron
    ]


def pull_schedule(spec: DatasetSpec, cron: str, alarm: TickAlarm) -> dg.ScheduleDefinition:
    """The schedule on which one source is pulled; times are UTC."""
    name = f"{spec.name}_pull"

    name = f"{spec.name}_pull"

    @dg.schedule(
        name=name,
        job_name=ASSET_JOB,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Pulls {spec.name} from {spec.source.system}.",
    )
    def pull(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tags = {PULL_TAG: "true", DATASET_TAG: spec.name}
        with alarm.over(f"schedule {name}"):
            busy = pulls_under_way(context.instance, spec.name)
        if busy:
            return dg.SkipReason(f"The pull before is still at work: run {busy[0].run_id}.")
        today = context.scheduled_execution_time.astimezone(dt.UTC).date()
        first = max(spec.start_date, today - dt.timedelta(days=spec.source.again_days))
        if first == today:
            return dg.RunRequest(partition_key=today.isoformat(), asset_selection=[landing_key(spec.name)], tags=tags)
        tags |= {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: today.isoformat()}
        return dg.RunRequest(asset_selection=[landing_key(spec.name)], tags=tags)

    return pull
