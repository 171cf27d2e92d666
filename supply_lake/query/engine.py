"""SQL over the lake: bind the tables that a query names, wall the engine in, run it, stream the answer.

What belongs here: the sequence, and the life of one query. What does not: its parts (``statement``, ``live_set``, ``tables``,
``sandbox``). Nothing is kept between queries: each gets a database of its own, in memory, and sees one commit of each dataset.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from supply_lake.datasets.sql import identifier
from supply_lake.ingest.stores import Stores
from supply_lake.query import sandbox
from supply_lake.query.live_set import LiveSet, live_set
from supply_lake.query.relations import Relations
from supply_lake.query.statement import check
from supply_lake.query.tables import rejects_view, rows_views
from supply_lake.snapshots.removal import require_files
from supply_lake.snapshots.standing import Rejects, standing_rejects
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.scratch import scratch_folder

BATCH_ROWS = 65_536
T = TypeVar("T")


class Worker:
    """The thread that DuckDB works in. While it works DuckDB may answer to no signal; the thread that waits for it does."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="query")

    def run(self, work: Callable[[], T]) -> T:
        """Have the work done. If waiting for it is broken off, by Ctrl-C for one, the query is given up."""
        future = self._pool.submit(work)
        try:
            return future.result()
        except BaseException:
            while not future.done():
                self._connection.interrupt()  # in vain if the work is between two queries, so again
                wait([future], timeout=0.1)
            raise

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()


class Answer:
    """The answer to one query, as a stream. Closing it gives up the engine behind it."""

    def __init__(self, reader: pa.RecordBatchReader, tables: Collection[str], worker: Worker) -> None:
        self._reader = reader
        self._worker = worker
        self._tables = list(tables)
        self.schema: pa.Schema = reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches.

        :raises QueryError: the query fails on the way
        """
        with _told(self._tables):
            while (batch := self._worker.run(lambda: next(self._reader, None))) is not None:
                yield batch

    def table(self) -> pa.Table:
        """All rows at once."""
        return pa.Table.from_batches(self.batches(), self.schema)


@dataclass(frozen=True, slots=True)
class View:
    """What each dataset is read at. ``rows`` and ``rejects`` are asked only for datasets that a query names."""

    rows: Callable[[str], LiveSet]
    rejects: Callable[[str], Sequence[Rejects]]

    @staticmethod
    def of(metadata: MetadataStore, **at: Any) -> View:
        """The view at a commit or a time; ``at`` is as in ``live_set``."""
        chosen: dict[str, LiveSet] = {}

        def rows(name: str) -> LiveSet:
            return chosen.setdefault(name, live_set(metadata, name, **at))

        def rejects(name: str) -> Sequence[Rejects]:
            return standing_rejects(metadata.snapshots(name), rows(name).commit if any(at.values()) else None)

        return View(rows, rejects)


@contextmanager
def run(stores: Stores, sql: str, view: View | None = None) -> Iterator[Answer]:
    """Run one query over the datasets of a lake.

    :param view: by default the newest commit of each dataset
    :raises QueryError: the SQL cannot be read, names what is not there, may not run, or fails
    """
    names = list(stores.registry)
    settings = stores.settings
    with scratch_folder(settings.scratch, f"query-{uuid.uuid4().hex}") as scratch:
        connection = sandbox.connect(memory_bytes=settings.memory_bytes, threads=settings.threads, temp_directory=scratch)
        worker = Worker(connection)
        try:
            with _told(names):
                reader = worker.run(lambda: _begin(connection, stores, sql, view or View.of(stores.metadata)))
            yield Answer(reader, names, worker)
        finally:
            worker.close()
            connection.close()


def _begin(connection: duckdb.DuckDBPyConnection, stores: Stores, sql: str, view: View) -> pa.RecordBatchReader:
    statement = check(connection, sql)
    _bind(connection, stores, statement.tables, view)
    return connection.execute(statement.sql).to_arrow_reader(BATCH_ROWS)


def _bind(connection: duckdb.DuckDBPyConnection, stores: Stores, named: frozenset[str] | None, view: View) -> None:
    """Make the views of the datasets that are named; of all when it cannot be told."""
    relations = Relations(connection)
    views: dict[str, str] = {}
    for name, spec in stores.registry.items():
        if named is None or name in named or f"{name}__rows" in named:
            live = view.rows(name)
            require_files(name, live.commit, live.snapshots)
            views |= rows_views(connection, relations, stores.lake, spec, live)
        if named is None or f"{name}__rejects" in named:
            views |= rejects_view(relations, stores.rejects, spec, view.rejects(name))
    for one, select in views.items():
        connection.execute(f"CREATE VIEW {identifier(one)} AS {select}")
    sandbox.lock(connection, relations.local_files)


@contextmanager
def _told(tables: list[str]) -> Iterator[None]:
    """Errors of the engine become one sentence."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise sandbox.sentence(error, tables) from error
