"""Rules, live files and frames of made-up rows, for tests of rules."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from supply_lake.curate.duels import PLACE
from supply_lake.curate.settle import LivePart
from supply_lake.datasets.quality import Rule

DAY = dt.date(2026, 11, 1)
ONE = dt.timedelta(days=1)


def rule(**fields: Any) -> Rule:
    return Rule.model_validate({"name": "held", **fields})


def live(rows: pl.DataFrame, date: dt.date = DAY, rows_per_group: int = 1000) -> LivePart:
    """A live Parquet file with these rows."""
    file = io.BytesIO()
    rows.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_line")).write_parquet(
        file, row_group_size=rows_per_group
    )
    return LivePart(date, "live", lambda: io.BytesIO(file.getvalue()))


def placed(
    rows: pl.DataFrame, dates: Sequence[dt.date] = (), *, first: int = 0, src: int = 0, cut: int = 1000
) -> Callable[[], Iterator[pl.DataFrame]]:
    """The rows with the places of new ones (of live ones when ``src`` is -1), in frames of so many."""
    height = rows.height
    whole = rows.with_columns(
        pl.int_range(first, first + height, eager=True).alias("_ordinal"),
        pl.Series("_src", [src] * height, PLACE["_src"]),
        pl.int_range(2, height + 2, eager=True).alias("_line"),
        pl.Series("_date", list(dates) or [DAY] * height, pl.Date),
    )
    return lambda: iter([whole[at : at + cut] for at in range(0, height, cut)])
