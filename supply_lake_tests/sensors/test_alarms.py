"""What is told of runs, checks and datasets, out of Dagster's event log."""

from __future__ import annotations

import time
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from supply_lake.assets.naming import DATASET_TAG, lake_key
from supply_lake.sensors import alarms
from supply_lake.sensors.alerts import Alert, Kind
from supply_lake_tests.sensors.lakes import BAD, GOOD, QUIET, TODAY, YESTERDAY, Lake


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Alert]:
    """The alerts that were sent."""
    sent: list[Alert] = []
    monkeypatch.setattr(alarms, "send", lambda alert, _: sent.append(alert))
    return sent


def react(lake: Lake, sensor: str, result: dg.ExecuteInProcessResult, event: dg.DagsterEvent) -> None:
    """What the daemon has the sensor do for a run that ended."""
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor, dagster_instance=lake.instance, dagster_run=result.dagster_run, dagster_event=event
    )
    definition = lake.definitions.resolve_sensor_def(sensor)
    definition(context.for_run_failure() if sensor == "alerts" else context)


def test_a_run_that_failed_is_told_in_the_words_of_its_failure(orders: Lake, told: list[Alert]) -> None:
    orders.land("a.csv", BAD)
    orders.discover()
    result = orders.run(tags={DATASET_TAG: "orders"})
    react(orders, "alerts", result, result.get_run_failure_event())
    (alert,) = told
    assert (alert.kind, alert.dataset, alert.partition) == (Kind.FAILURE, "orders", TODAY.isoformat())
    assert alert.run_id == result.run_id
    assert "2 of 3 rows break the contract" in alert.reason
    assert alert.text.startswith(f"supply_lake: orders {TODAY} failed: ")


def test_a_check_that_did_not_pass_in_a_run_that_succeeded_is_told(orders: Lake, told: list[Alert]) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("plausible", asset="stock"), dg.AssetCheckSpec("complete", asset="stock")])
    def stock() -> Any:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(
            check_name="plausible",
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"told": "12 rows, 90 are usual"},
        )
        yield dg.AssetCheckResult(check_name="complete", passed=True)

    job = dg.Definitions(assets=[stock]).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=orders.instance, run_config=QUIET)
    react(orders, "check_warnings", result, result.get_run_success_event())
    assert told == [
        Alert("check plausible did not pass: 12 rows, 90 are usual", kind=Kind.WARNING, dataset="stock", run_id=result.run_id)
    ]
    assert told[0].text.startswith("supply_lake: stock warns: check plausible")


def test_a_run_whose_checks_pass_is_not_told(orders: Lake, told: list[Alert]) -> None:
    orders.land("a.csv", GOOD)
    orders.discover()
    result = orders.run()
    react(orders, "check_warnings", result, result.get_run_success_event())
    assert told == []


def test_many_dates_of_one_check_are_one_alert() -> None:
    evaluations = [
        dg.AssetCheckEvaluation(
            asset_key=lake_key("orders"),
            check_name="volume",
            passed=False,
            metadata={},
            partition=day.isoformat(),
            description="too few",
        )
        for day in (YESTERDAY, TODAY)
    ]
    (alert,) = alarms.warning(evaluations, "r1")
    assert alert.reason == "check volume did not pass: too few (and on 1 more dates)"
    assert (alert.dataset, alert.partition) == ("orders", TODAY.isoformat())


def test_a_dataset_that_becomes_late_is_told_once(make_lake: Any, told: list[Alert]) -> None:
    from supply_lake_tests.sensors.made_up import ORDERS

    lake = make_lake({**ORDERS, "freshness": {"max_age_hours": 26}})
    sensor, cursor = lake.definitions.resolve_sensor_def("lateness"), None

    def tick() -> None:
        nonlocal cursor
        with dg.build_sensor_context(instance=lake.instance, definitions=lake.definitions, cursor=cursor) as context:
            cursor = sensor.evaluate_tick(context).cursor

    def becomes(state: FreshnessState, key: dg.AssetKey) -> None:
        change = FreshnessStateChange(
            key=key, previous_state=FreshnessState.PASS, new_state=state, state_change_timestamp=time.time()
        )
        lake.instance._report_runless_asset_event(change)

    becomes(FreshnessState.FAIL, lake_key("orders"))  # before the sensor was there
    tick()
    tick()
    assert told == []
    becomes(FreshnessState.WARN, lake_key("orders"))
    becomes(FreshnessState.FAIL, lake_key("orders"))
    becomes(FreshnessState.FAIL, dg.AssetKey("of_someone_else"))
    tick()
    tick()
    assert [alert.text for alert in told] == ["supply_lake: orders is late: nothing was published for 26 hours"]
