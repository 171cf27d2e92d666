"""Registered pins in DynamoDB.

A pin is written before it is checked, and then every head that it names is moved: whoever was about to remove files of such a
commit has to look again, and sees the pin, or was there first, and then the check finds the files gone and the pin is taken
back. A pin whose writer was killed in between keeps files that need not be kept, until it is removed.

What belongs here: requests over pins. What does not: what a pin is (``pins``).
"""

from __future__ import annotations

import json

from supply_lake.errors import UnknownCommit
from supply_lake.snapshots.dynamo_heads import Heads
from supply_lake.snapshots.dynamo_history import live_marks, marked_snapshots
from supply_lake.snapshots.dynamo_items import PINS, record_items, record_text
from supply_lake.snapshots.dynamo_table import Item, Lost, Table
from supply_lake.snapshots.dynamo_turns import Turn
from supply_lake.snapshots.pins import Pin, PinnedDataset, pin_from_json, pin_json
from supply_lake.snapshots.removal import require_files


def add(heads: Heads, pin: Pin, now: int) -> Pin:
    """Enter the pin; one of this id that is there already is handed back."""
    for one in pin.datasets:
        _require(heads, one)
    stored = _pieces(heads.table, pin.id)
    if stored:
        return pin_from_json(json.loads(record_text(stored)))
    text = json.dumps(pin_json(pin), separators=(",", ":"))
    heads.table.put_many(record_items(PINS, text, prefix=f"{pin.id}#", id=pin.id, at=now))
    try:
        for one in pin.datasets:
            _move(heads, one.dataset)
            _require(heads, one)
    except BaseException:
        remove(heads.table, pin.id)
        raise
    return pin


def remove(table: Table, pin_id: str) -> bool:
    """Forget the pin; whether it was there."""
    pieces = _pieces(table, pin_id)
    table.delete_many((one["pk"], one["sk"]) for one in pieces)
    return bool(pieces)


def registered(table: Table, dataset: str | None) -> list[Pin]:
    """Every pin, in the order in which they were registered; only those that name a dataset, if given."""
    pieces: dict[str, list[Item]] = {}
    for item in table.query(PINS):
        pieces.setdefault(item["sk"].rpartition("#")[0], []).append(item)
    whole = [found for found in pieces.values() if len(found) == found[0].get("pieces")]
    whole.sort(key=lambda found: (found[0]["at"], found[0]["id"]))
    pins = [pin_from_json(json.loads(record_text(found))) for found in whole]
    return [one for one in pins if dataset is None or one.commit_of(dataset) is not None]


def _require(heads: Heads, one: PinnedDataset) -> None:
    view = heads.head(one.dataset).visible
    if not 0 <= one.commit <= view.number:
        raise UnknownCommit(f"dataset {one.dataset} has no commit {one.commit}; its newest is {view.number}")
    gone = [marks for marks in live_marks(heads.table, one.dataset, view, one.commit) if marks.removed_at is not None]
    require_files(one.dataset, one.commit, marked_snapshots(heads.table, view, gone[:1]))


def _move(heads: Heads, dataset: str) -> None:
    turn = Turn(heads.table, dataset)
    while True:
        try:
            return heads.table.transact([heads.head(dataset).moved_on()])
        except Lost:
            turn.pause()


def _pieces(table: Table, pin_id: str) -> list[Item]:
    return list(table.query(PINS, prefix=f"{pin_id}#"))
