"""The ledger of landed objects, in SQL: entering, finding, counting attempts.

What belongs here: every statement over ``objects`` and ``prefixes`` but the settling by a commit (``sql_settle``). Functions
take a connection inside a transaction and promise nothing without it. Rows are locked in the order of their keys, so two
writers cannot wait for each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, TypeVar

import sqlalchemy as sa

from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots.ledger_rules import entry, failed, identity, pending_batch, published, retried, used_up, within
from supply_lake.snapshots.micros import from_micros
from supply_lake.snapshots.records import Outcome
from supply_lake.snapshots.sql_schema import is_held, is_live, objects, prefixes, snapshots
from supply_lake.snapshots.store import PublishedContent
from supply_lake.storage.object_store import ObjectVersion

CHUNK = 1_000
T = TypeVar("T")


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """The items in lists of at most this size: databases limit the parameters of one statement."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def locked(connection: sa.Connection, keys: Iterable[str]) -> dict[str, list[sa.RowMapping]]:
    """All versions of these keys, oldest first, locked until the transaction ends."""
    found: dict[str, list[sa.RowMapping]] = {}
    for chunk in chunks(sorted(set(keys))):
        query = sa.select(objects).where(objects.c.key.in_(chunk)).order_by(objects.c.key, objects.c.id).with_for_update()
        for row in connection.execute(query).mappings():
            found.setdefault(row["key"], []).append(row)
    return found


def locked_versions(connection: sa.Connection, wanted: Iterable[ObjectVersion]) -> list[sa.RowMapping]:
    """The rows of exactly these object versions, locked until the transaction ends."""
    identities = {one.identity for one in wanted}
    by_key = locked(connection, (key for key, _, _ in identities))
    return [row for rows in by_key.values() for row in rows if identity(row) in identities]


def update_each(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Set columns of objects row by row; every mapping has ``id`` and the same columns."""
    if rows:
        columns = [name for name in rows[0] if name != "id"]
        statement = sa.update(objects).where(objects.c.id == sa.bindparam("_id"))
        statement = statement.values({name: sa.bindparam(f"_{name}") for name in columns})
        connection.execute(statement, [{f"_{name}": value for name, value in row.items()} for row in rows])


def known(connection: sa.Connection, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
    """Versions of each key that need not be entered again.

    Left out are versions that were not there when they were to be read: one of these that is listed again has come back.
    """
    came_back = sa.or_(
        objects.c.state == ObjectState.REPLACED,
        sa.and_(objects.c.outcome == Outcome.GONE, objects.c.state == ObjectState.DONE),
    )
    found: dict[str, set[tuple[str, int]]] = {}
    for chunk in chunks(dict.fromkeys(keys)):
        query = sa.select(objects.c.key, objects.c.etag, objects.c.size).where(objects.c.key.in_(chunk), ~came_back)
        for key, etag, size in connection.execute(query):
            found.setdefault(key, set()).add((etag, size))
    return found


def prefix_fingerprints(connection: sa.Connection, beginnings: Sequence[str] = ("",)) -> dict[str, int]:
    """The fingerprints of folders that begin with one of these."""
    rows = connection.execute(sa.select(prefixes.c.prefix, prefixes.c.fingerprint))
    begins = tuple(beginnings)
    return {prefix: int(value) for prefix, value in rows if prefix.startswith(begins)}


def set_prefix_fingerprints(connection: sa.Connection, fingerprints: dict[str, int]) -> None:
    """Replace these folders' fingerprints."""
    for chunk in chunks(sorted(fingerprints)):
        connection.execute(sa.delete(prefixes).where(prefixes.c.prefix.in_(chunk)))
        connection.execute(sa.insert(prefixes), [{"prefix": one, "fingerprint": str(fingerprints[one])} for one in chunk])


def pending(connection: sa.Connection, datasets: Sequence[str] | None) -> list[PendingBatch]:
    """What waits, by landing date then dataset."""
    c = objects.c
    query = sa.select(c.landing_date, c.dataset, c.key, c.etag, c.size, c.attempts, c.tries).where(
        c.state == ObjectState.PENDING
    )
    if datasets is not None:
        query = query.where(c.dataset.in_(list(datasets)))
    rows = connection.execute(query.order_by(c.landing_date, c.dataset, c.modified, c.key)).mappings()
    grouped = groupby(rows, key=lambda row: (row["landing_date"], row["dataset"]))
    return [pending_batch(*group, found) for group, found in grouped]


def pending_objects(
    connection: sa.Connection, dataset: str, landing_date: dt.date, max_objects: int, max_bytes: int
) -> list[LedgerEntry]:
    """The next pending versions in order of modification then key, within the caps; at least one if any is pending."""
    c = objects.c
    query = sa.select(objects).where(c.state == ObjectState.PENDING, c.dataset == dataset, c.landing_date == landing_date)
    query = query.order_by(c.modified, c.key, c.id).limit(max(1, max_objects))
    return list(within(connection.execute(query).mappings(), max_bytes))


def entries(
    connection: sa.Connection, dataset: str | None, state: ObjectState | None, landing_date: dt.date | None
) -> Iterator[LedgerEntry]:
    """Ledger entries by dataset, key, and the order in which a key's versions came."""
    states = list(ObjectState) if state is None else [state]  # naming them all lets the index on them find a dataset
    query = sa.select(objects).where(objects.c.state.in_(states)).order_by(objects.c.dataset, objects.c.key, objects.c.id)
    for column, value in ((objects.c.dataset, dataset), (objects.c.landing_date, landing_date)):
        if value is not None:
            query = query.where(column == value)
    for row in connection.execute(query.execution_options(yield_per=CHUNK)).mappings():
        yield entry(row)


def versions(connection: sa.Connection, keys: Sequence[str]) -> dict[str, list[LedgerEntry]]:
    """All versions of these keys, oldest first."""
    found: dict[str, list[LedgerEntry]] = {}
    for chunk in chunks(dict.fromkeys(keys)):
        query = sa.select(objects).where(objects.c.key.in_(chunk)).order_by(objects.c.key, objects.c.id)
        for row in connection.execute(query).mappings():
            found.setdefault(row["key"], []).append(entry(row))
    return found


def published_content(connection: sa.Connection, dataset: str, landing_date: dt.date) -> list[PublishedContent]:
    """What committed batches of one dataset and landing date read, in the order in which it was published."""
    c = objects.c
    live = sa.exists().where(snapshots.c.batch_id.in_([c.batch_id, c.standing_in]), sa.or_(is_live, is_held))
    query = (
        sa.select(c.key, c.etag, c.size, c.sha256, live.label("live"), c.state)
        .where(c.dataset == dataset, c.landing_date == landing_date, c.published_in.is_not(None))
        .order_by(c.published_in, c.id)
    )
    return published(connection.execute(query).mappings(), lambda row: bool(row["live"]))


def start_attempt(connection: sa.Connection, wanted: Sequence[ObjectVersion], max_attempts: int) -> int | None:
    """Count an attempt at all of these, or set aside those that had all of theirs; see ``MetadataStore``."""
    rows = locked_versions(connection, wanted)
    waiting = [row for row in rows if row["state"] == ObjectState.PENDING]
    exhausted = [row for row in waiting if row["attempts"] >= max_attempts]
    update_each(
        connection,
        [{"id": row["id"], **used_up(row)} for row in exhausted],
    )
    if exhausted or not waiting or len(waiting) < len({one.identity for one in wanted}):
        return None
    update_each(connection, [{"id": row["id"], "attempts": row["attempts"] + 1, "tries": row["tries"] + 1} for row in waiting])
    return 1 + max(int(row["attempts"]) for row in waiting)


def forgive_attempt(connection: sa.Connection, wanted: Sequence[ObjectVersion]) -> None:
    """Take one counted attempt back."""
    rows = [row for row in locked_versions(connection, wanted) if row["state"] == ObjectState.PENDING]
    update_each(connection, [{"id": row["id"], "attempts": max(0, row["attempts"] - 1)} for row in rows])


def fail_attempt(connection: sa.Connection, wanted: Sequence[ObjectVersion], reason: str, max_attempts: int) -> None:
    """Note the reason; set aside what has no attempt left."""
    rows = [row for row in locked_versions(connection, wanted) if row["state"] == ObjectState.PENDING]
    update_each(connection, [{"id": row["id"], **failed(row, reason, max_attempts)} for row in rows])


def retry(connection: sa.Connection, dataset: str, landing_date: dt.date | None) -> int:
    """Make pending again what was set aside, if it is its key's newest version."""
    c, newer = objects.c, objects.alias("newer")
    query = sa.select(c.key, c.etag, c.size).where(
        c.dataset == dataset,
        c.state == ObjectState.SET_ASIDE,
        ~sa.exists().where(newer.c.key == c.key, newer.c.id > c.id, newer.c.state != ObjectState.REPLACED),
    )
    if landing_date is not None:
        query = query.where(c.landing_date == landing_date)
    found = [ObjectVersion(key, etag, size, from_micros(0)) for key, etag, size in connection.execute(query)]
    rows = [row for row in locked_versions(connection, found) if row["state"] == ObjectState.SET_ASIDE]
    update_each(connection, [{"id": row["id"], **retried(row)} for row in rows])
    return len(rows)
