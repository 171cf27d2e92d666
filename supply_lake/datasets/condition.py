"""A condition on one row, in SQL: whether it may be used, which columns it looks at, and how it is asked for.

Who writes a dataset file is trusted less than who writes code, so a condition is a function of the row's declared columns and
of nothing else. It is judged as DuckDB parses it, never by its text: no query inside, so no other table and no file; no
aggregate and no window, so no other row; no clock, no chance and no session, so that a row gets the same answer whenever it is
curated. The engine that evaluates it can open no file either (``engine``).

What belongs here: the decision, and the engine. What does not: applying conditions to rows (``curate.conditions``). Loading a
declaration without conditions costs no DuckDB.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from supply_lake.datasets.sql import duckdb_type, identifier
from supply_lake.datasets.types import DataType, parse_type

if TYPE_CHECKING:
    import duckdb

PARTITION_DATE = "_partition_date"
"""The date that the row's snapshot is filed under; a condition may name it like a column."""
_MACROS = ("array_", "list_", "nullif", "split_part", "fdiv", "fmod", "round_even", "roundbankers", "days_in_month", "date_add")
_OF_THE_SESSION = frozenset({"current_setting", "getvariable", "version"})
_OF_ANY_SIZE = frozenset({"range", "generate_series", "repeat", "list_resize", "array_resize"})  # one row could fill the memory
_MARKERS = {
    "SUBQUERY": "asks a query of its own; a `references` rule looks into another dataset",
    "WINDOW": "looks at other rows; a condition sees one row",
    "STAR": "names all columns at once; name those that it is about",
    "PARAMETER": "has a parameter; write the value out",
    "POSITIONAL_REFERENCE": "names a column by its place; write its name",
}
Tree = dict[str, Any]


def types_of(columns: Mapping[str, DataType]) -> dict[str, DataType]:
    """What a condition can name: the declared columns and ``_partition_date``."""
    return {**columns, PARTITION_DATE: parse_type("date")}


def problem(condition: str, types: Mapping[str, DataType]) -> str:
    """Why the condition cannot be used, with a remedy where there is one; empty when it can be.

    :param types: what it may name, see ``types_of``
    """
    parsed = _parsed(condition)
    if isinstance(parsed, str):
        return parsed
    return _forbidden(parsed, types) or _unbound(condition, types)


def named(condition: str, types: Mapping[str, DataType]) -> tuple[str, ...]:
    """The columns that a condition without a problem looks at, in the order of ``types``."""
    parsed = _parsed(condition)
    assert not isinstance(parsed, str)
    found = {name.casefold() for node in _nodes(parsed) if (name := _column(node))}
    return tuple(name for name in types if name.casefold() in found)


def breaks(condition: str) -> str:
    """SQL that is true for a row which breaks the condition.

    As with an SQL constraint, a condition that is unknown for a null is not broken. One that cannot be computed for a row, such
    as a cast of a text that is no number, is broken by that row and by no other.
    """
    return f"NOT coalesce(TRY((\n{condition}\n) IS NOT FALSE), false)"


def engine() -> duckdb.DuckDBPyConnection:
    """A database in memory with one thread, that can read and write nothing but what is registered on it, and keeps UTC."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": "512MB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET temp_directory = ''")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@lru_cache(maxsize=1)
def _judge() -> tuple[duckdb.DuckDBPyConnection, frozenset[str]]:
    """The engine that judges conditions, and the functions that depend on their arguments alone."""
    connection = engine()
    rows = connection.execute(
        "SELECT function_name, function_type = 'macro' FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro') "
        "GROUP BY ALL HAVING bool_and(coalesce(stability, 'CONSISTENT') = 'CONSISTENT')"
    ).fetchall()
    names = {str(name) for name, macro in rows if not macro or str(name).startswith(_MACROS)}
    return connection, frozenset(names - _OF_THE_SESSION - _OF_ANY_SIZE)


@lru_cache(maxsize=4096)
def _parsed(condition: str) -> Tree | str:
    """The condition's one expression, or what is wrong with it."""
    if not condition.strip():
        return "it is empty; write a condition such as `delivered_on >= shipped_on`"
    # Once as it is, so that no bracket closes what it did not open; once in brackets, so that nothing follows it.
    for sql in (f"SELECT (\n{condition}\n)", f"SELECT {condition}\n"):
        row = _judge()[0].cursor().execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
        parsed: Tree = json.loads(row[0]) if row else {"error": True}
        if parsed["error"] or len(parsed["statements"]) != 1:
            return f"it cannot be read as SQL: {parsed.get('error_message') or 'it is several statements'}"
    node = parsed["statements"][0]["node"]
    clauses = ("where_clause", "having", "qualify", "sample", "group_expressions", "modifiers")
    plain = node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY" and not any(map(node.get, clauses))
    if not plain or len(node["select_list"]) != 1:
        return "it is no single condition; write one that is true for good rows, such as `delivered_on >= shipped_on`"
    expression: Tree = node["select_list"][0]
    return expression


def _forbidden(expression: Tree, types: Mapping[str, DataType]) -> str:
    """What the condition names and may not."""
    nodes = list(_nodes(expression))
    own = {name for node in nodes if node.get("class") == "LAMBDA" for name in _parameters(node)}
    known = {name.casefold() for name in types} | own
    for node in nodes:
        kind = str(node.get("class"))
        if kind in _MARKERS:
            return f"it {_MARKERS[kind]}"
        if (column := _column(node)) and column.casefold() not in known:
            return _unknown_column(column, types)
        if kind == "FUNCTION":
            name = str(node["function_name"]).lower()
            if name not in _judge()[1] or (name == "age" and len(node["children"]) < 2):
                return f"it calls {name}(), which is no function of one row's values alone"
    return "" if any(map(_column, nodes)) else "it names no column; write one that is true for good rows"


def _column(node: Tree) -> str:
    """The column that a node names, if it does; ``note.lower()`` is a function of the column ``note``."""
    if node.get("class") == "COLUMN_REF":
        return str(node["column_names"][0])
    if node.get("class") == "FUNCTION" and node["schema"] not in ("", "main"):
        return str(node["catalog"] or node["schema"])
    return ""


def _parameters(node: Tree) -> Iterator[str]:
    """Names that a lambda gives to its arguments."""
    yield from (str(one["column_names"][0]).casefold() for one in _nodes(node["lhs"]) if one.get("class") == "COLUMN_REF")


def _unknown_column(name: str, types: Mapping[str, DataType]) -> str:
    near = difflib.get_close_matches(name, types, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else "text stands in single quotes, and columns are those under `columns`"
    return f"it names {name!r}, which is no declared column; {remedy}"


def _unbound(condition: str, types: Mapping[str, DataType]) -> str:
    """What DuckDB says of the condition over rows of these types."""
    import duckdb

    columns = ", ".join(f"NULL::{duckdb_type(kind)} AS {identifier(name)}" for name, kind in types.items())
    try:
        told = _judge()[0].cursor().execute(f"DESCRIBE SELECT (\n{condition}\n) FROM (SELECT {columns})").fetchone()
    except duckdb.Error as error:
        first = " ".join(str(error).split("\n\nLINE ")[0].split())
        return f"it cannot be computed: {first}"
    kind = str(told[1]) if told else ""
    return "" if kind in ("BOOLEAN", '"NULL"') else f"its value is {kind}, and a condition is true or false"


def _nodes(tree: object) -> Iterator[Tree]:
    """Every mapping of the parsed expression, however deep."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            yield node
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
