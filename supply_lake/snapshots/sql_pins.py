"""Registered pins, in SQL.

What belongs here: statements over ``pins``. What does not: what a pin is (``pins``).
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from supply_lake.errors import UnknownCommit
from supply_lake.snapshots.pins import Pin, pin_from_json, pin_json
from supply_lake.snapshots.removal import require_files
from supply_lake.snapshots.sql_datasets import lock_dataset
from supply_lake.snapshots.sql_history import live
from supply_lake.snapshots.sql_schema import pins


def add(connection: sa.Connection, pin: Pin, now: int) -> Pin:
    """Enter the pin; one of this id that is there already is handed back.

    Its datasets are held in order, so that whoever removes files in a transaction that holds them sees the pin or comes first.
    """
    for one in sorted(pin.datasets, key=lambda one: one.dataset):
        last = lock_dataset(connection, one.dataset).last_commit
        if not 0 <= one.commit <= last:
            raise UnknownCommit(f"dataset {one.dataset} has no commit {one.commit}; its newest is {last}")
        require_files(one.dataset, one.commit, live(connection, one.dataset, one.commit, None))
    stored = connection.execute(sa.select(pins.c.record).where(pins.c.id == pin.id)).scalar()
    if stored is not None:
        return pin_from_json(json.loads(stored))
    record = json.dumps(pin_json(pin), separators=(",", ":"))
    connection.execute(sa.insert(pins).values(id=pin.id, registered_at=now, record=record))
    return pin


def remove(connection: sa.Connection, pin_id: str) -> bool:
    """Forget the pin; whether it was there."""
    return bool(connection.execute(sa.delete(pins).where(pins.c.id == pin_id)).rowcount)


def registered(connection: sa.Connection, dataset: str | None) -> list[Pin]:
    """Every pin, in the order in which they were registered; only those that name a dataset, if given."""
    records = connection.execute(sa.select(pins.c.record).order_by(pins.c.registered_at, pins.c.id)).scalars()
    found = [pin_from_json(json.loads(record)) for record in records]
    return [one for one in found if dataset is None or one.commit_of(dataset) is not None]
