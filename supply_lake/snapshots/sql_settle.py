"""What a batch means for the ledger: which object versions it may publish, and where they stand after it.

What belongs here: the exactly-once rule and the settling of objects, inside the transaction that records the batch. What does
not: the commit itself (``sql_commit``) and entering objects (``sql_register``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from supply_lake.errors import AlreadyPublished
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Batch, Outcome, SourceRecord
from supply_lake.snapshots.sql_ledger import identity, locked, printable, update_each
from supply_lake.snapshots.sql_schema import objects, to_micros
from supply_lake.storage.object_store import ObjectVersion

Row = dict[str, Any]


def refuse_published(connection: sa.Connection, wanted: Sequence[ObjectVersion]) -> None:
    """Make sure that none of these was published, nor overtaken by a newer version of its key that was.

    :raises AlreadyPublished: naming the first that was
    """
    identities = {one.identity for one in wanted}
    for key, versions in locked(connection, (one.key for one in wanted)).items():
        for row in versions:
            if identity(row) not in identities:
                continue
            if row["published_in"] is not None:
                raise AlreadyPublished(
                    f"{key} (ETag {row['etag']}) was published by commit {row['published_in']} of dataset {row['dataset']}; "
                    "nothing was committed"
                )
            newer = [one["etag"] for one in versions if one["id"] > row["id"] and one["published_in"] is not None]
            if newer and row["state"] == ObjectState.REPLACED:
                raise AlreadyPublished(
                    f"{key} (ETag {row['etag']}) was overwritten, and its newer version (ETag {newer[0]}) is published; "
                    "nothing was committed"
                )


def settle(connection: sa.Connection, batch: Batch, wanted: Sequence[ObjectVersion], commit: int | None, now: int) -> None:
    """Move the batch's object versions to where they stand after it; unknown ones are entered.

    Versions that a commit published stay published, and a batch without a commit leaves what is set aside there.
    """
    sources = {(source.key, source.etag, source.size): source for source in batch.sources}
    by_key = locked(connection, (one.key for one in wanted))
    rows = {identity(row): row for versions in by_key.values() for row in versions}
    changes, inserts = [], []
    for one in {one.identity: one for one in wanted}.values():
        values = _settled(batch, sources.get(one.identity), commit)
        row = rows.get(one.identity)
        if row is None:
            inserts.append(_entered(batch, one, now) | values)
        elif row["published_in"] is not None:
            if values["published_in"] is not None:  # read again: the first commit stays the one that published it
                changes.append({"id": row["id"], **values, "published_in": row["published_in"]})
        elif commit is not None or row["state"] != ObjectState.SET_ASIDE:
            changes.append({"id": row["id"], **values})
    update_each(connection, changes)
    if inserts:
        connection.execute(sa.insert(objects), inserts)


def _settled(batch: Batch, source: SourceRecord | None, commit: int | None) -> Row:
    outcome = Outcome.READ if source is None else source.outcome
    published = commit is not None and outcome == Outcome.READ
    return {
        "state": ObjectState.REPLACED if outcome == Outcome.CHANGED else ObjectState.DONE,
        "batch_id": batch.id,
        "outcome": outcome,
        "reason": "" if published else printable((source.reason if source else "") or batch.reason),
        "sha256": source.sha256 if source and published else "",
        "published_in": commit if published else None,
    }


def _entered(batch: Batch, one: ObjectVersion, now: int) -> Row:
    key, etag, size = one.identity
    return {
        "key": key,
        "etag": etag,
        "size": size,
        "modified": to_micros(one.modified),
        "dataset": batch.dataset,
        "landing_date": batch.landing_date,
        "deliveries": 1,
        "attempts": 0,
        "tries": 0,
        "first_seen": now,
    }
