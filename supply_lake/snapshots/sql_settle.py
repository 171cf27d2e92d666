"""What a batch means for the ledger: which object versions it may publish, and where they stand after it.

What belongs here: the statements of both, inside the transaction that records the batch. What does not: their rules
(``ledger_rules``), the commit itself (``sql_commit``) and entering objects (``sql_register``).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from supply_lake.snapshots import ledger_rules
from supply_lake.snapshots.ledger_rules import Row, entered, identity, moves, settlements, was_away
from supply_lake.snapshots.records import Batch
from supply_lake.snapshots.sql_ledger import locked, prefix_fingerprints, set_prefix_fingerprints, update_each
from supply_lake.snapshots.sql_schema import objects
from supply_lake.snapshots.store import Moved, TakenUp
from supply_lake.storage.object_store import ObjectVersion


def refuse(connection: sa.Connection, batch: Batch, wanted: Sequence[ObjectVersion], taken_up: Sequence[TakenUp]) -> None:
    """Make sure that the batch may publish these; see ``ledger_rules.refuse``."""
    ledger_rules.refuse(batch, wanted, taken_up, locked(connection, _keys(wanted, taken_up)))


def refuse_moved(connection: sa.Connection, taken_up: Sequence[TakenUp]) -> None:
    """Make sure that rejected rows still stand where they were read; see ``ledger_rules.refuse_moved``."""
    ledger_rules.refuse_moved(taken_up, locked(connection, _keys((), taken_up)))


def _keys(wanted: Sequence[ObjectVersion], taken_up: Sequence[TakenUp]) -> set[str]:
    return {one.key for one in wanted} | {one.object.key for one in taken_up}


def settle(connection: sa.Connection, batch: Batch, wanted: Sequence[ObjectVersion], commit: int | None, now: int) -> None:
    """Move the batch's object versions to where they stand after it; unknown ones are entered."""
    ledger = locked(connection, (one.key for one in wanted))
    ids = {identity(row): row["id"] for versions in ledger.values() for row in versions}
    inserts: list[Row] = []
    changes: dict[bool, list[Row]] = {}
    for one, values in settlements(batch, wanted, ledger, commit):
        if one.identity in ids:
            changes.setdefault("state" in values, []).append({"id": ids[one.identity], **values})
        else:
            inserts.append(entered(batch, one, now) | values)
    for rows in changes.values():
        update_each(connection, rows)
    if inserts:
        connection.execute(sa.insert(objects), inserts)
    _forget_folders(connection, was_away(batch))


def move(connection: sa.Connection, moved: Sequence[Moved]) -> None:
    """Put published object versions where a revocation wants them."""
    ledger = locked(connection, (one.object.key for one in moved))
    ids = {identity(row): row["id"] for versions in ledger.values() for row in versions}
    update_each(connection, [{"id": ids[one.identity], **values} for one, values in moves(moved, ledger)])


def _forget_folders(connection: sa.Connection, keys: Sequence[str]) -> None:
    """Have the folders of these keys compared again by the next listing, whatever they look like."""
    if keys:
        from supply_lake.landing.discovery import stale  # brings Polars, which only this rare case needs

        set_prefix_fingerprints(connection, stale(prefix_fingerprints(connection), keys))
