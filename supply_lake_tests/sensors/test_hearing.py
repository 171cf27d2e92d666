"""How many messages a look takes, and what it says of those that led to nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from supply_lake.ingest import events
from supply_lake.landing.queue import Queue
from supply_lake.sensors import hearing
from supply_lake.sensors.hearing import Hearing
from supply_lake_tests.ingest.house import House, csv
from supply_lake_tests.ingest.memory_queue import MemoryQueue, notification


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> MemoryQueue:
    made = MemoryQueue()
    monkeypatch.setattr(Queue, "open", lambda _: made)
    take = events.take
    monkeypatch.setattr(events, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(events, "take", lambda *args, **options: take(*args, most=2, **options))
    return made


@pytest.fixture
def listener(house: House) -> Hearing:
    return Hearing(dataclasses.replace(house.stores.settings, events="sqs://made-up"))


def told(house: House, count: int) -> Iterator[str]:
    for number in range(count):
        yield notification(house, house.land(f"{number}.csv", csv([(f"o{number}", 1, 1)])))


def test_e9_a_look_takes_on_while_the_queue_is_full_and_not_for_ever(
    house: House, queue: MemoryQueue, listener: Hearing, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.send(*told(house, 5))
    assert listener.hear(house.stores, wait=0, drain=False).remarks == ()
    assert (queue.left, house.pending()) == (0, 5)
    monkeypatch.setattr(hearing, "LONGEST_SECONDS", -1.0)
    queue.send(*told(house, 5))
    listener.hear(house.stores, wait=0, drain=False)
    assert queue.left == 3
    listener.hear(house.stores, wait=0, drain=True)
    assert queue.left == 0


def test_nothing_silent_what_led_to_nothing_is_remarked(house: House, queue: MemoryQueue, listener: Hearing) -> None:
    elsewhere = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "other"}, "object": {"key": "k"}}}
    queue.send(json.dumps({"Records": [elsewhere, elsewhere]}), json.dumps({"Event": "s3:TestEvent"}), "poison")
    assert listener.hear(house.stores, wait=0, drain=False).remarks == (
        "2 records of the queue were passed over: object outside landing",
        "1 messages were given up; see `supply-lake messages`",
    )
