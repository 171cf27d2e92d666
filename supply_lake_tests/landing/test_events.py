from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from supply_lake.errors import ObjectGone, StoreUnavailable, UsageError
from supply_lake.landing.events import Delivered, Seen, from_events, to_ask
from supply_lake.landing.messages import Notice
from supply_lake.landing.rules import Rules
from supply_lake_tests.landing.declared import NOW, dataset, version

RULES = Rules([dataset("shipments"), dataset("any", "any/{path}")])
KEY = "shipments/2026/11/24/a.csv"
GONE = ObjectGone("it is not there")


def enter(
    notices: Sequence[Notice],
    seen: Mapping[str, Seen],
    known: Mapping[str, set[tuple[str, int]]] | None = None,
    fingerprints: Mapping[str, int] | None = None,
) -> Delivered:
    return from_events(notices, seen, known or {}, RULES, fingerprints=fingerprints or {}, now=NOW)


def told(delivered: Delivered) -> list[tuple[str, str, int, str]]:
    return [(one.object.key, one.object.etag, one.deliveries, str(one.state)) for one in delivered.entries]


def test_e1_what_the_ledger_has_is_not_asked_for_again_and_its_delivery_counts() -> None:
    notices, known = [Notice(KEY, "1", 10), Notice(KEY, "1", 10)], {KEY: {("1", 10)}}
    assert to_ask(notices, known) == []
    assert told(enter(notices, {}, known)) == [(KEY, "1", 1, "replaced")] * 2  # a state that changes none


def test_e3_what_stands_there_counts_and_not_what_the_event_says() -> None:
    notices = [
        Notice(KEY, "newest", 10, sequencer="03"),
        Notice(KEY, "older", 10, "v2", "02"),
        Notice(KEY, "oldest", 10, "", "01"),
    ]
    assert to_ask(notices, {}) == [KEY]
    delivered = enter(notices, {KEY: version(KEY, "newest")})
    assert told(delivered) == [(KEY, "oldest", 1, "replaced"), (KEY, "older", 1, "replaced"), (KEY, "newest", 1, "pending")]
    assert [one.reason for one in delivered.entries] == [
        "it was overwritten or deleted before it was read",
        "it was overwritten or deleted before it was read; the bucket keeps it as version v2",
        "",
    ]
    assert {one.dataset for one in delivered.entries} == {"shipments"}


def test_e3_a_late_event_of_older_bytes_leaves_what_stands_there_alone() -> None:
    late = [Notice(KEY, "older", 10)]
    assert told(enter(late, {KEY: version(KEY, "newest")}, {KEY: {("newest", 10)}})) == [(KEY, "older", 1, "replaced")]


def test_bytes_that_no_event_told_of_yet_are_entered_when_they_are_seen() -> None:
    assert told(enter([Notice(KEY)], {KEY: version(KEY, "newest")})) == [(KEY, "newest", 1, "pending")]


def test_o2_an_object_that_is_gone_when_its_event_is_read_is_on_record() -> None:
    delivered = enter([Notice(KEY, "1", 10), Notice("any/b", "1", 10)], {KEY: GONE, "any/b": version("any/b")})
    assert told(delivered) == [(KEY, "1", 1, "replaced"), ("any/b", "1", 1, "pending")]
    assert (delivered.answered, delivered.unanswered) == (2, {})


def test_a_key_of_which_the_store_says_nothing_waits_and_its_neighbours_do_not() -> None:
    away = StoreUnavailable("it does not answer")
    delivered = enter([Notice(KEY, "1", 10), Notice("any/b", "1", 10)], {KEY: away, "any/b": version("any/b")})
    assert told(delivered) == [("any/b", "1", 1, "pending")]
    assert (delivered.answered, delivered.unanswered) == (1, {KEY: away})


def test_e7_events_of_folder_markers_and_of_keys_that_cannot_be_read_are_recorded() -> None:
    notices = [Notice("any/x/"), Notice("any//y"), Notice("any//y"), Notice("any/_SUCCESS", "1", 10)]
    assert to_ask(notices, {}) == ["any//y", "any/_SUCCESS"]
    delivered = enter(notices, {"any//y": UsageError("no key"), "any/_SUCCESS": GONE})
    assert told(delivered) == [("any/x/", "", 1, "ignored"), ("any//y", "", 2, "refused"), ("any/_SUCCESS", "1", 1, "ignored")]
    assert [one.reason for one in delivered.entries] == ["folder marker", "no key", "marker of another system"]


def test_folders_that_events_told_of_are_compared_by_the_next_listing() -> None:
    day = dt.date(2026, 11, 24)
    stored = {f"shipments/2026/11/24/@{day}": 7, f"any/@{day}": 8}
    assert enter([Notice(KEY, "1", 10)], {KEY: version(KEY)}, {}, stored).fingerprints == {f"shipments/2026/11/24/@{day}": 0}
    assert enter([Notice(KEY, "1", 10)], {}, {KEY: {("1", 10)}}, stored).fingerprints == {}
