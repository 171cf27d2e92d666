"""Where a dataset's records come from: the system, and how they are pulled from it when nobody pushes them.

What belongs here: what all sources have in common, and the rules that bind a source to the rest of its declaration. What does
not: the fields of one kind of source (``source_sql`` and its neighbours), and pulling (``extract``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from supply_lake.datasets.model import Cron, Declared
from supply_lake.datasets.part import Cursor, DayWindow
from supply_lake.datasets.source_files import FilesSource
from supply_lake.datasets.source_rest import RestSource
from supply_lake.datasets.source_sql import SqlSource


class Source(Declared):
    """Where the records come from: for people, for the snapshot record and, where they are pulled, how."""

    system: str = Field(description="The system of record, for example `sap-ewm`.")
    description: str = Field("", description="What the files are and how they come about.")
    contact: str = Field("", description="Who to ask when the source misbehaves.")
    metadata: dict[str, str] = Field(default_factory=dict, description="Free facts copied to every snapshot record.")
    schedule: Cron | None = Field(None, description="Cron line (UTC) on which the source is pulled.")
    sql: SqlSource | None = Field(None, description="Pull from a database.")
    rest: RestSource | None = Field(None, description="Pull from an HTTP API.")
    files: FilesSource | None = Field(None, description="Pull files from elsewhere.")

    @model_validator(mode="after")
    def _one_way_to_pull(self) -> Source:
        ways = [name for name in ("sql", "rest", "files") if getattr(self, name)]
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(f'`{name}`' for name in ways)} are two ways to pull; take one of them out")
        if self.schedule and not ways:
            raise ValueError("`schedule` is for sources that are pulled; say how with `sql`, `rest` or `files`, or take it out")
        return self

    @property
    def transport(self) -> Literal["sql", "rest", "files", ""]:
        """How the source is pulled; empty for one that producers push."""
        return "sql" if self.sql else "rest" if self.rest else "files" if self.files else ""

    @property
    def pulled(self) -> bool:
        """Whether the lake fetches the records itself."""
        return bool(self.transport)

    @property
    def cursor(self) -> Cursor | None:
        """The cursor, of whichever transport."""
        way = self.sql or self.rest
        return way.cursor if way else None

    @property
    def window(self) -> DayWindow | None:
        """The window, of whichever transport."""
        way = self.sql or self.rest
        return way.window if way else None

    @property
    def again_days(self) -> int:
        """How many days before today a scheduled pull reads again."""
        part = self.files or self.window
        return part.again_days if part else 0


def pull_problems(
    source: Source, *, format_type: str, mode: str, key_is_unique: bool, dated: bool
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What of the rest of a declaration does not go with its source: (field, what is wrong).

    :param key_is_unique: a row that is read again on another date meets its earlier self
    :param dated: a landing key can be made of any date and file name
    """
    if not source.pulled:
        return
    wanted = {"sql": "parquet", "rest": "jsonl"}.get(source.transport, format_type)
    if format_type != wanted:
        text = f"what `{source.transport}` pulls lands as {wanted}, not {format_type}; write `format: {{type: {wanted}}}`"
        yield ("format", "type"), text
    if mode == "append" and not source.files:
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
