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
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError, SchemaError, SchemaValidator, core_schema

from supply_lake.datasets.types import DataType, parse_type
from supply_lake.storage.layout import KeyPattern

NAME = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"  # `__` sets apart the views `<name>__rows` and `<name>__rejects`
SYSTEM_COLUMN_PREFIX = "_"
_COLUMN = r"[A-Za-z][A-Za-z0-9_ .\-/#()%&+]*"
_PYTHON_NAME = r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"
_CRON = r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[\d*/,\-]+( +[\dA-Za-z*/,\-]+){4})$"
_TEXT_CHECKS = ("matches", "min_length", "max_length")
_BOUNDS = ("gt", "ge", "lt", "le")
_SETS = ("isin", "notin")

Problem = tuple[tuple[str | int, ...], str]
"""Where in the declaration something is wrong, as a path of field names and indexes, and what."""


class Mode(StrEnum):
    """How a snapshot stands to what is live in its partition."""

    APPEND = "append"
    REPLACE = "replace"
    UPSERT = "upsert"


class Evolution(StrEnum):
    """What happens to columns that the contract does not name."""

    EVOLVE = "evolve"
    DISCARD = "discard"
    FREEZE = "freeze"


class KeyScope(StrEnum):
    """Over which rows a primary key is unique: those of one partition date, or all live rows."""

    PARTITION = "partition"
    DATASET = "dataset"


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
"""One name, or several."""
PythonName = Annotated[str, Field(pattern=_PYTHON_NAME)]
"""``module:function``"""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Model):
    """Where the records come from, for people and for the snapshot record."""

    system: str = Field(description="The system of record, for example `sap-ewm`.")
    description: str = Field("", description="What the files are and how they come about.")
    contact: str = Field("", description="Who to ask when the source misbehaves.")
    metadata: dict[str, str] = Field(default_factory=dict, description="Free facts copied to every snapshot record.")


class Format(_Model):
    """How to read the files. Compression is told by the bytes, never by the name."""

    type: Literal["csv", "json", "jsonl", "parquet"] = Field(
        description="`json` is one document (an array, or an object with `records_path`); `jsonl` is a record a line."
    )
    delimiter: str = Field(",", min_length=1, max_length=1, description="CSV: what stands between two values.")
    quote: str = Field('"', max_length=1, description="Empty for files that quote nothing.")
    encoding: str = Field("utf-8", description="Any codec that Python knows; a byte order mark is taken off.")
    header: bool = Field(True, description="False: the file has no header line and the columns are in declared order.")
    null_values: tuple[str, ...] = Field(
        ("",), description="Texts that mean null in every column but text columns with `nulls` of their own."
    )
    records_path: str = Field("", description="JSON: dotted path to the array of records, for example `data.items`.")
    trim: bool = Field(False, description="Strip white space around every value before it is cast.")
    decimal_mark: Literal[".", ","] = Field(".", description="What stands before the decimals of a number.")
    thousands_mark: Literal["", ",", ".", " ", "'"] = Field("", description="What may stand between groups of three digits.")

    @field_validator("encoding")
    @classmethod
    def _encoding_exists(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError:
            raise ValueError(f"Python knows no encoding {value!r}; `utf-8`, `utf-16` and `latin-1` are examples") from None
        return value

    @model_validator(mode="after")
    def _marks_differ(self) -> Format:
        if self.thousands_mark == self.decimal_mark:
            raise ValueError("`decimal_mark` and `thousands_mark` are the same")
        return self


class Landing(_Model):
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


class Checks(_Model):
    """Rules for one column's values. A row that breaks one is rejected."""

    gt: int | float | str | None = Field(None, description="Greater than; dates as ISO text, decimals as text.")
    ge: int | float | str | None = Field(None, description="Greater than or equal to.")
    lt: int | float | str | None = Field(None, description="Less than.")
    le: int | float | str | None = Field(None, description="Less than or equal to.")
    isin: tuple[str | int | float | bool, ...] | None = Field(None, description="The allowed values.")
    notin: tuple[str | int | float | bool, ...] | None = Field(None, description="The forbidden values.")
    matches: str | None = Field(None, description="A regular expression that the whole text must match.")
    min_length: int | None = Field(None, ge=0, description="Least number of characters.")
    max_length: int | None = Field(None, ge=0, description="Greatest number of characters.")
    python: tuple[PythonName, ...] = Field((), description="`module:function` taking a polars Series, giving a boolean Series.")

    @field_validator("matches")
    @classmethod
    def _regex_compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:  # the dialect is that of Rust, which Polars speaks and pydantic has at hand
                SchemaValidator(core_schema.str_schema(pattern=value))
            except SchemaError as error:
                why = str(error).strip().rpartition("\n")[2].removeprefix("error: ")
                raise ValueError(f"{value!r} is no regular expression ({why}); the dialect is that of Rust") from None
        return value


class Column(_Model):
    """One column of the published table."""

    name: str = Field(pattern=f"^{_COLUMN}$", max_length=128, description="Name of the column in the published table.")
    type: str = Field(
        description="`string`, `boolean`, `int8` … `int64`, `uint8` … `uint64`, `float32`, `float64`, `decimal(p,s)`, `date`, "
        "`time`, `timestamp`, `json`, `binary`, `list<T>` or `struct<name:T,…>`."
    )
    description: str = Field("", description="What the values mean.")
    unit: str = Field("", description="For example `USD`, `kg`, `pieces`.")
    nullable: bool | None = Field(None, description="Default: true, but false for primary key columns.")
    source: Names = Field(
        (), description="Names that the files use for it; for nested JSON, dotted paths. Default: its own name."
    )
    formats: Names = Field((), description="strptime formats of dates and timestamps, tried in order. Default ISO 8601.")
    timezone: str = Field("UTC", description="Zone of timestamps that carry no offset. Stored in UTC.")
    nulls: tuple[str, ...] | None = Field(None, description="Texts that mean null in this column, instead of the format's.")
    integral_floats: bool = Field(False, description="Integers may be written as `17850.0`; counted as coerced.")
    true_values: tuple[str, ...] = Field(("true", "True", "TRUE", "1", "yes", "Y"), description="Texts that mean true.")
    false_values: tuple[str, ...] = Field(("false", "False", "FALSE", "0", "no", "N"), description="Texts that mean false.")
    checks: Checks = Field(Checks(), description="Rules for the values.")

    @field_validator("type")
    @classmethod
    def _type_parses(cls, value: str) -> str:
        return str(parse_type(value))

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone is called {value!r}; `Europe/Paris` is an example") from None
        return value

    @cached_property
    def dtype(self) -> DataType:
        """The parsed type."""
        return parse_type(self.type)

    @property
    def names_in_files(self) -> tuple[str, ...]:
        """The names under which files may carry the column, the preferred one first."""
        return self.source or (self.name,)


class PartitionDate(_Model):
    """Which date a row's snapshot is filed under."""

    column: str | None = Field(None, description="A date or timestamp column; without it the landing date is used.")


class Tombstone(_Model):
    """Which rows say that their key is deleted."""

    column: str = Field(description="The column that tells.")
    values: tuple[str, ...] = Field(("true",), min_length=1, description="Values of the column, as text, that mean deleted.")


class Freshness(_Model):
    """When data counts as late."""

    max_age_hours: float = Field(gt=0, description="Hours after which the newest commit is stale.")


class DatasetSpec(_Model):
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
    freshness: Freshness | None = Field(None, description="When the dataset counts as late.")
    schedule: str | None = Field(
        None, pattern=_CRON, description="Cron line on which pending files are looked for besides the sensor."
    )

    @field_validator("owner")
    @classmethod
    def _owner_is_reachable(cls, value: str) -> str:
        if not re.fullmatch(r"team:[\w.\- ]+|[^@\s]+@[^@\s]+\.[^@\s]+", value):
            raise ValueError(f"{value!r} is neither an e-mail address nor `team:name`")
        return value

    @model_validator(mode="after")
    def _fields_agree(self) -> DatasetSpec:
        problems = [*self._column_problems(), *self._reference_problems()]
        problems = problems or [*self._key_problems(), *self._landing_problems()]
        if problems:
            text = "; ".join(text for _, text in problems)
            raise PydanticCustomError("declaration", "{text}", {"text": text, "problems": problems})
        return self

    def _column_problems(self) -> Iterator[Problem]:
        seen: dict[str, str] = {}
        for index, column in enumerate(self.columns):
            other = seen.setdefault(column.name.casefold(), column.name)
            if column.name == other and any(column.name == before.name for before in self.columns[:index]):
                yield ("columns", index, "name"), f"column {column.name!r} is declared twice; take one of them out"
            elif column.name != other:
                text = f"columns {other!r} and {column.name!r} differ in case alone, which SQL cannot tell apart; rename one"
                yield ("columns", index, "name"), text
            for where, text in _check_problems(column):
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

    def _landing_problems(self) -> Iterator[Problem]:
        try:
            self.key_pattern  # noqa: B018 - a pattern that cannot be used is an error of the declaration
        except ValueError as error:
            yield ("landing", "pattern"), str(error)

    def column(self, name: str) -> Column:
        """The declared column of this name; ``KeyError`` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

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


def _check_problems(column: Column) -> Iterator[tuple[str, str]]:
    """Checks that the column's type cannot have: (name of the check, what is wrong)."""
    kind, checks = column.dtype, column.checks
    for name in (*_TEXT_CHECKS, *_BOUNDS, *_SETS):
        value = getattr(checks, name)
        if value is None:
            continue
        if name in _TEXT_CHECKS and kind.name not in ("string", "json"):
            yield name, f"`{name}` is for text, and {column.name!r} is of type {kind}; use gt, ge, lt, le or isin"
        elif name in _BOUNDS and (kind.nested or kind.name in ("boolean", "json", "binary")):
            yield name, f"`{name}` needs an order, which {kind} ({column.name!r}) does not have"
        elif name not in _TEXT_CHECKS:
            for one in value if name in _SETS else (value,):
                if not kind.can_hold(one):
                    yield name, f"`{name}` of {column.name!r} has {one!r}, which is no {kind}{_hint(one, kind)}"


def _hint(value: object, kind: DataType) -> str:
    if kind.name in ("date", "time", "timestamp"):
        return "; write it as ISO 8601"
    return f'; write it in quotes: "{value}"' if kind.name == "string" else ""
