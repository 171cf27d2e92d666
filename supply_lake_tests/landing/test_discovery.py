from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.landing import discovery
from supply_lake.landing.discovery import RULES, Discovery, discover, reconsider, stale
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import ObjectVersion
from supply_lake_tests.landing.declared import NOW, Ledger, batches, dataset, version

SHIPMENTS = Rules([dataset("shipments"), dataset("returns", "returns/{path}")])


def look(ledger: Ledger, versions: list[ObjectVersion], **options: object) -> Discovery:
    """One tick: discover, register, remember."""
    rows = options.pop("rows", 1000)
    options = {"rules": SHIPMENTS, "now": NOW} | options
    found = discover(
        batches(versions, rows),
        known=ledger.known,
        fingerprints=ledger.fingerprints,
        **options,  # type: ignore[arg-type]
    )
    ledger.register(found.entries)
    ledger.fingerprints |= found.fingerprints
    return found


def keys(found: Discovery) -> list[str]:
    return [entry.object.key for entry in found.entries]


def day(number: int, name: str) -> str:
    return f"shipments/2026/11/{number:02}/{name}"


def test_e2_an_object_of_which_no_event_tells_is_found_by_the_listing() -> None:
    ledger = Ledger()
    look(ledger, [version(day(1, "a"))])
    found = look(ledger, [version(day(1, "a")), version(day(1, "b"))])
    assert keys(found) == [day(1, "b")]


def test_e1_what_is_known_is_not_entered_again() -> None:
    ledger = Ledger()
    here = [version(day(1, "a")), version(day(2, "b"))]
    assert len(look(ledger, here).entries) == 2
    for _ in range(3):
        again = look(ledger, here)
        assert (again.entries, again.compared, again.listed, again.rules_changed) == ([], 0, 2, False)


def test_the_ledger_is_asked_only_about_folders_that_changed() -> None:
    ledger = Ledger()
    here = [version(day(number, name)) for number in range(1, 21) for name in "abcdefghij"]
    look(ledger, here)
    ledger.asked.clear()
    found = look(ledger, [*here, version(day(7, "new"))])
    assert keys(found) == [day(7, "new")]
    assert found.compared == 11
    assert set(ledger.asked) == {key for key in (one.key for one in here) if key.startswith("shipments/2026/11/07/")} | {
        day(7, "new")
    }


def test_in_a_flat_folder_only_the_day_of_arrival_is_compared() -> None:
    ledger = Ledger()
    old = [version(f"returns/{number}.csv", modified=NOW - dt.timedelta(days=number % 10 + 1)) for number in range(100)]
    look(ledger, old)
    found = look(ledger, [*old, version("returns/new.csv")])
    assert keys(found) == ["returns/new.csv"]
    assert found.compared == 1


def test_o1_an_overwritten_object_is_a_new_version_even_within_the_same_second() -> None:
    ledger = Ledger()
    look(ledger, [version(day(1, "a"), etag="1")])
    assert [entry.object.etag for entry in look(ledger, [version(day(1, "a"), etag="2")]).entries] == ["2"]
    assert [entry.object.size for entry in look(ledger, [version(day(1, "a"), etag="2", size=11)]).entries] == [11]


@settings(max_examples=50)
@given(
    steps=st.lists(
        st.lists(
            st.tuples(st.integers(1, 3), st.sampled_from("abcd"), st.integers(0, 3), st.integers(-2, 2)), min_size=1, max_size=6
        ),
        min_size=1,
        max_size=6,
    ),
    seed=st.randoms(use_true_random=False),
    rows=st.integers(1, 5),
)
def test_e8_none_is_missed_and_none_entered_twice_whatever_times_and_order(
    steps: list[list[tuple[int, str, int, int]]], seed: random.Random, rows: int
) -> None:
    ledger = Ledger()
    here: dict[str, ObjectVersion] = {}
    seen: set[tuple[str, str, int]] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discovery, "_ROWS_AT_ONCE", rows)
        for step in steps:
            for number, name, etag, hours in step:  # few seconds, many ties, a clock that goes back and forth
                here[day(number, name)] = version(day(number, name), str(etag), modified=NOW + dt.timedelta(hours=hours))
            listed = list(here.values())
            seed.shuffle(listed)
            look(ledger, listed, rows=rows)
            seen |= {one.identity for one in listed}
            assert set(ledger.entries) == seen


def test_e9_a_flood_is_taken_up_over_several_ticks_in_bounded_memory() -> None:
    ledger, count, cap = Ledger(), 100_000, 20_000
    folders = [f"shipments/2026/11/{number + 1:02}/" for number in range(20)]
    flood = [
        batch for folder in folders for batch in batches((version(f"{folder}{one}") for one in range(count // 20)), rows=5_000)
    ]
    for tick in range(count // cap):
        ledger.asked.clear()
        if measured := tick == 4:  # measuring is slow
            tracemalloc.start()
        found = discover(flood, ledger.known, SHIPMENTS, ledger.fingerprints, NOW, max_entries=cap)
        if measured:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 50 * 1024**2
        assert len(found.entries) == cap
        assert found.deferred == count - cap * (tick + 1)
        assert len(ledger.asked) <= cap + 10_000
        ledger.register(found.entries)
        ledger.fingerprints |= found.fingerprints
    assert discover(flood, ledger.known, SHIPMENTS, ledger.fingerprints, NOW, max_entries=cap).entries == []
    assert len(ledger.entries) == count


def test_e9_a_folder_is_not_passed_over_before_all_of_it_is_entered() -> None:
    ledger = Ledger()
    here = [version(day(1, str(number))) for number in range(25)]
    for expected in (10, 10, 5, 0):
        assert len(look(ledger, here, max_entries=10).entries) == expected
    assert {entry.object for entry in ledger.entries.values()} == set(here)


def test_what_is_not_ready_waits_and_is_found_later() -> None:
    ledger = Ledger()
    here = [version(day(1, "a")), version(day(1, "b")), version(day(2, "c"))]
    found = look(ledger, here, unsettled=lambda _, __: {day(1, "a"): "it is open for writing"})
    assert (keys(found), found.deferred, found.waiting) == (
        [day(1, "b"), day(2, "c")],
        0,
        {day(1, "a"): "it is open for writing"},
    )
    assert [bucket for bucket in found.fingerprints if bucket.startswith("shipments/2026/11/01/")] == []
    assert keys(look(ledger, here, unsettled=lambda _, __: {})) == [day(1, "a")]


def test_only_what_is_new_is_asked_whether_it_is_ready() -> None:
    ledger = Ledger()
    look(ledger, [version(day(1, "a")), version(day(1, "b"), "old")])
    asked: list[object] = []

    def unsettled(versions: object, known: object) -> dict[str, str]:
        asked.extend((versions, known))
        return {}

    look(ledger, [version(day(1, "a")), version(day(1, "b"), "new")], unsettled=unsettled)
    assert asked == [[version(day(1, "b"), "new")], {day(1, "a"): {("1", 10)}, day(1, "b"): {("old", 10)}}]


def test_what_was_deleted_and_comes_back_as_it_was_is_compared_again() -> None:
    ledger = Ledger()
    look(ledger, [version(day(1, "a"))])
    gone = look(ledger, [])
    assert list(gone.fingerprints.values()) == [0]
    assert look(ledger, []).fingerprints == {}
    ledger.forget()
    assert keys(look(ledger, [version(day(1, "a"))])) == [day(1, "a")]


def test_a_listing_of_some_folders_says_nothing_of_the_others() -> None:
    ledger = Ledger()
    look(ledger, [version(day(1, "a")), version(day(2, "b"))])
    before = dict(ledger.fingerprints)
    found = look(ledger, [version(day(2, "b"))], prefixes=("shipments/2026/11/02/",))
    assert found.fingerprints == {}
    assert ledger.fingerprints == before
    gone = look(ledger, [], prefixes=("shipments/2026/11/02/",))
    assert [bucket.rpartition("@")[0] for bucket in gone.fingerprints] == ["shipments/2026/11/02/"]


def test_folders_whose_keys_the_ledger_learned_of_otherwise_are_compared_again() -> None:
    ledger = Ledger()
    here = [version(day(1, "a")), version(day(2, "b"))]
    look(ledger, here)
    ledger.fingerprints |= stale(ledger.fingerprints, [day(1, "z")])
    assert look(ledger, here).compared == 1
    assert look(ledger, here).compared == 0
    assert stale({RULES: 7}, ["a", "b/c"]) == {}


def test_e7_what_is_ignored_or_refused_is_on_record_once() -> None:
    ledger = Ledger()
    here = [version(day(1, "_SUCCESS")), version("nobody/x.csv")]
    found = look(ledger, here)
    assert {entry.object.key: entry.state for entry in found.entries} == {
        day(1, "_SUCCESS"): ObjectState.IGNORED,
        "nobody/x.csv": ObjectState.REFUSED,
    }
    assert look(ledger, here).entries == []


def test_e7_the_lakes_own_output_inside_landing_is_passed_over_unrecorded() -> None:
    rules = Rules([dataset("all", "{path}")], own=("lake/",))
    found = look(Ledger(), [version("lake/x.parquet"), version("a.csv")], rules=rules)
    assert keys(found) == ["a.csv"]


def test_refused_objects_are_reconsidered_when_a_dataset_takes_them() -> None:
    ledger = Ledger()
    here = [version("orders/2026/11/24/a.csv"), version("nobody/b.csv")]
    assert look(ledger, here).rules_changed
    assert not look(ledger, here).rules_changed
    more = Rules([dataset("shipments"), dataset("orders")])
    assert look(ledger, here, rules=more).rules_changed
    (taken,) = reconsider(ledger.entries.values(), more, NOW)
    assert (taken.object, taken.dataset, taken.state, taken.deliveries) == (here[0], "orders", ObjectState.PENDING, 0)


def test_tomorrow_is_no_longer_the_future_a_day_later() -> None:
    ledger = Ledger()
    here = [version("shipments/2026/11/26/a.csv")]
    assert look(ledger, here).entries[0].state is ObjectState.REFUSED
    later = NOW + dt.timedelta(days=1)
    assert look(ledger, here, now=later).rules_changed
    (taken,) = reconsider(ledger.entries.values(), SHIPMENTS, later)
    assert taken.landing_date == dt.date(2026, 11, 26)


def test_fingerprints_are_those_of_any_process() -> None:
    program = (
        "from supply_lake_tests.landing.test_discovery import *\n"
        "print(look(Ledger(), [version(day(1, 'a')), version(day(1, 'ü'))]).fingerprints)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    here = look(Ledger(), [version(day(1, "ü")), version(day(1, "a"))]).fingerprints
    assert out.strip() == str(here)
    assert all(0 < value < 2**63 for value in here.values())


@given(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1), st.sampled_from("abcdef"))
def test_a_fingerprint_changes_with_any_object_of_its_folder(names: list[str], changed: str) -> None:
    def of(versions: list[ObjectVersion]) -> dict[str, int]:
        return look(Ledger(), versions).fingerprints

    here = [version(day(1, name)) for name in names]
    before = of(here)
    assert of(here[::-1]) == before
    for other in (
        [*here, version(day(1, "more"))],
        here[1:],
        *([replace(one, etag="2") if one.key.endswith(changed) else one for one in here],) * (changed in names),
        *([replace(one, size=11) if one.key.endswith(changed) else one for one in here],) * (changed in names),
        *([replace(one, modified=NOW + dt.timedelta(seconds=1)) if one.key.endswith(changed) else one for one in here],)
        * (changed in names),
    ):
        assert of(other) != before
