"""JSON text → lists and structs of exact values, each by its declared type or not at all.

What belongs here: nested values, and the JSON that they are written in. What does not: plain values (``cast_numbers``,
``cast_moments``), which come in through ``Scalar``.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import reduce
from typing import Any

import polars as pl

from supply_lake.curate.cast_values import LeftOut, Values
from supply_lake.curate.json_columns import json_text
from supply_lake.datasets.column import Column
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import TEXT

_JSON_STARTS = tuple('[{"')  # a list column takes any other text as its one item
Scalar = Callable[[str, DataType], Any]
"""Text and type → the value, ``None`` when the type has none."""


def json_texts(text: pl.Series) -> Values:
    """Texts that are JSON, as they are."""
    return Values(pl.Series(text.name, [one if one is not None and _is_json(one) else None for one in text], pl.String))


def nested(text: pl.Series, column: Column, target: pl.DataType, scalar: Scalar) -> Values:
    """JSON text as the column's type; fields that its structs do not declare are left out, and told."""
    fit = _Fit(scalar)
    values, more = [], []
    for one in text:
        before = fit.left_out.total()
        values.append(fit.whole(one, column.dtype))
        more.append(fit.left_out.total() > before)
    names = {path: ".".join(path) for path in fit.left_out}
    notes = {
        f"field {names[path]!r} of {column.name!r} is not declared and was left out": n for path, n in fit.left_out.items()
    }
    kind = reduce(_with_field, sorted(fit.left_out), column.dtype)
    left_out = LeftOut(pl.Series(more, dtype=pl.Boolean), kind) if any(more) else None
    return Values(pl.Series(text.name, values, target), notes=Counter(notes), left_out=left_out)


def _with_field(kind: DataType, path: tuple[str, ...]) -> DataType:
    """The type with one more field, of text, at this path of names; lists are passed through."""
    if kind.item is not None:
        return kind.model_copy(update={"item": _with_field(kind.item, path)})
    name, *rest = path
    fields = dict(kind.fields)
    fields[name] = _with_field(fields[name], tuple(rest)) if rest else TEXT
    return kind.model_copy(update={"fields": tuple(fields.items())})


def as_json(raw: pl.Series) -> pl.Series:
    """Nested values of a typed source as JSON text."""
    try:
        values = raw.to_list()
    except (OverflowError, ValueError, pl.exceptions.PanicException):  # a date that no calendar has
        values = raw.to_physical().to_list()
    texts = [None if value is None else json.dumps(value, default=_plain, ensure_ascii=False) for value in values]
    return pl.Series(raw.name, texts, pl.String)


def same_but_wider(raw: pl.Series, target: pl.DataType) -> pl.Series | None:
    """The nested values as the target type when nothing of them is lost, else ``None``."""
    try:
        values = raw.cast(target, strict=True)
        # Polars casts the fields of a struct one by one when it is asked for a list.
        same = values.dtype == target and values.cast(raw.dtype, strict=True).eq_missing(raw).all()
        return values if same else None
    except pl.exceptions.PolarsError:
        return None


class _Fit:
    """JSON values as types want them."""

    def __init__(self, scalar: Scalar) -> None:
        self._scalar = scalar
        self.left_out: Counter[tuple[str, ...]] = Counter()

    def whole(self, text: str | None, kind: DataType) -> Any:
        if text is None:
            return None
        try:
            value = text if kind.name == "list" and text[:1] not in _JSON_STARTS else json.loads(text, parse_float=Decimal)
            return self._value(value, kind, ())
        except (ValueError, TypeError, InvalidOperation, RecursionError):
            return None

    def _value(self, value: Any, kind: DataType, path: tuple[str, ...]) -> Any:
        """The JSON value as the type wants it.

        :param path: names of the fields that lead to it
        :raises ValueError: it does not fit
        """
        if value is None:
            return None
        if kind.name == "list":
            assert kind.item is not None
            return [self._value(item, kind.item, path) for item in (value if isinstance(value, list) else [value])]
        if kind.name == "struct":
            return self._struct(value, kind, path)
        if kind.name == "json":
            return json_text(value)
        result = self._scalar(_text(value), kind)
        if result is None:
            raise ValueError(f"no {kind}")
        return result

    def _struct(self, value: Any, kind: DataType, path: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("no object")
        declared = dict(kind.fields)
        self.left_out.update((*path, name) for name in value if name not in declared)
        return {name: self._value(value.get(name), inner, (*path, name)) for name, inner in declared.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _plain(value: Any) -> str:
    """What JSON has no form for."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
