"""Random histories of commits with compactions, collections and pins between them, against a naive model.

Whatever happens in whatever order, a read as of any commit within the retention or under a pin gives the rows that the model had
then, and a read of any other either gives those rows or says that they were removed.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from supply_lake.errors import NotRevocable, VersionRemoved
from supply_lake.ingest.revoke import revoke
from supply_lake.lake import Lake
from supply_lake.snapshots.pins import Pin, PinnedDataset
from supply_lake.snapshots.records import Kind
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.upkeep.compact import compact
from supply_lake.upkeep.gc import Collection
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

NEXT = DAY + dt.timedelta(days=1)
SPECS: dict[str, dict[str, Any]] = {
    "append": {**ORDERS, "landing": {"same_content": "publish"}},
    "replace": {**ORDERS, "mode": "replace", "landing": {"same_content": "publish"}},
    "upsert": {**ORDERS, **KEYED, "mode": "upsert", "landing": {"same_content": "publish"}},
}
ROW = st.tuples(st.sampled_from(["o1", "o2", "o3"]), st.integers(0, 9), st.just(1))
LAND = st.tuples(st.just("land"), st.sampled_from([DAY, NEXT]), st.lists(ROW, min_size=1, max_size=3))
COMPACT, PIN = st.tuples(st.just("compact")), st.tuples(st.just("pin"), st.integers(0, 9))
COLLECT = st.tuples(st.just("gc"), st.integers(0, 5))
REVOKE = st.tuples(st.just("revoke"), st.integers(0, 9))
STEPS = st.lists(st.one_of(LAND, LAND, LAND, COMPACT, COMPACT, COLLECT, PIN, REVOKE), min_size=6, max_size=14)
Rows = list[tuple[Any, ...]]


class Model:
    """The live rows by date; what was live at each commit; which commits have to be readable."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.live: dict[dt.date, Rows] = {DAY: [], NEXT: []}
        self.at: dict[int, Rows] = {0: []}
        self.since, self.pinned = 0, set[int]()

    def land(self, day: dt.date, rows: Rows) -> None:
        if self.mode == "append":
            self.live[day] = self.live[day] + rows
        elif self.mode == "replace":
            self.live[day] = rows
        else:
            by_key = {row[0]: row for row in (*self.live[day], *rows)}
            self.live[day] = list(by_key.values())

    def note(self, commit: int) -> None:
        """What is live is so since this commit."""
        self.at[commit] = sorted(row for rows in self.live.values() for row in rows)


def play(house: House, model: Model, steps: list[tuple[Any, ...]]) -> None:
    for number, step in enumerate(steps):
        match step:
            case ("land", day, rows):
                house.land(f"{number}.csv", csv(rows) + "\n" * number, day=day)
                house.ingest()
                model.land(day, rows)
            case ("compact",):
                done = compact(house.stores, "orders")
                event(f"dates compacted: {len(done)}")
            case ("gc", back):
                collect(house, model, back)
            case ("pin", back):
                pin(house, model, back)
            case ("revoke", nth):
                take_out(house, model, nth)
        for commit in range(max(model.at) + 1, house.stores.metadata.last_commit("orders") + 1):
            model.note(commit)
    for commit, rows in model.at.items():
        look(house, model, commit, rows)


def collect(house: House, model: Model, back: int) -> None:
    """Keep what is readable as of the moment of the commit so many before the newest."""
    commits = house.stores.metadata.commits("orders")
    if commits:
        kept, now = commits[max(len(commits) - 1 - back, 0)], dt.datetime.now(dt.UTC) + dt.timedelta(hours=2)
        removal = Collection(house.stores, now - kept.committed_at, dt.timedelta(hours=1), clock=lambda: now).run("orders")
        event(f"versions removed: {min(len(removal.snapshots), 3)}")
        assert removal.reachable_from in (0, kept.number)
        model.since = max(model.since, kept.number)


def pin(house: House, model: Model, back: int) -> None:
    commit = max(house.stores.metadata.last_commit("orders") - back, 0)
    one = PinnedDataset("orders", commit, None, 1, 1, 1, "", "")
    try:
        house.stores.metadata.add_pin(Pin(new_snapshot_id(), (one,), dt.datetime.now(dt.UTC)))
        model.pinned.add(commit)
    except VersionRemoved:
        assert commit < model.since


def take_out(house: House, model: Model, nth: int) -> None:
    """Revoke a snapshot of the lake; the model takes over what it came to, which other tests hold against their models."""
    found = sorted(house.stores.metadata.snapshots("orders"), key=lambda one: one.id)
    brought = [one for one in found if one.kind is Kind.INGEST]
    if not brought:
        return
    try:
        revoke(house.stores, brought[nth % len(brought)].id, why="false")
    except NotRevocable:
        event("not revocable")
        return
    for taken_apart in range(max(model.at) + 1, house.stores.metadata.last_commit("orders")):
        model.note(taken_apart)  # no row changed yet
    for day in model.live:
        files = [house.stores.lake.uri(file.path) for one in house.live() if one.partition == day for file in one.files]
        model.live[day] = _rows(house, day) if files else []


def _rows(house: House, day: dt.date) -> Rows:
    with Lake(house.stores) as lake:
        found = lake.query(f"SELECT order_id, quantity, version FROM orders__rows WHERE _partition_date = DATE '{day}'")
    return [tuple(row.values()) for row in found.to_pylist()]


def look(house: House, model: Model, commit: int, rows: Rows) -> None:
    try:
        found = Lake(house.stores).read("orders", commit=commit, columns=["order_id", "quantity", "version"])
    except VersionRemoved:
        assert commit < model.since
        assert commit not in model.pinned
        event("removed")
        return
    assert sorted(tuple(row.values()) for row in found.to_pylist()) == rows


def run(mode: str, steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), SPECS[mode])
        play(house, Model(mode), steps)
        house.prove()
        house.close()


SLOW = settings(max_examples=12, suppress_health_check=list(HealthCheck))


@SLOW
@given(steps=STEPS)
def test_p7_append_every_read_within_the_retention_is_the_models(steps: list[tuple[Any, ...]]) -> None:
    run("append", steps)


@SLOW
@given(steps=STEPS)
def test_p7_replace_every_read_within_the_retention_is_the_models(steps: list[tuple[Any, ...]]) -> None:
    run("replace", steps)


@SLOW
@given(steps=STEPS)
def test_p7_upsert_every_read_within_the_retention_is_the_models(steps: list[tuple[Any, ...]]) -> None:
    run("upsert", steps)
