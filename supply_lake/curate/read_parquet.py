"""Parquet → chunks of typed raw records.

What belongs here: opening, and telling apart the ways in which a Parquet file cannot be read. What does not: casting.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake.curate.raw import EmptyObject, RawChunk
from supply_lake.curate.source import BLOCK, PlainBytes, first_line
from supply_lake.errors import UnreadableObject

ROWS_PER_CHUNK = 131_072
_SPOOL_BYTES = 64 * 1024 * 1024


def read_parquet(stream: PlainBytes, scratch: Path) -> Iterator[RawChunk]:
    """Row groups in order. Parquet is read from its end, so the object is spooled, on disk when it is large.

    :raises UnreadableObject: truncated, encrypted, damaged, or no Parquet file
    """
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
            frame = cast(pl.DataFrame, pl.from_arrow(pa.Table.from_batches([batch])))
            yield RawChunk(frame, pl.Series("line", range(first, first + frame.height), pl.Int64))
            first += frame.height
    except (pa.ArrowException, OSError) as error:
        raise UnreadableObject(f"cannot be read as Parquet ({first_line(error)})") from None
