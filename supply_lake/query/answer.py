"""The answer to one query, as a stream, and every form that a program or a person takes it in.

What belongs here: handing rows over. What does not: running the query (``engine``), and how a value is written as text
(``formats``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import pyarrow as pa

from supply_lake.errors import UsageError
from supply_lake.query import formats
from supply_lake.query.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb
    import pandas as pd
    import polars as pl

Form = Literal["csv", "json", "parquet", "arrow"]
"""Forms of a file; ``arrow`` is a stream of Arrow's IPC format."""
Shape = Literal["arrow", "pandas", "polars", "duckdb"]
"""Shapes of a value."""


class Answer:
    """The rows, once. Closing the ``with`` block that it was made by gives up the engine behind it.

    ``files`` are those that the query may read, and their bytes; what conditions on dates and values rule out is not among
    them.
    """

    def __init__(
        self,
        reader: pa.RecordBatchReader,
        worker: Worker,
        told: Callable[[], AbstractContextManager[None]],
        files: Mapping[str, int] | None = None,
    ) -> None:
        self._reader, self._worker, self._told = reader, worker, told
        self.files = dict(files or {})
        self.schema: pa.Schema = reader.schema

    @property
    def bytes(self) -> int:
        """Bytes of the files that the query may read; column pruning reads less."""
        return sum(self.files.values())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches.

        :raises QueryError: the query fails on the way, takes too long or is cancelled
        """
        with self._told():
            while (batch := self._worker.run(lambda: next(self._reader, None))) is not None:
                yield batch

    def cancel(self) -> None:
        """Give the query up, from any thread; whoever waits for rows gets ``QueryCancelled``."""
        self._worker.cancel()

    def table(self) -> pa.Table:
        """All rows at once, as Arrow."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def reader(self) -> pa.RecordBatchReader:
        """The rows as a stream that other libraries take."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def to(self, shape: Shape) -> Any:
        """All rows at once, as a value of a library."""
        return shaped(self.table(), shape)

    def write(self, target: BinaryIO, form: Form) -> int:
        """Write the rows into an open file; returns how many there were."""
        return write(self.schema, self.batches(), target, form)


def shaped(table: pa.Table, shape: Shape) -> Any:
    """The table as a value of a library. Types stay what they are: pandas gets Arrow-backed columns, no floats for integers.

    :raises UsageError: there is no such shape
    """
    if shape == "arrow":
        return table
    if shape == "pandas":
        return _pandas(table)
    if shape == "polars":
        return _polars(table)
    if shape == "duckdb":
        return _duckdb(table)
    raise UsageError(f"rows come as {', '.join(get_args(Shape))}, not as {shape!r}")


def write(schema: pa.Schema, batches: Iterator[pa.RecordBatch], target: BinaryIO, form: Form) -> int:
    """Write rows into an open file, batch by batch; returns how many there were."""
    rows = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for batch in batches:
            rows += batch.num_rows
            yield batch

    if form in ("csv", "json"):
        text = formats.json_array if form == "json" else formats.csv_lines
        for piece in text(schema, counted()):
            target.write(piece.encode())
    else:
        with _writer(schema, target, form) as writer:
            for batch in counted():
                writer.write_batch(batch)
    return rows


def _writer(schema: pa.Schema, target: BinaryIO, form: Form) -> Any:
    if form == "parquet":
        import pyarrow.parquet as pq

        return pq.ParquetWriter(target, schema, compression="zstd")
    if form == "arrow":
        return pa.ipc.new_stream(target, schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))
    raise UsageError(f"rows are written as {', '.join(get_args(Form))}, not as {form!r}")


def _pandas(table: pa.Table) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def _polars(table: pa.Table) -> pl.DataFrame:
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _duckdb(table: pa.Table) -> duckdb.DuckDBPyRelation:
    import duckdb

    return duckdb.connect().from_arrow(table)
