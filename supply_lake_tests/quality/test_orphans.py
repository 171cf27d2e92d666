"""`references`, against a naive model: whatever is asked at a time, in whichever type and file the values stand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.datasets.types import parse_type
from supply_lake.quality.orphans import comparable, orphans
from supply_lake_tests.quality.made_up import live, placed

TYPES: dict[str, pl.DataType] = {"sku": pl.String(), "size": pl.Int64()}
PAIRS = [("sku", "article"), ("size", "size")]
OURS = st.lists(st.tuples(st.sampled_from(["x", "y", "z", None]), st.sampled_from([1, 2, None])), max_size=8)
THEIRS = st.lists(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from([1, 2, None])), max_size=4), max_size=3)


def frame(rows: Any, names: tuple[str, str] = ("sku", "size")) -> pl.DataFrame:
    return pl.DataFrame(rows, dict(zip(names, TYPES.values(), strict=True)), orient="row")


@settings(max_examples=60, deadline=None)
@given(ours=OURS, theirs=THEIRS, at_once=st.sampled_from([1, 3, 100]))
def test_a_row_refers_to_nothing_when_no_file_has_its_values(ours: Any, theirs: Any, at_once: int) -> None:
    parts = [live(frame(rows, ("article", "size"))) for rows in theirs]
    found = orphans(placed(frame(ours), cut=3), lambda _: parts, PAIRS, TYPES, at_once=at_once)
    there = {row for rows in theirs for row in rows}
    assert found["_ordinal"].to_list() == [n for n, row in enumerate(ours) if None not in row and row not in there]


@pytest.mark.parametrize(
    ("our", "their", "ours", "theirs"),
    [
        ("int16", "int64", pl.Series([1, 2], dtype=pl.Int16), pl.Series([2, 2**40], dtype=pl.Int64)),
        ("int64", "uint64", pl.Series([-1, 2]), pl.Series([2, 2**64 - 1], dtype=pl.UInt64)),
        ("uint64", "int8", pl.Series([2**64 - 1, 2], dtype=pl.UInt64), pl.Series([-1, 2], dtype=pl.Int8)),
        (
            "decimal(6,1)",
            "decimal(12,3)",
            pl.Series([Decimal("1.2"), Decimal("2.0")], dtype=pl.Decimal(6, 1)),
            pl.Series([Decimal("1.234"), Decimal("2.000")], dtype=pl.Decimal(12, 3)),
        ),
        ("string", "json", pl.Series(["a", "b"]), pl.Series(["b", "c"])),
    ],
)
def test_values_are_compared_as_what_they_are(our: str, their: str, ours: pl.Series, theirs: pl.Series) -> None:
    types = {"a": comparable(parse_type(our), parse_type(their))}
    found = orphans(placed(pl.DataFrame({"a": ours})), lambda _: [live(pl.DataFrame({"b": theirs}))], [("a", "b")], types)
    assert found["_ordinal"].to_list() == [0]


def test_deleted_rows_and_files_without_the_column_have_nothing() -> None:
    gone = live(pl.DataFrame({"article": ["x"], "size": [1], "_deleted": [True]}))
    older = live(pl.DataFrame({"name": ["x"]}))
    rows = placed(frame([("x", 1)]))
    assert orphans(rows, lambda _: [gone, older], PAIRS, TYPES)["_ordinal"].to_list() == [0]
    assert orphans(rows, lambda _: [gone, live(frame([("x", 1)], ("article", "size")))], PAIRS, TYPES).height == 0


def test_it_stops_reading_when_everything_is_found() -> None:
    def never() -> Any:
        raise AssertionError

    first = live(frame([("x", 1)], ("article", "size")))
    rows = placed(frame([("x", 1)]))
    assert orphans(rows, lambda _: [first, type(first)(first.partition, "never", never)], PAIRS, TYPES).height == 0
