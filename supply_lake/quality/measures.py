"""What rules take of a partition's rows: their number, the sum or the greatest value of a column. Exact, and as text.

What belongs here: the arithmetic. What does not: whether a value is as it should be (``bounds``, ``series``).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import polars as pl

from supply_lake.datasets.quality import Rule

Value = int | float | Decimal


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a set of rows. The figures of two sets give that of both together (``together``)."""

    kind: Literal["rows", "sum", "max"]
    column: str = ""

    @staticmethod
    def of(rule: Rule) -> Measure | None:
        """What a rule is about, if it is about such a figure."""
        if rule.row_count is not None:
            return Measure("rows")
        if rule.sum is not None:
            return Measure("sum", rule.sum.column)
        return Measure(rule.monotone.by, rule.monotone.column) if rule.monotone is not None else None

    @property
    def key(self) -> str:
        """Its name on records: ``rows``, ``sum of confirmed``."""
        return f"{self.kind} of {self.column}" if self.column else self.kind

    def together(self, values: Iterable[Value | None]) -> Value | None:
        """The figure of several sets of rows; ``None`` when none of them has a value."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        if self.kind == "max":
            return max(known)
        # A column that has grown to floats has exact sums of before.
        return math.fsum(known) if any(isinstance(one, float) for one in known) else sum(known[1:], known[0])

    def expression(self, kind: pl.DataType | None) -> pl.Expr:
        """How it is computed over a column of this type, without overflow."""
        if self.kind == "rows":
            return pl.len().alias(self.key)
        column = pl.col(self.column)
        if kind is not None and kind.is_integer():
            column = column.cast(pl.Int128)
        elif isinstance(kind, pl.Decimal):
            column = column.cast(pl.Decimal(38, kind.scale))
        value = column.sum() if self.kind == "sum" else column.max()
        return pl.when(column.count() > 0).then(value).alias(self.key)


def by_date(frames: Iterable[pl.DataFrame], wanted: Sequence[Measure]) -> dict[dt.date, dict[str, Value]]:
    """The figures of every date, by their keys; a figure without a value is left out.

    :param frames: the columns of the measures, and ``_date``
    """
    found: dict[dt.date, dict[str, list[Value | None]]] = {}
    for frame in frames:
        asked = [one.expression(frame.schema.get(one.column)) for one in wanted]
        for date, *values in frame.group_by("_date").agg(asked).rows():
            here = found.setdefault(date, {})
            for one, value in zip(wanted, values, strict=True):
                here.setdefault(one.key, []).append(value)
    together = {date: {one.key: one.together(here[one.key]) for one in wanted} for date, here in found.items()}
    return {date: {key: value for key, value in here.items() if value is not None} for date, here in together.items()}


def to_text(value: Value) -> str:
    """The value as it stands on a record, to the last digit."""
    return repr(value) if isinstance(value, float) else str(value)


def from_text(text: str, kind: str) -> Value:
    """The inverse.

    :param kind: name of the column's type today; empty for a number of rows
    """
    if kind.startswith("float"):
        return float(text)
    return int(text) if text.lstrip("-").isdigit() else Decimal(text)


def exact(value: Value) -> Decimal:
    """The value as a number that compares and multiplies exactly with any other."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def figure(value: Value | None) -> int | float | None:
    """The value as JSON and charts take it."""
    return float(value) if isinstance(value, Decimal) else value


def shown(value: Value) -> str:
    """The value as a person reads it."""
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.2f}"
    return f"{value:,}"
