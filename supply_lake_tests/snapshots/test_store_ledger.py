"""What every metadata store does with landed objects, one promise per test."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import Outcome, Status
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots.made_up import (
    DAY,
    NEXT_DAY,
    Clock,
    batch,
    entry,
    proposal,
    source,
    states,
    the_entry,
    version,
)

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


def test_prefix_fingerprints_under_some_prefixes(store: MetadataStore) -> None:
    folders = [
        "orders/2026/11/01/",
        "orders/2026/11/02/",
        "orders/2026/11/01/sub/",
        "parts/",
        "rules",
        "x%_y/",
        f"{'é' * 600}/a/",
    ]
    store.set_prefix_fingerprints({f"{one}@2026-11-01": number for number, one in enumerate(folders)})

    def found(*prefixes: str) -> list[int]:
        return sorted(store.prefix_fingerprints(prefixes).values())

    assert found("orders/2026/11/01/", "rules") == [0, 2, 4]
    assert found("x%") == found("x%_y/@") == [5]
    assert found("é" * 600) == [6]
    assert found("nothing", "orders/2026/11/02/") == [1]
    assert found(*(f"orders/2026/{n}/" for n in range(300))) == [0, 1, 2]
    assert found() == []


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


def test_retry_takes_up_what_was_set_aside(store: MetadataStore) -> None:
    aside, rejected, published, later = version("a", "a"), version("b", "b"), version("c", "c"), version("d", "d")
    store.register([entry(aside), entry(rejected), entry(published), entry(later, landing_date=NEXT_DAY)])
    for one in (aside, later):
        store.start_attempt([one], 1)
        store.fail_attempt([one], "no", 1)
    store.record(batch(DAY, sources=[source(rejected)], status=Status.REJECTED, reason="bad"), [rejected])
    store.commit(proposal(DAY, objects=[published]))
    assert store.retry("sales") == 0
    assert store.retry("orders", DAY) == 1
    assert states(store) == {"a": "pending", "b": "done", "c": "done", "d": "set_aside"}
    found = the_entry(store, aside)
    assert (found.attempts, found.reason, found.batch_id) == (0, "", "")
    assert store.retry("orders") == 1
    assert store.retry("orders") == 0


def test_retry_takes_only_the_newest_version_of_a_key(store: MetadataStore) -> None:
    old, new = version(etag="old"), version(etag="new", at=1)
    for one in (old, new):
        store.register([entry(one)])
        store.start_attempt([one], 1)
        store.fail_attempt([one], "no", 1)
    assert store.retry("orders") == 1
    assert states(store) == {"old": "set_aside", "new": "pending"}


def test_versions_of_a_key_come_in_the_order_in_which_they_came_to_stand(store: MetadataStore) -> None:
    old, new, other = version(etag="old", at=5), version(etag="new", at=1), version("b.csv", "b")
    store.register([entry(old)])
    store.register([entry(new), entry(other)], listed=True)
    found = store.versions([old.key, other.key, "never seen"])
    assert {key: [one.object.etag for one in entries] for key, entries in found.items()} == {
        old.key: ["old", "new"],
        other.key: ["b"],
    }
    assert store.versions([]) == {}
    many = [f"orders/2026/11/01/{n}.csv" for n in range(40_000)]
    assert list(store.versions([*many, other.key])) == [other.key]
