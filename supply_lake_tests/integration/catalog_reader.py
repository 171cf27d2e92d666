"""SQL as Athena would run it, by DuckDB, over what the catalog says and nothing else: tables, partitions, their locations and types.

It is stricter than Athena. A partition's files must have the types that the partition declares, to the letter; and a table's type
must be one that Trino reads the partition's as without losing a digit, else the query fails as Athena's does
(``HIVE_PARTITION_SCHEMA_MISMATCH``). Nothing is read of files that no partition names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot
from sqlglot import exp

from supply_lake.storage.object_store import ObjectStore

_ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "binary": pa.binary(),
}
_WIDER = ["tinyint", "smallint", "int", "bigint"]


class SchemaMismatch(Exception):
    """As Athena says it."""


class CatalogReader:
    """Reads one database.

    ``read`` has the locations of the partitions whose files the last query opened.
    """

    def __init__(self, glue: Any, database: str, lake: ObjectStore) -> None:
        self._glue, self._database, self._lake = glue, database, lake
        self.read: list[str] = []
        self.bytes = 0

    def query(self, sql: str) -> pa.Table:
        """The answer to a query in Athena's dialect."""
        self.read, self.bytes = [], 0
        tree = sqlglot.parse_one(sql, read="athena")
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name in {one.name for one in tree.find_all(exp.Table)}:
                found = self._table(name, tree)
                if found is not None:
                    connection.register(name, found)
            for one in tree.find_all(exp.Table):
                if one.db == self._database:
                    one.set("db", None)
            return connection.execute(to_duckdb(tree)).to_arrow_table()

    def _table(self, name: str, tree: exp.Expression) -> pa.Table | None:
        try:
            table = self._glue.get_table(DatabaseName=self._database, Name=name)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        keys = [one["Name"] for one in table["PartitionKeys"]]
        wanted = {one["Name"]: one["Type"] for one in table["StorageDescriptor"]["Columns"]}
        schema = pa.schema([*((name, arrow(kind)) for name, kind in wanted.items()), *((key, pa.string()) for key in keys)])
        parts = [
            self._part(one, keys, wanted, schema) for one in self._partitions(table, keys) if _asked_for(one, keys, name, tree)
        ]
        return pa.concat_tables([schema.empty_table(), *parts])

    def _partitions(self, table: dict[str, Any], keys: list[str]) -> Iterator[dict[str, Any]]:
        pages = self._glue.get_paginator("get_partitions").paginate(DatabaseName=self._database, TableName=table["Name"])
        yield from (one for page in pages for one in page["Partitions"])
        template = table["Parameters"].get("storage.location.template")
        if table["Parameters"].get("projection.enabled") == "true":
            pattern = re.compile(re.sub(r"\\\$\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(template)))
            places = {self._place(row) for batch in self._lake.list() for row in batch["key"].to_pylist()}
            for place in sorted(places):
                if found := pattern.fullmatch(place):
                    values = [found[key] for key in keys]
                    yield {"Values": values, "StorageDescriptor": {**table["StorageDescriptor"], "Location": place}}

    def _place(self, key: str) -> str:
        return f"{self._lake.location}/{key.rpartition('/')[0]}/"

    def _part(self, part: dict[str, Any], keys: list[str], wanted: dict[str, str], schema: pa.Schema) -> pa.Table:
        own = {one["Name"]: one["Type"] for one in part["StorageDescriptor"]["Columns"]}
        for name, kind in own.items():
            if name in wanted and not _readable(kind, wanted[name]):
                raise SchemaMismatch(
                    f"HIVE_PARTITION_SCHEMA_MISMATCH: {name} is {wanted[name]} in the table, {kind} in {part['Values']}"
                )
        rows = self._files(part["StorageDescriptor"]["Location"], own)
        columns = {
            field.name: rows[field.name].cast(field.type) if field.name in own else pa.nulls(rows.num_rows, field.type)
            for field in schema
            if field.name not in keys
        }
        values = {key: pa.array([value] * rows.num_rows, pa.string()) for key, value in zip(keys, part["Values"], strict=True)}
        return pa.table({**columns, **values}, schema=schema)

    def _files(self, location: str, declared: dict[str, str]) -> pa.Table:
        self.read.append(location)
        assert location.startswith(f"{self._lake.location}/")
        folder = location.removeprefix(f"{self._lake.location}/")
        tables = []
        for batch in self._lake.list(folder):
            for row in batch.to_pylist():
                self.bytes += row["size"]
                with self._lake.read(row["key"]) as file:
                    table = pq.ParquetFile(file).read()
                table = table.rename_columns([name.lower() for name in table.column_names])
                for name, kind in declared.items():
                    assert _plain(table.schema.field(name).type) == arrow(kind), (name, table.schema.field(name).type, kind)
                tables.append(_lowered(table))
        return pa.concat_tables(tables)


def to_duckdb(tree: exp.Expression) -> str:
    """The statement for DuckDB, where timestamps have their zone already."""

    def zoned(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous) and node.name.lower() == "with_timezone":
            return node.expressions[0]
        if isinstance(node, exp.Anonymous) and node.name.lower() == "at_timezone":
            return node.expressions[0]
        return node

    return tree.transform(zoned).sql(dialect="duckdb")


def arrow(kind: str) -> pa.DataType:
    """The Arrow type of a Glue type."""
    if kind.startswith("decimal("):
        return pa.decimal128(*(int(one) for one in kind[8:-1].split(",")))
    if kind.startswith("array<"):
        return pa.list_(arrow(kind[6:-1]))
    if kind.startswith("map<"):
        return pa.map_(pa.string(), pa.string())
    if kind.startswith("struct<"):
        return pa.struct([(name, arrow(inner)) for name, inner in _fields(kind[7:-1])])
    return _ARROW[kind]


def _fields(text: str) -> Iterator[tuple[str, str]]:
    depth, start = 0, 0
    for at, char in enumerate([*text, ","]):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            name, _, kind = text[start:at].partition(":")
            yield name, kind
            start = at + 1


def _lowered(table: pa.Table) -> pa.Table:
    """The table with the fields of structs in lower case, as Trino matches them."""
    for at, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) and _plain(field.type) != field.type:
            table = table.set_column(at, field.name, pa.array(_lower(table.column(at).to_pylist()), _plain(field.type)))
    return table


def _lower(value: Any) -> Any:
    if isinstance(value, list):
        return [_lower(one) for one in value]
    return {name.lower(): _lower(one) for name, one in value.items()} if isinstance(value, dict) else value


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without what neither Glue nor Parquet tells: large forms, names of list items, fields that cannot be null."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind.field(at).name.lower(), _plain(kind.field(at).type)) for at in range(kind.num_fields)])
    return kind


def _readable(kind: str, wanted: str) -> bool:
    if kind == wanted or (kind, wanted) == ("float", "double"):
        return True
    if kind in _WIDER and wanted in _WIDER:
        return _WIDER.index(kind) <= _WIDER.index(wanted)
    return kind.startswith("decimal(") and wanted.startswith("decimal(")


def _asked_for(part: dict[str, Any], keys: list[str], name: str, tree: exp.Expression) -> bool:
    """Whether a condition on the partition keys leaves it: of all SELECTs from the table, one that takes it is enough."""
    selects = [one for one in tree.find_all(exp.Select) if any(table.name == name for table in _own_tables(one))]
    values = dict(zip(keys, part["Values"], strict=True))
    return any(_takes(one.args.get("where"), values) for one in selects)


def _own_tables(select: exp.Select) -> list[exp.Table]:
    source = select.args.get("from_") or select.args.get("from")
    joins = select.args.get("joins") or []
    found = [source.this if source else None, *(one.this for one in joins)]
    return [one for one in found if isinstance(one, exp.Table)]


def _takes(where: exp.Where | None, values: dict[str, str]) -> bool:
    if where is None:
        return True
    parts = where.this.flatten() if isinstance(where.this, exp.And) else [where.this]
    for one in (part.unnest() for part in parts):
        if isinstance(one, exp.In) and one.this.name in values:
            if values[one.this.name] not in {item.name for item in one.expressions}:
                return False
        elif isinstance(one, exp.EQ) and one.this.name in values and values[one.this.name] != one.expression.name:
            return False
    return True
