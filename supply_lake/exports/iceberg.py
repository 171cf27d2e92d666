"""The live set as an Apache Iceberg table over the lake's own files, for Spark, Trino, Athena and DuckDB; nothing is copied.

Each commit of the lake is one snapshot of the table, which adds and drops whole files; it carries the commit's number. What is
to be added and dropped is the difference between the live sets at the table's number and now: a publication that failed, or a
process that died between the two commits, is made good by the next. Files have no field ids, so the table maps names to ids,
and keeps ids while columns come and types widen. ``_partition_date``, which only the paths of files tell, is its partition.

What belongs here: keeping the table true. What does not: its schema (``iceberg_schema``) and the commit.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import SettingsError, StoreUnavailable
from supply_lake.exports.iceberg_schema import Shape, grow, new_schema, partition_spec, statistics
from supply_lake.snapshots.records import Batch, DataFile, Snapshot
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.object_store import ObjectStore
from supply_lake.storage.ranges import Ranges

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import Table

NAMESPACE = "supply_lake"
COMMIT = "supply-lake.commit"
"""Property of the table and of each of its snapshots: the commit of the lake that it shows."""
LEFT_OUT = "supply-lake.left-out"
"""Property of the table: columns whose types Iceberg has not, or cannot bring together."""
TRIES = 10
_EPOCH = dt.date(1970, 1, 1)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LiveFile:
    """One live file, and the date that it belongs to."""

    partition: dt.date
    file: DataFile


class Iceberg:
    """The tables of one lake, in one SQL catalog."""

    after_failure = "its Iceberg table is made good by the next commit, or by `supply-lake reconcile`"

    def __init__(self, uri: str, warehouse: str, lake: ObjectStore, metadata: MetadataStore) -> None:
        self._uri, self._warehouse, self._lake, self._metadata = uri, warehouse, lake, metadata
        self._opened: SqlCatalog | None = None

    @staticmethod
    def open(uri: str, warehouse: str, lake: ObjectStore, metadata: MetadataStore) -> Iceberg:
        """Nothing is asked of the catalog yet.

        :param uri: SQLAlchemy URL of the catalog
        :param warehouse: folder or bucket for the tables' own metadata
        :raises SettingsError: pyiceberg is not installed
        """
        try:
            import pyiceberg  # noqa: F401 - whether it is there
        except ImportError as error:
            raise SettingsError(
                "SUPPLY_LAKE_ICEBERG is set, and pyiceberg is not installed; install supply-lake[iceberg]"
            ) from error
        return Iceberg(uri, warehouse, lake, metadata)

    def close(self) -> None:
        """Give up connections."""
        if self._opened is not None:
            self._opened.engine.dispose()
            self._opened = None

    # --- what others ask

    def settled(self, spec: DatasetSpec, batch: Batch) -> None:
        """Publish the newest commit, if the table has it not."""
        if batch.commit is not None:
            self.publish(spec.name)

    def table(self, dataset: str) -> Table:
        """The dataset's table, as it is now.

        :raises NoSuchTableError: nothing of the dataset was ever published there
        """
        return self._catalog.load_table((NAMESPACE, dataset))

    def publish(self, dataset: str) -> None:
        """Make the table show the newest commit."""
        for _ in range(TRIES):
            if self._publish(dataset):
                return
        raise StoreUnavailable(f"the Iceberg table of {dataset} was changed by others {TRIES} times in a row, and is behind")

    def repair(self, spec: DatasetSpec) -> str:
        """Hold the table's files against the live set, and set right what differs."""
        live = self._live(spec.name, self._metadata.last_commit(spec.name))
        table = self._load(spec.name)
        have = {task.file.file_path for task in table.scan().plan_files()} if table and table.current_snapshot() else set()
        missing, extra = live.keys() - have, have - live.keys()
        behind = int(table.properties.get(COMMIT, 0)) != self._metadata.last_commit(spec.name) if table else bool(live)
        if not (missing or extra or behind):
            return ""
        for _ in range(TRIES):
            if self._publish(spec.name, whole=True):
                break
        wrong = f"lacked {len(missing):,} files and had {len(extra):,} that are not live"
        return f"the Iceberg table of {spec.name} {wrong}; it is set right"

    def forget(self, dataset: str, reachable_from: int) -> None:
        """Expire the table's snapshots of commits that cannot be read any more."""
        table = self._load(dataset)
        if table is None or (current := table.current_snapshot()) is None:
            return
        old = [
            one.snapshot_id
            for one in table.snapshots()
            if one.snapshot_id != current.snapshot_id and _commit_of(one.summary) < reachable_from
        ]
        if old:
            table.maintenance.expire_snapshots().by_ids(old).commit()

    # --- one publication

    def _publish(self, dataset: str, *, whole: bool = False) -> bool:
        """One try; whether the table is there now. Another writer's commit to it makes the try void.

        :param whole: take the table's own word for which files it has, not its number's
        """
        from pyiceberg.exceptions import CommitFailedException

        commit = self._metadata.last_commit(dataset)
        table = self._load(dataset)
        if table is not None and int(table.properties.get(COMMIT, 0)) >= commit and not whole:
            return True
        live = self._live(dataset, commit)
        before = self._before(dataset, table, whole=whole)
        try:
            self._commit(dataset, table, commit, live=live, before=before)
        except CommitFailedException:
            return False
        return True

    def _before(self, dataset: str, table: Table | None, *, whole: bool) -> dict[str, Any]:
        """The files that the table has, as its entries, by their paths."""
        if table is None or table.current_snapshot() is None:
            return {}
        if whole:
            return {task.file.file_path: task.file for task in table.scan().plan_files()}
        shown = self._live(dataset, int(table.properties[COMMIT]))
        return {path: _entry(path, one) for path, one in shown.items()}

    def _commit(
        self, dataset: str, table: Table | None, commit: int, *, live: dict[str, LiveFile], before: dict[str, Any]
    ) -> None:
        added = {path: one for path, one in live.items() if path not in before}
        footers = {path: self._footer(one.file) for path, one in added.items()}
        gone = [entry for path, entry in before.items() if path not in live]
        table = table if table is not None else self._create(dataset)
        left_out = set(filter(None, table.properties.get(LEFT_OUT, "").split(",")))
        with table.transaction() as change:
            left_out |= grow(change, [Shape.of(one) for one in footers.values()], left_out)
            change.set_properties({COMMIT: str(commit), **({LEFT_OUT: ",".join(sorted(left_out))} if left_out else {})})
            if added or gone:
                with change.update_snapshot(snapshot_properties={COMMIT: str(commit)}).overwrite() as files:
                    for entry in gone:
                        files.delete_data_file(entry)
                    for path, one in added.items():
                        files.append_data_file(_entry(path, one, statistics(footers[path], change.table_metadata)))
        if left_out:
            _log.warning(
                "the Iceberg table of %s leaves out %s: Iceberg has no type for all their values", dataset, sorted(left_out)
            )

    def _footer(self, file: DataFile) -> pq.FileMetaData:
        with Ranges(self._lake, file.path, file.bytes) as stream:
            return pq.read_metadata(stream)

    # --- the two sides

    def _live(self, dataset: str, commit: int) -> dict[str, LiveFile]:
        snapshots: list[Snapshot] = self._metadata.live(dataset, commit) if commit else []
        return {self._path(file): LiveFile(one.partition, file) for one in snapshots for file in one.files}

    def _path(self, file: DataFile) -> str:
        uri = self._lake.uri(file.path)
        return uri if "://" in uri else f"file://{uri}"

    def _load(self, dataset: str) -> Table | None:
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return self.table(dataset)
        except NoSuchTableError:
            return None

    def _create(self, dataset: str) -> Table:
        schema = new_schema()
        return self._catalog.create_table_if_not_exists(
            (NAMESPACE, dataset),
            schema,
            location=f"{self._root}/{dataset}",
            partition_spec=partition_spec(schema),
            properties=_properties(schema),
        )

    @property
    def _root(self) -> str:
        return self._warehouse if "://" in self._warehouse else f"file://{self._warehouse}"

    @property
    def _catalog(self) -> SqlCatalog:
        if self._opened is None:
            from pyiceberg.catalog.sql import SqlCatalog

            endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
            properties = {"s3.endpoint": endpoint} if endpoint else {}
            self._opened = SqlCatalog(NAMESPACE, uri=self._uri, warehouse=self._root, **properties)
            self._opened.create_namespace_if_not_exists(NAMESPACE)
        return self._opened


def _properties(schema: Any) -> dict[str, str]:
    from pyiceberg.table.name_mapping import create_mapping_from_schema

    return {
        "format-version": "2",
        "schema.name-mapping.default": create_mapping_from_schema(schema).model_dump_json(),
        "commit.retry.num-retries": "0",  # a lost race is built again from what the table has then
    }


def _entry(path: str, live: LiveFile, told: dict[str, Any] | None = None) -> Any:
    """The file as the table lists it; ``told`` are figures of its columns."""
    from pyiceberg import manifest
    from pyiceberg.typedef import Record

    entry = manifest.DataFile.from_args(
        content=manifest.DataFileContent.DATA,
        file_path=path,
        file_format=manifest.FileFormat.PARQUET,
        partition=Record((live.partition - _EPOCH).days),
        file_size_in_bytes=live.file.bytes,
        **({"record_count": live.file.rows} | (told or {})),
    )
    entry.spec_id = 0
    return entry


def _commit_of(summary: Any) -> int:
    return int(summary.additional_properties.get(COMMIT, 0)) if summary is not None else 0
