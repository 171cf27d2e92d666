"""Parquet → chunks of typed raw records.

What belongs here: opening, telling apart the ways in which a Parquet file cannot be read, and types that Polars does not have.
What does not: casting to the declared types.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from supply_lake.curate.columns import column_names
from supply_lake.curate.raw import EmptyObject, RawChunk, Readable
from supply_lake.curate.source import BLOCK, first_line
from supply_lake.errors import UnreadableObject

ROWS_PER_CHUNK = 131_072
_SPOOL_BYTES = 64 * 1024 * 1024
# A damaged page may claim any length, and a damaged footer any type.
_BROKEN = (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, MemoryError)


def read_parquet(stream: Readable, scratch: Path) -> Iterator[RawChunk]:
    """Row groups in order. Parquet is read from its end, so the object is spooled, on disk when it is large.

    :raises EmptyObject: it has no byte, or no row
    :raises UnreadableObject: truncated, encrypted, damaged, or no Parquet file
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=str(scratch)) as spool:
        while block := stream.read(BLOCK):
            spool.write(block)
        if spool.tell() == 0:
            raise EmptyObject("zero bytes")
        spool.seek(0, io.SEEK_SET)
        yield from _chunks(cast(BinaryIO, spool))


def _chunks(file: BinaryIO) -> Iterator[RawChunk]:
    try:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        if parquet.metadata.num_rows == 0:
            raise EmptyObject("header only")
        first = 1
        for batch in parquet.iter_batches(ROWS_PER_CHUNK, use_threads=True):
            frame = _frame(batch)
            yield RawChunk(frame, pl.Series("line", range(first, first + frame.height), pl.Int64))
            first += frame.height
        if first - 1 != parquet.metadata.num_rows:
            raise UnreadableObject(f"claims {parquet.metadata.num_rows:,} rows, and holds {first - 1:,}")
    except _BROKEN as error:
        raise UnreadableObject(f"cannot be read as Parquet ({first_line(error)})") from None


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """The batch in Polars, which believes every text to be UTF-8 and every name to be there once."""
    batch.validate(full=True)
    names = column_names(batch.schema.names)
    columns = [_plain(column) for column in batch.columns]
    return cast(pl.DataFrame, pl.from_arrow(pa.Table.from_arrays(columns, names=list(names))))


def _plain(column: pa.Array) -> pa.Array:
    kind = _plain_type(column.type)
    try:
        return column if kind == column.type else column.cast(kind)
    except pa.ArrowInvalid:
        if not pa.types.is_timestamp(kind):
            raise
    return _far_away(column, kind)


def _far_away(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Moments of which some are further away than microseconds reach, as text: those rows are set aside, and not the file."""
    numbers = column.cast(pa.int64())
    reach = (2**63 - 1) // {"s": 10**6, "ms": 10**3}[column.type.unit]
    near = pc.and_(pc.less_equal(numbers, reach), pc.greater_equal(numbers, -reach))
    texts = pc.if_else(near, column, pa.scalar(None, column.type)).cast(kind).cast(pa.string())
    far = pc.binary_join_element_wise(numbers.cast(pa.string()), f"{column.type.unit} since 1970-01-01", " ")
    return pc.if_else(near, texts, far)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type in the words of Polars: maps are lists of keys and values, decimals of more than 38 digits are text."""
    if pa.types.is_decimal256(kind):
        return pa.string()
    if pa.types.is_timestamp(kind) and kind.unit in ("s", "ms"):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_map(kind):
        return pa.list_(pa.struct([("key", _plain_type(kind.key_type)), ("value", _plain_type(kind.item_type))]))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _plain_type(kind.value_type)
        return kind if inner == kind.value_type and not pa.types.is_fixed_size_list(kind) else pa.large_list(inner)
    if pa.types.is_struct(kind):
        fields = [(field.name, _plain_type(field.type)) for field in kind]
        return kind if all(inner == field.type for (_, inner), field in zip(fields, kind, strict=True)) else pa.struct(fields)
    return kind
