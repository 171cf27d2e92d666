from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.storage.layout import KeyPattern, key_fault, new_snapshot_id, parse_snapshot_path, part_path, snapshot_dir

DATES = st.dates()
SEGMENTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1, max_size=40).filter(
    lambda text: text not in (".", "..")
)
PATTERNS = st.sampled_from(
    [
        "shipments/{yyyy}/{mm}/{dd}/{file}",
        "{yyyy}{mm}{dd}_{file}",
        "raw/dt={yyyy}-{mm}-{dd}/{file}",
        "returns/{file}",
        "deep/{path}",
        "deep/{yyyy}-{mm}-{dd}/{path}",
    ]
)


@given(date=DATES, number=st.integers(0, 99_999))
def test_a_part_path_says_what_it_was_made_from(date: dt.date, number: int) -> None:
    snapshot = new_snapshot_id()
    for path in (snapshot_dir("shipments", date, snapshot), part_path("shipments", date, snapshot, number)):
        found = parse_snapshot_path(path)
        assert found is not None
        assert (found.dataset, found.partition, found.snapshot_id) == ("shipments", date, snapshot)


def test_paths_that_are_no_snapshots_are_told() -> None:
    assert parse_snapshot_path("shipments/2026/11/24/a.csv") is None
    assert parse_snapshot_path("dataset=a/year=2026/month=02/day=30/snapshot_id=x/part-00000.parquet") is None


def test_snapshot_ids_sort_by_time() -> None:
    ids = [new_snapshot_id() for _ in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100


@given(pattern=PATTERNS, file=SEGMENTS, date=DATES)
def test_a_formatted_key_matches_its_pattern_and_tells_the_date(pattern: str, file: str, date: dt.date) -> None:
    key_pattern = KeyPattern(pattern)
    key = key_pattern.format(file, date)
    match = key_pattern.match(key)
    assert match is not None
    assert match.date == (date if key_pattern.dated else None)
    assert match.file.endswith(file)
    assert key.startswith(key_pattern.prefix_on(date))
    assert key.startswith(key_pattern.prefix)
    assert key_pattern.impossible_date(key) is None


@given(pattern=PATTERNS, file=SEGMENTS, date=DATES)
def test_a_file_lands_under_a_key_that_the_pattern_takes(pattern: str, file: str, date: dt.date) -> None:
    key_pattern = KeyPattern(pattern)
    try:
        key = key_pattern.key_for(file, None, today=date)
    except ValueError:
        return
    match = key_pattern.match(key)
    assert match is not None
    assert key.endswith(file)


@pytest.mark.parametrize(
    ("pattern", "file", "date", "key"),
    [
        ("jhu/{mm}-{dd}-{yyyy}.csv", "03-24-2020.csv", None, "jhu/03-24-2020.csv"),
        ("jhu/{mm}-{dd}-{yyyy}.csv", "report.csv", dt.date(2020, 3, 24), "jhu/03-24-2020.csv"),
        ("a/{yyyy}/{mm}/{dd}/{file}", "x y.csv", None, "a/2026/11/24/x y.csv"),
        ("a/{yyyy}/{mm}/{dd}/{file}", "{yyyy} {file}.csv", dt.date(2026, 1, 2), "a/2026/01/02/{yyyy} {file}.csv"),
        ("a/{yyyy}{mm}{dd}_{file}", "20260102_x.csv", None, "a/20260102_x.csv"),
        ("a/{yyyy}{mm}{dd}_{file}", "x.csv", None, "a/20261124_x.csv"),
        ("returns/*.csv", "x.csv", None, "returns/x.csv"),
        ("{file}", "x.csv", None, "x.csv"),
        ("early/{yyyy}/{mm}/{dd}/{file}", "x", dt.date(1, 2, 3), "early/0001/02/03/x"),
    ],
)
def test_where_a_file_lands(pattern: str, file: str, date: dt.date | None, key: str) -> None:
    assert KeyPattern(pattern).key_for(file, date, today=dt.date(2026, 11, 24)) == key


@pytest.mark.parametrize(
    ("pattern", "file", "date", "why"),
    [
        ("jhu/{mm}-{dd}-{yyyy}.csv", "report.csv", None, "does not fit"),
        ("jhu/{mm}-{dd}-{yyyy}.csv", "03-24-2020.csv", dt.date(2020, 3, 25), "says 2020-03-24, not 2020-03-25"),
        ("jhu/{mm}-{dd}-{yyyy}.csv", "02-30-2020.csv", None, "does not fit"),
        ("returns/*.csv", "x.json", None, "does not fit"),
        ("a/*/{file}", "x", None, "leaves its folder open"),
        ("a/{file}", "b/c", None, "no file name"),
    ],
)
def test_files_that_cannot_land_are_refused_with_the_reason(pattern: str, file: str, date: dt.date | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        KeyPattern(pattern).key_for(file, date, today=dt.date(2026, 11, 24))


def test_an_impossible_date_is_told_from_a_key_that_does_not_fit() -> None:
    pattern = KeyPattern("a/{yyyy}/{mm}/{dd}/{file}")
    assert pattern.impossible_date("a/2026/02/30/x") == "2026-02-30"
    assert pattern.match("a/2026/02/30/x") is None
    assert pattern.impossible_date("a/2026/02/x") is None


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("a//b", "empty"),
        ("/a", "empty"),
        ("a/", "empty"),
        ("", "empty"),
        ("a/../b", "`..`"),
        ("a\nb", "control"),
        ("é" * 513, "longer"),
    ],
)
def test_keys_that_no_store_holds(key: str, fault: str) -> None:
    assert fault in key_fault(key)


def test_a_key_of_1024_bytes_is_held() -> None:
    assert key_fault("é" * 512) == ""
