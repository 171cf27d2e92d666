"""Holding one dataset of the SQL metadata store: whoever changes what is committed, pinned or removed of it queues for its row.

What belongs here: the lock, and where the dataset's history ends. What does not: what is done under it (``sql_commit``,
``sql_pins``, ``sql_removals``).
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from supply_lake.snapshots.sql_schema import datasets


@dataclass(frozen=True, slots=True)
class Head:
    """Where a dataset's history ends: its newest commit, and the time up to which readers were promised no other."""

    last_commit: int
    last_committed_at: int
    answered_until: int

    def next_time(self, now: int) -> int:
        """The time of the next commit: the clock's, unless history or a promise is ahead of it."""
        return max(now, self.last_committed_at + 1, self.answered_until + 1)


def lock_dataset(connection: sa.Connection, dataset: str) -> Head:
    """Hold the dataset against other commits until the transaction ends."""
    connection.execute(_insert_if_absent(connection.dialect.name).values(dataset=dataset).on_conflict_do_nothing())
    query = sa.select(datasets.c.last_commit, datasets.c.last_committed_at, datasets.c.answered_until)
    row = connection.execute(query.where(datasets.c.dataset == dataset).with_for_update()).one()
    return Head(*row)


def _insert_if_absent(dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(datasets) if dialect == "postgresql" else sqlite.insert(datasets)
