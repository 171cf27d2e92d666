"""What a reader hands to the casts: rows as they stand in the object, each with its line.

What belongs here: the values that cross from reading to casting. What does not: any parsing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

NOT_TEXT = "it holds NUL or bytes that its encoding does not know"


@dataclass(frozen=True, slots=True)
class Aside:
    """One record that could not be parsed: its line (or record number), its text, and why."""

    line: int
    raw: str
    reason: str


@dataclass(slots=True)
class RawTable:
    """Rows of one object, or of one stretch of it.

    ``rows`` has a column per field of the file: text as it stands there for CSV and JSON, typed values for Parquet.
    ``lines`` (Int64) is the 1-based line on which each record starts, or its number. ``raw``, where there is one, is the
    text of each record; elsewhere the record is written down as JSON of ``rows``. ``asides`` are landed records, too.
    """

    rows: pl.DataFrame
    lines: pl.Series
    asides: list[Aside] = field(default_factory=list)
    raw: pl.Series | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def landed(self) -> int:
        """Records in all."""
        return self.rows.height + len(self.asides)
