"""The lake's promises under random histories, against a naive model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake.ingest import batches
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

KEYS = st.sampled_from(["o1", "o2", "o3", "o4", ""])
VALUES = st.one_of(st.integers(-2, 9), st.sampled_from(["x", ""]))
ROWS = st.lists(st.tuples(KEYS, VALUES, st.integers(1, 5)), min_size=1, max_size=6)
FILES = st.sampled_from(["a.csv", "b.csv", "c.csv"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("land"), FILES, ROWS),
        st.tuples(st.just("deliver again"), FILES),
        st.tuples(st.just("ingest")),
        st.tuples(st.just("tick")),
        st.tuples(st.just("two runs")),
    ),
    min_size=1,
    max_size=10,
)
SLOW = settings(max_examples=25, suppress_health_check=list(HealthCheck))


def _good(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What the contract of ``ORDERS`` lets pass, typed."""
    return [
        (key, None if value == "" else value, version)
        for key, value, version in rows
        if key != "" and (value == "" or (isinstance(value, int) and value >= 0))
    ]


def _play(house: House, steps: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    """Play the steps; returns the distinct versions of files that were ingested, in order."""
    content: dict[str, list[tuple[Any, ...]]] = {}
    waiting: dict[str, list[tuple[Any, ...]]] = {}
    seen: list[list[tuple[Any, ...]]] = []
    last: dict[str, list[tuple[Any, ...]]] = {}

    def settle() -> None:
        for file, rows in waiting.items():
            if last.get(file) != rows:
                seen.append(rows)
            last[file] = rows
        waiting.clear()

    for step in [*steps, ("ingest",)]:
        match step:
            case ("land", file, rows):
                content[file] = waiting[file] = rows
                house.land(file, csv(rows))
            case ("deliver again", file) if file in content:
                house.land(file, csv(content[file]))
                waiting.setdefault(file, content[file])
            case ("tick",):
                house.discover()
            case ("ingest",):
                house.ingest()
                settle()
            case ("two runs",):
                house.ingest()
                settle()
                assert batches.run_pending(house.stores, "orders", DAY) == []
        house.recount()
    return seen


@SLOW
@given(steps=STEPS)
def test_append_conserves_every_row_and_publishes_each_version_once(steps: list[tuple[Any, ...]]) -> None:
    spec = {**ORDERS, "error_threshold": 1.0, "landing": {"same_content": "publish"}}
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), spec)
        seen = _play(house, steps)
        wanted = [row for rows in seen for row in _good(rows)]
        assert house.rows() == sorted(wanted, key=repr)
        house.close()


@SLOW
@given(steps=STEPS)
def test_upsert_equals_a_dictionary(steps: list[tuple[Any, ...]]) -> None:
    spec = {**ORDERS, **KEYED, "mode": "upsert", "error_threshold": 1.0, "landing": {"same_content": "publish"}}
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), spec)
        seen = _play(house, steps)
        newest: dict[str, int] = {}
        for rows in seen:
            for key, _, version in _good(rows):
                newest[key] = max(version, newest.get(key, 0))
        live = house.rows()
        assert {key: version for key, _, version in live} == newest
        assert len(live) == len(newest)
        offered = {row for rows in seen for row in _good(rows)}
        assert set(live) <= offered
        house.close()


UNIQUE_ROWS = st.lists(
    st.tuples(st.sampled_from(["o1", "o2", "o3"]), st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=4
)


def _unique(live: dict[str, tuple[int, int]], rows: list[tuple[str, int, int]]) -> dict[str, tuple[int, int]]:
    """The live rows after an upsert in which no two may have one quantity, found by trying it again and again."""
    barred: set[int] = set()
    while True:
        after = {key: (quantity, version, -1) for key, (quantity, version) in live.items()}
        for ordinal, (key, quantity, version) in enumerate(rows):
            if ordinal not in barred and (key not in after or version >= after[key][1]):
                after[key] = (quantity, version, ordinal)
        taken: set[int] = set()
        lost: set[int] = set()
        for quantity, _, ordinal in sorted(after.values(), key=lambda row: row[2]):
            if ordinal >= 0 and quantity in taken:
                lost.add(ordinal)
            taken.add(quantity)
        if not lost:
            return {key: (quantity, version) for key, (quantity, version, _) in after.items()}
        barred |= lost


@SLOW
@given(files=st.lists(UNIQUE_ROWS, min_size=1, max_size=4))
def test_uniqueness_over_a_history_of_upserts_equals_a_naive_model(files: list[list[tuple[str, int, int]]]) -> None:
    rule = {"name": "one_quantity", "unique": {"columns": "quantity"}}
    spec = {**ORDERS, **KEYED, "mode": "upsert", "error_threshold": 1.0, "quality": [rule]}
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder), {**spec, "landing": {"same_content": "publish"}})
        live: dict[str, tuple[int, int]] = {}
        for number, rows in enumerate(files):
            house.land(f"{number}.csv", csv(rows))
            house.ingest()
            live = _unique(live, rows)
            assert {key: (quantity, version) for key, quantity, version in house.rows()} == live
        house.recount()
        house.close()
