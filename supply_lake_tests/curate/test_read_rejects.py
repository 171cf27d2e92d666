"""Rejected rows read again from what was kept of them: the same rows as from the file, one record each."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.curate.curate import Delivery, Kept
from supply_lake.datasets.spec import DatasetSpec
from supply_lake_tests.curate.curation import Curated, column, curate, dataset

ID, N = column("id"), column("n", "int64")


def again(spec: DatasetSpec, before: Curated, **options: Any) -> Curated:
    """What was rejected, under another declaration."""
    keys = tuple(before.rejects["source"].unique(maintain_order=True))
    return curate(spec, kept=Kept(keys, lambda: iter([before.rejects])), **options)


def spec(*columns: dict[str, Any] | str, **fields: Any) -> DatasetSpec:
    return dataset(*columns, **{"error_threshold": 1.0, **fields})


def test_m4_rows_that_broke_a_rule_are_read_from_their_raw_values() -> None:
    strict = spec(ID, column("n", "int64", checks={"ge": 0}))
    before = curate(strict, 'id,n\na,1\n"b,""\nb",-2\n007,-03\nd,\ne,x\n')
    done = again(spec(ID, N), before)
    assert sorted(done.values) == [("007", -3), ('b,"\nb', -2)]
    assert sorted(done.lines) == [3, 5]
    assert done.set_aside() == [(7, [("n", "x")])]
    assert done.rows.landed == 3


def test_m4_records_of_several_headers_and_objects_keep_their_own() -> None:
    strict = spec(ID, column("n", "int64", checks={"ge": 0}))
    before = curate(strict, "id,n\na,-1\n", "n,extra,id\n-2,more,b\n")
    done = again(spec(ID, N), before)
    assert sorted(done.frame.select("id", "n", "extra", "_source").rows()) == [
        ("a", -1, None, "0.dat"),
        ("b", -2, "more", "1.dat"),
    ]


@pytest.mark.parametrize(
    ("data", "was", "now"),
    [
        (b'id,n\na,1\n"b,2\n', {}, {"quote": ""}),
        (b'id,n\na,1\n"b,c",2\n', {"quote": "'"}, {}),
        ("id,n\na,1\né,2\n".encode("latin-1"), {}, {"encoding": "latin-1"}),
        ("id,n\na,1\nü€,2\n".encode("cp1252"), {}, {"encoding": "cp1252"}),
        (b"id,n\na,1\n\x81\xe9,2\n", {"encoding": "cp1252"}, {"encoding": "latin-1"}),
    ],
    ids=["no quotes", "other quotes", "latin-1", "cp1252", "from one encoding to another"],
)
def test_m4_records_that_could_not_be_parsed_are_read_by_the_format_of_today(
    data: bytes, was: dict[str, Any], now: dict[str, Any]
) -> None:
    before = curate(spec(ID, N, format={"type": "csv", **was}), data)
    assert before.rows.rejected == 1
    mended = spec(ID, N, format={"type": "csv", **now})
    done, fresh = again(mended, before), curate(mended, data)
    assert done.rows.landed == 1
    line = before.rejects["line"][0]
    assert done.frame.drop("_snapshot_id").rows() == fresh.frame.filter(pl.col("_line") == line).drop("_snapshot_id").rows()


@pytest.mark.parametrize("data", ["id,n\na,1\nb\n", 'id,n\na,1\n"b\n,2\n'], ids=["too few fields", "an open quote"])
def test_m4_what_is_no_record_still_stays_as_it_is(data: str) -> None:
    before = curate(spec(ID, N), data)
    done = again(spec(ID, N), before)
    assert done.rejects.sort("line").rows() == before.rejects.sort("line").rows()


def test_m4_a_record_that_would_be_none_or_several_stays_rejected() -> None:
    before = curate(spec(ID, column("n"), column("m"), format={"type": "csv", "quote": ""}), 'id,n,m\na,b,c,d\n   \n"x","y"\n')
    done = again(spec(ID, column("n"), column("m"), format={"type": "csv", "header": False}), before)
    assert (done.rows.landed, done.rows.rejected) == (before.rows.rejected, before.rows.rejected)


def test_m4_nothing_of_a_long_record_is_lost() -> None:
    long = "x" * 300_000
    before = curate(spec(ID, N), f"id,n\na,1\n{long},2,3\n")
    assert before.raws() == [f"{long},2,3"]
    lines = curate(spec(ID, format={"type": "jsonl"}), '{"id": "a"}\n{"id": "' + long + "\n")
    assert len(lines.raws()[0]) > 300_000


def test_m4_json_records_keep_paths_lists_and_digits() -> None:
    columns = [
        column("id", source="order.id"),
        column("price", "decimal(6,3)", checks={"ge": "10"}),
        column("tags", "list<string>"),
    ]
    data = '{"order": {"id": 7}, "price": 1.500, "tags": ["a", "b"]}\n{"order": {"id": "8"}, "price": 12, "tags": null}\n'
    before = curate(spec(*columns, format={"type": "jsonl"}), data)
    columns[1] = column("price", "decimal(6,3)")
    done = again(spec(*columns, format={"type": "jsonl"}), before)
    assert done.values == [("7", Decimal("1.500"), ["a", "b"])]


def test_m4_items_of_a_document_that_cannot_be_used_keep_all_their_text() -> None:
    deep = "[" * 150 + "1.50" + "]" * 150
    before = curate(spec("id", format={"type": "json"}), '[{"id":1,"id":2,"n":1e5},' + deep + ',{"id":"x"}]')
    assert before.raws() == ['{"id":1,"id":2,"n":1E+5}', deep]
    assert again(spec("id", format={"type": "json"}), before).rejects.sort("line").rows() == before.rejects.sort("line").rows()


def test_m4_typed_values_come_back_as_they_were() -> None:
    moment = dt.datetime(2026, 11, 1, 10, 30, 0, 123456, tzinfo=dt.UTC)
    values = {
        "id": ["a"],
        "day": [dt.date(2026, 11, 1)],
        "at": [moment],
        "local": [dt.datetime(2026, 11, 1, 8)],
        "clock": [dt.time(1, 2, 3, 4)],
        "price": [Decimal("1.10")],
        "share": [0.1],
        "ratio": [float("nan")],
        "data": [b"\xff\x00"],
        "open": [True],
        "nested": [{"x": 1, "y": ["u"]}],
        "empty": [""],
    }
    file = io.BytesIO()
    pl.DataFrame(values).write_parquet(file)
    kinds = {
        "day": column("day", "date", formats="%d.%m.%Y"),
        "at": column("at", "timestamp"),
        "local": column("local", "timestamp", timezone="Europe/Berlin"),
        "clock": column("clock", "time"),
        "price": column("price", "decimal(8,2)"),
        "share": column("share", "float64"),
        "ratio": column("ratio", "float64"),
        "data": column("data", "binary"),
        "open": column("open", "boolean"),
        "nested": column("nested", "struct<x:int64,y:list<string>>"),
        "empty": column("empty"),
    }
    form = {"type": "parquet"}
    before = curate(spec(column("id", checks={"isin": ["b"]}), *kinds.values(), format=form), file.getvalue())
    assert before.rows.rejected == 1
    fresh = curate(spec(ID, *kinds.values(), format=form), file.getvalue())
    assert fresh.reasons() == []
    assert again(spec(ID, *kinds.values(), format=form), before).values == fresh.values


def test_m4_rows_of_a_refused_batch_come_back_as_they_were_read() -> None:
    columns = [
        column("id", source="ID"),
        column("day", "date", source="Tag", formats="%d.%m.%Y"),
        column("at", "timestamp", formats="%d.%m.%Y %H:%M", timezone="Europe/Berlin"),
        column("price", "decimal(8,2)"),
        column("open", "boolean", true_values=["Y"], false_values=["N"]),
        column("data", "binary"),
        column("tags", "list<int64>"),
    ]
    data = "ID;Tag;at;price;open;data;tags;more\na;01.11.2026;01.11.2026 08:30;1.234,50;Y;é;[1,2];x\n-;;;;;;;\n"
    form = {"type": "csv", "delimiter": ";", "decimal_mark": ",", "thousands_mark": ".", "null_values": ["", "-"], "trim": True}
    declared = dataset(*columns, format=form, error_threshold=1.0)
    before, fresh = curate(declared, data, refused="too many"), curate(declared, data)
    done = again(declared, before)
    assert sorted(done.values, key=repr) == sorted(fresh.values, key=repr)
    assert done.rows.landed == fresh.rows.landed == 2


def test_m4_objects_that_are_not_asked_for_and_rows_that_lost_are_passed_over() -> None:
    keyed = spec(ID, N, primary_key="id")
    before = curate(keyed, "id,n\na,x\nb,1\nb,2\n", gzip.compress(b"id,n\nc,x\n", mtime=0))
    done = curate(spec(ID, column("n"), primary_key="id"), kept=Kept(("0.dat",), lambda: iter([before.rejects])))
    assert done.values == [("a", "x")]


CELL = st.text(st.sampled_from('ab,;"\n\r\té0-.'), max_size=5)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6))
def test_m4_whatever_the_text_a_kept_row_reads_as_it_did_in_its_file(rows: list[tuple[str, str]]) -> None:
    data = "a,b\n" + "".join(f"{left},{right}\n" for left, right in rows)
    never = spec(column("a", checks={"matches": "never"}, nullable=False), "b")
    before, fresh = curate(never, data), curate(spec("a", "b"), data)
    done = again(spec("a", "b"), before)
    assert done.rows.landed == before.rows.landed
    assert done.frame.rows() == fresh.frame.rows() if fresh.published else not done.published


# --- whose row is the newer one

KEYED = dataset(column("k"), column("v"), primary_key="k", mode="upsert")


def live(**places: Any) -> pl.DataFrame:
    row = {"k": "x", "v": "live", "_source": "0.dat", "_line": 2, "_snapshot_id": "s2"} | places
    return pl.DataFrame(row, schema_overrides={"_line": pl.Int64})


@pytest.mark.parametrize(
    ("row", "stays"),
    [
        (live(_snapshot_id="s1"), "again"),
        (live(_snapshot_id="s3"), "live"),
        (live(_snapshot_id="from before anyone counted"), "again"),
        (live(_line=1), "again"),
        (live(_line=3), "live"),
        (live(_source="1.dat", _line=1), "live"),
    ],
    ids=["earlier batch", "later batch", "unknown", "earlier line", "later line", "later object"],
)
def test_m4_among_equals_the_row_that_was_delivered_last_stays_whenever_it_is_read(row: pl.DataFrame, stays: str) -> None:
    delivery = Delivery("b2", {"s1": "b1", "s2": "b2", "s3": "b3"}, ("0.dat", "1.dat"))
    done = curate(KEYED, "k,v\nx,again\n", live=[row], delivery=delivery)
    assert [value for _, value in done.values] == ([stays] if stays == "again" else [])
    assert done.rows.deduplicated == (stays == "live")


def test_rows_that_are_added_carry_live_ones_along_only_where_one_loses() -> None:
    spec_ = dataset(column("k"), column("v"), primary_key="k")
    other = dt.date(2026, 10, 31)
    beside = curate(spec_, "k,v\ny,new\n", live=[live()], adds=True)
    assert beside.values == [("y", "new")]
    instead = curate(spec_, "k,v\nx,new\ny,new\n", live=[live(), (other, live(k="z"))], adds=True)
    assert sorted(instead.values) == [("x", "new"), ("y", "new")]
    assert instead.changed == (dt.date(2026, 11, 1),)
