"""All columns of the sample → a guess for each; what one column proves helps the others.

What belongs here: the order in which types are tried, and what holds for all columns alike. What does not: any type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from supply_lake.curate.cast import as_text
from supply_lake.datasets.format import Format
from supply_lake.onboard import moments, nested, numbers, texts, words
from supply_lake.onboard.date_shapes import day_first
from supply_lake.onboard.guess import Guess, cast
from supply_lake.onboard.headers import Field
from supply_lake.onboard.names import published
from supply_lake.onboard.nested import Node
from supply_lake.onboard.notation import notation_of
from supply_lake.onboard.reading import Gathered
from supply_lake.onboard.seen import Seen
from supply_lake.onboard.values import Values

COLUMNS_AT_MOST = 1_000
_DUMP_MARKS = ("\\N",)
_NOTATION = ("decimal_mark", "thousands_mark", "accounting", "percent", "currency")


@dataclass(frozen=True, slots=True)
class Inferred:
    """The columns with a guess for each, and the format with what the columns say of it.

    ``looked``: types were looked for; of too many columns they are not.
    """

    form: Format
    columns: tuple[Seen, ...]
    doubts: tuple[str, ...] = ()
    looked: bool = True


def infer(gathered: Gathered, fields: Sequence[Field], form: Format) -> Inferred:
    """Guess the type of every column from all of its values."""
    found = [_values(gathered, field, form) for field in fields]
    if len(fields) > COLUMNS_AT_MOST:
        return _untyped(fields, found, form)
    form = _with_notation(form, found)
    found = [values.emptied(form.null_values[1:]) for values in found]
    guesses = _guesses(gathered, fields, found, form)
    order = day_first([one for guess in guesses for one in guess.fields.get("formats", ())])
    trim = any(guess.trim for guess in guesses)
    if trim or (order is not None and any(guess.either for guess in guesses)):
        form = form.model_copy(update={"trim": True}) if trim else form
        guesses = _guesses(gathered, fields, found, form, order)
    names = published([field.names[0] for field in fields])
    columns = tuple(Seen(*one) for one in zip(fields, names, found, guesses, strict=True))
    return Inferred(form, columns, _doubts(form, columns))


def _untyped(fields: Sequence[Field], found: Sequence[Values], form: Format) -> Inferred:
    """So many columns that nobody declares a type for each: all of them as text."""
    names = published([field.names[0] for field in fields])
    plain = Guess("string", "text, since nothing else was looked for")
    doubt = f"there are {len(fields):,} columns, as of a table on its side; types are looked for in {COLUMNS_AT_MOST:,} at most"
    columns = tuple(Seen(field, name, values, plain) for field, name, values in zip(fields, names, found, strict=True))
    return Inferred(form, columns, (doubt,), looked=False)


def _guesses(
    gathered: Gathered, fields: Sequence[Field], found: Sequence[Values], form: Format, order: bool | None = None
) -> list[Guess]:
    guesses = []
    for field, values in zip(fields, found, strict=True):
        node = _node(gathered.tree, field)
        if typed := _typed(gathered, field):
            guesses.append(_of_file(typed, values))
        elif node is not None and node.nested and (nested_type := nested.guess(values, node, form)):
            guesses.append(nested_type)
        else:
            guesses.append(_flat(values, field.names[0], form, order))
    return guesses


def _flat(values: Values, name: str, form: Format, order: bool | None) -> Guess:
    """A plain type, the narrowest first."""
    if not values.filled:
        return texts.guess(values, form)
    return (
        words.guess(values, name, form)
        or moments.guess(values, name, form, day_first=order)
        or numbers.guess(values, name, form)
        or nested.guess_text(values, form)
        or texts.guess(values, form)
    )


def _of_file(type: str, values: Values) -> Guess:
    """The type of a typed file, with the ends of its values where their text has an order that means something."""
    ordered = type.startswith(("int", "uint", "decimal", "date", "time"))
    typed = cast(values.texts, Format(type="csv"), type=type) if ordered else values.texts.head(0)
    low, high = typed.min(), typed.max()
    return Guess(
        type, "the type that the file has", low="" if low is None else str(low), high="" if high is None else str(high)
    )


def _node(tree: Node | None, field: Field) -> Node | None:
    return next((tree.fields[name] for name in field.names if name in tree.fields), None) if tree is not None else None


# --- values


def _values(gathered: Gathered, field: Field, form: Format) -> Values:
    raw = gathered.column(field.names)
    origin = "text"
    if gathered.tree is not None:
        node = _node(gathered.tree, field)
        origin = node.origin if node is not None else "text"
    elif raw.dtype != pl.String:
        origin = "float" if raw.dtype.is_float() else "flag" if raw.dtype == pl.Boolean else "number"
    elif form.type == "parquet":
        origin = "quoted"
    return Values(_texts(raw), origin)


def _texts(raw: pl.Series) -> pl.Series:
    if raw.dtype.is_float():
        raw = raw.fill_nan(None)
    return raw if raw.dtype == pl.String else as_text(raw)


def _typed(gathered: Gathered, field: Field) -> str:
    """The declared type that a typed file's column has; empty where the values have to tell."""
    kinds = {kind for name in field.names for kind in gathered.types.get(name, ())} - {pl.Null()}
    if len(kinds) != 1:
        return ""
    kind = kinds.pop()
    return "" if kind == pl.String or kind.is_float() else declared(kind)


def declared(kind: Any) -> str:
    """The type of ours that holds a polars type; text where none does."""
    if isinstance(kind, pl.Decimal):
        return f"decimal({kind.precision or 38},{kind.scale})"
    if isinstance(kind, pl.List):
        return f"list<{declared(kind.inner)}>"
    if isinstance(kind, pl.Struct):
        plain = all(name and not set(name) & set(" ,:<>\t\n") for name in kind.to_schema())
        return (
            f"struct<{','.join(f'{name}:{declared(inner)}' for name, inner in kind.to_schema().items())}>" if plain else "json"
        )
    return _PLAIN.get(kind.base_type(), "string")


_PLAIN: Mapping[object, str] = {
    pl.Boolean: "boolean", pl.Int8: "int8", pl.Int16: "int16", pl.Int32: "int32", pl.Int64: "int64", pl.UInt8: "uint8",
    pl.UInt16: "uint16", pl.UInt32: "uint32", pl.UInt64: "uint64", pl.Float32: "float32", pl.Float64: "float64",
    pl.Date: "date", pl.Time: "time", pl.Datetime: "timestamp", pl.Binary: "binary",
}  # fmt: skip


# --- what holds for all columns


def _with_notation(form: Format, found: Sequence[Values]) -> Format:
    if form.type == "parquet":
        return form
    update: dict[str, object] = notation_of(found)
    for mark in _DUMP_MARKS:
        if any(mark in values.texts for values in found):
            update["null_values"] = (*form.null_values, mark)
    return Format.model_validate({**form.model_dump(exclude_unset=True), **update})


def _doubts(form: Format, columns: Sequence[Seen]) -> tuple[str, ...]:
    doubts = []
    padded = [one.values.padded_rows for one in columns if one.guess.type == "string"]
    if form.trim and any(padded):
        doubts.append(
            f"`trim` is on for columns that need it, and takes white space off {sum(padded):,} values of text columns too"
        )
    signs = [name for name in _NOTATION if getattr(form, name) != getattr(Format(type=form.type), name)]
    if signs:
        doubts.append(f"numbers are not written plainly; `format` says how to read them: {', '.join(signs)}")
    return tuple(doubts)
