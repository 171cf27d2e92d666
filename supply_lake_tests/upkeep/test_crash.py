"""A compaction or a collection that is killed at any write loses nothing, and the next one finishes its work."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from supply_lake_tests.ingest.house import House, csv
from supply_lake_tests.ingest.nursery import Nursery

Make = Callable[..., House]
ROWS = [(f"o{number}", number, 1) for number in range(3)]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


def furnished(make_house: Make) -> House:
    """Three snapshots of a date, one of them with a rejected row."""
    house = make_house()
    for number, row in enumerate(ROWS):
        house.land(f"{number}.csv", csv([row, ("bad", "x", 1)] if number else [row]))
        house.ingest()
    return house


def files(house: House) -> int:
    return sum(batch.num_rows for batch in house.stores.lake.list("dataset=orders/"))


@pytest.mark.parametrize("verb", ["compact", "gc"])
def test_m2_killed_at_each_write(make_house: Make, nursery: Nursery, verb: str) -> None:
    def ready() -> House:
        house = furnished(make_house)
        if verb == "gc":
            assert nursery.ingest(house, verb="compact")[0] == 0
        return house

    rehearsal = ready()
    stood = rehearsal.standing()
    status, writes = nursery.ingest(rehearsal, verb=verb)
    assert (status, files(rehearsal)) == (0, 4 if verb == "compact" else 1)
    assert writes > 4
    for blow_at in range(1, writes + 1):
        house = ready()
        assert nursery.ingest(house, verb=verb, blow_at=blow_at)[0] == -signal.SIGKILL
        assert (house.rows(), house.standing()) == (ROWS, stood), f"killed at write {blow_at} of {writes}"
        house.prove()
        assert nursery.ingest(house, verb=verb)[0] == 0
        assert nursery.ingest(house, verb="gc")[0] == 0
        assert (house.rows(), house.standing(), files(house)) == (ROWS, stood, 1)
        assert house.stores.metadata.last_commit("orders") == 4
        house.prove()
        house.close()
