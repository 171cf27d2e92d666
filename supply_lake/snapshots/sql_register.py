"""Entering object versions into the ledger: what is new, what was delivered again, and what took whose place.

What belongs here: the rules of ``MetadataStore.register``. What does not: any other use of the ledger (``sql_ledger``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.snapshots.records import Outcome
from supply_lake.snapshots.sql_ledger import CHUNK, chunks, locked, now_or, printable, update_each
from supply_lake.snapshots.sql_schema import objects, to_micros

_REGISTER_LOCK = 0x5AFE_1A4F
_CAN_BE_TAKEN_UP = (ObjectState.IGNORED, ObjectState.REFUSED)
Row = dict[str, Any]


def register(connection: sa.Connection, entries: Iterable[LedgerEntry], listed: bool, now: int) -> int:
    """Enter the versions; returns how many were new."""
    if connection.dialect.name == "postgresql":  # SQLite's writers queue anyway
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_REGISTER_LOCK)))
    by_key = sorted(entries, key=lambda one: one.object.key)
    return sum(_register_chunk(connection, chunk, listed, now) for chunk in chunks(by_key, 2 * CHUNK))


def _register_chunk(connection: sa.Connection, entries: list[LedgerEntry], listed: bool, now: int) -> int:
    found = locked(connection, (one.object.key for one in entries))
    ledger = {key: [dict(row) for row in rows] for key, rows in found.items()}
    before = {row["id"]: dict(row) for rows in ledger.values() for row in rows}
    for one in entries:
        _enter(ledger.setdefault(one.object.key, []), one, listed, now)
    rows = [row for rows in ledger.values() for row in rows]
    stale = {row["was"] for row in rows if "was" in row}
    if stale:
        connection.execute(sa.delete(objects).where(objects.c.id.in_(stale)))
    _insert(connection, [row for row in rows if "id" not in row])
    changed = [row for row in rows if "id" in row and row != before[row["id"]]]
    update_each(connection, [{name: row[name] for name in ("id", "deliveries", "state", "reason")} for row in changed])
    return sum("id" not in row and "was" not in row for row in rows)


def _enter(versions: list[Row], one: LedgerEntry, listed: bool, now: int) -> None:
    """Change the versions of one key, oldest first, by one delivery."""
    row = next((row for row in versions if row["etag"] == one.object.etag and row["size"] == one.object.size), None)
    if row is None:
        row = _new_row(one, now)
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


def _comes_back(row: Row, listed: bool) -> bool:
    """Whether a known version is to be read after all: it was away when it was to be read, or no dataset took it."""
    away = row["state"] == ObjectState.REPLACED or (row["state"] == ObjectState.DONE and row["outcome"] == Outcome.GONE)
    return (listed and away and row["published_in"] is None) or row["state"] in _CAN_BE_TAKEN_UP


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


def _new_row(one: LedgerEntry, now: int) -> Row:
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
        "first_seen": now_or(one.first_seen, now),
    }


def _insert(connection: sa.Connection, rows: list[Row]) -> None:
    if rows:
        columns = [column.name for column in objects.c if column.name != "id"]
        connection.execute(sa.insert(objects), [{name: row[name] for name in columns} for row in rows])
