"""Schema versions in SQL: numbering a new one inside the commit's transaction, and reading them.

What belongs here: statements over ``schema_versions``. What does not: the rest of the commit (``sql_commit``), and what makes
two schemas differ (``curate.schema``).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from supply_lake.snapshots.commit_rules import new_schema
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.schema_versions import ProposedSchema, SchemaVersion, version_from, version_text
from supply_lake.snapshots.sql_schema import commits, schema_versions


def version(connection: sa.Connection, dataset: str, commit: int | None = None) -> SchemaVersion | None:
    """The version at a commit, or the newest; ``None`` before the first."""
    query = _versions(dataset).order_by(schema_versions.c.number.desc()).limit(1)
    if commit is not None:
        query = query.where(schema_versions.c.commit_number <= commit)
    row = connection.execute(query).one_or_none()
    return None if row is None else _version(row)


def versions(connection: sa.Connection, dataset: str) -> list[SchemaVersion]:
    """All versions, oldest first."""
    return [_version(row) for row in connection.execute(_versions(dataset).order_by(schema_versions.c.number))]


def next_version(connection: sa.Connection, dataset: str, proposed: ProposedSchema | None, commit: int) -> int:
    """The number of the version that this commit publishes; a new one is written when it differs from the newest.

    :param proposed: ``None`` for a commit that says nothing of its schema
    :raises CommitConflict: the newest version is not the one that the proposal was built on
    """
    number, changes, by = new_schema(dataset, version(connection, dataset), proposed)
    if changes and proposed is not None:
        connection.execute(
            sa.insert(schema_versions).values(
                dataset=dataset, number=number, commit_number=commit, object=by, record=version_text(proposed, changes)
            )
        )
    return number


def _versions(dataset: str) -> sa.Select[Any]:
    v = schema_versions.c
    same = sa.and_(commits.c.dataset == v.dataset, commits.c.number == v.commit_number)
    query = sa.select(v.dataset, v.number, v.commit_number, v.object, v.record, commits.c.committed_at)
    return query.join(commits, same).where(v.dataset == dataset)


def _version(row: Any) -> SchemaVersion:
    at = from_micros(row.committed_at)
    return version_from(row.record, dataset=row.dataset, number=row.number, commit=row.commit_number, at=at, by=row.object)
