"""Checks of the shipped datasets that YAML cannot say, as functions over polars frames and columns.

What belongs here: functions that a dataset file names under ``row_checks`` or ``checks.python``. Each gets a DataFrame (a
Series for a column's check) and gives a boolean Series, true for good rows. What does not: an import of polars; the frame
that comes in brings all that is needed, and loading the registry stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def delivered_after_shipped(rows: pl.DataFrame) -> pl.Series:
    """Nothing is delivered before it was shipped; an unknown day is no fault."""
    return (rows["delivered_on"] >= rows["shipped_on"]).fill_null(True)


def reserved_within_stock(rows: pl.DataFrame) -> pl.Series:
    """No more can be reserved than is on hand; an unknown number is no fault."""
    return (rows["reserved"] <= rows["on_hand"]).fill_null(True)
