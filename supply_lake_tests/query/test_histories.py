"""Random histories in all modes, held against a naive model: reads of every commit, differences, the feed, pins."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.lake import Lake
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

MODES: dict[str, dict[str, Any]] = {
    "append": {**ORDERS, "mode": "append"},
    "replace": {**ORDERS, "mode": "replace"},
    "upsert": {**ORDERS, **KEYED, "mode": "upsert"},
    "mirror": {**ORDERS, **KEYED, "mode": "upsert", "key_scope": "dataset"},
}
Row = tuple[Any, ...]
Batch = tuple[int, dict[str, int]]
BATCHES = st.lists(
    st.tuples(st.integers(0, 1), st.dictionaries(st.sampled_from(["o1", "o2", "o3"]), st.integers(0, 2), min_size=1)),
    min_size=2,
    max_size=4,
)


def model(mode: str, batches: list[Batch]) -> list[Counter[Row]]:
    """What is live at every commit, from 0 on."""
    appended: list[Row] = []
    by_day: dict[int, dict[Any, Row]] = {}
    states = [Counter[Row]()]
    for version, (day, quantities) in enumerate(batches):
        rows = [(key, quantity, version) for key, quantity in quantities.items()]
        if mode == "append":
            appended += rows
        elif mode == "replace":
            by_day[day] = dict(enumerate(rows))
        elif mode == "upsert":
            by_day.setdefault(day, {}).update({row[0]: row for row in rows})
        else:
            by_day.setdefault(0, {}).update({row[0]: row for row in rows})
        states.append(Counter([*appended, *(row for one in by_day.values() for row in one.values())]))
    return states


@contextmanager
def ingested(mode: str, batches: list[Batch]) -> Iterator[tuple[House, Lake, list[Any]]]:
    """The same batches, through the real lake; after each of them a pin."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), MODES[mode])
        lake = Lake(house.stores)
        pins = [lake.pin()]
        for version, (day, quantities) in enumerate(batches):
            rows = [(key, quantity, version) for key, quantity in quantities.items()]
            house.land(f"{version}.csv", csv(rows), day=DAY + dt.timedelta(days=day))
            house.ingest()
            pins.append(lake.pin())
        yield house, lake, pins
        house.close()


def counted(table: Any) -> Counter[Row]:
    return Counter(tuple(row[name] for name in ("order_id", "quantity", "version")) for row in table.to_pylist())


def applied(state: Counter[Row], changes: list[dict[str, Any]]) -> Counter[Row]:
    """The state with changes made to it; a row that is taken away has to be there."""
    result = Counter(state)
    for side, step in (("before", -1), ("after", 1)):
        for one in changes:
            if one[side] is not None:
                row = tuple(one[side][name] for name in ("order_id", "quantity", "version"))
                result[row] += step
                assert result[row] >= 0, one
    return +result


@pytest.mark.parametrize("mode", MODES)
@given(batches=BATCHES, data=st.data())
@settings(max_examples=4)
def test_every_read_difference_and_pin_is_that_of_a_naive_model(mode: str, batches: list[Batch], data: st.DataObject) -> None:
    states = model(mode, batches)
    with ingested(mode, batches) as (house, lake, pins):
        commits = house.stores.metadata.commits("orders")
        assert len(commits) == len(batches)
        for number, state in enumerate(states):
            assert counted(lake.read("orders", commit=number)) == state
            assert counted(lake.query("FROM orders", pin=pins[number])) == state
        for commit in commits:
            assert counted(lake.query("FROM orders", as_of=commit.committed_at)) == states[commit.number]
        a, b = (data.draw(st.integers(0, len(batches))) for _ in range(2))
        with lake.diff("orders", a, b) as found:
            changes = found.table().to_pylist()
            assert Counter(one["change"] for one in changes) == +Counter(
                added=found.added, removed=found.removed, changed=found.changed
            )
        assert applied(states[a], changes) == states[b]
        feed = lake.changes("orders", min(a, b), max(a, b)).read_all().to_pylist()
        state = states[min(a, b)]
        for number in range(min(a, b) + 1, max(a, b) + 1):
            state = applied(state, [one for one in feed if one["commit"] == number])
            assert state == states[number]
        lake.compact("orders")
        lake.gc(delete=True, retention=dt.timedelta(0))
        assert counted(lake.read("orders")) == states[-1]
        for pin, state in zip(pins, states, strict=True):
            assert counted(lake.query("FROM orders", pin=pin)) == state
            assert lake.prove_pin(pin) == []
        with lake.diff("orders", len(batches), house.stores.metadata.last_commit("orders")) as compacted:
            assert (compacted.added, compacted.removed, compacted.changed) == (0, 0, 0)
