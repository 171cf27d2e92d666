"""Runs in a worker that was ready before they were asked for; ``integration/test_dev.py`` has the whole way of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus, DefaultRunLauncher
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher.base import LaunchRunContext
from dagster._core.storage.tags import GRPC_INFO_TAG, PARENT_RUN_ID_TAG, ROOT_RUN_ID_TAG
from dagster._core.test_utils import create_run_for_test

from supply_lake.assets.naming import ASSET_JOB, PARTITION_TAG, PENDING_TAG, lake_key
from supply_lake.launch import launcher, worker
from supply_lake.launch.launcher import SpareWorkerLauncher
from supply_lake.launch.rehearsal import rehearse
from supply_lake_tests.sensors.lakes import TODAY

SOON = 60.0
ASKED = {PENDING_TAG: "true", PARTITION_TAG: TODAY.isoformat()}
DIES = (sys.executable, "-c", "import os, sys; sys.stdin.readline(); os._exit(7)")
IDLES = (sys.executable, "-c", "import sys; sys.stdin.readline()")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def launches(instance: dg.DagsterInstance) -> Iterator[SpareWorkerLauncher]:
    """A launcher on that instance."""
    made = SpareWorkerLauncher()
    made.register_instance(instance)
    yield made
    made.dispose()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "REFILL_SECONDS", 0.0)


@dataclass
class ColdStarts:
    runs: list[str]


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> ColdStarts:
    """Notes the runs that Dagster's own launcher is given, and lets it do nothing."""
    noted = ColdStarts([])
    monkeypatch.setattr(DefaultRunLauncher, "launch_run", lambda _, context: noted.runs.append(context.dagster_run.run_id))
    return noted


def make_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    repository = ReconstructableRepository.for_module("supply_lake.definitions", "defs")
    return create_run_for_test(
        instance,
        job_name=ASSET_JOB,
        status=DagsterRunStatus.STARTING,
        tags={**ASKED, **tags},
        asset_selection=frozenset([lake_key("orders")]),
        job_code_origin=repository.get_reconstructable_job(ASSET_JOB).get_python_origin(),
        parent_run_id=tags.get(PARENT_RUN_ID_TAG),
        root_run_id=tags.get(ROOT_RUN_ID_TAG),
    )


def launch(launches: SpareWorkerLauncher, run: dg.DagsterRun) -> None:
    launches.launch_run(LaunchRunContext(dagster_run=run, workspace=None))


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not what():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def test_without_a_spare_a_run_starts_as_dagster_starts_it_and_the_next_finds_one(
    instance: dg.DagsterInstance, launches: SpareWorkerLauncher, cold: ColdStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "COMMAND", IDLES)
    run = make_run(instance)
    launch(launches, run)
    assert cold.runs == [run.run_id]
    until(lambda: launches._spare is not None)


@pytest.mark.parametrize(
    "tags", [{PENDING_TAG: ""}, {PARENT_RUN_ID_TAG: "r", ROOT_RUN_ID_TAG: "r"}], ids=["asked for", "repeated"]
)
def test_a_run_that_a_person_asks_for_leaves_the_spare_alone(
    instance: dg.DagsterInstance,
    launches: SpareWorkerLauncher,
    cold: ColdStarts,
    monkeypatch: pytest.MonkeyPatch,
    tags: dict[str, str],
) -> None:
    monkeypatch.setattr(launcher, "COMMAND", IDLES)
    launches.prepare()
    spare = launches._spare
    launch(launches, make_run(instance, **tags))
    assert len(cold.runs) == 1
    assert launches._spare is spare


def test_a_spare_that_has_died_or_knows_older_code_is_not_used(
    instance: dg.DagsterInstance,
    launches: SpareWorkerLauncher,
    cold: ColdStarts,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(launcher, "COMMAND", IDLES)
    monkeypatch.setattr(launcher, "_PACKAGE", tmp_path)
    module = tmp_path / "module.py"
    module.touch()
    os.utime(module, (0, 0))
    launches.prepare()
    launches._spare.end()
    launch(launches, make_run(instance))
    assert len(cold.runs) == 1
    until(lambda: launches._spare is not None)
    spare = launches._spare
    assert spare.is_fresh()
    os.utime(module, (time.time() + 5, time.time() + 5))
    launch(launches, make_run(instance))
    assert len(cold.runs) == 2
    assert spare.wait() == -signal.SIGKILL


def test_a_worker_that_dies_fails_its_run(
    instance: dg.DagsterInstance, launches: SpareWorkerLauncher, cold: ColdStarts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "COMMAND", DIES)
    launches.prepare()
    run = make_run(instance)
    launch(launches, run)
    until(lambda: status(instance, run) is DagsterRunStatus.FAILURE)
    assert cold.runs == []
    assert any("ended with exit status 7" in entry.message for entry in instance.all_logs(run.run_id))


def test_a_run_is_canceled_by_its_own_worker(
    instance: dg.DagsterInstance, launches: SpareWorkerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(instance)
    assert launches.terminate(run.run_id)
    assert status(instance, run) is DagsterRunStatus.CANCELING
    interrupts: list[int] = []
    monkeypatch.setattr(worker, "ASK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(os, "kill", lambda pid, number: interrupts.append(number) if pid == os.getpid() else None)
    worker._interrupt_when_canceled(launches._task(run))
    assert interrupts == [signal.SIGINT]


def test_a_run_of_a_code_server_is_canceled_by_dagster(
    instance: dg.DagsterInstance, launches: SpareWorkerLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(DefaultRunLauncher, "terminate", lambda _, run_id: asked.append(run_id) or True)
    run = make_run(instance, **{GRPC_INFO_TAG: "{}"})
    assert launches.terminate(run.run_id)
    assert asked == [run.run_id]


def test_the_spare_ends_with_the_process_that_holds_it(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "COMMAND", IDLES)
    made = SpareWorkerLauncher()
    made.prepare()
    process = made._spare._process
    made.dispose()
    assert process.poll() == -signal.SIGKILL
    made.prepare()
    assert made._spare is None
    # A holder that is killed closes the pipe, and that ends the process too.
    with subprocess.Popen(IDLES, stdin=subprocess.PIPE) as orphan:
        orphan.stdin.close()
        assert orphan.wait(SOON) == 0


def test_a_rehearsal_goes_the_whole_way_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = rehearse()
    assert result.success
    (check,) = (one for one in result.get_asset_check_evaluations() if one.check_name == "conservation")
    numbers = [check.metadata[name].value for name in ("landed", "published", "rejected", "deduplicated")]
    assert numbers == [3, 1, 1, 1]
    assert list(tmp_path.iterdir()) == []
