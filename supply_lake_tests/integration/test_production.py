"""The production instance: ``deploy/dagster/dagster.yaml`` on a real PostgreSQL, with a code server, a queue and run workers.

The lake's own records are in PostgreSQL too. What Dagster's daemon does in its loops is done here step by step.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterRunStatus, RunsFilter
from dagster._core.test_utils import create_test_daemon_workspace_context, poll_for_finished_run
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from dagster._daemon.sensor import execute_sensor_iteration
from dagster_graphql.client.query import LAUNCH_PARTITION_BACKFILL_MUTATION
from dagster_graphql.test.utils import execute_dagster_graphql
from sqlalchemy.engine import make_url

from supply_lake.assets.naming import DATASET_TAG, RANGE_END_TAG, RANGE_START_TAG, lake_key
from supply_lake.ingest.stores import Stores
from supply_lake.sensors.landing import NAME
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Snapshot
from supply_lake_tests.integration.postgres import Postgres
from supply_lake_tests.integration.s3 import S3
from supply_lake_tests.sensors.lakes import GOOD, TODAY, YESTERDAY
from supply_lake_tests.sensors.made_up import ORDERS, write_specs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources`:DeprecationWarning"),  # Dagster calls it itself
]
ROOT = Path(__file__).parents[2]
LOCATION = ModuleTarget("supply_lake.definitions", attribute=None, working_directory=str(ROOT), location_name="supply_lake")
PATIENCE_SECONDS = 120
logger = logging.getLogger(__name__)


@dataclass
class Production:
    """The instance, its workspace with a running code server, and the lake."""

    instance: dg.DagsterInstance
    workspace: WorkspaceProcessContext
    stores: Stores

    def land(self, file: str, text: str, *days: Any) -> None:
        for day in days:
            self.stores.landing.put(f"orders/{day:%Y/%m/%d}/{file}", text.encode())

    def tick(self) -> None:
        """The daemon's look at its sensors; all but the landing sensor are stopped."""
        (location,) = self.workspace.create_request_context().code_locations
        (repository,) = location.get_repositories().values()
        for sensor in repository.get_sensors():
            if sensor.name != NAME:
                self.instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)
        errors = execute_sensor_iteration(self.workspace, logger, threadpool_executor=None, submit_threadpool_executor=None)
        assert not [error for error in errors if error]

    def dequeue(self) -> None:
        """The daemon's look at its queue."""
        errors = QueuedRunCoordinatorDaemon(interval_seconds=1).run_iteration(self.workspace)
        assert not [error for error in errors if error]

    def backfill(self) -> None:
        """The daemon's look at its backfills."""
        assert not [error for error in execute_backfill_iteration(self.workspace, logger) if error]

    def queued(self) -> list[dg.DagsterRun]:
        return self.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.QUEUED]))

    def finish(self, run: dg.DagsterRun) -> DagsterRunStatus:
        return poll_for_finished_run(self.instance, run.run_id, timeout=PATIENCE_SECONDS).status

    def live(self) -> list[Snapshot]:
        return self.stores.metadata.live("orders")


@pytest.fixture
def production(tmp_path: Path, postgres: Postgres, s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Production]:
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((ROOT / "deploy/dagster/dagster.yaml").read_bytes())
    database = make_url(postgres.new_database())
    environ = {
        "SUPPLY_LAKE_HOME": str(tmp_path / "lake"),
        "SUPPLY_LAKE_DATASETS": str(write_specs(tmp_path, ORDERS)),
        "SUPPLY_LAKE_METADATA": postgres.new_database(),
        "SUPPLY_LAKE_SETTLE_SECONDS": "0",
        "SUPPLY_LAKE_DAGSTER_PG_HOST": "",  # it listens on a socket, and this file names hosts
        "PGHOST": str(database.query["host"]),
        "SUPPLY_LAKE_DAGSTER_PG_PORT": "5432",
        "SUPPLY_LAKE_DAGSTER_PG_USER": str(database.username),
        "SUPPLY_LAKE_DAGSTER_PG_PASSWORD": "not-asked-for",
        "SUPPLY_LAKE_DAGSTER_PG_DB": str(database.database),
        "SUPPLY_LAKE_LOGS_BUCKET": s3_server.new_bucket(),
        "DAGSTER_HOME": str(home),
        **s3_server.environ,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        stores = stack.enter_context(Stores.open(Settings.from_env()))
        instance = stack.enter_context(dg.DagsterInstance.get())
        workspace = stack.enter_context(create_test_daemon_workspace_context(LOCATION, instance))
        yield Production(instance, workspace, stores)


def test_a_tick_queues_a_run_that_has_its_dataset_to_itself_and_a_backfill_curates_again(production: Production) -> None:
    assert type(production.instance.run_storage).__name__ == "PostgresRunStorage"
    # Dagster learns of a pool when it first meets it in its queue, and limits it from its next look on.
    production.instance.event_log_storage.initialize_concurrency_limit_to_default("lake__orders")
    production.land("a.csv", GOOD, YESTERDAY, TODAY)

    production.tick()
    (run,) = production.queued()
    assert run.tags[DATASET_TAG] == "orders"
    assert (run.tags[RANGE_START_TAG], run.tags[RANGE_END_TAG]) == (YESTERDAY.isoformat(), TODAY.isoformat())
    assert run.run_op_concurrency.all_pools == {"lake__orders"}

    # A person asks for both dates again, as the UI does, while the first run is queued still.
    answer = execute_dagster_graphql(
        production.workspace.create_request_context(),
        LAUNCH_PARTITION_BACKFILL_MUTATION,
        variables={
            "backfillParams": {
                "assetSelection": [{"path": list(lake_key("orders").path)}],
                "partitionNames": [YESTERDAY.isoformat(), TODAY.isoformat()],
            }
        },
    )
    assert answer.data["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess"
    production.backfill()
    (again,) = [one for one in production.queued() if one.run_id != run.run_id]  # one run for the whole range

    production.dequeue()
    assert [one.run_id for one in production.queued()] == [again.run_id]  # its dataset is taken
    assert production.finish(run) is DagsterRunStatus.SUCCESS
    first = production.live()
    assert [one.partition for one in first] == [YESTERDAY, TODAY]
    assert first[0].run_id == run.run_id

    production.dequeue()
    assert production.finish(again) is DagsterRunStatus.SUCCESS
    second = production.live()
    assert [one.partition for one in second] == [YESTERDAY, TODAY]
    assert {name for one in second for name in one.supersedes} == {one.id for one in first}
    production.backfill()
    (backfill,) = production.instance.get_backfills()
    assert backfill.status.value == "COMPLETED_SUCCESS"

    production.tick()
    assert production.queued() == []
