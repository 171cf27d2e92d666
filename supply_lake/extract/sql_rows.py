"""Any database that SQLAlchemy reaches: rows as Python values, streamed, turned into Arrow exactly.

What belongs here: one consistent snapshot by a transaction, and the columns as SQLAlchemy tells them. What does not: values
(``columnar``), windows and files (``sql``), and PostgreSQL, which has a faster way (``sql_postgres``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from supply_lake.datasets.source_sql import SqlSource
from supply_lake.extract.columnar import Columnar, arrow_type
from supply_lake.extract.position import Value, told
from supply_lake.extract.relation import Kind, Relation, SourceColumn, Speech
from supply_lake.extract.sql_snapshot import DriverError

_ROWS = 5_000
_MYSQL = ("mysql", "mariadb")
_BEGIN = {  # what makes the transaction's first look the state that all later ones see
    "sqlite": ("BEGIN", "SELECT count(*) FROM sqlite_master"),
    "mysql": ("SET time_zone = '+00:00'", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
    "mariadb": ("SET time_zone = '+00:00'", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
}
_ISOLATION = {"sqlite": "SERIALIZABLE", "mysql": "REPEATABLE READ", "mariadb": "REPEATABLE READ"}


@contextmanager
def row_snapshot(url: URL) -> Iterator[RowSnapshot]:
    """Open one state of the database for reading."""
    backend = url.get_backend_name()
    level = _ISOLATION.get(backend, "SERIALIZABLE")
    with _own_errors():
        engine = sa.create_engine(url, poolclass=NullPool, isolation_level=level)
    try:
        with _own_errors(), engine.connect() as connection:
            for statement in _BEGIN.get(backend, ()):
                connection.exec_driver_sql(statement)
            yield RowSnapshot(connection, f"one {level.lower()} transaction")
    finally:
        engine.dispose()


class RowSnapshot:
    """One transaction."""

    can_split = False

    def __init__(self, connection: sa.Connection, consistency: str) -> None:
        self._connection, self.consistency = connection, consistency
        self._quote = connection.dialect.identifier_preparer.quote
        self._types: dict[str, pa.DataType | None] = {}
        self.speech = Speech(self._quote, self._literal)

    def columns(self, source: str, declared: SqlSource) -> list[SourceColumn]:
        """The columns; of a query only their names are known before it is read."""
        if declared.query:
            with _own_errors(), self._stream(f"SELECT * FROM {source} WHERE 1 = 0") as result:
                return [SourceColumn(name, "", "text", self._quote(name)) for name in result.keys()]  # noqa: SIM118
        schema, _, table = declared.table.rpartition(".")
        with _own_errors():
            there = sa.inspect(self._connection).get_columns(table, schema or None)
        return [self._column(one["name"], one["type"], bool(one.get("nullable", True))) for one in there]

    def refined(self, relation: Relation) -> Relation:
        """As it is: values tell their own type."""
        return relation

    def figures(self, statement: str) -> Sequence[Any]:
        """The one row that the statement gives."""
        with _own_errors(), self._stream(statement) as result:
            return tuple(result.one())

    def batches(self, relation: Relation, parts: Sequence[Sequence[str]], order: str) -> Generator[pa.RecordBatch, None, None]:
        """All rows, some thousand at a time."""
        columnar = Columnar(
            [(one.name, None if one.as_text else self._types.get(one.name), one.as_text) for one in relation.columns]
        )
        with _own_errors():
            for part in (one for own in parts for one in own):
                with self._stream(relation.rows(part, order=order)) as result:
                    for rows in result.partitions(_ROWS):
                        yield columnar.batch(rows)
            yield columnar.batch([])

    def as_text(self, column: SourceColumn) -> SourceColumn:
        """Each value as text, whatever the driver gives."""
        return replace(column, as_text=True)

    def _stream(self, statement: str) -> sa.CursorResult[Any]:
        return self._connection.execution_options(stream_results=True, max_row_buffer=_ROWS).exec_driver_sql(
            statement.replace("%", "%%") if self._connection.dialect.paramstyle in ("format", "pyformat") else statement
        )

    def _column(self, name: str, kind: sa.types.TypeEngine[Any], nullable: bool) -> SourceColumn:
        backend = self._connection.dialect.name
        self._types[name] = arrow_type(kind, backend)
        told_type, quoted = _type_name(kind), self._quote(name)
        read = quoted
        if backend in _MYSQL and told_type.startswith("FLOAT"):  # as text it would come with six digits
            read = f"{quoted} + 0e0 AS {quoted}"
        if backend in _MYSQL and told_type.startswith("BIT"):
            read = f"{quoted} + 0 AS {quoted}"
        return SourceColumn(name, told_type, _kind(kind, backend), read, nullable)

    def _literal(self, value: Value) -> str:
        match value:
            case int() | float() | Decimal():
                return told(value)
            case dt.datetime():
                local = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
                return f"'{local.isoformat(' ')}'"
            case _:
                text = told(value).replace("'", "''")
                return f"'{text.replace(chr(92), chr(92) * 2) if self._connection.dialect.name in _MYSQL else text}'"


def _kind(kind: sa.types.TypeEngine[Any], backend: str) -> Kind:
    if isinstance(kind, (sa.types.Integer, sa.types.Numeric)):
        return "number"
    if backend == "sqlite":  # it keeps dates and times as text
        return "text"
    if isinstance(kind, sa.types.DateTime):
        return "instant" if (_type_name(kind) == "TIMESTAMP" and backend in _MYSQL) or kind.timezone else "local"
    return "date" if isinstance(kind, sa.types.Date) else "text"


def _type_name(kind: sa.types.TypeEngine[Any]) -> str:
    try:
        return str(kind)
    except SQLAlchemyError:  # a type that this dialect cannot write
        return type(kind).__name__.upper()


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except NoSuchModuleError:
        raise
    except DBAPIError as error:
        away = error.connection_invalidated or isinstance(error, OperationalError)
        raise DriverError(error.orig or error, away=away) from None
    except SQLAlchemyError as error:
        raise DriverError(error, away=False) from None
