"""Raw values → typed values, exactly or not at all.

Every cast is vectorised, and gives null for what it cannot say exactly; a value that was there and is null afterwards is a
failure, which keeps its raw text. Nothing is rounded, truncated, guessed or wrapped around.

What belongs here: one function per type. What does not: checks on typed values (``contract``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType

_JSON_STARTS = tuple('[{"')  # a list column takes any other text as its one item
_DATE_FORMATS = ("%Y-%m-%d",)
_TIME_FORMATS = ("%H:%M:%S%.f", "%H:%M")
_TIMESTAMP_FORMATS = (
    "%Y-%m-%dT%H:%M:%S",  # without a fraction polars is four times as fast
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d",
)
ISO_FORMATS: dict[str, tuple[str, ...]] = {"date": _DATE_FORMATS, "time": _TIME_FORMATS, "timestamp": _TIMESTAMP_FORMATS}
_SCALARS: dict[str, pl.DataType] = {
    "string": pl.String(),
    "json": pl.String(),
    "boolean": pl.Boolean(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    "uint8": pl.UInt8(),
    "uint16": pl.UInt16(),
    "uint32": pl.UInt32(),
    "uint64": pl.UInt64(),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "date": pl.Date(),
    "time": pl.Time(),
    "timestamp": pl.Datetime("us", "UTC"),
    "binary": pl.Binary(),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows of one column whose value could not be cast; ``raw`` is the whole column as text."""

    column: str
    rows: pl.Series
    raw: pl.Series
    reason: str


@dataclass(frozen=True, slots=True)
class CastResult:
    """The typed column, its failure if any, and how many values were coerced."""

    values: pl.Series
    failure: Failure | None
    coerced: int


def polars_type(kind: DataType) -> pl.DataType:
    """The polars type of a declared type."""
    if kind.name == "decimal":
        return pl.Decimal(kind.precision, kind.scale)
    if kind.name == "list":
        assert kind.item is not None
        return pl.List(polars_type(kind.item))
    if kind.name == "struct":
        return pl.Struct({name: polars_type(inner) for name, inner in kind.fields})
    return _SCALARS[kind.name]


def cast_column(raw: pl.Series, column: Column, spec: DatasetSpec) -> CastResult:
    """Cast one raw column to its declared type.

    :param raw: strings, or typed values of a typed source
    """
    target = polars_type(column.dtype)
    typed = raw.dtype != pl.String
    if typed and raw.dtype == target and not raw.dtype.is_float():
        return CastResult(raw, None, 0)
    text, coerced = _as_text(raw, column, spec.format)
    if typed and raw.dtype.is_temporal() and column.dtype.name in ("date", "timestamp"):
        values = _typed_moments(raw, column)
    elif typed and (raw.dtype.is_nested() or raw.dtype.is_temporal()):
        values = raw.cast(target, strict=False)
    else:
        values, more = _cast_text(text, column, spec.format)
        coerced += more
    values = values.alias(column.name)
    failed = values.is_null() & text.is_not_null()
    failure = Failure(column.name, failed, text, _reason(column)) if failed.any() else None
    return CastResult(values, failure, coerced)


def _as_text(raw: pl.Series, column: Column, form: Format) -> tuple[pl.Series, int]:
    """The raw values as text with declared nulls taken out, and how many NaN of a typed source became null."""
    if raw.dtype != pl.String:
        nans = 0
        if raw.dtype.is_float():
            nans = int(raw.is_nan().sum())
            raw = raw.fill_nan(None)
        if raw.dtype.is_nested():
            return _nested_text(raw), nans
        if raw.dtype == pl.Binary:
            return raw.bin.encode("base64"), nans
        return raw.cast(pl.String), nans
    if form.trim:
        raw = raw.str.strip_chars()
    nulls = form.null_values if column.nulls is None else column.nulls
    if not nulls:
        return raw, 0
    empty = raw.is_in(list(nulls)) if len(nulls) > 1 else raw == nulls[0]
    return (pl.select(pl.when(~empty.fill_null(True)).then(raw))[:, 0], 0) if empty.any() else (raw, 0)


def _nested_text(raw: pl.Series) -> pl.Series:
    return pl.Series(
        raw.name, [None if value is None else json.dumps(value, default=str) for value in raw.to_list()], pl.String
    )


def _cast_text(text: pl.Series, column: Column, form: Format) -> tuple[pl.Series, int]:
    name = column.dtype.name
    if name == "string":
        return text, 0
    if "int" in name:
        return _integers(text, column, form)
    casts: dict[str, Callable[[pl.Series, Column, Format], pl.Series]] = {
        "decimal": _decimals,
        "float32": _floats,
        "float64": _floats,
        "boolean": _booleans,
        "date": _dates,
        "time": _times,
        "timestamp": _timestamps,
        "json": _json,
        "binary": lambda values, *_: values.cast(pl.Binary),
        "list": _nested,
        "struct": _nested,
    }
    return casts[name](text, column, form), 0


# --- numbers


def _plain_number(text: pl.Series, form: Format) -> pl.Series:
    """Digits as the casts want them; a thousands mark counts only where it groups by three."""
    if form.thousands_mark:
        mark, point = (f"\\{char}" for char in (form.thousands_mark, form.decimal_mark))
        grouped = text.str.contains(rf"^[+-]?(\d{{1,3}}({mark}\d{{3}})+|\d+)({point}\d*)?$")
        text = pl.select(pl.when(grouped).then(text.str.replace_all(form.thousands_mark, "", literal=True)))[:, 0]
    if form.decimal_mark == ",":
        text = pl.select(pl.when(~text.str.contains(".", literal=True)).then(text.str.replace(",", ".", literal=True)))[:, 0]
    return text


def _integers(text: pl.Series, column: Column, form: Format) -> tuple[pl.Series, int]:
    target = polars_type(column.dtype)
    plain = _plain_number(text, form)
    values = plain.cast(target, strict=False)
    if not column.integral_floats:
        return values, 0
    written = plain.str.contains(r"\.0*$").fill_null(False)
    if written.any():
        values = plain.str.replace(r"\.0*$", "").cast(target, strict=False)
    return values, int((written & values.is_not_null()).sum())


def _decimals(text: pl.Series, column: Column, form: Format) -> pl.Series:
    plain = _plain_number(text, form)
    scale = column.dtype.scale
    exact = plain.str.contains(rf"^[+-]?(\d+(\.\d{{0,{scale}}}0*)?|\.\d{{1,{max(scale, 1)}}}0*)$")
    values = plain.cast(polars_type(column.dtype), strict=False)
    return values if exact.all() else pl.select(pl.when(exact).then(values))[:, 0]


def _floats(text: pl.Series, column: Column, form: Format) -> pl.Series:
    values = _plain_number(text, form).cast(polars_type(column.dtype), strict=False)
    finite = values.is_finite()
    return values if finite.all() else pl.select(pl.when(finite).then(values))[:, 0]


def _booleans(text: pl.Series, column: Column, form: Format) -> pl.Series:
    del form
    known = {**dict.fromkeys(column.true_values, True), **dict.fromkeys(column.false_values, False)}
    return text.replace_strict(known, default=None, return_dtype=pl.Boolean)


# --- dates and times


def _first_that_parses(text: pl.Series, formats: tuple[str, ...], parse: Callable[[pl.Series, str], pl.Series]) -> pl.Series:
    """Each value by the first format that reads it; the later formats only see what earlier ones could not read."""
    values = parse(text, formats[0])
    for form in formats[1:]:
        left = (values.is_null() & text.is_not_null()).arg_true()
        if not len(left):
            break
        found = parse(text.gather(left), form)
        if found.null_count() < len(found):
            values = found if len(found) == len(values) else values.scatter(left, found)
    return values


def _no_short_years(values: pl.Series, text: pl.Series) -> pl.Series:
    """``%Y`` reads ``1/2/20`` as the year 20: a year below 1000 counts only when it is written with four digits."""
    earliest = values.min()
    if earliest is None or earliest.year >= 1000:  # type: ignore[union-attr]
        return values
    meant = (values.dt.year() >= 1000) | text.str.contains(r"0\d{3}")
    return pl.select(pl.when(meant).then(values))[:, 0]


def _dates(text: pl.Series, column: Column, form: Format) -> pl.Series:
    del form

    def parse(values: pl.Series, pattern: str) -> pl.Series:
        return _no_short_years(values.str.to_date(pattern, strict=False), values)

    return _first_that_parses(text, column.formats or _DATE_FORMATS, parse)


def _times(text: pl.Series, column: Column, form: Format) -> pl.Series:
    del form
    return _first_that_parses(text, column.formats or _TIME_FORMATS, lambda values, one: values.str.to_time(one, strict=False))


def _timestamps(text: pl.Series, column: Column, form: Format) -> pl.Series:
    """To UTC; an hour that the zone's clock skips or shows twice is not guessed."""
    del form

    def parse(values: pl.Series, pattern: str) -> pl.Series:
        if not any(token in pattern for token in ("%H", "%I", "%T", "%R", "%s", "%+", "%c")):
            parsed = values.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
        else:
            parsed = values.str.to_datetime(pattern, strict=False, time_unit="us", cache=False)
        parsed = _no_short_years(parsed, values)
        if parsed.dtype == pl.Datetime("us", "UTC"):
            return parsed
        return _placed(parsed, column.timezone)

    return _first_that_parses(text, column.formats or _TIMESTAMP_FORMATS, parse)


def _typed_moments(raw: pl.Series, column: Column) -> pl.Series:
    """Typed dates and timestamps as the declared one of the two; a timestamp is a date at midnight only."""
    if column.dtype.name == "date":
        days = raw.cast(pl.Date, strict=False)
        if raw.dtype == pl.Date:
            return days
        local = raw.dt.replace_time_zone(None) if getattr(raw.dtype, "time_zone", None) else raw
        return pl.select(pl.when(local == days.cast(local.dtype)).then(days))[:, 0]
    moments = raw.cast(pl.Datetime("us", getattr(raw.dtype, "time_zone", None)), strict=False)
    zoned = getattr(moments.dtype, "time_zone", None) is not None
    return moments.dt.convert_time_zone("UTC") if zoned else _placed(moments, column.timezone)


def _placed(local: pl.Series, zone: str) -> pl.Series:
    """Times of a zone in UTC; an hour that its clock skips or shows twice is null."""
    if zone == "UTC":
        return local.dt.replace_time_zone("UTC")
    return local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


# --- JSON and nested values


def _json(text: pl.Series, column: Column, form: Format) -> pl.Series:
    del column, form
    return pl.Series(text.name, [value if value is not None and _is_json(value) else None for value in text], pl.String)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _nested(text: pl.Series, column: Column, form: Format) -> pl.Series:
    del form
    return pl.Series(text.name, [_nested_value(value, column.dtype) for value in text], polars_type(column.dtype))


def _nested_value(text: str | None, kind: DataType) -> Any:
    if text is None:
        return None
    try:
        value = text if kind.name == "list" and text[:1] not in _JSON_STARTS else json.loads(text, parse_float=Decimal)
        return _fit(value, kind)
    except (ValueError, TypeError, InvalidOperation, RecursionError):
        return None


def _fit(value: Any, kind: DataType) -> Any:
    """The JSON value as the type wants it.

    :raises ValueError: it does not fit
    """
    if value is None:
        return None
    if kind.name == "list":
        assert kind.item is not None
        return [_fit(item, kind.item) for item in (value if isinstance(value, list) else [value])]
    if kind.name == "struct":
        if not isinstance(value, dict):
            raise ValueError("no object")
        return {name: _fit(value.get(name), inner) for name, inner in kind.fields}
    text = value if isinstance(value, str) else json.dumps(value, default=str).strip('"')
    result, _ = _cast_text(pl.Series([text]), Column(name="value", type=str(kind)), Format(type="json"))
    if result[0] is None:
        raise ValueError(f"no {kind}")
    return result[0]


def _reason(column: Column) -> str:
    kind = column.dtype
    if kind.name == "decimal":
        return f"is no {kind}: a number of at most {kind.precision - kind.scale} digits before and {kind.scale} after the point"
    if kind.name == "boolean":
        return f"is no boolean: it takes {', '.join(column.true_values)} and {', '.join(column.false_values)}"
    if column.formats:
        return f"is no {kind} of the form {' or '.join(column.formats)}"
    return f"is no {kind}"
