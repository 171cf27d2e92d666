"""What a reader sees of every dataset: the newest commit, or that of a time, or that of a pin; and versions besides.

What belongs here: resolving a dataset and a version to snapshots, once, and refusing what is later than the view allows. What
does not: SQL (``tables``, ``engine``) and reading versions as text (``versions``).

A view that is bound to a time or a pin has no look-ahead: neither rows, history, rejects nor any version that SQL names are of
a later commit than the one that the view shows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace

from supply_lake.errors import UnknownCommit, UnknownSnapshot
from supply_lake.query.live_set import LiveSet, live_set, past
from supply_lake.query.versions import Version
from supply_lake.snapshots.records import Snapshot
from supply_lake.snapshots.standing import Rejects, standing_rejects
from supply_lake.snapshots.store import MetadataStore


class View:
    """One view. Whatever it was asked once it answers the same again, whatever is committed meanwhile. Threads may share it.

    :param commit_of: the commit that a dataset is seen at; ``None`` when it cannot be seen at all
    :param bound: whether versions later than that are out of sight, by whatever name
    :param prove: raises when what is found live is not what the view was made for
    """

    def __init__(
        self,
        metadata: MetadataStore,
        commit_of: Callable[[str], int | None],
        *,
        bound: bool,
        prove: Callable[[LiveSet], None] | None = None,
    ) -> None:
        self._metadata = metadata
        self._commit_of = commit_of
        self._prove = prove
        self._live: dict[str, LiveSet] = {}
        self.bound = bound

    @staticmethod
    def newest(metadata: MetadataStore) -> View:
        """Every dataset at its newest commit."""
        return View(metadata, metadata.last_commit, bound=False)

    @staticmethod
    def as_of(metadata: MetadataStore, time: dt.datetime) -> View:
        """Every dataset as it was at a time; without a zone it is UTC.

        :raises UsageError: the time is yet to come
        """
        time = past(time)
        return View(metadata, lambda name: metadata.commit_at(name, time), bound=True)

    def until(self, time: dt.datetime) -> View:
        """The same, but nothing that was committed after a time.

        :raises UsageError: the time is yet to come
        """
        earlier, metadata = past(time), self._metadata

        def commit_of(name: str) -> int | None:
            seen = self._commit_of(name) if self.bound else None
            if self.bound and seen is None:
                return None
            then = metadata.commit_at(name, earlier)
            return then if seen is None else min(seen, then)

        return View(metadata, commit_of, bound=True, prove=self._prove)

    def sees(self, name: str) -> bool:
        """Whether the dataset can be read at all."""
        return self._commit_of(name) is not None

    def rows(self, name: str, version: Version | None = None) -> LiveSet:
        """The snapshots whose rows are seen.

        :raises UnknownCommit: there is no such commit, or the view has no look at it
        :raises UnknownSnapshot: there is no such snapshot, or the view has no look at it
        """
        if name not in self._live:
            commit = self._commit_of(name)
            if commit is None:
                raise UnknownCommit(f"dataset {name} is not in the pin that is read under; pin it too")
            live = live_set(self._metadata, name, commit=commit)
            if self._prove is not None:
                self._prove(live)
            self._live.setdefault(name, live)
        base = self._live[name]
        if version is None:
            return base
        asked = version.live(self._metadata, name)
        if self.bound and asked.commit > base.commit:
            raise UnknownCommit(f"{name}@{version} is of commit {asked.commit}; this reads no later than commit {base.commit}")
        return asked

    def rejects(self, name: str, version: Version | None = None) -> Sequence[Rejects]:
        """What was set aside and still stands; of one snapshot, all that was set aside with it."""
        if version is not None and version.snapshot:
            return (Rejects(self._rejecting(name, version.snapshot)),)
        live = self.rows(name, version)
        return standing_rejects(self._metadata.snapshots(name), live.commit if self.bound or version is not None else None)

    def _rejecting(self, name: str, snapshot_id: str) -> Snapshot:
        snapshot = self._metadata.snapshot(snapshot_id)
        if snapshot.dataset != name:
            raise UnknownSnapshot(f"snapshot {snapshot_id} is one of {snapshot.dataset}, not of {name}")
        return self.known(snapshot)

    def known(self, snapshot: Snapshot) -> Snapshot:
        """The record of a snapshot, as it was at the commit that is seen.

        :raises UnknownSnapshot: the view has no look at it
        """
        if not self.bound:
            return snapshot
        commit = self.rows(snapshot.dataset).commit
        if snapshot.commit is None or snapshot.commit > commit:
            raise UnknownSnapshot(f"snapshot {snapshot.id} of {snapshot.dataset} is not known at commit {commit}")
        return _as_known_at(snapshot, commit)

    def history(self, name: str, version: Version | None = None) -> LiveSet:
        """Every snapshot that was committed so far, live or not, as the records said of them then."""
        live = self.rows(name, version)
        if version is not None and version.snapshot:
            return live
        committed = [one for one in self._metadata.snapshots(name) if one.commit is not None and one.commit <= live.commit]
        return replace(live, snapshots=tuple(_as_known_at(one, live.commit) for one in reversed(committed)))


def _as_known_at(snapshot: Snapshot, commit: int) -> Snapshot:
    later = snapshot.superseded_by is not None and snapshot.superseded_by > commit
    revoked = snapshot.revoked_by is not None and snapshot.revoked_by > commit
    return replace(
        snapshot,
        superseded_by=None if later else snapshot.superseded_by,
        revoked_by=None if revoked else snapshot.revoked_by,
    )
