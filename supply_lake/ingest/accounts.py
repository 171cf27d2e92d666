"""Who gets which numbers: the rows of a batch, told apart by snapshot and by source object.

What belongs here: arithmetic on counts, and the source records made of them. What does not: counting (``curate`` counts).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from supply_lake.curate.curate import Settled, SourceOutcome
from supply_lake.snapshots.records import Outcome, Rows, SourceRecord
from supply_lake.storage.object_store import ObjectStore, ObjectVersion


@dataclass(frozen=True, slots=True)
class Share:
    """One snapshot's part of a batch. ``rows_total`` counts the rows in its files, those carried over included."""

    rows: Rows
    rows_total: int
    sources: tuple[SourceRecord, ...]


class Accounts:
    """The books of one batch. ``kept`` are records of objects of which only the rejected rows are taken up."""

    nothing = Rows()

    def __init__(
        self,
        landing: ObjectStore,
        objects: Sequence[ObjectVersion],
        deliveries: Mapping[str, int],
        skipped: Sequence[SourceRecord],
        outcomes: Iterable[SourceOutcome],
        *,
        kept: Sequence[SourceRecord] = (),
    ) -> None:
        versions = {one.key: one for one in objects}
        known = {one.key: replace(one, rows=Rows(), outcome=Outcome.READ, reason="", replayed=True) for one in kept}
        read = [known.get(one.key) or _read(landing, versions[one.key], one) for one in outcomes]
        self._records = tuple(replace(one, deliveries=deliveries.get(one.key, 1)) for one in (*read, *skipped))

    @property
    def keys(self) -> set[str]:
        """The keys of the batch's objects."""
        return {one.key for one in self._records}

    @property
    def digests(self) -> dict[str, str]:
        """The digest of every object's bytes, by its key."""
        return {one.key: one.sha256 for one in self._records}

    def reasons(self) -> str:
        """Why the objects gave no rows, the first few by name."""
        told = [f"{one.key}: {one.reason}" for one in self._records if one.reason]
        return "; ".join(told[:3]) + (f"; and {len(told) - 3} more objects" if len(told) > 3 else "")

    def sources(self, by_source: Mapping[str, Rows]) -> tuple[SourceRecord, ...]:
        """Every object of the batch with its rows."""
        return tuple(replace(one, rows=by_source.get(one.key, Rows())) for one in self._records)

    def shares(self, settled: Settled) -> dict[dt.date, Share]:
        """Each changed partition's share, oldest first.

        What was not published (rejected and deduplicated rows, of whichever date) stands on the first, beside whose files the
        rejects lie: so every snapshot's numbers can be counted again from its own files, and the shares add up to the batch.
        """
        first, *later = settled.changed_partitions
        counts = {date: settled.by_partition[date] for date in settled.changed_partitions}
        published = {date: {key: _published(rows) for key, rows in counts[date].by_source.items()} for date in later}
        rest = {key: rows - _sum(published[date].get(key, Rows()) for date in later) for key, rows in settled.by_source.items()}
        shares = {first: Share(_sum(rest.values()), counts[first].rows_total, self.sources(rest))}
        for date in later:
            sources = tuple(one for one in self.sources(published[date]) if one.rows.landed)
            shares[date] = Share(_sum(published[date].values()), counts[date].rows_total, sources)
        return shares


def _read(landing: ObjectStore, version: ObjectVersion, outcome: SourceOutcome) -> SourceRecord:
    return SourceRecord(
        uri=landing.uri(version.key),
        key=version.key,
        etag=version.etag,
        size=version.size,
        rows=Rows(),
        outcome=Outcome(outcome.outcome),
        reason=outcome.reason,
        sha256=outcome.sha256,
    )


def _published(rows: Rows) -> Rows:
    return Rows(landed=rows.published, published=rows.published)


def _sum(parts: Iterable[Rows]) -> Rows:
    return sum(parts, Rows())
