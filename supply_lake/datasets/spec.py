"""The declaration of a dataset: what one ``<name>.yaml`` may say, as frozen pydantic models.

What belongs here: fields, their meaning, their defaults, and the rules that bind one field to another. What does not:
reading files (``registry``), building a pandera schema (``curate.contract``), and anything that imports pandas, polars or
pandera: every Dagster run pays for importing this module.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from supply_lake.datasets.column import Column, check_problems
from supply_lake.datasets.format import Format
from supply_lake.datasets.model import Cron, Declared, Names, PythonName
from supply_lake.datasets.quality import Rule, rule_problems
from supply_lake.datasets.source import Source, pull_problems
from supply_lake.datasets.totals import ExpectTotal, total_problems
from supply_lake.datasets.types import DataType
from supply_lake.storage.layout import KeyPattern

NAME = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"  # `__` sets apart the views `<name>__rows` and `<name>__rejects`
SYSTEM_COLUMN_PREFIX = "_"

Problem = tuple[tuple[str | int, ...], str]
"""Where in the declaration something is wrong, as a path of field names and indexes, and what."""


class Mode(StrEnum):
    """How a snapshot stands to what is live in its partition."""

    APPEND = "append"
    REPLACE = "replace"
    UPSERT = "upsert"


class Evolution(StrEnum):
    """How files are met that differ from the contract: in columns that it does not name, in values that a type cannot hold."""

    EVOLVE = "evolve"
    RESCUE = "rescue"
    DISCARD = "discard"
    FREEZE = "freeze"


class KeyScope(StrEnum):
    """Over which rows a primary key is unique: those of one partition date, or all live rows."""

    PARTITION = "partition"
    DATASET = "dataset"


class Landing(Declared):
    """Under which keys the files of this dataset land."""

    pattern: str = Field(
        "",
        description="Key below the landing root; `{yyyy}`, `{mm}`, `{dd}` give the date, `{file}` the file's name, "
        "`{path}` any depth, `*` anything. Default `<name>/{yyyy}/{mm}/{dd}/{file}`.",
    )
    same_content: Literal["skip", "publish"] = Field(
        "skip",
        description="What to do with bytes of this dataset that are published already under another name, same date.",
    )


class PartitionDate(Declared):
    """Which date a row's snapshot is filed under."""

    column: str | None = Field(None, description="A date or timestamp column; without it the landing date is used.")


class Tombstone(Declared):
    """Which rows say that their key is deleted."""

    column: str = Field(description="The column that tells.")
    values: tuple[str, ...] = Field(("true",), min_length=1, description="Values of the column, as text, that mean deleted.")


class Freshness(Declared):
    """When data counts as late."""

    max_age_hours: float = Field(gt=0, description="Hours after which the newest commit is stale.")


class DatasetSpec(Declared):
    """One dataset: its identity, its source, how to read it, and its contract."""

    name: str = Field(pattern=NAME, max_length=63, description="Name of the dataset, of its file and of its table.")
    description: str = Field(description="What one row is, and where the data come from, in a sentence or two.")
    owner: str = Field(description="An e-mail address or `team:name`.")
    group: str = Field("default", pattern=r"^[A-Za-z0-9_]+$", description="Group of the asset in the Dagster UI.")
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of the asset in the Dagster UI.")
    source: Source
    format: Format
    landing: Landing = Landing()
    start_date: dt.date = Field(dt.date(2020, 1, 1), description="First partition.")
    columns: tuple[Column, ...] = Field(min_length=1, description="The published columns, in their order.")
    primary_key: Names = Field((), description="The column, or columns, that tell one record from another.")
    key_scope: KeyScope = KeyScope.PARTITION
    order_by: str | None = Field(None, description="Of rows with one key, the one with the greatest value here stays.")
    deduplicate: Literal["key", "row", "none"] | None = Field(
        None, description="Default: `key` with a primary key, else `none`; `row` drops exact repeats."
    )
    mode: Mode = Mode.APPEND
    partition_date: PartitionDate = PartitionDate()
    tombstone: Tombstone | None = Field(None, description="Which rows say that their key is deleted.")
    error_threshold: float = Field(
        0.1, ge=0, le=1, description="Largest share of rejected rows with which a batch is still published."
    )
    evolution: Evolution = Evolution.EVOLVE
    row_checks: tuple[PythonName, ...] = Field(
        (), description="`module:function` taking a polars DataFrame, giving a boolean Series."
    )
    quality: tuple[Rule, ...] = Field((), description="Rules beyond single columns; each is a check of its own.")
    expect_total: ExpectTotal | None = Field(
        None, description="Control totals that every file carries; a file that disagrees with its own is set aside whole."
    )
    freshness: Freshness | None = Field(None, description="When the dataset counts as late.")
    schedule: Cron | None = Field(None, description="Cron line on which pending files are looked for besides the sensor.")

    @field_validator("owner")
    @classmethod
    def _owner_is_reachable(cls, value: str) -> str:
        if not re.fullmatch(r"team:[\w.\- ]+|[^@\s]+@[^@\s]+\.[^@\s]+", value):
            raise ValueError(f"{value!r} is neither an e-mail address nor `team:name`")
        return value

    @model_validator(mode="after")
    def _fields_agree(self) -> DatasetSpec:
        problems = [*self._column_problems(), *self._reference_problems()]
        problems = problems or [*self._key_problems(), *self._landing_problems(), *self._rule_problems()]
        problems = problems or [*self._pull_problems()]
        if problems:
            text = "; ".join(text for _, text in problems)
            raise PydanticCustomError("declaration", "{text}", {"text": text, "problems": problems})
        return self

    def _column_problems(self) -> Iterator[Problem]:
        seen: dict[str, str] = {}
        exact: set[str] = set()
        for index, column in enumerate(self.columns):
            other = seen.setdefault(column.name.casefold(), column.name)
            if column.name in exact:
                yield ("columns", index, "name"), f"column {column.name!r} is declared twice; take one of them out"
            elif column.name != other:
                text = f"columns {other!r} and {column.name!r} differ in case alone, which SQL cannot tell apart; rename one"
                yield ("columns", index, "name"), text
            exact.add(column.name)
            for where, text in check_problems(column):
                yield ("columns", index, "checks", where), text

    def _reference_problems(self) -> Iterator[Problem]:
        named: list[tuple[tuple[str | int, ...], str | None]] = [
            *((("primary_key", index), name) for index, name in enumerate(self.primary_key)),
            (("order_by",), self.order_by),
            (("partition_date", "column"), self.partition_date.column),
            (("tombstone", "column"), self.tombstone.column if self.tombstone else None),
        ]
        known = {column.name for column in self.columns}
        for at, name in named:
            if name is not None and name not in known:
                field = ".".join(str(part) for part in at if isinstance(part, str))
                yield at, f"`{field}` names {name!r}, which is no declared column; declare it under `columns`"
        if self.expect_total is not None:
            for below, text in total_problems(self.expect_total, self.format, self.columns):
                yield ("expect_total", *below), text

    def _key_problems(self) -> Iterator[Problem]:
        date = self.partition_date.column
        if date and self.column(date).dtype.name not in ("date", "timestamp"):
            text = f"`partition_date.column` {date!r} is of type {self.column(date).type}; it takes a date or a timestamp"
            yield ("partition_date", "column"), text
        for field, value, wants_key in (
            ("mode", "upsert", self.mode is Mode.UPSERT),
            ("key_scope", "dataset", self.key_scope is KeyScope.DATASET),
            ("deduplicate", "key", self.deduplicate == "key"),
            ("tombstone", "…", self.tombstone is not None),
        ):
            if wants_key and not self.primary_key:
                yield (field,), f"`{field}: {value}` needs a `primary_key`; name the column that tells one record from another"
        if self.key_scope is KeyScope.DATASET and self.mode is not Mode.UPSERT:
            yield ("key_scope",), f"`key_scope: dataset` needs `mode: upsert`, not {self.mode}"
        if self.mode is Mode.UPSERT and self.deduplicate not in (None, "key"):
            yield ("deduplicate",), "`mode: upsert` deduplicates by key; take `deduplicate` out"
        for index, part in enumerate(self.primary_key):
            if self.column(part).dtype.nested:
                yield ("primary_key", index), f"primary key column {part!r} is nested; a key is made of plain values"
        if self.order_by and self.column(self.order_by).dtype.nested:
            yield ("order_by",), f"`order_by` {self.order_by!r} is nested; only plain values have an order"
        kind = self.column(self.tombstone.column).dtype if self.tombstone else None
        if self.tombstone and kind and (kind.nested or kind.name == "binary"):
            yield ("tombstone", "column"), f"`tombstone.column` {self.tombstone.column!r} is {kind}; it takes plain values"

    def _rule_problems(self) -> Iterator[Problem]:
        for where, text in rule_problems(self.quality, self.types, self.partition_date.column):
            yield ("quality", *where), text

    def _landing_problems(self) -> Iterator[Problem]:
        try:
            self.key_pattern  # noqa: B018 - a pattern that cannot be used is an error of the declaration
        except ValueError as error:
            yield ("landing", "pattern"), str(error)

    def _pull_problems(self) -> Iterator[Problem]:
        try:
            self.key_pattern.key_for("a.file", self.start_date, self.start_date)
            dated = self.key_pattern.dated
        except ValueError:
            dated = False
        unique = self.key_scope is KeyScope.DATASET or self.partition_date.column is not None
        yield from pull_problems(self.source, format_type=self.format.type, mode=self.mode, key_is_unique=unique, dated=dated)

    def column(self, name: str) -> Column:
        """The declared column of this name; ``KeyError`` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def types(self) -> dict[str, DataType]:
        """The declared columns' types by name, in order."""
        return {column.name: column.dtype for column in self.columns}

    def is_nullable(self, column: Column) -> bool:
        """Whether null is allowed: as declared, else no for key columns and yes for others."""
        if column.nullable is not None:
            return column.nullable
        return column.name not in self.primary_key

    @property
    def dedupe_by(self) -> Literal["key", "row", "none"]:
        """What makes two rows of one partition the same."""
        return self.deduplicate or ("key" if self.primary_key else "none")

    @cached_property
    def key_pattern(self) -> KeyPattern:
        """The compiled landing key pattern."""
        return KeyPattern(self.landing.pattern or f"{self.name}/{{yyyy}}/{{mm}}/{{dd}}/{{file}}")
