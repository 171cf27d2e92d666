"""What is pending → which runs to ask for. Pure: no Dagster, no clock, no store.

What belongs here: grouping by dataset and contiguous dates, and the caps. What does not: knowing what is pending, under way
or already asked for (``requests``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supply_lake.landing.ledger import PendingBatch

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ask:
    """One run to ask for: pending batches of one dataset, on dates without a gap, oldest first."""

    batches: tuple[PendingBatch, ...]

    @property
    def dataset(self) -> str:
        """Its one dataset."""
        return self.batches[0].dataset

    @property
    def first(self) -> dt.date:
        """The first landing date."""
        return self.batches[0].landing_date

    @property
    def last(self) -> dt.date:
        """The last landing date."""
        return self.batches[-1].landing_date

    @property
    def digest(self) -> str:
        """Names the object versions and their attempts; it changes whenever one of them does."""
        told = "\n".join(f"{one.dataset} {one.landing_date} {one.digest}" for one in self.batches)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def plan(
    pending: Iterable[PendingBatch],
    under_way: Callable[[PendingBatch], bool],
    *,
    max_objects: int,
    max_bytes: int,
    depth: Callable[[str], int] = lambda _: 0,
) -> list[Ask]:
    """Group what is pending into runs, those with the fewest attempts and the oldest dates first.

    A batch that failed before is asked for alone, so that it takes no other down with it. A run holds at least one batch,
    however large: ``run_pending`` takes what the caps allow, and the rest stays pending.

    :param under_way: whether a run works on this dataset and date now
    :param depth: of a dataset; those of smaller depth come first, for those of a greater one refer to them
    """
    free = [batch for batch in pending if not under_way(batch)]
    free.sort(key=lambda one: (one.dataset, one.attempt > 1, one.landing_date))
    asks = [
        Ask(chunk)
        for _, group in groupby(free, key=lambda one: one.dataset)
        for chunk in _chunks(list(group), max_objects, max_bytes)
    ]
    return sorted(asks, key=lambda ask: (max(one.attempt for one in ask.batches), depth(ask.dataset), ask.first, ask.dataset))


def _chunks(batches: Sequence[PendingBatch], max_objects: int, max_bytes: int) -> Iterator[tuple[PendingBatch, ...]]:
    chunk: list[PendingBatch] = []
    for batch in batches:
        if chunk and not _fits(chunk, batch, max_objects, max_bytes):
            yield tuple(chunk)
            chunk = []
        chunk.append(batch)
    if chunk:
        yield tuple(chunk)


def _fits(chunk: Sequence[PendingBatch], batch: PendingBatch, max_objects: int, max_bytes: int) -> bool:
    return (
        batch.attempt == 1
        and chunk[-1].attempt == 1
        and batch.landing_date == chunk[-1].landing_date + _DAY
        and sum(one.objects for one in chunk) + batch.objects <= max_objects
        and sum(one.bytes for one in chunk) + batch.bytes <= max_bytes
    )
