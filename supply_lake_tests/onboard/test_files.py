"""Several files as one dataset: their headers, their dates, and those that do not belong to it."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from supply_lake.errors import UnreadableObject
from supply_lake.onboard import reading
from supply_lake_tests.onboard.made import column, draft, spec, types

OLD = "Province/State,Country/Region,Last Update,Confirmed,Latitude\nHubei,China,1/22/2020 17:00,1,30.97\nAnhui,China,1/23/2020 9:00,2,31.5\n"
NEW = "FIPS,Province_State,Country_Region,Last_Update,Lat,Confirmed\n01001,Hubei,China,2020-03-24 23:19:34,30.98,5\n,Anhui,China,2020-03-24 23:19:34,31.8,6\n"


def test_p5_headers_that_differ_in_punctuation_are_one_column() -> None:
    made = draft({"01-22-2020.csv": OLD, "03-24-2020.csv": NEW})
    assert types(made) == {
        "fips": "string", "province_state": "string", "country_region": "string", "last_update": "timestamp", "lat": "decimal(12,2)",
        "confirmed": "int64",
    }  # fmt: skip
    assert spec(made).column("province_state").source == ("Province_State", "Province/State")
    assert spec(made).column("lat").source == ("Lat", "Latitude")
    assert "no file has both" in column(made, "lat").field.why
    assert made.proof is not None
    assert (made.proof.rows.published, made.proof.rows.rejected) == (4, 0)


def test_p5_names_that_stand_in_one_file_are_two_columns() -> None:
    assert list(types(draft({"a.csv": "lat,latitude\n1,2\n", "b.csv": "lat\n1\n"}))) == ["lat", "latitude"]


def test_p5_names_that_begin_alike_and_hold_other_things_are_two_columns() -> None:
    made = draft({"a.csv": "id,total\n1,5\n2,6\n", "b.csv": "id,total_text\n3,five\n4,six\n"})
    assert set(types(made)) == {"id", "total", "total_text"}


@pytest.mark.parametrize(
    ("names", "pattern", "first"),
    [
        (["2010-12-01.csv", "2010-12-02.csv"], "things/{yyyy}-{mm}-{dd}.csv", dt.date(2010, 12, 1)),
        (["01-22-2020.csv", "03-01-2020.csv"], "things/{mm}-{dd}-{yyyy}.csv", dt.date(2020, 1, 22)),
        (["22.01.2020.csv", "01.03.2020.csv"], "things/{dd}.{mm}.{yyyy}.csv", dt.date(2020, 1, 22)),
        (["sales_20200131.csv.gz"], "things/sales_{yyyy}{mm}{dd}.csv.gz", dt.date(2020, 1, 31)),
        (["eu_2020-01-31.csv", "us_2020-01-31.csv"], "things/*{yyyy}-{mm}-{dd}.csv", dt.date(2020, 1, 31)),
        (["a_20200131T1200.csv", "a_20200201T1300.csv"], "things/a_{yyyy}{mm}{dd}*.csv", dt.date(2020, 1, 31)),
    ],
)
def test_the_date_in_the_names_of_files(names: list[str], pattern: str, first: dt.date) -> None:
    made = draft({name: f"id,v\n{at},2\n" for at, name in enumerate(names)})
    declared = spec(made)
    assert declared.landing.pattern == pattern
    assert made.dating.dates[0] == first
    assert declared.start_date == first.replace(month=1, day=1)
    assert declared.key_pattern.match(f"things/{names[0]}").date == first  # type: ignore[union-attr]


def test_a_date_in_names_that_is_not_proved_is_a_doubt() -> None:
    made = draft({"03-04-2020.csv": "id,v\n1,2\n", "05-06-2020.csv": "id,v\n2,3\n"})
    assert made.dating.pattern == ""
    assert any("mm-dd-yyyy as well as dd-mm-yyyy" in doubt for doubt in made.doubts)


@pytest.mark.parametrize(
    ("keys", "pattern"),
    [
        (["raw/x/2026/01/01/a.csv", "raw/x/2026/01/02/b.csv"], "raw/x/{yyyy}/{mm}/{dd}/{file}"),
        (["raw/x/2026-01-01.csv", "raw/x/2026-01-02.csv"], "raw/x/{yyyy}-{mm}-{dd}.csv"),
        (["raw/x/a.csv", "raw/x/b.csv"], "raw/x/{file}"),
        (["raw/x/eu/a.csv", "raw/x/us/b.csv"], "raw/x/{path}"),
    ],
)
def test_keys_that_have_landed_give_the_pattern(keys: list[str], pattern: str) -> None:
    made = draft({key: f"id,v\n{at},2\n" for at, key in enumerate(keys)}, landed=True)
    assert spec(made).landing.pattern == pattern
    assert all(spec(made).key_pattern.match(key) for key in keys)


def test_how_often_files_come_is_how_fresh_they_are() -> None:
    days = ["2026-01-01", "2026-01-02", "2026-01-05", "2026-01-06"]
    assert draft({f"{day}.csv": f"id,v\n{at},2\n" for at, day in enumerate(days)}).freshness == 74.0
    assert draft("id,v\n1,2\n").freshness is None


def test_files_of_another_kind_are_left_out_with_the_reason() -> None:
    made = draft({"a.csv": "id,v\n1,2\n", "b.csv": "id,v\n2,2\n", "c.json": '[{"x": 1}]', "d.pdf": "%PDF", "e.csv": ""})
    assert [one.file for one in made.sample.files] == ["a.csv", "b.csv"]
    assert dict(made.sample.left_out) == {
        "c.json": "is json, and most files are csv", "d.pdf": "is a PDF", "e.csv": "is empty",
    }  # fmt: skip


def test_a_file_that_cannot_be_read_to_its_end_is_told() -> None:
    made = draft({"a.jsonl": '{"a": 1}\n{"a": 2}\n', "b.jsonl": '{"a": 3}\nnot json\n'})
    assert (made.gathered.rows, made.gathered.bad) == (3, 1)
    assert any("1 record could not be told apart, such as line 2" in doubt for doubt in made.doubts)


def test_nothing_but_files_of_no_use() -> None:
    with pytest.raises(UnreadableObject, match=r"a.pdf is a PDF, and so it is with 1 other file"):
        draft({"a.pdf": "%PDF", "b.pdf": "%PDF"})


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_of_a_file_that_is_too_large_the_beginning_is_read(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": at, "name": f"name number {at}"} for at in range(600_000)]
    text = (
        "id,name\n" + "".join(f"{row['id']},{row['name']}\n" for row in rows)
        if form == "csv"
        else "\n".join(map(json.dumps, rows))
    )
    monkeypatch.setattr(reading.gather, "__defaults__", (1_000_000,))
    made = draft(text)
    assert 1_000 < made.gathered.rows < 600_000
    assert made.proof is None
    assert any("things.dat is larger than a sample may be" in doubt for doubt in made.doubts)
    assert types(made) == {"id": "int64", "name": "string"}
