"""What the casts of one type give, and the step that they share.

What belongs here: values between the casts of a type and ``cast``. What does not: any type.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from supply_lake.datasets.types import DataType


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Fields that structs do not declare: the rows (a mask) that have some, and the type that would hold them, as text."""

    rows: pl.Series
    kind: DataType


@dataclass(frozen=True, slots=True)
class Values:
    """Typed values, null where the text has no exact one.

    ``doubts`` are rows (a mask) with a reason that says more than that the value is not of the type. ``notes`` count what was
    coerced, in sentences. ``left_out`` is what values have that the type does not.
    """

    series: pl.Series
    doubts: list[tuple[pl.Series, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    left_out: LeftOut | None = None

    def without(self, rows: pl.Series, reason: str = "") -> Values:
        """Without these values; the reason is for the rows that had one."""
        rows = rows.fill_null(False)
        if not rows.any():
            return self
        return Values(
            only(self.series, ~rows), [*self.doubts, (rows, reason)] if reason else self.doubts, self.notes, self.left_out
        )


def only(values: pl.Series, rows: pl.Series) -> pl.Series:
    """The values of these rows, null elsewhere."""
    return pl.select(pl.when(rows).then(values).alias(values.name))[:, 0]


def marked(rows: pl.Series, height: int) -> pl.Series:
    """A mask of so many rows that has these."""
    return pl.Series([False]).new_from_index(0, height).scatter(rows, True)
