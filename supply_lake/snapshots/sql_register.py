"""Entering object versions into the ledger: what is new, what was delivered again, and what took whose place.

What belongs here: the statements of ``MetadataStore.register``. What does not: its rules (``ledger_rules``), and
any other use of the ledger (``sql_ledger``).
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from supply_lake.landing.ledger import LedgerEntry
from supply_lake.snapshots.ledger_rules import Row, deliver
from supply_lake.snapshots.sql_ledger import CHUNK, chunks, locked, update_each
from supply_lake.snapshots.sql_schema import objects

_REGISTER_LOCK = 0x5AFE_1A4F


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
        deliver(ledger.setdefault(one.object.key, []), one, listed, now)
    rows = [row for rows in ledger.values() for row in rows]
    stale = {row["was"] for row in rows if "was" in row}
    if stale:
        connection.execute(sa.delete(objects).where(objects.c.id.in_(stale)))
    _insert(connection, [row for row in rows if "id" not in row])
    changed = [row for row in rows if "id" in row and row != before[row["id"]]]
    update_each(connection, [{name: row[name] for name in ("id", "deliveries", "state", "reason")} for row in changed])
    return sum("id" not in row and "was" not in row for row in rows)


def _insert(connection: sa.Connection, rows: list[Row]) -> None:
    if rows:
        columns = [column.name for column in objects.c if column.name != "id"]
        connection.execute(sa.insert(objects), [{name: row[name] for name in columns} for row in rows])
