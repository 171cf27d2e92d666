"""The rules on whole partitions, one after the other: over the dataset as it will be after the commit.

What belongs here: which figure each rule needs, and of which dates. What does not: the comparison (``bounds``, ``series``,
``likeness``) and where the dataset comes from: ``Dates`` is what a caller has to know.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Protocol

import polars as pl

from supply_lake.datasets.quality import Rule, compared
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.quality import likeness
from supply_lake.quality.bounds import within
from supply_lake.quality.measures import Measure, Value
from supply_lake.quality.series import Dated, falling_after, not_falling
from supply_lake.quality.verdict import Verdict


class Dates(Protocol):
    """A dataset by its partition dates, as it will be after a commit. Rows that a tombstone hides are no rows."""

    @property
    def judged(self) -> Sequence[dt.date]:
        """The dates to which the batch brings rows, oldest first."""

    @property
    def live(self) -> Sequence[dt.date]:
        """All dates that have live rows, oldest first."""

    def value(self, date: dt.date, measure: Measure) -> Value | None:
        """The figure of a date."""

    def earlier(self, date: dt.date, measure: Measure) -> Value | None:
        """The figure of a date before this commit."""

    def rows(self, date: dt.date, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of the rows of a date."""

    def new_rows(self, date: dt.date, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of the rows that the batch brings to a date."""

    def batch_value(self, measure: Measure) -> Value | None:
        """The figure of all rows that the batch brings."""

    def recent(self, rule: str, most: int) -> Sequence[Value]:
        """What a rule observed of the newest published batches, at most so many, the newest last."""


def judge(spec: DatasetSpec, dates: Dates) -> list[Verdict]:
    """What every rule on whole partitions says."""
    verdicts: list[Verdict] = []
    for rule in spec.quality:
        if rule.bounds is not None:
            verdicts += _bounds(rule, dates)
        elif rule.monotone is not None:
            verdicts += _series(rule, dates)
        elif rule.unlike_previous is not None:
            verdicts += _likeness(rule, spec, dates)
    return verdicts


def _bounds(rule: Rule, dates: Dates) -> Iterator[Verdict]:
    bounds, measure = rule.bounds, Measure.of(rule)
    assert bounds is not None
    assert measure is not None
    last = bounds.history.last if bounds.history else 0
    if bounds.over == "batch":
        recent = dates.recent(rule.name, last) if last else ()
        yield within(rule, dates.batch_value(measure) or 0, recent, None)
        return
    for date in dates.judged:
        at = bisect_left(dates.live, date)
        before = [dates.value(one, measure) or 0 for one in dates.live[max(0, at - last) : at]]
        yield within(rule, dates.value(date, measure) or 0, before, date)


def _series(rule: Rule, dates: Dates) -> Iterator[Verdict]:
    measure = Measure.of(rule)
    assert measure is not None
    for date in dates.judged:
        value = dates.value(date, measure)
        before = _nearest(reversed(dates.live[: bisect_left(dates.live, date)]), dates, measure)
        yield not_falling(rule, date, value, before)
        after = _nearest(iter(dates.live[bisect_right(dates.live, date) :]), dates, measure)
        if value is not None and after is not None and after[0] not in dates.judged:
            warning = falling_after(rule, date, value, after, dates.earlier(date, measure))
            if warning is not None:
                yield warning


def _nearest(candidates: Iterator[dt.date], dates: Dates, measure: Measure) -> Dated | None:
    """The first of these dates that has a figure."""
    for date in candidates:
        value = dates.value(date, measure)
        if value is not None:
            return date, value
    return None


def _likeness(rule: Rule, spec: DatasetSpec, dates: Dates) -> Iterator[Verdict]:
    assert rule.unlike_previous is not None
    columns = compared(rule.unlike_previous, spec.types, spec.partition_date.column)
    for date in dates.judged:
        rows = likeness.hashed(dates.new_rows(date, columns))
        before = dates.live[: bisect_left(dates.live, date)]
        same = likeness.repeated(rows, dates.rows(before[-1], columns)) if before else 0
        yield likeness.unlike(rule, date, before[-1] if before else None, rows=same, of=len(rows))
        after = dates.live[bisect_right(dates.live, date) :]
        if after and after[0] not in dates.judged:
            same = likeness.repeated(rows, dates.rows(after[0], columns))
            warning = likeness.unlike(rule, date, after[0], rows=same, of=len(rows))
            if not warning.passed:
                yield warning
