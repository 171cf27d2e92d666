"""Which version of a dataset is meant: a commit, a time, or one snapshot; as text, as SQL, and as snapshots.

======================================  ===================================================================
``7``                                   as of commit 7; 0 is the dataset before its first one
``2026-11-01T00:00Z``, ``2026-11-01``   as of that time; without a zone it is UTC, and a date is its first moment
``019f6d2e-5c1a-7000-8000-000000000000``  that snapshot alone, live or not
======================================  ===================================================================

In SQL the version stands behind the table: ``orders@7``, ``orders__rows@'2026-11-01T00:00Z'``. For the engine it is the schema
that the table stands in, ``"@7".orders``, so the table keeps its name and needs no alias. No SQL changes its meaning by that:
DuckDB has no operator ``@`` between two values. What is a name, a string, a comment or an operator is told by DuckDB's own
tokenizer.

What belongs here: reading and spelling versions. What does not: what may be seen of them (``view``).
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from supply_lake.datasets.sql import identifier
from supply_lake.errors import QueryError, UsageError
from supply_lake.query.live_set import LiveSet, live_set, one_snapshot
from supply_lake.snapshots.store import MetadataStore

MARK = "@"
_NAME = re.compile(rb'"(?:[^"]|"")*"|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*')
_VERSION = re.compile(rb"(\d+)(?![.\w])|'((?:[^']|'')*)'")
_WORDS = (duckdb.token_type.identifier, duckdb.token_type.keyword)
_CONSTANTS = (duckdb.token_type.numeric_const, duckdb.token_type.string_const)


@dataclass(frozen=True, slots=True)
class Version:
    """One of the three is told."""

    commit: int | None = None
    time: dt.datetime | None = None
    snapshot: str = ""

    @staticmethod
    def parse(text: str) -> Version:
        """Read a version as a person writes it.

        :raises UsageError: it is none
        """
        text = text.strip()
        if text.isascii() and text.removeprefix("-").isdigit():
            return Version(commit=int(text))
        try:
            return Version(snapshot=str(uuid.UUID(text)))
        except ValueError:
            pass
        try:
            time = dt.datetime.fromisoformat(text)
        except ValueError as error:
            raise UsageError(
                f"{text!r} is no version; write a commit's number, a time such as 2026-11-01T00:00Z, or a snapshot's id"
            ) from error
        return Version(time=time.replace(tzinfo=dt.UTC) if time.tzinfo is None else time.astimezone(dt.UTC))

    @staticmethod
    def of(value: int | str | dt.datetime | Version) -> Version:
        """A version from whatever a program calls it by.

        :raises UsageError: it is none
        """
        if isinstance(value, Version):
            return value
        return Version.parse(value.isoformat() if isinstance(value, dt.datetime) else str(value))

    def live(self, metadata: MetadataStore, dataset: str) -> LiveSet:
        """The snapshots that are meant.

        :raises UnknownCommit: the dataset has no such commit
        :raises UnknownSnapshot: the dataset has no such snapshot, or it holds no rows
        :raises UsageError: the time is yet to come
        """
        if self.snapshot:
            return one_snapshot(metadata, dataset, self.snapshot)
        return live_set(metadata, dataset, as_of=self.time, commit=self.commit)

    def __str__(self) -> str:
        return self.snapshot or (str(self.commit) if self.time is None else self.time.isoformat())


def table(name: str, version: Version | None = None) -> str:
    """The table as SQL, in a version if one is given."""
    return identifier(name) if version is None else f"{identifier(f'{MARK}{version}')}.{identifier(name)}"


def spelled_out(sql: str) -> str:
    """The SQL with every ``name@version`` as a table of the version's schema.

    :raises QueryError: what stands behind the mark is no version
    """
    data, at, parts = sql.encode(), 0, []
    for start, end, name, version in _versioned(sql, data):
        parts += [data[at:start], identifier(f"{MARK}{version}").encode(), b".", name]
        at = end
    return b"".join([*parts, data[at:]]).decode()


def _versioned(sql: str, data: bytes) -> Iterator[tuple[int, int, bytes, str]]:
    """(start, end, name, version) of each, in order; places are bytes."""
    try:
        tokens = duckdb.tokenize(sql)
    except duckdb.Error:
        return  # the parser says what is wrong with it
    for (start, word), (mark, operator), (place, constant) in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if word not in _WORDS or operator != duckdb.token_type.operator or constant not in _CONSTANTS:
            continue
        name = _NAME.match(data, start)
        if name is None or data[mark:place].split(b"--")[0].split(b"/*")[0].strip() != MARK.encode():
            continue
        if word == duckdb.token_type.keyword and name[0].lower() in _BEFORE_VALUES:
            continue
        found = _VERSION.match(data, place)
        if found is None or found[0] == b"''":
            raise QueryError(f"{name[0].decode()}@… is no version; write name@7, or name@'2026-11-01T00:00Z'")
        text = (found[1] or found[2].replace(b"''", b"'")).decode()
        yield start, found.end(), name[0], text


_BEFORE_VALUES = frozenset(
    b"select where and or not on having when then else between in limit offset by is like ilike distinct all any some case "
    b"values return returning qualify using from as similar interval filter".split()
)
"""Keywords behind which ``@7`` is the absolute value of 7."""
