"""Records that are pushed come out as they went in, whatever the dataset's format, and once however often they are pushed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake import Lake
from supply_lake.curate.curate import stage
from supply_lake.curate.source import Source
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UsageError
from supply_lake.landing.records import write_records
from supply_lake_tests.ingest.house import DAY, ORDERS, House

COLUMNS = [
    {"name": "id", "type": "int64"},
    {"name": "label", "type": "string"},
    {"name": "price", "type": "decimal(38,6)"},
    {"name": "weight", "type": "float64"},
    {"name": "at", "type": "timestamp"},
    {"name": "day", "type": "date"},
    {"name": "flag", "type": "boolean"},
]
FORMATS: list[dict[str, Any]] = [
    {"type": "csv"},
    {"type": "csv", "delimiter": ";", "decimal_mark": ",", "encoding": "utf-16"},
    {"type": "csv", "header": False},
    {"type": "csv", "delimiter": "||", "escape": "\\", "skip_lines": 2, "comment": "#"},
    {"type": "csv", "delimiter": "~", "quote": "", "escape": "\\"},
    {"type": "csv", "delimiter": "+|", "record_end": "&|\n", "quote": "'"},
    {"type": "json"},
    {"type": "json", "records_path": "data.items"},
    {"type": "jsonl"},
    {"type": "parquet"},
]
RECORD = st.fixed_dictionaries(
    {"id": st.integers(-(2**63), 2**63 - 1)},
    optional={
        "label": st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1),
        "price": st.none() | st.decimals(-(10**30), 10**30, places=6),
        "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "at": st.none() | st.datetimes(dt.datetime(1000, 1, 1), timezones=st.just(dt.UTC)),
        "day": st.none() | st.dates(dt.date(1000, 1, 1)),
        "flag": st.none() | st.booleans(),
    },
)


def spec_of(form: dict[str, Any]) -> DatasetSpec:
    return DatasetSpec.model_validate({**ORDERS, "format": form, "columns": COLUMNS, "error_threshold": 1})


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: "-".join(map(str, form.values())))
@given(records=st.lists(RECORD, min_size=1, max_size=8))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_goes_in_comes_out(form: dict[str, Any], records: list[dict[str, Any]], tmp_path: Path) -> None:
    spec, path = spec_of(form), tmp_path / "records"
    assert write_records(path, spec, iter(records)) == len(records)
    source = Source(0, "records", lambda: path.open("rb"), path.stat().st_size, dt.datetime.now(dt.UTC))
    with stage(spec, [source], landing_date=DAY, scratch=tmp_path / "scratch") as staged:
        assert staged.rows_rejected == 0
        settled = staged.settle([])
        rows = pl.concat(list(settled.tables(DAY)))
    names = [column["name"] for column in COLUMNS]
    assert rows.select(names).rows() == [tuple(record.get(name) for name in names) for record in records]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Callable[[str], tuple[House, Lake]]]:
    houses: list[House] = []

    def make(form: str) -> tuple[House, Lake]:
        houses.append(House(tmp_path / form, {**ORDERS, "format": {"type": form}}))
        return houses[-1], Lake(houses[-1].stores)

    yield make
    for house in houses:
        house.close()


ROWS = [{"order_id": "o1", "quantity": 1, "version": 1}, {"order_id": "o2", "quantity": None, "version": 2}]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows,
        iter,
        pa.Table.from_pylist,
        lambda rows: pa.Table.from_pylist(rows).to_batches()[0],
        lambda rows: pa.Table.from_pylist(rows).to_reader(),
        pl.DataFrame,
        lambda rows: pd.DataFrame(rows).convert_dtypes(),
    ],
    ids=["list", "iterator", "table", "batch", "reader", "polars", "pandas"],
)
def test_every_kind_of_records_lands_once_however_often_it_is_pushed(
    lake: Callable[[str], tuple[House, Lake]], form: str, make: Callable[[Any], Any]
) -> None:
    house, opened = lake(form)
    (first,) = opened.land("orders", records=make(ROWS), date=DAY)
    house.ingest()
    (again,) = opened.land("orders", records=make(ROWS), date=DAY)
    house.ingest()
    assert first.key == again.key
    assert first.key.startswith("orders/2026/11/01/pushed-")
    assert house.rows() == [("o1", 1, 1), ("o2", None, 2)]


def test_what_a_dialect_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds a sign of the format, which has neither `quote` nor `escape`"):
        write_records(tmp_path / "c", spec_of({"type": "csv", "quote": ""}), [{"label": "a,b"}])


def test_records_with_values_of_several_kinds_land_as_text(tmp_path: Path) -> None:
    spec, path = spec_of({"type": "parquet"}), tmp_path / "p"
    write_records(path, spec, [{"id": 1, "x": {"a": Decimal("1.10")}}, {"id": "one"}, {"id": 2.5, "y": None}])
    assert pl.read_parquet(path).rows() == [("1", {"a": Decimal("1.10")}, None), ("one", None, None), ("2.5", None, None)]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        ([], "there are no records to land"),
        ("text", "str is no set of records"),
        ({"order_id": "o1"}, "dict is no set of records"),
        ([("o1", 1)], "record 1 is a tuple"),
        ([{"order_id": float("nan")}], "cannot be written as jsonl"),
    ],
)
def test_what_is_no_records_is_refused(lake: Callable[[str], tuple[House, Lake]], records: Any, says: str) -> None:
    house, opened = lake("jsonl")
    with pytest.raises(UsageError, match=says):
        opened.land("orders", records=records)
    assert house.states() == {}
    house.discover()
    assert house.states() == {}


def test_a_stream_lands_once_it_has_ended_and_an_empty_one_is_refused(lake: Callable[[str], tuple[House, Lake]]) -> None:
    house, opened = lake("csv")
    (landed,) = opened.land("orders", data=b"order_id,quantity,version\no1,1,1\n", date=DAY)
    assert landed.key.endswith(".csv")
    with pytest.raises(UsageError, match="nothing came in, so nothing landed"):
        opened.land("orders", data=b"")
    house.ingest()
    assert house.rows() == [("o1", 1, 1)]
