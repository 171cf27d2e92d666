"""``SqlStore``: the metadata store on SQLite (embedded) or PostgreSQL.

What belongs here: one transaction per method of ``MetadataStore``. What does not: the statements; ``sql_register`` and
``sql_ledger`` have those over the ledger, ``sql_commit`` and ``sql_settle`` those of the commit, ``sql_history`` the reading,
``sql_versions`` those of schemas, ``sql_pins`` those of pins, ``sql_removals`` those of files that are given up.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence

import sqlalchemy as sa

from supply_lake.errors import UnknownCommit, UnknownSnapshot
from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots import (
    sql_commit,
    sql_datasets,
    sql_history,
    sql_ledger,
    sql_pins,
    sql_removals,
    sql_schema,
    sql_versions,
)
from supply_lake.snapshots.micros import to_micros
from supply_lake.snapshots.pins import Pin
from supply_lake.snapshots.records import Batch, Commit, Snapshot, Status
from supply_lake.snapshots.removal import Removal
from supply_lake.snapshots.schema_versions import SchemaVersion
from supply_lake.snapshots.sql_database import Database
from supply_lake.snapshots.sql_pages import SqlPages
from supply_lake.snapshots.sql_register import register
from supply_lake.snapshots.sql_schema import datasets
from supply_lake.snapshots.store import Proposal, PublishedContent, TakenUp
from supply_lake.storage.object_store import ObjectVersion

_CLOCKS_DIFFER_BY = dt.timedelta(hours=1)


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class SqlStore:
    """A ``MetadataStore`` in one SQL database. Threads may share it."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime] = _utc_now) -> None:
        self._database = database
        self._clock = clock

    @staticmethod
    def open(url: str, clock: Callable[[], dt.datetime] = _utc_now) -> SqlStore:
        """Open the store; its tables are made if they are not there. Any number of processes may do so at once.

        :param url: ``sqlite:///path`` or ``postgresql+psycopg://user@host/database``
        :param clock: tells the time, with a zone
        :raises SettingsError: the URL cannot be used, or the tables are those of another version
        :raises StoreUnavailable: the database does not answer
        """
        database = Database.open(url)
        try:
            with database.read() as connection:
                ready = sql_schema.is_current(connection, database.name)
            if not ready:
                database.write(lambda connection: sql_schema.create(connection, database.name))
        except BaseException:
            database.close()
            raise
        return SqlStore(database, clock)

    def close(self) -> None:
        """Give up connections."""
        self._database.close()

    # --- the ledger of landed objects

    def register(self, entries: Iterable[LedgerEntry], *, listed: bool = False) -> int:
        """See ``MetadataStore.register``."""
        given = list(entries)
        return self._database.write(lambda connection: register(connection, given, listed, self._now())) if given else 0

    def known(self, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
        """See ``MetadataStore.known``."""
        with self._database.read() as connection:
            return sql_ledger.known(connection, keys)

    def prefix_fingerprints(self, prefixes: Sequence[str] = ("",)) -> dict[str, int]:
        """See ``MetadataStore.prefix_fingerprints``."""
        with self._database.read() as connection:
            return sql_ledger.prefix_fingerprints(connection, prefixes)

    def set_prefix_fingerprints(self, fingerprints: dict[str, int]) -> None:
        """See ``MetadataStore.set_prefix_fingerprints``."""
        if fingerprints:
            self._database.write(lambda connection: sql_ledger.set_prefix_fingerprints(connection, fingerprints))

    def pending(self, datasets: Sequence[str] | None = None) -> list[PendingBatch]:
        """See ``MetadataStore.pending``."""
        with self._database.read() as connection:
            return sql_ledger.pending(connection, datasets)

    def pending_objects(self, dataset: str, landing_date: dt.date, max_objects: int, max_bytes: int) -> list[LedgerEntry]:
        """See ``MetadataStore.pending_objects``."""
        with self._database.read() as connection:
            return sql_ledger.pending_objects(connection, dataset, landing_date, max_objects, max_bytes)

    def objects(
        self, dataset: str | None = None, state: ObjectState | None = None, landing_date: dt.date | None = None
    ) -> Iterator[LedgerEntry]:
        """See ``MetadataStore.objects``."""
        with self._database.read() as connection:
            yield from sql_ledger.entries(connection, dataset, state, landing_date)

    def versions(self, keys: Sequence[str]) -> dict[str, list[LedgerEntry]]:
        """See ``MetadataStore.versions``."""
        with self._database.read() as connection:
            return sql_ledger.versions(connection, keys)

    def published_content(self, dataset: str, landing_date: dt.date) -> list[PublishedContent]:
        """See ``MetadataStore.published_content``."""
        with self._database.read() as connection:
            return sql_ledger.published_content(connection, dataset, landing_date)

    def start_attempt(self, objects: Sequence[ObjectVersion], max_attempts: int) -> int | None:
        """See ``MetadataStore.start_attempt``."""
        return self._database.write(lambda connection: sql_ledger.start_attempt(connection, objects, max_attempts))

    def forgive_attempt(self, objects: Sequence[ObjectVersion]) -> None:
        """See ``MetadataStore.forgive_attempt``."""
        self._database.write(lambda connection: sql_ledger.forgive_attempt(connection, objects))

    def fail_attempt(self, objects: Sequence[ObjectVersion], reason: str, max_attempts: int) -> None:
        """See ``MetadataStore.fail_attempt``."""
        self._database.write(lambda connection: sql_ledger.fail_attempt(connection, objects, reason, max_attempts))

    def retry(self, dataset: str, landing_date: dt.date | None = None) -> int:
        """See ``MetadataStore.retry``."""
        return self._database.write(lambda connection: sql_ledger.retry(connection, dataset, landing_date))

    # --- commits and records

    def commit(self, proposal: Proposal) -> Batch:
        """See ``MetadataStore.commit``."""
        return self._database.write(lambda connection: sql_commit.commit(connection, proposal, self._now()))

    def record(self, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp] = ()) -> Batch:
        """See ``MetadataStore.record``."""
        return self._database.write(lambda connection: sql_commit.record(connection, batch, objects, taken_up, self._now()))

    def last_commit(self, dataset: str) -> int:
        """See ``MetadataStore.last_commit``."""
        with self._database.read() as connection:
            return sql_history.last_commit(connection, dataset)

    def commit_at(self, dataset: str, time: dt.datetime) -> int:
        """See ``MetadataStore.commit_at``.

        Only a time so recent that a commit under way, or a writer whose clock is behind, could still be dated before it costs a
        write: the promise not to.
        """
        micros, now = to_micros(time), self._clock()
        if time > now - _CLOCKS_DIFFER_BY:
            self._database.write(lambda connection: self._promise(connection, dataset, min(micros, to_micros(now))))
        with self._database.read() as connection:
            return sql_history.commit_at(connection, dataset, micros)

    @staticmethod
    def _promise(connection: sa.Connection, dataset: str, until: int) -> None:
        head = sql_datasets.lock_dataset(connection, dataset)
        if until > max(head.answered_until, head.last_committed_at):
            connection.execute(sa.update(datasets).where(datasets.c.dataset == dataset).values(answered_until=until))

    def commits(self, dataset: str) -> list[Commit]:
        """See ``MetadataStore.commits``."""
        with self._database.read() as connection:
            return sql_history.history(connection, dataset)

    def live(self, dataset: str, commit: int | None = None, partition: dt.date | None = None) -> list[Snapshot]:
        """See ``MetadataStore.live``."""
        with self._database.read() as connection:
            if commit is not None:
                last = sql_history.last_commit(connection, dataset)
                if not 0 <= commit <= last:
                    raise UnknownCommit(f"dataset {dataset} has no commit {commit}; its newest is {last}")
            return sql_history.live(connection, dataset, commit, partition)

    def live_partitions(self, dataset: str) -> list[dt.date]:
        """See ``MetadataStore.live_partitions``."""
        with self._database.read() as connection:
            return sql_history.live_partitions(connection, dataset)

    def latest(self, dataset: str, partition: dt.date | None = None) -> Snapshot | None:
        """See ``MetadataStore.latest``."""
        with self._database.read() as connection:
            return sql_history.latest(connection, dataset, partition)

    def snapshots(self, dataset: str, limit: int | None = None) -> list[Snapshot]:
        """See ``MetadataStore.snapshots``."""
        with self._database.read() as connection:
            return sql_history.newest_snapshots(connection, dataset, limit)

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """See ``MetadataStore.snapshot``."""
        with self._database.read() as connection:
            found = sql_history.snapshot_by_id(connection, snapshot_id)
        if found is None:
            raise UnknownSnapshot(f"no snapshot has the id {snapshot_id!r}; see them with `supply-lake snapshots NAME`")
        return found

    def batch_snapshots(self, dataset: str, landing_date: dt.date) -> list[Snapshot]:
        """See ``MetadataStore.batch_snapshots``."""
        with self._database.read() as connection:
            return sql_history.live_of_landing_date(connection, dataset, landing_date)

    def batches(
        self, dataset: str | None = None, limit: int | None = None, *, run_id: str | None = None, status: Status | None = None
    ) -> list[Batch]:
        """See ``MetadataStore.batches``."""
        with self._database.read() as connection:
            return sql_history.newest_batches(connection, dataset, limit, run_id, status)

    # --- files that are given up

    def remove(self, asked: Removal, recorded: frozenset[str] = frozenset()) -> Removal:
        """See ``MetadataStore.remove``."""
        return self._database.write(lambda connection: self._remove(connection, asked, recorded))

    def _remove(self, connection: sa.Connection, asked: Removal, recorded: frozenset[str]) -> Removal:
        sql_datasets.lock_dataset(connection, asked.dataset)
        return sql_removals.remove(connection, asked, self._now(), recorded)

    def removals(self, dataset: str | None = None, limit: int | None = None) -> list[Removal]:
        """See ``MetadataStore.removals``."""
        with self._database.read() as connection:
            return sql_removals.newest(connection, dataset, limit)

    # --- schemas

    def schema(self, dataset: str, commit: int | None = None) -> SchemaVersion | None:
        """See ``MetadataStore.schema``."""
        with self._database.read() as connection:
            return sql_versions.version(connection, dataset, commit)

    def schema_versions(self, dataset: str) -> list[SchemaVersion]:
        """See ``MetadataStore.schema_versions``."""
        with self._database.read() as connection:
            return sql_versions.versions(connection, dataset)

    # --- pages

    def pages(self) -> SqlPages:
        """The history page by page, along indexes; see ``snapshots.pages``."""
        return SqlPages(self._database)

    # --- pins

    def add_pin(self, pin: Pin) -> Pin:
        """See ``MetadataStore.add_pin``."""
        return self._database.write(lambda connection: sql_pins.add(connection, pin, self._now()))

    def remove_pin(self, pin_id: str) -> bool:
        """See ``MetadataStore.remove_pin``."""
        return self._database.write(lambda connection: sql_pins.remove(connection, pin_id))

    def pins(self, dataset: str | None = None) -> list[Pin]:
        """See ``MetadataStore.pins``."""
        with self._database.read() as connection:
            return sql_pins.registered(connection, dataset)

    def _now(self) -> int:
        return to_micros(self._clock())
