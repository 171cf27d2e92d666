"""One line of untrusted SQL → a statement that may run, and the tables that it names.

What belongs here: the decision, taken on the parsed statement, never on its text: it reads, it is one, its tables are tables
of the lake, and every function in it is harmless. What does not: running it (``engine``) and the walls around the engine itself
(``sandbox``). Both are needed: ``enable_logging()`` and ``enable_profiling()``, for instance, are functions that a SELECT may
call, and make DuckDB write a file, or the process end, whatever its settings forbid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from supply_lake.errors import QueryError
from supply_lake.query.versions import MARK, spelled_out

HARMLESS_TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_keywords",
        "duckdb_schemas",
        "duckdb_tables",
        "duckdb_types",
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
HARMFUL_FUNCTIONS = frozenset(
    {
        "current_setting",  # where files lie on this machine
        "getenv",
        "getvariable",
        "json_execute_serialized_sql",
        "json_serialize_plan",  # binds whatever query it is given, and binding may open files
        "pg_get_viewdef",  # names the files
        "pg_sleep",
        "sleep_ms",
        "write_log",
    }
)
CATALOG = {"": {"duckdb_columns", "duckdb_tables"}, "information_schema": {"columns", "schemata", "tables"}}
"""Tables about tables, by schema, that tell nothing of this machine."""
_EXPLAIN = re.compile(r"\s*explain\s+(?:analyze\s+)?", re.IGNORECASE)
_HINT = "a query is one statement that reads: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"
_NOTHING_ELSE = "it reads datasets, as tables, and nothing else"
Node = dict[str, Any]


@dataclass(frozen=True, order=True, slots=True)
class Named:
    """A table that a statement names, in lower case, and the version behind it as it was written; empty for none."""

    table: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that may run.

    ``all_tables`` is told when it asks about all tables (``SHOW TABLES``), whatever it names. ``ctes`` are the names of its
    common table expressions, in lower case.
    """

    sql: str
    parsed: Node
    tables: frozenset[Named]
    all_tables: bool
    ctes: frozenset[str] = frozenset()


def check(connection: duckdb.DuckDBPyConnection, sql: str, known: Collection[str], datasets: Collection[str] = ()) -> Statement:
    """Parse the SQL without binding it, and decide.

    :param connection: any connection; nothing is run on it but the parser
    :param known: every table that there is
    :param datasets: those of them that a message names
    :raises QueryError: saying what is wrong, or what it may not do
    """
    sql = spelled_out(sql)
    parsed = _parse(connection, sql[found.end() :] if (found := _EXPLAIN.match(sql)) else sql)
    found_nodes = list(nodes(parsed))
    for node in found_nodes:
        _refuse_function(node)
    ctes = _ctes(found_nodes)
    named: set[Named] = set()
    catalog = False
    for node in found_nodes:
        if node["type"] != "BASE_TABLE":
            continue
        schema, table = str(node["schema_name"]).lower(), str(node["table_name"]).lower()
        if _is_catalog(node, schema, table):
            catalog = True
        elif schema or table not in ctes or table in known:
            named.add(_of_the_lake(node, known, datasets))
    functions = any(node["type"] == "TABLE_FUNCTION" for node in found_nodes)
    shows = any(node["type"] == "SHOW_REF" for node in found_nodes)
    return Statement(sql, parsed, frozenset(named), catalog or ((shows or functions) and not named), ctes)


def nodes(tree: object) -> Iterator[Node]:
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


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Node:
    row = connection.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        parsed: Node = json.loads(row[0]) if row else {"error": True, "error_message": ""}
    except RecursionError as error:
        raise QueryError("the SQL is nested too deeply; use WITH to take it apart") from error
    if parsed["error"]:
        message = str(parsed["error_message"])
        if "Only SELECT" in message:
            raise QueryError(f"this lake only answers; {_HINT}")
        raise QueryError(f"the SQL cannot be read: {message or 'it is empty'}")
    count = len(parsed["statements"])
    if count != 1:
        raise QueryError(f"the SQL holds {count} statements; {_HINT}")
    return parsed


def _refuse_function(node: Node) -> None:
    if node["type"] == "TABLE_FUNCTION":
        name = str(node.get("function", {}).get("function_name", "")).lower()
        if name and name not in HARMLESS_TABLE_FUNCTIONS:
            raise QueryError(f"a query may not call {name}(); {_NOTHING_ELSE}")
    if (name := str(node.get("function_name", "")).lower()) in HARMFUL_FUNCTIONS:
        raise QueryError(f"a query may not call {name}(); {_NOTHING_ELSE}")


def _is_catalog(node: Node, schema: str, table: str) -> bool:
    return not node["catalog_name"] and table in CATALOG.get(schema, ())


def _of_the_lake(node: Node, known: Collection[str], datasets: Collection[str]) -> Named:
    """The table, if the lake has it: a name that is none could be a path, or one of the engine's own tables."""
    catalog, schema, table = (str(node[name]) for name in ("catalog_name", "schema_name", "table_name"))
    if node.get("at_clause"):
        raise QueryError(f"AT is not understood; write {table}@7, or {table}@'2026-11-01T00:00Z'")
    if (schema.lower() not in ("", "main") and not schema.startswith(MARK)) or catalog.lower() not in ("", "memory"):
        raise QueryError(f"a query may not read {'.'.join(filter(None, [catalog, schema, table]))}; {_NOTHING_ELSE}")
    if table.lower() not in known:
        raise QueryError(f"there is no table {table}; the datasets are {', '.join(datasets) or 'none'}")
    return Named(table.lower(), schema.removeprefix(MARK) if schema.startswith(MARK) else "")


def _ctes(found: list[Node]) -> frozenset[str]:
    maps = [node["cte_map"]["map"] for node in found if isinstance(node.get("cte_map"), dict)]
    named = [str(one["key"]) for entries in maps for one in entries]
    recursive = [str(node["cte_name"]) for node in found if node.get("cte_name")]
    return frozenset(name.lower() for name in [*named, *recursive])
