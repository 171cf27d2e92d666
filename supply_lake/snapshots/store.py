"""The metadata store, as an interface: the ledger of landed objects, the records, and the one atomic commit.

What belongs here: the protocol that every store keeps, and the values that cross it. What does not: any store
(``sql_store`` is one). ``supply_lake_tests/snapshots/test_store_*.py`` are the suite that all stores pass.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots.pins import Pin
from supply_lake.snapshots.records import Batch, Commit, Snapshot, Status
from supply_lake.snapshots.removal import Removal
from supply_lake.snapshots.schema_versions import ProposedSchema, SchemaVersion
from supply_lake.storage.object_store import ObjectVersion


@dataclass(frozen=True, slots=True)
class PublishedContent:
    """One published object version and its bytes' digest.

    ``live``: the rows of a snapshot of its batch, or of the last replay of its rejected rows, are live, be it in one that a
    compaction wrote. ``newest``: of its key. ``revoked``: a person revoked what it published.
    """

    key: str
    etag: str
    size: int
    sha256: str
    live: bool
    newest: bool
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class TakenUp:
    """An object version whose rejected rows a batch takes up, and the batch in whose rejects they stood when it read them."""

    object: ObjectVersion
    standing_in: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a revocation puts a published object version."""

    object: ObjectVersion
    state: ObjectState
    reason: str
    standing_in: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A commit that a batch asks for.

    ``based_on`` lists, for partitions whose new snapshot was built from the live rows (upsert), the ids that were read;
    the commit conflicts when one of those partitions has other live snapshots now. Where the batch has a new snapshot in such
    a partition, what was read is superseded. ``based_on_commit`` is the dataset's newest commit when its live set was read;
    the commit conflicts when there is a newer one. Whoever looked at the whole live set needs it: an upsert with keys of
    dataset scope has to know that no other writer put the same key on another date meanwhile, and a rule that compares rows
    with live ones has to hold for the live set that the commit makes. ``supersede_live`` lists
    partitions in which everything live at commit time is superseded (replace). ``supersedes`` lists snapshot ids besides those.
    The snapshots' own ``supersedes``, ``commit`` and ``committed_at`` are filled in by the store; what is superseded in a
    partition without a new snapshot stands on the batch's first snapshot. ``schema`` is what the commit publishes; without it
    the schema stays what it is.

    ``taken_up`` lists the objects of a replay. ``revokes`` lists snapshots that are revoked, whether they are live or their
    rows are carried on by others; ``reinstates`` those whose revocation is taken back; ``moved`` what that means for their
    objects.
    """

    batch: Batch
    objects: tuple[ObjectVersion, ...]
    based_on: tuple[tuple[dt.date, tuple[str, ...]], ...] = ()
    based_on_commit: int | None = None
    supersede_live: tuple[dt.date, ...] = ()
    supersedes: tuple[str, ...] = ()
    taken_up: tuple[TakenUp, ...] = ()
    revokes: tuple[str, ...] = ()
    reinstates: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    schema: ProposedSchema | None = None


class MetadataStore(Protocol):
    """What every metadata store does. Methods raise ``StoreUnavailable`` when it does not answer."""

    # --- the ledger of landed objects

    def register(self, entries: Iterable[LedgerEntry], *, listed: bool = False) -> int:
        """Enter object versions; one that is known counts another delivery and keeps its state. Returns how many were new.

        A pending version of the same key that is not newer (by ``modified``) becomes ``replaced``; a new version that is older
        than one that is known is entered as ``replaced``: the lake never goes back to older bytes because an event came late.
        A version that was ignored or refused becomes pending when it is entered as pending.

        :param listed: the entries were seen standing in landing, by a listing or by a look at their keys after an event.
            So they are its present, whatever their times say: an older one is pending too (its copy kept its time, or a clock
            went back), and one that was ``replaced``, or gone when it was to be read, is pending again
        """

    def known(self, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
        """For each key that the ledger has, its known ``(etag, size)`` pairs.

        Left out are versions that were ``replaced`` or gone: when a listing shows one of them, it has come back and has to be
        registered again.
        """

    def prefix_fingerprints(self, prefixes: Sequence[str] = ("",)) -> dict[str, int]:
        """Fingerprints of the landing folders that begin with one of these, as they were when last listed and entered whole."""

    def set_prefix_fingerprints(self, fingerprints: dict[str, int]) -> None:
        """Remember that these folders' listings are entered whole."""

    def pending(self, datasets: Sequence[str] | None = None) -> list[PendingBatch]:
        """What waits, by landing date then dataset."""

    def pending_objects(self, dataset: str, landing_date: dt.date, max_objects: int, max_bytes: int) -> list[LedgerEntry]:
        """The next pending object versions of one batch, by ``modified`` then key; at least one if any is pending."""

    def objects(
        self, dataset: str | None = None, state: ObjectState | None = None, landing_date: dt.date | None = None
    ) -> Iterator[LedgerEntry]:
        """Ledger entries, by dataset and key."""

    def versions(self, keys: Sequence[str]) -> dict[str, list[LedgerEntry]]:
        """Every version of these keys that the ledger has, in the order in which they came to stand."""

    def published_content(self, dataset: str, landing_date: dt.date) -> list[PublishedContent]:
        """The object versions that committed batches of this dataset and landing date read, newest version of a key last."""

    def start_attempt(self, objects: Sequence[ObjectVersion], max_attempts: int) -> int | None:
        """Count an attempt before it begins, so that one which kills its process is counted too.

        Objects whose ``max_attempts`` are used up already are set aside instead ("… attempts ended without a word").
        Returns the number of this attempt, or ``None``, and counts nothing, when not all of the objects are pending (any more):
        then ask for what is pending again.
        """

    def forgive_attempt(self, objects: Sequence[ObjectVersion]) -> None:
        """Take the last counted attempt back: a store was away, the objects are not to blame."""

    def fail_attempt(self, objects: Sequence[ObjectVersion], reason: str, max_attempts: int) -> None:
        """Note why the counted attempt failed; objects whose ``max_attempts`` are used up are set aside with the reason."""

    def retry(self, dataset: str, landing_date: dt.date | None = None) -> int:
        """Make pending again, with fresh attempts, what was set aside because its attempts were used up.

        Only the newest version of each key; of one landing date if given. Returns how many.
        """

    # --- commits and records

    def commit(self, proposal: Proposal) -> Batch:
        """Make the batch's snapshots visible, in one transaction, as the dataset's next commit; settles its objects.

        Its objects are done, and published if they were read; those that had other bytes are ``replaced``. ``committed_at`` is
        the clock's time, but always later than the dataset's commit before, and later than any time that ``commit_at``
        answered for. A batch that is committed already (the answer to the first call was lost) is handed back as stored.

        Folders of objects that were gone or changed are forgotten as listed: should such an object come back as it was, its
        folder would look as if all of it were entered.

        :raises AlreadyPublished: an object version was published by another commit, or was overwritten and its newer version
            is published; of a batch that takes published objects up again: one of them was revoked, or its rejected rows do not
            stand where they were read any more
        :raises CommitConflict: ``based_on`` has moved, a snapshot of ``supersedes`` is no longer live, ``schema`` was built
            on another version than the newest, or ``remove`` gave up the files of one of its snapshots
        """

    def record(self, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp] = ()) -> Batch:
        """Record a batch that published nothing (rejected, failed, empty) and settle its objects, atomically.

        Objects that a commit published, and those that are set aside, stay so. A batch that is recorded already is handed back.

        :param taken_up: the objects of a replay
        :raises AlreadyPublished: the rejected rows of one of them do not stand where they were read any more
        :raises CommitConflict: ``remove`` gave up the files of one of its snapshots
        """

    def last_commit(self, dataset: str) -> int:
        """Number of the newest commit; 0 when there is none."""

    def commit_at(self, dataset: str, time: dt.datetime) -> int:
        """Number of the newest commit not later than the time; 0 when there is none.

        For a time that is not in the future the answer holds for ever: no later commit is dated before it.
        """

    def commits(self, dataset: str) -> list[Commit]:
        """The dataset's history, oldest first."""

    def live(self, dataset: str, commit: int | None = None, partition: dt.date | None = None) -> list[Snapshot]:
        """The live set at a commit (the newest when left out), by partition then commit; of one partition if given.

        :raises UnknownCommit: the dataset has no such commit (0, the empty beginning, is one)
        """

    def live_partitions(self, dataset: str) -> list[dt.date]:
        """The partition dates that have a live snapshot, oldest first."""

    def latest(self, dataset: str, partition: dt.date | None = None) -> Snapshot | None:
        """The live snapshot with the newest rows; of several, that of the latest partition.

        A compaction makes no row newer: what it wrote counts by ``arrived_at``.
        """

    def snapshots(self, dataset: str, limit: int | None = None) -> list[Snapshot]:
        """All snapshot records of the dataset whatever their status, newest first."""

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """One record.

        :raises UnknownSnapshot: when there is none
        """

    def batch_snapshots(self, dataset: str, landing_date: dt.date) -> list[Snapshot]:
        """Snapshots that came from batches of this landing date and whose rows are live: they themselves are, or what a
        compaction made of them and others, which is not in the list.
        """

    def batches(
        self, dataset: str | None = None, limit: int | None = None, *, run_id: str | None = None, status: Status | None = None
    ) -> list[Batch]:
        """Batches, newest first; of one dataset, of one run, or with one status, if given."""

    # --- files that are given up

    def remove(self, asked: Removal, recorded: frozenset[str] = frozenset()) -> Removal:
        """Write down, in one transaction, which files are removed from now on; returns what of them may be removed.

        Of ``asked.snapshots`` those that were superseded by ``reachable_from`` or before, and that no pinned commit shows;
        they have ``removed_at`` from then on. Of ``asked.strays`` those whose snapshot has no record; no commit or record will
        ever name that id. If nothing is left, nothing is written.

        :param recorded: ids of strays whose record was compared with them after they were found: it does not name them
        """

    def removals(self, dataset: str | None = None, limit: int | None = None) -> list[Removal]:
        """What was removed, newest first."""

    # --- schemas

    def schema(self, dataset: str, commit: int | None = None) -> SchemaVersion | None:
        """What the dataset publishes at a commit (the newest when left out); ``None`` before its first version."""

    def schema_versions(self, dataset: str) -> list[SchemaVersion]:
        """Every version of what the dataset publishes, oldest first."""

    # --- pins

    def add_pin(self, pin: Pin) -> Pin:
        """Register a pin: the files of every commit that it names are kept until it is removed.

        A pin of this id that is registered already is handed back as stored.

        :raises UnknownCommit: a dataset has no such commit (0, the empty beginning, is one)
        :raises VersionRemoved: files of what was live at a commit were removed already
        """

    def remove_pin(self, pin_id: str) -> bool:
        """Forget a registered pin; returns whether there was one of this id."""

    def pins(self, dataset: str | None = None) -> list[Pin]:
        """Every registered pin, oldest first; only those that name a dataset, if given."""

    def close(self) -> None:
        """Give up connections."""
