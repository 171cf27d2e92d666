"""Random histories: whatever is committed in whatever order, the live set is what a naive model says, now and for ever."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as replace_

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake.errors import AlreadyPublished, CommitConflict
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Batch, Kind, Outcome, Status
from supply_lake.snapshots.store import MetadataStore, Proposal, TakenUp
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.snapshots.conftest import in_dynamodb, in_sql
from supply_lake_tests.snapshots.made_up import DAY, NOON, SECOND, Clock, batch, entry, source, version

DAYS = [DAY + dt.timedelta(days=n) for n in range(3)]
_datasets = (f"d{n}" for n in itertools.count())
days = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True)
staleness = st.integers(0, 3)

append = st.tuples(st.just("append"), days)
replace = st.tuples(st.just("replace"), days)
upsert = st.tuples(st.just("upsert"), days, staleness)
whole = st.tuples(st.just("whole"), days, staleness)
named = st.tuples(st.just("named"), days, st.integers(0, 30))
reject = st.tuples(st.just("reject"), days)
tick = st.tuples(st.just("tick"), st.integers(-100, 100))
ask = st.tuples(st.just("ask"), st.integers(-50, 10))
histories = st.lists(st.one_of(append, replace, upsert, whole, named, reject, tick, ask), max_size=14)

SETTINGS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEWER = settings(SETTINGS, max_examples=12)  # every question is several requests


@dataclass
class Model:
    """The lake as sets: what was live after each commit, and what was once answered about a time."""

    partition: dict[str, dt.date] = field(default_factory=dict)
    live: list[frozenset[str]] = field(default_factory=lambda: [frozenset()])
    times: list[dt.datetime] = field(default_factory=list)
    answers: dict[dt.datetime, int] = field(default_factory=dict)
    recorded: list[str] = field(default_factory=list)

    def on(self, day: dt.date, commit: int = -1) -> frozenset[str]:
        return frozenset(one for one in self.live[commit] if self.partition[one] == day)

    def committed(self, done: Batch, superseded: frozenset[str]) -> None:
        added = [one.id for one in done.snapshots]
        self.partition |= {one.id: one.partition for one in done.snapshots}
        self.live.append((self.live[-1] - superseded) | frozenset(added))
        self.recorded += added


@in_sql
@settings(SETTINGS)
@given(steps=histories)
def test_promises_5_and_7_live_sets_are_those_of_the_model(
    open_store: Callable[[], MetadataStore], clock: Clock, steps: list
) -> None:
    compare_with_the_model(open_store, clock, steps)


@in_dynamodb
@settings(FEWER)
@given(steps=histories)
def test_promises_5_and_7_live_sets_are_those_of_the_model_in_dynamodb(
    open_store: Callable[[], MetadataStore], clock: Clock, steps: list
) -> None:
    compare_with_the_model(open_store, clock, steps)


def compare_with_the_model(open_store: Callable[[], MetadataStore], clock: Clock, steps: list) -> None:
    store, dataset, model = open_store(), next(_datasets), Model()
    clock.now = NOON
    for kind, *arguments in steps:
        if kind == "tick":
            clock.now += arguments[0] * SECOND
        elif kind == "ask":
            time = clock.now + min(0, arguments[0]) * SECOND
            model.answers.setdefault(time, store.commit_at(dataset, time))
        else:
            _write(store, dataset, model, kind, *arguments)
    _compare(store, dataset, model)
    store.close()


def _write(store: MetadataStore, dataset: str, model: Model, kind: str, on: list[dt.date], back: int = 0) -> None:
    made = batch(*on, dataset=dataset, status=Status.REJECTED if kind == "reject" else Status.COMMITTED)
    read = max(0, len(model.live) - 1 - back)  # the commit that this writer looked at
    named = sorted(model.partition)[back : back + 1]
    before = [model.on(day, read) for day in on]
    conflict, gone = False, frozenset[str]()
    proposal = Proposal(made, ())
    if kind == "replace":
        proposal, gone = Proposal(made, (), supersede_live=tuple(on)), frozenset().union(*map(model.on, on))
    elif kind == "upsert":
        based_on = tuple((day, tuple(ids)) for day, ids in zip(on, before, strict=True))
        proposal, gone = Proposal(made, (), based_on=based_on), frozenset().union(*before)
        conflict = before != [model.on(day) for day in on]
    elif kind == "whole":
        proposal, gone = Proposal(made, (), based_on_commit=read, supersedes=tuple(model.live[read])), model.live[read]
        conflict = read != len(model.live) - 1
    elif kind == "named":
        proposal, gone = Proposal(made, (), supersedes=tuple(named)), frozenset(named)
        conflict = not gone <= model.live[-1]
    if kind == "reject":
        store.record(made, [])
        model.recorded += [one.id for one in made.snapshots]
    elif conflict:
        with pytest.raises(CommitConflict):
            store.commit(proposal)
    else:
        model.committed(store.commit(proposal), gone)


def _compare(store: MetadataStore, dataset: str, model: Model) -> None:
    commits = store.commits(dataset)
    last = len(model.live) - 1
    assert [one.number for one in commits] == list(range(1, last + 1))
    times = [one.committed_at for one in commits]
    assert times == sorted(set(times))
    for number, expected in enumerate(model.live):
        found = store.live(dataset, commit=number)
        assert {one.id for one in found} == expected
        assert found == sorted(found, key=lambda one: (one.partition, one.commit, one.id))
        for day in DAYS:
            assert {one.id for one in store.live(dataset, number, day)} == model.on(day, number)
        if number:
            assert store.commit_at(dataset, times[number - 1]) == number
            assert store.commit_at(dataset, times[number - 1] - dt.timedelta(microseconds=1)) == number - 1
            assert set(commits[number - 1].added) == expected - model.live[number - 1]
            assert set(commits[number - 1].superseded) == model.live[number - 1] - expected
            told = [one for added in commits[number - 1].added for one in store.snapshot(added).supersedes]
            assert sorted(told) == sorted(commits[number - 1].superseded)
    assert [one.id for one in store.live(dataset)] == [one.id for one in store.live(dataset, commit=last)]
    assert store.live_partitions(dataset) == sorted({model.partition[one] for one in model.live[-1]})
    assert {one.id for one in store.snapshots(dataset)} == set(model.recorded)
    for snapshot in store.snapshots(dataset):
        assert snapshot.live == (snapshot.id in model.live[-1])
    for time, answer in model.answers.items():
        assert store.commit_at(dataset, time) == answer


# --- the ledger beside the commits

KEYS, ETAGS = ["a", "b"], ["1", "2", "3"]
versions = st.builds(lambda key, etag, at: (key, etag, at), st.sampled_from(KEYS), st.sampled_from(ETAGS), st.integers(0, 3))
deliver = st.tuples(st.sampled_from(["listed", "event"]), st.lists(versions, min_size=1, max_size=4))
take = st.tuples(st.sampled_from(["commit", "commit twice", "reject", "fail", "gone", "changed"]), st.integers(1, 2))
again = st.tuples(st.sampled_from(["retry", "replay"]), st.none())


deliveries = st.lists(st.one_of(deliver, take, again), max_size=16)


@in_sql
@settings(SETTINGS)
@given(steps=deliveries)
def test_promise_2_whatever_is_delivered_and_however_batches_end_a_version_is_published_once(
    open_store: Callable[[], MetadataStore], steps: list
) -> None:
    publish_once(open_store, steps)


@in_dynamodb
@settings(FEWER)
@given(steps=deliveries)
def test_promise_2_whatever_is_delivered_and_however_batches_end_a_version_is_published_once_in_dynamodb(
    open_store: Callable[[], MetadataStore], steps: list
) -> None:
    publish_once(open_store, steps)


def publish_once(open_store: Callable[[], MetadataStore], steps: list) -> None:
    store, dataset = open_store(), next(_datasets)
    published: list[tuple[str, str, int]] = []
    delivered: dict[tuple[str, str, int], int] = {}
    for kind, argument in steps:
        if kind in ("listed", "event"):
            ones = [version(key, etag, at=at, dataset=dataset) for key, etag, at in argument]
            new = store.register([entry(one, dataset=dataset) for one in ones], listed=kind == "listed")
            assert new == len({one.identity for one in ones} - delivered.keys())
            for one in ones:
                delivered[one.identity] = delivered.get(one.identity, 0) + 1
        elif kind == "replay":
            published += _replay(store, dataset)
        elif kind == "retry":
            store.retry(dataset)
        else:
            published += _attempt(store, dataset, kind, argument)
    entries = list(store.objects(dataset))
    assert {one.object.identity: one.deliveries for one in entries} == delivered
    assert len(published) == len(set(published))
    assert {(one.key, one.etag, one.size) for one in store.published_content(dataset, DAY)} == set(published)
    for key in {one.object.key for one in entries}:
        assert sum(one.state == ObjectState.PENDING and one.object.key == key for one in entries) <= len(ETAGS)
        assert all(one.state == ObjectState.DONE for one in entries if one.object.identity in published)
    store.close()


def _replay(store: MetadataStore, dataset: str) -> list[tuple[str, str, int]]:
    """Whatever batches rejected, published now: of every key the newest version, whether others of it are published or not."""
    found = store.versions({one.object.key: None for one in store.objects(dataset)})
    newest = [[one for one in entries if one.state != ObjectState.REPLACED][-1:] for entries in found.values()]
    open_ = [one for entries in newest for one in entries if one.standing_in and not _is_published(store, dataset, one.object)]
    if not open_:
        return []
    objects = tuple(one.object for one in open_)
    made = batch(DAY, dataset=dataset, sources=[source(one) for one in objects], kind=Kind.REPLAY)
    asked = Proposal(made, objects, taken_up=tuple(TakenUp(one.object, one.standing_in) for one in open_))
    store.commit(asked)
    with pytest.raises(AlreadyPublished):
        store.commit(replace_(asked, batch=batch(DAY, dataset=dataset, kind=Kind.REPLAY)))
    return [one.identity for one in objects]


def _is_published(store: MetadataStore, dataset: str, one: ObjectVersion) -> bool:
    return one.identity in {(found.key, found.etag, found.size) for found in store.published_content(dataset, DAY)}


def _attempt(store: MetadataStore, dataset: str, kind: str, count: int) -> list[tuple[str, str, int]]:
    """One batch of pending objects; returns what it published."""
    objects: list[ObjectVersion] = [one.object for one in store.pending_objects(dataset, DAY, count, 1000)]
    if not objects or store.start_attempt(objects, 3) is None:
        return []
    if kind == "fail":
        store.fail_attempt(objects, "no luck", 3)
        return []
    if kind.startswith("commit"):
        made = batch(DAY, dataset=dataset, sources=[source(one) for one in objects])
        store.commit(Proposal(made, tuple(objects)))
        if kind == "commit twice":
            with pytest.raises(AlreadyPublished):
                store.commit(Proposal(batch(DAY, dataset=dataset), tuple(objects)))
        return [one.identity for one in objects]
    outcome = {"reject": Outcome.READ, "gone": Outcome.GONE, "changed": Outcome.CHANGED}[kind]
    sources = [source(one, outcome, "why") for one in objects]
    store.record(batch(DAY, dataset=dataset, sources=sources, status=Status.REJECTED), objects)
    return []
