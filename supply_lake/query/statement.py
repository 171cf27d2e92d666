"""One line of untrusted SQL → a statement that may run, and the tables that it names.

What belongs here: the decision, taken on the parsed statement, never on its text: it reads, it is one, and every table
function in it is harmless. What does not: running it (``engine``) and the walls around the engine itself (``sandbox``).
Both are needed: ``enable_logging()`` and ``enable_profiling()``, for instance, are functions that a SELECT may call, and make
DuckDB write a file, or the process end, whatever its settings forbid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from supply_lake.errors import QueryError

HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
        "generate_series",
        "histogram",
        "histogram_values",
        "json_each",
        "json_tree",
        "pg_timezone_names",
        "pragma_table_info",
        "pragma_version",
        "range",
        "repeat",
        "repeat_row",
        "summary",
        "unnest",
    }
)
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
_HINT = "a query is one statement that reads: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that may run. ``tables`` is ``None`` when it asks about all tables (``SHOW TABLES``)."""

    sql: str
    tables: frozenset[str] | None


def check(connection: duckdb.DuckDBPyConnection, sql: str) -> Statement:
    """Parse the SQL without binding it, and decide.

    :param connection: any connection; nothing is run on it but the parser
    :raises QueryError: saying what is wrong, or what it may not do
    """
    body = sql[found.end() :] if (found := _EXPLAIN.match(sql)) else sql
    nodes = list(_nodes(_parse(connection, body)))
    for node in nodes:
        name = str(node.get("function", {}).get("function_name", "")).lower() if node["type"] == "TABLE_FUNCTION" else ""
        if name and name not in HARMLESS_TABLE_FUNCTIONS:
            raise QueryError(f"a query may not call {name}(); it reads datasets, as tables, and nothing else")
    return Statement(sql, _tables(nodes))


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    parsed: dict[str, Any] = json.loads(row[0]) if row else {"error": True, "error_message": ""}
    if parsed["error"]:
        message = str(parsed["error_message"])
        if "Only SELECT" in message:
            raise QueryError(f"this lake only answers; {_HINT}")
        raise QueryError(f"the SQL cannot be read: {message or 'it is empty'}")
    count = len(parsed["statements"])
    if count != 1:
        raise QueryError(f"the SQL holds {count} statements; {_HINT}")
    return parsed


def _tables(nodes: list[dict[str, Any]]) -> frozenset[str] | None:
    named = {str(node["table_name"]) for node in nodes if node["type"] == "BASE_TABLE" and not node["schema_name"]}
    catalog = any(node["type"] == "BASE_TABLE" and node["schema_name"] for node in nodes)
    functions = any(node["type"] == "TABLE_FUNCTION" for node in nodes)
    shows = any(node["type"] == "SHOW_REF" for node in nodes) and not named
    return None if catalog or shows or (functions and not named) else frozenset(name.lower() for name in named)


def _nodes(tree: object) -> Iterator[dict[str, Any]]:
    """Every node of the parsed statement that says its type, however deep."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if isinstance(node.get("type"), str):
                yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
