"""The sensors that tell of what a person should know: runs that failed, checks that did not pass, datasets that are late.

What belongs here: reading that from Dagster's event log. What does not: the message and where it goes (``alerts``).

A rejected batch, a batch whose attempts are used up and a blocking check that failed each fail their run. A check that only
warns fails nothing, and nobody runs a dataset that is late; Dagster tells of neither by itself.
"""

from collections import defaultdict
from collections.abc import Sequence

import dagster as dg
from dagster import AssetCheckEvaluation, DagsterEventType, EventRecordsFilter
from dagster._core.definitions.freshness import FreshnessState

from supply_lake.assets.naming import DATASET_TAG, PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG, lake_key
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.sensors.alerts import Alert, Kind, send
from supply_lake.settings import Settings

_LOOKED_AT = 500
"""Changes of freshness that one tick looks at; the next tick goes on."""


def alarm_sensors(settings: Settings, specs: Sequence[DatasetSpec]) -> list[dg.SensorDefinition]:
    """One sensor for each kind of alert."""
    return [_failures(settings.alert_url), _warnings(settings.alert_url), _lateness(settings.alert_url, specs)]


def _failures(url: str) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alerts",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of failed runs: rejected batches, batches whose attempts are used up, stores that are away.",
    )
    def alert(context: dg.RunFailureSensorContext) -> None:
        send(failure(context), url)

    return alert


def failure(context: dg.RunFailureSensorContext) -> Alert:
    """The alert for a run that failed."""
    run = context.dagster_run
    told = [
        event.step_failure_data.user_failure_data.description or ""
        for event in context.get_step_failure_events()
        if event.step_failure_data.user_failure_data
    ]
    partition = run.tags.get(PARTITION_TAG) or "/".join(
        run.tags[tag] for tag in (RANGE_START_TAG, RANGE_END_TAG) if tag in run.tags
    )
    reason = "\n".join(filter(None, told)) or context.failure_event.message or "the run failed"
    return Alert(reason, dataset=run.tags.get(DATASET_TAG, ""), partition=partition, run_id=run.run_id)


def _warnings(url: str) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name="check_warnings",
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of checks that did not pass in runs that succeeded.",
    )
    def warn(context: dg.RunStatusSensorContext) -> None:
        run_id = context.dagster_run.run_id
        entries = context.instance.all_logs(run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        evaluations = [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]
        for one in warning([evaluation for evaluation in evaluations if not evaluation.passed], run_id):
            send(one, url)

    return warn


def warning(evaluations: list[AssetCheckEvaluation], run_id: str) -> list[Alert]:
    """The alerts for checks that did not pass: one for each check, however many dates the run covered."""
    groups: dict[tuple[dg.AssetKey, str], list[AssetCheckEvaluation]] = defaultdict(list)
    for one in evaluations:
        groups[one.asset_key, one.check_name].append(one)
    return [
        Alert(
            f"check {name} did not pass{_told(group[-1])}" + (f" (and on {len(group) - 1} more dates)" if group[1:] else ""),
            kind=Kind.WARNING,
            dataset=key.path[-1],
            partition=group[-1].partition or "",
            run_id=run_id,
        )
        for (key, name), group in groups.items()
    ]


def _told(evaluation: AssetCheckEvaluation) -> str:
    """Why, if the check says so in words."""
    words = [evaluation.description] + [
        value.text for value in evaluation.metadata.values() if isinstance(value, dg.TextMetadataValue)
    ]
    told = next(filter(None, words), None)
    return f": {told}" if told else ""


def _lateness(url: str, specs: Sequence[DatasetSpec]) -> dg.SensorDefinition:
    late = {lake_key(spec.name): spec.freshness for spec in specs if spec.freshness}

    @dg.sensor(
        name="lateness",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells of datasets of which nothing was published for longer than their freshness allows.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        storage = context.instance.event_log_storage
        if context.cursor is None:  # what happened before this sensor was there is no news
            newest = storage.get_event_records(EventRecordsFilter(DagsterEventType.FRESHNESS_STATE_CHANGE), limit=1)
            context.update_cursor(str(newest[0].storage_id if newest else 0))
            return dg.SkipReason("From now on, lateness is told.")
        events = EventRecordsFilter(DagsterEventType.FRESHNESS_STATE_CHANGE, after_cursor=int(context.cursor))
        told = 0
        for record in storage.get_event_records(events, limit=_LOOKED_AT, ascending=True):
            context.update_cursor(str(record.storage_id))
            change = record.event_log_entry.get_dagster_event().asset_freshness_state_change_data
            if change.new_state is FreshnessState.FAIL and (freshness := late.get(change.key)):
                reason = f"nothing was published for {freshness.max_age_hours:g} hours"
                send(Alert(reason, kind=Kind.LATENESS, dataset=change.key.path[-1]), url)
                told += 1
        return dg.SkipReason(f"{told} datasets are late." if told else "No dataset has become late.")

    return look
