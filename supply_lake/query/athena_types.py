"""Types of the lake as Athena's SQL (Trino) writes them, and expressions that bring a column of one type to another.

What belongs here: text of types and of casts. What does not: which type a column is to be read in
(``catalog.glue_tables.together``) and the statement around it (``athena_sql``). Structs are taken apart and put together by
the names of their fields: a cast of Trino goes by their places.
"""

from __future__ import annotations

from supply_lake.datasets.sql import identifier
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import TEXT, common, is_number

_TYPES = {
    "string": "varchar",
    "boolean": "boolean",
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "uint8": "smallint",
    "uint16": "integer",
    "uint32": "bigint",
    "uint64": "decimal(20,0)",
    "float32": "real",
    "float64": "double",
    "date": "date",
    "time": "bigint",
    "timestamp": "timestamp",
    "json": "varchar",
    "binary": "varbinary",
    "null": "varchar",
    "map": "map(varchar, varchar)",
}


def athena_type(kind: DataType) -> str:
    """The type as Athena's SQL writes it."""
    if kind.name == "decimal":
        return f"decimal({kind.precision},{kind.scale})"
    if kind.item is not None:
        return f"array({athena_type(kind.item)})"
    if kind.name == "struct":
        return f"row({', '.join(f'{identifier(name.lower())} {athena_type(inner)}' for name, inner in kind.fields)})"
    return _TYPES[kind.name]


def converted(value: str, have: DataType, want: DataType, depth: int = 0) -> str:
    """The expression, in the wanted type; a value that is there is never made null, nor another one.

    :param value: an expression of the first type, without side effects
    """
    if have == want or (have.name in ("string", "json") and want.name in ("string", "json")):
        return value
    if want == TEXT:
        return _text(value, have)
    if have.item is not None and want.item is not None:
        one = f"e{depth}"
        return f"transform({value}, {one} -> {converted(one, have.item, want.item, depth + 1)})"
    if have.name == want.name == "struct":
        return _struct(value, have, want, depth)
    if common(have, want) is None and not (is_number(have) and is_number(want)):
        return f"CAST(NULL AS {athena_type(want)})"  # the records say that it holds no value
    return f"CAST({value} AS {athena_type(want)})"


def _struct(value: str, have: DataType, want: DataType, depth: int) -> str:
    fields = {name.casefold(): inner for name, inner in have.fields}
    parts = [
        converted(f"{value}.{identifier(name.lower())}", fields[name.casefold()], inner, depth)
        if name.casefold() in fields
        else f"CAST(NULL AS {athena_type(inner)})"
        for name, inner in want.fields
    ]
    return f"IF({value} IS NULL, NULL, CAST(ROW({', '.join(parts)}) AS {athena_type(want)}))"


def _text(value: str, have: DataType) -> str:
    if have.nested or have.name == "map":
        return f"json_format(CAST({value} AS json))"
    if have.name == "binary":
        return f"to_base64({value})"
    if have.name == "timestamp":
        return f"date_format({value}, '%Y-%m-%dT%H:%i:%s.%fZ')"
    return f"CAST({value} AS varchar)"
