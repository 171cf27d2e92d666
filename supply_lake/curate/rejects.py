"""The table of what was set aside: one row for every landed row that was not published, with every reason.

What belongs here: the schema of that table and the builders of its frames. What does not: deciding what is set aside, and
reading rows from the table again (``read_rejects``).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import polars as pl

from supply_lake.curate import cast_moments
from supply_lake.curate.cast import as_text
from supply_lake.curate.raw import BadRecord
from supply_lake.curate.schema import LINEAGE

REASON = pl.Struct({"column": pl.String, "value": pl.String, "reason": pl.String})
SCHEMA: dict[str, pl.DataType] = {
    "outcome": pl.String(),
    "source": pl.String(),
    "line": pl.Int64(),
    "reasons": pl.List(REASON),
    "raw": pl.String(),
    "form": pl.String(),
    "header": pl.String(),
    "exact": pl.Binary(),
}
REJECTED, DEDUPLICATED = "rejected", "deduplicated"


class Form(StrEnum):
    """What ``raw`` is, for whoever reads it again."""

    FIELDS = "fields"  # a JSON object of the values that the file has, under its names
    TEXT = "text"  # a record that could not be parsed; see ``BadRecord`` for ``header`` and ``exact``
    PUBLISHED = "published"  # a JSON object of typed values under the contract's names, as ``as_json`` writes them


def from_bad_records(names: Sequence[str], bad: Sequence[BadRecord]) -> pl.DataFrame:
    """Records that could not be told apart; ``names`` are the keys of the sources by index."""
    return pl.DataFrame(
        {
            "outcome": [REJECTED] * len(bad),
            "source": [names[one.source] for one in bad],
            "line": [one.line for one in bad],
            "reasons": [[{"column": None, "value": None, "reason": one.reason}] for one in bad],
            "raw": [one.raw for one in bad],
            "form": [str(Form.TEXT)] * len(bad),
            "header": [one.header for one in bad],
            "exact": [one.exact for one in bad],
        },
        schema=SCHEMA,
    )


def from_failures(sources: pl.Series, lines: pl.Series, raw: pl.DataFrame, failures: pl.DataFrame) -> pl.DataFrame:
    """Rows that could be read but break the contract.

    :param sources: key of the source of every row of the chunk
    :param lines: line of every row of the chunk
    :param raw: the chunk's raw columns under the names that the file has
    :param failures: ``row``, ``column``, ``value``, ``reason``, several per row possible
    """
    by_row = (
        failures.group_by("row", maintain_order=True).agg(pl.struct("column", "value", "reason").alias("reasons")).sort("row")
    )
    rows = by_row["row"]
    return _table(
        REJECTED,
        Form.FIELDS,
        pl.DataFrame([sources.gather(rows).alias("source"), lines.gather(rows).alias("line"), by_row["reasons"]]),
        raw[rows.to_list()],
    )


def from_good_rows(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    """Good rows of a batch that is refused whole. ``rows`` has the declared columns and the lineage columns."""
    return _from_rows(rows, REJECTED, pl.lit(reason))


def from_barred(rows: pl.DataFrame, reasons: pl.Series) -> pl.DataFrame:
    """Good rows that a rule on more than the row set aside, in the form of ``from_good_rows``, each with its own reasons."""
    if not rows.height:
        return pl.DataFrame(schema=SCHEMA)
    return _from_rows(rows, REJECTED, pl.lit("")).with_columns(reasons.cast(pl.List(REASON)).alias("reasons"))


def from_duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that lost against another row of their key; ``_winner`` tells against which."""
    return _from_rows(rows, DEDUPLICATED, pl.col("_winner"))


def _from_rows(rows: pl.DataFrame, outcome: str, reason: pl.Expr) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    told = rows.select(
        pl.col("_source").alias("source"),
        pl.col("_line").alias("line"),
        pl.concat_list(pl.struct(nothing.alias("column"), nothing.alias("value"), reason.alias("reason"))).alias("reasons"),
    )
    return _table(outcome, Form.PUBLISHED, told, rows.select(pl.exclude(*LINEAGE, "_winner")))


def _table(outcome: str, form: Form, told: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """The table of rows that could be parsed.

    :param told: ``source``, ``line`` and ``reasons`` of each
    """
    given = {"outcome": pl.lit(outcome), "form": pl.lit(str(form)), "header": pl.lit(None), "exact": pl.lit(None)}
    frame = told.with_columns(as_json(values).alias("raw"))
    return frame.select(given.get(name, pl.col(name)).cast(kind).alias(name) for name, kind in SCHEMA.items())


def place(source: str, line: int | None) -> str:
    """Where a row came from, as a person looks for it: ``orders/2026/11/01/a.csv:7``."""
    return source if line is None else f"{source}:{line}"


def as_json(frame: pl.DataFrame) -> pl.Series:
    """Each row as one JSON object; values that JSON has no form for are text, from which they can be read again."""
    if not frame.width:
        return pl.repeat("{}", frame.height, dtype=pl.String, eager=True)
    plain = pl.DataFrame([_plain(column) for column in frame.iter_columns()])
    return plain.select(pl.struct(pl.all()).struct.json_encode().alias("raw"))["raw"]


def _plain(values: pl.Series) -> pl.Series:
    kind = values.dtype
    if kind.is_float():
        return values if values.is_finite().all() else values.cast(pl.String)
    if _in_json(kind):
        return values
    if kind in (pl.Date, pl.Datetime):
        return cast_moments.as_text(values, iso=True)
    return values.dt.to_string("iso:strict") if kind == pl.Time else as_text(values)


def _in_json(kind: Any) -> bool:
    """Whether JSON has a form for values of the type."""
    if isinstance(kind, pl.Struct):
        return all(_in_json(field.dtype) for field in kind.fields)
    if isinstance(kind, pl.List):
        return _in_json(kind.inner)
    return kind in (pl.String, pl.Boolean, pl.Null) or kind.is_integer() or kind.is_float()
