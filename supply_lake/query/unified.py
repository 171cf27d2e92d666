"""Files of several schemas as one relation, in the types that hold every value of all of them.

A column is read as the narrowest type that holds what its live files hold: int32 and int64 as int64, int64 and a decimal as a
decimal, a struct with the fields of all. Integers past 2^53 and decimals of more than 15 digits are told from what the records
say of the values, so that no float swallows a digit. Types that have nothing in common, such as numbers and text after a
contract was changed, are read as text: times in ISO 8601, nested values as JSON, bytes as base64. All of that follows from the
live files and their records alone, and a commit's live files never change.

What belongs here: the SQL that makes types meet. What does not: the order of types (``datasets.widening``) and what the views
show (``tables``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from supply_lake.datasets.sql import TYPES, duckdb_type, identifier
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import TEXT, common, holding, is_number
from supply_lake.snapshots.held import held
from supply_lake.snapshots.records import Snapshot

_NAMES = {duck: name for name, duck in reversed(TYPES.items())} | {"VARCHAR": "string", "TIMESTAMP": "timestamp"}


@dataclass(frozen=True, slots=True)
class Group:
    """A FROM item over files of one schema, and the snapshots that they belong to."""

    relation: str
    snapshots: Sequence[Snapshot]


def union(connection: duckdb.DuckDBPyConnection, groups: Sequence[Group]) -> tuple[list[str], str]:
    """The columns of all groups, those of the first before the others, and the SQL that reads their rows.

    SQL does not tell names apart by their case: the first group's spelling stays.
    """
    shapes = [_shape(connection, group) for group in groups]
    names: dict[str, str] = {}
    for shape in shapes:
        for name in shape:
            names.setdefault(name.casefold(), name)
    folded = [{name.casefold(): (name, kind) for name, kind in shape.items()} for shape in shapes]
    targets = {fold: target for fold in names if (target := _target(fold, folded, groups)) is not None}
    selects = [_select(group, shape, targets) for group, shape in zip(groups, folded, strict=True)]
    return list(names.values()), " UNION ALL BY NAME ".join(selects)


Shape = dict[str, tuple[str, DataType]]


def _shape(connection: duckdb.DuckDBPyConnection, group: Group) -> dict[str, DataType]:
    relation = connection.sql(f"SELECT * FROM {group.relation}")
    return {name: _kind(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}


def _kind(kind: Any) -> DataType:
    """The lake's type for a type of DuckDB; text for those that it has none for."""
    if kind.id == "decimal":
        parts = dict(kind.children)
        return DataType(name="decimal", precision=parts["precision"], scale=parts["scale"])
    if kind.id == "list":
        return DataType(name="list", item=_kind(dict(kind.children)["child"]))
    if kind.id == "struct":
        return DataType(name="struct", fields=tuple((name, _kind(inner)) for name, inner in kind.children))
    return DataType(name=_NAMES.get(str(kind), TEXT.name))


def _target(column: str, shapes: Sequence[Shape], groups: Sequence[Group]) -> DataType | None:
    """The type that a column is to be read in; ``None`` when all groups that have it agree."""
    having = [(shape[column][1], group) for shape, group in zip(shapes, groups, strict=True) if column in shape]
    if len({str(kind) for kind, _ in having}) == 1:
        return None
    return holding([held(kind, column, group.snapshots) for kind, group in having])


def _select(group: Group, shape: Shape, targets: dict[str, DataType]) -> str:
    replaced = ", ".join(_casts(shape, targets))
    return f"SELECT *{f' REPLACE ({replaced})' if replaced else ''} FROM {group.relation}"


def _casts(shape: Shape, targets: dict[str, DataType]) -> Iterator[str]:
    for fold, target in targets.items():
        name, kind = shape.get(fold, ("", target))
        if kind != target:
            yield f"{_cast(identifier(name), kind, target)} AS {identifier(name)}"


def _cast(column: str, kind: DataType, target: DataType) -> str:
    if target == TEXT:
        return _text(column, kind)
    if common(kind, target) is None and not (is_number(kind) and is_number(target)):
        column = "NULL"  # the records say that it holds no value
    return f"CAST({column} AS {duckdb_type(target)})"


def _text(column: str, kind: DataType) -> str:
    if kind.nested or kind.name == "map":
        return f"CAST(to_json({column}) AS VARCHAR)"
    if kind.name == "binary":
        return f"base64({column})"
    if kind.name == "timestamp":
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"CAST({column} AS VARCHAR)"
