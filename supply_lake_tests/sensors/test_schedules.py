"""Ticks of schedules: the whole of landing is looked at, for one dataset."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.errors import ScheduleExecutionError

from supply_lake.assets.naming import PENDING_TAG, RANGE_END_TAG, RANGE_START_TAG, lake_key
from supply_lake.errors import StoreUnavailable
from supply_lake.ingest import discovery
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.sensors.lakes import GOOD, TODAY, YESTERDAY, Lake
from supply_lake_tests.sensors.made_up import ORDERS

LONG_AGO = TODAY - dt.timedelta(days=100)
Make = Callable[..., Lake]


@pytest.fixture(scope="module")
def persistent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Schedules are evaluated on no other kind of instance."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def lake(make_lake: Make, persistent: dg.DagsterInstance) -> Lake:
    made = make_lake({**ORDERS, "schedule": "15 6 * * *"}, {**ORDERS, "name": "stock"})
    made.instance = persistent
    return made


def tick(lake: Lake) -> ScheduleExecutionData:
    schedule = lake.definitions.resolve_schedule_def("orders_schedule")
    with dg.build_schedule_context(
        instance=lake.instance,
        repository_def=lake.definitions.get_repository_def(),
        resources=lake.definitions.resources,
        scheduled_execution_time=dt.datetime.now(dt.UTC),
    ) as context:
        return schedule.evaluate_tick(context)


def test_e2_a_late_file_that_nobody_told_of_is_found_and_run(lake: Lake) -> None:
    lake.land("a.csv", GOOD, LONG_AGO)
    (request,) = tick(lake).run_requests or []
    assert (request.partition_key, request.asset_selection) == (LONG_AGO.isoformat(), [lake_key("orders")])
    assert request.tags[PENDING_TAG] == "true"
    assert lake.run(LONG_AGO).success
    done = tick(lake)
    assert (done.run_requests, done.skip_message) == ([], "Nothing of orders is pending.")


def test_dates_in_a_row_are_one_run_and_other_datasets_are_left_to_the_sensor(lake: Lake) -> None:
    for day in (YESTERDAY, TODAY):
        lake.land("a.csv", GOOD, day)
    lake.land("a.csv", GOOD, dataset="stock")
    (request,) = tick(lake).run_requests or []
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (YESTERDAY.isoformat(), TODAY.isoformat())


def test_a_date_that_cannot_be_run_is_the_reason_for_no_run(lake: Lake) -> None:
    before = dt.date(2019, 1, 1)
    version = ObjectVersion("orders/before.csv", "e", 9, dt.datetime.now(dt.UTC))
    lake.stores.metadata.register([LedgerEntry(version, "orders", before, ObjectState.PENDING)])
    assert "before its start_date" in (tick(lake).skip_message or "")


def test_m5_a_tick_that_raises_fails_and_is_told(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("landing store s3://lake does not answer.")

    monkeypatch.setattr(discovery, "tick", away)
    with pytest.raises(ScheduleExecutionError):
        tick(lake)
    assert "schedule orders_schedule failed: landing store s3://lake does not answer." in caplog.text
