"""Types of the lake → types as Glue, Hive and Athena write them.

What belongs here: the mapping, and what it cannot say. What does not: which columns a table has (``glue_tables``).

===============  ==================  =======================================================================================
lake             Glue                remark
===============  ==================  =======================================================================================
int8 … int64     tinyint … bigint
uint8 … uint32   smallint … bigint   the next wider signed type
uint64           decimal(20,0)
decimal(p,s)     decimal(p,s)        exact
timestamp        timestamp           UTC; Athena reads it to the millisecond
time             bigint              nanoseconds since midnight: Hive has no time of day
json             string
list, struct     array<>, struct<>   whatever is in them
map              map<string,string>
null             (left out)          a column in which no value was ever seen has no type
===============  ==================  =======================================================================================

Names of struct fields can have letters, digits and ``_`` only: Hive's notation has no quotes. A column with another name in
it is left out of the catalog, and the table says so.
"""

from __future__ import annotations

import re

from supply_lake.datasets.types import DataType

_TYPES = {
    "string": "string",
    "boolean": "boolean",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "uint8": "smallint",
    "uint16": "int",
    "uint32": "bigint",
    "uint64": "decimal(20,0)",
    "float32": "float",
    "float64": "double",
    "date": "date",
    "time": "bigint",
    "timestamp": "timestamp",
    "json": "string",
    "binary": "binary",
    "map": "map<string,string>",
}
_FIELD = re.compile(r"[A-Za-z0-9_]+")


def glue_type(kind: DataType) -> str | None:
    """The type as Glue writes it; ``None`` when Glue cannot say it."""
    if kind.name == "decimal":
        return f"decimal({kind.precision},{kind.scale})"
    if kind.item is not None:
        item = glue_type(kind.item)
        return f"array<{item}>" if item else None
    if kind.name == "struct":
        return _struct(kind)
    return _TYPES.get(kind.name)


def _struct(kind: DataType) -> str | None:
    fields = [(name.lower(), glue_type(inner)) for name, inner in kind.fields]
    names = {name for name, _ in fields}
    if not fields or len(names) < len(fields) or not all(inner and _FIELD.fullmatch(name) for name, inner in fields):
        return None
    return f"struct<{','.join(f'{name}:{inner}' for name, inner in fields)}>"
