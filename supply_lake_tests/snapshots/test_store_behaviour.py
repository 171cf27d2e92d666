"""What every metadata store does, one promise per test."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest

from supply_lake.curate.schema import Change, ChangeKind, SchemaColumn
from supply_lake.errors import AlreadyPublished, CommitConflict, UnknownCommit, UnknownSnapshot
from supply_lake.landing.ledger import LedgerEntry, ObjectState
from supply_lake.snapshots.records import Batch, Outcome, Rows, Status
from supply_lake.snapshots.schema_versions import ProposedSchema
from supply_lake.snapshots.store import MetadataStore, Proposal, PublishedContent
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.snapshots.made_up import (
    DAY,
    NOON,
    SECOND,
    VERDICT,
    Clock,
    batch,
    entry,
    proposal,
    proposed,
    source,
    version,
)

NEXT_DAY = DAY + dt.timedelta(days=1)
MICROSECOND = dt.timedelta(microseconds=1)


def states(store: MetadataStore) -> dict[str, ObjectState]:
    return {one.object.etag: one.state for one in store.objects()}


def the_entry(store: MetadataStore, one: ObjectVersion) -> LedgerEntry:
    (found,) = [found for found in store.objects() if found.object.identity == one.identity]
    return found


# --- entering objects


def test_register_says_how_many_were_new(store: MetadataStore) -> None:
    assert store.register([]) == 0
    assert store.register([entry(version("a.csv")), entry(version("b.csv", "e2"))]) == 2
    assert store.register([entry(version("b.csv", "e2")), entry(version("c.csv", "e3"))]) == 1


def test_an_entry_comes_back_as_it_went_in(store: MetadataStore, clock: Clock) -> None:
    pending = entry(version("ü 'x' %2F+#:=\"?.csv", at=0.123456))
    refused = entry(version("late", "e9"), ObjectState.REFUSED, dataset="", landing_date=None, reason="no dataset takes \0 it")
    store.register([pending, refused])
    found = {one.object.key: one for one in store.objects()}
    assert found[pending.object.key] == replace(pending, first_seen=clock.now)
    assert found[refused.object.key] == replace(refused, first_seen=clock.now, reason="no dataset takes ␀ it")


def test_e1_same_event_delivered_many_times_is_one_object_with_its_deliveries_counted(store: MetadataStore) -> None:
    one = entry(version())
    assert store.register([one, one, one]) == 1
    assert store.register([one]) == 0
    store.commit(proposal(DAY, objects=[one.object]))
    assert store.register([one, replace(one, deliveries=2)], listed=True) == 0
    assert the_entry(store, one.object).deliveries == 7
    assert the_entry(store, one.object).state == ObjectState.DONE
    assert store.pending() == []


def test_o1_a_newer_version_takes_the_place_of_a_pending_one(store: MetadataStore) -> None:
    store.register([entry(version(etag="old")), entry(version("other.csv", "other"))])
    store.register([entry(version(etag="new", at=1))])
    assert states(store) == {"old": "replaced", "new": "pending", "other": "pending"}
    assert "new" in the_entry(store, version(etag="old")).reason


def test_o1_two_versions_of_one_key_in_one_delivery(store: MetadataStore) -> None:
    assert store.register([entry(version(etag="old")), entry(version(etag="new", at=1))]) == 2
    assert states(store) == {"old": "replaced", "new": "pending"}


def test_a_published_version_stays_done_when_a_newer_one_comes(store: MetadataStore) -> None:
    old = version(etag="old")
    store.register([entry(old)])
    store.commit(proposal(DAY, objects=[old]))
    store.register([entry(version(etag="new", at=1))])
    assert states(store) == {"old": "done", "new": "pending"}


@pytest.mark.parametrize("published", [False, True])
def test_e3_an_older_event_after_a_newer_one_never_goes_back(store: MetadataStore, published: bool) -> None:
    new = version(etag="new", at=1)
    store.register([entry(new)])
    if published:
        store.commit(proposal(DAY, objects=[new]))
    assert store.register([entry(version(etag="old"))]) == 1
    assert states(store) == {"new": "done" if published else "pending", "old": "replaced"}


def test_e3_events_out_of_order_in_one_delivery(store: MetadataStore) -> None:
    store.register([entry(version(etag="new", at=1)), entry(version(etag="old"))])
    assert states(store) == {"new": "pending", "old": "replaced"}


def test_e8_same_second_overwrite_the_later_arrival_wins(store: MetadataStore) -> None:
    store.register([entry(version(etag="first"))])
    store.register([entry(version(etag="second"))])
    assert states(store) == {"first": "replaced", "second": "pending"}


def test_e8_a_listed_version_is_pending_however_old_its_time(store: MetadataStore) -> None:
    new = version(etag="new", at=1)
    store.register([entry(new)])
    store.commit(proposal(DAY, objects=[new]))
    assert store.register([entry(version(etag="copied with its old time", at=-5))], listed=True) == 1
    assert states(store) == {"new": "done", "copied with its old time": "pending"}


def test_e3_what_an_event_made_replaced_is_taken_up_when_a_listing_shows_that_it_stands(store: MetadataStore) -> None:
    standing = version(etag="standing")
    store.register([entry(version(etag="other", at=1)), entry(standing)])
    assert states(store)["standing"] == "replaced"
    assert standing.key not in {key for key, found in store.known([standing.key]).items() if ("standing", 10) in found}
    assert store.register([entry(standing)], listed=True) == 0
    assert states(store)["standing"] == "pending"
    assert the_entry(store, standing).deliveries == 2


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.CHANGED])
def test_o2_an_object_that_was_away_when_it_was_read_is_taken_up_when_it_comes_back(
    store: MetadataStore, outcome: Outcome
) -> None:
    one = version()
    store.register([entry(one)])
    store.record(batch(DAY, sources=[source(one, outcome, "not there")], status=Status.FAILED), [one])
    assert store.known([one.key]) == {}
    store.register([entry(one)])
    assert store.pending() == []  # an event that comes again proves nothing
    store.register([entry(one)], listed=True)
    assert store.pending_objects("orders", DAY, 10, 1000)[0].object == one
    store.commit(proposal(DAY, objects=[one]))
    assert store.known([one.key]) == {one.key: {("e1", 10)}}


def test_a_refused_object_is_taken_up_when_its_dataset_is_declared(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one, ObjectState.REFUSED, dataset="", landing_date=None, reason="no dataset")])
    store.register([entry(one, ObjectState.REFUSED, dataset="", landing_date=None, reason="no dataset")])
    assert store.pending() == []
    store.register([entry(one)])
    found = the_entry(store, one)
    assert (found.state, found.dataset, found.landing_date, found.reason, found.deliveries) == ("pending", "orders", DAY, "", 3)


def test_known_gives_every_version_of_the_keys_asked_for(store: MetadataStore) -> None:
    one, two, other = version(etag="1"), version(etag="2", size=11, at=1), version("b.csv", "3")
    store.register([entry(one)])
    store.commit(proposal(DAY, objects=[one]))
    store.register([entry(two), entry(other)])
    assert store.known([one.key, "never seen"]) == {one.key: {("1", 10), ("2", 11)}}
    assert store.known([]) == {}
    many = [f"orders/2026/11/01/{n}.csv" for n in range(40_000)]
    assert store.known([*many, other.key]) == {other.key: {("3", 10)}}


def test_prefix_fingerprints_are_remembered(store: MetadataStore) -> None:
    assert store.prefix_fingerprints() == {}
    store.set_prefix_fingerprints({"orders/": 1, "": 2**64 + 3})
    store.set_prefix_fingerprints({"orders/": -7})
    store.set_prefix_fingerprints({})
    assert store.prefix_fingerprints() == {"orders/": -7, "": 2**64 + 3}


# --- what waits


def test_pending_groups_by_dataset_and_landing_date_oldest_first(store: MetadataStore) -> None:
    store.register(
        [
            entry(version("1", "1", 5), landing_date=NEXT_DAY),
            entry(version("2", "2", 7)),
            entry(version("3", "3", 11)),
            entry(version("4", "4", 1, dataset="sales"), dataset="sales"),
            entry(version("5", "5"), ObjectState.IGNORED),
        ]
    )
    found = store.pending()
    assert [(one.dataset, one.landing_date, one.objects, one.bytes, one.attempt) for one in found] == [
        ("orders", DAY, 2, 18, 1),
        ("sales", DAY, 1, 1, 1),
        ("orders", NEXT_DAY, 1, 5, 1),
    ]
    assert store.pending(["sales"]) == [found[1]]
    assert store.pending([]) == []


def test_the_digest_changes_with_the_objects_and_with_the_attempts(store: MetadataStore) -> None:
    one = version()
    digests = []

    def look() -> None:
        digests.extend(waiting.digest for waiting in store.pending())

    store.register([entry(one)])
    look()
    look()
    assert len(set(digests)) == 1
    store.start_attempt([one], 2)
    look()
    store.fail_attempt([one], "no luck", 2)
    store.start_attempt([one], 2)
    look()
    store.fail_attempt([one], "no luck", 2)
    store.retry("orders")
    look()
    store.register([entry(version("b.csv"))])
    look()
    assert len(set(digests)) == 5


def test_forgiving_an_attempt_gives_a_digest_that_was_never_seen_waiting(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    before = store.pending()[0]
    store.start_attempt([one], 3)
    store.forgive_attempt([one])
    after = store.pending()[0]
    assert (before.attempt, after.attempt) == (1, 1)
    assert before.digest != after.digest


def test_pending_objects_come_in_order_and_within_the_caps(store: MetadataStore) -> None:
    versions = [version("d", "d", 4, at=2), version("b", "b", 3, at=1), version("c", "c", 2, at=1), version("a", "a", 9, at=3)]
    store.register([entry(one) for one in versions])
    store.register([entry(version("x", "x"), landing_date=NEXT_DAY), entry(version("y", "y"), ObjectState.REFUSED)])

    def take(max_objects: int, max_bytes: int) -> str:
        return "".join(one.object.etag for one in store.pending_objects("orders", DAY, max_objects, max_bytes))

    assert take(10, 1000) == "bcda"
    assert take(2, 1000) == "bc"
    assert take(10, 5) == "bc"
    assert take(10, 8) == "bc"
    assert take(10, 9) == "bcd"
    assert take(10, 0) == take(0, 10) == "b"
    assert store.pending_objects("sales", DAY, 10, 10) == []


def test_e9_many_pending_objects_are_handed_out_in_bounded_batches(store: MetadataStore) -> None:
    count = 10_000
    assert store.register(entry(version(f"{n}.csv", str(n), 1)) for n in range(count)) == count
    (waiting,) = store.pending()
    assert (waiting.objects, waiting.bytes) == (count, count)
    assert len(store.pending_objects("orders", DAY, 300, 2**60)) == 300
    assert len(store.pending_objects("orders", DAY, count, 200)) == 200


def test_objects_can_be_narrowed(store: MetadataStore) -> None:
    store.register(
        [
            entry(version("b", "b", dataset="sales"), dataset="sales"),
            entry(version("c", "c"), landing_date=NEXT_DAY),
            entry(version("a", "a")),
            entry(version("z", "z"), ObjectState.IGNORED, dataset="", landing_date=None),
        ]
    )

    def etags(*args: object) -> str:
        return "".join(one.object.etag for one in store.objects(*args))  # type: ignore[arg-type]

    assert etags() == "zacb"
    assert etags("orders") == "ac"
    assert etags("orders", None, NEXT_DAY) == "c"
    assert etags(None, ObjectState.IGNORED) == "z"
    assert etags("") == "z"


# --- attempts


def test_attempts_are_counted_before_they_begin_and_used_up(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    assert [store.start_attempt([one], 2) for _ in range(3)] == [1, 2, None]
    found = the_entry(store, one)
    assert (found.state, found.attempts) == ("set_aside", 2)
    assert found.reason == "2 attempts ended without a word"
    assert store.pending() == []


def test_an_attempt_that_fails_notes_its_reason_and_the_last_one_sets_aside(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    store.start_attempt([one], 2)
    store.fail_attempt([one], "first", 2)
    assert (the_entry(store, one).state, the_entry(store, one).reason) == ("pending", "first")
    assert store.pending()[0].attempt == 2
    assert store.start_attempt([one], 2) == 2
    store.fail_attempt([one], "sec\0nd", 2)
    assert (the_entry(store, one).state, the_entry(store, one).reason) == ("set_aside", "sec␀nd")


def test_an_attempt_on_objects_that_do_not_all_wait_counts_nothing(store: MetadataStore) -> None:
    waiting, poisoned, unknown = version("a", "a"), version("b", "b"), version("c", "c")
    store.register([entry(waiting), entry(poisoned)])
    store.start_attempt([poisoned], 1)
    assert store.start_attempt([waiting, poisoned], 1) is None
    assert states(store) == {"a": "pending", "b": "set_aside"}
    assert the_entry(store, waiting).attempts == 0
    assert store.start_attempt([waiting, unknown], 1) is None
    assert store.start_attempt([], 1) is None
    assert store.start_attempt([waiting, waiting], 1) == 1


def test_attempts_of_settled_objects_are_left_alone(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    store.commit(proposal(DAY, objects=[one]))
    before = the_entry(store, one)
    store.fail_attempt([one], "too late", 1)
    store.forgive_attempt([one])
    assert store.start_attempt([one], 3) is None
    assert the_entry(store, one) == before


def test_retry_takes_up_what_was_set_aside_or_not_published(store: MetadataStore) -> None:
    aside, rejected, published, later = version("a", "a"), version("b", "b"), version("c", "c"), version("d", "d")
    store.register([entry(aside), entry(rejected), entry(published), entry(later, landing_date=NEXT_DAY)])
    for one in (aside, later):
        store.start_attempt([one], 1)
        store.fail_attempt([one], "no", 1)
    store.record(batch(DAY, sources=[source(rejected)], status=Status.REJECTED, reason="bad"), [rejected])
    store.commit(proposal(DAY, objects=[published]))
    assert store.retry("sales") == 0
    assert store.retry("orders", DAY) == 2
    assert states(store) == {"a": "pending", "b": "pending", "c": "done", "d": "set_aside"}
    found = the_entry(store, rejected)
    assert (found.attempts, found.reason, found.batch_id) == (0, "", "")
    assert store.retry("orders") == 1
    assert store.retry("orders") == 0


def test_m4_retry_takes_only_the_newest_version_of_a_key(store: MetadataStore) -> None:
    old, new = version(etag="old"), version(etag="new", at=1)
    store.register([entry(old)])
    store.record(batch(DAY, sources=[source(old)], status=Status.REJECTED), [old])
    store.register([entry(new)])
    assert store.retry("orders") == 0
    store.record(batch(DAY, sources=[source(new)], status=Status.REJECTED), [new])
    assert store.retry("orders") == 1
    assert states(store) == {"old": "done", "new": "pending"}


def test_m4_what_was_rejected_and_tried_again_is_published_once(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    store.record(batch(DAY, sources=[source(one)], status=Status.REJECTED), [one])
    store.retry("orders")
    store.commit(proposal(DAY, objects=[one]))
    assert store.retry("orders") == 0
    with pytest.raises(AlreadyPublished):
        store.commit(proposal(DAY, objects=[one]))


# --- the commit


def test_a_commit_gives_back_what_the_store_keeps(store: MetadataStore, clock: Clock) -> None:
    one = version()
    asked = proposal(DAY, NEXT_DAY, objects=[one])
    done = store.commit(asked)
    assert done.commit == 1
    assert [one.commit for one in done.snapshots] == [1, 1]
    assert {one.committed_at for one in done.snapshots} == {clock.now}
    assert store.batches() == [done]
    assert store.live("orders") == list(done.snapshots)
    assert [store.snapshot(one.id) for one in done.snapshots] == list(done.snapshots)
    assert replace(done, commit=None, snapshots=()) == replace(asked.batch, snapshots=())
    for stored, given in zip(done.snapshots, asked.batch.snapshots, strict=True):
        assert replace(stored, commit=None, committed_at=None) == given


def test_commits_are_numbered_per_dataset(store: MetadataStore) -> None:
    numbers = [
        store.commit(proposal(DAY, objects=[version(f"{n}")], dataset=dataset)).commit
        for n, dataset in enumerate(["orders", "sales", "orders", "orders", "sales"])
    ]
    assert numbers == [1, 1, 2, 3, 2]
    assert (store.last_commit("orders"), store.last_commit("sales"), store.last_commit("never")) == (3, 2, 0)


def test_a_refused_commit_uses_no_number(store: MetadataStore) -> None:
    store.commit(proposal(DAY))
    with pytest.raises(CommitConflict):
        store.commit(proposal(DAY, supersedes=("unknown",)))
    store.record(batch(DAY, status=Status.REJECTED), [])
    assert store.commit(proposal(DAY)).commit == 2


def test_commit_times_only_grow_whatever_the_clock_does(store: MetadataStore, clock: Clock) -> None:
    for step in (0, 0, -3600, 5, -86400):
        clock.now += step * SECOND
        store.commit(proposal(DAY))
    times = [commit.committed_at for commit in store.commits("orders")]
    assert times == sorted(set(times))
    assert times[:3] == [NOON, NOON + MICROSECOND, NOON + 2 * MICROSECOND]


def test_append_supersedes_nothing(store: MetadataStore) -> None:
    first = store.commit(proposal(DAY)).snapshots[0]
    second = store.commit(proposal(DAY)).snapshots[0]
    assert (first.supersedes, second.supersedes) == ((), ())
    assert store.live("orders") == [first, second]


def test_replace_supersedes_what_is_live_in_its_partition(store: MetadataStore) -> None:
    first, elsewhere = store.commit(proposal(DAY, NEXT_DAY)).snapshots
    second = store.commit(proposal(DAY)).snapshots[0]
    third = store.commit(proposal(DAY, supersede_live=(DAY,))).snapshots[0]
    assert set(third.supersedes) == {first.id, second.id}
    assert store.live("orders") == [third, elsewhere]
    fourth = store.commit(proposal(DAY, supersede_live=(DAY,))).snapshots[0]
    assert fourth.supersedes == (third.id,)
    assert store.snapshot(first.id).superseded_by == 3
    assert not store.snapshot(first.id).live


def test_upsert_supersedes_what_it_was_built_from(store: MetadataStore) -> None:
    first = store.commit(proposal(DAY, based_on=((DAY, ()),))).snapshots[0]
    second = store.commit(proposal(DAY, based_on=((DAY, (first.id,)),))).snapshots[0]
    assert second.supersedes == (first.id,)
    assert store.live("orders") == [second]


def test_a_partition_that_was_only_looked_at_stays_live(store: MetadataStore) -> None:
    first, elsewhere = store.commit(proposal(DAY, NEXT_DAY)).snapshots
    looked = ((DAY, (first.id,)), (NEXT_DAY, (elsewhere.id,)))
    second = store.commit(proposal(DAY, based_on=looked)).snapshots[0]
    assert store.live("orders") == [second, elsewhere]


@pytest.mark.parametrize("read", ["nothing", "too little", "too much"])
def test_an_upsert_built_on_other_live_rows_conflicts(store: MetadataStore, read: str) -> None:
    live = [one.id for one in (store.commit(proposal(DAY)).snapshots[0] for _ in range(2))]
    ids = {"nothing": (), "too little": live[:1], "too much": [*live, "gone"]}[read]
    with pytest.raises(CommitConflict, match="orders on 2026-11-01"):
        store.commit(proposal(DAY, based_on=((DAY, tuple(ids)),)))
    assert store.last_commit("orders") == 2


def test_a_commit_based_on_a_commit_conflicts_with_any_newer_one(store: MetadataStore) -> None:
    store.commit(proposal(DAY, based_on_commit=0))
    with pytest.raises(CommitConflict, match="is at commit 1, not at 0"):
        store.commit(proposal(NEXT_DAY, based_on_commit=0))
    assert store.commit(proposal(NEXT_DAY, based_on_commit=1)).commit == 2


def test_named_snapshots_are_superseded_wherever_they_lie(store: MetadataStore) -> None:
    first, elsewhere = store.commit(proposal(DAY, NEXT_DAY)).snapshots
    moved = store.commit(proposal(DAY, supersedes=(elsewhere.id,))).snapshots[0]
    assert moved.supersedes == (elsewhere.id,)
    assert store.live("orders") == [first, moved]
    with pytest.raises(CommitConflict, match="is not live any more"):
        store.commit(proposal(DAY, supersedes=(elsewhere.id,)))


def test_a_snapshot_of_another_dataset_cannot_be_superseded(store: MetadataStore) -> None:
    other = store.commit(proposal(DAY, dataset="sales")).snapshots[0]
    with pytest.raises(CommitConflict):
        store.commit(proposal(DAY, supersedes=(other.id,)))
    assert store.live("sales") == [other]


def test_several_partitions_change_in_one_commit(store: MetadataStore) -> None:
    first, elsewhere = store.commit(proposal(DAY, NEXT_DAY)).snapshots
    done = store.commit(proposal(NEXT_DAY, DAY, supersede_live=(DAY, NEXT_DAY)))
    assert [one.supersedes for one in done.snapshots] == [(elsewhere.id,), (first.id,)]
    assert store.live("orders") == [done.snapshots[1], done.snapshots[0]]


def test_a_commit_may_only_take_away(store: MetadataStore) -> None:
    first = store.commit(proposal(DAY)).snapshots[0]
    assert store.commit(proposal(supersedes=(first.id,))).commit == 2
    assert store.live("orders") == []
    assert store.commits("orders")[1].superseded == (first.id,)


def test_a_commit_whose_answer_was_lost_is_not_made_twice(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    asked = proposal(DAY, objects=[one], supersede_live=(DAY,))
    done = store.commit(asked)
    newer = store.commit(proposal(DAY, supersede_live=(DAY,)))
    again = store.commit(asked)
    assert (again.id, again.commit, store.last_commit("orders")) == (done.id, 1, 2)
    assert store.live("orders") == list(newer.snapshots)


# --- exactly once


def test_an_object_version_is_published_once(store: MetadataStore) -> None:
    one, other = version(), version("b.csv", "e2")
    store.register([entry(one), entry(other)])
    done = store.commit(proposal(DAY, objects=[one]))
    with pytest.raises(AlreadyPublished, match="was published by commit 1"):
        store.commit(proposal(DAY, objects=[one, other]))
    assert store.live("orders") == list(done.snapshots)
    assert states(store) == {"e1": "done", "e2": "pending"}
    assert len(store.batches()) == 1


def test_an_object_version_that_was_never_registered_is_published_once_too(store: MetadataStore) -> None:
    one = version()
    store.commit(proposal(DAY, objects=[one]))
    assert the_entry(store, one).state == "done"
    with pytest.raises(AlreadyPublished):
        store.commit(proposal(DAY, objects=[one]))
    assert store.register([entry(one)]) == 0


def test_the_same_key_with_other_bytes_is_another_version(store: MetadataStore) -> None:
    store.commit(proposal(DAY, objects=[version(etag="1")]))
    assert store.commit(proposal(DAY, objects=[version(etag="2", at=1)])).commit == 2


def test_e3_a_version_that_was_overtaken_while_it_was_curated_is_not_published_over_the_newer_one(store: MetadataStore) -> None:
    old, new = version(etag="old"), version(etag="new", at=1)
    store.register([entry(old)])
    store.register([entry(new)])
    store.commit(proposal(DAY, objects=[new], supersede_live=(DAY,)))
    with pytest.raises(AlreadyPublished, match="its newer version"):
        store.commit(proposal(DAY, objects=[old], supersede_live=(DAY,)))


def test_a_version_that_was_overtaken_by_one_that_is_not_published_yet_may_go_first(store: MetadataStore) -> None:
    old, new = version(etag="old"), version(etag="new", at=1)
    store.register([entry(old)])
    store.register([entry(new)])
    store.commit(proposal(DAY, objects=[old]))
    store.commit(proposal(DAY, objects=[new]))
    assert states(store) == {"old": "done", "new": "done"}


def test_reading_again_puts_the_new_snapshots_in_the_place_of_the_old(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    first = store.commit(proposal(DAY, objects=[one])).snapshots[0]
    again = store.commit(proposal(DAY, objects=[one], supersedes=(first.id,), recurates=True))
    assert store.live("orders") == list(again.snapshots)
    assert the_entry(store, one).batch_id == again.id
    with pytest.raises(AlreadyPublished, match="commit 1 "):
        store.commit(proposal(DAY, objects=[one]))


def test_reading_again_an_object_that_is_gone_leaves_it_published(store: MetadataStore) -> None:
    one, other = version(), version("b.csv", "e2")
    store.commit(proposal(DAY, objects=[one, other]))
    before = the_entry(store, one)
    sources = [source(one, Outcome.GONE, "not there"), source(other)]
    store.commit(Proposal(batch(DAY, sources=sources), (one, other), recurates=True))
    assert the_entry(store, one) == before


@pytest.mark.parametrize(
    ("outcome", "state", "reason"),
    [
        (Outcome.READ, "done", ""),
        (Outcome.EMPTY, "done", "header only"),
        (Outcome.UNREADABLE, "done", "header only"),
        (Outcome.SAME_CONTENT, "done", "header only"),
        (Outcome.GONE, "done", "header only"),
        (Outcome.CHANGED, "replaced", "header only"),
    ],
)
def test_a_commit_settles_its_objects_by_their_outcome(store: MetadataStore, outcome: Outcome, state: str, reason: str) -> None:
    one, read = version(), version("b.csv", "e2")
    store.register([entry(one), entry(read)])
    made = batch(DAY, sources=[source(one, outcome, "header only"), source(read)])
    store.commit(Proposal(made, (one, read)))
    found = the_entry(store, one)
    assert (found.state, found.reason, found.batch_id) == (state, reason, made.id)
    assert (one.key in {content.key for content in store.published_content("orders", DAY)}) == (outcome is Outcome.READ)
    assert store.pending() == []


def test_a_commit_publishes_what_was_set_aside_meanwhile(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    store.start_attempt([one], 1)
    store.fail_attempt([one], "another run gave up", 1)
    store.commit(proposal(DAY, objects=[one]))
    assert (the_entry(store, one).state, the_entry(store, one).reason) == ("done", "")


def test_o3_published_content_is_told_by_digest_and_whether_it_still_counts(store: MetadataStore) -> None:
    first, second, other = version(etag="1"), version(etag="2", at=1), version("b.csv", "3")
    store.commit(proposal(DAY, objects=[first, other]))
    assert store.published_content("orders", DAY) == [
        PublishedContent(first.key, "1", 10, "sha of 1", live=True, newest=True),
        PublishedContent(other.key, "3", 10, "sha of 3", live=True, newest=True),
    ]
    store.commit(proposal(DAY, objects=[second], supersede_live=(DAY,)))
    assert store.published_content("orders", DAY) == [
        PublishedContent(first.key, "1", 10, "sha of 1", live=False, newest=False),
        PublishedContent(other.key, "3", 10, "sha of 3", live=False, newest=True),
        PublishedContent(second.key, "2", 10, "sha of 2", live=True, newest=True),
    ]
    assert store.published_content("orders", NEXT_DAY) == store.published_content("sales", DAY) == []


# --- batches that publish nothing


@pytest.mark.parametrize("status", [Status.REJECTED, Status.FAILED, Status.EMPTY])
def test_a_batch_that_publishes_nothing_is_recorded_and_settles_its_objects(store: MetadataStore, status: Status) -> None:
    live = store.commit(proposal(DAY)).snapshots
    one, odd = version(), version("b.csv", "e2")
    store.register([entry(one), entry(odd)])
    made = batch(DAY, sources=[source(one), source(odd, Outcome.UNREADABLE, "no gzip")], status=status, reason="too bad")
    assert store.record(made, [one, odd]) == made
    assert store.batches("orders", limit=1) == [made]
    assert store.snapshots("orders", limit=1) == list(made.snapshots)
    assert store.live("orders") == list(live)
    assert (the_entry(store, one).state, the_entry(store, one).reason) == ("done", "too bad")
    assert the_entry(store, odd).reason == "no gzip"
    assert store.published_content("orders", DAY) == []


def test_a_record_whose_answer_was_lost_is_not_made_twice(store: MetadataStore) -> None:
    one = version()
    made = batch(DAY, sources=[source(one)], status=Status.EMPTY)
    store.record(made, [one])
    store.retry("orders")
    assert store.record(made, [one]) == made
    assert the_entry(store, one).state == "pending"
    assert len(store.batches()) == 1


def test_a_record_leaves_what_is_published_or_set_aside(store: MetadataStore) -> None:
    published, aside = version(etag="1"), version("b.csv", "2")
    store.register([entry(published), entry(aside)])
    store.commit(proposal(DAY, objects=[published]))
    store.start_attempt([aside], 1)
    store.fail_attempt([aside], "three times", 1)
    before = list(store.objects())
    store.record(batch(DAY, sources=[source(published), source(aside)], status=Status.FAILED), [published, aside])
    assert list(store.objects()) == before


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


# --- schemas

ID, COUNT, WIDE = ("id", "string"), ("count", "int32"), ("count", "int64")


def publish(store: MetadataStore, *columns: tuple[str, str], dataset: str = "orders", **brought: str) -> Batch:
    newest = store.schema(dataset)
    schema = proposed(*columns, based_on=newest.number if newest else 0, brought=brought)
    return store.commit(proposal(DAY, dataset=dataset, schema=schema))


def test_p5_a_schema_is_numbered_with_time_commit_object_and_difference(store: MetadataStore, clock: Clock) -> None:
    assert store.schema("orders") is None
    assert store.schema_versions("orders") == []
    done = publish(store, ID)
    (first,) = store.schema_versions("orders")
    assert (first.number, first.commit, first.object) == (1, 1, "orders/2026/11/01/a.csv")
    assert first.committed_at == done.snapshots[0].committed_at == clock.now
    assert first.changes == (Change(ChangeKind.ADDED, "id", "", "string"),)
    clock.now += SECOND
    publish(store, ID, COUNT, count="orders/2026/11/01/b.csv")
    second = store.schema("orders")
    assert second is not None
    assert (second.number, second.commit, second.object) == (2, 2, "orders/2026/11/01/b.csv")
    assert second.changes == (Change(ChangeKind.ADDED, "count", "", "int32", "orders/2026/11/01/b.csv"),)
    assert second.schema == proposed(ID, COUNT).schema
    assert store.schema_versions("orders") == [first, second]


def test_p5_a_commit_that_publishes_the_same_schema_adds_no_version(store: MetadataStore) -> None:
    numbers = [publish(store, *columns).snapshots[0].schema_version for columns in ([ID], [ID], [ID, COUNT], [ID, COUNT], [ID])]
    assert numbers == [1, 1, 2, 2, 3]
    assert [(one.number, one.commit) for one in store.schema_versions("orders")] == [(1, 1), (2, 3), (3, 5)]
    assert [one.schema_version for one in store.snapshots("orders")] == numbers[::-1]


def test_p5_a_commit_without_a_schema_leaves_it_as_it_is(store: MetadataStore) -> None:
    assert store.commit(proposal(DAY)).snapshots[0].schema_version == 0
    publish(store, ID)
    assert store.commit(proposal(DAY)).snapshots[0].schema_version == 1
    assert len(store.schema_versions("orders")) == 1


def test_p5_the_schema_at_a_commit_stays_what_it_was(store: MetadataStore) -> None:
    for columns in ([ID], [ID], [ID, COUNT], [ID, WIDE]):
        publish(store, *columns)
    found = [store.schema("orders", commit) for commit in range(5)]
    assert [one and one.number for one in found] == [None, 1, 1, 2, 3]
    assert store.schema("orders") == found[4]


def test_p5_a_schema_that_was_built_on_another_version_conflicts_and_changes_nothing(store: MetadataStore) -> None:
    publish(store, ID)
    with pytest.raises(CommitConflict, match="schema of dataset orders is at version 1, not at 0"):
        store.commit(proposal(DAY, schema=proposed(ID, COUNT)))
    with pytest.raises(CommitConflict, match="not at 7"):
        store.commit(proposal(DAY, schema=proposed(ID, COUNT, based_on=7)))
    assert store.last_commit("orders") == len(store.schema_versions("orders")) == 1


def test_p5_versions_are_numbered_per_dataset(store: MetadataStore) -> None:
    publish(store, ID)
    publish(store, ID, COUNT)
    publish(store, ID, dataset="parts")
    assert [one.number for one in store.schema_versions("orders")] == [1, 2]
    assert [one.number for one in store.schema_versions("parts")] == [1]


def test_p6_a_widened_column_is_on_record_with_both_types(store: MetadataStore) -> None:
    publish(store, ID, COUNT)
    undeclared = SchemaColumn("note", "null", sources=("Note \0", "NÓTE"))
    schema = replace(proposed(ID).schema, columns=(undeclared, SchemaColumn("count", "int64", "int32", nullable=False)))
    wide = ProposedSchema(schema, 1, "x", {"count": "y"})
    store.commit(proposal(DAY, schema=wide))
    newest = store.schema("orders")
    assert newest is not None
    assert newest.schema == schema
    assert [str(one.kind) for one in newest.changes] == ["added", "contract", "removed"]
    store.commit(proposal(DAY, schema=ProposedSchema(replace(schema, columns=(undeclared,)), 2)))
    typed = ProposedSchema(replace(schema, columns=(replace(undeclared, type="date"),)), 3, "z", {"note": "n.parquet"})
    store.commit(proposal(DAY, schema=typed))
    assert store.schema_versions("orders")[-1].changes == (Change(ChangeKind.WIDENED, "note", "null", "date", "n.parquet"),)


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
