"""A process killed at any write, or at any moment, leaves nothing half visible, and the next run finishes the work."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv
from supply_lake_tests.ingest.nursery import Nursery

Make = Callable[..., House]
SPECS = {
    "append": ORDERS,
    "replace": {**ORDERS, "mode": "replace"},
    "upsert": {**ORDERS, **KEYED, "mode": "upsert"},
}
EXPECTED = {
    "append": [("o0", 0, 1), ("o0", 9, 2), ("o1", 1, 1), ("o2", 2, 1)],
    "replace": [("o0", 9, 2), ("o2", 2, 1)],
    "upsert": [("o0", 9, 2), ("o1", 1, 1), ("o2", 2, 1)],
}


def _furnish(house: House) -> None:
    """A first commit, and then a file that waits: two good rows, a bad one and a repeat."""
    house.land("a.csv", csv([("o0", 0, 1), ("o1", 1, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o0", 9, 2), ("o2", 2, 1), ("o3", "x", 1)]))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def _whole(house: House, mode: str) -> None:
    """Either the state before the waiting file, or the one after it: never between."""
    before = [("o0", 0, 1), ("o1", 1, 1)]
    assert house.rows() in (before, EXPECTED[mode])
    house.recount()


@pytest.mark.parametrize("mode", SPECS)
def test_m2_killed_before_during_and_after_each_write_of_the_commit_sequence(
    make_house: Make, nursery: Nursery, mode: str
) -> None:
    rehearsal = make_house(SPECS[mode])
    _furnish(rehearsal)
    status, writes = nursery.ingest(rehearsal)
    assert status == 0
    assert writes > 5
    for blow_at in range(1, writes + 1):
        house = make_house(SPECS[mode], env={"SUPPLY_LAKE_MAX_ATTEMPTS": "5"})
        _furnish(house)
        assert nursery.ingest(house, blow_at=blow_at)[0] == -signal.SIGKILL
        _whole(house, mode)
        house.ingest()
        assert house.rows() == EXPECTED[mode], f"killed at write {blow_at} of {writes}"
        assert house.stores.metadata.last_commit("orders") == 2
        house.recount()
        house.close()


@pytest.mark.parametrize("verb", ["replay", "revoke"])
@pytest.mark.parametrize("mode", SPECS)
def test_m2_m4_killed_at_each_write_of_a_replay_and_of_a_revocation(
    make_house: Make, nursery: Nursery, mode: str, verb: str
) -> None:
    def furnished(**options: Any) -> House:
        house = make_house(SPECS[mode], **options)
        _furnish(house)
        house.ingest()
        columns = [ORDERS["columns"][0], {"name": "quantity", "type": "string"}, ORDERS["columns"][2]]
        house.mend(**({"columns": columns} if verb == "replay" else {}))
        return house

    rehearsal = furnished()
    before, stood = rehearsal.rows(), rehearsal.standing()
    status, writes = nursery.ingest(rehearsal, verb=verb)
    after, stands = rehearsal.rows(), rehearsal.standing()
    assert (status, after != before, writes > 3) == (0, True, True)
    for blow_at in range(1, writes + 1):
        house = furnished()
        assert nursery.ingest(house, verb=verb, blow_at=blow_at)[0] == -signal.SIGKILL
        assert (house.rows(), house.standing()) in ((before, stood), (after, stands))
        if house.rows() == before:
            assert nursery.ingest(house, verb=verb)[0] == 0
        assert (house.rows(), house.standing()) == (after, stands), f"killed at write {blow_at} of {writes}"
        assert house.stores.metadata.last_commit("orders") == 3
        house.prove()
        house.recount()
        house.close()


def test_m2_killed_at_random_moments_again_and_again(make_house: Make, nursery: Nursery) -> None:
    house = make_house(env={"SUPPLY_LAKE_MAX_OBJECTS_PER_RUN": "1", "SUPPLY_LAKE_MAX_ATTEMPTS": "1000"})
    moments = random.Random(7)
    wanted = []
    for number in range(40):
        wanted.append((f"o{number:02}", number, 1))
        house.land(f"{number:02}.csv", csv(wanted[-1:]), day=DAY)
    killed = 0
    for _ in range(12):
        status, _ = nursery.ingest(house, seconds=moments.uniform(0.05, 0.6))
        killed += status == -signal.SIGALRM
        live = house.rows()
        assert live == sorted(set(live))
        assert set(live) <= set(wanted)
        house.recount()
    assert killed
    house.ingest()
    assert house.rows() == wanted
    house.recount()
