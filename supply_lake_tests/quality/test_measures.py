"""Figures of partitions: exact at any size, the same however rows are divided, and the same again from a record."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.datasets.quality import Severity
from supply_lake.quality.measures import Measure, by_date, from_text, to_text
from supply_lake.quality.verdict import Verdict, of_rows, verdict_from_json, verdict_json
from supply_lake_tests.quality.made_up import DAY, rule

WANTED = [Measure("rows"), Measure("sum", "x"), Measure("max", "x")]


def frame(values: Any, kind: Any = pl.Int64, dates: Any = None) -> pl.DataFrame:
    return pl.DataFrame(
        {"x": pl.Series(values, dtype=kind), "_date": dates or [DAY] * len(values)}, schema_overrides={"_date": pl.Date}
    )


@given(values=st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=20), cut=st.integers(1, 5))
def test_sums_do_not_overflow_and_do_not_depend_on_chunks(values: list[int | None], cut: int) -> None:
    frames = [frame(values[at : at + cut]) for at in range(0, len(values), cut)]
    known = [value for value in values if value is not None]
    wanted = {"rows": len(values), **({"sum of x": sum(known), "max of x": max(known)} if known else {})}
    assert by_date(frames, WANTED) == {DAY: wanted}


def test_decimals_are_added_exactly() -> None:
    cents = [Decimal("9999999999.99")] * 3
    assert by_date([frame(cents, pl.Decimal(12, 2))], WANTED)[DAY]["sum of x"] == Decimal("29999999999.97")


def test_every_date_has_its_own_figures() -> None:
    other = DAY + dt.timedelta(days=1)
    found = by_date([frame([1, 2], dates=[DAY, other]), frame([5], dates=[other])], WANTED)
    assert (found[DAY]["sum of x"], found[other]["sum of x"], found[other]["rows"]) == (1, 7, 2)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (2**70, "int64"),
        (-5, "int8"),
        (Decimal("-12.50"), "decimal"),
        (Decimal("7"), "decimal"),
        (0.1, "float64"),
        (1e300, "float64"),
    ],
)
def test_a_figure_is_the_same_again_from_its_text(value: Any, kind: str) -> None:
    assert from_text(to_text(value), kind) == value


def test_a_figure_of_a_column_whose_type_has_changed_can_still_be_read() -> None:
    assert from_text("1.50", "int64") == Decimal("1.50")
    assert from_text("15", "float64") == 15.0


def test_exact_sums_and_sums_of_floats_can_be_taken_together() -> None:
    one = Measure("sum", "x")
    assert one.together([2, Decimal("1.5"), 0.25, None]) == 3.75
    assert one.together([2, Decimal("1.50")]) == Decimal("3.50")
    assert one.together([None]) is None


def test_a_verdict_is_the_same_again_from_its_json() -> None:
    verdict = Verdict("held", "sum", Severity.WARN, False, "it is 1", 1.5, None, 3, 7, 9, DAY, (("orders", 4), ("products", 7)))
    assert verdict_from_json(verdict_json(verdict)) == verdict
    plain = Verdict("held", "row", Severity.REJECT, True, "all keep it")
    assert verdict_from_json(verdict_json(plain)) == plain


def test_the_verdict_on_rows_passes_up_to_the_share_that_is_allowed() -> None:
    one = rule(row="a < 1")
    assert of_rows(one, 0.1, rows=1, of=10).passed
    refused = of_rows(one, 0.1, rows=2, of=10, first="a.csv:3")
    assert (refused.passed, refused.refuses, refused.observed) == (False, True, 0.2)
    assert refused.told == "2 of 10 rows break it (20.0%, where 10.0% may); the first is a.csv:3"
    assert of_rows(one, 0.0, rows=0, of=10).told == "all 10 rows keep it"
