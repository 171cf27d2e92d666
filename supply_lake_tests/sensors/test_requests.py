"""Run requests: what is asked for, and what is not asked for again."""

from __future__ import annotations

import datetime as dt
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster import DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from supply_lake.assets.naming import DATASET_TAG, OUTAGE_TAG, PENDING_TAG, RANGE_END_TAG, RANGE_START_TAG, partitions
from supply_lake.datasets.registry import Registry, load_registry
from supply_lake.landing.ledger import PendingBatch
from supply_lake.resources.workers import WORKER_TAG, mark
from supply_lake.sensors.requests import START, Wanted, under_way, wanted
from supply_lake.settings import Settings
from supply_lake_tests.sensors.made_up import ORDERS, write_specs

TODAY = dt.date(2026, 11, 5)
NOON = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
LATER = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = write_specs(tmp_path, ORDERS, {**ORDERS, "name": "stock"})
    return Settings.from_env({"SUPPLY_LAKE_HOME": str(tmp_path), "SUPPLY_LAKE_DATASETS": str(folder)})


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return load_registry(settings.datasets)


def waiting(day: int, dataset: str = "orders", digest: str = "d1", attempt: int = 1) -> PendingBatch:
    return PendingBatch(dataset, TODAY - dt.timedelta(days=day), 1, 10, attempt, digest)


def ask(instance: dg.DagsterInstance, settings: Settings, registry: Registry, *pending: PendingBatch) -> Wanted:
    return wanted(instance, settings, registry, pending, now=NOON)


def start(instance: dg.DagsterInstance, request: dg.RunRequest, status: DagsterRunStatus, **tags: str) -> str:
    partition = {"dagster/partition": request.partition_key} if request.partition_key else {}
    run = create_run_for_test(instance, status=status, tags={**request.tags, **partition, **tags})
    return run.run_id


def test_one_date_is_a_partition_and_several_are_a_range(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> None:
    single, ranged = ask(
        instance, settings, registry, waiting(1, "stock"), waiting(0, "orders"), waiting(1, "orders")
    ).requests[::-1]
    assert (single.partition_key, single.asset_selection) == ("2026-11-04", [dg.AssetKey(["lake", "stock"])])
    assert ranged.partition_key is None
    assert (ranged.tags[RANGE_START_TAG], ranged.tags[RANGE_END_TAG]) == ("2026-11-04", "2026-11-05")
    assert {single.tags[PENDING_TAG], ranged.tags[PENDING_TAG]} == {"true"}
    assert (single.tags[DATASET_TAG], ranged.tags[DATASET_TAG]) == ("stock", "orders")


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_a_date_whose_run_is_under_way_is_not_asked_for_though_it_grows(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry, status: DagsterRunStatus
) -> None:
    (request,) = ask(instance, settings, registry, waiting(1), waiting(2)).requests
    start(instance, request, status)
    found = ask(instance, settings, registry, waiting(1, digest="grown"), waiting(3))
    assert [one.partition_key for one in found.requests] == ["2026-11-02"]
    assert len(under_way(instance)) == 1
    assert under_way(instance, ["stock"]) == []


def test_what_a_finished_run_left_is_asked_for_again(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> None:
    (request,) = ask(instance, settings, registry, waiting(1)).requests
    start(instance, request, DagsterRunStatus.SUCCESS)
    (again,) = ask(instance, settings, registry, waiting(1, digest="the rest")).requests
    assert again.run_key != request.run_key


@pytest.mark.parametrize(
    ("tags", "digest"), [({OUTAGE_TAG: "true"}, "forgiven"), ({}, "d1")], ids=["a store was away", "it never came to its work"]
)
def test_m5_what_a_run_could_not_do_is_asked_for_again_under_another_key_after_growing_pauses(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry, tags: dict[str, str], digest: str
) -> None:
    (first,) = ask(instance, settings, registry, waiting(1)).requests
    keys, pauses = [first.run_key], []
    for _ in range(3):
        pending = [waiting(1, digest=digest)]
        run_id = start(instance, first, DagsterRunStatus.FAILURE, **tags)
        ended = instance.get_run_record_by_id(run_id).update_timestamp.replace(tzinfo=dt.UTC)
        seconds = (
            s for s in range(0, 100, 5) if wanted(instance, settings, registry, pending, now=ended + s * SECOND).requests
        )
        pauses.append(next(seconds))
        (first,) = wanted(instance, settings, registry, pending, now=ended + LATER).requests
        keys.append(first.run_key)
    assert pauses == [10, 20, 40]
    assert len(set(keys)) == 4


def test_a_run_that_did_its_work_ends_the_pause(instance: dg.DagsterInstance, settings: Settings, registry: Registry) -> None:
    (first,) = ask(instance, settings, registry, waiting(1)).requests
    start(instance, first, DagsterRunStatus.FAILURE, **{OUTAGE_TAG: "true"})
    start(instance, first, DagsterRunStatus.SUCCESS)
    assert wanted(instance, settings, registry, [waiting(1, digest="new")], now=dt.datetime.now(dt.UTC)).requests


def test_a_run_whose_process_is_gone_is_reported_and_frees_its_batches(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    reports_and_frees(instance, settings, registry, f"{socket.gethostname()}:{process.pid}:")


def test_a_run_whose_process_is_gone_and_its_number_another_ones_frees_its_batches(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> None:
    reports_and_frees(instance, settings, registry, f"{socket.gethostname()}:{os.getpid()}:another-boot:1")


def reports_and_frees(instance: dg.DagsterInstance, settings: Settings, registry: Registry, gone: str) -> None:
    (request,) = ask(instance, settings, registry, waiting(1)).requests
    run_id = start(instance, request, DagsterRunStatus.STARTED, **{WORKER_TAG: gone})
    assert ask(instance, settings, registry, waiting(1, attempt=2, digest="d2")).requests
    assert instance.get_run_by_id(run_id).status is DagsterRunStatus.FAILURE


@pytest.mark.parametrize("worker", ["", "elsewhere:1:", "this"])
def test_a_run_whose_process_may_be_alive_is_waited_for(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry, worker: str
) -> None:
    (request,) = ask(instance, settings, registry, waiting(1)).requests
    run_id = start(instance, request, DagsterRunStatus.STARTED, **{WORKER_TAG: worker})
    if worker == "this":
        mark(instance, run_id)
    assert ask(instance, settings, registry, waiting(1)).requests == []


@pytest.mark.parametrize("status", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_a_run_that_no_process_took_up_is_given_up_after_minutes(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry, status: DagsterRunStatus
) -> None:
    (request,) = ask(instance, settings, registry, waiting(1)).requests
    start(instance, request, status)
    later = dt.datetime.now(dt.UTC) + START
    assert wanted(instance, settings, registry, [waiting(1)], now=later - dt.timedelta(minutes=1)).requests == []
    assert wanted(instance, settings, registry, [waiting(1)], now=later).requests


def test_a_date_that_is_no_partition_is_left_out_with_a_remark(
    instance: dg.DagsterInstance, settings: Settings, registry: Registry
) -> None:
    tomorrow, before = waiting(-1), PendingBatch("orders", dt.date(2019, 1, 1), 1, 10, 1, "d")
    found = ask(instance, settings, registry, tomorrow, before, waiting(0), waiting(0, "unheard_of"))
    assert [one.partition_key for one in found.requests] == ["2026-11-05"]
    assert len(found.remarks) == 3


@pytest.mark.parametrize("days", [-2, -1, 0, 1, 400])
def test_dates_that_are_asked_for_are_those_that_dagster_knows(registry: Registry, settings: Settings, days: int) -> None:
    now = dt.datetime.now(dt.UTC)
    date = now.date() - dt.timedelta(days=days)
    with dg.DagsterInstance.ephemeral() as instance:
        found = wanted(instance, settings, registry, [PendingBatch("orders", date, 1, 1, 1, "d")], now=now)
    assert bool(found.requests) == partitions(registry["orders"]).has_partition_key(date.isoformat())


def test_e9_without_a_queue_no_more_runs_are_asked_for_than_there_are_processors(
    tmp_path: Path, settings: Settings, registry: Registry
) -> None:
    (tmp_path / "dagster").mkdir()
    coordinator = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    (tmp_path / "dagster" / "dagster.yaml").write_text(yaml.safe_dump({"run_coordinator": coordinator}))
    pending = [waiting(day) for day in range(0, 60, 2)]
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        found = ask(instance, settings, registry, *pending)
        most = max(2, os.cpu_count() or 2)
        assert len(found.requests) == min(most, settings.max_runs_per_tick)
        for request in found.requests:
            start(instance, request, DagsterRunStatus.STARTED)
        assert ask(instance, settings, registry, *pending).requests == []
