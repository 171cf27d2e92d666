"""Schema versions in SQL: numbering a new one inside the commit's transaction, and reading them.

What belongs here: statements over ``schema_versions``. What does not: the rest of the commit (``sql_commit``), and what makes
two schemas differ (``curate.schema``).
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from supply_lake.curate.schema import difference
from supply_lake.errors import CommitConflict
from supply_lake.snapshots.schema_versions import (
    ProposedSchema,
    SchemaVersion,
    change_from_json,
    change_json,
    schema_from_json,
    schema_json,
)
from supply_lake.snapshots.sql_schema import commits, from_micros, schema_versions


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
    newest = version(connection, dataset)
    number = newest.number if newest else 0
    if proposed is None:
        return number
    if proposed.based_on != number:
        raise CommitConflict(
            f"the schema of dataset {dataset} is at version {number}, not at {proposed.based_on} any more; build it again"
        )
    changes = difference(newest.schema if newest else None, proposed.schema, proposed.brought)
    if not changes:
        return number
    by = next((change.object for change in changes if change.object), proposed.object)
    record = {"difference": [change_json(change) for change in changes], **schema_json(proposed.schema)}
    connection.execute(
        sa.insert(schema_versions).values(
            dataset=dataset,
            number=number + 1,
            commit_number=commit,
            object=by,
            record=json.dumps(record, separators=(",", ":")),
        )
    )
    return number + 1


def _versions(dataset: str) -> sa.Select[Any]:
    v = schema_versions.c
    same = sa.and_(commits.c.dataset == v.dataset, commits.c.number == v.commit_number)
    query = sa.select(v.dataset, v.number, v.commit_number, v.object, v.record, commits.c.committed_at)
    return query.join(commits, same).where(v.dataset == dataset)


def _version(row: Any) -> SchemaVersion:
    record = json.loads(row.record)
    return SchemaVersion(
        dataset=row.dataset,
        number=row.number,
        commit=row.commit_number,
        committed_at=from_micros(row.committed_at),
        object=row.object,
        schema=schema_from_json(record),
        changes=tuple(map(change_from_json, record["difference"])),
    )
