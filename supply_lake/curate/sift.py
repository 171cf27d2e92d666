"""Raw records of one header → good rows and rejected rows: match, cast, validate, split.

What belongs here: the row-wise half of curation, pure and safe to run in several threads. What does not: reading, and anything
that looks at more than one chunk (``dedupe``).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from supply_lake.curate import rejects
from supply_lake.curate.cast import CastResult, as_text, cast_column, polars_type
from supply_lake.curate.columns import Matching, match
from supply_lake.curate.contract import FAILURES, broken, judging, key_problems
from supply_lake.curate.raw import RawChunk
from supply_lake.curate.totals import Sum, sums_of
from supply_lake.datasets.spec import DatasetSpec, Evolution

OPTIONAL_COLUMNS = ("json", "jsonl")


@dataclass(slots=True)
class Sifted:
    """What became of one chunk.

    ``good`` has the declared columns in order, extra columns as text, ``_src`` (index of the source, Int32), ``_line``,
    ``_date`` (partition date) and, with a tombstone, ``_deleted``. ``aside`` has the rejects schema.
    """

    good: pl.DataFrame
    aside: pl.DataFrame
    landed: int
    rules: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    problem: str = ""
    sums: list[Sum] = field(default_factory=list)


class Sifter:
    """The contract of one dataset, ready to be applied to chunks."""

    def __init__(self, spec: DatasetSpec, landing_date: dt.date) -> None:
        self.spec, self.landing_date = spec, landing_date
        self.schema = judging(spec)
        self._optional = spec.format.type in OPTIONAL_COLUMNS
        self._match = lru_cache(maxsize=256)(self._matching)

    def _matching(self, header: tuple[str, ...]) -> Matching:
        return match(self.spec, header, optional=self._optional)

    def sift(self, chunk: RawChunk, src: pl.Series, names: Sequence[str]) -> Sifted:
        """Sort the chunk's records into good and rejected ones; every record is in one of the two.

        :param src: index of the source of every row of the chunk's frame
        :param names: keys of the sources by index
        """
        bad = rejects.from_bad_records(names, chunk.bad)
        height = chunk.frame.height
        matching = self._match(tuple(chunk.frame.columns))
        notes = Counter(chunk.notes)
        notes.update(dict.fromkeys(matching.notes, 1))
        typed, failures, coerced = self._cast(chunk.frame, matching)
        notes.update(coerced)
        failures = (
            _every_row(height, matching.problem) if matching.problem else self._judge(typed, failures, chunk.frame, matching)
        )
        good = self._good(typed, failures, chunk.lines, src)
        aside = bad
        if failures.height:
            keys = pl.Series("source", names, pl.String).gather(src)
            aside = pl.concat([bad, rejects.from_failures(keys, chunk.lines, chunk.frame, failures)])
        return Sifted(
            good=good,
            aside=aside,
            landed=height + len(chunk.bad),
            rules=_rules(failures, chunk),
            notes=notes,
            problem=matching.problem if self.spec.evolution is Evolution.FREEZE else "",
            sums=sums_of(self.spec, typed, src),
        )

    def _cast(self, raw: pl.DataFrame, matching: Matching) -> tuple[pl.DataFrame, pl.DataFrame, Counter[str]]:
        values: list[pl.Series] = []
        failures: list[pl.DataFrame] = []
        coerced: Counter[str] = Counter()
        for column in self.spec.columns:
            file_name = matching.found.get(column.name)
            if file_name is None:
                values.append(pl.Series(column.name, [None], dtype=polars_type(column.dtype)).new_from_index(0, raw.height))
                continue
            result = cast_column(raw[file_name], column, self.spec)
            values.append(result.values.alias(column.name))
            failures += _failures(result)
            coerced.update(result.notes)
        values += [as_text(raw[file]).alias(name) for name, file in matching.extras.items()]
        frame = pl.DataFrame(values) if values else pl.DataFrame()
        return frame, pl.concat(failures) if failures else pl.DataFrame(schema=FAILURES), coerced

    def _judge(self, typed: pl.DataFrame, failures: pl.DataFrame, raw: pl.DataFrame, matching: Matching) -> pl.DataFrame:
        """All failures: those of the casts, those of the contract, and those of the key."""
        declared = typed.select([column.name for column in self.spec.columns])
        found = [broken(self.schema, declared), key_problems(self.spec, declared), self._undated(declared)]
        # A value that could not be cast is null now; that it is null is no second fault.
        later = pl.concat([one for one in found if one.height] or [pl.DataFrame(schema=FAILURES)])
        if failures.height and later.height:
            later = later.join(failures.select("row", "column"), on=["row", "column"], how="anti", nulls_equal=True)
        return pl.concat([failures, _with_raw_values(later, raw, matching)])

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

    def _marks(self) -> list[pl.Expr]:
        column, tombstone = self.spec.partition_date.column, self.spec.tombstone
        date = pl.lit(self.landing_date) if column is None else pl.col(column).cast(pl.Date)
        marks = [date.alias("_date")]
        if tombstone is not None:
            text = pl.col(tombstone.column).cast(pl.String)
            marks.append(text.is_in(list(tombstone.values)).fill_null(False).alias("_deleted"))
        return marks


def _failures(result: CastResult) -> list[pl.DataFrame]:
    return [
        pl.DataFrame({"row": (rows := failure.rows.arg_true()).cast(pl.Int64), "value": failure.raw.gather(rows)})
        .with_columns(pl.lit(failure.column).alias("column"), pl.lit(failure.reason).alias("reason"))
        .select(list(FAILURES))
        for failure in result.failures
    ]


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
