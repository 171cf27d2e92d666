"""Which part of a source a pull takes: what changed since the last one, or a day.

What belongs here: the fields of `cursor` and `window`, which all kinds of sources share. What does not: choosing a part
(``extract.window``).
"""

from __future__ import annotations

from pydantic import Field

from supply_lake.datasets.model import Declared, Zone


class Cursor(Declared):
    """Pulls only what changed since the last pull."""

    by: str = Field(description="Column that grows with every change of a row: a time of change, or a sequence.")
    lag: float = Field(
        0,
        ge=0,
        description="How far behind the last position each pull begins again, for rows that are committed late: seconds for "
        "times, else units of the column. Rows that are read again fall out by their key.",
    )
    start: str | int | float | None = Field(None, description="Where the first pull begins; at the first row when left out.")


class DayWindow(Declared):
    """Pulls day by day: each partition holds the rows of its own date, so that any past day can be pulled again."""

    by: str = Field("", description="Column with the date or time that tells a row's day.")
    timezone: Zone = Field("UTC", description="Zone whose midnight begins a day.")
    again_days: int = Field(1, ge=0, description="How many days before today a scheduled pull reads again.")
