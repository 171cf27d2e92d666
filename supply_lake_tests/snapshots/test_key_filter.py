"""Which snapshots hold a key: by their records alone, where in doubt one may, and by as few of their files as can be."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest import mock

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.snapshots.key_filter import candidates, may_hold
from supply_lake.snapshots.parquet import write_parts
from supply_lake.snapshots.records import ColumnStats, Snapshot
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.curate.curation import column, dataset
from supply_lake_tests.snapshots.made_up import DAY, batch


@pytest.mark.parametrize(
    ("kind", "least", "greatest", "bounds", "may"),
    [
        ("string", "b", "d", ("a", "b"), True),
        ("string", "b", "d", ("e", "f"), False),
        ("int64", "9", "100", (10, 11), True),
        ("int64", "9", "100", (101, 200), False),
        ("int64", "-5", "-1", (0, 9), False),
        ("date32[day]", "2026-10-01", "2026-10-31", (DAY, DAY), False),
        ("date32[day]", "2026-10-01", "2026-11-30", (DAY, DAY), True),
        ("decimal128(12, 2)", "1.50", "2.50", (Decimal("2.51"), Decimal("9")), False),
        ("decimal128(12, 2)", "1.50", "2.50", (Decimal("2.5"), Decimal("9")), True),
        ("int64", None, None, (1, 2), True),
        ("string", "100", "9", (50, 60), True),
        ("int64", "9", "100", ("50", "60"), True),
        ("string", "b", "d", (None, None), True),
        (
            "timestamp[us, tz=UTC]",
            "2026-10-01 00:00:00+00:00",
            "2026-10-02 00:00:00+00:00",
            (dt.datetime.now(dt.UTC),) * 2,
            True,
        ),
        ("double", "1.0", "2.0", (5.0, 6.0), True),
    ],
)
def test_a_snapshot_may_hold_what_lies_within_its_bounds(kind: str, least: Any, greatest: Any, bounds: Any, may: bool) -> None:
    snapshot = replace(batch(DAY).snapshots[0], columns=(ColumnStats("k", kind, 0, least, greatest),))
    assert may_hold(snapshot, {"k": bounds}) is may
    assert may_hold(snapshot, {"other": bounds})


KEYS = st.tuples(st.sampled_from([None, "a", "b", "x"]), st.sampled_from([None, 1, 2, 30, 31, 400]))


@settings(max_examples=60, deadline=None)
@given(held=st.lists(st.lists(KEYS, min_size=1, max_size=6), min_size=1, max_size=4), sought=st.lists(KEYS, max_size=4))
def test_the_snapshots_that_hold_a_key_are_found_and_no_others(
    held: list[list[tuple[Any, ...]]], sought: list[tuple[Any, ...]]
) -> None:
    lake = ObjectStore.open("memory://")
    snapshots = [written(lake, rows, rows_per_group=2) for rows in held]
    found = candidates(keys(sought).unique(), snapshots, lake)
    assert found == [one for one, rows in zip(snapshots, held, strict=True) if set(rows) & set(sought)]


def test_keys_on_both_sides_of_a_snapshot_leave_its_files_alone() -> None:
    lake = ObjectStore.open("memory://")
    between, around = written(lake, [("m", 5), ("n", 6)]), written(lake, [("a", 1), ("m", 4), ("z", 9)], rows_per_group=1)
    read = set()

    def read_range(path: str, start: int, length: int) -> bytes:
        read.add(path)
        return ObjectStore.read_range(lake, path, start, length)

    with mock.patch.object(lake, "read_range", read_range):
        assert candidates(keys([("a", 1), ("z", 9)]), [between, around], lake) == [around]
    assert read == {around.files[0].path}


def keys(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"site": pl.String, "number": pl.Int64}, orient="row")


def written(lake: ObjectStore, rows: list[tuple[Any, ...]], rows_per_group: int = 100) -> Snapshot:
    blank = batch(DAY).snapshots[0]
    spec = dataset("site", column("number", "int64"))
    frame = keys(rows).with_columns(pl.lit(None, pl.String).alias("_snapshot_id"))
    parts = write_parts(lake, spec, DAY, blank.id, [frame], rows_per_group=rows_per_group)
    return replace(blank, files=parts.files, columns=parts.columns)
