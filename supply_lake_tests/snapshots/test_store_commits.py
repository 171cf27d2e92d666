"""What every metadata store does when a batch is committed or recorded, one promise per test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supply_lake.errors import AlreadyPublished, CommitConflict
from supply_lake.snapshots.records import Kind, Outcome, Status
from supply_lake.snapshots.store import MetadataStore, Proposal, PublishedContent
from supply_lake_tests.snapshots.made_up import (
    DAY,
    MICROSECOND,
    NEXT_DAY,
    NOON,
    SECOND,
    Clock,
    batch,
    entry,
    proposal,
    source,
    states,
    the_entry,
    version,
)

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
    again = store.commit(proposal(DAY, objects=[one], kind=Kind.RECURATE, supersedes=(first.id,)))
    assert store.live("orders") == list(again.snapshots)
    assert the_entry(store, one).batch_id == again.id
    with pytest.raises(AlreadyPublished, match="commit 1 "):
        store.commit(proposal(DAY, objects=[one]))


def test_reading_again_an_object_that_is_gone_leaves_it_published(store: MetadataStore) -> None:
    one, other = version(), version("b.csv", "e2")
    store.commit(proposal(DAY, objects=[one, other]))
    before = the_entry(store, one)
    sources = [source(one, Outcome.GONE, "not there"), source(other)]
    store.commit(Proposal(batch(DAY, sources=sources, kind=Kind.RECURATE), (one, other)))
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
    later = store.record(batch(DAY, sources=[source(one)], status=Status.REJECTED), [one])
    assert store.record(made, [one]) == made
    assert the_entry(store, one).batch_id == later.id
    assert len(store.batches()) == 2


def test_a_record_leaves_what_is_published_or_set_aside(store: MetadataStore) -> None:
    published, aside = version(etag="1"), version("b.csv", "2")
    store.register([entry(published), entry(aside)])
    store.commit(proposal(DAY, objects=[published]))
    store.start_attempt([aside], 1)
    store.fail_attempt([aside], "three times", 1)
    before = list(store.objects())
    store.record(batch(DAY, sources=[source(published), source(aside)], status=Status.FAILED), [published, aside])
    assert list(store.objects()) == before
