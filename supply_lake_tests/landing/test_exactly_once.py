"""Whatever producers, events and listings do in whatever order: each object version is entered once, and none is missed."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake.errors import ObjectGone
from supply_lake.landing.discovery import discover, stale
from supply_lake.landing.events import from_events, to_ask
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.messages import Notice
from supply_lake.landing.rules import Rules
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.landing.declared import NOW, batches, dataset, version

RULES = Rules([dataset("shipments")])
KEYS = [f"shipments/2026/11/{day}/{name}" for day in ("23", "24") for name in "ab"]

puts = st.tuples(st.just("put"), st.sampled_from(KEYS), st.integers(0, 2), st.integers(-3, 3))
deletes = st.tuples(st.just("delete"), st.sampled_from(KEYS))
events = st.tuples(st.just("event"), st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
looks = st.tuples(st.just("look"), st.integers(1, 3), st.sampled_from(["", "shipments/2026/11/24/"]))
misses = st.tuples(st.just("miss"), st.sampled_from(KEYS))


class World:
    """Landing as an S3 bucket would be (bytes make the ETag), the ledger, and what was ever to be seen."""

    def __init__(self, ledger: SqlStore) -> None:
        self.ledger = ledger
        self.standing: dict[str, ObjectVersion] = {}
        self.ever: set[tuple[str, str, int]] = set()
        self.new = 0

    def put(self, key: str, content: int, hours: int) -> None:
        self.standing[key] = version(key, str(content), modified=NOW + dt.timedelta(hours=hours))
        self.ever.add(self.standing[key].identity)

    def delete(self, key: str) -> None:
        self.standing.pop(key, None)

    def event(self, keys: list[str]) -> None:
        """Events come late: some tell of what stands there, some of what stood there before, some leave out which it was."""
        notices = [self.notice(number, key) for number, key in enumerate(keys)]
        known = self.ledger.known(keys)
        seen = {key: self.head(key) for key in to_ask(notices, known)}
        fingerprints = self.ledger.prefix_fingerprints()
        delivered = from_events(notices, seen, known, RULES, fingerprints=fingerprints, now=NOW)
        self.ledger.set_prefix_fingerprints(delivered.fingerprints)
        self.new += self.ledger.register(delivered.entries, listed=True)

    def notice(self, number: int, key: str) -> Notice:
        stood = sorted(one for one in self.ever if one[0] == key)
        if not stood or number == 2:
            return Notice(key)
        _, etag, size = stood[number % len(stood)]
        return Notice(key, etag, size, sequencer=f"{number:02}")

    def look(self, cap: int, prefix: str) -> int:
        listed = batches(one for one in self.standing.values() if one.key.startswith(prefix))
        fingerprints = self.ledger.prefix_fingerprints()
        found = discover(listed, self.ledger.known, RULES, fingerprints, NOW, prefixes=(prefix,), max_entries=cap)
        self.new += self.ledger.register(found.entries, listed=True)
        self.ledger.set_prefix_fingerprints(found.fingerprints)
        return len(found.entries) + found.deferred

    def miss(self, key: str) -> None:
        """A batch finds that a key's bytes are gone or changed."""
        self.ledger.set_prefix_fingerprints(stale(self.ledger.prefix_fingerprints(), [key]))

    def head(self, key: str) -> ObjectVersion | ObjectGone:
        return self.standing.get(key) or ObjectGone(key)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    folder: Path = tmp_path_factory.mktemp("ledgers")
    return (SqlStore.open(f"sqlite:///{folder / str(number)}") for number in itertools.count())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(puts, deletes, events, looks, misses), max_size=25))
def test_e1_e2_e3_every_object_version_is_entered_once_and_none_is_missed(
    ledgers: Iterator[SqlStore], steps: list[tuple[object, ...]]
) -> None:
    world = World(next(ledgers))
    for name, *arguments in steps:
        getattr(world, str(name))(*arguments)
    ticks = 0
    while world.look(2, ""):
        ticks += 1
        assert ticks < 20
    entries = list(world.ledger.objects())
    identities = [entry.object.identity for entry in entries]
    assert len(identities) == len(set(identities)) == world.new
    assert set(identities) <= world.ever
    pending = {entry.object.identity for entry in entries if entry.state is ObjectState.PENDING}
    assert {one.identity for one in world.standing.values()} <= pending
    world.ledger.close()


def test_e3_old_bytes_that_come_back_as_they_were_are_taken_up_though_only_an_event_told_of_the_others(
    ledgers: Iterator[SqlStore],
) -> None:
    world = World(next(ledgers))
    world.put(KEYS[0], 1, 0)
    world.look(10, "")
    world.put(KEYS[0], 2, 1)
    world.event([KEYS[0]])
    world.put(KEYS[0], 1, 0)  # a file moved away and back again keeps its time
    world.look(10, "")
    states = {entry.object.etag: entry.state for entry in world.ledger.objects()}
    assert states["1"] is ObjectState.PENDING
    world.ledger.close()
