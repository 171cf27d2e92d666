"""The tables that SQL sees: for every dataset its rows, its rows with their lineage, and its rejects.

==================  ============================================================================================
``<name>``          the rows, in the contract's columns; lineage is hidden, and so are rows that a tombstone deletes
``<name>__rows``    all rows, deleted ones too (``_deleted``), with ``_partition_date``, ``_snapshot_id`` (in which the row
                    was first published), ``_source`` and ``_line``
``<name>__rejects`` rejected and deduplicated rows: ``outcome``, ``source``, ``line``, ``reasons``, ``raw``, and the
                    ``_partition_date`` and ``_snapshot_id`` that they are filed under
==================  ============================================================================================

What belongs here: the SQL of these views. The columns come from the snapshots that are read, newest first, never from
today's declaration: a read of an old commit gives the same columns and types whenever it is run. Only a dataset of which
nothing was ever published shows the columns that it declares. What does not belong here: making types meet (``unified``),
choosing snapshots (``live_set``) and running SQL (``engine``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import duckdb

from supply_lake.curate.schema import Schema
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.sql import duckdb_type, identifier
from supply_lake.query.live_set import LiveSet
from supply_lake.query.relations import LakeFile, Relations, quoted
from supply_lake.query.unified import Group, union
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
Kind = Literal["", "__rows", "__rejects"]


def rows_views(
    connection: duckdb.DuckDBPyConnection, relations: Relations, store: ObjectStore, spec: DatasetSpec, live: LiveSet
) -> dict[str, str]:
    """``{view: its SQL}`` of a dataset's rows, without and with lineage."""
    groups = [Group(relations.over(store, files), snapshots) for snapshots, files in _by_schema(live.snapshots)]
    if not groups:
        return _empty_views(spec, live.schema)
    columns, rows = union(connection, groups)
    listed, deletes = _list([name for name in columns if name not in _HIDDEN]), "_deleted" in columns
    where = " WHERE _deleted IS NOT TRUE" if deletes else ""
    return {
        spec.name: f"SELECT {listed} FROM ({rows}){where}",
        f"{spec.name}__rows": f"SELECT {listed}, {_list([*LINEAGE, *(['_deleted'] if deletes else [])])} FROM ({rows})",
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


def _by_schema(snapshots: Sequence[Snapshot]) -> list[tuple[list[Snapshot], list[LakeFile]]]:
    """Snapshots and their files by schema, the newest first: DuckDB then opens one file of each schema to know it."""
    groups: dict[object, tuple[list[Snapshot], list[LakeFile]]] = {}
    for snapshot in sorted(snapshots, key=lambda one: (one.commit or 0, one.id), reverse=True):
        schema = (snapshot.schema_fingerprint, tuple((column.name, column.type) for column in snapshot.columns))
        those, files = groups.setdefault(schema, ([], []))
        those.append(snapshot)
        files += [LakeFile(file.path, file.bytes, snapshot.partition, snapshot.id) for file in snapshot.files]
    return [(those, files) for those, files in groups.values() if files]


def _empty_views(spec: DatasetSpec, schema: Schema | None) -> dict[str, str]:
    declared = {column.name: column.dtype for column in spec.columns}
    kinds = {one.name: one.kind for one in schema.columns} if schema else declared
    columns = {name: duckdb_type(kind) for name, kind in kinds.items()}
    deleted = {"_deleted": "BOOLEAN"} if spec.tombstone else {}
    return {spec.name: _empty(columns), f"{spec.name}__rows": _empty({**columns, **LINEAGE, **deleted})}


def _empty(columns: dict[str, str]) -> str:
    listed = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in columns.items())
    return f"SELECT {listed} WHERE false"


def _list(columns: Sequence[str] | dict[str, str]) -> str:
    return ", ".join(identifier(name) for name in columns)
