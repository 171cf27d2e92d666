"""The metadata store, as an interface: the ledger of landed objects, the records, and the one atomic commit.

What belongs here: the protocol that every store keeps, and the values that cross it. What does not: any store
(``sql_store`` is one). ``supply_lake_tests/snapshots/test_store_behaviour.py`` is the suite that all stores pass.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots.records import Batch, Commit, Snapshot
from supply_lake.storage.object_store import ObjectVersion


@dataclass(frozen=True, slots=True)
class PublishedContent:
    """One published object version and its bytes' digest. ``live``: a snapshot of its batch is live; ``newest``: of its key."""

    key: str
    etag: str
    size: int
    sha256: str
    live: bool
    newest: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """A commit that a batch asks for.

    ``based_on`` lists, for partitions whose new snapshot was built from the live rows (upsert), the ids that were read;
    the commit conflicts when one of those partitions has other live snapshots now. ``supersede_live`` lists partitions in
    which everything live at commit time is superseded (replace). ``supersedes`` lists snapshot ids besides those.
    The snapshots' own ``supersedes``, ``commit`` and ``committed_at`` are filled in by the store.
    """

    batch: Batch
    objects: tuple[ObjectVersion, ...]
    based_on: tuple[tuple[dt.date, tuple[str, ...]], ...] = ()
    supersede_live: tuple[dt.date, ...] = ()
    supersedes: tuple[str, ...] = ()
    recurates: bool = False


class MetadataStore(Protocol):
    """What every metadata store does. Methods raise ``StoreUnavailable`` when it does not answer."""

    # --- the ledger of landed objects

    def register(self, entries: Iterable[LedgerEntry]) -> int:
        """Enter object versions; one that is known counts another delivery and keeps its state. Returns how many were new.

        A pending version of the same key that is older (by ``modified``) becomes ``replaced``.
        """

    def known(self, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
        """For each key that the ledger has, its known ``(etag, size)`` pairs."""

    def prefix_fingerprints(self) -> dict[str, int]:
        """Fingerprint of every landing folder as it was when last listed and entered whole."""

    def set_prefix_fingerprints(self, fingerprints: dict[str, int]) -> None:
        """Remember that these folders' listings are entered whole."""

    def pending(self, datasets: Sequence[str] | None = None) -> list[PendingBatch]:
        """What waits, by dataset and landing date, oldest first."""

    def pending_objects(self, dataset: str, landing_date: dt.date, max_objects: int, max_bytes: int) -> list[LedgerEntry]:
        """The next pending object versions of one batch, in order of arrival then key; at least one if any is pending."""

    def objects(
        self, dataset: str | None = None, state: ObjectState | None = None, landing_date: dt.date | None = None
    ) -> Iterator[LedgerEntry]:
        """Ledger entries, by dataset and key."""

    def published_content(self, dataset: str, landing_date: dt.date) -> list[PublishedContent]:
        """The object versions that committed batches of this dataset and landing date read, newest version of a key last."""

    def start_attempt(self, objects: Sequence[ObjectVersion], max_attempts: int) -> int | None:
        """Count an attempt before it begins, so that one which kills its process is counted too.

        Objects whose ``max_attempts`` are used up already are set aside instead ("… attempts ended without a word").
        Returns the number of this attempt, or ``None`` when none of the objects is pending any more.
        """

    def forgive_attempt(self, objects: Sequence[ObjectVersion]) -> None:
        """Take the last counted attempt back: a store was away, the objects are not to blame."""

    def fail_attempt(self, objects: Sequence[ObjectVersion], reason: str, max_attempts: int) -> None:
        """Note why the counted attempt failed; objects whose ``max_attempts`` are used up are set aside with the reason."""

    def retry(self, dataset: str, landing_date: dt.date | None = None) -> int:
        """Make pending again, with fresh attempts, what was set aside or was in a batch that published nothing.

        Only the newest version of each key; of one landing date if given. Returns how many.
        """

    # --- commits and records

    def commit(self, proposal: Proposal) -> Batch:
        """Make the batch's snapshots visible, in one transaction, as the dataset's next commit; settles its objects.

        :raises AlreadyPublished: an object version was published by another commit (unless ``recurates``)
        :raises CommitConflict: a ``based_on`` partition has moved, or a snapshot of ``supersedes`` is no longer live
        """

    def record(self, batch: Batch, objects: Sequence[ObjectVersion]) -> Batch:
        """Record a batch that published nothing (rejected, failed, empty) and settle its objects, atomically."""

    def last_commit(self, dataset: str) -> int:
        """Number of the newest commit; 0 when there is none."""

    def commit_at(self, dataset: str, time: dt.datetime) -> int:
        """Number of the newest commit not later than the time; 0 when there is none."""

    def commits(self, dataset: str) -> list[Commit]:
        """The dataset's history, oldest first."""

    def live(self, dataset: str, commit: int | None = None, partition: dt.date | None = None) -> list[Snapshot]:
        """The live set at a commit (the newest when left out), by partition then commit; of one partition if given."""

    def snapshots(self, dataset: str, limit: int | None = None) -> list[Snapshot]:
        """All snapshot records of the dataset whatever their status, newest first."""

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One record.

        :raises UnknownSnapshot: when there is none
        """

    def batch_snapshots(self, dataset: str, landing_date: dt.date) -> list[Snapshot]:
        """Live snapshots that came from batches of this landing date."""

    def batches(self, dataset: str | None = None, limit: int | None = None) -> list[Batch]:
        """Batches, newest first."""

    def close(self) -> None:
        """Give up connections."""
