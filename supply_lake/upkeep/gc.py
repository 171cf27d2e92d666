"""Garbage: stored files that no record names, and versions that nothing may ask for any more.

What belongs here: choosing what goes, and removing it once the metadata store has it written down. What does not: the decision
itself (``MetadataStore.remove`` makes it, in the transaction that holds the dataset).

A file without a record may belong to a batch that is at work. So it has to be older than a grace period; and should a batch
take longer still, its commit is refused and the batch writes its files anew. A version goes when it was superseded for longer
than the retention and no pin names a commit that shows it: every read as of a time within the retention gives what it gave.
Records, rejects and whatever is live are never removed.

First the record, then the files: killed between them, what is left are files of removed snapshots, which the next collection
takes for garbage.
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from supply_lake.ingest.stores import Stores
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.removal import Given, Removal, Root, Stray
from supply_lake.storage.layout import new_snapshot_id, parse_snapshot_path
from supply_lake.storage.object_store import ObjectStore

MOST_STRAYS = 50_000
"""So many at most stand on one record; the next collection takes the others."""


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Collection:
    """The terms of a collection.

    :param retention: how long a superseded version stays readable
    :param grace: how old a file without a record has to be
    """

    stores: Stores
    retention: dt.timedelta
    grace: dt.timedelta
    run_id: str = ""
    by: str = ""
    clock: Callable[[], dt.datetime] = _utc_now

    def plan(self, name: str) -> Removal:
        """What would go of one dataset; nothing is written.

        :raises UnknownDataset: no dataset is called so
        """
        return self._plan(name)[0]

    def run(self, name: str) -> Removal:
        """Remove it. Returns what was removed, as it is on record.

        :raises UnknownDataset: no dataset is called so
        :raises StoreUnavailable: a store does not answer; what is written down and still there goes next time
        """
        asked, snapshots = self._plan(name)
        if asked.empty:
            return asked
        removal = self.stores.metadata.remove(asked, frozenset(one.id for one in snapshots))
        going = {one.id for one in removal.snapshots}
        for root, store in self._roots:
            paths = [one.path for one in removal.strays if one.root == root]
            if root == "lake":
                paths += [file.path for one in snapshots if one.id in going for file in one.files]
            store.delete(paths, folders=True)
        self.stores.exports.forget(name, removal.reachable_from)
        return removal

    def _plan(self, name: str) -> tuple[Removal, list[Snapshot]]:
        metadata, now = self.stores.metadata, self.clock()
        dataset = self.stores.registry.get(name).name
        reachable_from = metadata.commit_at(dataset, now - self.retention)
        snapshots = metadata.snapshots(dataset)
        pinned = {pin.commit_of(dataset) or 0 for pin in metadata.pins(dataset)}
        removal = Removal(
            id=new_snapshot_id(),
            dataset=dataset,
            reachable_from=reachable_from,
            snapshots=tuple(
                Given(one.id, len(one.files), one.bytes)
                for one in snapshots
                if one.paths and _is_out_of_reach(one, reachable_from) and not any(_shows(pin, one) for pin in pinned)
            ),
            strays=tuple(islice(self._strays(dataset, snapshots, now - self.grace), MOST_STRAYS)),
            run_id=self.run_id,
            by=self.by or getpass.getuser(),
            why=f"superseded for longer than {_told(self.retention)}, or without a record for longer than {_told(self.grace)}",
        )
        return removal, snapshots

    @property
    def _roots(self) -> tuple[tuple[Root, ObjectStore], ...]:
        return (("lake", self.stores.lake), ("rejects", self.stores.rejects))

    def _strays(self, dataset: str, snapshots: Sequence[Snapshot], before: dt.datetime) -> Iterator[Stray]:
        """Files that no record names and that were last written to before the time.

        Records are read before files are listed, so a snapshot that is committed meanwhile may be among these: the metadata
        store leaves it out.
        """
        for root, store in self._roots:
            named = {
                path for one in snapshots for path in (one.paths if root == "lake" else (file.path for file in one.rejects))
            }
            for batch in store.list(f"dataset={dataset}/"):
                for row in batch.select(["key", "size", "modified"]).to_pylist():
                    parsed = parse_snapshot_path(row["key"])
                    if parsed is not None and row["key"] not in named and row["modified"] < before:
                        yield Stray(root, row["key"], row["size"], parsed.snapshot_id)


def terms(
    settings: Settings, retention: dt.timedelta | None = None, grace: dt.timedelta | None = None
) -> tuple[dt.timedelta, dt.timedelta]:
    """Retention and grace: those given, else those of the settings."""
    return (
        dt.timedelta(days=settings.retention_days) if retention is None else retention,
        dt.timedelta(hours=settings.gc_grace_hours) if grace is None else grace,
    )


def _is_out_of_reach(snapshot: Snapshot, reachable_from: int) -> bool:
    return snapshot.superseded_by is not None and snapshot.superseded_by <= reachable_from


def _shows(commit: int, snapshot: Snapshot) -> bool:
    """Whether the snapshot was live at the commit."""
    since, until = snapshot.commit, snapshot.superseded_by
    return since is not None and since <= commit and (until is None or commit < until)


def _told(time: dt.timedelta) -> str:
    hours = time / dt.timedelta(hours=1)
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
