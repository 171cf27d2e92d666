"""Which snapshots a query need not open, told from its conditions and from what the records say of their columns.

A file's own statistics spare reading its rows, not opening it; over a year of partitions that is most of the work of asking for
a day. The records have least and greatest value of every column, so the files that cannot hold a row are never listed.

The conditions are taken from the parsed statement, and only where leaving rows out cannot be noticed: comparisons of a column
with a constant, in the WHERE of a SELECT straight over the table or over joins that keep rows apart. Each becomes a condition
that holds for every snapshot in which a row may fulfil it, and DuckDB itself decides it, over a small table of bounds, so that
constants mean what they mean in the query. Whatever is not understood keeps everything.

What belongs here: statement and records → snapshots. What does not: opening files (``relations``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import duckdb
import pyarrow as pa

from supply_lake.datasets.sql import identifier
from supply_lake.query.statement import Named, Node, Statement, nodes
from supply_lake.query.versions import MARK
from supply_lake.snapshots.records import Snapshot

_BOUNDS = "_bounds"
_TEMPLATE = f"SELECT id FROM {_BOUNDS} WHERE coalesce(true, true)"
_KINDS = {
    **{f"int{bits}": name for bits, name in ((8, "TINYINT"), (16, "SMALLINT"), (32, "INTEGER"), (64, "BIGINT"))},
    **{f"uint{bits}": name for bits, name in ((8, "UTINYINT"), (16, "USMALLINT"), (32, "UINTEGER"), (64, "UBIGINT"))},
    "string": "VARCHAR",
    "large_string": "VARCHAR",
    "date32[day]": "DATE",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}
"""Types whose bounds in Parquet are in the order in which SQL compares them. Floats are not: NaN has no place in bounds."""
_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")
_CASTS = {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL"}
"""Constants may be cast to these: comparing with them keeps the order of the column's own values."""
_COMPARISONS = {
    "COMPARE_EQUAL": "COMPARE_EQUAL",
    "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
    "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN",
    "COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO",
}
"""Each comparison, and what it is with its sides exchanged."""
_JOINS = {"INNER", "LEFT", "RIGHT", "OUTER", "FULL"}
_TRUE: Node = {
    "class": "CONSTANT",
    "type": "VALUE_CONSTANT",
    "alias": "",
    "value": {"type": {"id": "BOOLEAN", "type_info": None}, "is_null": False, "value": True},
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and greatest value of one column in every snapshot, as text, and its DuckDB type."""

    kind: str
    of: Mapping[str, tuple[str | None, str | None]]


def bounds(snapshots: Sequence[Snapshot]) -> dict[str, Bounds]:
    """Of every published column that all snapshots have in one and the same type, by its name in lower case."""
    found: dict[str, dict[str, tuple[str, str | None, str | None]]] = {}
    for snapshot in snapshots:
        for one in snapshot.columns:
            found.setdefault(one.name.lower(), {})[snapshot.id] = (one.type, one.min, one.max)
    known = {}
    for name, held in found.items():
        kinds = {_kind(kind) for kind, _, _ in held.values()}
        kind = kinds.pop()
        if kind is not None and not kinds and len(held) == len(snapshots):
            known[name] = Bounds(kind, {one: (low, high) for one, (_, low, high) in held.items()})
    return known


def exact(kind: str, values: Mapping[str, object]) -> Bounds:
    """Of a column that has one value in each snapshot."""
    return Bounds(kind, {one: (None, None) if value is None else (str(value), str(value)) for one, value in values.items()})


def prunable(statement: Statement) -> Iterator[tuple[Named, list[Node]]]:
    """Every table that is named, and the conditions of which each place that names it fulfils one; none in doubt."""
    conditions: dict[Named, list[Node]] = {}
    places: dict[Named, int] = {}
    for node in nodes(statement.parsed):
        if node["type"] == "BASE_TABLE":
            places[_named(node)] = places.get(_named(node), 0) + 1
        if node["type"] == "SELECT_NODE" and node.get("where_clause"):
            for table, only in _tables(node["from_table"]):
                name = str(table["alias"] or table["table_name"]).lower()
                condition = _Where(name, alone=only).of(node["where_clause"])
                conditions.setdefault(_named(table), []).append(condition)
    for named, found in conditions.items():
        if len(found) == places[named] and named.table not in statement.ctes and _TRUE not in found:
            yield named, found


def kept(
    connection: duckdb.DuckDBPyConnection, conditions: Sequence[Node], known: Mapping[str, Bounds], ids: Collection[str]
) -> frozenset[str]:
    """The snapshots in which a row may fulfil one of the conditions.

    :param known: bounds of columns, by name in lower case
    :param ids: all snapshots
    """
    try:
        resolved = [_resolve(one, known) for one in conditions]
        if any(_is_true(one) for one in resolved):
            return frozenset(ids)
        used = sorted({name for one in resolved for name in _columns(one)})
        return _ask(connection, reduce(_either, resolved), {name: known[name] for name in used}, ids)
    except (duckdb.Error, pa.ArrowException):  # what is wrong with the query is told when it runs
        return frozenset(ids)


def _ask(
    connection: duckdb.DuckDBPyConnection, condition: Node, used: Mapping[str, Bounds], ids: Collection[str]
) -> frozenset[str]:
    listed = sorted(ids)
    columns = {"id": pa.array(listed, pa.string())}
    casts = []
    for name, one in used.items():
        for place, side in enumerate(("lo", "hi")):
            columns[f"{side}:{name}"] = pa.array(
                [one.of.get(snapshot, (None, None))[place] for snapshot in listed], pa.string()
            )
            casts.append(f"CAST({identifier(f'{side}:{name}')} AS {one.kind}) AS {identifier(f'{side}:{name}')}")
    connection.register(f"{_BOUNDS}_text", pa.table(columns))
    template = json.loads(_scalar(connection, "SELECT json_serialize_sql(?)", _TEMPLATE))
    template["statements"][0]["node"]["where_clause"]["children"][0] = condition
    sql = _scalar(connection, "SELECT json_deserialize_sql(?::JSON)", json.dumps(template))
    try:
        found = connection.execute(f"WITH {_BOUNDS} AS (SELECT id, {', '.join(casts)} FROM {_BOUNDS}_text) {sql}").fetchall()
    finally:
        connection.unregister(f"{_BOUNDS}_text")
    return frozenset(str(row[0]) for row in found)


def _scalar(connection: duckdb.DuckDBPyConnection, sql: str, value: str) -> str:
    row = connection.execute(sql, [value]).fetchone()
    return str(row[0]) if row else ""


def _named(node: Node) -> Named:
    schema = str(node["schema_name"])
    return Named(str(node["table_name"]).lower(), schema.removeprefix(MARK) if schema.startswith(MARK) else "")


def _tables(item: Node, alone: bool = True) -> Iterator[tuple[Node, bool]]:
    """The tables of a FROM whose rows may be left out early, and whether each is all of it."""
    if item["type"] == "BASE_TABLE" and not item.get("sample") and not item.get("column_name_alias"):
        yield item, alone
    elif item["type"] == "JOIN" and item["ref_type"] in ("REGULAR", "CROSS") and item["join_type"] in _JOINS:
        yield from _tables(item["left"], False)
        yield from _tables(item["right"], False)


class _Where:
    """Conditions → conditions on bounds, with columns as ``lo:name`` and ``hi:name``, for one table of a SELECT."""

    def __init__(self, table: str, *, alone: bool) -> None:
        self._table, self._alone = table, alone

    def of(self, node: Node) -> Node:
        """What holds for a snapshot whenever the condition holds for one of its rows."""
        kind = node["type"]
        if kind in ("CONJUNCTION_AND", "CONJUNCTION_OR"):
            parts = [self.of(one) for one in node["children"]]
            return _both(parts) if kind == "CONJUNCTION_AND" else reduce(_either, parts)
        if kind in _COMPARISONS:
            left, right = node["left"], node["right"]
            if self._column(right) and _is_constant(left):
                kind, left, right = _COMPARISONS[kind], right, left
            column = self._column(left)
            return _compared(kind, column, right) if column and _is_constant(right) else _TRUE
        if kind == "COMPARE_BETWEEN" and (column := self._column(node["input"])):
            low, high = node["lower"], node["upper"]
            if _is_constant(low) and _is_constant(high):
                return _both(
                    [_low("COMPARE_LESSTHANOREQUALTO", column, high), _high("COMPARE_GREATERTHANOREQUALTO", column, low)]
                )
        if kind == "COMPARE_IN" and (column := self._column(node["children"][0])):
            values = node["children"][1:]
            if values and all(map(_is_constant, values)):
                return reduce(_either, [_compared("COMPARE_EQUAL", column, value) for value in values])
        return _TRUE

    def _column(self, node: Node) -> str:
        """Name of a column of the table, in lower case; empty when it is none, or in doubt."""
        if node["type"] != "COLUMN_REF":
            return ""
        names = [str(name).lower() for name in node["column_names"]]
        if len(names) == 2 and names[0] == self._table:
            return names[1]
        return names[0] if len(names) == 1 and self._alone else ""


def _compared(kind: str, column: str, value: Node) -> Node:
    if kind == "COMPARE_EQUAL":
        return _within(column, value, value)
    return _low(kind, column, value) if kind.startswith("COMPARE_LESS") else _high(kind, column, value)


def _within(column: str, low: Node, high: Node) -> Node:
    return _both([_low("COMPARE_LESSTHANOREQUALTO", column, high), _high("COMPARE_GREATERTHANOREQUALTO", column, low)])


def _low(kind: str, column: str, value: Node) -> Node:
    return {"class": "COMPARISON", "type": kind, "alias": "", "left": _reference(f"lo:{column}"), "right": value}


def _high(kind: str, column: str, value: Node) -> Node:
    return {"class": "COMPARISON", "type": kind, "alias": "", "left": _reference(f"hi:{column}"), "right": value}


def _reference(name: str) -> Node:
    return {"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [name]}


def _both(parts: Sequence[Node]) -> Node:
    known = [one for one in parts if one != _TRUE]
    return _joined("CONJUNCTION_AND", known) if known else _TRUE


def _either(one: Node, other: Node) -> Node:
    return _TRUE if _TRUE in (one, other) else _joined("CONJUNCTION_OR", [one, other])


def _joined(kind: str, parts: Sequence[Node]) -> Node:
    return parts[0] if len(parts) == 1 else {"class": "CONJUNCTION", "type": kind, "alias": "", "children": list(parts)}


def _is_constant(node: Node) -> bool:
    if node["type"] == "VALUE_CONSTANT":
        return not node["value"]["is_null"]
    return node["type"] == "OPERATOR_CAST" and node["cast_type"]["id"] in _CASTS and _is_constant(node["child"])


def _resolve(node: Node, known: Mapping[str, Bounds]) -> Node:
    """The condition without what is said of columns whose bounds are not known, or compare otherwise."""
    if node["type"] == "CONJUNCTION_AND":
        return _both([_resolve(one, known) for one in node["children"]])
    if node["type"] == "CONJUNCTION_OR":
        return reduce(_either, [_resolve(one, known) for one in node["children"]])
    if node["class"] != "COMPARISON":
        return node
    one = known.get(str(node["left"]["column_names"][0])[3:])
    if one is None or (one.kind == "VARCHAR" and not _is_text(node["right"])):
        return _TRUE
    return node


def _is_text(node: Node) -> bool:
    return bool(node["type"] == "VALUE_CONSTANT" and node["value"]["type"]["id"] == "VARCHAR")


def _is_true(node: Node) -> bool:
    return node == _TRUE


def _columns(node: Any) -> Iterator[str]:
    return (str(one["column_names"][0])[3:] for one in nodes(node) if one["type"] == "COLUMN_REF")


def _kind(arrow: str) -> str | None:
    if found := _DECIMAL.fullmatch(arrow):
        return f"DECIMAL({found[1]},{found[2]})"
    return _KINDS.get(arrow)
