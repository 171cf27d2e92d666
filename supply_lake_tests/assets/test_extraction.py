"""Runs of the landing asset of a dataset that is pulled, and the schedule that asks for them."""

from __future__ import annotations

import datetime as dt
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test, instance_for_test

from supply_lake.assets.naming import DATASET_TAG, PULL_TAG, RANGE_END_TAG, RANGE_START_TAG, lake_key, landing_key
from supply_lake.composition import build_definitions
from supply_lake.errors import StoreUnavailable
from supply_lake.landing.pull import Puller
from supply_lake.resources.workers import WORKER_TAG
from supply_lake_tests.extract.shop import orders
from supply_lake_tests.sensors.lakes import QUIET, TODAY, YESTERDAY, Lake, reasons

Make = Callable[..., Lake]


@pytest.fixture
def shop(tmp_path: Path) -> Any:
    connection = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
    connection.execute("CREATE TABLE orders (order_id INTEGER, sku TEXT, quantity INTEGER, price DECIMAL, updated_at TEXT)")
    connection.execute(
        "INSERT INTO orders VALUES (1, 'a', 1, 1, ?), (2, 'b', 2, 2, ?)", [f"{TODAY} 00:00:00", f"{YESTERDAY} 23:59:59"]
    )
    yield connection
    connection.close()


@pytest.fixture
def make(make_lake: Make, tmp_path: Path) -> Make:
    def one(more: dict[str, Any] | None = None, schedule: str | None = None, **dataset: Any) -> Lake:
        spec = orders("sql", {"url": f"sqlite:///{tmp_path}/shop.db", "table": "orders", **(more or {})}, **dataset)
        spec["source"] |= {"schedule": schedule} if schedule else {}
        return make_lake(spec)

    return one


DAILY: dict[str, Any] = {"mode": "replace", "key_scope": "partition"}


def run(lake: Lake, *keys: dg.AssetKey, day: dt.date = TODAY, last: dt.date | None = None) -> dg.ExecuteInProcessResult:
    tags = {RANGE_START_TAG: day.isoformat(), RANGE_END_TAG: last.isoformat()} if last else {}
    return lake.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=lake.instance,
        asset_selection=list(keys or [landing_key("orders")]),
        partition_key=None if last else day.isoformat(),
        tags=tags,
        run_config=QUIET,
        raise_on_error=False,
    )


def told(lake: Lake, day: dt.date = TODAY) -> dict[str, Any]:
    return {name: value.value for name, value in lake.materializations(landing=True)[day.isoformat()].metadata.items()}


def test_a_run_of_the_landing_asset_pulls_its_partition_and_the_sensor_takes_it_up(make: Make, shop: Any) -> None:
    lake = make()
    assert run(lake).success
    facts = told(lake)
    assert {name: facts[name] for name in ("objects", "new objects", "rows")} == {"objects": 1, "new objects": 1, "rows": 2}
    assert "SELECT order_id" in facts["request"]
    (request,) = lake.look().run_requests
    assert (request.partition_key, request.asset_selection) == (TODAY.isoformat(), [lake_key("orders")])
    assert lake.run().success
    assert told(lake) == facts
    assert run(lake).success
    assert told(lake)["new objects"] == 0


def test_landing_and_lake_in_one_run_pull_and_publish(make: Make, shop: Any) -> None:
    lake = make()
    assert run(lake, landing_key("orders"), lake_key("orders")).success
    (snapshot,) = lake.stores.metadata.live("orders")
    assert snapshot.rows.published == 2
    assert snapshot.source_system["rows_reported"] == "2"


def test_a_backfill_of_days_pulls_each_under_its_own_date(make: Make, shop: Any) -> None:
    lake = make({"window": {"by": "updated_at"}}, **DAILY)
    assert run(lake, day=YESTERDAY, last=TODAY).success
    assert [told(lake, day)["rows"] for day in (YESTERDAY, TODAY)] == [1, 1]


def test_a_date_that_cannot_be_pulled_fails_the_run_and_the_others_land(make: Make, shop: Any) -> None:
    lake = make()
    result = run(lake, day=TODAY - dt.timedelta(days=2), last=TODAY)
    assert not result.success
    assert "cannot be pulled any more" in reasons(result)
    assert TODAY.isoformat() in lake.materializations(landing=True)


def test_what_the_source_refuses_is_the_runs_reason(make: Make, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = make()
    shop.execute("DROP TABLE orders")
    assert "refuses: orders" in reasons(run(lake))

    def away(*_: object) -> None:
        raise StoreUnavailable("the bucket does not answer.")

    monkeypatch.setattr(Puller, "pull", away)
    assert reasons(run(lake)) == "the bucket does not answer. Nothing is lost; pull it again when it is back."
    assert lake.materializations(landing=True) == {}


def test_no_secret_is_in_anything_that_a_run_leaves(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SHOP_URL", "postgresql://reader:s3cr3t-w%40rd@127.0.0.1:1/shop?sslpassword=s3cr3t-too")
    lake = make({"url": "${SHOP_URL}"})
    with caplog.at_level("DEBUG"):
        result = run(lake)
    assert "postgresql://reader@127.0.0.1:1/shop does not answer" in reasons(result)
    told = "\n".join([caplog.text, *(f"{event.message} {event.event_specific_data}" for event in result.all_events)])
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in ("s3cr3t-w@rd", "s3cr3t-w%40rd", "s3cr3t-too"):
        assert secret not in told
        assert secret.encode() not in left


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A persistent instance: schedules take no other."""
    with instance_for_test(temp_dir=str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


def tick(lake: Lake, instance: dg.DagsterInstance) -> Any:
    schedule = lake.definitions.resolve_schedule_def("orders_pull")
    time = dt.datetime.combine(TODAY, dt.time(12), dt.UTC)
    repository = lake.definitions.get_repository_def()
    with dg.build_schedule_context(instance=instance, repository_def=repository, scheduled_execution_time=time) as context:
        return schedule.evaluate_tick(context)


def test_the_schedule_asks_for_today(make: Make, shop: Any, instance: dg.DagsterInstance) -> None:
    (request,) = tick(make(schedule="*/15 * * * *"), instance).run_requests
    assert (request.partition_key, request.asset_selection) == (TODAY.isoformat(), [landing_key("orders")])
    assert (request.tags[DATASET_TAG], request.tags[PULL_TAG]) == ("orders", "true")


def test_the_schedule_asks_for_the_days_that_are_read_again(make: Make, shop: Any, instance: dg.DagsterInstance) -> None:
    lake = make({"window": {"by": "updated_at", "again_days": 3}}, schedule="@daily", **DAILY)
    (request,) = tick(lake, instance).run_requests
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (
        (TODAY - dt.timedelta(days=3)).isoformat(),
        TODAY.isoformat(),
    )


def test_a_pull_that_is_still_at_work_is_not_asked_for_again_unless_its_process_is_gone(
    make: Make, shop: Any, instance: dg.DagsterInstance
) -> None:
    lake = make(schedule="@hourly")
    tags = {PULL_TAG: "true", DATASET_TAG: "orders"}
    started = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert "still at work" in tick(lake, instance).skip_message
    instance.add_run_tags(started.run_id, {WORKER_TAG: f"{socket.gethostname()}:{2**22 + 1}"})
    assert len(tick(lake, instance).run_requests) == 1


def test_the_definitions_load_with_pulled_and_pushed_datasets(make: Make, shop: Any) -> None:
    lake = make(schedule="@daily")
    made = build_definitions(lake.settings)
    dg.Definitions.validate_loadable(made)
    node = made.resolve_asset_graph().get(landing_key("orders"))
    assert (node.is_executable, node.kinds, node.pools) == (True, {"parquet", "sql"}, {"landing__orders"})
