"""Rows of Python values → Arrow batches of one schema; a value is carried exactly, or its column is read again as text.

What belongs here: which Python values an Arrow type holds exactly, and the text of those that none does. What does not:
reading.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from supply_lake.extract.sql_snapshot import Unfit

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

_INTEGERS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 32, "INTEGER": 32, "INT": 32, "BIGINT": 64}
_UNSIGNED = {8: pa.uint8(), 16: pa.uint16(), 32: pa.uint32(), 64: pa.uint64()}
_SIGNED = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
_MOST_DIGITS = 38
_HELD: tuple[tuple[Any, set[type]], ...] = (
    (pa.types.is_boolean, {bool}),
    (pa.types.is_integer, {int}),
    (pa.types.is_floating, {float}),
    (pa.types.is_decimal, {Decimal}),
    (pa.types.is_string, {str}),
    (pa.types.is_binary, {bytes}),
    (pa.types.is_timestamp, {dt.datetime}),
    (pa.types.is_date, {dt.date}),
    (pa.types.is_time, {dt.time}),
)
_GUESSED: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bytes: pa.binary(),
    dt.date: pa.date32(),
    dt.time: pa.time64("us"),
}


class Columnar:
    """Makes batches of one schema.

    :param columns: name, Arrow type if it is known before the first value, and whether it is read as text
    """

    def __init__(self, columns: Sequence[tuple[str, pa.DataType | None, bool]]) -> None:
        self._names = [name for name, _, _ in columns]
        self._types = [pa.string() if as_text else known for _, known, as_text in columns]
        self._as_text = [as_text for _, _, as_text in columns]

    def batch(self, rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
        """The rows as a batch; types that were not known come from the first rows.

        :raises Unfit: a value that the column's type cannot hold exactly
        """
        values = list(zip(*rows, strict=True)) if rows else [()] * len(self._names)
        return pa.RecordBatch.from_arrays([self._array(at, column) for at, column in enumerate(values)], names=self._names)

    def _array(self, at: int, values: Sequence[Any]) -> pa.Array:
        if self._as_text[at]:
            return pa.array([None if value is None else text(value) for value in values], pa.string())
        found = {type(value) for value in values if value is not None}
        if self._types[at] is None:
            self._types[at] = _guess(found, values)
        kind = self._types[at]
        if not found <= _held_by(kind):
            raise Unfit(self._names[at])
        try:
            return pa.array(values, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            raise Unfit(self._names[at]) from None


def arrow_type(kind: TypeEngine[Any], backend: str) -> pa.DataType | None:  # noqa: PLR0911 - a line per type
    """The Arrow type that holds every value of a column's type; ``None`` where its values have to tell.

    :param backend: SQLite keeps in any column what it is given, so there the values always tell
    """
    import sqlalchemy as sa

    if backend == "sqlite":
        return None
    if isinstance(kind, sa.types.Boolean):
        return pa.bool_()
    if isinstance(kind, sa.types.Integer):
        bits = _INTEGERS.get(type(kind).__name__.upper(), 64)
        return (_UNSIGNED if getattr(kind, "unsigned", False) else _SIGNED)[bits]
    if isinstance(kind, sa.types.Float):
        return pa.float64()
    if isinstance(kind, sa.types.Numeric):
        return _decimal(kind.precision, kind.scale)
    if isinstance(kind, sa.types.DateTime):
        instant = kind.timezone or (backend in ("mysql", "mariadb") and type(kind).__name__ == "TIMESTAMP")
        return pa.timestamp("us", "UTC") if instant else pa.timestamp("us")
    if isinstance(kind, sa.types.Date):
        return pa.date32()
    return None


def _decimal(precision: int | None, scale: int | None) -> pa.DataType | None:
    return pa.decimal128(precision, scale or 0) if precision and precision <= _MOST_DIGITS else None


def _guess(found: set[type], values: Sequence[Any]) -> pa.DataType:
    if len(found) == 1:
        (kind,) = found
        if kind is dt.datetime:
            zoned = {value.tzinfo is not None for value in values if value is not None}
            return pa.timestamp("us", "UTC") if zoned == {True} else pa.timestamp("us") if zoned == {False} else pa.string()
        return _GUESSED.get(kind, pa.string())
    return pa.string()


def _held_by(kind: pa.DataType) -> set[type]:
    return next((types for is_kind, types in _HELD if is_kind(kind)), set())


def text(value: Any) -> str:  # noqa: PLR0911 - a line per type
    """A value as text that loses nothing."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}" if value.is_finite() else str(value)
        case float():
            return repr(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return _duration(value)
        case bytes() | bytearray() | memoryview():
            return "\\x" + bytes(value).hex()
        case dict() | list():
            return json.dumps(value, default=text)
        case uuid.UUID():
            return str(value)
        case _:
            return str(value)


def _duration(value: dt.timedelta) -> str:
    """``-838:59:59.000001``, as databases write a span of time."""
    sign, left = ("-", -value) if value < dt.timedelta() else ("", value)
    minutes, seconds = divmod(left.days * 86_400 + left.seconds, 60)
    fraction = f".{left.microseconds:06}" if left.microseconds else ""
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}{fraction}"
