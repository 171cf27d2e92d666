from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules, own_prefixes
from supply_lake.storage.layout import PULLS, part_path
from supply_lake_tests.landing.declared import NOW, START, TODAY, dataset, version

RULES = Rules(
    [
        dataset("shipments"),
        dataset("jhu", "jhu/{mm}-{dd}-{yyyy}.csv"),
        dataset("returns", "returns/{file}"),
        dataset("deep", "archive/{path}"),
        dataset("rooted", "{yyyy}{mm}{dd}-orders-*.json"),
    ],
    own=("lake/", "shipments/rejects/"),
)


@pytest.mark.parametrize(
    ("key", "name", "date"),
    [
        ("shipments/2026/11/24/a.csv", "shipments", TODAY),
        ("shipments/2020/01/01/a b+c%20.csv", "shipments", START),
        ("shipments/2026/11/25/early.csv", "shipments", dt.date(2026, 11, 25)),
        ("jhu/03-24-2020.csv", "jhu", dt.date(2020, 3, 24)),
        ("20261101-orders-7.json", "rooted", dt.date(2026, 11, 1)),
        ("returns/x.csv", "returns", TODAY),
        ("archive/any/depth/x.csv.gz", "deep", TODAY),
    ],
)
def test_keys_are_placed_by_the_datasets_patterns(key: str, name: str, date: dt.date) -> None:
    entry = RULES.place(version(key), NOW)
    assert (entry.state, entry.dataset, entry.landing_date, entry.reason) == (ObjectState.PENDING, name, date, "")
    assert entry.first_seen == NOW


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("shipments/2026/11/24/", "folder marker"),
        ("shipments/2026/11/_$folder$", "folder marker"),
        ("shipments/2026/11/24/_SUCCESS", "marker of another system"),
        ("shipments/2026/11/24/_committed_123", "marker of another system"),
        ("shipments/2026/11/24/_started_123", "marker of another system"),
        ("archive/_temporary/0/part-0.csv", "marker of another system"),
        ("shipments/2026/11/24/._a.csv", "hidden file"),
        ("shipments/2026/11/24/.a.csv.swp", "hidden file"),
        ("archive/.git/config", "hidden file"),
        ("shipments/2026/11/24/a.csv.tmp", "temporary name"),
        ("shipments/2026/11/24/a.csv.part", "temporary name"),
        ("shipments/2026/11/24/a.csv.crdownload", "temporary name"),
        ("shipments/2026/11/24/A.CSV.TMP", "temporary name"),
        ("shipments/2026/11/24/a.csv~", "temporary name"),
        ("shipments/2026/11/24/~$a.csv", "temporary name"),
        ("returns/Thumbs.db", "file of an operating system"),
        ("lake/x.csv", "the lake's own output"),
        ("shipments/rejects/x.csv", "the lake's own output"),
        (f"archive/{part_path('shipments', TODAY, 'x', 0)}", "the lake's own output"),
    ],
)
def test_e7_what_is_no_data_is_ignored_with_the_reason(key: str, why: str) -> None:
    entry = RULES.place(version(key), NOW)
    assert (entry.state, entry.dataset, entry.reason) == (ObjectState.IGNORED, "", why)


def test_e7_a_folder_marker_that_is_listed_without_its_slash() -> None:
    for key in ("shipments/2026/11", "archive/old"):
        entry = RULES.place(version(key, size=0), NOW)
        assert (entry.state, entry.reason) == (ObjectState.IGNORED, "zero bytes and no extension: a folder marker")
    assert RULES.place(version("returns/empty.csv", size=0), NOW).state is ObjectState.PENDING


@pytest.mark.parametrize(
    "key",
    ["shipments/2026/11/24/part-0.csv", "shipments/2026/11/24/_data.csv", "shipments/2026/11/24/tmp.csv", "returns/a.partner"],
)
def test_e7_what_only_looks_a_little_like_that_is_taken(key: str) -> None:
    assert RULES.place(version(key), NOW).state is ObjectState.PENDING


@pytest.mark.parametrize(
    ("key", "name", "date", "why"),
    [
        ("nobody/x.csv", "", None, "no dataset takes this key"),
        ("shipments/2026/11/x.csv", "", None, "no dataset takes this key"),
        ("shipments/2026/11/24/sub/x.csv", "", None, "no dataset takes this key"),
        ("shipments/2026/02/30/x.csv", "shipments", None, "no calendar has 2026-02-30"),
        ("jhu/13-01-2020.csv", "jhu", None, "no calendar has 2020-13-01"),
        ("shipments/2019/12/31/x.csv", "shipments", dt.date(2019, 12, 31), "before 2020-01-01, the `start_date` of shipments"),
        ("shipments/2026/11/26/x.csv", "shipments", dt.date(2026, 11, 26), "in the future"),
        ("returns//x.csv", "", None, "empty"),
        ("returns/a\tb.csv", "", None, "control character"),
    ],
)
def test_keys_that_cannot_be_placed_are_refused_with_the_reason(key: str, name: str, date: dt.date | None, why: str) -> None:
    entry = RULES.place(version(key), NOW)
    assert (entry.state, entry.dataset, entry.landing_date) == (ObjectState.REFUSED, name, date)
    assert why in entry.reason


def test_a_key_that_two_datasets_take_is_refused() -> None:
    rules = Rules([dataset("a", "in/{file}"), dataset("b", "in/*.csv")])
    assert rules.place(version("in/x.csv"), NOW).reason.startswith("a and b both take this key")
    assert rules.place(version("in/x.json"), NOW).dataset == "a"


@pytest.mark.parametrize(
    ("modified", "date"),
    [
        (dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5))), dt.date(2026, 11, 21)),
        (dt.datetime(1999, 1, 1, tzinfo=dt.UTC), TODAY),
        (dt.datetime(2040, 1, 1, tzinfo=dt.UTC), TODAY),
    ],
)
def test_without_a_date_in_the_key_the_day_of_arrival_counts(modified: dt.datetime, date: dt.date) -> None:
    assert RULES.place(version("returns/x.csv", modified=modified), NOW).landing_date == date


@given(st.text(max_size=40), st.integers(0, 5))
def test_every_key_is_placed_or_has_a_reason(key: str, size: int) -> None:
    entry = RULES.place(version(key, size=size), NOW)
    assert bool(entry.reason) == (entry.state is not ObjectState.PENDING)
    assert bool(entry.dataset and entry.landing_date) or entry.state is not ObjectState.PENDING


def test_the_fingerprint_changes_with_what_may_be_taken() -> None:
    specs = [dataset("a"), dataset("b")]
    now = Rules(specs).fingerprint(NOW)
    assert now == Rules(specs[::-1]).fingerprint(NOW + dt.timedelta(hours=11))
    assert now != Rules(specs).fingerprint(NOW + dt.timedelta(days=1))
    assert now != Rules([dataset("a"), dataset("b", "x/{file}")]).fingerprint(NOW)


def test_roots_inside_landing_are_the_lakes_own() -> None:
    others = ["/data/landing/lake", "/data/rejects", "/data/landing-other", "/data/landing", "/data/landing/x/rejects/"]
    assert own_prefixes("/data/landing", others) == (PULLS, "lake/", "x/rejects/")
    assert own_prefixes("s3://bucket", ["s3://bucket/lake", "s3://bucket-2/lake"]) == (PULLS, "lake/")
