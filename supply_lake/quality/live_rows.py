"""A few columns of live Parquet files, in chunks; row groups that cannot hold what is looked for are not read.

What belongs here: reading, in the types that are asked for, rows that no tombstone hides. What does not: choosing the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from supply_lake.curate.settle import LIVE_ROWS_AT_ONCE, LivePart

Bounds = Mapping[str, tuple[Any, Any]]
"""Least and greatest value by column; a row outside them is not looked for."""


def read(
    parts: Iterable[LivePart], types: Mapping[str, pl.DataType], bounds: Bounds | None = None
) -> Iterator[tuple[LivePart, pl.DataFrame]]:
    """These columns in these types, and ``_line``. A column that a file lacks, or a value that fits no such type, is null."""
    for part in parts:
        with part.open() as file:
            parquet = pq.ParquetFile(file)
            groups = [at for at in range(parquet.num_row_groups) if overlaps(parquet.metadata.row_group(at), bounds or {})]
            have = [name for name in (*types, "_line", "_deleted") if name in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(LIVE_ROWS_AT_ONCE, row_groups=groups, columns=have):
                frame = pl.DataFrame(batch)
                if "_deleted" in frame.columns:
                    frame = frame.filter(~pl.col("_deleted").fill_null(False))
                yield part, frame.select(*(_typed(frame, name, kind) for name, kind in types.items()), "_line")


def _typed(frame: pl.DataFrame, name: str, kind: pl.DataType) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, kind).alias(name)
    return pl.col(name) if frame.schema[name] == kind else pl.col(name).cast(kind, strict=False)


def overlaps(group: pq.RowGroupMetaData, bounds: Bounds) -> bool:
    """Whether the row group may hold a row within the bounds, by its statistics; in doubt it may."""
    for at in range(group.num_columns):
        column = group.column(at)
        wanted = bounds.get(column.path_in_schema)
        if wanted is None or wanted[0] is None or column.statistics is None or not column.statistics.has_min_max:
            continue
        low, high = wanted
        try:
            if column.statistics.max < low or column.statistics.min > high:
                return False
        except TypeError:
            continue
    return True


class Sought:
    """The values that rows have in some columns: their hashes and bounds. Rows with a null among them are not sought."""

    def __init__(self, frames: Iterable[pl.DataFrame], columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.bounds: dict[str, tuple[Any, Any]] = {}
        parts = [np.empty(0, np.uint64)]
        for frame in frames:
            whole = frame.select(self.columns).drop_nulls()
            if whole.height:
                parts.append(np.unique(hashes(whole)))
                self.bounds = {name: self._wider(name, whole[name]) for name in self.columns}
        self.hashes = np.unique(np.concatenate(parts))

    def _wider(self, name: str, values: pl.Series) -> tuple[Any, Any]:
        low, high = self.bounds.get(name, (values.min(), values.max()))
        return min(low, values.min()), max(high, values.max())

    def among(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that have one of the values; by hash, so a few others may be among them."""
        whole = frame.drop_nulls(self.columns)
        return whole.filter(pl.Series(found(self.hashes, hashes(whole.select(self.columns))))) if whole.height else whole


def hashes(rows: pl.DataFrame) -> np.ndarray:
    """A hash of every row, the same for the same values in any frame of these types."""
    return rows.hash_rows(seed=3).to_numpy()


def found(sought: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which of the values are in a sorted array."""
    if not len(sought):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(sought, values), len(sought) - 1)
    same: np.ndarray = sought[at] == values
    return same
