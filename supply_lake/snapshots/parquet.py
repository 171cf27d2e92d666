"""Frames → Parquet parts in an object store, hashed as they are written.

What belongs here: the physical form of published and rejected rows. What does not: which rows, and whether anyone may see them.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.snapshots.records import ColumnStats, DataFile
from supply_lake.storage.layout import part_path
from supply_lake.storage.object_store import ObjectStore

ROWS_PER_GROUP = 262_144
ROWS_PER_REJECTS_GROUP = 32_768  # a reject carries its whole record as text
VALUES_PER_GROUP = 16 * ROWS_PER_GROUP  # a wide table has fewer rows in a group, so that groups take about the same memory
GROUPS_PER_PART = 4
SAMPLE_ROWS = 16_384
LANES = 2
"""Parts that are written at the same time."""


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
    store: ObjectStore,
    spec: DatasetSpec,
    partition: dt.date,
    snapshot_id: str,
    tables: Iterable[pl.DataFrame],
    *,
    rows_per_group: int = ROWS_PER_GROUP,
) -> Written:
    """Write frames of one schema as numbered parts of the snapshot.

    Which row is in which part depends on nothing but the rows: groups are dealt out to the parts that are open, in turn, and
    stay in order within a part. A null ``_snapshot_id`` becomes this snapshot's: the row is published here for the first time.
    Memory is that of a few groups, however many rows there are.

    :raises StoreUnavailable: the store does not answer, or its disk is full
    """
    parts: list[_Part] = []
    for first, deals in enumerate(_deals(_row_groups(tables, rows_per_group), LANES * GROUPS_PER_PART)):
        paths = [part_path(spec.name, partition, snapshot_id, first * LANES + lane) for lane in range(LANES)]
        parts += _write_together(store, paths, (_identified(group, snapshot_id) for group in deals))
    return Written(tuple(part.file for part in parts), _stats(parts))


def parts_of(rows: int, width: int) -> int:
    """How many parts ``write_parts`` makes of so many rows with so many columns."""
    groups = -(-rows // _rows_per_group(ROWS_PER_GROUP, width))
    full, rest = divmod(groups, LANES * GROUPS_PER_PART)
    return full * LANES + min(rest, LANES)


def _rows_per_group(most: int, width: int) -> int:
    return min(most, max(VALUES_PER_GROUP // max(width, 1), 1))


def _deals(groups: Iterator[pl.DataFrame], size: int) -> Iterator[Iterator[pl.DataFrame]]:
    """The groups so many at a time, each lot to be used up before the next."""
    for group in groups:
        yield chain((group,), islice(groups, size - 1))


def _identified(group: pl.DataFrame, snapshot_id: str) -> pl.DataFrame:
    return group.with_columns(pl.col("^_snapshot_id$").fill_null(snapshot_id))


def _row_groups(tables: Iterable[pl.DataFrame], most: int) -> Iterator[pl.DataFrame]:
    """The same rows in frames of one size, the last one shorter."""
    held: list[pl.DataFrame] = []
    rows, size = 0, most
    for table in tables:
        size = _rows_per_group(most, table.width)
        held.append(table)
        rows += table.height
        if rows < size:
            continue
        whole = pl.concat(held)
        full = rows // size * size
        for start in range(0, full, size):
            yield whole[start : start + size]
        held, rows = [whole[full:]], rows - full
    if rows:
        yield pl.concat(held)


def _write_together(store: ObjectStore, paths: Sequence[str], groups: Iterator[pl.DataFrame]) -> list[_Part]:
    """Deal the groups out to the parts in turn; each part is written by a thread of its own, a group behind at most."""
    with ExitStack() as stack:
        lanes: list[tuple[_OpenPart, ThreadPoolExecutor]] = []
        behind: dict[int, Future[None]] = {}
        for number, group in enumerate(groups):
            lane = number % len(paths)
            if lane == len(lanes):
                part = stack.enter_context(_OpenPart(store, paths[lane], group))
                lanes.append((part, stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="part"))))
            if lane in behind:
                behind[lane].result()
            part, pool = lanes[lane]
            behind[lane] = pool.submit(part.write, group)
        for future in behind.values():
            future.result()
        return [part.finish() for part, _ in lanes]


class _OpenPart:
    """One part while it is written. Left by an error, nothing of it is there."""

    def __init__(self, store: ObjectStore, path: str, first: pl.DataFrame) -> None:
        self._target, self._path = store.writer(path), path
        self._schema = _arrow(first.head(0)).schema
        self._columns = _options(first)
        self._rows = 0

    def __enter__(self) -> _OpenPart:
        self._hashed = _Hashing(self._target.__enter__())
        # That text came as views is nothing that the file has to remember.
        self._writer = pq.ParquetWriter(
            self._hashed, self._schema, compression="zstd", write_statistics=True, store_schema=False, **self._columns
        )
        return self

    def write(self, group: pl.DataFrame) -> None:
        self._writer.write_table(_arrow(group), row_group_size=max(group.height, 1))
        self._rows += group.height

    def finish(self) -> _Part:
        self._writer.close()
        file = DataFile(self._path, self._rows, self._hashed.written, self._hashed.digest.hexdigest())
        return _Part(file, self._writer.writer.metadata, self._schema)

    def __exit__(self, *error: Any) -> bool | None:
        with suppress(pa.ArrowException, OSError, ValueError):  # after an error it is open still
            self._writer.close()
        return self._target.__exit__(*error)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    """The frame for Arrow. Text goes over as views, without a copy, where the Parquet writer takes them: not inside lists."""
    views, plain = pl.CompatLevel.newest(), pl.CompatLevel.oldest()
    return pa.table({one.name: one.to_arrow(compat_level=plain if one.dtype.is_nested() else views) for one in frame})


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
