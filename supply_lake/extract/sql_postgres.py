"""PostgreSQL by ADBC: rows as Arrow over COPY, by several connections that share one exported snapshot.

What belongs here: the snapshot, and which types ADBC carries exactly. What does not: windows and files (``sql``).

ADBC is fast because it reads binary COPY, and wrong in places that this module goes around: arrays of several dimensions come
flattened, ``infinity`` wraps around into a date of the past, ``money`` loses its point, object ids their sign. So only types
that are exact are read as they are. Every other is cast to text by the server, and times are looked at after they were read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy.engine import URL

from supply_lake.datasets.source_sql import SqlSource
from supply_lake.extract.interleave import interleaved
from supply_lake.extract.position import Value, told
from supply_lake.extract.relation import Kind, Relation, SourceColumn, Speech
from supply_lake.extract.sql_snapshot import DriverError, Unfit

_EXACT = {16, 17, 19, 20, 21, 23, 25, 114, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1700, 3802}
"""Object ids of bool, bytea, name, integers, text, json, floats, char, varchar, date, time, timestamps, numeric and jsonb."""
_EXACT_ARRAYS = {1000, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1115, 1182, 1185}
"""Arrays of those, as long as they have one dimension; decimals in arrays go as JSON."""
_JSON_ARRAYS = {1231}
_KINDS: dict[int, Kind] = {1082: "date", 1114: "local", 1184: "instant"}
_NUMBERS = {20, 21, 23, 700, 701, 1700}
_CONNECT_SECONDS = "30"
_BATCH_BYTES = 8 * 1024**2
_SESSION = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    # one order of rows as long as nothing changes
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
}
_SET = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _SESSION.items())
_DAYS = tuple((day - dt.date(1970, 1, 1)).days for day in (dt.date.min, dt.date.max))
_MICROSECONDS = 86_400_000_000


@contextmanager
def postgres_snapshot(url: URL) -> Iterator[PostgresSnapshot]:
    """Open one state of the database for reading, which any number of connections can share."""
    patient = url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
    uri = patient.set(drivername="postgresql").render_as_string(hide_password=False)
    with _own_errors(), psycopg.connect(uri) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(_SET)
        ((snapshot_id,),) = connection.execute("SELECT pg_export_snapshot()").fetchall()
        yield PostgresSnapshot(connection, uri, snapshot_id)


class PostgresSnapshot:
    """One exported snapshot."""

    consistency = "repeatable read, one exported snapshot"
    can_split = True

    def __init__(self, connection: psycopg.Connection[Any], uri: str, snapshot_id: str) -> None:
        self._connection, self._uri, self._id = connection, uri, snapshot_id
        self.speech = Speech(_quoted, _literal)

    def columns(self, source: str, declared: SqlSource) -> list[SourceColumn]:
        """The columns, as the server describes them."""
        described = self._ask(f"SELECT * FROM {source} LIMIT 0").description or []
        not_null = self._not_null(declared.table)
        return [_column(one, one.name in not_null) for one in described]

    def refined(self, relation: Relation) -> Relation:
        """Arrays of several dimensions go as JSON; only the rows know which columns have some."""
        arrays = [one for one in relation.columns if one.type.endswith("[]") and one.read == _quoted(one.name)]
        if not arrays:
            return relation
        asked = [f"coalesce(bool_or(array_ndims({one.read}) > 1), false)" for one in arrays]
        deep = {one.name for one, several in zip(arrays, self.figures(relation.ask(*asked)), strict=True) if several}
        columns = tuple(replace(one, read=_as_json(one.name)) if one.name in deep else one for one in relation.columns)
        return replace(relation, columns=columns)

    def figures(self, statement: str) -> Sequence[Any]:
        """The one row that the statement gives."""
        (row,) = self._ask(statement).fetchall()
        return tuple(row)

    def batches(self, relation: Relation, parts: Sequence[Sequence[str]], order: str) -> Generator[pa.RecordBatch, None, None]:
        """Rows of all readers in turn."""
        return interleaved([partial(self._read, relation, own, order) for own in parts])

    def as_text(self, column: SourceColumn) -> SourceColumn:
        """As the server writes it."""
        return replace(column, read=_as_text(column.name), as_text=True)

    def _ask(self, statement: str) -> psycopg.Cursor[Any]:
        with _own_errors():
            return self._connection.execute(statement)

    def _not_null(self, table: str) -> set[str]:
        if not table:
            return set()
        name = _literal(".".join(_quoted(part) for part in table.split(".")))
        rows = self._ask(f"SELECT attname FROM pg_attribute WHERE attrelid = to_regclass({name}) AND attnotnull")
        return {row[0] for row in rows}

    def _read(self, relation: Relation, parts: Sequence[str], order: str) -> Generator[pa.RecordBatch, None, None]:
        """Rows of some parts, by a connection of its own in the shared snapshot."""
        with _own_errors(), adbc.connect(self._uri) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{self._id}'")
            cursor.execute(_SET)
            cursor.fetchall()
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            for part in parts:
                cursor.execute(relation.rows(part, order=order))
                reader = cursor.fetch_record_batch()
                yield _plain(_empty(reader.schema))
                yield from map(_plain, reader)


@contextmanager
def _own_errors() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DriverError(error, away=isinstance(error, psycopg.OperationalError)) from None
    except adbc.Error as error:
        raise DriverError(error, away=isinstance(error, adbc.OperationalError)) from None


def _column(described: Any, not_null: bool) -> SourceColumn:
    oid, name = described.type_code, described.name
    read = _quoted(name) if oid in _EXACT | _EXACT_ARRAYS else _as_json(name) if oid in _JSON_ARRAYS else _as_text(name)
    kind = _KINDS.get(oid, "number" if oid in _NUMBERS else "text")
    return SourceColumn(name, described.type_display, kind, read, nullable=not not_null)


def _as_text(name: str) -> str:
    return f"{_quoted(name)}::text AS {_quoted(name)}"


def _as_json(name: str) -> str:
    return f"to_jsonb({_quoted(name)})::text AS {_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Value) -> str:
    """As text, which the server makes the column's own type of."""
    text = told(value).replace("'", "''")
    return f" E'{text.replace(chr(92), chr(92) * 2)}'"


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with Arrow's own types only.

    :raises Unfit: a time lies outside of what others can read
    """
    columns = [_storage(column) for column in batch.columns]
    for name, column in zip(batch.schema.names, columns, strict=True):
        if not _is_readable(column):
            raise Unfit(name)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _is_readable(column: pa.Array) -> bool:
    """Whether its dates lie in the years 1 to 9999 and its times within one day."""
    if pa.types.is_list(column.type):
        return _is_readable(column.flatten())
    if pa.types.is_date(column.type):
        return _lies_within(column.cast(pa.int32()), *_DAYS)
    if pa.types.is_timestamp(column.type):
        return _lies_within(column.cast(pa.int64()), _DAYS[0] * _MICROSECONDS, (_DAYS[1] + 1) * _MICROSECONDS - 1)
    if pa.types.is_time(column.type):
        return _lies_within(column.cast(pa.int64()), 0, _MICROSECONDS - 1)
    return True


def _lies_within(numbers: pa.Array, first: int, last: int) -> bool:
    found = pc.min_max(numbers).as_py()
    return found["min"] is None or (first <= found["min"] and found["max"] <= last)
