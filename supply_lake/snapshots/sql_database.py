"""A connection to SQLite or PostgreSQL, with transactions that say whether they write, and errors in our own words.

What belongs here: engines, pragmas, transactions, and the translation of driver errors. What does not: any table.

SQLite runs with a write-ahead log, so readers never wait, and with ``synchronous=FULL``, so a commit that was answered outlives
a power cut, not only the death of its process: a commit number that a pin names must never be given twice. Writers take the
write lock when they begin (``BEGIN IMMEDIATE``) and queue for it up to ``LOCK_SECONDS``. The file has to lie on a local disk.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from supply_lake.errors import SettingsError, StoreUnavailable
from supply_lake.settings import redacted

LOCK_SECONDS = 30
_RETRIES = 5
# PostgreSQL: serialization failure, deadlock, a row that another writer entered since we looked; to be run again.
_LOST_RACES = ("40001", "40P01", "23505")
_REMEDIES = {  # what SQLite says → what to do
    "not a database": "but that is no SQLite file: name another with SUPPLY_LAKE_METADATA",
    "unable to open": "make sure that it is a file that this user may write",
    "readonly": "give this user the permission to write it",
    "is full": "make room on its disk and run it again",
    "locked": "another process holds it: run it again when that has ended",
    "malformed": "but the file is damaged: put back a copy of it",
}
T = TypeVar("T")


class Database:
    """One database. Safe to share between threads, and to use in a forked child."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self._writes = engine.execution_options(supply_lake_writes=True)
        self._pid = os.getpid()

    @staticmethod
    def open(url: str) -> Database:
        """Connect lazily; an SQLite file's folder is made.

        :param url: an SQLAlchemy URL, ``sqlite:///…`` or ``postgresql+psycopg://…``
        :raises SettingsError: the URL, or the driver that it needs, cannot be used
        :raises StoreUnavailable: the folder cannot be made, or SQLite refuses the file
        """
        name = redacted(url)
        try:
            parsed = sa.make_url(url)
            database = Database(_sqlite(parsed, name) if _is_sqlite(parsed) else _postgresql(parsed), name)
        except ArgumentError as error:
            raise SettingsError(
                f"the metadata store's URL {name} cannot be read; give sqlite:///path or postgresql://…"
            ) from error
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"the metadata store {name} needs {error.name}; run pip install 'supply-lake[postgres]'"
            ) from error
        if _is_sqlite(parsed):
            with database._in_our_words():
                _use_write_ahead_log(database.engine)
        return database

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads.

        :raises StoreUnavailable: the database does not answer
        """
        self._after_fork()
        with self._in_our_words(), self.engine.begin() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run the work in one transaction that may write; run it again when it lost a race against another writer.

        :raises StoreUnavailable: the database does not answer, or is full; nothing of the work was kept, unless the answer to
            the commit itself was lost
        """
        self._after_fork()
        with self._in_our_words():
            for _ in range(_RETRIES):
                try:
                    with self._writes.begin() as connection:
                        return work(connection)
                except DBAPIError as error:
                    if getattr(error.orig, "sqlstate", None) not in _LOST_RACES:
                        raise
            with self._writes.begin() as connection:
                return work(connection)

    def close(self) -> None:
        """Give up connections; a later use opens new ones."""
        self.engine.dispose()

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self.engine.dispose(close=False)  # they belong to the parent

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise  # a broken promise of ours, not of the database
        except PoolTimeout as error:
            raise StoreUnavailable(f"the metadata store {self.name} is busy: no connection came free; try again") from error
        except (DBAPIError, sqlite3.Error) as error:
            cause = str(getattr(error, "orig", error)).strip().partition("\n")[0]
            raise StoreUnavailable(
                f"the metadata store {self.name} does not answer ({cause}); nothing is lost, {_remedy(cause)}"
            ) from error


def _remedy(cause: str) -> str:
    return next((remedy for said, remedy in _REMEDIES.items() if said in cause), "run it again when it is back")


def _is_sqlite(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _sqlite(url: sa.URL, name: str) -> sa.Engine:
    if url.database in (None, "", ":memory:"):
        raise SettingsError(f"the metadata store {name} names no file; give sqlite:///path")
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(f"the folder of the metadata store {name} cannot be made ({error.strerror})") from error
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_SECONDS}, max_overflow=-1)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver would begin late and without a lock: we say BEGIN ourselves
    for pragma in ("foreign_keys=ON", "synchronous=FULL", "cache_size=-16000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("supply_lake_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _use_write_ahead_log(engine: sa.Engine) -> None:
    """Switch the journal, once in the life of the file.

    SQLite does not queue for the lock that the switch needs, so two processes that open a new file at once have to try again.
    """
    deadline = time.monotonic() + LOCK_SECONDS
    connection = engine.raw_connection()
    try:
        while connection.cursor().execute("PRAGMA journal_mode").fetchone() != ("wal",):
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
    finally:
        connection.close()


def _postgresql(url: sa.URL) -> sa.Engine:
    arguments: dict[str, Any] = {} if "connect_timeout" in url.query else {"connect_timeout": 10}
    if "options" not in url.query:
        arguments["options"] = f"-c lock_timeout={LOCK_SECONDS}s"
    return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, max_overflow=-1)
