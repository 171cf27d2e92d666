"""The rules of the ledger, whatever store keeps it: what a delivery, an attempt, a batch means for the versions of a key.

A store hands over the versions of a key as mappings with the fields of ``new_row`` and an ``id`` that grows in the order in
which they came to stand, does what it is told, and has to make sure that nothing moved meanwhile.

What belongs here: those rules, as pure functions. What does not: finding rows and writing them (``sql_ledger``,
``dynamo_ledger``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from supply_lake.errors import AlreadyPublished
from supply_lake.landing.ledger import LedgerEntry, ObjectState, PendingBatch
from supply_lake.snapshots.micros import from_micros, to_micros
from supply_lake.snapshots.records import DEALT_WITH, Batch, Kind, Outcome, SourceRecord
from supply_lake.snapshots.store import Moved, PublishedContent, TakenUp
from supply_lake.storage.object_store import ObjectVersion

Identity = tuple[str, str, int]
Row = dict[str, Any]
AnyRow = Mapping[Any, Any]
Versions = Mapping[str, Sequence[AnyRow]]
"""Of each key its versions, oldest first."""
_CAN_BE_TAKEN_UP = (ObjectState.IGNORED, ObjectState.REFUSED)


def identity(row: AnyRow) -> Identity:
    """What makes two rows the same object version."""
    return (row["key"], row["etag"], row["size"])


def printable(text: str) -> str:
    """Text that every database takes: PostgreSQL has no NUL."""
    return text.replace("\0", "\N{SYMBOL FOR NULL}")


def entry(row: AnyRow) -> LedgerEntry:
    """A row as a value."""
    return LedgerEntry(
        object=ObjectVersion(row["key"], row["etag"], row["size"], from_micros(row["modified"])),
        dataset=row["dataset"],
        landing_date=row["landing_date"],
        state=ObjectState(row["state"]),
        deliveries=row["deliveries"],
        attempts=row["attempts"],
        batch_id=row["batch_id"],
        standing_in=row["standing_in"],
        reason=row["reason"],
        first_seen=from_micros(row["first_seen"]),
    )


# --- deliveries


def new_row(one: LedgerEntry, now: int) -> Row:
    """An entry that no store has yet."""
    return {
        "key": one.object.key,
        "etag": one.object.etag,
        "size": one.object.size,
        "modified": to_micros(one.object.modified),
        "dataset": one.dataset,
        "landing_date": one.landing_date,
        "state": one.state,
        "deliveries": one.deliveries,
        "attempts": one.attempts,
        "tries": 0,
        "batch_id": one.batch_id,
        "standing_in": one.standing_in,
        "outcome": "",
        "reason": printable(one.reason),
        "sha256": "",
        "published_in": None,
        "first_seen": now if one.first_seen is None else to_micros(one.first_seen),
    }


def deliver(versions: list[Row], one: LedgerEntry, listed: bool, now: int) -> None:
    """Change the versions of one key, oldest first, by one delivery.

    A row that is new has no ``id``; one that is taken up again has its former one as ``was``.
    """
    row = next((row for row in versions if row["etag"] == one.object.etag and row["size"] == one.object.size), None)
    if row is None:
        row = new_row(one, now)
        newest = max((other["modified"] for other in versions), default=row["modified"])
        if row["state"] == ObjectState.PENDING and row["modified"] < newest and not listed:
            row |= {"state": ObjectState.REPLACED, "reason": "arrived after a newer version of its key"}
        versions.append(row)
    else:
        row["deliveries"] += one.deliveries
        if one.state != ObjectState.PENDING or not _comes_back(row, listed):
            return
        versions.remove(row)
        row = _taken_up_again(row, one)
        versions.append(row)
    if row["state"] == ObjectState.PENDING:
        _take_the_place_of(versions[:-1], row)


def away(row: AnyRow) -> bool:
    """Whether the version was not there when it was to be read: when it is listed again, it has come back."""
    return bool(row["state"] == ObjectState.REPLACED or (row["state"] == ObjectState.DONE and row["outcome"] == Outcome.GONE))


def _comes_back(row: Row, listed: bool) -> bool:
    """Whether a known version is to be read after all: it was away when it was to be read, or no dataset took it."""
    return (listed and away(row) and row["published_in"] is None) or row["state"] in _CAN_BE_TAKEN_UP


def _taken_up_again(row: Row, one: LedgerEntry) -> Row:
    """The row as its key's newest version: it gets a new number."""
    again = {"was" if name == "id" else name: value for name, value in row.items()}
    return again | {
        "dataset": one.dataset,
        "landing_date": one.landing_date,
        "state": ObjectState.PENDING,
        "attempts": 0,
        "tries": row["tries"] + 1,
        "batch_id": "",
        "standing_in": "",
        "outcome": "",
        "reason": "",
    }


def _take_the_place_of(others: list[Row], row: Row) -> None:
    for other in others:
        if other["state"] == ObjectState.PENDING and other["modified"] <= row["modified"]:
            reason = f"other bytes (ETag {row['etag']}) came under its key before it was read"
            other |= {"state": ObjectState.REPLACED, "reason": reason}


# --- waiting and attempts


def pending_batch(landing_date: dt.date, dataset: str, rows: Iterable[AnyRow]) -> PendingBatch:
    """What waits, of rows in the order of ``modified`` then key."""
    digest = hashlib.blake2b(f"{dataset}\0{landing_date}".encode(), digest_size=16)
    count = size = attempts = 0
    for row in rows:
        digest.update(f"\0{row['key']}\0{row['etag']}\0{row['size']}\0{row['tries']}".encode())
        count, size, attempts = count + 1, size + row["size"], max(attempts, row["attempts"])
    return PendingBatch(dataset, landing_date, count, size, attempts + 1, digest.hexdigest())


def within(rows: Iterable[AnyRow], max_bytes: int) -> Iterator[LedgerEntry]:
    """The first rows of which the sizes add up to no more than this; at least one if there is any."""
    size = 0
    for number, row in enumerate(rows):
        size += row["size"]
        if number and size > max_bytes:
            return
        yield entry(row)


def used_up(row: AnyRow) -> Row:
    """What becomes of a version of which every attempt ended its process."""
    told = f"; the last that spoke said: {row['reason']}" if row["reason"] else ""
    return {"state": ObjectState.SET_ASIDE, "reason": f"{row['attempts']} attempts ended without a word{told}"}


def failed(row: AnyRow, reason: str, max_attempts: int) -> Row:
    """What becomes of a version whose counted attempt failed."""
    state = ObjectState.SET_ASIDE if row["attempts"] >= max_attempts else ObjectState.PENDING
    return {"state": state, "reason": printable(reason)}


def retried(row: AnyRow) -> Row:
    """What becomes of a version that was set aside and is tried afresh."""
    return {"state": ObjectState.PENDING, "attempts": 0, "tries": row["tries"] + 1, "reason": ""}


def is_newer(one: AnyRow, row: AnyRow) -> bool:
    """Whether other bytes of the same key stand in its place."""
    return bool(one["id"] > row["id"] and one["state"] != ObjectState.REPLACED)


# --- what a batch may publish


def refuse(batch: Batch, wanted: Sequence[ObjectVersion], taken_up: Sequence[TakenUp], ledger: Versions) -> None:
    """Make sure that the batch may publish these.

    :param ledger: the versions of every key among them
    :raises AlreadyPublished: naming the first that it may not
    """
    if batch.kind is Kind.INGEST:
        _refuse_published(wanted, ledger)
    else:
        _refuse_revoked(wanted, ledger)
        refuse_moved(taken_up, ledger)


def _refuse_published(wanted: Sequence[ObjectVersion], ledger: Versions) -> None:
    """None of these may be published, nor overtaken by a newer version of its key that is."""
    for row, versions in _rows_of(wanted, ledger):
        key = row["key"]
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


def _refuse_revoked(wanted: Sequence[ObjectVersion], ledger: Versions) -> None:
    for row, _ in _rows_of(wanted, ledger):
        if row["state"] == ObjectState.REVOKED:
            raise AlreadyPublished(f"{row['key']} (ETag {row['etag']}): {row['reason']}; nothing was committed")


def refuse_moved(taken_up: Sequence[TakenUp], ledger: Versions) -> None:
    """Make sure that the rejected rows of these still stand where they were read, and are those of their keys' newest bytes.

    :raises AlreadyPublished: naming the first of which they don't
    """
    stood = {one.object.identity: one.standing_in for one in taken_up}
    for row, versions in _rows_of([one.object for one in taken_up], ledger):
        if row["standing_in"] != stood[identity(row)]:
            why = "its rejected rows were taken up by another batch meanwhile"
        elif any(is_newer(one, row) for one in versions):
            why = "it was overwritten meanwhile"
        else:
            continue
        raise AlreadyPublished(f"{row['key']} (ETag {row['etag']}): {why}; nothing was committed")


def _rows_of(wanted: Sequence[ObjectVersion], ledger: Versions) -> Iterator[tuple[AnyRow, Sequence[AnyRow]]]:
    """The rows of these object versions, each with all versions of its key."""
    identities = {one.identity for one in wanted}
    for key in sorted({key for key, _, _ in identities}):
        versions = ledger.get(key, ())
        yield from ((row, versions) for row in versions if identity(row) in identities)


# --- where a batch leaves its objects


def settlements(
    batch: Batch, wanted: Sequence[ObjectVersion], ledger: Versions, commit: int | None
) -> Iterator[tuple[ObjectVersion, Row]]:
    """For each object version that the batch moves, the fields that change.

    Versions that a commit published stay published, and a batch without a commit leaves what is set aside there.
    """
    sources = {source.identity: source for source in batch.sources}
    rows = {identity(row): row for versions in ledger.values() for row in versions}
    for one in {one.identity: one for one in wanted}.values():
        source, row = sources.get(one.identity), rows.get(one.identity)
        if batch.kind is Kind.REPLAY and source and source.outcome not in DEALT_WITH:
            continue  # it was not taken up after all, so it stays where it is
        values = _settled(batch, source, commit)
        if row is None or (row["published_in"] is None and (commit is not None or row["state"] != ObjectState.SET_ASIDE)):
            yield one, values
        elif row["published_in"] is None:
            continue
        elif values["published_in"] is not None and not (source and source.replayed):
            # read again: the first commit stays the one that published it
            yield one, values | {"published_in": row["published_in"]}
        elif batch.kind is Kind.REPLAY:
            yield one, {"standing_in": batch.id}


def moves(moved: Sequence[Moved], ledger: Versions) -> Iterator[tuple[ObjectVersion, Row]]:
    """For each published object version that a revocation moves, the fields that change."""
    to = {one.object.identity: one for one in moved}
    for row, _ in _rows_of([one.object for one in moved], ledger):
        if row["published_in"] is not None:
            one = to[identity(row)]
            yield one.object, {"state": one.state, "reason": printable(one.reason), "standing_in": one.standing_in}


def entered(batch: Batch, one: ObjectVersion, now: int) -> Row:
    """A version that was never registered, as a batch that read it enters it."""
    return new_row(LedgerEntry(one, batch.dataset, batch.landing_date, ObjectState.PENDING), now)


def was_away(batch: Batch) -> list[str]:
    """Keys whose folders the next listing has to compare again, whatever they look like."""
    return [one.key for one in batch.sources if one.outcome in (Outcome.GONE, Outcome.CHANGED)]


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


def published(rows: Iterable[AnyRow], is_live: Callable[[AnyRow], bool]) -> list[PublishedContent]:
    """Published versions, of rows in the order in which they were published."""
    found = list(rows)
    newest = {row["key"]: number for number, row in enumerate(found)}
    return [
        PublishedContent(
            key=row["key"],
            etag=row["etag"],
            size=row["size"],
            sha256=row["sha256"],
            live=is_live(row),
            newest=newest[row["key"]] == number,
            revoked=row["state"] == ObjectState.REVOKED,
        )
        for number, row in enumerate(found)
    ]
