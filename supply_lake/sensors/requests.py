"""Pending batches → Dagster run requests, without asking twice for what is under way.

What belongs here: what the instance knows of earlier runs, and the form of a request. What does not: grouping (``plan``) and
when to look (``landing``, ``schedules``, ``once``).

Dagster forgets no run key: a request with a known key is dropped for ever. The key therefore names the object versions, their
attempt, and how many runs were asked for them before. What a run could not do (a store was away, or it never came to its work)
is asked for again with growing pauses.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from supply_lake.assets.naming import (
    DATASET_TAG,
    DIGEST_TAG,
    OUTAGE_TAG,
    PARTITION_TAG,
    PENDING_TAG,
    PULL_TAG,
    RANGE_END_TAG,
    RANGE_START_TAG,
    lake_key,
)
from supply_lake.datasets.registry import Registry
from supply_lake.resources.workers import is_dead, is_marked
from supply_lake.sensors.plan import Ask, plan
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from supply_lake.landing.ledger import PendingBatch

LEASE = dt.timedelta(hours=6)
"""A run that is under way for longer is not waited for; two runs of one batch are safe, and one of them is wasted."""
START = dt.timedelta(minutes=10)
"""The same for a run that no process has taken up, although it is not in a queue: whoever was to start it is gone."""
FIRST_PAUSE = dt.timedelta(seconds=10)
LONGEST_PAUSE = dt.timedelta(minutes=15)
_UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """``requests`` to make now; ``remarks`` on what is pending and not asked for; ``under_way``: runs that are at work."""

    requests: list[dg.RunRequest]
    remarks: list[str]
    under_way: int


def wanted(
    instance: DagsterInstance,
    settings: Settings,
    registry: Registry,
    pending: Sequence[PendingBatch],
    *,
    after_outage: dt.timedelta = FIRST_PAUSE,
    now: dt.datetime | None = None,
) -> Wanted:
    """The runs to ask for, at most ``max_runs_per_tick`` of them, and fewer when runs start without a queue.

    :param after_outage: the pause after a first run that ended without counting an attempt; it doubles with every further one

    Batches whose date is no partition of their dataset are left out with a remark: one such key in a request would make
    Dagster drop every request of the tick.
    """
    if not pending:
        return Wanted([], [], 0)
    now = now or dt.datetime.now(dt.UTC)
    placed, remarks = _placeable(registry, pending, now)
    runs = _runs_under_way(instance, now)
    covered = [(run.tags.get(DATASET_TAG), *_dates(run)) for run in runs]
    asks = plan(
        placed,
        lambda one: any(name == one.dataset and first <= one.landing_date.isoformat() <= last for name, first, last in covered),
        max_objects=settings.max_objects_per_run,
        max_bytes=settings.max_bytes_per_run,
        depth=registry.depth,
    )
    room = _room(instance, settings) - len(runs)
    requests: list[dg.RunRequest] = []
    for ask in asks:
        if len(requests) >= room:
            remarks.append(f"{len(asks)} runs are wanted, and room is for {max(room, 0)}; the others follow")
            break
        tries = _earlier(instance, ask, after_outage, now)
        if tries is None:
            remarks.append(f"{ask.dataset} {ask.first} is tried again later: its last run found a store away")
        else:
            requests.append(_request(ask, tries))
    return Wanted(requests, remarks, len(runs))


def under_way(instance: DagsterInstance, names: Collection[str] | None = None) -> list[DagsterRun]:
    """Runs that publish what is pending now, of these datasets or of all. A run whose process is gone is reported as failed."""
    runs = _runs_under_way(instance, dt.datetime.now(dt.UTC))
    return [run for run in runs if names is None or run.tags.get(DATASET_TAG) in names]


def pulls_under_way(instance: DagsterInstance, name: str) -> list[DagsterRun]:
    """Scheduled runs that pull the dataset now."""
    return _runs_under_way(instance, dt.datetime.now(dt.UTC), {PULL_TAG: "true", DATASET_TAG: name})


def _placeable(registry: Registry, pending: Sequence[PendingBatch], now: dt.datetime) -> tuple[list[PendingBatch], list[str]]:
    placed, remarks = [], []
    for batch in pending:
        if batch.dataset not in registry:
            remarks.append(f"{batch.objects} objects wait for dataset {batch.dataset}, which no file declares")
            continue
        spec = registry[batch.dataset]
        if not spec.start_date <= batch.landing_date <= now.astimezone(dt.UTC).date():
            remarks.append(
                f"{batch.objects} objects of {batch.dataset} wait: landing date {batch.landing_date} is before its start_date "
                f"{spec.start_date}, or in the future"
            )
        else:
            placed.append(batch)
    return placed, remarks


def _runs_under_way(
    instance: DagsterInstance, now: dt.datetime, tags: Mapping[str, str] = MappingProxyType({PENDING_TAG: "true"})
) -> list[DagsterRun]:
    """Runs at work for us. Those whose process is gone are reported as failed, which frees what they worked on."""
    records = instance.get_run_records(RunsFilter(statuses=_UNDER_WAY, tags=dict(tags)), limit=500)
    alive = []
    for record in records:
        if is_dead(record.dagster_run):
            instance.report_run_failed(record.dagster_run, "The process of this run is gone; its work is done again.")
        elif now - _utc(record.create_timestamp) < _lease(record.dagster_run):
            alive.append(record.dagster_run)
    return alive


def _lease(run: DagsterRun) -> dt.timedelta:
    return LEASE if is_marked(run) or run.status is DagsterRunStatus.QUEUED else START


def _room(instance: DagsterInstance, settings: Settings) -> int:
    """A queue bounds how many runs are at work; without one, starting more runs than processors makes all of them slow."""
    from dagster._core.run_coordinator import QueuedRunCoordinator

    if isinstance(instance.run_coordinator, QueuedRunCoordinator):
        return settings.max_runs_per_tick
    return min(settings.max_runs_per_tick, max(2, os.cpu_count() or 2))


def _earlier(instance: DagsterInstance, ask: Ask, first_pause: dt.timedelta, now: dt.datetime) -> int | None:
    """How many runs were asked for just this before; ``None`` while the pause after fruitless runs of the dataset lasts."""
    recent = instance.get_run_records(RunsFilter(tags={DATASET_TAG: ask.dataset, PENDING_TAG: "true"}), limit=20)
    ended = [record for record in recent if record.dagster_run.is_finished]
    fruitless = list(takewhile(lambda record: _is_fruitless(record.dagster_run, ask), ended))
    if fruitless and now - _utc(fruitless[0].update_timestamp) < min(LONGEST_PAUSE, first_pause * 2 ** (len(fruitless) - 1)):
        return None
    return instance.get_runs_count(RunsFilter(tags={DIGEST_TAG: ask.digest}))


def _is_fruitless(run: DagsterRun, ask: Ask) -> bool:
    """Whether the run ended without counting an attempt: a store was away, or it never came to its work."""
    return OUTAGE_TAG in run.tags or run.tags.get(DIGEST_TAG) == ask.digest


def _request(ask: Ask, tries: int) -> dg.RunRequest:
    tags = {PENDING_TAG: "true", DATASET_TAG: ask.dataset, DIGEST_TAG: ask.digest}
    first, last = ask.first.isoformat(), ask.last.isoformat()
    if first != last:
        tags |= {RANGE_START_TAG: first, RANGE_END_TAG: last}
    return dg.RunRequest(
        run_key=f"{ask.dataset}/{first}/{ask.digest}/{tries}",
        partition_key=first if first == last else None,
        asset_selection=[lake_key(ask.dataset)],
        tags=tags,
    )


def _dates(run: DagsterRun) -> tuple[str, str]:
    """First and last landing date of a run, as text; of a run without dates, a range that holds none."""
    one = run.tags.get(PARTITION_TAG)
    if one:
        return one, one
    return run.tags.get(RANGE_START_TAG, "9999"), run.tags.get(RANGE_END_TAG, "")


def _utc(time: dt.datetime) -> dt.datetime:
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def only(pending: Sequence[PendingBatch], names: Collection[str] | None) -> list[PendingBatch]:
    """The batches of these datasets; all of them when no names are given."""
    return [batch for batch in pending if names is None or batch.dataset in names]
