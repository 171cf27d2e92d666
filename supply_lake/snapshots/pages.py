"""History page by page: what a service asks of a metadata store many times a second.

What belongs here: the protocol, its values, and the way to keep it over any ``MetadataStore``. What does not: SQL
(``sql_pages`` answers the same from indexes) and laying a page out (``service``).

Pages are by key, never by offset: a page begins after the last entry of the one before it, wherever that stands by then.
Records come as the JSON text that is stored, so that whoever needs only a part of it parses only that.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol, runtime_checkable

from supply_lake.errors import UnknownSnapshot
from supply_lake.snapshots.records import Commit, Snapshot, snapshot_json
from supply_lake.snapshots.store import MetadataStore


@dataclass(frozen=True, slots=True)
class Head:
    """Where a dataset's history ends; commit 0 and no time before its first commit."""

    commit: int = 0
    committed_at: dt.datetime | None = None


class Entry(NamedTuple):
    """One snapshot: its stored JSON, and what changes after it was stored. ``recorded_at`` is when the store took it in."""

    record: str
    superseded_by: int | None
    revoked_by: int | None
    recorded_at: dt.datetime
    removed_at: dt.datetime | None = None

    def as_of(self, commit: int) -> Entry:
        """The entry as it stood at a commit: what happened to it later is not told, so this never changes."""
        if (self.superseded_by or 0) <= commit and (self.revoked_by or 0) <= commit and self.removed_at is None:
            return self
        superseded_by = self.superseded_by if (self.superseded_by or 0) <= commit else None
        revoked_by = self.revoked_by if (self.revoked_by or 0) <= commit else None
        return self._replace(superseded_by=superseded_by, revoked_by=revoked_by, removed_at=None)


Place = tuple[dt.date, int, str]
"""Where a snapshot stands in a live set: partition, commit, id."""
Moment = tuple[dt.datetime, str]
"""Where a snapshot stands in the order of recording: time, id."""


class Pages(Protocol):
    """What every way of paging answers. Methods raise ``StoreUnavailable`` when the store does not answer."""

    def head(self, dataset: str) -> Head:
        """The newest commit of a dataset."""

    def heads(self) -> dict[str, Head]:
        """The newest commit of every dataset that has one."""

    def live(
        self,
        dataset: str,
        commit: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        partition: dt.date | None = None,
    ) -> list[Entry]:
        """The live set at a commit by partition, commit and id, as it stood then."""

    def latest(self, dataset: str, commit: int, partition: dt.date | None = None) -> Entry | None:
        """Of the live set at a commit, the snapshot of the newest commit; of several, that of the latest partition."""

    def newest(self, dataset: str, *, before: Moment | None = None, limit: int) -> list[Entry]:
        """All snapshots of a dataset whatever their status, by time of recording, newest first."""

    def entry(self, snapshot_id: str) -> Entry | None:
        """One snapshot; ``None`` when there is none."""

    def of_batches(self, batch_ids: Sequence[str]) -> list[Entry]:
        """The snapshots of these batches, by id."""

    def committed_at(self, dataset: str, commit: int) -> dt.datetime | None:
        """When a commit was made; ``None`` when there is none of this number."""

    def commits(self, dataset: str, *, after: int = 0, limit: int) -> list[Commit]:
        """The history after a commit, oldest first."""


@runtime_checkable
class Paged(Protocol):
    """A metadata store that has a quick way of its own."""

    def pages(self) -> Pages:
        """That way."""


def pages_of(store: MetadataStore) -> Pages:
    """The quickest way that the store has."""
    return store.pages() if isinstance(store, Paged) else PagesOver(store)


class PagesOver:
    """``Pages`` over any metadata store, by the questions that all of them answer: right, and as quick as those are."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store

    def head(self, dataset: str) -> Head:
        """See ``Pages.head``."""
        commits = self._store.commits(dataset) if self._store.last_commit(dataset) else []
        return Head(commits[-1].number, commits[-1].committed_at) if commits else Head()

    def heads(self) -> dict[str, Head]:
        """See ``Pages.heads``."""
        names = {batch.dataset for batch in self._store.batches()}
        found = {name: self.head(name) for name in names}
        return {name: head for name, head in found.items() if head.commit}

    def live(
        self,
        dataset: str,
        commit: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        partition: dt.date | None = None,
    ) -> list[Entry]:
        """See ``Pages.live``."""
        found = self._store.live(dataset, commit, partition) if commit else []
        rest = (one for one in found if after is None or (one.partition, one.commit or 0, one.id) > after)
        return [_entry(one).as_of(commit) for one in islice(rest, limit)]

    def latest(self, dataset: str, commit: int, partition: dt.date | None = None) -> Entry | None:
        """See ``Pages.latest``."""
        found = self._store.live(dataset, commit, partition) if commit else []
        last = max(found, key=lambda one: (one.commit or 0, one.partition, one.id), default=None)
        return None if last is None else _entry(last).as_of(commit)

    def newest(self, dataset: str, *, before: Moment | None = None, limit: int) -> list[Entry]:
        """See ``Pages.newest``."""
        ordered = sorted(self._store.snapshots(dataset), key=_moment, reverse=True)
        return [_entry(one) for one in islice((one for one in ordered if before is None or _moment(one) < before), limit)]

    def entry(self, snapshot_id: str) -> Entry | None:
        """See ``Pages.entry``."""
        try:
            return _entry(self._store.snapshot(snapshot_id))
        except UnknownSnapshot:
            return None

    def of_batches(self, batch_ids: Sequence[str]) -> list[Entry]:
        """See ``Pages.of_batches``."""
        wanted = set(batch_ids)
        found = (one for batch in self._store.batches() if batch.id in wanted for one in batch.snapshots)
        return [_entry(one) for one in sorted(found, key=lambda one: one.id)]

    def committed_at(self, dataset: str, commit: int) -> dt.datetime | None:
        """See ``Pages.committed_at``."""
        return next((one.committed_at for one in self._store.commits(dataset) if one.number == commit), None)

    def commits(self, dataset: str, *, after: int = 0, limit: int) -> list[Commit]:
        """See ``Pages.commits``."""
        return list(islice((one for one in self._store.commits(dataset) if one.number > after), limit))


def _moment(snapshot: Snapshot) -> Moment:
    time = snapshot.committed_at or snapshot.created_at or dt.datetime.min.replace(tzinfo=dt.UTC)
    return (time, snapshot.id)


def _entry(snapshot: Snapshot) -> Entry:
    record = json.dumps(snapshot_json(snapshot), separators=(",", ":"))
    return Entry(record, snapshot.superseded_by, snapshot.revoked_by, _moment(snapshot)[0], snapshot.removed_at)


def records(entries: Iterable[Entry]) -> str:
    """The entries' records as the text of one JSON array."""
    return "[" + ",".join(one.record for one in entries) + "]"
