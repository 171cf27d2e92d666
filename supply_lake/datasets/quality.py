"""Rules of a dataset beyond single columns: what a batch is held to as a whole, and against what is live.

What belongs here: the fields of `quality`, and how a rule may be written. What does not: evaluating rules
(``curate.conditions`` those on a row, the room ``quality`` the others), and whether the dataset that a `references` rule names
is there (``registry``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from supply_lake.datasets import condition
from supply_lake.datasets.model import Declared, Names
from supply_lake.datasets.types import DataType

RESERVED = ("contract", "conservation")
"""Checks that every dataset has; a rule is a check of its own, so it takes no name of these."""
NUMBERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "decimal")
_OF_ROWS = ("row", "unique", "references")
_KINDS = (*_OF_ROWS, "row_count", "sum", "monotone", "unlike_previous")

RuleProblem = tuple[tuple[str | int, ...], str]
"""Where in the list of rules something is wrong, and what."""


class Severity(StrEnum):
    """`reject` sets aside the row, or refuses the batch, that breaks the rule; `warn` publishes it and says so."""

    WARN = "warn"
    REJECT = "reject"


class Unique(Declared):
    """No two live rows have the same values in these columns. Rows with a null among them are not compared."""

    columns: Names = Field(min_length=1, description="The columns that together are unique.")
    within: Literal["dataset", "partition"] = Field(
        "dataset", description="Among all live rows, or among those of one partition date."
    )


class References(Declared):
    """The values stand in another dataset. Rows with a null among them are not looked up."""

    columns: Names = Field(min_length=1, description="The columns of this dataset.")
    dataset: str = Field(description="The dataset whose live rows have them.")
    their: Names = Field((), description="Its columns, in the same order. Default: those of the same names.")

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Our column and theirs."""
        return tuple(zip(self.columns, self.their or self.columns, strict=False))


class History(Declared):
    """The median of the most recent ones before, as a measure of what is usual."""

    at_least: float | None = Field(0.5, ge=0, description="Least share of the median.")
    at_most: float | None = Field(2.0, gt=0, description="Greatest share of the median.")
    last: int = Field(7, ge=1, le=365, description="Of how many the median is taken.")
    needs: int = Field(3, ge=1, description="With fewer than so many before, nothing is compared.")


class _Bounds(Declared):
    """What the bounds of a count and of a sum have in common."""

    at_least: float | None = Field(None, description="Least value.")
    at_most: float | None = Field(None, description="Greatest value.")
    history: History | None = Field(None, description="Bounds that follow recent values; `{}` takes the defaults.")
    over: Literal["partition", "batch"] = Field(
        "partition",
        description="`partition`: all live rows of a date as they are after the commit, against the dates before it. `batch`: "
        "the rows that a batch publishes, against the batches before it.",
    )

    @model_validator(mode="after")
    def _bound_by_something(self) -> _Bounds:
        if self.at_least is None and self.at_most is None and self.history is None:
            raise ValueError("bounds nothing; give it `at_least`, `at_most` or `history: {}`")
        return self


class RowCount(_Bounds):
    """The number of rows is within bounds."""


class Sum(_Bounds):
    """The sum of a column is within bounds."""

    column: str = Field(description="A column of numbers.")


class Monotone(Declared):
    """From one partition date to the next the value does not fall, as in a cumulative series."""

    column: str = Field(description="A column of numbers.")
    by: Literal["sum", "max"] = Field("sum", description="What is taken of the column over a partition.")


class UnlikePrevious(Declared):
    """A partition does not repeat the one before it, as a file that was sent again under a new date does."""

    max_share: float = Field(
        0.9, ge=0, lt=1, description="Greatest share of the batch's rows of a date that the date before, or after, has too."
    )
    ignore: Names = Field((), description="Columns in which rows may differ and are the same still.")


class Rule(Declared):
    """One rule, of exactly one kind: `row`, `unique`, `references`, `row_count`, `sum`, `monotone` or `unlike_previous`."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
        max_length=63,
        description="Name of the rule, of its check in Dagster, and of the reason for which rows are rejected.",
    )
    description: str = Field("", description="Why the rule is there, for people.")
    severity: Severity = Field(
        Severity.REJECT,
        description="`reject`: rows that break it are rejected, or the batch is refused whole. `warn`: published and recorded.",
    )
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Of `row`, `unique` and `references`: the largest share of rows that may break the rule before it fails, "
        "and with `reject` refuses the batch. Default: 0 with `warn`, the dataset's `error_threshold` with `reject`.",
    )
    row: str | None = Field(
        None, description="An SQL condition on one row, true for good rows; `_partition_date` is the date it is filed under."
    )
    unique: Unique | None = Field(None, description="No two live rows have the same values.")
    references: References | None = Field(None, description="Values stand in another dataset.")
    row_count: RowCount | None = Field(None, description="Bounds of the number of rows.")
    sum: Sum | None = Field(None, description="Bounds of the sum of a column.")
    monotone: Monotone | None = Field(None, description="A value that does not fall from date to date.")
    unlike_previous: UnlikePrevious | None = Field(None, description="A date's rows are not those of the date before.")

    @model_validator(mode="after")
    def _has_one_kind(self) -> Rule:
        kinds = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(kinds) != 1:
            told = f"has {' and '.join(kinds)}" if kinds else "says nothing"
            raise ValueError(f"a rule {told}; give it one of {', '.join(_KINDS)}")
        if self.threshold is not None and kinds[0] not in _OF_ROWS:
            raise ValueError(f"`threshold` is for rules on rows ({', '.join(_OF_ROWS)}); take it out of this {kinds[0]}")
        return self

    @property
    def kind(self) -> str:
        """Which kind of rule it is, by its field."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @property
    def bounds(self) -> RowCount | Sum | None:
        """The bounds of a ``row_count`` or ``sum`` rule."""
        return self.row_count or self.sum

    @property
    def looks_at_live_rows(self) -> bool:
        """Whether what it says depends on what of the dataset is live."""
        return self.kind not in ("row", "references")

    @property
    def judges_deliveries(self) -> bool:
        """Whether it is about what a batch brings as a whole."""
        return self.unlike_previous is not None or (self.bounds is not None and self.bounds.over == "batch")

    @property
    def rejects_rows(self) -> bool:
        """Whether rows that break it are set aside."""
        return self.severity is Severity.REJECT and self.kind in _OF_ROWS

    def allows(self, error_threshold: float) -> float:
        """The share of rows that may break the rule before it fails."""
        if self.threshold is not None:
            return self.threshold
        return 0.0 if self.severity is Severity.WARN else error_threshold


def rule_problems(
    rules: tuple[Rule, ...], types: Mapping[str, DataType], partition_column: str | None
) -> Iterator[RuleProblem]:
    """What is wrong with the rules of a dataset with these columns."""
    first: dict[str, int] = {}
    for index, rule in enumerate(rules):
        if rule.name in RESERVED:
            yield (index, "name"), f"every dataset has a check {rule.name!r} of its own; give the rule another name"
        if first.setdefault(rule.name, index) != index:
            yield (index, "name"), f"rule {rule.name!r} is declared twice; a name tells one rule"
        for where, text in _problems(rule, types, partition_column):
            yield (index, *where), text


def _problems(rule: Rule, types: Mapping[str, DataType], partition_column: str | None) -> Iterator[RuleProblem]:
    unknown = False
    for where, name in _named(rule):
        if name not in types:
            unknown = True
            yield where, f"`{rule.kind}` names {name!r}, which is no declared column; declare it under `columns`"
    if rule.row is not None and (text := condition.problem(rule.row, condition.types_of(types))):
        yield ("row",), f"the condition of rule {rule.name!r} cannot be used: {text}"
    if rule.references is not None and rule.references.their and len(rule.references.their) != len(rule.references.columns):
        yield ("references", "their"), "`their` names another number of columns than `columns`; name one for each"
    if unknown:
        return
    summed = rule.sum or rule.monotone
    if summed is not None and types[summed.column].name not in NUMBERS:
        yield (
            (rule.kind, "column"),
            f"column {summed.column!r} is {types[summed.column]}; `{rule.kind}` takes a column of numbers",
        )
    keyed = rule.unique or rule.references
    for index, name in enumerate(keyed.columns if keyed else ()):
        if types[name].nested:
            yield (rule.kind, "columns", index), f"column {name!r} is nested; `{rule.kind}` compares plain values"
    if rule.unlike_previous is not None and not compared(rule.unlike_previous, types, partition_column):
        yield ("unlike_previous", "ignore"), "no column is left to compare; ignore fewer"


def _named(rule: Rule) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every column that the rule names, and where."""
    for kind, field in (("unique", "columns"), ("references", "columns"), ("unlike_previous", "ignore")):
        part = getattr(rule, kind)
        for index, name in enumerate(getattr(part, field) if part else ()):
            yield (kind, field, index), name
    for kind in ("sum", "monotone"):
        if part := getattr(rule, kind):
            yield (kind, "column"), part.column


def compared(rule: UnlikePrevious, types: Mapping[str, DataType], partition_column: str | None) -> tuple[str, ...]:
    """The columns that make two rows of different dates the same: all but the ignored and the one that tells the date."""
    return tuple(name for name in types if name not in rule.ignore and name != partition_column)
