"""Paging: every store answers page by page what it answers whole, along its own indexes or over the questions of all stores."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace

import pytest

from supply_lake.snapshots.pages import Entry, Paged, Pages, PagesOver, pages_of
from supply_lake.snapshots.records import Status
from supply_lake.snapshots.sql_pages import SqlPages
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots.made_up import DAY, Clock, batch, proposal

NEXT = DAY + dt.timedelta(days=1)


@pytest.fixture
def history(store: MetadataStore, clock: Clock) -> MetadataStore:
    """Appends, a replacement, a revocation, a batch that published nothing; and a neighbour."""
    first = store.commit(proposal(DAY, NEXT))
    store.commit(proposal(DAY, dataset="neighbour"))
    store.commit(proposal(DAY, supersede_live=(DAY,)))
    store.record(batch(DAY, status=Status.REJECTED, reason="too many rejects"), ())
    store.commit(proposal(DAY))
    gone = first.snapshots[1].id
    revocation = proposal(NEXT, supersedes=(gone,), revokes=(gone,))
    store.commit(replace(revocation, batch=replace(revocation.batch, reason="the wrong file")))
    return store


@pytest.fixture(params=["its own", "over any store"])
def pages(request: pytest.FixtureRequest, history: MetadataStore) -> Pages:
    if request.param == "over any store":
        return PagesOver(history)
    if not isinstance(history, Paged):
        pytest.skip("this store has no way of its own")
    assert isinstance(pages_of(history), SqlPages)
    return pages_of(history)


def ids(entries: list[Entry]) -> list[str]:
    return [json.loads(one.record)["snapshot_id"] for one in entries]


def place(entry: Entry) -> tuple[dt.date, int, str]:
    record = json.loads(entry.record)
    return dt.date.fromisoformat(record["partition"]), record["commit"], record["snapshot_id"]


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_pages_of_every_live_set_are_the_live_set(pages: Pages, history: MetadataStore, limit: int) -> None:
    for commit in range(history.last_commit("orders") + 1):
        found: list[Entry] = []
        while page := pages.live("orders", commit, after=place(found[-1]) if found else None, limit=limit):
            assert len(page) <= limit
            found += page
        assert ids(found) == [one.id for one in history.live("orders", commit)]
        assert all(one.superseded_by is None and one.revoked_by is None for one in found)
        for day in (DAY, NEXT):
            assert ids(pages.live("orders", commit, partition=day)) == [one.id for one in history.live("orders", commit, day)]


def test_the_newest_live_snapshot_at_every_commit(pages: Pages, history: MetadataStore) -> None:
    for commit in range(history.last_commit("orders") + 1):
        live = history.live("orders", commit)
        last = max(live, key=lambda one: (one.commit, one.partition, one.id), default=None)
        found = pages.latest("orders", commit)
        assert (ids([found])[0] if found else None) == (last.id if last else None)
    newest = history.latest("orders")
    found = pages.latest("orders", history.last_commit("orders"))
    assert found is not None
    assert newest is not None
    assert ids([found]) == [newest.id]
    assert pages.latest("orders", 4, DAY + dt.timedelta(days=9)) is None
    assert pages.latest("nothing", 0) is None


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_pages_of_all_snapshots_are_all_snapshots(pages: Pages, history: MetadataStore, limit: int) -> None:
    found: list[Entry] = []
    while page := pages.newest("orders", before=(found[-1].recorded_at, ids(found)[-1]) if found else None, limit=limit):
        found += page
    assert ids(found) == [one.id for one in history.snapshots("orders")]
    marks = {one.id: (one.superseded_by, one.revoked_by) for one in history.snapshots("orders")}
    assert {name: (one.superseded_by, one.revoked_by) for name, one in zip(ids(found), found, strict=True)} == marks


def test_heads_commits_and_batches(pages: Pages, history: MetadataStore) -> None:
    commits = history.commits("orders")
    assert pages.head("orders").commit == 4
    assert pages.head("orders").committed_at == commits[-1].committed_at
    assert (pages.head("nothing").commit, pages.head("nothing").committed_at) == (0, None)
    assert {name: head.commit for name, head in pages.heads().items()} == {"neighbour": 1, "orders": 4}
    assert pages.commits("orders", limit=10) == commits
    assert [pages.committed_at("orders", one.number) for one in commits] == [one.committed_at for one in commits]
    assert pages.committed_at("orders", 0) is None
    assert pages.commits("orders", after=2, limit=1) == commits[2:3]
    one = history.batches("orders")[-1]
    assert ids(pages.of_batches([one.id])) == [snapshot.id for snapshot in one.snapshots]
    entry = pages.entry(one.snapshots[0].id)
    assert entry is not None
    assert ids([entry]) == [one.snapshots[0].id]
    assert pages.entry("nothing") is None
