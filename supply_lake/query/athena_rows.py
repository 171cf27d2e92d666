"""Rows as Athena's API tells them, in text → Arrow record batches, in the types that it tells with them.

What belongs here: types and parsing. What does not: fetching pages (``athena``). Whatever is no value of its type is an
error, never a null. Nested values come as Athena's own text, which cannot be read back: ask for Parquet, which has their
types.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from supply_lake.errors import QueryError

_UTC = pa.timestamp("us", "UTC")
_PLAIN: dict[str, tuple[pa.DataType, Callable[[str], Any]]] = {
    "boolean": (pa.bool_(), lambda text: {"true": True, "false": False}[text]),
    "tinyint": (pa.int8(), int),
    "smallint": (pa.int16(), int),
    "integer": (pa.int32(), int),
    "int": (pa.int32(), int),
    "bigint": (pa.int64(), int),
    "float": (pa.float32(), float),
    "real": (pa.float32(), float),
    "double": (pa.float64(), float),
    "date": (pa.date32(), dt.date.fromisoformat),
    "time": (pa.time64("us"), dt.time.fromisoformat),
    "varbinary": (pa.binary(), bytes.fromhex),
}


def schema_of(columns: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """The Arrow schema of an answer, from its ``ColumnInfo``. Every timestamp is UTC, as all of this lake are."""
    return pa.schema([(one.get("Label") or one["Name"], _kind(one)[0]) for one in columns])


def batches(columns: Sequence[Mapping[str, Any]], pages: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[pa.RecordBatch]:
    """Pages of rows as record batches.

    :raises QueryError: a value is none of its column's type
    """
    schema, kinds = schema_of(columns), [_kind(one) for one in columns]
    for page in pages:
        rows = [[one.get("VarCharValue") for one in row["Data"]] for row in page]
        arrays = [
            _array([row[at] for row in rows], *kind, name)
            for at, (kind, name) in enumerate(zip(kinds, schema.names, strict=True))
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _kind(column: Mapping[str, Any]) -> tuple[pa.DataType, Callable[[str], Any]]:
    name = str(column["Type"]).lower()
    if name == "decimal":
        return pa.decimal128(column["Precision"], column["Scale"]), Decimal
    if name.startswith("timestamp"):
        return _UTC, _moment
    return _PLAIN.get(name, (pa.string(), str))


def _moment(text: str) -> dt.datetime:
    time = dt.datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    return time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC)


def _array(values: Sequence[str | None], kind: pa.DataType, parse: Callable[[str], Any], name: str) -> pa.Array:
    try:
        return pa.array([None if one is None else parse(one) for one in values], kind)
    except (ValueError, ArithmeticError, KeyError, pa.ArrowException) as error:
        raise QueryError(f"Athena tells a value of column {name!r} that is no {kind}: {error}") from error
