"""What differs between two versions of a dataset: rows added, removed and changed, cell by cell where there is a key.

Snapshots that both versions have are never read. Of the others, one pass over keys and hashes of all other columns finds the
keys that differ; a second one reads the rows of those alone, and compares them value by value. A key that several rows have,
and a dataset without one, are compared as multisets: equal rows cancel each other out, and what is left of one key is paired
in order. DuckDB does both within its memory, and spills what does not fit.

What belongs here: from two sets of snapshots to a table of changes. What does not: which snapshots (``view``, ``versions``),
and the forms that changes are told in (``difference``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

import duckdb

from supply_lake.datasets.spec import DatasetSpec, KeyScope
from supply_lake.datasets.sql import identifier
from supply_lake.errors import UsageError
from supply_lake.query.relations import Relations, quoted
from supply_lake.query.tables import HIDDEN, grouped
from supply_lake.query.unified import union
from supply_lake.snapshots.records import Snapshot
from supply_lake.storage.object_store import ObjectStore

PARTITION = "_partition_date"
_SAME = "IS NOT DISTINCT FROM"


class Rows:
    """The rows of some snapshots, in columns and types that hold them all.

    :param snapshots: all that will be read, in whatever combination
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, store: ObjectStore, snapshots: Sequence[Snapshot]) -> None:
        self._relations, self._store, self._snapshots = Relations(connection), store, snapshots

    @property
    def files(self) -> dict[str, int]:
        """The files that may have been read so far, and their bytes."""
        return self._relations.files

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns, without lineage."""
        names, _ = self._union(None)
        return tuple(name for name in names if name not in HIDDEN)

    def of(self, ids: Collection[str]) -> str:
        """The SQL of the rows of these snapshots that no tombstone hides, with their partition."""
        names, rows = self._union(ids)
        conditions = [f"_file_snapshot IN ({', '.join(map(quoted, sorted(ids)))})" if ids else "false"]
        if "_deleted" in names:
            conditions.append("_deleted IS NOT TRUE")
        return f"SELECT {listed([*self.columns, PARTITION])} FROM ({rows}) WHERE {' AND '.join(conditions)}"

    def _union(self, only: Collection[str] | None) -> tuple[list[str], str]:
        return union(self._relations.connection, grouped(self._relations, self._store, self._snapshots, only))


def key_of(spec: DatasetSpec, declared: Sequence[str], columns: Sequence[str], asked: Sequence[str] | None) -> tuple[str, ...]:
    """The columns that tell rows apart; none where the dataset has no key, or files have not all of its columns.

    :param declared: the primary key
    :param asked: what the caller wants instead
    :raises UsageError: a column that is asked for is not there
    """
    known = {name.casefold(): name for name in columns}
    if asked is not None:
        missing = [name for name in asked if name.casefold() not in known]
        if missing:
            raise UsageError(
                f"dataset {spec.name} has no column {missing[0]!r} to tell rows apart; it has {', '.join(columns)}"
            )
        return tuple(known[name.casefold()] for name in asked)
    if not declared or any(name.casefold() not in known for name in declared):
        return ()
    found = tuple(known[name.casefold()] for name in declared)
    return found if spec.key_scope is KeyScope.DATASET else (*found, PARTITION)


class Comparison:
    """Compares two sets of rows on one connection; the changes are left in a table.

    :param key: columns that tell rows apart, or none
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, columns: Sequence[str], key: Sequence[str]) -> None:
        self._connection, self._key = connection, tuple(key)
        self._columns = tuple(columns) if PARTITION not in key else (*columns, PARTITION)

    def compare(self, before: str, after: str, table: str) -> None:
        """Make a table of (change, key, columns, before, after).

        :param before: SQL of rows
        :param after: SQL of rows
        """
        self._connection.execute(f"CREATE TEMP VIEW _before AS {before}")
        self._connection.execute(f"CREATE TEMP VIEW _after AS {after}")
        try:
            pairs = self._by_key() if self._key else self._as_multisets()
            self._connection.execute(f"CREATE TABLE {identifier(table)} AS {self._told(pairs)}")
        finally:
            for name in ("TABLE IF EXISTS _touched", "VIEW _before", "VIEW _after"):
                self._connection.execute(f"DROP {name}")

    def _by_key(self) -> str:
        """Pairs of rows that differ, as SQL over (before, after)."""
        unique = self._touch()
        rows = {side: self._touched(side) for side in ("_before", "_after")}
        if not unique:
            return self._paired(self._left_over(rows["_before"], rows["_after"]))
        before, after = (f"(SELECT {self._struct()} AS row, {listed(self._key)} FROM ({sql}))" for sql in rows.values())
        return f"SELECT b.row AS before, a.row AS after FROM {before} b FULL JOIN {after} a ON {self._equal('b', 'a')}"

    def _touch(self) -> bool:
        """Find the keys whose rows may differ. Whether no key has two rows on a side, as far as it matters."""
        others = [name for name in self._columns if name not in self._key]
        rows = f"SELECT {listed(self._key)}, {_hash(others)} AS h FROM"
        keys = ", ".join(
            f"CASE WHEN b.h = a.h THEN NULL ELSE coalesce(b.{name}, a.{name}) END AS {name}" for name in self._names
        )
        self._connection.execute(
            f"CREATE TABLE _touched AS SELECT {listed(self._key)}, in_before, in_after, same, count(*) AS n FROM ("
            f"SELECT {keys}, b.h IS NOT NULL AS in_before, a.h IS NOT NULL AS in_after, b.h {_SAME} a.h AS same "
            f"FROM ({rows} _before) b FULL JOIN ({rows} _after) a ON {self._equal('b', 'a')}) GROUP BY ALL"
        )
        # Were a key there twice on one side and once or more on the other, the join would have more pairs than there are rows.
        sums = "SELECT coalesce(sum(n) FILTER (in_before), 0), coalesce(sum(n) FILTER (in_after), 0) FROM _touched"
        counts = "SELECT (SELECT count(*) FROM _before), (SELECT count(*) FROM _after)"
        if self._connection.execute(sums).fetchone() == self._connection.execute(counts).fetchone():
            self._connection.execute("DELETE FROM _touched WHERE same")
            return True
        self._connection.execute(
            f"CREATE OR REPLACE TABLE _touched AS SELECT DISTINCT {listed(self._key)} FROM ("
            f"SELECT *, 1 AS side FROM ({rows} _before) UNION ALL SELECT *, -1 FROM ({rows} _after)) "
            f"GROUP BY {listed(self._key)}, h HAVING sum(side) <> 0"
        )
        return False

    def _touched(self, side: str) -> str:
        return f"SELECT r.* FROM {side} r SEMI JOIN _touched t ON {self._equal('r', 't')}"

    def _as_multisets(self) -> str:
        left = self._left_over("SELECT * FROM _before", "SELECT * FROM _after")
        row = self._struct()
        return f"SELECT CASE WHEN n > 0 THEN {row} END AS before, CASE WHEN n < 0 THEN {row} END AS after FROM ({left})"

    def _left_over(self, before: str, after: str) -> str:
        """Rows that one side has more often than the other, as often as that: ``n`` is above 0 for ``before``."""
        names = listed(self._columns)
        return (
            f"SELECT {names}, n, unnest(range(abs(n)::BIGINT)) FROM (SELECT {names}, sum(side) AS n FROM ("
            f"SELECT {names}, 1 AS side FROM ({before}) UNION ALL SELECT {names}, -1 FROM ({after})) "
            f"GROUP BY {names} HAVING sum(side) <> 0)"
        )

    def _paired(self, left: str) -> str:
        """What is left of one key on both sides, paired in the order of its values."""
        self._connection.execute(
            f"CREATE OR REPLACE TABLE _touched AS SELECT {listed(self._key)}, n, row, "
            f"row_number() OVER (PARTITION BY {listed(self._key)}, n > 0 ORDER BY row) AS number "
            f"FROM (SELECT {listed(self._key)}, n, {self._struct()} AS row FROM ({left}))"
        )
        sides = (f"(SELECT * FROM _touched WHERE n {sign} 0)" for sign in "><")
        return (
            f"SELECT b.row AS before, a.row AS after FROM {next(sides)} b FULL JOIN {next(sides)} a "
            f"ON {self._equal('b', 'a')} AND b.number = a.number"
        )

    def _told(self, pairs: str) -> str:
        """The pairs with what became of them, their key, and the columns that differ."""
        kind = "CASE WHEN before IS NULL THEN 'added' WHEN after IS NULL THEN 'removed' ELSE 'changed' END AS change"
        key = ", ".join(f"{name} := coalesce(after.{name}, before.{name})" for name in self._names)
        others = [name for name in self._columns if name not in self._key]
        differing = ", ".join(
            f"CASE WHEN before.{identifier(one)} IS DISTINCT FROM after.{identifier(one)} THEN {quoted(one)} END"
            for one in others
        )
        changed = f"list_filter([{differing}]::VARCHAR[], lambda x: x IS NOT NULL)"
        columns = f"CASE WHEN before IS NOT NULL AND after IS NOT NULL THEN {changed} END AS columns"
        keyed = f"struct_pack({key})" if self._key else "NULL::VARCHAR"
        told = f"SELECT {kind}, {keyed} AS key, {columns}, before, after FROM ({pairs})"
        return f"SELECT * FROM ({told}) WHERE change <> 'changed' OR len(columns) > 0"

    def _struct(self) -> str:
        return f"struct_pack({', '.join(f'{identifier(name)} := {identifier(name)}' for name in self._columns)})"

    @property
    def _names(self) -> list[str]:
        return [identifier(name) for name in self._key]

    def _equal(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{name} {_SAME} {other}.{name}" for name in self._names)


def listed(names: Iterable[str]) -> str:
    """The names as SQL."""
    return ", ".join(map(identifier, names))


def _hash(columns: Sequence[str]) -> str:
    return f"hash({listed(columns)})" if columns else "0::UBIGINT"
