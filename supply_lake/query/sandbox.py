"""The walls around a DuckDB connection, and what its errors mean to a person.

What belongs here: opening, locking, and translating errors. What does not: which statements may run (``statement``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

import duckdb

from supply_lake.errors import QueryError, SupplyLakeError
from supply_lake.query.relations import quoted

_MISSING_TABLE = re.compile(r"Table with name (.+?) does not exist")
_MISSING_FILE = re.compile(r"No files found that match the pattern \"(.+?)\"|Cannot open file \"(.+?)\"")
_FORBIDDEN_FILE = re.compile(r"Cannot access (?:file|directory) \"(.+?)\"")
_PREFIX = re.compile(r"^(?:\w+ )+?Error: ")


def connect(*, memory_bytes: int, threads: int, temp_directory: Path) -> duckdb.DuckDBPyConnection:
    """An in-memory database that tells time in UTC, and knows no Python variable and no extension but the ones built in.

    :param threads: 0 takes one for every processor
    :param temp_directory: where it may spill; of this connection alone, for a query can read what is there
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
        "memory_limit": f"{memory_bytes}B",
        "temp_directory": str(temp_directory),
    }
    if threads:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, files: Iterable[str]) -> None:
    """From here on the connection reads these files and nothing else, and keeps these settings."""
    listed = ", ".join(quoted(file) for file in files)
    connection.execute(f"SET allowed_paths = [{listed}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def sentence(error: BaseException, tables: Collection[str]) -> SupplyLakeError:
    """The error as one sentence for a person.

    :param tables: names of the datasets that could have been meant
    """
    if isinstance(error.__cause__, SupplyLakeError):
        return error.__cause__
    text = str(error)
    if found := _MISSING_TABLE.search(text):
        return QueryError(f"there is no table {found[1]}; the datasets are {', '.join(tables) or 'none'}")
    if found := _MISSING_FILE.search(text):
        return _unread(Path(found[1] or found[2]))
    if found := _FORBIDDEN_FILE.search(text):
        return QueryError(f"a query may not read {found[1]}; it reads datasets, as tables, and nothing else")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("the query needs more memory than SUPPLY_LAKE_MEMORY_BYTES allows; raise it, or ask for less at once")
    first = _PREFIX.sub("", text.strip()).split("\n\nLINE ")[0]
    return QueryError(f"the query failed: {' '.join(first.split())}")


def _unread(file: Path) -> QueryError:
    """DuckDB says of a file in a folder that it may not enter that there is none."""
    try:
        file.open("rb").close()
    except FileNotFoundError:
        return QueryError(f"file {file} of the lake is missing; `supply-lake verify` says what else is")
    except OSError as error:
        return QueryError(
            f"file {file} of the lake cannot be opened ({error.strerror}); give this user the permission to read it"
        )
    return QueryError(f"file {file} of the lake could not be opened, and now it can; ask again")
