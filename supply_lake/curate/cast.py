"""Raw values → typed values, exactly or not at all.

Every cast is vectorised, and gives null for what it cannot say exactly; a value that was there and is null afterwards is a
failure, which keeps its raw text. Nothing is rounded, guessed or wrapped around; what is coerced is counted.

What belongs here: which cast a column takes, and what came of it. What does not: the casts (``cast_numbers``, ``cast_moments``,
``cast_nested``) and checks on typed values (``contract``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import polars as pl

from supply_lake.curate import cast_moments, cast_nested, cast_numbers
from supply_lake.curate.cast_values import LeftOut, Values
from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType

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
    "null": pl.String(),  # no value was seen yet
    "map": pl.Map(pl.String(), pl.String()),
}
_JSON = Format(type="json")


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows of one column whose value could not be cast; ``raw`` is the whole column as text."""

    column: str
    rows: pl.Series
    raw: pl.Series
    reason: str


@dataclass(frozen=True, slots=True)
class CastResult:
    """The typed column, its failures by reason, and sentences on what was coerced with how often it was.

    ``left_out`` is what nested values have that the type does not.
    """

    values: pl.Series
    failures: tuple[Failure, ...] = ()
    notes: Mapping[str, int] = field(default_factory=dict)
    left_out: LeftOut | None = None


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
    if raw.dtype == target and raw.dtype != pl.String and not (raw.dtype.is_float() or raw.dtype.is_temporal()):
        return CastResult(raw)
    notes: Counter[str] = Counter()
    if raw.dtype.is_float() and (nans := int(raw.is_nan().sum())):
        notes[f"NaN of {column.name!r} was read as null"] += nans
        raw = raw.fill_nan(None)
    text = without_nulls(raw, column, spec.format) if raw.dtype == pl.String else as_text(raw)
    found = _typed(raw, column, target) or _of_text(text, column, spec.format, target)
    notes.update(found.notes)
    values = found.series.alias(column.name)
    return CastResult(values, tuple(_failures(values, found, text, column)), notes, found.left_out)


def as_text(raw: pl.Series) -> pl.Series:
    """Typed values as text: nested ones as JSON, bytes as base64."""
    if raw.dtype.is_nested():
        return cast_nested.as_json(raw)
    if raw.dtype == pl.Binary:
        return raw.bin.encode("base64")
    if isinstance(raw.dtype, pl.Duration):
        return raw.dt.to_string("iso")
    if raw.dtype in (pl.Date, pl.Datetime):
        return cast_moments.as_text(raw)
    return raw.cast(pl.String)


def without_nulls(raw: pl.Series, column: Column, form: Format) -> pl.Series:
    """The texts with declared nulls taken out."""
    if form.trim:
        raw = raw.str.strip_chars()
    nulls = column.nulls_in(form)
    if not nulls:
        return raw
    empty = raw.is_in(list(nulls)) if len(nulls) > 1 else raw == nulls[0]
    return pl.select(pl.when(~empty.fill_null(True)).then(raw))[:, 0] if empty.any() else raw


def _typed(raw: pl.Series, column: Column, target: pl.DataType) -> Values | None:
    """Typed values that need no detour by their text."""
    if raw.dtype in (pl.Date, pl.Datetime) and column.dtype.name in ("date", "timestamp"):
        return cast_moments.typed(raw, column)
    if raw.dtype == target and raw.dtype.is_temporal():
        return Values(raw)
    if raw.dtype.is_nested() and column.dtype.nested:
        wider = cast_nested.same_but_wider(raw, target)
        return None if wider is None else Values(wider)
    return None


def _of_text(text: pl.Series, column: Column, form: Format, target: pl.DataType) -> Values:
    name = column.dtype.name
    if "int" in name:
        return cast_numbers.integers(text, column, form, target)
    if column.dtype.nested:
        return cast_nested.nested(text, column, target, _scalar)
    if name in _NUMBERS:
        return _NUMBERS[name](text, column, form, target)
    return _TEXTS[name](text, column)


def _booleans(text: pl.Series, column: Column) -> Values:
    known = {**dict.fromkeys(column.true_values, True), **dict.fromkeys(column.false_values, False)}
    return Values(text.replace_strict(known, default=None, return_dtype=pl.Boolean))


_NUMBERS = {"decimal": cast_numbers.decimals, "float32": cast_numbers.floats, "float64": cast_numbers.floats}
_TEXTS: dict[str, Callable[[pl.Series, Column], Values]] = {
    "string": lambda text, _: Values(text),
    "json": lambda text, _: cast_nested.json_texts(text),
    "binary": lambda text, _: Values(text.cast(pl.Binary)),
    "boolean": _booleans,
    "date": cast_moments.dates,
    "time": cast_moments.times,
    "timestamp": cast_moments.timestamps,
}


def _scalar(text: str, kind: DataType) -> Any:
    """One value within a nested one."""
    if kind.name == "string":
        return text
    return _of_text(pl.Series([text]), _column_of(kind), _JSON, polars_type(kind)).series[0]


@lru_cache(maxsize=256)
def _column_of(kind: DataType) -> Column:
    return Column(name="value", type=str(kind))


def _failures(values: pl.Series, found: Values, text: pl.Series, column: Column) -> list[Failure]:
    failed = values.is_null() & text.is_not_null()
    failures = []
    if failed.any():
        for rows, reason in found.doubts:
            failures.append(Failure(column.name, rows, text, reason))
            failed &= ~rows
        if failed.any():
            failures.append(Failure(column.name, failed, text, _reason(column)))
    return failures


def _reason(column: Column) -> str:
    kind = column.dtype
    if kind.name == "decimal":
        return f"is no {kind}: a number of at most {kind.precision - kind.scale} digits before and {kind.scale} after the point"
    if kind.name == "boolean":
        return f"is no boolean: it takes {', '.join(column.true_values)} and {', '.join(column.false_values)}"
    if column.formats:
        return f"is no {kind} of the form {' or '.join(column.formats)}"
    return f"is no {kind}"
