"""The Glue Data Catalog, brought to what the metadata store says of a dataset.

``publish`` doesn't add what one commit brought: it looks at the commit that the catalog shows, and at the newest one, and
closes the gap between the two, whatever it is. So it may be called any number of times, late, or by several processes at
once, and an older commit never takes the place of a newer one: a table is written over only if it is still the one that was
read. ``repair`` lists every partition besides, and mends those that are missing, wrong or left over.

Readers of ``<name>`` see new partitions before the superseded ones are gone: Glue has no transaction over partitions. Queries
that this lake makes for Athena choose snapshots by themselves, and see a commit whole or not at all.

What belongs here: the order of calls. What does not: the calls (``glue_api``), what is written (``glue_tables``), and what
happens when Glue fails (``exports.glue``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from supply_lake.catalog.glue_api import GlueApi, Overtaken, Table, columns_of
from supply_lake.catalog.glue_tables import (
    CHOSEN,
    PREFIX,
    Files,
    Kinds,
    Values,
    chosen_table,
    contract_fingerprint,
    files_table,
    kinds_told,
    live_table,
    partition,
    partition_values,
    schema_table,
)
from supply_lake.catalog.physical import kinds_of
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import CatalogError
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.connections import aws_client
from supply_lake.storage.object_store import ObjectStore

TRIES = 20
CHOSEN_STAY = dt.timedelta(days=1)
"""How long a table of chosen snapshots stays; queries that read it have ended by then."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was done: the commit that the catalog showed before and shows now, and how many partitions that took."""

    dataset: str
    before: int
    commit: int
    created: int = 0
    updated: int = 0
    removed: int = 0

    @property
    def changed(self) -> bool:
        """Whether the catalog was not as it should be."""
        return self.before != self.commit or bool(self.created or self.updated or self.removed)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the catalog has besides the live set.

    ``superseded``: tables of all files, from which any commit can be read. ``projected``: their partitions are not registered,
    but told by their paths.
    """

    superseded: bool = True
    projected: bool = False


class GlueCatalog:
    """One database of Glue, for the datasets of one lake."""

    def __init__(self, api: GlueApi, metadata: MetadataStore, lake: ObjectStore, keeping: Keeping | None = None) -> None:
        self.api, self._metadata, self._lake = api, metadata, lake
        self.keeping = keeping or Keeping()
        self._kinds: dict[tuple[str, str], Kinds] = {}
        self._seen: dict[str, int] = {}

    @staticmethod
    def open(settings: Settings, lake: ObjectStore, metadata: MetadataStore) -> GlueCatalog:
        """The catalog that the settings name; nothing is asked of it yet."""
        api = GlueApi(partial(aws_client, "glue"), settings.catalog_database)
        keeping = Keeping(
            superseded=settings.catalog_superseded == "keep", projected=settings.catalog_partitions == "projected"
        )
        return GlueCatalog(api, metadata, lake, keeping)

    @property
    def root(self) -> str:
        """URL of the lake."""
        return self._lake.location.rstrip("/")

    def shown(self, dataset: str) -> int | None:
        """The commit that the catalog shows; ``None`` when it has no such table.

        :raises CatalogError: Glue does not answer, or refuses
        """
        table = self.api.table(dataset)
        return None if table is None else _commit_of(table)

    def publish(self, spec: DatasetSpec) -> Published:
        """Bring the dataset's tables to its newest commit; nothing is done when they show it.

        :raises CatalogError: Glue does not answer, or refuses
        """
        return self._until_done(spec, whole=False)

    def repair(self, spec: DatasetSpec) -> Published:
        """As ``publish``, and every table and partition is compared with what it should be.

        :raises CatalogError: Glue does not answer, or refuses
        """
        return self._until_done(spec, whole=True)

    def newest(self, dataset: str) -> int:
        """The commit that the catalog should show."""
        return self._metadata.last_commit(dataset)

    def require(self, spec: DatasetSpec, commit: int) -> None:
        """See to it that the catalog shows a commit, or a later one, before anyone reads from it.

        :raises CatalogError: Glue does not answer, or refuses
        """
        if commit > self._seen.get(spec.name, 0):
            at = self.shown(spec.name) or 0
            self._seen[spec.name] = at if at >= commit else self.publish(spec).commit

    def forget(self, dataset: str) -> None:
        """Take the partitions of snapshots whose files were removed out of the tables of files.

        :raises CatalogError: Glue does not answer, or refuses
        """
        if not self.keeping.superseded or self.keeping.projected:
            return
        gone: dict[str, list[Values]] = {}
        for one in self._metadata.snapshots(dataset):
            if one.removed_at is not None and one.files:
                gone.setdefault(files_table(dataset, one.schema_fingerprint), []).append(partition_values(one))
        for table in [one["Name"] for one in self.api.tables(files_table(dataset, "")) if one["Name"] in gone]:
            have = self.api.partitions(table)
            self.api.delete_partitions(table, [one for one in gone[table] if one in have])

    def _until_done(self, spec: DatasetSpec, *, whole: bool) -> Published:
        first: int | None = None
        created = updated = removed = 0
        for _ in range(TRIES):
            try:
                done = self._once(spec, whole=whole)
            except Overtaken:
                whole = True  # what the other one did not know of may be left over
                continue
            first = done.before if first is None else first
            created, updated, removed = created + done.created, updated + done.updated, removed + done.removed
            if done.commit == self._metadata.last_commit(spec.name):
                return Published(spec.name, first, done.commit, created, updated, removed)
        raise CatalogError(
            f"Glue's table {spec.name} was changed by others {TRIES} times in a row; repair it when they are done"
        )

    def _once(self, spec: DatasetSpec, *, whole: bool) -> Published:
        table = self.api.table(spec.name)
        at = _commit_of(table) if table else 0
        commit = self._metadata.last_commit(spec.name)
        if at > commit:
            raise CatalogError(
                f"Glue's table {self.api.database}.{spec.name} shows commit {at}, and this lake has {commit} commits of it; "
                "another lake writes to this database, so give each lake one of its own (SUPPLY_LAKE_CATALOG_DATABASE)"
            )
        if commit == 0 or (table and at == commit and not whole and _contract_of(table) == contract_fingerprint(spec)):
            return Published(spec.name, at, commit)
        return _Step(self, self._metadata, spec, table, commit, whole=whole or table is None).run()

    def kinds(self, dataset: str, snapshot: Snapshot) -> Kinds:
        """The types of the columns in a snapshot's files."""
        key = (dataset, snapshot.schema_fingerprint)
        if key not in self._kinds:
            table = self.api.table(files_table(dataset, snapshot.schema_fingerprint)) if self.keeping.superseded else None
            told = kinds_told(table) if table else None
            self._kinds[key] = told or kinds_of(self._lake, snapshot.files[0])
        return self._kinds[key]

    def files_table(self, spec: DatasetSpec, files: Files) -> str:
        """Name of the table of all files of one schema.

        :raises CatalogError: the catalog does not keep them
        """
        if not self.keeping.superseded:
            raise CatalogError("the catalog has no tables of files; set SUPPLY_LAKE_CATALOG_SUPERSEDED=keep, then repair it")
        return files_table(spec.name, files.fingerprint)

    def table_of(self, spec: DatasetSpec, files: Files) -> str:
        """Name of a table that has the partitions of these snapshots and no others, made if it is not there.

        It never changes, and is removed by ``repair`` a day after it was made.

        :raises CatalogError: Glue does not answer, or refuses
        """
        wanted = chosen_table(spec, self.root, files)
        there = self.api.table(wanted["Name"])
        if there is not None and there["Parameters"].get(f"{PREFIX}complete") == "true":
            return str(wanted["Name"])
        self.api.create_table(wanted)
        self.api.create_partitions(wanted["Name"], (partition(spec, self.root, one, files.kinds) for one in files.snapshots))
        whole = {**wanted, "Parameters": {**wanted["Parameters"], f"{PREFIX}complete": "true"}}
        self.api.update_table(whole, self.api.table(wanted["Name"]) or {})
        return str(wanted["Name"])

    def files(self, dataset: str, snapshots: Iterable[Snapshot]) -> list[Files]:
        """Snapshots that have files, by the schema of these, the newest first."""
        groups: dict[str, list[Snapshot]] = {}
        for one in sorted(snapshots, key=lambda one: (one.commit or 0, one.id), reverse=True):
            if one.files:
                groups.setdefault(one.schema_fingerprint, []).append(one)
        return [Files(key, self.kinds(dataset, those[0]), those) for key, those in groups.items()]


class _Step:
    """One try at closing the gap between the table as it was read and one commit.

    Partitions are made before the table says that they are there, and removed before it says that they are gone: killed in
    between, the next one does the same again.
    """

    def __init__(
        self, catalog: GlueCatalog, metadata: MetadataStore, spec: DatasetSpec, table: Table | None, commit: int, *, whole: bool
    ) -> None:
        self._catalog, self._metadata, self._spec, self._api = catalog, metadata, spec, catalog.api
        self._table, self._commit, self._whole = table, commit, whole
        self._at = _commit_of(table) if table else 0
        self._live = catalog.files(spec.name, metadata.live(spec.name, commit))
        self._done = {"created": 0, "updated": 0, "removed": 0}

    def run(self) -> Published:
        read = self._table or self._begin()
        if self._catalog.keeping.superseded:
            kept = self._kept()
            for files in kept:
                self._keep(files)
            if self._whole:
                self._sweep({files_table(self._spec.name, files.fingerprint) for files in kept})
        wanted = self._partitions(self._live)
        self._bring(self._spec.name, wanted, self._had())
        self._api.update_table(self._live_table(self._commit), read)
        return Published(self._spec.name, self._at, self._commit, **self._done)

    def _begin(self) -> Table:
        """The table, new, which shows nothing yet."""
        self._api.ensure_database("Tables of a supply_lake; written by it alone.", self._catalog.root)
        self._api.create_table(self._live_table(0))
        table = self._api.table(self._spec.name)
        if table is None or _commit_of(table):
            raise Overtaken(self._spec.name)
        return table

    def _live_table(self, commit: int) -> Table:
        version = self._metadata.schema(self._spec.name, commit) if commit else None
        last = max((one for files in self._live for one in files.snapshots), key=lambda one: one.commit or 0, default=None)
        told = {
            "live_commit": str(commit),
            "committed_at": last.committed_at.isoformat() if last and last.committed_at else "",
            "schema_version": str(version.number if version else 0),
            "snapshots": str(sum(len(files.snapshots) for files in self._live)),
        }
        return live_table(self._spec, self._catalog.root, self._live, told)

    # --- the files of every commit

    def _kept(self) -> list[Files]:
        """Snapshots that may not be in the tables of files yet."""
        if not self._whole and self._commit == self._at + 1:
            return self._newer(self._live)
        every = self._catalog.files(self._spec.name, _kept(self._metadata.snapshots(self._spec.name), self._commit))
        return every if self._whole else self._newer(every)

    def _newer(self, groups: Sequence[Files]) -> list[Files]:
        newer = [
            Files(files.fingerprint, files.kinds, [one for one in files.snapshots if (one.commit or 0) > self._at])
            for files in groups
        ]
        return [files for files in newer if files.snapshots]

    def _keep(self, files: Files) -> None:
        projected = self._catalog.keeping.projected
        wanted = schema_table(self._spec, self._catalog.root, files, projected=projected)
        name = wanted["Name"]
        if not self._api.create_table(wanted) and self._whole:
            there = self._api.table(name)
            if there is None or not _alike(there, wanted):
                self._api.update_table(wanted, there or {})
        have = self._api.partitions(name) if self._whole else {}
        self._bring(name, {} if projected else self._partitions([files]), have)

    def _sweep(self, wanted: set[str]) -> None:
        """Remove tables of files of which none is left."""
        for one in self._api.tables(files_table(self._spec.name, "")):
            if one["Name"] not in wanted:
                self._api.delete_table(one["Name"])
        for one in self._api.tables(f"{self._spec.name}{CHOSEN}"):
            if one["CreateTime"] < dt.datetime.now(dt.UTC) - CHOSEN_STAY:
                self._api.delete_table(one["Name"])

    # --- partitions

    def _had(self) -> dict[Values, dict[str, Any]]:
        """The partitions of the live table, as listed; or as they follow from the commit that it shows."""
        if self._whole:
            return self._api.partitions(self._spec.name)
        before = [one for one in self._metadata.live(self._spec.name, self._at) if one.files] if self._at else []
        return {partition_values(one): {} for one in before}

    def _partitions(self, groups: Iterable[Files]) -> dict[Values, dict[str, Any]]:
        root = self._catalog.root
        return {
            partition_values(one): partition(self._spec, root, one, files.kinds) for files in groups for one in files.snapshots
        }

    def _bring(self, table: str, wanted: dict[Values, dict[str, Any]], have: dict[Values, dict[str, Any]]) -> None:
        new = [one for values, one in wanted.items() if values not in have]
        wrong = [one for values, one in wanted.items() if have.get(values) and not _alike(have[values], one)]
        old = [values for values in have if values not in wanted]
        self._api.create_partitions(table, new)
        self._api.update_partitions(table, wrong)
        self._api.delete_partitions(table, old)
        for name, those in (("created", new), ("updated", wrong), ("removed", old)):
            self._done[name] += len(those)


def _kept(snapshots: Iterable[Snapshot], commit: int) -> list[Snapshot]:
    """The snapshots up to a commit whose files are there."""
    return [one for one in snapshots if one.commit is not None and one.commit <= commit and one.removed_at is None]


def _alike(there: Table, wanted: Table) -> bool:
    """Whether columns, place and parameters are as wanted; parameters that others added are theirs."""
    told = there.get("Parameters") or {}
    return (
        columns_of(there) == columns_of(wanted)
        and there["StorageDescriptor"].get("Location") == wanted["StorageDescriptor"]["Location"]
        and all(told.get(name) == value for name, value in wanted["Parameters"].items())
    )


def _commit_of(table: Table) -> int:
    told = (table.get("Parameters") or {}).get(f"{PREFIX}live_commit", "0")
    return int(told) if told.isdigit() else 0


def _contract_of(table: Table) -> str:
    return str((table.get("Parameters") or {}).get(f"{PREFIX}contract", ""))
