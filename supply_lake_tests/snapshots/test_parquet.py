"""Parts of a snapshot: whichever frames the rows come in, the same files; and none at all when writing breaks off."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import StoreUnavailable
from supply_lake.snapshots import parquet
from supply_lake.snapshots.parquet import Written, write_parts
from supply_lake.snapshots.records import DataFile
from supply_lake.storage.object_store import ObjectStore

DAY = dt.date(2026, 11, 3)
SPEC = DatasetSpec.model_validate(
    {
        "name": "counts",
        "description": "Made-up counts.",
        "owner": "team:tests",
        "source": {"system": "tests"},
        "format": {"type": "csv"},
        "columns": [{"name": "number", "type": "int64"}],
    }
)
ROWS = pl.DataFrame(
    {
        "number": range(1_000),
        "name": [f"row {n % 7}" for n in range(1_000)],
        "told": [None if n % 5 == 0 else "" if n % 5 == 1 else f"a text of more than twelve bytes, {n}" for n in range(1_000)],
        "lines": [[{"sku": f"sku {n}", "text": None}] * (n % 3) for n in range(1_000)],
        "_snapshot_id": [None] * 1_000,
    },
    schema={
        "number": pl.Int64,
        "name": pl.String,
        "told": pl.String,
        "lines": pl.List(pl.Struct({"sku": pl.String, "text": pl.String})),
        "_snapshot_id": pl.String,
    },
)


def written(store: ObjectStore, frames: list[pl.DataFrame], **options: Any) -> Written:
    return write_parts(store, SPEC, DAY, "a-snapshot", frames, **options)


def read(store: ObjectStore, found: Written) -> pl.DataFrame:
    return pl.concat([pl.DataFrame(pq.read_table(io.BytesIO(data(store, file)))) for file in found.files])


def footer(store: ObjectStore, file: DataFile) -> pq.FileMetaData:
    return pq.read_metadata(io.BytesIO(data(store, file)))


def data(store: ObjectStore, file: DataFile) -> bytes:
    with store.read(file.path) as stream:
        return stream.read()


def cut(places: list[int]) -> list[pl.DataFrame]:
    ends = [0, *sorted(set(places)), ROWS.height]
    return [ROWS[start:end] for start, end in pairwise(ends)]


@given(places=st.lists(st.integers(1, ROWS.height - 1), max_size=8), size=st.integers(7, 400))
def test_the_same_rows_make_the_same_files_whatever_frames_they_come_in(places: list[int], size: int) -> None:
    whole, parts = ObjectStore.open("memory://whole"), ObjectStore.open("memory://parts")
    one, other = written(whole, [ROWS], rows_per_group=size), written(parts, cut(places), rows_per_group=size)
    assert [file.sha256 for file in one.files] == [file.sha256 for file in other.files]
    assert one.columns == other.columns
    found = read(parts, other).sort("number")
    assert found.equals(ROWS.with_columns(pl.lit("a-snapshot").alias("_snapshot_id")))
    assert sum(file.rows for file in other.files) == ROWS.height


def test_a_part_has_a_limited_number_of_groups_and_a_group_a_limited_number_of_rows(tmp_path: Path) -> None:
    store = ObjectStore.open(str(tmp_path))
    files = written(store, [ROWS], rows_per_group=60).files
    groups = [footer(store, file).num_row_groups for file in files]
    assert groups == [4, 4, 4, 4, 1]
    assert max(file.rows for file in files) == 60 * parquet.GROUPS_PER_PART


def test_a_wide_table_has_fewer_rows_in_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "VALUES_PER_GROUP", 300)
    store = ObjectStore.open(str(tmp_path))
    file = written(store, [ROWS]).files[0]
    assert footer(store, file).row_group(0).num_rows == 300 // ROWS.width


def test_statistics_span_all_parts_and_name_types_as_they_are_read(tmp_path: Path) -> None:
    number, name, told = written(ObjectStore.open(str(tmp_path)), [ROWS], rows_per_group=60).columns
    assert (number.name, number.type, number.min, number.max) == ("number", "int64", "0", "999")
    assert (name.name, name.type, name.min, name.max) == ("name", "string", "row 0", "row 6")
    assert (told.nulls, told.min) == (200, "")


def test_what_breaks_off_leaves_no_part_of_its_own(tmp_path: Path) -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield ROWS
        raise StoreUnavailable("no answer")

    store = ObjectStore.open(str(tmp_path))
    with pytest.raises(StoreUnavailable):
        write_parts(store, SPEC, DAY, "a-snapshot", frames(), rows_per_group=600)
    assert [batch.num_rows for batch in store.list() if batch.num_rows] == []


def test_an_error_of_one_part_is_raised_and_ends_the_other(tmp_path: Path) -> None:
    odd = ROWS.head(60).with_columns(pl.lit(1).alias("number_2"))
    store = ObjectStore.open(str(tmp_path))
    with pytest.raises(pl.exceptions.PolarsError):
        written(store, [ROWS.head(30), odd], rows_per_group=60)
    assert [batch.num_rows for batch in store.list() if batch.num_rows] == []
