"""Frames → Parquet parts in an object store, hashed as they are written.

What belongs here: the physical form of published and rejected rows. What does not: which rows, and whether anyone may see them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.snapshots.records import ColumnStats, DataFile
from supply_lake.storage.layout import part_path
from supply_lake.storage.object_store import ObjectStore

ROWS_PER_GROUP = 262_144
GROUPS_PER_PART = 4
SAMPLE_ROWS = 16_384
THREADS = 2


@dataclass(frozen=True, slots=True)
class Written:
    """The parts of one snapshot, and figures of its columns."""

    files: tuple[DataFile, ...]
    columns: tuple[ColumnStats, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    file: DataFile
    metadata: pq.FileMetaData
    schema: pa.Schema


def write_parts(
    store: ObjectStore, spec: DatasetSpec, partition: dt.date, snapshot_id: str, tables: Iterable[pl.DataFrame]
) -> Written:
    """Write frames of one schema as numbered parts of the snapshot.

    Rows stay in order; which row is in which part depends on nothing but the rows. A null ``_snapshot_id`` becomes this
    snapshot's: the row is published here for the first time.

    :raises StoreUnavailable: the store does not answer, or its disk is full
    """
    parts: list[_Part] = []
    with ThreadPoolExecutor(THREADS) as pool:
        waiting: list[Future[_Part]] = []
        for number, groups in enumerate(_parts(tables, snapshot_id)):
            path = part_path(spec.name, partition, snapshot_id, number)
            waiting.append(pool.submit(_write_part, store, path, groups))
            if len(waiting) >= THREADS:
                parts.append(waiting.pop(0).result())
        parts += [future.result() for future in waiting]
    return Written(tuple(part.file for part in parts), _stats(parts))


def _parts(tables: Iterable[pl.DataFrame], snapshot_id: str) -> Iterator[list[pl.DataFrame]]:
    groups: list[pl.DataFrame] = []
    for group in _row_groups(tables):
        groups.append(group.with_columns(pl.col("^_snapshot_id$").fill_null(snapshot_id)))
        if len(groups) == GROUPS_PER_PART:
            yield groups
            groups = []
    if groups:
        yield groups


def _row_groups(tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in frames of ``ROWS_PER_GROUP``, the last one shorter."""
    held: list[pl.DataFrame] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.height
        if rows < ROWS_PER_GROUP:
            continue
        whole = pl.concat(held)
        full = rows // ROWS_PER_GROUP * ROWS_PER_GROUP
        for start in range(0, full, ROWS_PER_GROUP):
            yield whole[start : start + ROWS_PER_GROUP]
        held, rows = [whole[full:]], rows - full
    if rows:
        yield pl.concat(held)


def _write_part(store: ObjectStore, path: str, groups: list[pl.DataFrame]) -> _Part:
    schema = groups[0].head(0).to_arrow().schema
    with store.writer(path) as target:
        hashed = _Hashing(target)
        # Text goes over as views, without a copy; that it did is nothing that the file has to remember.
        writer = pq.ParquetWriter(
            hashed, schema, compression="zstd", write_statistics=True, store_schema=False, **_options(groups[0])
        )
        for group in groups:
            writer.write_table(group.to_arrow(), row_group_size=ROWS_PER_GROUP)
        writer.close()
    rows = sum(group.height for group in groups)
    file = DataFile(path=path, rows=rows, bytes=hashed.written, sha256=hashed.digest.hexdigest())
    return _Part(file, writer.writer.metadata, schema)


def _options(group: pl.DataFrame) -> dict[str, Any]:
    """Dictionaries where values repeat: elsewhere building one costs more than all the rest, and is then thrown away.

    Line numbers grow steadily, so their differences are small.
    """
    sample = group.head(SAMPLE_ROWS)
    repeating = [name for name, kind in sample.schema.items() if kind.is_nested() or _repeats(sample[name])]
    options: dict[str, Any] = {"use_dictionary": [name for name in repeating if name != "_line"]}
    if "_line" in sample.columns:
        options["column_encoding"] = {"_line": "DELTA_BINARY_PACKED"}
    return options


def _repeats(values: pl.Series) -> bool:
    return values.n_unique() <= len(values) // 2


class _Hashing(io.RawIOBase):
    """Passes bytes on, and hashes and counts them."""

    def __init__(self, target: BinaryIO) -> None:
        self._target, self.digest, self.written = target, hashlib.sha256(), 0

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write and hash."""
        view = memoryview(data)
        self._target.write(view)
        self.digest.update(view)
        self.written += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes so far."""
        return self.written


def _stats(parts: list[_Part]) -> tuple[ColumnStats, ...]:
    """Figures over all row groups of all parts; nested columns have none."""
    if not parts:
        return ()
    stats = []
    for field in parts[0].schema:
        if field.name.startswith("_") or pa.types.is_nested(field.type):
            continue
        chunks = [chunk for part in parts for chunk in _chunks(part.metadata, field.name)]
        nulls = sum(chunk.null_count or 0 for chunk in chunks)
        bounds = [chunk for chunk in chunks if chunk.has_min_max]
        known = len(bounds) == sum(1 for chunk in chunks if chunk.num_values)
        stats.append(
            ColumnStats(
                name=field.name,
                type=str(field.type).removesuffix("_view"),
                nulls=nulls,
                min=str(min(chunk.min for chunk in bounds)) if bounds and known else None,
                max=str(max(chunk.max for chunk in bounds)) if bounds and known else None,
            )
        )
    return tuple(stats)


def _chunks(metadata: pq.FileMetaData, column: str) -> Iterator[pq.Statistics]:
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for at in range(row_group.num_columns):
            chunk = row_group.column(at)
            if chunk.path_in_schema == column and chunk.statistics is not None:
                yield chunk.statistics
