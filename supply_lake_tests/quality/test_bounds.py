"""`row_count` and `sum`: fixed bounds, bounds from history, and what is said of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from supply_lake.datasets.quality import Severity
from supply_lake.quality.bounds import within
from supply_lake_tests.quality.made_up import DAY, rule

HISTORY: dict[str, Any] = {"history": {"at_least": 0.5, "at_most": 2, "last": 3, "needs": 2}}


@pytest.mark.parametrize(
    ("bounds", "observed", "passed"),
    [
        ({"at_least": 10}, 10, True),
        ({"at_least": 10}, 9, False),
        ({"at_most": 10}, 10, True),
        ({"at_most": 10}, 11, False),
        ({"at_least": 0.1}, Decimal("0.1"), True),
        ({"at_least": 1, "at_most": 3}, 2**70, False),
    ],
)
def test_fixed_bounds_are_inclusive_and_exact(bounds: dict[str, Any], observed: Any, passed: bool) -> None:
    assert within(rule(row_count=bounds), observed, [], DAY).passed is passed


def test_a_partial_delivery_is_told_with_what_is_usual() -> None:
    verdict = within(rule(row_count=HISTORY, severity="warn"), 256, [3439, 2434, 2434, 2400], DAY)
    assert (verdict.passed, verdict.severity) == (False, Severity.WARN)
    assert (verdict.observed, verdict.at_least, verdict.at_most, verdict.partition) == (256, 1217.0, 4868.0, DAY)
    assert verdict.told == (
        "the number of rows on 2026-11-01 is 256, where 1,217 to 4,868 is allowed (50% to 200% of 2,434, the median of 3 dates "
        "before)"
    )


def test_the_median_is_of_the_last_ones_and_one_outlier_does_not_move_it() -> None:
    assert within(rule(row_count=HISTORY), 100, [9999, 9999, 100, 5, 110], DAY).passed


def test_with_too_few_before_nothing_is_compared_and_it_is_said() -> None:
    verdict = within(rule(row_count=HISTORY), 1, [1000], None)
    assert (verdict.passed, verdict.at_least, verdict.at_most) == (True, None, None)
    assert verdict.told == "the number of rows is 1; nothing is compared before there are 2 dates, and there are 1"


def test_fixed_bounds_hold_while_there_is_no_history_and_the_tighter_bound_holds_with_it() -> None:
    both = rule(row_count={"at_least": 90, "at_most": 1000, **HISTORY})
    assert not within(both, 80, [], DAY).passed
    assert not within(both, 80, [100, 100], DAY).passed
    assert not within(both, 300, [100, 100], DAY).passed
    assert within(both, 200, [100, 100], DAY).passed


def test_a_side_of_history_can_be_left_open() -> None:
    only_least = rule(row_count={"history": {"at_most": None, "needs": 1}})
    assert within(only_least, 10**9, [10], DAY).passed
    assert not within(only_least, 4, [10], DAY).passed


def test_sums_may_be_negative_and_a_median_of_nothing_is_no_measure() -> None:
    of_money = rule(sum={"column": "amount", **HISTORY})
    before = [Decimal("-100.00"), Decimal("-100.00")]
    assert within(of_money, Decimal("-50.00"), before, DAY).passed
    assert within(of_money, Decimal("-200.00"), before, DAY).passed
    assert not within(of_money, Decimal("-49.99"), before, DAY).passed
    assert not within(of_money, Decimal("-200.01"), before, DAY).passed
    verdict = within(of_money, Decimal("5"), [Decimal(0)] * 3, DAY)
    assert verdict.passed
    assert verdict.told.endswith("the median of 3 dates before is 0, which is no measure")


def test_a_sum_that_is_no_number_is_within_no_bounds() -> None:
    verdict = within(rule(sum={"column": "x", "at_least": 0}), float("nan"), [], DAY)
    assert (verdict.passed, verdict.observed) == (False, None)
    assert not within(rule(sum={"column": "x", "at_most": 9}), float("inf"), [], DAY).passed


def test_over_batches_the_words_are_those_of_batches() -> None:
    verdict = within(rule(sum={"column": "x", "over": "batch", **HISTORY}), 1, [4, 4, 4], None)
    assert verdict.told == "the sum of x is 1, where 2 to 8 is allowed (50% to 200% of 4, the median of 3 batches before)"
