"""One column of a contract: its names, its type, how its values are written, and the checks that they have to pass.

What belongs here: the fields of `columns`, and which checks a type can have. What does not: rules that bind a column to the
rest of the declaration (``spec``) and applying any of it (``curate.cast``, ``curate.contract``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from pydantic import Field, field_validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from supply_lake.datasets.format import Format
from supply_lake.datasets.model import Declared, Names, PythonName, Zone
from supply_lake.datasets.types import DataType, parse_type

_COLUMN = r"[A-Za-z][A-Za-z0-9_ .\-/#()%&+]*"
_TEXT_CHECKS = ("matches", "min_length", "max_length")
_BOUNDS = ("gt", "ge", "lt", "le")
_SETS = ("isin", "notin")
_TRUE = ("true", "True", "TRUE", "t", "1", "yes", "Yes", "YES", "y", "Y")
_FALSE = ("false", "False", "FALSE", "f", "0", "no", "No", "NO", "n", "N")


class Checks(Declared):
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


class Column(Declared):
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
    timezone: Zone = Field("UTC", description="Zone of timestamps that carry no offset. Stored in UTC.")
    nulls: tuple[str, ...] | None = Field(None, description="Texts that mean null in this column, instead of the format's.")
    integral_floats: bool = Field(False, description="Integers may be written as `17850.0`; counted as coerced.")
    true_values: tuple[str, ...] = Field(_TRUE, description="Texts that mean true.")
    false_values: tuple[str, ...] = Field(_FALSE, description="Texts that mean false.")
    checks: Checks = Field(Checks(), description="Rules for the values.")

    def nulls_in(self, form: Format) -> tuple[str, ...]:
        """The texts that mean null in this column, of files of that format."""
        return form.null_values if self.nulls is None else self.nulls

    @field_validator("type")
    @classmethod
    def _type_parses(cls, value: str) -> str:
        kind = parse_type(value)
        if not kind.declarable:
            raise ValueError(f"{value!r} cannot be declared; name the type that the values will have")
        return str(kind)

    @cached_property
    def dtype(self) -> DataType:
        """The parsed type."""
        return parse_type(self.type)

    @property
    def names_in_files(self) -> tuple[str, ...]:
        """The names under which files may carry the column, the preferred one first."""
        return self.source or (self.name,)


def check_problems(column: Column) -> Iterator[tuple[str, str]]:
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
