"""The tables that SQL sees: for every dataset its rows, its rows with their lineage, its history, and its rejects.

==================  ============================================================================================
``<name>``          the rows, in the contract's columns; lineage is hidden, and so are rows that a tombstone deletes
``<name>__rows``    all rows, deleted ones too (``_deleted``), with ``_partition_date``, ``_snapshot_id`` (in which the row
                    was first published), ``_source`` and ``_line``
``<name>__history`` the same rows of every snapshot that was ever committed, with the ``snapshot_id`` that they are filed
                    under, its ``commit``, ``committed_at`` and ``superseded_by`` (the commit that took it out of the live set)
``<name>__rejects`` rejected and deduplicated rows: ``outcome``, ``source``, ``line``, ``reasons``, ``raw``, and the
                    ``_partition_date`` and ``_snapshot_id`` that they are filed under
==================  ============================================================================================

A dataset that has a column ``commit`` of its own has the history's as ``lake_commit``, and so with the others.

What belongs here: the SQL of these views. The columns come from the snapshots that are read, newest first, never from
today's declaration: a read of an old commit gives the same columns and types whenever it is run. Only a dataset of which
nothing was ever published shows the columns that it declares. What does not belong here: making types meet (``unified``),
choosing snapshots (``live_set``) and running SQL (``engine``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

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
HISTORY = {"snapshot_id": "VARCHAR", "commit": "BIGINT", "committed_at": "TIMESTAMPTZ", "superseded_by": "BIGINT"}
HIDDEN = {*LINEAGE, "_file_snapshot", "_deleted"}


def rows_views(
    relations: Relations,
    store: ObjectStore,
    spec: DatasetSpec,
    live: LiveSet,
    only: Collection[str] | None = None,
) -> tuple[str, str]:
    """The SQL of a dataset's rows, without and with lineage.

    :param only: ids of the snapshots whose rows are asked for; the others count for the types alone
    """
    groups = grouped(relations, store, live.snapshots, only)
    if not groups:
        return _empty_rows(spec, live.schema)
    columns, rows = union(relations.connection, groups)
    listed, deletes = _list([name for name in columns if name not in HIDDEN]), "_deleted" in columns
    where = " WHERE _deleted IS NOT TRUE" if deletes else ""
    lineage = _list([*LINEAGE, *(["_deleted"] if deletes else [])])
    return f"SELECT {listed} FROM ({rows}){where}", f"SELECT {listed}, {lineage} FROM ({rows})"


def history_view(
    relations: Relations,
    store: ObjectStore,
    spec: DatasetSpec,
    ever: LiveSet,
    only: Collection[str] | None = None,
) -> str:
    """The SQL of all rows of all snapshots, live or not, with the snapshot that they stand in.

    :param ever: every snapshot
    :param only: as in ``rows_views``
    """
    names = history_columns(ever.snapshots)
    groups = grouped(relations, store, ever.snapshots, only)
    if not groups:
        _, rows = _empty_rows(spec, ever.schema)
        added = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in zip(names, HISTORY.values(), strict=True))
        return f"SELECT *, {added} FROM ({rows})"
    columns, rows = union(relations.connection, groups)
    listed = _list([name for name in columns if name not in HIDDEN])
    lineage = _list([*LINEAGE, *(["_deleted"] if "_deleted" in columns else [])])
    values = ", ".join(_told(one) for one in ever.snapshots)
    known = f"(VALUES {values}) AS _known(_file_snapshot, {_list(names)})"
    return f"SELECT {listed}, {lineage}, {_list(names)} FROM ({rows}) JOIN {known} USING (_file_snapshot)"


def history_columns(snapshots: Sequence[Snapshot]) -> list[str]:
    """What the columns of ``HISTORY`` are called beside the columns of these snapshots."""
    taken = {column.name.lower() for one in snapshots for column in one.columns}
    return [f"lake_{name}" if name in taken else name for name in HISTORY]


def grouped(
    relations: Relations, store: ObjectStore, snapshots: Sequence[Snapshot], only: Collection[str] | None = None
) -> list[Group]:
    """The files of snapshots, as one relation for each schema.

    :param only: ids of the snapshots whose rows are wanted. Of a schema that none of them has, one file tells the types
    """
    groups = []
    for those, files in _by_schema(snapshots):
        wanted = files if only is None else [file for file in files if file.snapshot_id in only] or files[:1]
        groups.append(Group(relations.over(store, wanted), those))
    return groups


def rejects_view(relations: Relations, store: ObjectStore, standing: Sequence[Rejects]) -> str:
    """The SQL of a dataset's rejects."""
    files = [
        LakeFile(file.path, file.bytes, rejects.snapshot.partition, rejects.snapshot.id)
        for rejects in standing
        for file in rejects.snapshot.rejects
    ]
    if not files:
        return _empty({**REJECTS, "_partition_date": "DATE", "_snapshot_id": "VARCHAR"})
    gone = [
        f"(_file_snapshot = {quoted(one.snapshot.id)} AND {which} AND {_comes_from(keys)})"
        for one in standing
        for which, keys in (("true", one.except_sources), ("outcome = 'rejected'", one.except_rejected))
        if keys
    ]
    where = f" WHERE NOT ({' OR '.join(gone)})" if gone else ""
    listed = f"{_list(REJECTS)}, _partition_date, _file_snapshot AS _snapshot_id"
    return f"SELECT {listed} FROM {relations.over(store, files)}{where}"


def _told(snapshot: Snapshot) -> str:
    time = f"{quoted(snapshot.committed_at.isoformat())}::TIMESTAMPTZ" if snapshot.committed_at else "NULL"
    gone = "NULL::BIGINT" if snapshot.superseded_by is None else f"{snapshot.superseded_by}::BIGINT"
    return f"({quoted(snapshot.id)}, {quoted(snapshot.id)}, {snapshot.commit}::BIGINT, {time}, {gone})"


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


def _empty_rows(spec: DatasetSpec, schema: Schema | None) -> tuple[str, str]:
    declared = {column.name: column.dtype for column in spec.columns}
    kinds = {one.name: one.kind for one in schema.columns} if schema else declared
    columns = {name: duckdb_type(kind) for name, kind in kinds.items()}
    deleted = {"_deleted": "BOOLEAN"} if spec.tombstone else {}
    return _empty(columns), _empty({**columns, **LINEAGE, **deleted})


def _empty(columns: dict[str, str]) -> str:
    listed = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in columns.items())
    return f"SELECT {listed} WHERE false"


def _list(columns: Iterable[str]) -> str:
    return ", ".join(identifier(name) for name in columns)
