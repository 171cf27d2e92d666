"""Random histories of files, mended rules, replays and revocations, against a naive model.

Whatever happens in whatever order, every row that landed is published once or stands as rejected once, and the live rows are
those of the model.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from supply_lake.errors import NotRevocable
from supply_lake.ingest.recurate import recurate
from supply_lake.ingest.replay import replay
from supply_lake.ingest.revoke import revoke
from supply_lake.upkeep.compact import compact
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

RULES: list[int | None] = [0, -5, None]  # the least quantity; without one any whole number is good
THRESHOLD = 0.6
ROW = st.tuples(st.sampled_from(["o1", "o2", "o3"]), st.sampled_from([5, 1, -1, -3, -9, "x"]), st.integers(1, 4))
FILE = st.tuples(st.just("land"), st.lists(ROW, min_size=1, max_size=5))
MEND = st.tuples(st.just("mend"), st.sampled_from(RULES))
REPLAY = st.tuples(st.just("replay"))
REVOKE = st.tuples(st.just("revoke"), st.integers(0, 9))
COMPACT = st.tuples(st.just("compact"))
STEPS = st.lists(st.one_of(FILE, FILE, MEND, REPLAY, REVOKE, COMPACT), min_size=3, max_size=9)
COMPACTED = st.booleans()  # after every step
SLOW = settings(max_examples=15, suppress_health_check=list(HealthCheck))


def columns(least: int | None) -> list[dict[str, Any]]:
    checks = {} if least is None else {"checks": {"ge": least}}
    return [ORDERS["columns"][0], {"name": "quantity", "type": "int64", **checks}, ORDERS["columns"][2]]


@dataclass
class Row:
    values: tuple[Any, ...]
    place: tuple[str, int]
    snapshot: str = ""  # that published it; empty while it is rejected


@dataclass
class Delivery:
    """One file. ``refused`` while it is rejected whole; ``first`` is the snapshot of its ingestion."""

    rows: list[Row]
    refused: bool = False
    first: str = ""


@dataclass
class Model:
    mode: str
    least: int | None = 0
    deliveries: list[Delivery] = field(default_factory=list)
    revoked: set[str] = field(default_factory=set)
    whose: dict[str, tuple[str, Any]] = field(default_factory=dict)

    def is_good(self, row: Row) -> bool:
        quantity = row.values[1]
        return quantity != "x" and (self.least is None or quantity >= self.least)

    def passes(self, rows: list[Row]) -> bool:
        bad = sum(not self.is_good(row) for row in rows)
        return bad < len(rows) and bad / len(rows) <= THRESHOLD

    def is_in_the_way(self, delivery: Delivery) -> bool:
        """Whether a later file of the date is live, which `replace` keeps."""
        later = self.deliveries[self.deliveries.index(delivery) + 1 :]
        return self.mode == "replace" and any(self.is_live(one) for one in later)

    def is_live(self, delivery: Delivery) -> bool:
        return any(row.snapshot and row.snapshot not in self.revoked for row in delivery.rows)

    def live(self) -> list[tuple[Any, ...]]:
        found = [one for one in self.deliveries if self.is_live(one)]
        if self.mode == "replace":
            found = found[-1:]
        rows = [row for one in found for row in one.rows if row.snapshot and row.snapshot not in self.revoked]
        return sorted((row.values for row in rows), key=repr)

    def standing(self) -> list[tuple[str, int]]:
        return sorted(row.place for one in self.deliveries for row in one.rows if not row.snapshot)

    def newly_good(self, delivery: Delivery) -> list[Row]:
        """What a replay publishes of a delivery."""
        if delivery.first in self.revoked or self.is_in_the_way(delivery):
            return []
        if delivery.refused and not self.passes(delivery.rows):
            return []
        return [row for row in delivery.rows if not row.snapshot and self.is_good(row)]


def play(house: House, model: Model, steps: list[tuple[Any, ...]]) -> None:
    for step in steps:
        match step:
            case ("land", rows):
                land(house, model, rows)
            case ("mend", least):
                model.least = least
                house.mend(columns=columns(least))
            case ("replay",):
                run_again(house, model)
            case ("revoke", nth):
                take_out(house, model, nth)
            case ("compact",):
                put_together(house)
        assert house.rows() == model.live(), step
        assert [(file, line) for file, line, _ in house.standing()] == model.standing(), step
    house.recount()


def among(steps: list[tuple[Any, ...]], compacted: bool) -> list[tuple[Any, ...]]:
    return [one for step in steps for one in (step, ("compact",))] if compacted else steps


def put_together(house: House) -> None:
    """A compaction, which the model knows nothing of: nothing may come of it."""
    for done in compact(house.stores, "orders"):
        event(f"compacted: {len(done.batch.snapshots[0].holds) if done.batch else 0} snapshots")
        assert done.files_after < done.files_before


def land(house: House, model: Model, rows: list[tuple[Any, ...]]) -> None:
    name = f"{len(model.deliveries)}.csv"
    house.land(name, csv(rows) + "\n" * len(model.deliveries))  # no two files have the same bytes
    (batch,) = house.ingest()
    delivery = Delivery([Row(values, (name, at)) for at, values in enumerate(rows, start=2)])
    model.deliveries.append(delivery)
    delivery.refused = not model.passes(delivery.rows)
    assert (batch.commit is None) == delivery.refused
    model.whose[batch.snapshots[0].id] = ("land", delivery)
    if not delivery.refused:
        delivery.first = batch.snapshots[0].id
        for row in delivery.rows:
            row.snapshot = delivery.first if model.is_good(row) else ""


def run_again(house: House, model: Model) -> None:
    for done in replay(house.stores, "orders"):
        kind, found = model.whose[done.batch.replays[0]]
        delivery: Delivery = found if kind == "land" else found[0]
        good = model.newly_good(delivery)
        assert done.batch.rows.published == len(good)
        if done.batch.commit is not None:
            event("published by a replay")
            snapshot = done.batch.snapshots[0].id
            model.whose[snapshot] = ("replay", (delivery, good, delivery.refused))
            delivery.refused = False
            for row in good:
                row.snapshot = snapshot
    assert all(not done.batch.recorded for done in replay(house.stores, "orders"))


def take_out(house: House, model: Model, nth: int) -> None:
    found = house.stores.metadata.snapshots("orders")
    snapshots = sorted((one for one in found if one.kind != "compact"), key=lambda one: one.id)
    if not snapshots:
        return
    chosen = snapshots[nth % len(snapshots)]
    before = house.rows(commit=house.stores.metadata.last_commit("orders"))
    try:
        done = revoke(house.stores, chosen.id, why="false")
    except NotRevocable:
        event("not revocable")
        return
    event(f"revoked: {chosen.kind}")
    assert house.rows(commit=(done.commit or 0) - 1) == before
    for one in done.snapshots:
        model.whose[one.id] = ("revoke", chosen.id)
    kind, what = model.whose[chosen.id]
    if kind == "revoke":
        give_back(model, what)
    else:
        forget(model, chosen.id)


def forget(model: Model, snapshot: str) -> None:
    kind, what = model.whose[snapshot]
    if kind == "land":
        model.revoked.add(snapshot)
        return
    delivery, rows, was_refused = what
    delivery.refused = was_refused
    for row in rows:
        row.snapshot = ""


def give_back(model: Model, snapshot: str) -> None:
    kind, what = model.whose[snapshot]
    if kind == "revoke":
        forget(model, what)
    elif kind == "land":
        model.revoked.discard(snapshot)
    else:
        delivery, rows, _ = what
        delivery.refused = False
        for row in rows:
            row.snapshot = snapshot


@SLOW
@given(steps=STEPS, compacted=COMPACTED)
def test_m4_append_every_row_is_published_once_or_rejected_once(steps: list[tuple[Any, ...]], compacted: bool) -> None:
    steps = among(steps, compacted)
    with tempfile.TemporaryDirectory() as folder:
        spec = {**ORDERS, "error_threshold": THRESHOLD, "columns": columns(0), "landing": {"same_content": "publish"}}
        house = House(Path(folder), spec)
        model = Model("append")
        play(house, model, steps)
        house.prove()
        house.close()


@SLOW
@given(steps=STEPS, compacted=COMPACTED)
def test_m4_replace_the_last_delivery_that_stands_is_live(steps: list[tuple[Any, ...]], compacted: bool) -> None:
    steps = among(steps, compacted)
    with tempfile.TemporaryDirectory() as folder:
        columns_, landing = columns(0), {"same_content": "publish"}
        house = House(
            Path(folder), {**ORDERS, "mode": "replace", "error_threshold": THRESHOLD, "columns": columns_, "landing": landing}
        )
        model = Model("replace")
        play(house, model, steps)
        house.prove()
        house.close()


@SLOW
@given(steps=STEPS, compacted=COMPACTED)
def test_m4_upsert_comes_to_what_its_deliveries_say_whatever_was_replayed_and_revoked(
    steps: list[tuple[Any, ...]], compacted: bool
) -> None:
    """In the end the date is curated again, so that rows that lost against revoked ones compete as well."""
    steps = among(steps, compacted)
    with tempfile.TemporaryDirectory() as folder:
        spec = {**ORDERS, **KEYED, "mode": "upsert", "error_threshold": 1.0, "columns": columns(0)}
        house = House(Path(folder), {**spec, "landing": {"same_content": "publish"}})
        landed: list[tuple[str, list[tuple[Any, ...]]]] = []
        for step in steps:
            match step:
                case ("land", rows):
                    landed.append((house.land(f"{len(landed)}.csv", csv(rows) + "\n" * len(landed)), rows))
                    house.ingest()
                case ("mend", least):
                    house.mend(columns=columns(least))
                case ("replay",):
                    replay(house.stores, "orders")
                    assert all(not done.batch.recorded for done in replay(house.stores, "orders"))
                case ("revoke", nth):
                    _take_out(house, nth)
                case ("compact",):
                    put_together(house)
            keys = Counter(row[0] for row in house.rows())
            assert not keys or max(keys.values()) == 1
            house.prove()
        house.mend(columns=columns(None))
        recurate(house.stores, "orders", DAY)
        wanted: dict[str, tuple[int, int, int]] = {}
        for at, (key, rows) in enumerate(landed):
            if "revoked" not in house.states()[key]:
                for line, (order, quantity, version) in enumerate(rows):
                    if quantity != "x":
                        wanted[order] = max(wanted.get(order, (0, 0, 0)), (version, at, line))
        live = {order: (quantity, version) for order, quantity, version in house.rows()}
        assert live == {order: (landed[at][1][line][1], version) for order, (version, at, line) in wanted.items()}
        house.prove()
        house.close()


def _take_out(house: House, nth: int) -> None:
    """Revoke a snapshot; of a file with all that replays published of it, so that nothing of the file is live."""
    snapshots = sorted(house.stores.metadata.snapshots("orders"), key=lambda one: one.id)
    if not snapshots:
        return
    chosen = snapshots[nth % len(snapshots)]
    whole = [one for one in snapshots if one.delivery == chosen.delivery and one.id > chosen.id and chosen.kind == "ingest"]
    for one in (*reversed(whole), chosen):
        try:
            revoke(house.stores, one.id, why="false")
        except NotRevocable:
            continue
        event(f"revoked: {one.kind}")
    origins = house.frame(lineage=True)["_snapshot_id"].to_list() if house.live() else []
    revoked = {one.id for one in house.stores.metadata.snapshots("orders") if one.revoked_by is not None}
    assert revoked.isdisjoint(origins)
