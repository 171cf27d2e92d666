"""``DynamoStore``: the metadata store in one DynamoDB table.

What belongs here: the methods of ``MetadataStore``, each with the view that it reads or the decision that it makes. What does
not: the items and their keys (``dynamo_items`` has the design), the commit (``dynamo_commit``), the ledger (``dynamo_ledger``,
``dynamo_versions``) and the reading (``dynamo_history``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence

from supply_lake.errors import UnknownCommit, UnknownSnapshot
from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots import dynamo_history, dynamo_ledger, dynamo_pins
from supply_lake.snapshots.dynamo_commit import Decider
from supply_lake.snapshots.dynamo_connect import connect
from supply_lake.snapshots.dynamo_heads import Heads
from supply_lake.snapshots.dynamo_table import MOST_WRITES, Table
from supply_lake.snapshots.micros import to_micros
from supply_lake.snapshots.pins import Pin
from supply_lake.snapshots.records import Batch, Commit, Snapshot, Status
from supply_lake.snapshots.removal import Removal
from supply_lake.snapshots.schema_versions import SchemaVersion
from supply_lake.snapshots.store import Proposal, PublishedContent, TakenUp
from supply_lake.storage.object_store import ObjectVersion

_CLOCKS_DIFFER_BY = dt.timedelta(hours=1)
PATIENCE_SECONDS = 2.0


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class DynamoStore:
    """A ``MetadataStore`` in one DynamoDB table. Threads may share it."""

    def __init__(
        self,
        table: Table,
        clock: Callable[[], dt.datetime] = _utc_now,
        *,
        patience: float = PATIENCE_SECONDS,
        most_writes: int = MOST_WRITES,
    ) -> None:
        self.table = table
        self._clock = clock
        self._heads = Heads(table, patience)
        self._decider = Decider(self._heads, self._now, set(), most_writes)

    @staticmethod
    def open(url: str, clock: Callable[[], dt.datetime] = _utc_now) -> DynamoStore:
        """Open the store.

        :param url: ``dynamodb://TABLE``; see ``dynamo_connect.connect``
        :param clock: tells the time, with a zone
        :raises SettingsError: the URL cannot be used, or there is no such table
        :raises StoreUnavailable: DynamoDB does not answer
        """
        return DynamoStore(connect(url), clock)

    def close(self) -> None:
        """Give up connections."""
        self.table.close()

    # --- the ledger of landed objects

    def register(self, entries: Iterable[LedgerEntry], *, listed: bool = False) -> int:
        """See ``MetadataStore.register``."""
        given = list(entries)
        if not given:
            return 0
        self._heads.begin({one.dataset for one in given}, self._heads.heads())
        return dynamo_ledger.register(self.table, given, listed, self._now(), self._decider.noted)

    def known(self, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
        """See ``MetadataStore.known``."""
        self._heads.heads()
        return dynamo_ledger.known(self.table, keys)

    def prefix_fingerprints(self, prefixes: Sequence[str] = ("",)) -> dict[str, int]:
        """See ``MetadataStore.prefix_fingerprints``."""
        self._heads.heads()
        return dynamo_ledger.prefix_fingerprints(self.table, prefixes)

    def set_prefix_fingerprints(self, fingerprints: dict[str, int]) -> None:
        """See ``MetadataStore.set_prefix_fingerprints``."""
        dynamo_ledger.set_prefix_fingerprints(self.table, fingerprints)

    def pending(self, datasets: Sequence[str] | None = None) -> list[PendingBatch]:
        """See ``MetadataStore.pending``."""
        heads = self._heads.heads()
        return dynamo_ledger.pending(self.table, [one for one in heads if datasets is None or one in datasets])

    def pending_objects(self, dataset: str, landing_date: dt.date, max_objects: int, max_bytes: int) -> list[LedgerEntry]:
        """See ``MetadataStore.pending_objects``."""
        self._heads.head(dataset)
        return dynamo_ledger.pending_objects(self.table, dataset, landing_date, max_objects, max_bytes)

    def objects(
        self, dataset: str | None = None, state: ObjectState | None = None, landing_date: dt.date | None = None
    ) -> Iterator[LedgerEntry]:
        """See ``MetadataStore.objects``."""
        heads = self._heads.heads()
        return dynamo_ledger.entries(self.table, [one for one in heads if dataset in (None, one)], state, landing_date)

    def versions(self, keys: Sequence[str]) -> dict[str, list[LedgerEntry]]:
        """See ``MetadataStore.versions``."""
        self._heads.heads()
        return dynamo_ledger.versions(self.table, keys)

    def published_content(self, dataset: str, landing_date: dt.date) -> list[PublishedContent]:
        """See ``MetadataStore.published_content``."""
        view = self._heads.head(dataset).visible
        standing = dynamo_history.standing_marks(self.table, dataset, view)
        return dynamo_ledger.published_content(self.table, dataset, landing_date, {one.batch_id for one in standing})

    def start_attempt(self, objects: Sequence[ObjectVersion], max_attempts: int) -> int | None:
        """See ``MetadataStore.start_attempt``."""
        self._heads.heads()
        return dynamo_ledger.start_attempt(self.table, objects, max_attempts)

    def forgive_attempt(self, objects: Sequence[ObjectVersion]) -> None:
        """See ``MetadataStore.forgive_attempt``."""
        self._heads.heads()
        dynamo_ledger.forgive_attempt(self.table, objects)

    def fail_attempt(self, objects: Sequence[ObjectVersion], reason: str, max_attempts: int) -> None:
        """See ``MetadataStore.fail_attempt``."""
        self._heads.heads()
        dynamo_ledger.fail_attempt(self.table, objects, reason, max_attempts)

    def retry(self, dataset: str, landing_date: dt.date | None = None) -> int:
        """See ``MetadataStore.retry``."""
        self._heads.head(dataset)
        return dynamo_ledger.retry(self.table, dataset, landing_date)

    # --- commits and records

    def commit(self, proposal: Proposal) -> Batch:
        """See ``MetadataStore.commit``."""
        return self._decider.commit(proposal)

    def record(self, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp] = ()) -> Batch:
        """See ``MetadataStore.record``."""
        return self._decider.record(batch, objects, taken_up)

    def last_commit(self, dataset: str) -> int:
        """See ``MetadataStore.last_commit``."""
        return self._heads.view(dataset).number

    def commit_at(self, dataset: str, time: dt.datetime) -> int:
        """See ``MetadataStore.commit_at``.

        Only a time so recent that a commit under way, or a writer whose clock is behind, could still be dated before it costs a
        write: the promise not to.
        """
        micros, now = to_micros(time), self._clock()
        self._heads.head(dataset)
        if time > now - _CLOCKS_DIFFER_BY:
            self._heads.promise(dataset, min(micros, to_micros(now)))
        return dynamo_history.commit_at(self.table, dataset, micros)

    def commits(self, dataset: str) -> list[Commit]:
        """See ``MetadataStore.commits``."""
        return dynamo_history.history(self.table, dataset, self._heads.view(dataset))

    def live(self, dataset: str, commit: int | None = None, partition: dt.date | None = None) -> list[Snapshot]:
        """See ``MetadataStore.live``."""
        view = self._heads.view(dataset)
        if commit is not None and not 0 <= commit <= view.number:
            raise UnknownCommit(f"dataset {dataset} has no commit {commit}; its newest is {view.number}")
        number = view.number if commit is None else commit
        marks = dynamo_history.live_marks(self.table, dataset, view, number, partition)
        return dynamo_history.marked_snapshots(self.table, view, marks)

    def live_partitions(self, dataset: str) -> list[dt.date]:
        """See ``MetadataStore.live_partitions``."""
        return dynamo_history.live_partitions(self.table, dataset, self._heads.view(dataset))

    def latest(self, dataset: str, partition: dt.date | None = None) -> Snapshot | None:
        """See ``MetadataStore.latest``."""
        return dynamo_history.latest(self.table, dataset, self._heads.view(dataset), partition)

    def snapshots(self, dataset: str, limit: int | None = None) -> list[Snapshot]:
        """See ``MetadataStore.snapshots``."""
        return dynamo_history.newest_snapshots(self.table, dataset, self._heads.view(dataset), limit)

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """See ``MetadataStore.snapshot``."""
        found = dynamo_history.snapshot_by_id(self.table, snapshot_id, self._heads.view) if snapshot_id else None
        if found is None:
            raise UnknownSnapshot(f"no snapshot has the id {snapshot_id!r}; see them with `supply-lake snapshots NAME`")
        return found

    def batch_snapshots(self, dataset: str, landing_date: dt.date) -> list[Snapshot]:
        """See ``MetadataStore.batch_snapshots``."""
        return dynamo_history.live_of_landing_date(self.table, dataset, self._heads.view(dataset), landing_date)

    def batches(
        self, dataset: str | None = None, limit: int | None = None, *, run_id: str | None = None, status: Status | None = None
    ) -> list[Batch]:
        """See ``MetadataStore.batches``."""
        if dataset is not None:
            views = {dataset: self._heads.view(dataset)}
        else:
            views = {name: self._heads.view(name) if head.tail else head.visible for name, head in self._heads.peek().items()}
        return dynamo_history.newest_batches(self.table, views, limit, run_id, status)

    # --- files that are given up

    def remove(self, asked: Removal, recorded: frozenset[str] = frozenset()) -> Removal:
        """See ``MetadataStore.remove``."""
        return self._decider.remove(asked, recorded)

    def removals(self, dataset: str | None = None, limit: int | None = None) -> list[Removal]:
        """See ``MetadataStore.removals``."""
        views = self._heads.views() if dataset is None else {dataset: self._heads.view(dataset)}
        return dynamo_history.newest_removals(self.table, views, limit)

    # --- schemas

    def schema(self, dataset: str, commit: int | None = None) -> SchemaVersion | None:
        """See ``MetadataStore.schema``."""
        view = self._heads.view(dataset)
        at = view.number if commit is None else min(commit, view.number)
        return dynamo_history.schema_at(self.table, dataset, at)

    def schema_versions(self, dataset: str) -> list[SchemaVersion]:
        """See ``MetadataStore.schema_versions``."""
        return dynamo_history.schema_versions(self.table, dataset, self._heads.view(dataset))

    # --- pins

    def add_pin(self, pin: Pin) -> Pin:
        """See ``MetadataStore.add_pin``."""
        return dynamo_pins.add(self._heads, pin, self._now())

    def remove_pin(self, pin_id: str) -> bool:
        """See ``MetadataStore.remove_pin``."""
        return dynamo_pins.remove(self.table, pin_id)

    def pins(self, dataset: str | None = None) -> list[Pin]:
        """See ``MetadataStore.pins``."""
        return dynamo_pins.registered(self.table, dataset)

    def _now(self) -> int:
        return to_micros(self._clock())
