"""One column of the sample as its distinct values and how often each occurs.

What belongs here: counting, and looking at texts as shapes (``DN-304`` is ``DN-#``). What does not: what type they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

EXAMPLES = 5
SHAPES_AT_MOST = 200


@dataclass(frozen=True, slots=True)
class Counted:
    """A text, or what several texts have in common, and the number of rows that have it."""

    text: str
    rows: int
    example: str = ""


class Values:
    """The distinct values of one column; nulls and empty texts are counted apart.

    :param texts: the column's values in all rows of the sample
    :param origin: what the file says of them: ``text`` says nothing (CSV); ``quoted`` is text by the producer's own word;
        ``number``, ``float`` and ``flag`` are the numbers, binary floating point numbers and booleans of a typed source
    """

    def __init__(self, texts: pl.Series, origin: str = "text") -> None:
        self.origin = origin
        self.rows = len(texts)
        counted = texts.rename("value").value_counts(name="n").filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        self.table = counted.sort(["n", "value"], descending=[True, False])

    @property
    def distinct(self) -> int:
        """How many different values there are."""
        return self.table.height

    @property
    def texts(self) -> pl.Series:
        """The different values, the most frequent first."""
        return self.table["value"]

    @cached_property
    def filled(self) -> int:
        """Rows that have a value."""
        return int(self.table["n"].sum())

    @property
    def empty(self) -> int:
        """Rows that have none."""
        return self.rows - self.filled

    @cached_property
    def stripped(self) -> pl.Series:
        """The different values without the white space around them."""
        return self.texts.str.strip_chars()

    @cached_property
    def all_digits(self) -> bool:
        """Whether there is nothing but digits, with or without a sign."""
        return bool(self.texts.str.contains(r"^[+-]?\d+$").all())

    @cached_property
    def padded_rows(self) -> int:
        """Rows whose value has white space around it."""
        return self.rows_of(self.stripped != self.texts)

    @cached_property
    def unique(self) -> bool:
        """Whether no value occurs twice."""
        return self.filled == self.distinct

    @cached_property
    def longest(self) -> int:
        """Characters of the longest value."""
        return int(self.texts.str.len_chars().max() or 0)  # type: ignore[arg-type]

    def rows_of(self, mask: pl.Series) -> int:
        """Rows that have one of the values that the mask picks."""
        return int(self.table["n"].filter(mask).sum())

    def most(self, number: int = EXAMPLES) -> list[Counted]:
        """The most frequent values."""
        return [Counted(text, rows) for text, rows in self.table.head(number).rows()]

    def only(self, mask: pl.Series) -> Values:
        """These values alone, as if the other rows were not there."""
        part = object.__new__(Values)
        part.origin, part.table = self.origin, self.table.filter(mask)
        part.rows = part.filled
        return part

    def emptied(self, texts: Sequence[str]) -> Values:
        """The same rows, with these texts taken for empty."""
        part = self.without(texts)
        if part is not self:
            part.rows = self.rows
        return part

    def without(self, texts: Sequence[str]) -> Values:
        """The values but for these."""
        return self.only(~self.texts.is_in(list(texts))) if texts else self

    def shapes(self, number: int = EXAMPLES) -> list[Counted]:
        """What the values have in common when every run of digits is one ``#``, the most frequent first."""
        found = (
            self.table.with_columns(shape(self.texts).alias("shape"))
            .group_by("shape")
            .agg(pl.col("n").sum(), pl.col("value").min())
            .sort(["n", "shape"], descending=[True, False])
        )
        return [Counted(text, rows, example) for text, rows, example in found.head(number).rows()]


def shape(texts: pl.Series) -> pl.Series:
    """``See DN-304 (ID#:10589)`` → ``See DN-# (ID##:#)``"""
    return texts.str.replace_all(r"\d+", "#")


def share(rows: int, of: int) -> str:
    """A share for people."""
    if rows == of:
        return "all"
    part = rows / of if of else 0
    return "under 0.1%" if 0 < part < 0.001 else "over 99.9%" if 0.999 < part < 1 else f"{part:.1%}"
