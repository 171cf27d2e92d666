"""Types of Polars → types of the lake, and columns of one type as another, exactly.

What belongs here: typed values whose type was right when it was read and is another one now. What does not: raw values
(``cast``) and which type it should be (``datasets.widening``).
"""

from __future__ import annotations

from typing import Any, cast

import polars as pl

from supply_lake.curate.cast import as_text, polars_type
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import TEXT, common, is_float, is_number

_NAMES = {
    "Boolean": "boolean",
    "Int8": "int8",
    "Int16": "int16",
    "Int32": "int32",
    "Int64": "int64",
    "UInt8": "uint8",
    "UInt16": "uint16",
    "UInt32": "uint32",
    "UInt64": "uint64",
    "Float32": "float32",
    "Float64": "float64",
    "Date": "date",
    "Time": "time",
    "Datetime": "timestamp",
    "Binary": "binary",
    "Null": "null",
}
_RESCUED = pl.Map(pl.String(), pl.String())


def data_type(kind: pl.DataType) -> DataType:
    """The lake's type for values of a Polars type; text for those that it has none for, such as durations."""
    if isinstance(kind, pl.Decimal):
        return DataType(name="decimal", precision=kind.precision or 38, scale=kind.scale or 0)
    if isinstance(kind, (pl.List, pl.Array)):
        return DataType(name="list", item=data_type(_instance(kind.inner)))
    if isinstance(kind, pl.Struct):
        return DataType(name="struct", fields=tuple((field.name, data_type(_instance(field.dtype))) for field in kind.fields))
    if kind == _RESCUED:
        return DataType(name="map")
    return DataType(name=_NAMES.get(type(kind).__name__, TEXT.name))


def as_found(values: pl.Series) -> pl.Series:
    """Values of a typed source in the lake's form of their own type. Times without a zone are taken for UTC."""
    if isinstance(values.dtype, pl.Datetime):
        moments = values.cast(pl.Datetime("us", values.dtype.time_zone))
        zoned = values.dtype.time_zone is not None
        return moments.dt.convert_time_zone("UTC") if zoned else moments.dt.replace_time_zone("UTC")
    kind = data_type(values.dtype)
    return text(values) if kind == TEXT else values.cast(polars_type(kind))


def as_type(values: pl.Series, kind: DataType) -> pl.Series:
    """The same values in a type that holds them; text is that of ``text``.

    Where the two types have nothing in common, which comes about when no value is there, all are null.
    """
    target = polars_type(kind)
    if values.dtype == target:
        return values
    have = data_type(values.dtype)
    if kind == TEXT:
        return text(values)
    numbers = is_number(have) and is_number(kind)
    if not numbers and common(have, kind) is None:
        return pl.Series(values.name, [None], dtype=target).new_from_index(0, len(values))
    if have.name == "date" and kind.name == "timestamp":
        return values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return values.alias("v").to_frame().select(_cast(pl.col("v"), values.dtype, target).alias(values.name))[:, 0]


def _cast(value: pl.Expr, have: pl.DataType, target: pl.DataType) -> pl.Expr:
    """A struct's fields by their names, those that it does not have as null; Polars itself takes them by their places."""
    if isinstance(have, pl.List) and isinstance(target, pl.List):
        return value.list.eval(_cast(pl.element(), _instance(have.inner), _instance(target.inner)))
    if not (isinstance(have, pl.Struct) and isinstance(target, pl.Struct)):
        return value if have == target else value.cast(target)
    own = {field.name: _instance(field.dtype) for field in have.fields}
    fields = []
    for field in target.fields:
        kind = _instance(field.dtype)
        there = field.name in own
        one = _cast(value.struct.field(field.name), own[field.name], kind) if there else pl.lit(None, kind)
        fields.append(one.alias(field.name))
    return pl.when(value.is_not_null()).then(pl.struct(fields))


def is_rounded(have: pl.DataType, kind: DataType) -> bool:
    """Whether values may change on the way from this type to that one: so do large integers and decimals as floats."""
    own = data_type(have)
    return is_float(kind) and is_number(own) and common(own, kind) != kind


def stay_exact(values: pl.Series, kind: DataType) -> bool:
    """Whether every value comes through that float type as it is."""
    there = values.drop_nulls()
    floats = there.cast(polars_type(kind))
    back = (floats if there.dtype.is_integer() else floats.cast(pl.String)).cast(there.dtype, strict=False)
    return bool((back == there).fill_null(False).all())


def text(values: pl.Series) -> pl.Series:
    """Values as text: times in ISO 8601, nested ones as JSON, bytes as base64."""
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return as_text(values)


def _instance(kind: Any) -> pl.DataType:
    """Polars gives inner types as classes where they have no parameters."""
    return cast(pl.DataType, kind() if isinstance(kind, type) else kind)
