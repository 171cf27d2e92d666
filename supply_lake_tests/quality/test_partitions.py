"""Rules on whole partitions, over a dataset made of lists: series, repeats, and which dates are compared with which."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.datasets.quality import Severity
from supply_lake.quality.judge import judge
from supply_lake.quality.measures import Measure, Value
from supply_lake.quality.verdict import Verdict
from supply_lake_tests.curate.curation import column, dataset
from supply_lake_tests.quality.made_up import DAY, ONE

Rows = list[tuple[str, int | None]]


@dataclass
class Lists:
    """``quality.judge.Dates`` over lists of rows: what is live, and what a batch puts in the place of it (replace)."""

    before: dict[dt.date, Rows]
    batch: dict[dt.date, Rows]
    observed: Sequence[Value] = ()
    asked: list[dt.date] = field(default_factory=list)

    @property
    def judged(self) -> list[dt.date]:
        return sorted(self.batch)

    @property
    def live(self) -> list[dt.date]:
        return sorted(self.before | self.batch)

    def value(self, date: dt.date, measure: Measure) -> Value | None:
        self.asked.append(date)
        return _value((self.before | self.batch)[date], measure)

    def earlier(self, date: dt.date, measure: Measure) -> Value | None:
        return _value(self.before.get(date, []), measure)

    def rows(self, date: dt.date, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        yield _frame((self.before | self.batch)[date]).select(columns)

    def new_rows(self, date: dt.date, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        yield _frame(self.batch[date]).select(columns)

    def batch_value(self, measure: Measure) -> Value | None:
        return _value([row for rows in self.batch.values() for row in rows], measure)

    def recent(self, rule: str, most: int) -> Sequence[Value]:
        return self.observed[-most:]


def _value(rows: Rows, measure: Measure) -> Value | None:
    if measure.kind == "rows":
        return len(rows) or None
    known = [value for _, value in rows if value is not None]
    return (sum(known) if measure.kind == "sum" else max(known)) if known else None


def _frame(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame(rows, {"place": pl.String, "cases": pl.Int64}, orient="row")


def day(number: int) -> dt.date:
    return DAY + number * ONE


def days(*values: Any) -> dict[dt.date, Rows]:
    """A row or several for each day; ``None`` for a day without rows."""
    return {day(n): [("a", one)] if isinstance(one, int) else one for n, one in enumerate(values) if one is not None}


def judged(rules: dict[str, Any], before: dict[dt.date, Rows], batch: dict[dt.date, Rows], **more: Any) -> list[Verdict]:
    spec = dataset(column("place"), column("cases", "int64"), quality=[{"name": "held", **rules}])
    return judge(spec, Lists(before, batch, **more))


def failed(verdicts: list[Verdict]) -> list[tuple[dt.date | None, Severity]]:
    return [(one.partition, one.severity) for one in verdicts if not one.passed]


MONOTONE = {"monotone": {"column": "cases"}}


def test_a_cumulative_series_that_falls_is_told_with_both_values() -> None:
    (verdict,) = judged(MONOTONE, days(1, 857_487), {day(2): [("x", 719_669)]})
    assert (verdict.passed, verdict.observed, verdict.at_least) == (False, 719_669, 857_487)
    assert verdict.told == "the sum of cases on 2026-11-03 is 719,669, where 2026-11-02 has 857,487"


def test_a_series_may_stand_still_and_the_first_date_has_nothing_before_it() -> None:
    assert failed(judged(MONOTONE, days(5), {day(1): [("x", 2), ("y", 3)]})) == []
    assert judged(MONOTONE, {}, days(5))[0].told.endswith("there is no date before it")


def test_the_date_before_is_the_nearest_one_that_has_a_value() -> None:
    before = {day(0): [("a", 9)], day(3): [("a", None)]}
    (verdict,) = judged(MONOTONE, before, {day(5): [("a", 8)]})
    assert "where 2026-11-01 has 9" in verdict.told
    assert judged(MONOTONE, before, {day(5): [("a", None)]})[0].passed


def test_the_greatest_value_can_be_the_series() -> None:
    by_max = {"monotone": {"column": "cases", "by": "max"}}
    assert failed(judged(by_max, days([("a", 5), ("b", 5)]), {day(1): [("a", 5)]})) == []
    assert failed(judged(by_max, days([("a", 5)]), {day(1): [("a", 4), ("b", 4)]})) == [(day(1), Severity.REJECT)]


def test_every_date_of_a_batch_is_held_against_the_one_before_it() -> None:
    assert failed(judged(MONOTONE, days(1), {day(1): [("a", 3)], day(2): [("a", 2)], day(3): [("a", 2)]})) == [
        (day(2), Severity.REJECT)
    ]


def test_what_a_late_delivery_shows_of_the_next_date_is_a_warning_and_refuses_nothing() -> None:
    verdicts = judged(MONOTONE, days(1, 5, 7), {day(1): [("a", 9)]})
    assert failed(verdicts) == [(day(1), Severity.WARN)]
    assert verdicts[1].told == "the sum of cases falls after 2026-11-02, from 9 to 7 on 2026-11-03; one of the two is wrong"


def test_a_fall_that_was_there_before_is_not_told_again() -> None:
    assert failed(judged(MONOTONE, days(1, 9, 7), {day(1): [("a", 10)]})) == []


UNLIKE: dict[str, Any] = {"unlike_previous": {"max_share": 0.9}}


def many(count: int, start: int = 0) -> Rows:
    return [(f"place {n}", n) for n in range(start, start + count)]


def test_a_stale_file_is_told_by_the_rows_that_it_repeats() -> None:
    (verdict,) = judged(UNLIKE, {day(0): many(309)}, {day(1): many(294) + many(15, 5000)})
    assert (verdict.passed, verdict.rows, verdict.of, verdict.at_most) == (False, 294, 309, 0.9)
    assert verdict.told == "294 of 309 new rows of 2026-11-02 are rows of 2026-11-01 too (95.1%, where 90.0% may)"


def test_columns_that_are_ignored_do_not_make_rows_differ() -> None:
    before, batch = {day(0): many(10)}, {day(1): [(place, value + 1) for place, value in many(10) if value is not None]}
    assert failed(judged(UNLIKE, before, batch)) == []
    ignoring = {"unlike_previous": {"ignore": "cases"}}
    assert failed(judged(ignoring, before, batch)) == [(day(1), Severity.REJECT)]


def test_rows_with_nulls_are_compared_too() -> None:
    assert failed(judged(UNLIKE, {day(0): [("a", None)]}, {day(1): [("a", None)]})) == [(day(1), Severity.REJECT)]


def test_the_right_data_that_come_after_they_came_under_the_wrong_date_are_published_with_a_warning() -> None:
    misdated = {day(0): many(5, 100), day(1): many(9)}
    verdicts = judged(UNLIKE, misdated, {day(0): many(9)})
    assert failed(verdicts) == [(day(0), Severity.WARN)]
    assert "9 of 9 new rows of 2026-11-01 are rows of 2026-11-02 too" in verdicts[-1].told


def test_the_first_date_repeats_nothing() -> None:
    (verdict,) = judged(UNLIKE, {}, {day(0): many(3)})
    assert (verdict.passed, verdict.observed, verdict.told) == (True, None, "there is no date before 2026-11-01")


COUNTED: dict[str, Any] = {"row_count": {"history": {"last": 2, "needs": 1}}}


def test_every_date_of_a_batch_is_compared_with_those_before_it_those_of_the_batch_too() -> None:
    batch = {day(n): many(count) for n, count in enumerate([10, 12, 3, 11])}
    verdicts = judged(COUNTED, {}, batch)
    assert failed(verdicts) == [(day(2), Severity.REJECT)]
    assert [one.at_least for one in verdicts] == [None, 5.0, 5.5, 3.75]


def test_a_late_date_is_compared_with_the_dates_before_it_and_not_with_later_ones() -> None:
    lists = Lists({day(0): many(10), day(1): many(10), day(5): many(900)}, {day(3): many(11)})
    judge(dataset(column("place"), column("cases", "int64"), quality=[{"name": "held", **COUNTED}]), lists)
    assert day(5) not in lists.asked


def test_over_batches_a_batch_is_compared_with_what_was_observed_before() -> None:
    over = {"sum": {"column": "cases", "over": "batch", "history": {"last": 3, "needs": 2}}}
    batch = {day(0): [("a", 1)], day(1): [("a", 2)]}
    (verdict,) = judged(over, {}, batch, observed=[900, 10, 10, 12])
    assert (verdict.passed, verdict.observed, verdict.at_least, verdict.partition) == (False, 3, 5.0, None)
    assert judged(over, {}, batch, observed=[10])[0].passed


@given(values=st.lists(st.integers(0, 9), min_size=1, max_size=6), at=st.integers(0, 5))
def test_a_series_that_passes_date_by_date_never_falls(values: list[int], at: int) -> None:
    """Whatever a batch replaces: without a warning or refusal the series is as good as it was, and the date keeps its place."""
    series = {day(n): [("a", value)] for n, value in enumerate(sorted(values))}
    for new in range(10):
        after = {**series, day(at): [("a", new)]}
        flat = [rows[0][1] or 0 for _, rows in sorted(after.items())]
        assert (failed(judged(MONOTONE, series, {day(at): [("a", new)]})) == []) == (flat == sorted(flat))
