"""A table that a query names → the SELECT over the files that make it up.

What belongs here: from the name (dataset, kind, version) to its snapshots, to the files that conditions leave, to SQL. What
does not: each of these steps (``view``, ``pruning``, ``tables``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import duckdb

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UsageError
from supply_lake.ingest.stores import Stores
from supply_lake.query import pruning
from supply_lake.query.live_set import LiveSet
from supply_lake.query.pruning import Bounds
from supply_lake.query.relations import Relations
from supply_lake.query.statement import Named, Node
from supply_lake.query.tables import history_columns, history_view, rejects_view, rows_views
from supply_lake.query.versions import Version
from supply_lake.query.view import View
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.removal import require_files

Kind = Literal["", "__rows", "__history", "__rejects"]
KINDS: tuple[Kind, ...] = ("", "__rows", "__history", "__rejects")


class Binding:
    """Makes SELECTs on one connection, and remembers which files they may read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, stores: Stores, view: View) -> None:
        self._connection, self._stores, self._view = connection, stores, view
        self._relations = Relations(connection)

    @property
    def files(self) -> dict[str, int]:
        """The files that may be read so far, and their bytes."""
        return self._relations.files

    @property
    def local_files(self) -> list[str]:
        """Those of them that DuckDB opens itself."""
        return self._relations.local_files

    def sees(self, dataset: str) -> bool:
        """Whether the dataset can be read."""
        return self._view.sees(dataset)

    def select(self, named: Named, conditions: Sequence[Node] = ()) -> str:
        """The SQL of a table.

        :param conditions: one of which every row that is asked for fulfils; none asks for all
        """
        spec, kind = self._dataset(named.table)
        version = Version.parse(named.version) if named.version else None
        if kind == "__rejects":
            return rejects_view(self._relations, self._stores.rejects, self._view.rejects(spec.name, version))
        if kind == "__history":
            return self._history(spec, self._view.history(spec.name, version), conditions)
        live = self._view.rows(spec.name, version)
        require_files(spec.name, live.commit, live.snapshots)
        known = _partitions(live.snapshots) if kind == "__rows" else {}
        only = self._only(live, conditions, known)
        plain, whole = rows_views(self._relations, self._stores.lake, spec, live, only)
        return whole if kind == "__rows" else plain

    def _history(self, spec: DatasetSpec, live: LiveSet, conditions: Sequence[Node]) -> str:
        live = replace(live, snapshots=tuple(one for one in live.snapshots if one.removed_at is None))
        only = self._only(live, conditions, {**_partitions(live.snapshots), **_history(live.snapshots)})
        return history_view(self._relations, self._stores.lake, spec, live, only)

    def _only(self, live: LiveSet, conditions: Sequence[Node], known: Mapping[str, Bounds]) -> frozenset[str] | None:
        if not conditions:
            return None
        ids = [one.id for one in live.snapshots]
        return pruning.kept(self._connection, conditions, {**known, **pruning.bounds(live.snapshots)}, ids)

    def _dataset(self, table: str) -> tuple[DatasetSpec, Kind]:
        kind: Kind = next((one for one in KINDS if one and table.endswith(one)), "")
        name = table.removesuffix(kind)
        spec = next((one for one in self._stores.registry.values() if one.name.lower() == name), None)
        if spec is None:  # the statement was checked against the tables that there are
            raise UsageError(f"there is no table {table}")
        return spec, kind


def _partitions(snapshots: Sequence[Snapshot]) -> dict[str, Bounds]:
    return {"_partition_date": pruning.exact("DATE", {one.id: one.partition for one in snapshots})}


def _history(snapshots: Sequence[Snapshot]) -> dict[str, Bounds]:
    snapshot_id, commit, committed_at, superseded_by = history_columns(snapshots)
    return {
        snapshot_id: pruning.exact("VARCHAR", {one.id: one.id for one in snapshots}),
        commit: pruning.exact("BIGINT", {one.id: one.commit for one in snapshots}),
        committed_at: pruning.exact("TIMESTAMPTZ", {one.id: one.committed_at for one in snapshots}),
        superseded_by: pruning.exact("BIGINT", {one.id: one.superseded_by for one in snapshots}),
    }
