"""SQL that names datasets → SQL for Athena that reads the snapshots of one live set each, and no others.

Every table that stands for a dataset becomes a subquery over the catalog's tables of files, one SELECT for each schema, with
``snapshot_id IN (…)``: Athena then opens the partitions of these snapshots alone, whatever is committed meanwhile. Where the
ids of very many snapshots would not fit into a statement, a table that has just their partitions is made and read instead.

What belongs here: taking the parsed statement apart and putting it together; its text is never patched. What does not: choosing
snapshots (``view``), casts (``athena_types``), and running it (``athena``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from supply_lake.catalog.glue import GlueCatalog
from supply_lake.catalog.glue_tables import Files, columns, keys_of, partition_values, together
from supply_lake.curate.schema import Schema
from supply_lake.datasets.registry import Registry
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.sql import identifier
from supply_lake.datasets.types import DataType, parse_type
from supply_lake.errors import QueryError
from supply_lake.query.athena_types import athena_type, converted
from supply_lake.query.live_set import LiveSet
from supply_lake.query.relations import quoted
from supply_lake.query.tables import HIDDEN
from supply_lake.query.versions import MARK, Version, spelled_out
from supply_lake.query.view import View
from supply_lake.snapshots.records import Snapshot

LONGEST = 262_144
"""Bytes of a statement that Athena takes."""
ROOM_FOR_IDS = 160_000
"""Bytes of all ids in one statement; past it, tables of their own take their place."""
_BYTES_PER_ID = 40
_KINDS = ("", "__rows", "__rejects", "__history")


@dataclass
class Bound:
    """A statement for Athena, and what it may read.

    ``files`` are URLs of the files and their bytes.
    """

    sql: str = ""
    files: dict[str, int] = field(default_factory=dict)
    ordered: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of all files that it may read; Athena reads the columns that it needs of them."""
        return sum(self.files.values())


class Binder:
    """Binds statements to one view of the lake.

    :param only: the datasets that are seen; all when left out
    """

    def __init__(self, catalog: GlueCatalog, registry: Registry, view: View, only: Collection[str] | None = None) -> None:
        self._catalog, self._view = catalog, view
        self._specs = {name.lower(): spec for name, spec in registry.items() if only is None or name in only}

    def bind(self, sql: str) -> Bound:
        """The statement over the live sets.

        :raises QueryError: it cannot be read, names what is not there, or does more than read
        :raises UnknownCommit: a version that it names is not there, or the view has no look at it
        """
        tree = parse(sql)
        bound = Bound(ordered=tree.args.get("order") is not None)
        tables = list(_tables(tree))
        live = {id(one): self._live(one) for one in tables}
        ids = sum(len(found.snapshots) for _, _, found in live.values())
        for table in tables:
            spec, kind, found = live[id(table)]
            select = self._select(spec, kind, found, bound, aside=ids * _BYTES_PER_ID > ROOM_FOR_IDS)
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name, quoted=True))
            replacement = exp.Subquery(this=sqlglot.parse_one(select, read="athena"), alias=alias.copy())
            for name in ("joins", "laterals", "pivots", "sample"):
                if table.args.get(name):
                    replacement.set(name, table.args[name])
            table.replace(replacement)
        bound.sql = tree.sql(dialect="athena")
        if len(bound.sql.encode()) > LONGEST:
            raise QueryError(
                f"the statement is {len(bound.sql.encode()):,} bytes long, and Athena takes {LONGEST:,}; ask for less"
            )
        return bound

    def _live(self, table: exp.Table) -> tuple[DatasetSpec, str, LiveSet]:
        name, schema = table.name.lower(), table.db
        if table.catalog or (schema and not schema.startswith(MARK)):
            raise QueryError(
                f"a query may not read {table.sql(dialect='athena')}; it reads datasets, as tables, and nothing else"
            )
        kind = next((one for one in _KINDS if one and name.endswith(one)), "")
        spec = self._specs.get(name.removesuffix(kind))
        if spec is None:
            raise QueryError(f"there is no table {table.name}; the datasets are {', '.join(self._specs) or 'none'}")
        if kind in ("__rejects", "__history"):
            raise QueryError(f"Athena does not read {spec.name}{kind}; read it with SUPPLY_LAKE_QUERY=duckdb")
        version = Version.parse(schema.removeprefix(MARK)) if schema else None
        live = self._view.rows(spec.name, version)
        self._catalog.require(spec, live.commit)
        return spec, kind, live

    # --- one dataset

    def _select(self, spec: DatasetSpec, kind: str, live: LiveSet, bound: Bound, *, aside: bool) -> str:
        groups = self._catalog.files(spec.name, live.snapshots)
        if not groups:
            return _empty(spec, kind, live.schema)
        for files in groups:
            for one in files.snapshots:
                bound.files |= {f"{self._catalog.root}/{file.path}": file.bytes for file in one.files}
        wanted = together(groups)
        selects = [
            self._branch(spec, kind, files, wanted, place)
            for files in groups
            for place in self._places(spec, files, aside=aside)
        ]
        return " UNION ALL ".join(selects)

    def _branch(
        self, spec: DatasetSpec, kind: str, files: Files, wanted: Mapping[str, DataType], place: tuple[str, str]
    ) -> str:
        table, condition = place
        lost = {name.casefold() for name in columns(spec, files.kinds)[1]}
        have = {name.casefold(): one for name, one in files.kinds.items() if name.casefold() not in lost}
        said = [
            name for name, one in wanted.items() if name not in HIDDEN and one.name != "null" and name.casefold() not in lost
        ]
        listed = [f"{_read(name, have.get(name.casefold()), wanted[name])} AS {identifier(name)}" for name in said]
        deletes = "_deleted" in wanted
        gone = identifier("_deleted") if "_deleted" in have else "CAST(NULL AS boolean)"
        if kind == "__rows":
            lineage = [f'"{name}"' for name in ("_snapshot_id", "_source", "_line")]
            listed += [f'{_date(files)} AS "_partition_date"', *lineage, *([f'{gone} AS "_deleted"'] if deletes else [])]
        hidden = f" AND NOT coalesce({gone}, false)" if "_deleted" in have and not kind else ""
        source = f"{identifier(self._catalog.api.database)}.{identifier(table)}"
        return f"SELECT {', '.join(listed)} FROM {source} WHERE {condition}{hidden}"

    def _places(self, spec: DatasetSpec, files: Files, *, aside: bool) -> Iterator[tuple[str, str]]:
        """The tables to read of one schema's files, and the condition that leaves these snapshots alone."""
        if aside:
            yield self._catalog.table_of(spec, files), "true"
            return
        table = self._catalog.files_table(spec, files)
        if not self._catalog.keeping.projected:
            yield table, _among(keys_of(files.kinds)[-1], [one.id for one in files.snapshots])
            return
        for _, month in groupby(sorted(files.snapshots, key=_month), _month):
            values = [partition_values(one) for one in month]
            yield (
                table,
                " AND ".join(_among(key, sorted({one[at] for one in values})) for at, key in enumerate(keys_of(files.kinds))),
            )


def parse(sql: str) -> exp.Query:
    """The statement, if it is one that reads.

    :raises QueryError: saying what is wrong, or what it may not do
    """
    try:
        found = [one for one in sqlglot.parse(spelled_out(sql), read="athena") if one is not None]
    except (SqlglotError, RecursionError) as error:
        raise QueryError(f"the SQL cannot be read: {str(error).splitlines()[0]}") from error
    if len(found) != 1:
        raise QueryError(f"the SQL holds {len(found)} statements; a query is one that reads: SELECT, WITH or VALUES")
    (tree,) = found
    writes = next(tree.find_all(exp.DML, exp.DDL, exp.Command, exp.Into), None)
    if not isinstance(tree, exp.Query) or (writes is not None and not isinstance(writes, exp.Query)):
        raise QueryError("this lake only answers; a query is one statement that reads: SELECT, WITH or VALUES")
    if any(not one.expressions for one in tree.find_all(exp.Select)):
        raise QueryError("the SQL cannot be read: a SELECT names no column")
    return tree


def _tables(tree: exp.Query) -> Iterator[exp.Table]:
    """The tables that stand for datasets: not those that a WITH of theirs defines."""
    own: dict[int, exp.Table] = {}
    known: set[int] = set()
    for scope in traverse_scope(tree):
        for table in scope.tables:
            known.add(id(table))
            if isinstance(scope.sources.get(table.alias_or_name), exp.Table) or table.db:
                own[id(table)] = table
    for table in tree.find_all(exp.Table):
        if id(table) not in known:
            raise QueryError(
                f"a query may not read {table.sql(dialect='athena')}; it reads datasets, as tables, and nothing else"
            )
        if not isinstance(table.this, exp.Identifier):
            raise QueryError(
                f"a query may not call {table.sql(dialect='athena')}; it reads datasets, as tables, and nothing else"
            )
    yield from own.values()


def _read(name: str, have: DataType | None, want: DataType) -> str:
    if have is None or have.name == "null":
        return f"CAST(NULL AS {athena_type(want)})"
    return converted(identifier(name.lower()), have, want)


def _empty(spec: DatasetSpec, kind: str, schema: Schema | None) -> str:
    kinds = {one.name: parse_type(one.type) for one in schema.columns} if schema else spec.types
    lineage = {"_partition_date": "date", "_snapshot_id": "string", "_source": "string", "_line": "int64"}
    more = {name: parse_type(text) for name, text in lineage.items()} if kind else {}
    listed = [f"CAST(NULL AS {athena_type(one)}) AS {identifier(name)}" for name, one in {**kinds, **more}.items()]
    return f"SELECT {', '.join(listed)} WHERE false"


def _date(files: Files) -> str:
    year, month, day, _ = keys_of(files.kinds)
    return f"CAST(concat({year}, '-', {month}, '-', {day}) AS date)"


def _month(snapshot: Snapshot) -> tuple[int, int]:
    return snapshot.partition.year, snapshot.partition.month


def _among(key: str, values: Sequence[str]) -> str:
    return f"{key} IN ({', '.join(map(quoted, values))})"
