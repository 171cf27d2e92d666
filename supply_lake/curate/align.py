"""Frames of different columns and types in one form.

What belongs here: choosing and casting columns of a frame, and what a Parquet footer says of values. What does not: which form
it is (``evolve``, ``settle``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake.curate.cast import polars_type
from supply_lake.curate.kinds import as_type, data_type
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import TEXT, Held, promoted


def typed(
    frame: pl.DataFrame, kinds: Mapping[str, DataType], keys: Mapping[str, str] | None = None, *, loose: str | None = None
) -> pl.DataFrame:
    """The frame in these columns and types; a column that it does not have is null.

    :param keys: what a column is called in the frame, where that is not its name
    :param loose: a column of which values that the type cannot say become null
    """
    present = frame.schema
    named = {name: (keys or {}).get(name, name) for name in kinds}
    whole = all(present.get(own) == polars_type(kinds[name]) for name, own in named.items())
    if whole:
        return frame.select(pl.col(own).alias(name) for name, own in named.items())
    columns = []
    for name, own in named.items():
        target = polars_type(kinds[name])
        if own not in present:
            columns.append(pl.Series(name, [None], dtype=target).new_from_index(0, frame.height))
        elif name == loose and present[own] != target:
            columns.append(frame[own].cast(target, strict=False).alias(name))
        else:
            columns.append(as_type(frame[own], kinds[name]).alias(name))
    return pl.DataFrame(columns)


def fingerprint(kinds: Mapping[str, DataType]) -> str:
    """Digest of the names and types of columns in files; files of one fingerprint have one schema."""
    text = "\n".join(f"{name} {kind}" for name, kind in kinds.items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def alike(one: pl.DataFrame, two: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames in the columns of the second, in types in which equal values are equal; what the first lacks is null."""
    own = {name: data_type(kind) for name, kind in one.schema.items()}
    kinds = {name: data_type(kind) for name, kind in two.schema.items()}
    both = {name: promoted(kind, own.get(name, kind)) or TEXT for name, kind in kinds.items()}
    return typed(one, both), typed(two, both)


def held_in(metadata: pq.FileMetaData, schema: pa.Schema, kinds: Mapping[str, DataType]) -> dict[str, Held]:
    """Of every column of a Parquet file its type; and where that is another than expected, what is known of the values.

    :param kinds: the types that are expected
    """
    own = {name: data_type(kind) for name, kind in pl.DataFrame(schema.empty_table()).schema.items()}
    return {name: Held(kind) if kinds.get(name) in (kind, None) else _held(metadata, name, kind) for name, kind in own.items()}


def _held(metadata: pq.FileMetaData, name: str, kind: DataType) -> Held:
    chunks = list(_statistics(metadata, name))
    nulls = sum(chunk.null_count for chunk in chunks if chunk is not None and chunk.has_null_count)
    if chunks and nulls == metadata.num_rows:
        return Held(kind, empty=True)
    bounds = [(chunk.min, chunk.max) for chunk in chunks if chunk is not None and chunk.has_min_max]
    if not bounds or len(bounds) < sum(1 for chunk in chunks if chunk is None or chunk.num_values):
        return Held(kind)
    return Held(kind, str(min(low for low, _ in bounds)), str(max(high for _, high in bounds)))


def _statistics(metadata: pq.FileMetaData, column: str) -> Iterator[pq.Statistics | None]:
    """The statistics of a plain column, one for each row group; a nested one has none of its own."""
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for at in range(row_group.num_columns):
            chunk = row_group.column(at)
            if chunk.path_in_schema == column:
                yield chunk.statistics if chunk.is_stats_set else None
