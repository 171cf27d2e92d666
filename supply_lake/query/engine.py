"""SQL over the lake: bind the tables that a query names, wall the engine in, run it, stream the answer.

What belongs here: the sequence, and the life of one query. What does not: its parts (``statement``, ``view``, ``pruning``,
``tables``, ``sandbox``, ``worker``). Nothing is kept between queries: each gets a database of its own, in memory, and sees one
commit of each dataset.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import duckdb
import pyarrow as pa

from supply_lake.datasets.sql import identifier
from supply_lake.errors import QueryError
from supply_lake.ingest.stores import Stores
from supply_lake.query import pruning, sandbox
from supply_lake.query.answer import Answer
from supply_lake.query.binding import KINDS, Binding
from supply_lake.query.statement import Named, Statement, check
from supply_lake.query.versions import MARK
from supply_lake.query.view import View
from supply_lake.query.worker import Worker
from supply_lake.storage.scratch import scratch_folder

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may take.

    :param seconds: of work, not of waiting for whoever takes the rows; by default ``SUPPLY_LAKE_QUERY_SECONDS``
    :param bytes: of the files that it may read, known before it runs; a query past it is refused
    :param datasets: the only ones that it sees
    """

    seconds: float | None = None
    bytes: int | None = None
    datasets: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """A database of one query's own, and what it takes to work with it."""

    connection: duckdb.DuckDBPyConnection
    worker: Worker
    told: Callable[[], AbstractContextManager[None]]


@contextmanager
def run(
    stores: Stores,
    sql: str,
    view: View | None = None,
    limits: Limits | None = None,
    started: Callable[[Worker], None] | None = None,
) -> Iterator[Answer]:
    """Run one query over the datasets of a lake.

    :param view: by default the newest commit of each dataset
    :param started: called before anything else with what cancels the query; an answer comes with its first rows only
    :raises QueryError: the SQL cannot be read, names what is not there, may not run, or fails
    """
    limits = limits or Limits()
    view = view or View.newest(stores.metadata)
    names = [one for one in stores.registry if limits.datasets is None or one in limits.datasets]
    with opened(stores, names, limits.seconds) as engine:
        if started is not None:
            started(engine.worker)
        binding = Binding(engine.connection, stores, view)
        with engine.told():
            reader = engine.worker.run(lambda: _begin(engine.connection, binding, sql, names, limits))
        yield Answer(reader, engine.worker, engine.told, binding.files)


@contextmanager
def opened(stores: Stores, names: Collection[str], seconds: float | None = None) -> Iterator[Engine]:
    """An engine for the length of the block; what it spills lies in a folder of its own.

    :param names: the datasets that a message names
    """
    settings = stores.settings
    with scratch_folder(settings.scratch, f"query-{uuid.uuid4().hex}") as scratch:
        connection = sandbox.connect(memory_bytes=settings.memory_bytes, threads=settings.threads, temp_directory=scratch)
        worker = Worker(connection, settings.query_seconds if seconds is None else seconds)
        try:
            yield Engine(connection, worker, partial(_told, names))
        finally:
            worker.close()
            connection.close()


def _begin(
    connection: duckdb.DuckDBPyConnection, binding: Binding, sql: str, names: Collection[str], limits: Limits
) -> pa.RecordBatchReader:
    known = frozenset(f"{name}{kind}".lower() for name in names for kind in KINDS)
    statement = check(connection, sql, known, names)
    _bind(connection, binding, statement, names)
    read = sum(binding.files.values())
    if limits.bytes is not None and read > limits.bytes:
        raise QueryError(
            f"the query may read {read:,} bytes of files, more than the {limits.bytes:,} that it is allowed; "
            "narrow it by date or by a column's value"
        )
    sandbox.lock(connection, binding.local_files)
    return connection.execute(statement.sql).to_arrow_reader(BATCH_ROWS)


def _bind(connection: duckdb.DuckDBPyConnection, binding: Binding, statement: Statement, names: Collection[str]) -> None:
    """Make the views of the tables that are named; of all when it cannot be told."""
    conditions = dict(pruning.prunable(statement))
    wanted = set(statement.tables)
    if statement.all_tables:
        wanted |= {Named(f"{name}{kind}".lower()) for name in names if binding.sees(name) for kind in KINDS}
    for named in sorted(wanted):
        select = binding.select(named, conditions.get(named, ()))
        schema = ""
        if named.version:
            schema = identifier(MARK + named.version)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            schema += "."
        connection.execute(f"CREATE VIEW {schema}{identifier(named.table)} AS {select}")


@contextmanager
def _told(tables: Collection[str]) -> Iterator[None]:
    """Errors of the engine become one sentence."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise sandbox.sentence(error, tables) from error
