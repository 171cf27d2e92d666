"""Parquet files of a store → something that a DuckDB view can select from.

What belongs here: the two ways to read files, and nothing that knows datasets. Files of a local folder are read by DuckDB
itself. Files elsewhere (S3 and its like, Google, Azure) are read by pyarrow through the lake's own object store, so that
DuckDB needs no network extension and no credentials; columns and row groups that a query doesn't need are not fetched.

Both give the files' own columns and two more, told by the path: ``_partition_date`` and ``_file_snapshot``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from supply_lake.storage.object_store import ObjectStore
from supply_lake.storage.ranges import Ranges

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

_GLOB_CHARACTERS = frozenset("*?[]{}")
_PARTITION = "strptime(regexp_extract(_file, '.*/(year=.*)/snapshot_id=', 1), 'year=%Y/month=%m/day=%d')::DATE"
_SNAPSHOT = "regexp_extract(_file, '.*/snapshot_id=([^/]*)/', 1)"
_PATH_FIELDS = (pa.field("_partition_date", pa.date32()), pa.field("_file_snapshot", pa.string()))


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file: its key in its store, its size, and what its path says."""

    path: str
    bytes: int
    partition: dt.date
    snapshot_id: str


class Relations:
    """Makes relations on one connection, and remembers which files they may read, and which of them are of this machine."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._registered = 0
        self.local_files: list[str] = []
        self.files: dict[str, int] = {}

    def over(self, store: ObjectStore, files: Sequence[LakeFile]) -> str:
        """A FROM item that reads files of one schema, at least one."""
        self.files |= {store.uri(file.path): file.bytes for file in files}
        if store.is_local and not _GLOB_CHARACTERS & set(store.location):
            return self._by_duckdb(store, files)
        return self._by_pyarrow(store, files)

    def _by_duckdb(self, store: ObjectStore, files: Sequence[LakeFile]) -> str:
        paths = [store.uri(file.path) for file in files]
        self.local_files += paths
        listed = ", ".join(quoted(path) for path in paths)
        return (
            f"(SELECT * EXCLUDE (_file), {_PARTITION} AS _partition_date, {_SNAPSHOT} AS _file_snapshot "
            f"FROM read_parquet([{listed}], hive_partitioning = false, filename = '_file'))"
        )

    def _by_pyarrow(self, store: ObjectStore, files: Sequence[LakeFile]) -> str:
        name = f"_files_{self._registered}"
        self._registered += 1
        self.connection.register(name, dataset_over(store, files))
        return name


def dataset_over(store: ObjectStore, files: Sequence[LakeFile]) -> Dataset:
    """A pyarrow dataset of files of one schema, at least one. A filter on what a path says leaves other files unopened."""
    import pyarrow.dataset as ds  # half a second, which local lakes need not spend

    parquet = ds.ParquetFileFormat()
    fragments = [
        parquet.make_fragment(
            Ranges(store, file.path, file.bytes),
            partition_expression=(ds.field("_partition_date") == pa.scalar(file.partition, pa.date32()))
            & (ds.field("_file_snapshot") == file.snapshot_id),
        )
        for file in files
    ]
    schema = pa.schema([*fragments[0].physical_schema, *_PATH_FIELDS])
    return ds.FileSystemDataset(fragments, schema, parquet)


def quoted(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
