"""How SQL, as DuckDB speaks it, calls what a declaration names: columns and types.

What belongs here: names and types as text. What does not: whether a condition may be used (``condition``), and the tables that
queries see (``query.tables``).
"""

from __future__ import annotations

from supply_lake.datasets.types import DataType

TYPES = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "json": "VARCHAR",
    "binary": "BLOB",
    "null": "VARCHAR",
    "map": "MAP(VARCHAR, VARCHAR)",
}


def duckdb_type(kind: DataType) -> str:
    """The DuckDB type that a published column of this type is read as."""
    if kind.name == "decimal":
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kind.item is not None:
        return f"{duckdb_type(kind.item)}[]"
    if kind.name == "struct":
        return f"STRUCT({', '.join(f'{identifier(name)} {duckdb_type(field)}' for name, field in kind.fields)})"
    return TYPES[kind.name]


def identifier(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
