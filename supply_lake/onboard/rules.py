"""Rules over rows and over days that the sample keeps: proposed as warnings, so that nothing is refused that nobody decided on.

What belongs here: which rules of ``quality`` to propose. What does not: checks on values (``checks``), and judging batches.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from supply_lake.datasets.format import Format
from supply_lake.datasets.sql import identifier
from supply_lake.onboard import names
from supply_lake.onboard.checks import pattern_of, set_of
from supply_lake.onboard.infer import Inferred
from supply_lake.onboard.numbers import floats
from supply_lake.onboard.reading import Gathered
from supply_lake.onboard.seen import Seen

_DAYS_ENOUGH = 5
_SERIES_ENOUGH = 10
_FALLS = 0.05
_GROWTH = 3
_LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as the dataset file says it, and why it is proposed."""

    fields: dict[str, Any]
    why: str


def of_rows(seen: Sequence[Seen], key: Sequence[str], checked: Collection[str]) -> Iterator[Rule]:
    """How codes are made and which few values there are, where that is no check already."""
    for one in seen:
        known = set_of(one.values) if one.guess.type == "string" and one.name not in key and one.name not in checked else []
        if known:
            condition = f"{_column(one.name)} IN ({', '.join(map(_literal, known))})"
            yield Rule(_warning(f"{one.name}_known", row=condition), "all values of the sample are among these")
        coded = one.guess.type == "string" and one.name not in key and names.says_identity(one.label) and not one.guess.either
        if coded and (pattern := pattern_of(one.values.without([null.text for null in one.guess.nulls]))):
            condition = f"regexp_full_match({_column(one.name)}, {_literal(pattern)})"
            yield Rule(_warning(f"{one.name}_made_as_usual", row=condition), "all values of the sample are made so")


def of_days(gathered: Gathered, inferred: Inferred, days: pl.Series, key: Sequence[str]) -> Iterator[Rule]:
    """What each day's rows are held to by the days before.

    :param days: for every row, the number of its day
    """
    number = days.n_unique()
    if number < _DAYS_ENOUGH:
        return
    told = f"by the {number} days of the sample"
    yield Rule(_warning("about_as_many_rows", row_count={"history": {}}), f"{told}; a partial delivery has fewer")
    yield Rule(_warning("not_the_day_before", unlike_previous={}), "a stale or misdated file repeats the day before")
    for one in inferred.columns:
        counted = one.guess.type.startswith(("int", "decimal")) and one.name not in key and not names.says_identity(one.label)
        if counted and _never_falls(_sums(gathered, one, days, inferred.form)):
            yield Rule(_warning(f"{one.name}_never_falls", monotone={"column": one.name}), f"its sum grows, {told}")


def _sums(gathered: Gathered, one: Seen, days: pl.Series, form: Format) -> pl.Series:
    """The sum of a column by day, in the order of days; days without a value are left out."""
    raw = gathered.column(one.field.names)
    numbers = raw.cast(pl.Float64) if raw.dtype.is_numeric() else floats(raw.cast(pl.String), form)
    filled = pl.DataFrame({"day": days, "number": numbers}).drop_nulls()
    return filled.group_by("day").agg(pl.col("number").sum()).sort("day")["number"]


def _never_falls(sums: pl.Series) -> bool:
    """Whether a series grows all the time, but for a delivery or two that went wrong."""
    if len(sums) < _SERIES_ENOUGH:
        return False
    falls = int((sums.diff().drop_nulls() < 0).sum())
    first, last = float(sums[0]), float(sums[-1])
    return falls <= _FALLS * len(sums) and last > _GROWTH * max(first, 1.0)


def _column(name: str) -> str:
    return identifier(name) if names.is_reserved(name) else name


def _literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _warning(name: str, **kind: Any) -> dict[str, Any]:
    tidy = re.sub(r"_+", "_", name)
    return {"name": tidy[-_LONGEST_NAME:].lstrip("_0123456789"), "severity": "warn", **kind}
