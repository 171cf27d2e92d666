"""Onboarding and ingestion never disagree: whatever table is written in whatever dialect, the draft publishes all of it, equal."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake_tests.onboard.made import curated, draft

WORDS = (
    st.text("abcdefgh ÄöéXYZ,;|'-_/.", min_size=1, max_size=12).map(str.strip).filter(lambda text: any(map(str.isalpha, text)))
)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**63), 2**63 - 1),
    "small": st.integers(-999, 999),
    "money": st.decimals(-(10**9), 10**9, places=2),
    "measure": st.floats(-1e9, 1e9, allow_nan=False).map(lambda number: round(number, 9)),
    "code": st.integers(0, 99999).map(lambda number: f"{number:05}"),
    "word": WORDS,
    "flag": st.booleans(),
    "day": st.dates(dt.date(1980, 1, 1), dt.date(2060, 1, 1)),
    "moment": st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2060, 1, 1)).map(lambda one: one.replace(microsecond=0)),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[Any]]]:
    """Column names, and rows of one kind of value in each column, some of them missing."""
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=5))
    size = draw(st.integers(1, 25))
    columns = [draw(st.lists(_sometimes_missing(KINDS[kind]), min_size=size, max_size=size)) for kind in kinds]
    names = [f"{kind}_{at}" for at, kind in enumerate(kinds)]
    return ["row_id", *names], [[f"r{at}", *row] for at, row in enumerate(zip(*columns, strict=True))]


def _sometimes_missing(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, values, values, st.none())


def text_of(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def same(published: Any, written: Any) -> bool:
    """Whether a published value says what was written, in whatever type it was published."""
    if written is None or published is None:
        return published is written
    if isinstance(written, bool) or isinstance(published, bool):
        return text_of(published) == text_of(written)
    if isinstance(written, dt.datetime):
        return bool(published == written.replace(tzinfo=dt.UTC))
    if isinstance(written, (int, float, Decimal)):
        return Decimal(str(published)) == Decimal(str(written)) or float(published) == float(written)
    if isinstance(published, (int, float, Decimal)):  # a text that is nothing but a number
        return Decimal(str(published)) == Decimal(written)
    return str(published) == str(written)


def publishes_all(data: bytes, names: list[str], rows: list[list[Any]]) -> None:
    made = draft(data)
    assert made.gathered.names == names or made.format.get("header") is False
    done = curated(made, data)
    assert (done.rows.published, done.rows.rejected, done.rows.deduplicated) == (len(rows), 0, 0), (
        done.reasons(),
        made.all_doubts,
    )
    for found, row in zip(done.values, rows, strict=True):
        assert len(found) == len(row)
        assert all(map(same, found, row)), (found, row)


def quoted(text: str, delimiter: str, always: bool) -> str:
    needs = always or any(sign in text for sign in (*delimiter, '"', "'"))
    return '"' + text.replace('"', '""') + '"' if needs else text


SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@SLOW
@given(
    tables(), st.sampled_from([",", ";", "\t", "|", "||"]), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), st.booleans(),
)  # fmt: skip
def test_csv_of_any_dialect(
    table: tuple[list[str], list[list[Any]]], delimiter: str, end: str, always: bool, encoding: str, packed: bool
) -> None:
    names, rows = table
    lines = [delimiter.join(quoted(text_of(value), delimiter, always) for value in row) for row in (names, *rows)]
    data = end.join([*lines, ""]).encode(encoding)
    publishes_all(gzip.compress(data) if packed else data, names, rows)


@SLOW
@given(tables(), st.sampled_from(["lines", "list", "path"]))
def test_json_of_any_form(table: tuple[list[str], list[list[Any]]], form: str) -> None:
    names, rows = table
    records = [dict(zip(names, map(plain, row), strict=True)) for row in rows]
    if form == "lines":
        text = "\n".join(json.dumps(record) for record in records)
    else:
        text = json.dumps(records if form == "list" else {"page": 1, "data": {"items": records}}, indent=2)
    publishes_all(text.encode(), names, rows)


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value}"
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


@SLOW
@given(tables())
def test_parquet_with_its_own_types(table: tuple[list[str], list[list[Any]]]) -> None:
    names, rows = table
    kinds = {"whole": pl.Int64, "small": pl.Int64, "money": pl.Decimal(18, 2), "measure": pl.Float64, "flag": pl.Boolean, "day": pl.Date,
             "moment": pl.Datetime("us")}  # fmt: skip
    columns = [
        pl.Series(name, list(values), kinds.get(name.partition("_")[0], pl.String))
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    ]
    data = io.BytesIO()
    pl.DataFrame(columns).write_parquet(data)
    publishes_all(data.getvalue(), names, rows)
