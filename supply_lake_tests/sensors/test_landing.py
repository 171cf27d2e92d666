"""Real ticks of the landing sensor."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

import pytest

from supply_lake.assets.naming import RANGE_END_TAG, RANGE_START_TAG
from supply_lake.errors import SpecError
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.sensors.lakes import GOOD, TODAY, YESTERDAY, Lake
from supply_lake_tests.sensors.made_up import ORDERS

Make = Callable[..., Lake]


def test_a_tick_without_news_says_so(orders: Lake) -> None:
    found = orders.look()
    assert not found.run_requests
    assert found.skip_message == "Nothing new has landed."


def test_files_of_two_days_are_one_run(orders: Lake) -> None:
    orders.land("a.csv", GOOD, YESTERDAY)
    orders.land("a.csv", GOOD, TODAY)
    orders.land("b.csv", GOOD, TODAY)
    (request,) = orders.look().run_requests
    assert request.tags[RANGE_START_TAG] == YESTERDAY.isoformat()
    assert request.tags[RANGE_END_TAG] == TODAY.isoformat()


def test_datasets_have_runs_of_their_own(make_lake: Make) -> None:
    lake = make_lake(ORDERS, {**ORDERS, "name": "stock"})
    lake.land("a.csv", GOOD)
    lake.land("a.csv", GOOD, dataset="stock")
    requests = lake.look().run_requests
    assert [request.partition_key for request in requests] == [TODAY.isoformat()] * 2
    assert len({request.run_key for request in requests}) == 2


def test_datasets_that_start_on_different_dates_are_asked_for_and_run(make_lake: Make) -> None:
    lake = make_lake(ORDERS, {**ORDERS, "name": "stock", "start_date": "2026-02-01"})
    lake.land("a.csv", GOOD)
    lake.land("a.csv", GOOD, dataset="stock")
    assert len(lake.look().run_requests) == 2
    assert lake.run(dataset="orders").success
    assert lake.run(dataset="stock").success


def test_e7_what_is_no_data_is_not_asked_for(orders: Lake) -> None:
    for name in ("_SUCCESS", ".hidden.csv", "x.csv.tmp"):
        orders.land(name, GOOD)
    assert not orders.look().run_requests


def test_a_date_that_is_no_partition_does_not_end_the_tick(orders: Lake) -> None:
    long_ago, ahead = dt.date(2019, 1, 1), TODAY + dt.timedelta(days=3)
    moment = dt.datetime.now(dt.UTC)
    orders.stores.metadata.register(
        LedgerEntry(ObjectVersion(f"orders/{day}.csv", "e", 9, moment), "orders", day, ObjectState.PENDING)
        for day in (long_ago, ahead)
    )
    assert "before its start_date" in orders.look().skip_message
    orders.land("a.csv", GOOD)
    assert [one.partition_key for one in orders.look().run_requests] == [TODAY.isoformat()]


def test_a_tick_waits_for_the_next_file(make_lake: Make) -> None:
    lake = make_lake(patience=30)
    timer = threading.Timer(0.2, lake.land, ("a.csv", GOOD))
    timer.start()
    (request,) = lake.look().run_requests
    timer.join()
    assert request.partition_key == TODAY.isoformat()


def test_e9_a_hundred_days_of_files_are_few_runs(make_lake: Make) -> None:
    lake = make_lake(SUPPLY_LAKE_MAX_OBJECTS_PER_RUN="60")
    for back in range(100):
        lake.land("a.csv", GOOD, TODAY - dt.timedelta(days=back))
    lake.discover()
    assert [request.tags[RANGE_END_TAG] for request in lake.look().run_requests] == [
        (TODAY - dt.timedelta(days=40)).isoformat(),
        TODAY.isoformat(),
    ]


def test_a_tick_that_raises_fails_and_is_told(orders: Lake, caplog: pytest.LogCaptureFixture) -> None:
    (orders.settings.datasets / "orders.yaml").write_text("name: orders\n")
    for _ in range(2):
        with pytest.raises(SpecError):
            orders.look()
    told = [record.getMessage() for record in caplog.records if record.name == "supply_lake.sensors.alerts"]
    assert len(told) == 1
    assert "sensor landing failed" in told[0]
    assert "orders.yaml:1: " in told[0]
