"""What a batch means for the ledger: which object versions it may publish, and where they stand after it.

What belongs here: the exactly-once rules and the settling of objects, inside the transaction that records the batch. What does
not: the commit itself (``sql_commit``) and entering objects (``sql_register``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from supply_lake.errors import AlreadyPublished
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import DEALT_WITH, Batch, Kind, Outcome, SourceRecord
from supply_lake.snapshots.sql_ledger import (
    identity,
    locked,
    locked_versions,
    prefix_fingerprints,
    printable,
    set_prefix_fingerprints,
    update_each,
)
from supply_lake.snapshots.sql_schema import objects, to_micros
from supply_lake.snapshots.store import Moved, TakenUp
from supply_lake.storage.object_store import ObjectVersion

Row = dict[str, Any]


def refuse(connection: sa.Connection, batch: Batch, wanted: Sequence[ObjectVersion], taken_up: Sequence[TakenUp]) -> None:
    """Make sure that the batch may publish these.

    :raises AlreadyPublished: naming the first that it may not
    """
    if batch.kind is Kind.INGEST:
        refuse_published(connection, wanted)
    else:
        refuse_revoked(connection, wanted)
        refuse_moved(connection, taken_up)


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


def refuse_revoked(connection: sa.Connection, wanted: Sequence[ObjectVersion]) -> None:
    """Make sure that none of these was revoked.

    :raises AlreadyPublished: naming the first that was
    """
    for row in locked_versions(connection, wanted):
        if row["state"] == ObjectState.REVOKED:
            raise AlreadyPublished(f"{row['key']} (ETag {row['etag']}): {row['reason']}; nothing was committed")


def refuse_moved(connection: sa.Connection, taken_up: Sequence[TakenUp]) -> None:
    """Make sure that the rejected rows of these still stand where they were read, and are those of their keys' newest bytes.

    :raises AlreadyPublished: naming the first of which they don't
    """
    stood = {one.object.identity: one.standing_in for one in taken_up}
    for key, versions in locked(connection, (one.object.key for one in taken_up)).items():
        for row in versions:
            if row["standing_in"] != stood.get(identity(row), row["standing_in"]):
                why = "its rejected rows were taken up by another batch meanwhile"
            elif identity(row) in stood and any(is_newer(one, row) for one in versions):
                why = "it was overwritten meanwhile"
            else:
                continue
            raise AlreadyPublished(f"{key} (ETag {row['etag']}): {why}; nothing was committed")


def is_newer(one: sa.RowMapping, row: sa.RowMapping) -> bool:
    """Whether other bytes of the same key stand in its place."""
    return bool(one["id"] > row["id"] and one["state"] != ObjectState.REPLACED)


def settle(connection: sa.Connection, batch: Batch, wanted: Sequence[ObjectVersion], commit: int | None, now: int) -> None:
    """Move the batch's object versions to where they stand after it; unknown ones are entered.

    Versions that a commit published stay published, and a batch without a commit leaves what is set aside there.
    """
    sources = {source.identity: source for source in batch.sources}
    by_key = locked(connection, (one.key for one in wanted))
    rows = {identity(row): row for versions in by_key.values() for row in versions}
    changes, inserts, replayed = [], [], []
    for one in {one.identity: one for one in wanted}.values():
        source = sources.get(one.identity)
        if batch.kind is Kind.REPLAY and source and source.outcome not in DEALT_WITH:
            continue  # it was not taken up after all, so it stays where it is
        values = _settled(batch, source, commit)
        row = rows.get(one.identity)
        if row is None:
            inserts.append(_entered(batch, one, now) | values)
        elif row["published_in"] is None:
            if commit is not None or row["state"] != ObjectState.SET_ASIDE:
                changes.append({"id": row["id"], **values})
        elif values["published_in"] is not None and not (source and source.replayed):
            # read again: the first commit stays the one that published it
            changes.append({"id": row["id"], **values, "published_in": row["published_in"]})
        elif batch.kind is Kind.REPLAY:
            replayed.append({"id": row["id"], "standing_in": batch.id})
    update_each(connection, changes)
    update_each(connection, replayed)
    if inserts:
        connection.execute(sa.insert(objects), inserts)
    _forget_folders(connection, [one.key for one in batch.sources if one.outcome in (Outcome.GONE, Outcome.CHANGED)])


def move(connection: sa.Connection, moved: Sequence[Moved]) -> None:
    """Put published object versions where a revocation wants them."""
    to = {one.object.identity: one for one in moved}
    rows = locked_versions(connection, (one.object for one in moved))
    update_each(
        connection,
        [
            {
                "id": row["id"],
                "state": to[identity(row)].state,
                "reason": printable(to[identity(row)].reason),
                "standing_in": to[identity(row)].standing_in,
            }
            for row in rows
            if row["published_in"] is not None
        ],
    )


def _forget_folders(connection: sa.Connection, keys: Sequence[str]) -> None:
    """Have the folders of these keys compared again by the next listing, whatever they look like."""
    if keys:
        from supply_lake.landing.discovery import stale  # brings Polars, which only this rare case needs

        set_prefix_fingerprints(connection, stale(prefix_fingerprints(connection), keys))


def _settled(batch: Batch, source: SourceRecord | None, commit: int | None) -> Row:
    outcome = Outcome.READ if source is None else source.outcome
    published = commit is not None and outcome == Outcome.READ
    return {
        "state": ObjectState.REPLACED if outcome == Outcome.CHANGED else ObjectState.DONE,
        "batch_id": batch.id,
        "standing_in": batch.id if outcome in DEALT_WITH else "",
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
