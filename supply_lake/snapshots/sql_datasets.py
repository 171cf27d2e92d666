"""Holding one dataset of the SQL metadata store: whoever changes what is committed, pinned or removed of it queues for its row.

What belongs here: the lock. What does not: what is done under it (``sql_commit``,
``sql_pins``, ``sql_removals``).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from supply_lake.snapshots.commit_rules import Head
from supply_lake.snapshots.sql_schema import datasets


def lock_dataset(connection: sa.Connection, dataset: str) -> Head:
    """Hold the dataset against other commits until the transaction ends."""
    connection.execute(_insert_if_absent(connection.dialect.name).values(dataset=dataset).on_conflict_do_nothing())
    query = sa.select(datasets.c.last_commit, datasets.c.last_committed_at, datasets.c.answered_until)
    row = connection.execute(query.where(datasets.c.dataset == dataset).with_for_update()).one()
    return Head(*row)


def _insert_if_absent(dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(datasets) if dialect == "postgresql" else sqlite.insert(datasets)
