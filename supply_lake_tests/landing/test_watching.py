from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from supply_lake.landing.watching import EVERYTHING, Watch, hot_prefixes, listing, outermost
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.landing.declared import TODAY, dataset

HOT = ("shipments/2026/11/23/", "shipments/2026/11/24/", "shipments/2026/11/25/")


def test_hot_folders_are_those_of_recent_dates_and_of_undated_patterns() -> None:
    specs = [dataset("shipments"), dataset("jhu", "jhu/{mm}-{dd}-{yyyy}.csv"), dataset("returns", "returns/{path}")]
    assert hot_prefixes(specs, TODAY, 2) == ("jhu/", "returns/", *HOT)
    assert hot_prefixes([*specs, dataset("root", "{file}")], TODAY, 2) == EVERYTHING


def test_no_folder_is_listed_twice() -> None:
    assert outermost(["a/b/", "a/", "a/", "ab/", "b/c/"]) == ("a/", "ab/", "b/c/")


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "landing"))


def keys(store: ObjectStore, prefixes: tuple[str, ...]) -> list[str]:
    return [key for batch in listing(store, prefixes) for key in batch["key"].to_pylist()]


def age(store: ObjectStore, folder: str) -> None:
    """Set the folder's time far back, so that any change of it shows."""
    os.utime(Path(store.location) / folder, ns=(10**18, 10**18))


def test_a_local_folder_is_listed_again_when_a_name_in_it_changed(store: ObjectStore) -> None:
    store.put("shipments/2026/11/24/a.csv", b"")
    store.put("shipments/2026/11/01/old.csv", b"")
    age(store, "shipments/2026/11/24")
    watch = Watch(store, lambda: HOT, full_seconds=60)
    assert watch.due(0) == EVERYTHING
    assert watch.due(1) == ()
    store.put("shipments/2026/11/24/b.csv", b"")
    assert watch.due(2) == ("shipments/2026/11/24/",)
    assert keys(store, ("shipments/2026/11/24/",)) == ["shipments/2026/11/24/a.csv", "shipments/2026/11/24/b.csv"]
    assert watch.due(3) == ()
    store.put("shipments/2026/11/25/new/c.csv", b"")
    assert watch.due(4) == ("shipments/2026/11/25/",)
    store.put("shipments/2026/11/01/late.csv", b"")
    assert watch.due(5) == ()
    assert watch.due(60) == EVERYTHING
    assert "shipments/2026/11/01/late.csv" in keys(store, EVERYTHING)


def test_folders_with_files_that_were_not_ready_are_listed_again(store: ObjectStore) -> None:
    store.put("shipments/2026/11/24/a.csv", b"")
    watch = Watch(store, lambda: HOT)
    watch.due(0)
    watch.look_again(["shipments/2026/11/24/a.csv", "shipments/2026/11/24/b.csv", "shipments/2026/11/01/c.csv"])
    assert watch.due(1) == ("shipments/2026/11/01/", "shipments/2026/11/24/")
    assert watch.due(2) == ()
    watch.look_again(["at-the-root.csv"])
    assert watch.due(3) == EVERYTHING


def test_a_bucket_is_listed_as_often_as_agreed() -> None:
    watch = Watch(ObjectStore.open("memory://"), lambda: HOT, full_seconds=60, poll_seconds=2)
    assert [watch.due(second) for second in (0, 1, 2, 3, 4)] == [EVERYTHING, (), HOT, (), HOT]
    assert watch.due(60) == EVERYTHING


def test_e2_where_a_queue_tells_everything_is_listed_at_first_and_then_only_to_reconcile() -> None:
    watch = Watch(ObjectStore.open("memory://"), lambda: HOT, full_seconds=3_600, poll_seconds=math.inf)
    assert [watch.due(now) for now in (0, 1, 3_599, 3_600, 3_601)] == [EVERYTHING, (), (), EVERYTHING, ()]
