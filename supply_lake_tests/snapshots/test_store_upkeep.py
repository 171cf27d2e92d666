"""What every metadata store does when rows are written again into other files, and when files are given up."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from supply_lake.errors import CommitConflict, VersionRemoved
from supply_lake.snapshots.pins import Pin, PinnedDataset
from supply_lake.snapshots.records import Batch, Kind, Rows, Snapshot, Status
from supply_lake.snapshots.removal import Given, Removal, Stray
from supply_lake.snapshots.store import MetadataStore, Proposal
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.snapshots.conftest import every_way
from supply_lake_tests.snapshots.made_up import DAY, NEXT_DAY, NOON, SECOND, Clock, batch, entry, proposal, version

pytestmark = every_way


def publish(store: MetadataStore, *objects: ObjectVersion) -> Snapshot:
    store.register([entry(one) for one in objects])
    return store.commit(proposal(DAY, objects=objects)).snapshots[0]


def compaction(*held: Snapshot) -> Proposal:
    made = batch(DAY, kind=Kind.COMPACT, holds=tuple(one.id for one in held), rows_at=held[-1].committed_at)
    snapshots = tuple(replace(one, rows=Rows()) for one in made.snapshots)
    return Proposal(replace(made, snapshots=snapshots), (), supersedes=tuple(one.id for one in held if one.live))


def removal(*given: Snapshot, until: int, strays: tuple[Stray, ...] = ()) -> Removal:
    gone = tuple(Given(one.id, len(one.files), one.bytes) for one in given)
    return Removal(new_snapshot_id(), "orders", until, gone, strays, run_id="run-7", by="ada", why="old")


def pin(store: MetadataStore, commit: int) -> Pin:
    return store.add_pin(Pin(new_snapshot_id(), (PinnedDataset("orders", commit, NOON, 1, 2, 1, "", ""),), NOON))


def test_what_a_compaction_holds_counts_as_live(store: MetadataStore) -> None:
    one, two = publish(store, version("a.csv", "e1")), publish(store, version("b.csv", "e2"))
    made = store.commit(compaction(one, two))
    (holder,) = store.live("orders")
    assert (holder.id, holder.holds, holder.rows_at) == (made.snapshots[0].id, (one.id, two.id), two.committed_at)
    assert {item.id for item in store.batch_snapshots("orders", DAY)} == {one.id, two.id}
    assert [item.live for item in store.published_content("orders", DAY)] == [True, True]
    again = store.commit(compaction(holder, *(replace(item, superseded_by=3) for item in (one, two))))
    assert {item.id for item in store.batch_snapshots("orders", DAY)} == {one.id, two.id}
    store.commit(proposal(DAY, supersedes=(again.snapshots[0].id,)))
    assert [item.live for item in store.published_content("orders", DAY)] == [False, False]


def test_a_compaction_of_older_rows_is_not_the_latest(store: MetadataStore) -> None:
    one, two = publish(store, version("a.csv", "e1")), publish(store, version("b.csv", "e2"))
    newest = store.commit(proposal(NEXT_DAY)).snapshots[0]
    store.commit(compaction(one, two))
    assert store.latest("orders") == newest
    holder = store.latest("orders", DAY)
    assert holder is not None
    assert holder.holds == (one.id, two.id)


def test_m3_a_compaction_of_what_is_not_live_any_more_conflicts(store: MetadataStore) -> None:
    one, two = publish(store, version("a.csv", "e1")), publish(store, version("b.csv", "e2"))
    built = compaction(one, two)
    store.commit(proposal(DAY, supersedes=(one.id,)))
    with pytest.raises(CommitConflict, match="is not live any more"):
        store.commit(built)
    assert store.last_commit("orders") == 3


def test_only_what_is_out_of_reach_is_given_up_and_it_is_written_down(store: MetadataStore, clock: Clock) -> None:
    one = publish(store, version("a.csv", "e1"))
    two = store.commit(proposal(DAY, supersedes=(one.id,))).snapshots[0]
    three = store.commit(proposal(DAY, supersedes=(two.id,))).snapshots[0]
    clock.now += SECOND
    done = store.remove(removal(one, two, three, until=2))
    assert [given.id for given in done.snapshots] == [one.id]
    assert (done.removed_at, store.removals(), store.removals("stock")) == (clock.now, [done], [])
    assert store.snapshot(one.id).removed_at == clock.now
    assert store.snapshot(two.id).removed_at is None
    assert store.remove(removal(one, until=2)).empty
    later = store.remove(removal(one, two, three, until=3))
    assert [given.id for given in later.snapshots] == [two.id]
    assert store.removals("orders", 1) == [later]


def test_p7_a_pinned_commit_keeps_what_it_shows(store: MetadataStore) -> None:
    one = publish(store, version("a.csv", "e1"))
    two = store.commit(proposal(DAY, supersedes=(one.id,))).snapshots[0]
    store.commit(proposal(DAY, supersedes=(two.id,)))
    pinned = pin(store, 2)
    assert [given.id for given in store.remove(removal(one, two, until=3)).snapshots] == [one.id]
    with pytest.raises(VersionRemoved, match="cannot be read at commit 1 any more"):
        pin(store, 1)
    store.remove_pin(pinned.id)
    assert [given.id for given in store.remove(removal(two, until=3)).snapshots] == [two.id]


def test_m2_an_id_whose_files_were_given_up_is_never_recorded(store: MetadataStore) -> None:
    late: Batch = batch(DAY)
    refused: Batch = batch(DAY, status=Status.REJECTED)
    known = publish(store, version())
    strays = tuple(Stray("lake", f"x/{one.id}", 5, one.id) for one in (*late.snapshots, *refused.snapshots, known))
    done = store.remove(removal(until=0, strays=strays))
    assert done.strays == strays[:2]
    with pytest.raises(CommitConflict, match="lay uncommitted for so long"):
        store.commit(Proposal(late, ()))
    with pytest.raises(CommitConflict, match="lay uncommitted for so long"):
        store.record(refused, ())
    assert store.last_commit("orders") == 1
    named = store.remove(removal(until=0, strays=strays), frozenset({known.id}))
    assert named.strays == strays
    assert store.removals(limit=1)[0].bytes == 15


def test_times_of_removal_are_the_clocks(store: MetadataStore, clock: Clock) -> None:
    clock.now = NOON + dt.timedelta(days=3)
    done = store.remove(removal(until=0, strays=(Stray("rejects", "x", 1, new_snapshot_id()),)))
    assert done.removed_at == clock.now
