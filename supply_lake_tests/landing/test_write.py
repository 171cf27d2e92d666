from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest

from supply_lake.errors import UsageError
from supply_lake.landing.write import land
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.landing.declared import NOW, dataset


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "landing"))


def read(store: ObjectStore, key: str) -> bytes:
    with store.read(key) as file:
        return file.read()


def test_a_file_lands_under_its_datasets_pattern(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "a b.csv"
    file.write_bytes(b"1")
    assert land(store, dataset("shipments"), file, now=NOW).key == "shipments/2026/11/24/a b.csv"
    assert land(store, dataset("shipments"), file, date=dt.date(2026, 1, 2), now=NOW).key == "shipments/2026/01/02/a b.csv"
    assert land(store, dataset("shipments"), b"2", name="c.csv", now=NOW).key == "shipments/2026/11/24/c.csv"
    assert land(store, dataset("shipments"), io.BytesIO(b"3"), name="d.csv", now=NOW).key == "shipments/2026/11/24/d.csv"
    assert [read(store, f"shipments/2026/11/24/{name}") for name in ("a b.csv", "c.csv", "d.csv")] == [b"1", b"2", b"3"]


def test_the_name_may_tell_the_date(store: ObjectStore) -> None:
    spec = dataset("jhu", "jhu/{mm}-{dd}-{yyyy}.csv")
    assert land(store, spec, b"", name="03-24-2020.csv", now=NOW).key == "jhu/03-24-2020.csv"


def test_landing_again_makes_another_version(store: ObjectStore) -> None:
    first = land(store, dataset("a"), b"1", name="x.csv", now=NOW)
    second = land(store, dataset("a"), b"2", name="x.csv", now=NOW)
    assert first.key == second.key
    assert first.identity != second.identity


def test_today_is_that_of_utc(store: ObjectStore) -> None:
    late = dt.datetime(2026, 11, 24, 23, 0, tzinfo=dt.timezone(dt.timedelta(hours=-8)))
    assert land(store, dataset("a"), b"", name="x.csv", now=late).key == "a/2026/11/25/x.csv"


@pytest.mark.parametrize(
    ("pattern", "name", "date", "why"),
    [
        ("jhu/{mm}-{dd}-{yyyy}.csv", "x.csv", None, "does not fit"),
        ("jhu/{mm}-{dd}-{yyyy}.csv", "03-24-2020.csv", dt.date(2020, 3, 25), "says 2020-03-24"),
        ("", "x.csv", dt.date(2019, 12, 31), "before 2020-01-01"),
        ("", "x.csv", dt.date(2026, 11, 26), "in the future"),
        ("", "x.csv.tmp", None, "temporary name"),
        ("", "_SUCCESS", None, "marker of another system"),
        ("", "a/b.csv", None, "no file name"),
        ("", "", None, "no file name"),
        ("a/*/{file}", "x.csv", None, "leaves its folder open"),
        ("", "tab\there.csv", None, "control character"),
    ],
)
def test_what_would_not_be_taken_up_does_not_land(
    store: ObjectStore, pattern: str, name: str, date: dt.date | None, why: str
) -> None:
    with pytest.raises(UsageError, match=why) as raised:
        land(store, dataset("a", pattern), b"", name=name, date=date, now=NOW)
    assert str(raised.value).startswith("a: ")
    assert [batch for batch in store.list() if batch.num_rows] == []


def test_a_file_that_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no file"):
        land(store, dataset("a"), tmp_path / "nothing.csv", now=NOW)
