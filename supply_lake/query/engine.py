"""SQL over the lake: bind the tables that a query names, wall the engine in, run it, stream the answer.

What belongs here: the sequence, and the life of one query. What does not: its parts (``statement``, ``live_set``, ``tables``,
``sandbox``). Nothing is kept between queries: each gets a database of its own, in memory, and sees one commit of each dataset.
"""

from __future__ import annotations

import datetime as dt
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from supply_lake.ingest.stores import Stores
from supply_lake.query import sandbox
from supply_lake.query.live_set import LiveSet, live_set, standing_rejects
from supply_lake.query.relations import Relations
from supply_lake.query.statement import check
from supply_lake.query.tables import identifier, rejects_view, rows_views

BATCH_ROWS = 65_536
Chooser = Callable[[str], LiveSet]


class Answer:
    """The answer to one query, as a stream. Closing it gives up the engine behind it."""

    def __init__(self, reader: pa.RecordBatchReader, tables: Collection[str]) -> None:
        self._reader = reader
        self._tables = list(tables)
        self.schema: pa.Schema = reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches.

        :raises QueryError: the query fails on the way
        """
        with _told(self._tables):
            yield from self._reader

    def table(self) -> pa.Table:
        """All rows at once."""
        return pa.Table.from_batches(self.batches(), self.schema)


@contextmanager
def run(stores: Stores, sql: str, *, choose: Chooser | None = None, as_of: dt.datetime | None = None) -> Iterator[Answer]:
    """Run one query over the datasets of a lake.

    :param choose: the live set that each dataset is read at; by default the one at ``as_of``, or the newest
    :raises QueryError: the SQL cannot be read, names what is not there, may not run, or fails
    """

    def by_time(name: str) -> LiveSet:
        return live_set(stores.metadata, name, as_of=as_of)

    names = list(stores.registry)
    scratch = stores.settings.scratch / f"query-{uuid.uuid4().hex}"
    settings = stores.settings
    connection = sandbox.connect(memory_bytes=settings.memory_bytes, threads=settings.threads, temp_directory=scratch)
    try:
        with _told(names):
            statement = check(connection, sql)
            _bind(connection, stores, statement.tables, choose or by_time)
            reader = connection.execute(statement.sql).to_arrow_reader(BATCH_ROWS)
        yield Answer(reader, names)
    finally:
        connection.close()
        _remove(scratch)


def _bind(connection: duckdb.DuckDBPyConnection, stores: Stores, named: frozenset[str] | None, choose: Chooser) -> None:
    """Make the views of the datasets that are named; of all when it cannot be told."""
    relations = Relations(connection)
    views: dict[str, str] = {}
    for name, spec in stores.registry.items():
        wants_rows = named is None or name in named or f"{name}__rows" in named
        wants_rejects = named is None or f"{name}__rejects" in named
        if not (wants_rows or wants_rejects):
            continue
        live = choose(name)
        rows = rows_views(connection, relations, stores.lake, spec, live) if wants_rows else {}
        rejects = {}
        if wants_rejects:
            newest = live.commit == stores.metadata.last_commit(name)
            standing = standing_rejects(stores.metadata.snapshots(name), None if newest else live.commit)
            rejects = rejects_view(relations, stores.rejects, spec, standing)
        views |= {view: sql for view, sql in (rows | rejects).items() if view == name or view not in stores.registry}
    for view, select in views.items():
        connection.execute(f"CREATE VIEW {identifier(view)} AS {select}")
    sandbox.lock(connection, relations.local_files)


@contextmanager
def _told(tables: list[str]) -> Iterator[None]:
    """Errors of the engine become one sentence."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise sandbox.sentence(error, tables) from error


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
