"""What every metadata store does when rejected rows are taken up again, and when snapshots are revoked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from supply_lake.errors import AlreadyPublished, CommitConflict
from supply_lake.landing.discovery import stale
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Batch, Kind, Outcome, Snapshot, Status
from supply_lake.snapshots.store import MetadataStore, Moved, Proposal, TakenUp
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.snapshots.made_up import (
    DAY,
    NEXT_DAY,
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


def publish(store: MetadataStore, *objects: ObjectVersion, **fields: Any) -> Batch:
    store.register([entry(one) for one in objects])
    return store.commit(proposal(DAY, objects=objects, **fields))


def replayed(one: ObjectVersion, before: Batch, **fields: Any) -> Proposal:
    made = batch(DAY, sources=[source(one, replayed=True)], kind=Kind.REPLAY, replays=(before.snapshots[0].id,))
    return Proposal(made, (one,), taken_up=(TakenUp(one, before.id),), **fields)


def revocation(*revoked: Snapshot, rows: bool = False, **fields: Any) -> Proposal:
    ids = tuple(one.id for one in revoked)
    made = batch(revoked[0].partition, kind=Kind.REVOKE, reason="false", by="ada", revokes=ids)
    snapshots = made.snapshots if rows else tuple(replace(one, files=(), rows_total=0) for one in made.snapshots)
    named = tuple(one.id for one in revoked if one.live)
    return Proposal(replace(made, snapshots=snapshots), (), **{"supersedes": named, "revokes": ids, **fields})


# --- rejected rows are taken up


def test_m4_rejected_rows_of_a_published_object_are_taken_up_once(store: MetadataStore) -> None:
    one = version()
    first = publish(store, one)
    assert the_entry(store, one).standing_in == first.id
    again = store.commit(replayed(one, first))
    found = the_entry(store, one)
    assert (found.batch_id, found.standing_in, found.state) == (first.id, again.id, "done")
    assert again.snapshots[0].replays == (first.snapshots[0].id,)
    assert store.live("orders") == [*first.snapshots, *again.snapshots]
    with pytest.raises(AlreadyPublished, match="taken up by another batch"):
        store.commit(replayed(one, first))
    third = store.commit(replayed(one, again))
    assert the_entry(store, one).standing_in == third.id
    assert store.last_commit("orders") == 3


def test_m4_a_rejected_object_is_published_by_a_replay_once(store: MetadataStore) -> None:
    one = version()
    store.register([entry(one)])
    refused = store.record(batch(DAY, sources=[source(one)], status=Status.REJECTED), [one])
    taken_up = (TakenUp(one, refused.id),)
    again = store.commit(proposal(DAY, objects=[one], kind=Kind.REPLAY, taken_up=taken_up))
    assert [(item.key, item.live) for item in store.published_content("orders", DAY)] == [(one.key, True)]
    assert (the_entry(store, one).batch_id, the_entry(store, one).reason) == (again.id, "")
    with pytest.raises(AlreadyPublished):
        store.commit(proposal(DAY, objects=[one], kind=Kind.REPLAY, taken_up=taken_up))
    with pytest.raises(AlreadyPublished):
        store.commit(proposal(DAY, objects=[one]))


def test_m4_a_replay_that_publishes_nothing_settles_its_rows_too(store: MetadataStore) -> None:
    one = version()
    first = publish(store, one)
    lost = batch(DAY, sources=[source(one, replayed=True)], status=Status.EMPTY, kind=Kind.REPLAY)
    taken_up = (TakenUp(one, first.id),)
    done = store.record(lost, [one], taken_up)
    assert (the_entry(store, one).batch_id, the_entry(store, one).standing_in) == (first.id, done.id)
    with pytest.raises(AlreadyPublished):
        store.record(replace(lost, id="another"), [one], taken_up)
    assert len(store.batches()) == 2
    assert store.record(lost, [one], taken_up) == done


def test_m4_a_replay_of_overwritten_bytes_is_refused(store: MetadataStore) -> None:
    old, new = version(etag="old"), version(etag="new", at=1)
    first = publish(store, old)
    store.register([entry(new)])
    with pytest.raises(AlreadyPublished, match="was overwritten meanwhile"):
        store.commit(replayed(old, first))
    assert store.last_commit("orders") == 1


def test_m4_an_object_that_could_not_be_taken_up_after_all_stays_where_it_is(store: MetadataStore) -> None:
    one, gone = version(), version("b.csv", "e2")
    store.register([entry(one), entry(gone)])
    refused = store.record(batch(DAY, sources=[source(one), source(gone)], status=Status.REJECTED), [one, gone])
    before = the_entry(store, gone)
    made = batch(DAY, sources=[source(one), source(gone, Outcome.GONE, "not there")], kind=Kind.REPLAY)
    store.commit(Proposal(made, (one, gone), taken_up=tuple(TakenUp(each, refused.id) for each in (one, gone))))
    assert the_entry(store, gone) == before


def test_o3_content_is_live_as_long_as_its_batch_or_a_replay_of_it_is(store: MetadataStore) -> None:
    one = version()
    first = publish(store, one)
    again = store.commit(replayed(one, first))
    store.commit(proposal(NEXT_DAY, supersedes=(first.snapshots[0].id,)))
    assert [item.live for item in store.published_content("orders", DAY)] == [True]
    store.commit(proposal(NEXT_DAY, supersedes=(again.snapshots[0].id,)))
    assert [item.live for item in store.published_content("orders", DAY)] == [False]


# --- a listing that is no longer true


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.CHANGED])
@pytest.mark.parametrize("committed", [True, False])
def test_o2_the_folder_of_an_object_that_was_away_is_compared_again(
    store: MetadataStore, outcome: Outcome, committed: bool
) -> None:
    one, there = version(), version("b.csv", "e2")
    store.register([entry(one), entry(there)])
    fingerprints = {"orders/2026/11/01/@2026-11-01": 5, "orders/2026/11/02/@2026-11-02": 6, "rules": 7}
    store.set_prefix_fingerprints(fingerprints)
    sources = [source(one, outcome, "away"), source(there)]
    if committed:
        store.commit(Proposal(batch(DAY, sources=sources), (one, there)))
    else:
        store.record(batch(DAY, sources=sources, status=Status.REJECTED), [one, there])
    assert store.prefix_fingerprints() == fingerprints | stale(fingerprints, [one.key])
    assert store.prefix_fingerprints()["orders/2026/11/01/@2026-11-01"] == 0


# --- revocations


def test_a_revoked_snapshot_leaves_the_live_set_and_earlier_commits_read_as_before(store: MetadataStore, clock: Clock) -> None:
    first = publish(store, version("a.csv", "a")).snapshots[0]
    second = publish(store, version("b.csv", "b")).snapshots[0]
    clock.now += SECOND
    done = store.commit(revocation(second))
    assert (done.commit, done.by, done.reason, done.kind) == (3, "ada", "false", "revoke")
    assert store.live("orders") == [first]
    assert store.latest("orders") == first
    assert [one.id for one in store.live("orders", commit=2)] == [first.id, second.id]
    assert store.commit_at("orders", clock.now) == 3
    assert (store.snapshot(second.id).superseded_by, store.snapshot(second.id).revoked_by) == (3, 3)
    commit = store.commits("orders")[2]
    assert (commit.reason, commit.by, commit.revoked, commit.superseded) == ("false", "ada", (second.id,), (second.id,))
    assert commit.added == (done.snapshots[0].id,)


def test_a_revocation_without_rows_is_on_record_and_never_live(store: MetadataStore) -> None:
    first = publish(store, version()).snapshots[0]
    done = store.commit(revocation(first)).snapshots[0]
    assert done == store.snapshot(done.id) == store.snapshots("orders", 1)[0]
    assert (done.live, done.superseded_by, done.revokes) == (False, 2, (first.id,))
    assert store.live("orders") == store.live("orders", commit=2) == []
    assert store.latest("orders") is None
    publish(store, version("b.csv", "b"))
    assert len(store.live("orders")) == 1


def test_a_revocation_with_rows_is_live(store: MetadataStore) -> None:
    first = publish(store, version()).snapshots[0]
    done = store.commit(revocation(first, rows=True)).snapshots[0]
    assert store.live("orders") == [done]
    assert done.supersedes == (first.id,)


def test_a_revocation_conflicts_with_any_other_commit(store: MetadataStore) -> None:
    first = publish(store, version()).snapshots[0]
    publish(store, version("b.csv", "b"))
    with pytest.raises(CommitConflict):
        store.commit(revocation(first, based_on_commit=1))
    assert store.snapshot(first.id).live


def test_a_snapshot_can_be_revoked_while_others_carry_its_rows_on(store: MetadataStore) -> None:
    first = publish(store, version()).snapshots[0]
    merged = store.commit(proposal(DAY, supersede_live=(DAY,))).snapshots[0]
    store.commit(revocation(store.snapshot(first.id), rows=True, supersedes=(merged.id,)))
    found = store.snapshot(first.id)
    assert (found.superseded_by, found.revoked_by) == (2, 3)
    assert store.snapshot(merged.id).revoked_by is None


def test_revoked_objects_are_not_published_again_and_corrected_ones_are(store: MetadataStore) -> None:
    one, better = version(), version(etag="better", at=1)
    first = publish(store, one)
    moved = (Moved(one, ObjectState.REVOKED, "it was revoked: false", first.id),)
    store.commit(revocation(first.snapshots[0], moved=moved))
    found = the_entry(store, one)
    assert (found.state, found.reason) == ("revoked", "it was revoked: false")
    assert store.register([entry(one)], listed=True) == 0
    assert store.known([one.key]) == {one.key: {(one.etag, one.size)}}
    assert (store.pending(), store.retry("orders")) == ([], 0)
    assert [(item.live, item.newest, item.revoked) for item in store.published_content("orders", DAY)] == [(False, True, True)]
    for kind in Kind.INGEST, Kind.RECURATE, Kind.REPLAY:
        with pytest.raises(AlreadyPublished):
            store.commit(proposal(DAY, objects=[one], kind=kind))
    store.register([entry(better)])
    store.commit(proposal(DAY, objects=[better]))
    assert states(store) == {"e1": "revoked", "better": "done"}


def test_a_revocation_can_be_taken_back(store: MetadataStore) -> None:
    one = version()
    first = publish(store, one)
    moved = (Moved(one, ObjectState.REVOKED, "false", first.id),)
    done = store.commit(revocation(first.snapshots[0], moved=moved)).snapshots[0]
    back = (Moved(one, ObjectState.DONE, "", first.id),)
    again = store.commit(revocation(done, rows=True, supersedes=(), reinstates=(first.snapshots[0].id,), moved=back)).snapshots[
        0
    ]
    assert store.live("orders") == [again]
    assert (store.snapshot(first.snapshots[0].id).revoked_by, store.snapshot(done.id).revoked_by) == (None, 3)
    assert the_entry(store, one).state == "done"


def test_a_revocation_moves_only_what_was_published(store: MetadataStore) -> None:
    one, waiting = version(), version("b.csv", "e2")
    first = publish(store, one)
    store.register([entry(waiting)])
    moved = tuple(
        Moved(each, ObjectState.REVOKED, "nul \0", first.id) for each in (one, waiting, version("c.csv", "never seen"))
    )
    store.commit(revocation(first.snapshots[0], moved=moved))
    assert states(store) == {"e1": "revoked", "e2": "pending"}
    assert the_entry(store, one).reason == "nul ␀"


def test_a_revocation_whose_answer_was_lost_is_not_made_twice(store: MetadataStore) -> None:
    first = publish(store, version()).snapshots[0]
    asked = revocation(first)
    done = store.commit(asked)
    assert store.commit(asked) == done
    assert store.last_commit("orders") == 2
