"""Values that their declared type cannot hold, met as the dataset's evolution mode says.

===========  ================================================================================================
``evolve``   a number that is too large or too fine makes its column wider; what is no number rejects its row
``rescue``   the value is null, and its raw text goes to ``_rescued``, and so do columns that no one declared
``freeze``   a number that a wider type would hold refuses the batch; what is no number rejects its row
``discard``  the value rejects its row
===========  ================================================================================================

What belongs here: the values of one chunk, after a first cast. What does not: what the whole batch comes to (``evolve``).
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import polars as pl

from supply_lake.curate.cast import Failure, cast_column, polars_type, without_nulls
from supply_lake.curate.cast_values import LeftOut, marked, only
from supply_lake.curate.columns import Matching
from supply_lake.curate.kinds import data_type, text
from supply_lake.curate.schema import RESCUED
from supply_lake.curate.terms import Terms, retyped
from supply_lake.datasets.column import Column
from supply_lake.datasets.spec import DatasetSpec, Evolution
from supply_lake.datasets.types import DataType, parse_type
from supply_lake.datasets.widening import FLOAT64, NOTHING, common

RESCUED_TYPE = parse_type("map<string,string>")
_ANY_TEXT = Column(name="value", type="string")
_FROZEN = "`evolution: freeze` allows no change"


@dataclass(frozen=True, slots=True)
class Grown:
    """The rows of a chunk that need a wider type than their column has, and their values as the file has them.

    ``kind`` is what they need, where that is not told by the values one by one: of lists and structs.
    """

    rows: pl.Series
    values: pl.Series
    kind: DataType | None = None


@dataclass(slots=True)
class Cast:
    """The declared columns of one chunk as typed values, with ``_rescued`` where it is kept, and what could not be cast.

    ``told`` has notes by column, each with a number of values. ``left_out`` is what nested values have that their column does
    not. ``grown`` has the columns that are wider here than the contract says. ``refusal`` is why the whole batch is refused.
    """

    values: dict[str, pl.Series] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    told: dict[str, Mapping[str, int]] = field(default_factory=dict)
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    grown: dict[str, Grown] = field(default_factory=dict)
    refusal: str = ""

    @property
    def differs(self) -> bool:
        """Whether a value is not as its type wants it."""
        return bool(self.failures or self.left_out or self.grown or self.refusal)

    @property
    def notes(self) -> Counter[str]:
        """What was coerced, with how often."""
        return sum((Counter(notes) for notes in self.told.values()), Counter())

    def take(self, column: Column, raw: pl.Series, spec: DatasetSpec) -> None:
        """Cast one column, in place of what was cast of it before."""
        result = cast_column(raw, column, spec)
        self.values[column.name] = result.values.alias(column.name)
        if column.name in self.grown:
            self.failures = [one for one in self.failures if one.column != column.name]
        self.failures += result.failures
        self.told[column.name] = result.notes
        if result.left_out is not None:
            self.left_out[column.name] = result.left_out
        else:
            self.left_out.pop(column.name, None)

    def failed(self, column: str) -> pl.Series:
        """The rows in which a column failed, for whatever reason, as a mask."""
        return reduce(operator.or_, (one.rows for one in self.failures if one.column == column))


def grow(cast: Cast, raw: pl.DataFrame, matching: Matching, terms: Terms) -> None:
    """Make columns wider for numbers that need it, and structs for fields that they do not have."""
    for column, rows, values in _failed(cast, raw, matching, terms.spec):
        need = terms.needed(column.name, values)
        if need is not None and need.kind is None:
            cast.refusal = cast.refusal or too_many_digits(column.name)
        elif need is not None and need.kind is not None:
            cast.grown[column.name] = Grown(rows.filter(need.values), values.filter(need.values))
            before = [one for one in cast.failures if one.column == column.name]
            cast.take(retyped(column, need.kind), raw[matching.found[column.name]], terms.spec)
            _leave_out(cast, before, rows.filter(~need.values))
    for column in terms.spec.columns:
        source = raw[matching.found[column.name]] if column.name in matching.found else None
        if source is not None and column.dtype.nested:
            _grow_nested(cast, column, source, terms.spec)
        elif source is not None and column.type == "float32" and source.dtype == pl.Float64:
            _keep_fine_floats(cast, column, source, terms.spec)


def _leave_out(cast: Cast, before: Sequence[Failure], rows: pl.Series) -> None:
    """Let these rows stay failures where the wider type has a value for them: it did not grow for them.

    So a negative number in an unsigned column stays one that cannot be, also where another value made the column a decimal.
    """
    for one in before:
        values = cast.values[one.column]
        those = one.rows & marked(rows, len(values)) & values.is_not_null()
        if those.any():
            cast.values[one.column] = only(values, ~those)
            cast.failures.append(Failure(one.column, those, one.raw, one.reason))


def rescue(cast: Cast, raw: pl.DataFrame, matching: Matching, terms: Terms) -> None:
    """Move what could not be cast, and the columns that no one declared, to ``_rescued``.

    A column that takes no null, and one that decides where a row belongs, keeps its failures: a null there would break the
    contract, or put the row where it does not belong.
    """
    spec, entries = terms.spec, dict[str, pl.Series]()
    kept = _without_which_no_row_is_taken(spec)
    for name in dict.fromkeys(one.column for one in cast.failures if one.column not in kept):
        rows, texts = cast.failed(name), next(one.raw for one in cast.failures if one.column == name)
        entries[name] = only(texts, rows)
        note = f"values of {name!r} are no {spec.column(name).type}; they are null, and in {RESCUED!r}"
        cast.told[name] = {**cast.told[name], note: int(rows.sum())}
    cast.failures = [one for one in cast.failures if one.column in kept]
    for name, more in cast.left_out.items():
        texts = only(present(raw[matching.found[name]], spec), more.rows)
        entries[name] = entries[name].fill_null(texts) if name in entries else texts
        cast.told[name] = {
            f"values of {name!r} have fields that are not declared; they are in {RESCUED!r}": int(more.rows.sum())
        }
    for name in matching.unknown:
        entries[_free(name, entries, spec)] = present(raw[name], spec)
    cast.values[RESCUED] = _map(entries, raw.height)


def refuse(cast: Cast, raw: pl.DataFrame, matching: Matching, terms: Terms) -> None:
    """Refuse the batch for columns of another type, and for values that only a wider type would hold."""
    if terms.spec.format.type == "parquet":
        cast.refusal = _retyped_columns(raw.schema, matching.found, terms.spec)
    for column, _, values in _failed(cast, raw, matching, terms.spec):
        need = terms.needed(column.name, values)
        if need is not None and not cast.refusal:
            first = values.filter(need.values)[0]
            wider = f" and {need.kind} does" if need.kind else ""
            what = f"column {column.name!r} holds {first}, which {column.type} cannot hold{wider}"
            cast.refusal = f"{what}; {_FROZEN}; declare another type or mend the file"
    for name, more in cast.left_out.items():
        what = f"column {name!r} has fields that are not declared: it is {more.kind} in the file"
        cast.refusal = cast.refusal or f"{what}; {_FROZEN}; declare them or mend the file"


def reject(cast: Cast, raw: pl.DataFrame, matching: Matching, terms: Terms) -> None:
    """Leave every failure what it is."""


BY_MODE: dict[Evolution, Callable[[Cast, pl.DataFrame, Matching, Terms], None]] = {
    Evolution.EVOLVE: grow,
    Evolution.RESCUE: rescue,
    Evolution.FREEZE: refuse,
    Evolution.DISCARD: reject,
}


def present(raw: pl.Series, spec: DatasetSpec) -> pl.Series:
    """The raw values as text, null where the format says null."""
    if raw.dtype != pl.String:
        return text(raw)
    return only(raw, without_nulls(raw, _ANY_TEXT, spec.format).is_not_null())


def too_many_digits(column: str) -> str:
    """Why the batch is refused when no number type holds all that is in a column."""
    return f"column {column!r} holds numbers that no decimal of 38 digits holds together; declare it as a string or a float64"


def _grow_nested(cast: Cast, column: Column, source: pl.Series, spec: DatasetSpec) -> None:
    """A struct takes in fields that it does not have: as text from text formats, in their own type from typed sources."""
    more = cast.left_out.get(column.name)
    kind = more.kind if more is not None else None
    if source.dtype.is_nested() and (more is not None or any(one.column == column.name for one in cast.failures)):
        kind = common(column.dtype, data_type(source.dtype))
    if kind is not None and kind != column.dtype:
        rows = source.is_not_null() if source.dtype.is_nested() or more is None else more.rows
        cast.grown[column.name] = Grown(rows.arg_true(), source.filter(rows), kind)
        cast.take(retyped(column, kind), source, spec)


def _keep_fine_floats(cast: Cast, column: Column, source: pl.Series, spec: DatasetSpec) -> None:
    """A float64 of a typed source in a float32 column would be rounded without a word."""
    rounded = (source.cast(pl.Float32).cast(pl.Float64) != source).fill_null(False)
    if rounded.any():
        rows = rounded.arg_true()
        cast.grown[column.name] = Grown(rows, source.gather(rows))
        cast.take(retyped(column, FLOAT64), source, spec)


def _failed(
    cast: Cast, raw: pl.DataFrame, matching: Matching, spec: DatasetSpec
) -> Iterator[tuple[Column, pl.Series, pl.Series]]:
    """Columns with failures, the rows that failed, and their values as the file has them.

    Values of text formats come without what the format says to strip. Left out is the column that marks deletes: its values are
    compared as text, which a wider type would write in another way.
    """
    for name, raw_text in {failure.column: failure.raw for failure in cast.failures}.items():
        if spec.tombstone is None or name != spec.tombstone.column:
            rows, source = cast.failed(name).arg_true(), raw[matching.found[name]]
            yield spec.column(name), rows, (raw_text if source.dtype == pl.String else source).gather(rows)


def _retyped_columns(schema: pl.Schema, found: Mapping[str, str], spec: DatasetSpec) -> str:
    """Why columns of a typed source are not of their declared types; empty when they are.

    Text is read by the formats that a column declares, so there it is no other type.
    """
    for column in spec.columns:
        file = found.get(column.name)
        kind = data_type(schema[file]) if file is not None else column.dtype
        as_text = kind.name == "string" and (column.formats or column.dtype.name == "json")
        if kind not in (column.dtype, NOTHING) and not as_text:
            what = f"column {file!r} is {kind} in the file and {column.type} in the contract"
            return f"{what}; {_FROZEN}; declare that type or mend the file"
    return ""


def _without_which_no_row_is_taken(spec: DatasetSpec) -> set[str]:
    """Columns whose values decide whether a row can be taken and where it belongs."""
    roles = [spec.partition_date.column, spec.tombstone.column if spec.tombstone else None]
    strict = [column.name for column in spec.columns if not spec.is_nullable(column)]
    return {*strict, *spec.primary_key, *filter(None, roles)}


def _free(name: str, entries: Mapping[str, pl.Series], spec: DatasetSpec) -> str:
    """The name of a column that was not declared, told from declared ones of the same name."""
    taken = {*entries, *(column.name for column in spec.columns)}
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _map(entries: Mapping[str, pl.Series], height: int) -> pl.Series:
    kind = polars_type(RESCUED_TYPE)
    if not entries:
        return pl.Series(RESCUED, [None], dtype=kind).new_from_index(0, height)
    pairs = [pl.struct(pl.lit(name).alias("key"), pl.lit(values).alias("value")) for name, values in entries.items()]
    there = pl.element().struct.field("value").is_not_null()
    listed = pl.select(pl.concat_list(pairs).list.filter(there).alias(RESCUED))
    return listed.select(pl.when(pl.col(RESCUED).list.len() > 0).then(pl.col(RESCUED).cast(kind)).alias(RESCUED))[:, 0]
