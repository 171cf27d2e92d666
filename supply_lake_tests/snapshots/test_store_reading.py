"""What every metadata store answers to readers, one promise per test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from supply_lake.errors import UnknownCommit, UnknownSnapshot
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Rows, Status
from supply_lake.snapshots.store import MetadataStore, Proposal
from supply_lake_tests.snapshots.made_up import (
    DAY,
    MICROSECOND,
    NEXT_DAY,
    NOON,
    SECOND,
    VERDICT,
    Clock,
    batch,
    entry,
    proposal,
    states,
    version,
)

# --- reading


def test_the_live_set_at_every_commit_stays_what_it_was(store: MetadataStore) -> None:
    seen = {0: []}
    for number in range(1, 6):
        day = DAY if number % 2 else NEXT_DAY
        store.commit(proposal(day, supersede_live=(day,) if number > 2 else ()))
        seen[number] = [one.id for one in store.live("orders")]
    for number, ids in seen.items():
        assert [one.id for one in store.live("orders", commit=number)] == ids
        on_day = [one.id for one in store.live("orders", commit=number, partition=DAY)]
        assert on_day == [one for one in ids if store.snapshot(one).partition == DAY]
    assert [one.id for one in store.live("orders", partition=DAY)] == on_day


@pytest.mark.parametrize("number", [-1, 2, 2**40])
def test_a_commit_that_is_not_there_has_no_live_set(store: MetadataStore, number: int) -> None:
    store.commit(proposal(DAY))
    with pytest.raises(UnknownCommit, match="its newest is 1"):
        store.live("orders", commit=number)


def test_commit_at_gives_the_newest_commit_not_later(store: MetadataStore, clock: Clock) -> None:
    for _ in range(3):
        store.commit(proposal(DAY))
        clock.now += 10 * SECOND
    at = {seconds: store.commit_at("orders", NOON + seconds * SECOND) for seconds in (-1, 0, 9.999999, 10, 19, 20, 9999)}
    assert at == {-1: 0, 0: 1, 9.999999: 1, 10: 2, 19: 2, 20: 3, 9999: 3}
    assert store.commit_at("never", NOON) == 0
    assert store.commit_at("orders", NOON.astimezone(dt.timezone(dt.timedelta(hours=5)))) == 1


def test_what_commit_at_answered_holds_for_ever_even_when_the_clock_goes_back(store: MetadataStore, clock: Clock) -> None:
    store.commit(proposal(DAY))
    clock.now += 60 * SECOND
    asked = clock.now
    assert store.commit_at("orders", asked) == 1
    assert store.commit_at("other", asked) == 0
    clock.now -= 59 * SECOND
    store.commit(proposal(DAY))
    store.commit(proposal(DAY, dataset="other"))
    assert (store.commit_at("orders", asked), store.commit_at("other", asked)) == (1, 0)
    assert store.commits("orders")[1].committed_at == asked + MICROSECOND


def test_asking_about_the_future_does_not_move_commits_there(store: MetadataStore, clock: Clock) -> None:
    store.commit(proposal(DAY))
    assert store.commit_at("orders", NOON + dt.timedelta(days=365)) == 1
    clock.now += SECOND
    store.commit(proposal(DAY))
    assert store.commits("orders")[1].committed_at == clock.now


def test_latest_is_the_newest_live_snapshot(store: MetadataStore) -> None:
    assert store.latest("orders") is None
    day, next_day = store.commit(proposal(DAY, NEXT_DAY)).snapshots
    assert store.latest("orders") == next_day
    assert store.latest("orders", DAY) == day
    newer = store.commit(proposal(DAY)).snapshots[0]
    assert store.latest("orders") == newer
    store.commit(proposal(supersedes=(newer.id,)))
    store.record(batch(DAY, status=Status.REJECTED), [])
    assert store.latest("orders") == next_day
    assert store.latest("orders", DAY + dt.timedelta(days=9)) is None


def test_history_tells_what_each_commit_added_and_superseded(store: MetadataStore, clock: Clock) -> None:
    assert store.commits("orders") == []
    first = store.commit(proposal(DAY, NEXT_DAY))
    second = store.commit(proposal(DAY, supersede_live=(DAY,)))
    store.commit(proposal(DAY, dataset="sales"))
    one, two = store.commits("orders")
    assert (one.dataset, one.number, one.committed_at, one.batch_id) == ("orders", 1, clock.now, first.id)
    assert (one.added, one.superseded) == (tuple(snapshot.id for snapshot in first.snapshots), ())
    assert (two.batch_id, two.superseded) == (second.id, (first.snapshots[0].id,))


def test_snapshots_and_batches_come_newest_first(store: MetadataStore, clock: Clock) -> None:
    first = store.commit(proposal(DAY))
    clock.now += SECOND
    second = store.record(batch(DAY, status=Status.REJECTED), [])
    clock.now += SECOND
    third = store.commit(proposal(DAY, dataset="sales"))
    clock.now += SECOND
    fourth = store.commit(proposal(DAY))
    assert [one.id for one in store.batches()] == [one.id for one in (fourth, third, second, first)]
    assert store.batches("orders", limit=2) == [fourth, second]
    assert [one.batch_id for one in store.snapshots("orders")] == [fourth.id, second.id, first.id]
    assert store.snapshots("orders", limit=1) == list(fourth.snapshots)
    assert store.batches(run_id="run-7") == store.batches()
    assert store.batches("sales", run_id="run-7") == [third]
    assert store.batches("orders", limit=1, status=Status.REJECTED) == [second]
    assert store.batches(status=Status.EMPTY) == []
    assert store.batches(run_id="run-8") == store.batches("never") == store.snapshots("never") == []


def test_an_unknown_snapshot_is_an_error(store: MetadataStore) -> None:
    with pytest.raises(UnknownSnapshot, match="'nothing'"):
        store.snapshot("nothing")


def test_live_snapshots_of_a_landing_date_whatever_their_partition(store: MetadataStore) -> None:
    landed = store.commit(proposal(DAY, NEXT_DAY)).snapshots
    made = batch(DAY, landing_date=NEXT_DAY)
    later = store.commit(Proposal(made, (), supersede_live=(DAY,))).snapshots
    assert store.batch_snapshots("orders", DAY) == [landed[1]]
    assert store.batch_snapshots("orders", NEXT_DAY) == list(later)


def test_what_rules_found_is_on_the_records_to_the_last_digit(store: MetadataStore) -> None:
    made = proposal(DAY, NEXT_DAY)
    store.commit(made)
    (stored,) = store.batches("orders")
    assert stored.quality == made.batch.quality == stored.warnings == (VERDICT,)
    for given, snapshot in zip(made.batch.snapshots, store.live("orders"), strict=True):
        assert (snapshot.quality, snapshot.measures) == (given.quality, given.measures)
        assert snapshot.quality[1].partition == snapshot.partition
    assert snapshot.measures["sum of quantity"] == "12345678901234567890.50"


def test_partitions_with_live_snapshots_oldest_first_each_once(store: MetadataStore) -> None:
    assert store.live_partitions("orders") == []
    store.commit(proposal(NEXT_DAY, DAY))
    store.commit(proposal(DAY))
    store.record(batch(DAY - dt.timedelta(days=9), status=Status.REJECTED), [])
    assert store.live_partitions("orders") == [DAY, NEXT_DAY]
    emptied = [one.id for one in store.live("orders", partition=DAY)]
    store.commit(proposal(NEXT_DAY, supersedes=tuple(emptied)))
    assert store.live_partitions("orders") == [NEXT_DAY]


def test_a_batch_of_two_thousand_objects(store: MetadataStore) -> None:
    versions = [version(f"{n}.csv", str(n)) for n in range(2_500)]
    store.register([entry(one) for one in versions])
    assert store.start_attempt(versions, 3) == 1
    done = store.commit(proposal(DAY, objects=versions))
    assert store.batches()[0] == done
    assert done.rows == Rows(7_500, 5_000, 2_500, 0)
    assert store.pending() == []
    assert sum(one.state == ObjectState.DONE for one in store.objects()) == 2_500


# --- handles


def test_a_second_handle_sees_the_same_lake(open_store: Callable[[], MetadataStore]) -> None:
    writer, reader = open_store(), open_store()
    writer.register([entry(version())])
    done = writer.commit(proposal(DAY, objects=[version()]))
    assert reader.live("orders") == list(done.snapshots)
    assert states(reader) == {"e1": "done"}


def test_a_closed_store_can_be_opened_again(open_store: Callable[[], MetadataStore]) -> None:
    store = open_store()
    done = store.commit(proposal(DAY))
    store.close()
    assert open_store().live("orders") == list(done.snapshots)


def test_a_reader_that_is_not_done_does_not_stop_a_writer(open_store: Callable[[], MetadataStore]) -> None:
    reader, writer = open_store(), open_store()
    writer.register([entry(version(f"{n}")) for n in range(3_000)])
    rest = reader.objects()
    next(rest)
    writer.commit(proposal(DAY, objects=[version("1")]))
    assert sum(1 for _ in rest) == 2_999
