"""`unique`, against a naive model: whatever is new, carried over or live elsewhere, and however the work is divided."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake.curate import duels
from supply_lake.quality.doubles import doubles
from supply_lake_tests.quality.made_up import DAY, ONE, live, placed

TYPES: dict[str, pl.DataType] = {"a": pl.String(), "b": pl.Int64()}
ROWS = st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from([1, 2, None]), st.integers(0, 1)), max_size=6)
EXAMPLES = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def frame(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame([row[:2] for row in rows], TYPES, orient="row")


def dates(rows: list[tuple[Any, ...]]) -> list[dt.date]:
    return [DAY + row[2] * ONE for row in rows]


def found(new: Any, carried: Any, others: Any, within: Any, scratch: Path, cut: int = 2) -> list[int]:
    parts = [live(frame([row]), date) for row, date in zip(others, dates(others), strict=True)]
    lost = doubles(
        placed(frame(new), dates(new), cut=cut),
        placed(frame(carried), dates(carried), first=-(1 << 62), src=-1, cut=cut),
        lambda _: parts,
        TYPES,
        within=within,
        scratch=scratch,
    )
    return lost["_ordinal"].to_list()


def naive(new: Any, standing: Any, within: str) -> list[int]:
    def value(row: Any) -> Any:
        return row[:2] if within == "dataset" else row

    taken = {value(row) for row in standing if None not in row[:2]}
    lost = []
    for ordinal, row in enumerate(new):
        if None in row[:2]:
            continue
        if value(row) in taken:
            lost.append(ordinal)
        taken.add(value(row))
    return lost


@pytest.mark.parametrize("within", ["dataset", "partition"])
@EXAMPLES
@given(new=ROWS, carried=ROWS, others=ROWS)
def test_the_first_stays_and_live_rows_always_do(within: str, new: Any, carried: Any, others: Any, tmp_path: Path) -> None:
    assert found(new, carried, others, within, tmp_path) == naive(new, [*carried, *others], within)


def test_the_work_is_divided_without_losing_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duels, "ROWS_AT_ONCE", 10)
    new = [(f"k{n % 40}", n % 3, 0) for n in range(100)]
    others = [(f"k{n}", 1, 1) for n in range(20)]
    assert found(new, [], others, "dataset", tmp_path, cut=7) == naive(new, others, "dataset")


def test_files_are_asked_for_by_the_bounds_of_what_is_sought_and_other_row_groups_are_not_read(tmp_path: Path) -> None:
    asked: list[Any] = []
    there = live(pl.DataFrame({"a": [f"{n:03d}" for n in range(100)], "b": [1] * 100}), rows_per_group=10)

    def others(bounds: Any) -> Any:
        asked.append(dict(bounds))
        return [there]

    new = placed(frame([("041", 1, 0), ("043", 2, 0), (None, 1, 0)]))
    lost = doubles(new, placed(frame([])), others, TYPES, within="dataset", scratch=tmp_path)
    assert lost["_ordinal"].to_list() == [0]
    assert asked == [{"a": ("041", "043"), "b": (1, 2)}]


def test_nothing_new_asks_for_no_file(tmp_path: Path) -> None:
    def others(_: Any) -> Any:
        raise AssertionError

    new = placed(frame([(None, 1, 0)]))
    assert doubles(new, placed(frame([])), others, TYPES, within="dataset", scratch=tmp_path).height == 0


def test_deleted_live_rows_double_nobody(tmp_path: Path) -> None:
    there = live(pl.DataFrame({"a": ["x"], "b": [1], "_deleted": [True]}))
    new = placed(frame([("x", 1, 0)]))
    assert doubles(new, placed(frame([])), lambda _: [there], TYPES, within="dataset", scratch=tmp_path).height == 0
