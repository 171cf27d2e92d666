"""The store with many writers at once: processes, threads, and the same objects entered and settled by several."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots import writers
from supply_lake_tests.snapshots.conftest import every_way
from supply_lake_tests.snapshots.made_up import DAY, entry, proposal, version
from supply_lake_tests.snapshots.opening import open_now, run_writers

WRITERS, COMMITS = 8, 200


def test_m1_eight_writers_commit_two_hundred_times_each(store_url: str) -> None:
    run_writers("race", store_url, WRITERS, COMMITS)
    store = open_now(store_url)
    commits = store.commits("orders")
    last = WRITERS * COMMITS
    assert [one.number for one in commits] == list(range(1, last + 1))
    assert [one.committed_at for one in commits] == sorted({one.committed_at for one in commits})
    snapshots = {one.id: one for one in store.snapshots("orders")}
    live: dict[dt.date, list[str]] = {writers.APPENDED: [], writers.REPLACED: [], writers.MERGED: []}
    merged: list[str] = []
    for commit in commits:
        (added,) = (snapshots[one] for one in commit.added)
        was_live = live[added.partition]
        if added.partition == writers.APPENDED:
            assert commit.superseded == ()
            was_live.append(added.id)
        else:
            assert list(commit.superseded) == list(added.supersedes) == was_live
            live[added.partition] = [added.id]
        if added.partition == writers.MERGED:
            assert list(added.notes[:-1]) == merged, "an update was lost"
            merged = list(added.notes)
        if commit.number % 97 == 0 or commit.number == last:
            expected = [one for partition in sorted(live) for one in live[partition]]
            assert [one.id for one in store.live("orders", commit.number)] == expected
    names = [one.notes[-1] for one in snapshots.values()]
    assert sorted(names) == sorted(f"{writer}-{number}" for writer in range(WRITERS) for number in range(COMMITS))
    store.close()


@every_way
def test_threads_share_a_store(store: MetadataStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: store.commit(proposal(DAY, supersede_live=(DAY,))).commit, range(80)))
    assert sorted(one or 0 for one in done) == list(range(1, 81))
    assert len(store.live("orders")) == 1


def test_many_writers_enter_and_settle_the_same_objects_in_opposite_orders(
    open_store: Callable[[], MetadataStore],
) -> None:
    stores = [open_store() for _ in range(4)]
    versions = [version(f"{n}", at=n) for n in range(300)]

    def work(number: int) -> int:
        store = stores[number]
        order = versions if number % 2 else versions[::-1]
        return sum(store.register([entry(one) for one in order], listed=bool(number)) for _ in range(5))

    def settle(number: int) -> None:
        for start in range(number * 75, number * 75 + 75, 25):
            stores[number].commit(proposal(DAY, objects=versions[start : start + 25]))

    with ThreadPoolExecutor(8) as threads:
        entered = [threads.submit(work, number) for number in range(4)]
        settled = [threads.submit(settle, number) for number in range(4)]
        new = sum(one.result() for one in entered)
        for one in settled:
            one.result()
    assert new <= len(versions)
    assert stores[0].last_commit("orders") == 12
    assert {one.state for one in stores[0].objects()} == {ObjectState.DONE}
