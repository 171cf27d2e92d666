"""Good rows that are set aside after all: for a rule that needs more than the row, found after reading.

A row is known by its ordinal, its place in the order of delivery. What is barred takes no part in deduplication, so a barred
row never wins against a good one.

What belongs here: the value, its counts and its reasons. What does not: who bars rows (the room ``quality``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from supply_lake.curate.rejects import REASON

PLACES = {"_ordinal": pl.Int64, "_src": pl.Int32, "_date": pl.Date}


@dataclass(frozen=True, slots=True)
class Bar:
    """Why: the columns whose values are told, and a reason."""

    columns: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Barred:
    """Barred rows, each with its reasons. ``frame`` has ``PLACES`` and ``_bar``, the index of the reason in ``bars``."""

    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={**PLACES, "_bar": pl.UInt16}))
    bars: tuple[Bar, ...] = ()

    def plus(self, places: pl.DataFrame, bar: Bar) -> Barred:
        """These and more rows.

        :param places: the columns of ``PLACES``
        """
        if not places.height:
            return self
        more = places.select(list(PLACES)).with_columns(pl.lit(len(self.bars), pl.UInt16).alias("_bar"))
        return Barred(pl.concat([self.frame, more]).sort("_ordinal", "_bar"), (*self.bars, bar))

    def __bool__(self) -> bool:
        return self.frame.height > 0

    @cached_property
    def rows(self) -> int:
        """How many rows are barred."""
        return len(self._ordinals)

    @cached_property
    def counts(self) -> Counter[tuple[int, dt.date]]:
        """How many, by source and date."""
        places = self.frame.unique("_ordinal", keep="any", maintain_order=False)
        return Counter({(src, date): rows for src, date, rows in places.group_by("_src", "_date").len().rows()})

    def mask(self, ordinals: pl.Series) -> pl.Series:
        """Which of these consecutive ordinals are barred."""
        found = np.zeros(len(ordinals), bool)
        if len(ordinals) and self:
            first = int(ordinals[0])
            start, end = np.searchsorted(self._ordinals, [first, first + len(ordinals)])
            found[self._ordinals[start:end] - first] = True
        return pl.Series("barred", found)

    def reasons(self, ordinals: pl.Series, rows: pl.DataFrame) -> pl.Series:
        """The reasons of barred rows, as rejects have them.

        :param ordinals: of the rows, in ascending order
        :param rows: their values
        """
        marked = rows.with_columns(ordinals.alias("_ordinal"))
        told = []
        for (index,), part in self.frame.join(marked, on="_ordinal").partition_by("_bar", as_dict=True).items():
            bar = self.bars[index]
            reason = pl.struct(
                pl.lit(", ".join(bar.columns)).alias("column"),
                pl.concat_str([pl.col(name).cast(pl.String).fill_null("null") for name in bar.columns], separator=", ").alias(
                    "value"
                ),
                pl.lit(bar.reason).alias("reason"),
            )
            told.append(part.select("_ordinal", "_bar", reason.cast(REASON).alias("reasons")))
        by_row = pl.concat(told).sort("_ordinal", "_bar").group_by("_ordinal", maintain_order=True).agg("reasons")
        return by_row["reasons"]

    @cached_property
    def _ordinals(self) -> np.ndarray:
        return self.frame["_ordinal"].unique(maintain_order=True).to_numpy()


NONE = Barred()
