"""Answers as text: record batches → JSON and CSV, exactly.

What belongs here: how a value is written. Decimals keep their digits (a JSON number, never through a float), times are ISO
8601 and in UTC, NaN and infinities are null in JSON, bytes are base64. What does not: where the text goes, and tables for
people (``cli.output``).
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from supply_lake.errors import QueryError


def json_array(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[str]:
    """The rows as the text of one JSON array of objects, piece by piece."""
    names = [json.dumps(name, ensure_ascii=False) for name in _unique(schema.names)]
    template = "{" + ", ".join(name.replace("%", "%%") + ": %s" for name in names) + "}"
    lead = "[\n"
    for batch in batches:
        columns = [[json_value(value) for value in _values(column)] for column in batch.columns]
        rows = [template % row for row in zip(*columns, strict=True)]
        if rows:
            yield lead + ",\n".join(rows)
            lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def csv_lines(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[str]:
    """The rows as CSV with a header. Null is nothing at all, and an empty text is ``""``."""
    yield ",".join(_csv_field(name) for name in schema.names) + "\n"
    for batch in batches:
        columns = [[_csv_field(plain_text(value)) for value in _values(column)] for column in batch.columns]
        lines = [",".join(row) for row in zip(*columns, strict=True)]
        if lines:
            yield "\n".join(lines) + "\n"


def json_value(value: object) -> str:
    """One value as JSON text."""
    write = _WRITERS.get(type(value))
    if write is not None:
        return write(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(str(key))}: {json_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(json_value, value)) + "]"
    return _quoted(str(value))


def plain_text(value: object) -> str | None:
    """One value as a person would write it: texts without quotes, nested values as JSON; ``None`` stays ``None``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    text = json_value(value)
    return text[1:-1] if text.startswith('"') else text


def _values(column: pa.Array) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist(maps_as_pydicts="lossy") if _has_maps(column.type) else column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise QueryError(f"a {column.type} is outside of what can be written as text; cast it to VARCHAR") from error
    return values


def _has_maps(kind: pa.DataType) -> bool:
    children = [kind.field(place).type for place in range(kind.num_fields)]
    return bool(pa.types.is_map(kind)) or any(_has_maps(child) for child in children)


def _unique(names: list[str]) -> list[str]:
    """Names of a JSON object's fields: the second ``a`` becomes ``a_1``, so that no column is lost."""
    unique: list[str] = []
    for name in names:
        fresh, number = name, 0
        while fresh in unique:
            number += 1
            fresh = f"{name}_{number}"
        unique.append(fresh)
    return unique


def _csv_field(text: str | None) -> str:
    if text is None:
        return ""
    if text == "" or any(char in text for char in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


_quoted = json.encoder.encode_basestring


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else "null"


def _time(value: dt.datetime) -> str:
    return f'"{value.astimezone(dt.UTC).isoformat() if value.tzinfo else value.isoformat()}"'


def _iso(value: dt.date | dt.time) -> str:
    return f'"{value.isoformat()}"'


def _decimal(value: Decimal) -> str:
    return f"{value:f}"


_WRITERS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: str,
    str: _quoted,
    float: _float,
    Decimal: _decimal,
    dt.datetime: _time,
    dt.date: _iso,
    dt.time: _iso,
    bytes: lambda value: f'"{base64.b64encode(value).decode()}"',
    uuid.UUID: lambda value: f'"{value}"',
}
