"""Registered pins, in every metadata store. One suite, run on each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from supply_lake.errors import UnknownCommit
from supply_lake.snapshots.pins import Pin, PinnedDataset, content_digest, pin_from_json, pin_json, schemas_digest
from supply_lake.snapshots.records import DataFile
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots.made_up import DAY, NOON, SECOND, Clock, batch, proposal


def pinned(dataset: str = "orders", commit: int = 1) -> PinnedDataset:
    return PinnedDataset(dataset, commit, NOON if commit else None, 1, 2, 1, "5c4e", "d1635")


def pin(*datasets: PinnedDataset, number: int = 1, **fields: str) -> Pin:
    return Pin(f"pin-{number}", datasets, NOON, **fields)


def test_a_pin_is_kept_until_it_is_removed(store: MetadataStore, clock: Clock) -> None:
    for dataset in ("orders", "parts"):
        store.commit(proposal(DAY, dataset=dataset))
    first = pin(pinned(), pinned("parts", 0), name="été", by="ada")
    second = pin(pinned("parts"), number=2)
    assert store.pins() == []
    assert store.add_pin(first) == first
    clock.now += SECOND
    assert store.add_pin(second) == second
    assert store.pins() == [first, second]
    assert store.pins("orders") == [first]
    assert store.pins("parts") == [first, second]
    assert store.remove_pin(first.id)
    assert not store.remove_pin(first.id)
    assert store.pins() == [second]


def test_a_pin_that_is_registered_again_stays_what_it_was(store: MetadataStore) -> None:
    store.commit(proposal(DAY))
    first = store.add_pin(pin(pinned()))
    assert store.add_pin(replace(first, name="another", datasets=())) == first
    assert store.pins() == [first]


def test_a_pin_names_commits_that_are_there(store: MetadataStore) -> None:
    store.commit(proposal(DAY))
    for one in (pinned(commit=2), pinned("parts"), pinned(commit=-1)):
        with pytest.raises(UnknownCommit, match=rf"dataset {one.dataset} has no commit {one.commit}"):
            store.add_pin(pin(pinned(), one))
    assert store.pins() == []


def test_other_handles_see_the_pin(open_store: Callable[[], MetadataStore]) -> None:
    one, other = open_store(), open_store()
    one.commit(proposal(DAY))
    one.add_pin(pin(pinned()))
    assert [found.id for found in other.pins()] == ["pin-1"]


def test_a_pin_as_json_is_the_same_pin() -> None:
    one = replace(pin(pinned(), pinned("parts", 0), name="q\0", by="b"), as_of=NOON)
    assert pin_from_json(pin_json(one)) == one
    assert pin_json(one)["digest"] == one.digest


def test_the_digest_tells_what_is_live_and_not_its_order() -> None:
    one, two = batch(DAY, DAY).snapshots
    assert content_digest([one, two]) == content_digest([two, one])
    other = replace(two, files=(DataFile("p", 2, 512, "f00e"),))
    assert len({content_digest(live) for live in ([], [one], [one, two], [one, other])}) == 4
    assert schemas_digest([one, two]) == one.schema_fingerprint
    assert schemas_digest([one, replace(two, schema_fingerprint="x")]) != one.schema_fingerprint
    assert pin(pinned(), pinned("parts", 0)).digest == pin(pinned("parts", 0), pinned()).digest
