"""Rules as asset checks: one for each, told date by date with its figures, before anything is materialized."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from supply_lake.assets import contract
from supply_lake.assets.naming import lake_key
from supply_lake.composition import build_definitions
from supply_lake.datasets.quality import Rule
from supply_lake_tests.sensors.lakes import TODAY, Lake, reasons
from supply_lake_tests.sensors.made_up import ORDERS

Make = Callable[..., Lake]
SPEC: dict[str, Any] = {
    **ORDERS,
    "mode": "replace",
    "quality": [
        {"name": "small", "severity": "warn", "row": "quantity < 100", "description": "Nobody buys more."},
        {"name": "whole_delivery", "row_count": {"history": {"needs": 2}}},
        {"name": "cumulative", "severity": "warn", "monotone": {"column": "quantity"}},
    ],
}


def day(back: int) -> dt.date:
    return TODAY - dt.timedelta(days=back)


def rows(count: int, quantity: int = 1) -> str:
    return "order_id,quantity\n" + "".join(f"o{n},{quantity}\n" for n in range(count))


def figures(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in evaluation.metadata.items()}


@pytest.fixture
def ruled(make_lake: Make) -> Lake:
    return make_lake(SPEC)


def ingest(lake: Lake, *files: tuple[int, str]) -> dg.ExecuteInProcessResult:
    for back, text in files:
        lake.land("a.csv", text, day(back))
    lake.discover()
    return lake.run(day(max(back for back, _ in files)), day(min(back for back, _ in files)))


def test_each_rule_is_a_check_of_its_own_and_only_those_that_reject_block(ruled: Lake) -> None:
    graph = ruled.definitions.resolve_asset_graph()
    checks = {key.name: graph.get_check_spec(key) for key in graph.get(lake_key("orders")).check_keys}
    assert {name: check.blocking for name, check in checks.items()} == {
        "contract": True,
        "conservation": True,
        "small": False,
        "whole_delivery": True,
        "cumulative": False,
    }
    assert checks["small"].description == "Nobody buys more. quantity < 100 (else published, with a warning)"
    description = graph.get(lake_key("orders")).description or ""
    assert "50% to 200% of the median of the last 7" in description


def test_every_date_has_its_evaluations_with_figures_that_can_be_drawn_over_time(ruled: Lake) -> None:
    result = ingest(ruled, (2, rows(10)), (1, rows(10)), (0, rows(12)))
    assert result.success
    found = ruled.evaluations(result)
    observed = [figures(found["whole_delivery", day(back).isoformat()])["observed"] for back in (2, 1, 0)]
    assert observed == [10, 10, 12]
    today = figures(found["whole_delivery", TODAY.isoformat()])
    assert (today["at least"], today["at most"]) == (5.0, 20.0)
    assert all(isinstance(today[name], int | float) for name in ("observed", "at least", "at most"))
    assert found["whole_delivery", TODAY.isoformat()].severity is dg.AssetCheckSeverity.ERROR
    small = found["small", TODAY.isoformat()]
    assert (small.passed, small.severity, figures(small)["observed"]) == (True, dg.AssetCheckSeverity.WARN, 0.0)


def test_a_warning_is_told_and_the_date_is_published(ruled: Lake) -> None:
    result = ingest(ruled, (1, rows(10, 5)), (0, rows(9, 1) + "big,200\n"))
    assert result.success
    found = ruled.evaluations(result)
    small = found["small", TODAY.isoformat()]
    assert (small.passed, small.severity, small.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert (figures(small)["rows"], figures(small)["of rows"], figures(small)["observed"]) == (1, 10, 0.1)
    assert figures(small)["told"].endswith("a.csv:11")
    assert found["contract", TODAY.isoformat()].passed
    assert set(ruled.materializations()) == {day(1).isoformat(), TODAY.isoformat()}
    order = [str(one.event_type_value) for one in result.all_events if "ASSET" in one.event_type_value]
    last_check = len(order) - order[::-1].index("ASSET_CHECK_EVALUATION") - 1
    last_published = len(order) - order[::-1].index("ASSET_MATERIALIZATION") - 1
    assert last_check < last_published


def test_a_rule_that_refuses_fails_its_check_and_the_run_and_nothing_is_materialized(ruled: Lake) -> None:
    result = ingest(ruled, (2, rows(10)), (1, rows(10)), (0, rows(2)))
    assert not result.success
    assert "rule whole_delivery: the number of rows" in reasons(result)
    found = ruled.evaluations(result)
    refused = found["whole_delivery", TODAY.isoformat()]
    assert (refused.passed, refused.severity, refused.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert figures(refused)["observed"] == 2
    assert found["whole_delivery", day(1).isoformat()].passed
    assert set(ruled.materializations()) == {day(2).isoformat(), day(1).isoformat()}


def test_a_rule_that_was_not_asked_has_no_evaluation(ruled: Lake) -> None:
    result = ingest(ruled, (0, "order_id,quantity\no1,many\no2,many\n"))
    asked = {name for name, _ in ruled.evaluations(result)}
    assert asked == {"contract", "conservation", "small"}


def test_several_batches_of_a_date_are_one_evaluation_of_the_worst(make_lake: Make) -> None:
    lake = make_lake({**SPEC, "mode": "append"}, SUPPLY_LAKE_MAX_OBJECTS_PER_RUN="2")
    lake.land("a.csv", rows(3, 7))
    lake.land("b.csv", rows(3, 500))
    lake.discover()
    found = lake.evaluations(lake.run())
    small = found["small", TODAY.isoformat()]
    assert (small.passed, figures(small)["rows"]) == (False, 3)


def test_loading_a_dataset_with_rules_asks_no_store_and_costs_one_check_a_rule(make_lake: Make) -> None:
    lake = make_lake(SPEC)
    lake.stores.close()
    assert len(list(build_definitions(lake.settings).resolve_asset_graph().asset_check_keys)) == 5


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"unique": {"columns": ["a", "b"]}}, "no two live rows have the same a, b (else rows, or the batch, are rejected)"),
        ({"unique": {"columns": "a", "within": "partition"}}, "no two live rows of a date have the same a"),
        (
            {"references": {"columns": "sku", "dataset": "products", "their": "article"}},
            "sku is article of a live row of products",
        ),
        ({"row_count": {"at_least": 1, "at_most": 5}}, "the number of rows of a partition is at least 1, at most 5"),
        ({"sum": {"column": "x", "over": "batch", "at_least": 1}}, "the sum of x of a batch is at least 1"),
        ({"monotone": {"column": "x", "by": "max"}}, "the max of x does not fall from date to date"),
        ({"unlike_previous": {}}, "at most 90% of a date's rows are those of the date before"),
    ],
)
def test_every_kind_of_rule_is_said_in_words(fields: dict[str, Any], says: str) -> None:
    assert contract.rule(Rule.model_validate({"name": "held", **fields})).startswith(says)
