"""Raw records of one header → good rows and rejected rows: match, cast, validate, split.

What belongs here: the row-wise half of curation, pure and safe to run in several threads. What does not: reading, what becomes
of values that their type cannot hold (``meet``), and anything that looks at more than one chunk (``settle``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

import pandera.polars as pa
import polars as pl

from supply_lake.curate import meet, rejects
from supply_lake.curate.cast import Failure, polars_type, without_nulls
from supply_lake.curate.columns import Matching, match
from supply_lake.curate.conditions import Broke, Conditions
from supply_lake.curate.contract import FAILURES, broken, judging, key_problems
from supply_lake.curate.drift import Drift, differences
from supply_lake.curate.kinds import as_found, data_type
from supply_lake.curate.meet import Cast
from supply_lake.curate.raw import RawChunk
from supply_lake.curate.terms import Terms, retyped
from supply_lake.curate.totals import Sum, sums_of
from supply_lake.datasets.column import Column
from supply_lake.datasets.condition import PARTITION_DATE
from supply_lake.datasets.types import parse_type

OPTIONAL_COLUMNS = ("json", "jsonl")
_TEXT = Column(name="value", type="string")


@dataclass(slots=True)
class Sifted:
    """What became of one chunk.

    ``good`` has the declared columns in order, the undeclared ones under their keys, ``_rescued`` where the dataset rescues,
    ``_src`` (index of the source, Int32), ``_line``, ``_date`` (partition date) and, with a tombstone, ``_deleted``. ``aside``
    has the rejects schema.
    """

    good: pl.DataFrame
    aside: pl.DataFrame
    landed: int
    rules: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    drift: Drift = field(default_factory=Drift)
    broke: dict[tuple[str, int], Broke] = field(default_factory=dict)
    sums: list[Sum] = field(default_factory=list)


class Sifter:
    """The contract of one dataset, ready to be applied to chunks."""

    def __init__(self, terms: Terms, landing_date: dt.date) -> None:
        self.terms, self.spec, self.landing_date = terms, terms.spec, landing_date
        self.conditions = Conditions(self.spec)
        self._declared = [column.name for column in self.spec.columns]
        optional = self.spec.format.type in OPTIONAL_COLUMNS
        self._match = lru_cache(maxsize=256)(partial(match, self.spec, optional=optional, known=terms.known))
        self._contract = lru_cache(maxsize=64)(self._built)
        self._contract(())

    def _built(self, grown: tuple[tuple[str, str], ...]) -> pa.DataFrameSchema:
        """The contract, with these columns wider than declared."""
        types = {name: parse_type(kind) for name, kind in grown}
        columns = tuple(retyped(one, types[one.name]) if one.name in types else one for one in self.spec.columns)
        return judging(self.spec.model_copy(update={"columns": columns}) if grown else self.spec)

    def sift(self, chunk: RawChunk, src: pl.Series, names: Sequence[str]) -> Sifted:
        """Sort the chunk's records into good and rejected ones; every record is in one of the two.

        :param src: index of the source of every row of the chunk's frame
        :param names: keys of the sources by index
        """
        raw = chunk.frame
        matching = self._match(tuple(raw.columns))
        cast = self._cast(raw, matching)
        typed = pl.DataFrame(
            [*cast.values.values(), *(self._extra(raw[one]).alias(key) for key, one in matching.extras.items())]
        )
        failures = self._judge(cast, typed, raw, matching)
        broke: dict[tuple[str, int], Broke] = {}
        if self.conditions and not matching.problem:
            broken_conditions, broke = self._judge_rows(typed, chunk.lines, src)
            failures = pl.concat([failures, broken_conditions])
        aside = rejects.from_bad_records(names, chunk.bad)
        if failures.height:
            keys = pl.Series("source", names, pl.String).gather(src)
            aside = pl.concat([aside, rejects.from_failures(keys, chunk.lines, raw, failures)])
        return Sifted(
            good=self._good(typed, failures, chunk.lines, src),
            aside=aside,
            landed=raw.height + len(chunk.bad),
            rules=_rules(failures, chunk),
            notes=Counter(chunk.notes) + cast.notes,
            broke=broke,
            drift=differences(self.terms, raw, src, matching=matching, cast=cast, failed=failures["row"]),
            sums=sums_of(self.spec, typed, src),
        )

    # --- values

    def _cast(self, raw: pl.DataFrame, matching: Matching) -> Cast:
        cast = Cast()
        for column in self.spec.columns:
            file_name = matching.found.get(column.name)
            if file_name is None:
                null = pl.Series(column.name, [None], dtype=polars_type(column.dtype))
                cast.values[column.name] = null.new_from_index(0, raw.height)
            else:
                cast.take(column, raw[file_name], self.spec)
        meet.BY_MODE[self.spec.evolution](cast, raw, matching, self.terms)
        return cast

    def _extra(self, raw: pl.Series) -> pl.Series:
        """An undeclared column: text of text formats, the source's own type of typed ones."""
        return without_nulls(raw, _TEXT, self.spec.format) if raw.dtype == pl.String else as_found(raw)

    # --- judgement

    def _judge(self, cast: Cast, typed: pl.DataFrame, raw: pl.DataFrame, matching: Matching) -> pl.DataFrame:
        """All failures: those of the casts, those of the contract, and those of the key."""
        problem = matching.problem or cast.refusal
        if problem:
            return _every_row(raw.height, problem)
        failures = _table(cast.failures)
        declared = typed.select(self._declared)
        contract = self._contract(tuple(sorted((name, str(data_type(typed.schema[name]))) for name in cast.grown)))
        found = [broken(contract, declared), key_problems(self.spec, declared), self._undated(declared)]
        # A value that could not be cast is null now; that it is null is no second fault.
        later = pl.concat([one for one in found if one.height] or [pl.DataFrame(schema=FAILURES)])
        if failures.height and later.height:
            later = later.join(failures.select("row", "column"), on=["row", "column"], how="anti", nulls_equal=True)
        return pl.concat([failures, _with_raw_values(later, raw, matching)])

    def _judge_rows(
        self, typed: pl.DataFrame, lines: pl.Series, src: pl.Series
    ) -> tuple[pl.DataFrame, dict[tuple[str, int], Broke]]:
        """Failures of the dataset's conditions on rows, and how many rows broke each, warnings included."""
        dated = typed.with_columns(self._date().alias(PARTITION_DATE))
        broken_conditions = self.conditions.broken(dated)
        return self.conditions.failures(broken_conditions, dated), self.conditions.tally(broken_conditions, lines, src)

    def _undated(self, typed: pl.DataFrame) -> pl.DataFrame:
        column = self.spec.partition_date.column
        if column is None or not typed[column].has_nulls():
            return pl.DataFrame(schema=FAILURES)
        rows = typed[column].is_null().arg_true()
        return _every_row(len(rows), "the partition date is null", column).with_columns(rows.cast(pl.Int64).alias("row"))

    def _good(self, typed: pl.DataFrame, failures: pl.DataFrame, lines: pl.Series, src: pl.Series) -> pl.DataFrame:
        frame = typed.with_columns(lines.alias("_line"), src.alias("_src"))
        if failures.height:
            ok = pl.Series("ok", [True]).new_from_index(0, frame.height).scatter(failures["row"].unique().to_list(), False)
            frame = frame.filter(ok)
        return frame.with_columns(*self._marks())

    def _date(self) -> pl.Expr:
        """The partition date of a row."""
        column = self.spec.partition_date.column
        return pl.lit(self.landing_date) if column is None else pl.col(column).cast(pl.Date)

    def _marks(self) -> list[pl.Expr]:
        tombstone = self.spec.tombstone
        marks = [self._date().alias("_date")]
        if tombstone is not None:
            text = pl.col(tombstone.column).cast(pl.String)
            marks.append(text.is_in(list(tombstone.values)).fill_null(False).alias("_deleted"))
        return marks


def _table(failures: Sequence[Failure]) -> pl.DataFrame:
    """Failures of casts in the form of ``contract.broken``."""
    parts = []
    for one in failures:
        rows = one.rows.arg_true()
        told = (pl.lit(one.column).alias("column"), pl.lit(one.reason).alias("reason"))
        part = pl.DataFrame({"row": rows.cast(pl.Int64), "value": one.raw.gather(rows)})
        parts.append(part.with_columns(*told).select(list(FAILURES)))
    return pl.concat(parts) if parts else pl.DataFrame(schema=FAILURES)


def _with_raw_values(failures: pl.DataFrame, raw: pl.DataFrame, matching: Matching) -> pl.DataFrame:
    """What the file says, in place of the typed values that broke a rule."""
    parts = []
    for (column,), part in failures.partition_by("column", as_dict=True, maintain_order=True).items():
        name = matching.found.get(column) if column is not None else None
        if name is not None and raw.schema[name] == pl.String:
            parts.append(part.with_columns(raw[name].gather(part["row"]).alias("value")))
        else:
            parts.append(part)
    return pl.concat(parts) if parts else failures


def _every_row(height: int, reason: str, column: str | None = None) -> pl.DataFrame:
    return pl.DataFrame({"row": pl.int_range(height, eager=True)}).with_columns(
        pl.lit(column, pl.String).alias("column"), pl.lit(None, pl.String).alias("value"), pl.lit(reason).alias("reason")
    )


def _rules(failures: pl.DataFrame, chunk: RawChunk) -> Counter[str]:
    """How many rows broke each rule."""
    rules: Counter[str] = Counter(one.reason for one in chunk.bad)
    if failures.height:
        for column, reason, rows in failures.group_by("column", "reason").len().rows():
            rules[f"{column}: {reason}" if column else reason] += rows
    return rules
