"""The tables that SQL sees: for every dataset its rows, its rows with their lineage, and its rejects.

==================  ============================================================================================
``<name>``          the rows, in the contract's columns; lineage is hidden, and so are rows that a tombstone deletes
``<name>__rows``    all rows, deleted ones too (``_deleted``), with ``_partition_date``, ``_snapshot_id`` (in which the row
                    was first published), ``_source`` and ``_line``
``<name>__rejects`` rejected and deduplicated rows: ``outcome``, ``source``, ``line``, ``reasons``, ``raw``, and the
                    ``_partition_date`` and ``_snapshot_id`` that they are filed under
==================  ============================================================================================

What belongs here: the SQL of these views. The columns come from the snapshots that are read, newest first, never from
today's declaration: a read of an old commit gives the same columns whenever it is run. Only a dataset that has no snapshot
shows the columns that it declares. What does not belong here: choosing snapshots (``live_set``) and running SQL (``engine``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import duckdb

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import DataType
from supply_lake.query.live_set import LiveSet
from supply_lake.query.relations import LakeFile, Relations, quoted
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.standing import Rejects
from supply_lake.storage.layout import MEMBER
from supply_lake.storage.object_store import ObjectStore

LINEAGE = {"_partition_date": "DATE", "_snapshot_id": "VARCHAR", "_source": "VARCHAR", "_line": "BIGINT"}
REJECTS = {
    "outcome": "VARCHAR",
    "source": "VARCHAR",
    "line": "BIGINT",
    "reasons": 'STRUCT("column" VARCHAR, "value" VARCHAR, reason VARCHAR)[]',
    "raw": "VARCHAR",
}
_HIDDEN = {*LINEAGE, "_file_snapshot", "_deleted"}
_TYPES = {
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
}
Kind = Literal["", "__rows", "__rejects"]


def rows_views(
    connection: duckdb.DuckDBPyConnection, relations: Relations, store: ObjectStore, spec: DatasetSpec, live: LiveSet
) -> dict[str, str]:
    """``{view: its SQL}`` of a dataset's rows, without and with lineage."""
    groups = [relations.over(store, files) for files in _by_schema(live.snapshots)]
    if not groups:
        return _empty_views(spec)
    columns, deletes = _columns(connection, groups)
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {group}" for group in groups)
    listed = _list(columns)
    where = " WHERE _deleted IS NOT TRUE" if deletes else ""
    return {
        spec.name: f"SELECT {listed} FROM ({union}){where}",
        f"{spec.name}__rows": f"SELECT {listed}, {_list([*LINEAGE, *(['_deleted'] if deletes else [])])} FROM ({union})",
    }


def rejects_view(relations: Relations, store: ObjectStore, spec: DatasetSpec, standing: Sequence[Rejects]) -> dict[str, str]:
    """``{view: its SQL}`` of a dataset's rejects."""
    files = [
        LakeFile(file.path, file.bytes, rejects.snapshot.partition, rejects.snapshot.id)
        for rejects in standing
        for file in rejects.snapshot.rejects
    ]
    name = f"{spec.name}__rejects"
    if not files:
        return {name: _empty({**REJECTS, "_partition_date": "DATE", "_snapshot_id": "VARCHAR"})}
    gone = [
        f"(_file_snapshot = {quoted(one.snapshot.id)} AND {which} AND {_comes_from(keys)})"
        for one in standing
        for which, keys in (("true", one.except_sources), ("outcome = 'rejected'", one.except_rejected))
        if keys
    ]
    where = f" WHERE NOT ({' OR '.join(gone)})" if gone else ""
    listed = f"{_list(REJECTS)}, _partition_date, _file_snapshot AS _snapshot_id"
    return {name: f"SELECT {listed} FROM {relations.over(store, files)}{where}"}


def _comes_from(keys: Sequence[str]) -> str:
    """Whether a row's source is one of these landing keys, or a file in the archive that one of them names."""
    listed = ", ".join(map(quoted, keys))
    return f"(source IN ({listed}) OR regexp_replace(source, '^(.*){MEMBER}.*$', '\\1') IN ({listed}))"


def duckdb_type(kind: DataType) -> str:
    """The DuckDB type that a published column of this type is read as."""
    if kind.name == "decimal":
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kind.item is not None:
        return f"{duckdb_type(kind.item)}[]"
    if kind.name == "struct":
        return f"STRUCT({', '.join(f'{identifier(name)} {duckdb_type(field)}' for name, field in kind.fields)})"
    return _TYPES[kind.name]


def identifier(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _by_schema(snapshots: Sequence[Snapshot]) -> list[list[LakeFile]]:
    """Files grouped by schema, the group of the newest snapshot first: DuckDB then opens one file of each to know it."""
    groups: dict[object, list[LakeFile]] = {}
    for snapshot in sorted(snapshots, key=lambda one: (one.commit or 0, one.id), reverse=True):
        schema = (snapshot.schema_fingerprint, tuple((column.name, column.type) for column in snapshot.columns))
        files = groups.setdefault(schema, [])
        files += [LakeFile(file.path, file.bytes, snapshot.partition, snapshot.id) for file in snapshot.files]
    return [files for files in groups.values() if files]


def _columns(connection: duckdb.DuckDBPyConnection, groups: Sequence[str]) -> tuple[list[str], bool]:
    """The visible columns, those of the newest group first, and whether any group marks deleted rows."""
    found: dict[str, None] = {}
    for group in groups:
        found.update(dict.fromkeys(str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {group}").fetchall()))
    return [name for name in found if name not in _HIDDEN], "_deleted" in found


def _empty_views(spec: DatasetSpec) -> dict[str, str]:
    columns = {column.name: duckdb_type(column.dtype) for column in spec.columns}
    deleted = {"_deleted": "BOOLEAN"} if spec.tombstone else {}
    return {spec.name: _empty(columns), f"{spec.name}__rows": _empty({**columns, **LINEAGE, **deleted})}


def _empty(columns: dict[str, str]) -> str:
    listed = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in columns.items())
    return f"SELECT {listed} WHERE false"


def _list(columns: Sequence[str] | dict[str, str]) -> str:
    return ", ".join(identifier(name) for name in columns)
