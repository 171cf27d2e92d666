"""Where a dataset's records come from: the system, and how they are pulled from it when nobody pushes them.

What belongs here: the fields of `source`, and what every kind of source shares: windows, cursors, secrets. What does not: rules
that bind a source to the rest of the declaration (``spec``), and pulling (``extract``).

A secret never stands in a dataset file. It stands in an environment variable, which the file names: ``{env: NAME}`` where a
field takes nothing else, ``${NAME}`` inside URLs and other texts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from supply_lake.datasets.model import Cron, Declared, Names

VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = re.compile(rf"\$\{{({VARIABLE})\}}")
"""``${NAME}`` in a text: the value of an environment variable."""
SECRET_NAME = re.compile(
    r"(?i)password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential|signature|authorization|cookie"
)
"""Names of parameters and headers whose values are secrets."""


class EnvVariable(Declared):
    """A value that stands in an environment variable."""

    env: str = Field(description="Name of the environment variable.")

    @field_validator("env")
    @classmethod
    def _names_a_variable(cls, value: str) -> str:
        if not re.fullmatch(VARIABLE, value):  # what stands here instead may be the secret: it is not repeated
            raise ValueError("this is no name of an environment variable; it takes letters, digits and underscores")
        return value


def _no_literal(value: Any) -> Any:
    if isinstance(value, EnvVariable) or (isinstance(value, dict) and value.keys() == {"env"}):
        return value
    raise ValueError("this takes no value, for files are read by many; write `{env: NAME}` and set that environment variable")


def _no_password(value: str) -> str:
    """The URL as it is, if every secret in it is a reference.

    :raises ValueError: without the URL's text, which holds a secret
    """
    try:
        parts = urlsplit(REFERENCE.sub("x", value))
        password, query = urlsplit(REFERENCE.sub("", value)).password, parse_qsl(urlsplit(REFERENCE.sub("", value)).query)
    except ValueError:
        raise ValueError("this is no URL; write it as scheme://user:${NAME}@host/…") from None
    if not REFERENCE.fullmatch(value) and not parts.scheme:
        raise ValueError("this is no URL; write it as scheme://user:${NAME}@host/…, or as ${NAME} alone")
    if password or any(SECRET_NAME.search(name) and text for name, text in query):
        raise ValueError("it carries a secret itself; write `${NAME}` in its place and set that environment variable")
    return value


Secret = Annotated[EnvVariable, BeforeValidator(_no_literal)]
"""``{env: NAME}``, and nothing else."""
SourceUrl = Annotated[str, AfterValidator(_no_password)]
"""A URL whose secrets are ``${NAME}``."""


class Cursor(Declared):
    """Pulls only what changed since the last pull."""

    by: str = Field(description="Column that grows with every change of a row: a time of change, or a sequence.")
    lag: float = Field(
        0,
        ge=0,
        description="How far behind the last position each pull begins again, for rows that are committed late: seconds for "
        "times, else units of the column. Rows that are read again fall out by their key.",
    )
    start: str | int | float | None = Field(None, description="Where the first pull begins; at the first row when left out.")


class DayWindow(Declared):
    """Pulls day by day: each partition holds the rows of its own date, so that any past day can be pulled again."""

    by: str = Field("", description="Column with the date or time that tells a row's day.")
    timezone: str = Field("UTC", description="Zone whose midnight begins a day.")
    again_days: int = Field(1, ge=0, description="How many days before today a scheduled pull reads again.")

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone is called {value!r}; `Europe/Paris` is an example") from None
        return value


class Split(Declared):
    """Reads a big table by several connections at once, each a range of keys, all in one snapshot. PostgreSQL only."""

    by: str = Field(description="Column of whole numbers, dates or times, best an indexed one, whose range is cut.")
    readers: int = Field(2, ge=2, le=32, description="How many connections read at once.")


class SqlSource(Declared):
    """A table or a query of a database. Without `cursor` and `window`, each pull reads all of it."""

    url: SourceUrl = Field(
        description="SQLAlchemy URL, such as `postgresql://reader:${ERP_PASSWORD}@erp/sales`, `mysql+pymysql://…` or "
        "`sqlite:////path`; secrets as `${NAME}`."
    )
    table: str = Field("", description="Table or view, `schema.table` or `table`.")
    query: str = Field("", description="Instead of a table, a SELECT without a semicolon at its end.")
    columns: Names = Field((), description="Columns to read; all that the table has when left out.")
    where: str = Field("", description="Condition in the database's SQL that rows have to meet.")
    cursor: Cursor | None = Field(None, description="Pull only what changed since the last pull.")
    window: DayWindow | None = Field(None, description="Pull the rows of one day for each partition.")
    split: Split | None = Field(None, description="Read by several connections at once.")

    @model_validator(mode="after")
    def _one_of_each(self) -> SqlSource:
        if bool(self.table) == bool(self.query):
            raise ValueError("give `table` or `query`, one of them")
        if self.query and (self.columns or self.where):
            raise ValueError("`columns` and `where` go with `table`; with `query`, write them into it")
        if self.cursor and self.window:
            raise ValueError("`cursor` and `window` are two ways to pull a part; take one of them out")
        if self.window and not self.window.by:
            raise ValueError("`window` needs `by`, the column that tells a row's day")
        return self


class Source(Declared):
    """Where the records come from: for people, for the snapshot record and, where they are pulled, how."""

    system: str = Field(description="The system of record, for example `sap-ewm`.")
    description: str = Field("", description="What the files are and how they come about.")
    contact: str = Field("", description="Who to ask when the source misbehaves.")
    metadata: dict[str, str] = Field(default_factory=dict, description="Free facts copied to every snapshot record.")
    schedule: Cron | None = Field(None, description="Cron line (UTC) on which the source is pulled.")
    sql: SqlSource | None = Field(None, description="Pull from a database.")

    @model_validator(mode="after")
    def _only_what_is_pulled_is_scheduled(self) -> Source:
        if self.schedule and not self.pulled:
            raise ValueError("`schedule` is for sources that are pulled; say how with `sql`, or take it out")
        return self

    @property
    def transport(self) -> Literal["sql", ""]:
        """How the source is pulled; empty for one that producers push."""
        return "sql" if self.sql else ""

    @property
    def pulled(self) -> bool:
        """Whether the lake fetches the records itself."""
        return bool(self.transport)

    @property
    def cursor(self) -> Cursor | None:
        """The cursor, of whichever transport."""
        return self.sql.cursor if self.sql else None

    @property
    def window(self) -> DayWindow | None:
        """The window, of whichever transport."""
        return self.sql.window if self.sql else None

    @property
    def again_days(self) -> int:
        """How many days before today a scheduled pull reads again."""
        return self.window.again_days if self.window else 0


def pull_problems(
    source: Source, *, format_type: str, mode: str, key_is_unique: bool, dated: bool
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What of the rest of a declaration does not go with its source: (field, what is wrong).

    :param key_is_unique: a row that is read again on another date meets its earlier self
    :param dated: a landing key can be made of any date and file name
    """
    if not source.pulled:
        return
    if source.sql and format_type != "parquet":
        yield (
            ("format", "type"),
            f"what is pulled by SQL lands as Parquet, not {format_type}; write `format: {{type: parquet}}`",
        )
    if mode == "append":
        yield ("mode",), "a pull that is run again would publish its rows twice with `mode: append`; take `replace` or `upsert`"
    if source.cursor and not (mode == "upsert" and key_is_unique):
        text = (
            "a cursor reads some rows again, under later dates; that needs `mode: upsert`, and `key_scope: dataset` or a "
            "`partition_date`"
        )
        yield ("source", source.transport, "cursor"), text
    if not dated:
        text = "a pulled dataset lands by date; its pattern needs {yyyy}, {mm}, {dd} and {file}, and no open folder"
        yield ("landing", "pattern"), text
