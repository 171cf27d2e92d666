"""What gc removes, what it must not, and what is told of it."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supply_lake.errors import CommitConflict, NotRevocable, VersionRemoved
from supply_lake.ingest.revoke import revoke
from supply_lake.lake import Lake
from supply_lake.snapshots.pins import Pin, PinnedDataset
from supply_lake.snapshots.records import Snapshot
from supply_lake.storage.layout import new_snapshot_id, part_path
from supply_lake.upkeep.compact import compact
from supply_lake.upkeep.gc import Collection
from supply_lake.upkeep.reconcile import reconcile_files, reconcile_landing, require
from supply_lake_tests.ingest.house import DAY, ORDERS, House, csv

Make = Callable[..., House]
HOUR = dt.timedelta(hours=1)
REPLACE = {**ORDERS, "mode": "replace"}


def collection(house: House, retention: dt.timedelta = dt.timedelta(), grace: dt.timedelta = HOUR, **terms: Any) -> Collection:
    return Collection(house.stores, retention, grace, **terms)


def versions(house: House, number: int = 3) -> list[Snapshot]:
    """So many versions of one date, the last one live."""
    for at in range(number):
        house.land("a.csv", csv([("o1", at, 1)]))
        house.ingest()
    return sorted(house.stores.metadata.snapshots("orders"), key=lambda one: one.id)


def stored(house: House) -> set[str]:
    return {key for batch in house.stores.lake.list("dataset=orders/") for key in batch.column("key").to_pylist()}


def pin(house: House, commit: int) -> Pin:
    one = PinnedDataset("orders", commit, None, 1, 1, 1, "", "")
    return house.stores.metadata.add_pin(Pin(new_snapshot_id(), (one,), dt.datetime.now(dt.UTC)))


def left_behind(house: House, age: dt.timedelta) -> str:
    """A file that a killed run left, so old."""
    path = part_path("orders", DAY, new_snapshot_id(), 0)
    house.stores.lake.put(path, b"half a batch")
    moment = (dt.datetime.now(dt.UTC) - age).timestamp()
    os.utime(house.stores.lake.uri(path), (moment, moment))
    return path


# --- versions


def test_versions_out_of_reach_go_and_the_live_one_stays(make_house: Make) -> None:
    house = make_house(REPLACE)
    first, second, third = versions(house)
    planned = collection(house).plan("orders")
    assert {one.id for one in planned.snapshots} == {first.id, second.id}
    assert len(stored(house)) == 3
    removal = collection(house, by="ada").run("orders")
    assert {one.id for one in removal.snapshots} == {first.id, second.id}
    assert stored(house) == {third.files[0].path}
    assert not Path(first.location).exists()
    assert house.rows() == [("o1", 2, 1)]
    assert house.stores.metadata.removals("orders") == [removal]
    assert (removal.by, removal.files, removal.bytes) == ("ada", 2, first.bytes + second.bytes)
    assert collection(house).run("orders").empty


def test_p7_reads_of_a_removed_version_say_so_and_others_stay(make_house: Make) -> None:
    house = make_house(REPLACE)
    first, *_ = versions(house)
    collection(house).run("orders")
    with Lake(house.stores) as lake:
        with pytest.raises(VersionRemoved, match=f"cannot be read at commit 1 any more: snapshot {first.id} .* gc removed"):
            lake.read("orders", commit=1)
        with pytest.raises(VersionRemoved, match="gc removed its files"):
            lake.read("orders", snapshot_id=first.id)
        with pytest.raises(VersionRemoved):
            lake.query("SELECT * FROM orders", as_of=first.committed_at)
        assert lake.read("orders").num_rows == 1
        assert lake.live("orders", commit=1)[0].removed_at is not None
    report = house.prove()
    assert report.information == (
        f"gc removed the files of 2 snapshots, last on {dt.datetime.now(dt.UTC):%Y-%m-%d}; their published rows count as their "
        "records say",
    )
    assert report.rows.landed == 3


def test_p7_every_version_within_the_retention_stays(make_house: Make) -> None:
    house = make_house(REPLACE)
    versions(house, 4)
    third = house.stores.metadata.commits("orders")[2].committed_at
    now = dt.datetime.now(dt.UTC)
    removal = collection(house, now - third + dt.timedelta(microseconds=1), clock=lambda: now).run("orders")
    assert (removal.reachable_from, len(removal.snapshots)) == (2, 1)
    assert [house.rows(commit=at) for at in (2, 3, 4)] == [[("o1", at, 1)] for at in (1, 2, 3)]


def test_p7_what_changed_is_told_over_compactions_and_says_when_it_cannot_be(make_house: Make) -> None:
    house = make_house()
    for at in range(2):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    compact(house.stores, "orders")
    house.land("late.csv", csv([("late", 9, 1)]))
    house.ingest()
    lake = Lake(house.stores)
    with lake.diff("orders", 2, 3) as found:
        assert (found.added, found.removed, found.changed) == (0, 0, 0)
    collection(house).run("orders")
    assert lake.changes("orders", 2).read_all()["commit"].to_pylist() == [4]
    with pytest.raises(VersionRemoved, match="at commit 1 any more"):
        lake.changes("orders", 0)
    with pytest.raises(VersionRemoved, match="at commit 2 any more"):
        lake.diff("orders", 2, 4)


def test_a_pinned_commit_stays_whole_and_goes_with_its_pin(make_house: Make) -> None:
    house = make_house(REPLACE)
    first, second, _ = versions(house)
    pinned = pin(house, 2)
    assert [one.id for one in collection(house).plan("orders").snapshots] == [first.id]
    collection(house).run("orders")
    assert house.rows(commit=2) == [("o1", 1, 1)]
    with pytest.raises(VersionRemoved):
        pin(house, 1)
    house.stores.metadata.remove_pin(pinned.id)
    assert [one.id for one in collection(house).run("orders").snapshots] == [second.id]


def test_p7_a_pin_reads_the_same_after_compactions_and_collections(make_house: Make) -> None:
    house = make_house()
    for at in range(3):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    pinned = Lake(house.stores).pin(["orders"], name="before the year's end")
    house.land("late.csv", csv([("late", 9, 1)]))
    house.ingest()
    compact(house.stores, "orders")
    assert collection(house).run("orders").snapshots  # what the last commit alone brought
    with Lake.open(house.stores.settings, pin=pinned) as lake:
        assert sorted(lake.read("orders")["order_id"].to_pylist()) == ["o0", "o1", "o2"]
        assert lake.prove_pin(pinned) == []
    Lake(house.stores).unpin(pinned.id)
    collection(house).run("orders")
    with Lake.open(house.stores.settings, pin=pinned) as lake, pytest.raises(VersionRemoved, match="at commit 3 any more"):
        lake.read("orders")


def test_a_pin_that_comes_between_plan_and_removal_is_kept(make_house: Make) -> None:
    house = make_house(REPLACE)
    _, second, _ = versions(house)
    asked = collection(house).plan("orders")
    pin(house, 1)
    assert [one.id for one in house.stores.metadata.remove(asked).snapshots] == [second.id]
    assert house.rows(commit=1) == [("o1", 0, 1)]


def test_what_needs_a_removed_version_is_refused_in_a_sentence(make_house: Make) -> None:
    house = make_house(REPLACE)
    *_, third = versions(house)
    collection(house).run("orders")
    with pytest.raises(NotRevocable, match="what was live before cannot come back: gc removed the files of snapshot"):
        revoke(house.stores, third.id, why="false")
    assert house.rows() == [("o1", 2, 1)]


def test_after_a_compaction_what_it_put_together_can_go(make_house: Make) -> None:
    house = make_house()
    for at in range(3):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    ids = [one.id for one in house.live()]
    compact(house.stores, "orders")
    collection(house).run("orders")
    assert len(stored(house)) == 1
    revoke(house.stores, ids[1], why="false")
    assert house.rows() == [("o0", 0, 1), ("o2", 2, 1)]
    house.prove()


def test_rejects_and_records_outlive_their_version(make_house: Make) -> None:
    house = make_house({**REPLACE, "error_threshold": 0.9})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "x", 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 2, 1)]))
    house.ingest()
    stood = house.standing()
    collection(house).run("orders")
    assert house.standing() == stood
    assert len(stood) == 1
    house.prove()


# --- files without a record


def test_files_without_a_record_go_once_they_are_older_than_the_grace(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    young, old = left_behind(house, HOUR / 2), left_behind(house, 2 * HOUR)
    removal = collection(house).run("orders")
    assert [(one.root, one.path) for one in removal.strays] == [("lake", old)]
    assert young in stored(house)
    assert old not in stored(house)
    assert house.stores.metadata.removals() == [removal]
    assert "belong to no snapshot" in house.prove().information[0]


def test_m2_a_batch_that_took_longer_than_the_grace_writes_its_files_anew(
    make_house: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files look left behind, and are removed before it commits."""
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "x", 1)]))
    metadata = house.stores.metadata
    commit, refused = type(metadata).commit, []

    def late(self: Any, proposal: Any) -> Any:
        if not refused:
            removal = collection(house, grace=dt.timedelta(), clock=lambda: dt.datetime.now(dt.UTC) + HOUR).run("orders")
            assert {one.root for one in removal.strays} == {"lake", "rejects"}
            refused.append(removal)
        return commit(self, proposal)

    monkeypatch.setattr(type(metadata), "commit", late)
    (batch,) = house.ingest()
    assert batch.snapshots[0].id != refused[0].strays[0].snapshot_id
    assert house.rows() == [("o1", 1, 1)]
    assert house.prove().information == ()
    gone = replace(batch.snapshots[0], id=refused[0].strays[0].snapshot_id)
    again = replace(batch, id=new_snapshot_id(), snapshots=(gone,), commit=None)
    with pytest.raises(CommitConflict, match="lay uncommitted for so long that gc removed them"):
        metadata.record(again, ())


def test_m2_a_commit_between_the_listing_and_the_removal_keeps_its_files(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    path = left_behind(house, 2 * HOUR)
    asked = collection(house).plan("orders")
    snapshot = house.live()[0]
    named = replace(
        asked, strays=(*asked.strays, replace(asked.strays[0], path=snapshot.files[0].path, snapshot_id=snapshot.id))
    )
    assert [one.path for one in house.stores.metadata.remove(named).strays] == [path]


def test_m2_what_a_killed_collection_left_goes_with_the_next(make_house: Make) -> None:
    house = make_house(REPLACE)
    first, *_ = versions(house)
    house.stores.metadata.remove(collection(house).plan("orders"))  # and then its process was killed
    assert first.files[0].path in stored(house)
    assert "belong to no snapshot" in " ".join(house.prove().information)
    collection(house, clock=lambda: dt.datetime.now(dt.UTC) + 2 * HOUR).run("orders")
    assert len(stored(house)) == 1


# --- reconcile


def test_reconcile_finds_what_discovery_missed_and_enters_it(make_house: Make) -> None:
    house = make_house(env={"SUPPLY_LAKE_SETTLE_SECONDS": "0"})
    key = house.land("a.csv", csv([("o1", 1, 1)]))
    house.discover()
    fingerprints = house.stores.metadata.prefix_fingerprints()
    connection = house.stores.metadata._database  # type: ignore[attr-defined]
    connection.write(lambda one: one.exec_driver_sql("DELETE FROM objects"))
    assert house.discover().new == 0  # the folder looks as it did
    assert fingerprints
    assert reconcile_landing(house.stores).new == 1
    assert list(house.states()) == [key]


def test_reconcile_tells_of_files_without_records_and_records_without_files(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "x", 1)]))
    house.ingest()
    left_behind(house, HOUR)
    found = reconcile_files(house.stores, "orders")
    assert (found.files, found.missing, found.unnamed) == (2, (), 1)
    require([found])
    path = house.live()[0].files[0].path
    house.stores.lake.delete([path])
    found = reconcile_files(house.stores, "orders")
    assert found.missing == (house.stores.lake.uri(path),)
    with pytest.raises(Exception, match="is on record and not there"):
        require([found])
