"""What stands of everything that was rejected, and the books of a dataset as they stand. Pure functions over records.

An object version is *dealt with* whenever a batch reads it. The last batch that read it whole says what became of its rows;
every replay after that took up all of its rejected rows and says what became of those. So the rejected rows that stand are
those of the last batch that dealt with it, whichever way. Of a batch that was undone nothing stands: a re-curation that was
refused, and a replay or re-curation that was revoked.

What belongs here: telling which rejects stand. What does not: reading them, and any store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from supply_lake.snapshots.records import DEALT_WITH, Kind, Rows, Snapshot, SourceRecord

Identity = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Rejects:
    """The rejects of one snapshot that stand.

    :param except_sources: keys of objects that a later batch read again whole: nothing of theirs stands here
    :param except_rejected: keys of objects whose rejected rows a later batch took up: only those that lost stand here
    """

    snapshot: Snapshot
    except_sources: tuple[str, ...] = ()
    except_rejected: tuple[str, ...] = ()

    @property
    def rejected(self) -> list[SourceRecord]:
        """The objects of which rejected rows stand here."""
        gone = {*self.except_sources, *self.except_rejected}
        return [one for one in self.snapshot.sources if one.rows.rejected and one.key not in gone]


@dataclass(frozen=True, slots=True)
class Dealing:
    """What one batch made of one object version; its rows over all snapshots of the batch."""

    batch_id: str
    source: SourceRecord
    rows: Rows


def standing_rejects(snapshots: Sequence[Snapshot], commit: int | None = None) -> tuple[Rejects, ...]:
    """The rejects that stand, oldest first.

    Once a later batch read newer bytes of the same key, those of the older bytes stand only where rows of them are live, too.

    :param snapshots: records of one dataset, whatever their status, in any order
    :param commit: look no further than this commit; batches that published nothing count by the time they were recorded
    """
    then = _until(snapshots, commit)
    live = {held for one in then if one.live for held in (one.id, *one.held)}
    seen = sorted((one for one in then if not _undone(one)), key=lambda one: one.id)
    last: dict[Identity, str] = {}
    whole: dict[Identity | str, str] = {}
    for snapshot in seen:
        for source in _dealt_with(snapshot):
            last[source.identity] = max(last.get(source.identity, ""), snapshot.batch_id)
            for read in () if source.replayed else (source.key, source.identity):
                whole[read] = max(whole.get(read, ""), snapshot.batch_id)
    found = (_standing(snapshot, last, whole, live=snapshot.id in live) for snapshot in seen if snapshot.rejects)
    return tuple(one for one in found if one is not None)


def _standing(snapshot: Snapshot, last: dict[Identity, str], whole: dict[Identity | str, str], *, live: bool) -> Rejects | None:
    """What stands of one snapshot's rejects; ``None`` when nothing does.

    :param live: whether its rows are, be it in another snapshot's files
    """
    sources, batch = snapshot.sources, snapshot.batch_id
    again = {one.key for one in sources if whole.get(one.identity if live else one.key, "") > batch}
    taken = {one.key for one in sources if last.get(one.identity, "") > batch} - again
    lost = sum(one.rows.deduplicated for one in sources if one.key in taken)
    if sources and len(again) + (0 if lost else len(taken)) == len(sources):
        return None
    return Rejects(snapshot, tuple(sorted(again)), tuple(sorted(taken)))


def dealings(snapshots: Iterable[Snapshot]) -> dict[Identity, list[Dealing]]:
    """What stands of every object version: the last batch that read it whole, then every replay since, in order."""
    found: dict[Identity, dict[str, Dealing]] = {}
    for snapshot in snapshots:
        if _undone(snapshot):
            continue
        for source in _dealt_with(snapshot):
            by_batch = found.setdefault(source.identity, {})
            known = by_batch.get(snapshot.batch_id)
            rows = source.rows + known.rows if known else source.rows
            by_batch[snapshot.batch_id] = Dealing(snapshot.batch_id, source, rows)
    return {one: _since_whole([by_batch[batch] for batch in sorted(by_batch)]) for one, by_batch in found.items()}


def books(found: Iterable[Sequence[Dealing]]) -> Rows:
    """The four numbers of a dataset as they stand: every row that landed counts once, where it is now."""
    total = Rows()
    for first, *replays in found:
        rows = [first.rows, *(one.rows for one in replays)]
        total += Rows(
            landed=first.rows.landed,
            published=sum(one.published for one in rows),
            rejected=rows[-1].rejected,
            deduplicated=sum(one.deduplicated for one in rows),
        )
    return total


def lost_between(found: Iterable[Sequence[Dealing]]) -> Iterator[str]:
    """A sentence for every replay that did not take up exactly the rows that were rejected before it."""
    for chain in found:
        for before, replay in pairwise(chain):
            if replay.rows.landed != before.rows.rejected:
                yield (
                    f"batch {replay.batch_id} took up {replay.rows.landed:,} rejected rows of {replay.source.key}, "
                    f"batch {before.batch_id} had rejected {before.rows.rejected:,}"
                )


def _since_whole(chain: list[Dealing]) -> list[Dealing]:
    read = [at for at, one in enumerate(chain) if not one.source.replayed]
    return chain[read[-1] if read else 0 :]


def _dealt_with(snapshot: Snapshot) -> Iterator[SourceRecord]:
    return (one for one in snapshot.sources if one.outcome in DEALT_WITH)


def _undone(snapshot: Snapshot) -> bool:
    refused = snapshot.kind is Kind.RECURATE and snapshot.commit is None
    return refused or (snapshot.kind is not Kind.INGEST and snapshot.revoked_by is not None)


def _until(snapshots: Sequence[Snapshot], commit: int | None) -> list[Snapshot]:
    """The records as they were at the commit."""
    if commit is None:
        return list(snapshots)
    times = [one.committed_at for one in snapshots if one.commit == commit and one.committed_at]
    until = max(times) if times else None
    return [
        replace(one, superseded_by=_not_after(one.superseded_by, commit), revoked_by=_not_after(one.revoked_by, commit))
        for one in snapshots
        if (
            one.commit <= commit
            if one.commit is not None
            else until is not None and one.created_at is not None and one.created_at <= until
        )
    ]


def _not_after(number: int | None, commit: int) -> int | None:
    return number if number is not None and number <= commit else None
