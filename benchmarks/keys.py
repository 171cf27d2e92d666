"""Keys over all dates: what it costs to find where 10,000 keys live among 365 dates of 20,000 rows (`key_scope: dataset`).

What belongs here: the search, in bytes and rows read and in processor time. What does not: the merge that follows it. The
baseline is DuckDB reading all key columns and joining them with the keys. Bytes are those that the process asked the system
for, from a disk or from its cache.
"""

from __future__ import annotations

import datetime as dt
import random
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
from metadata import snapshot
from run import Figure

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.snapshots.key_filter import candidates
from supply_lake.snapshots.parquet import write_parts
from supply_lake.snapshots.records import Snapshot
from supply_lake.storage.object_store import ObjectStore

DAY = dt.date(2025, 11, 1)
SPEC = DatasetSpec.model_validate(
    {
        "name": "shipments",
        "description": "Made-up shipments.",
        "owner": "team:benchmarks",
        "source": {"system": "made-up"},
        "format": {"type": "csv"},
        "columns": [{"name": "shipment_id", "type": "string"}],
        "primary_key": "shipment_id",
        "mode": "upsert",
        "key_scope": "dataset",
    }
)
KEY = "shipment_id"
SPREAD = 20
"""Dates over which the corrections of a mixed batch lie."""


@dataclass(frozen=True)
class Size:
    dates: int
    rows: int
    keys: int


@dataclass(frozen=True)
class Cost:
    """What a search took. ``rows`` are those whose keys were read."""

    bytes: int
    rows: int
    seconds: float
    found: set[str]


def run(quick: bool) -> list[Figure]:
    size = Size(40, 20_000, 10_000) if quick else Size(365, 20_000, 10_000)
    choose = random.Random(7)
    growing, uuids = [*_growing(size)], [*_uuids(size, choose)]
    few = size.keys // 20
    new = [f"SHP-{size.dates * size.rows + number:012}" for number in range(size.keys - few)]
    late = choose.sample([key for keys in growing[-2:] for key in keys], few)
    dates = choose.sample(range(size.dates), SPREAD)
    old = [choose.choice(growing[choose.choice(dates)]) for _ in range(few)]
    other = [str(uuid.UUID(int=choose.getrandbits(128))) for _ in range(size.keys)]
    known = [choose.choice(uuids[at]) for at in dates]
    with tempfile.TemporaryDirectory() as folder:
        by_time = _Dataset(Path(folder) / "growing", growing)
        at_random = _Dataset(Path(folder) / "random", uuids)
        return [
            by_time.figure("growing with time", [*new, *late], share=2 / size.dates),
            by_time.figure(
                f"growing with time, 5 % of them on {SPREAD} earlier dates", [*new, *old], share=SPREAD / size.dates
            ),
            at_random.figure("at random (UUIDs), all new", other, share=1),
            at_random.figure(f"at random (UUIDs), {SPREAD} of them known", [*other[SPREAD:], *known], share=1),
        ]


def _growing(size: Size) -> Iterator[list[str]]:
    for date in range(size.dates):
        yield [f"SHP-{date * size.rows + number:012}" for number in range(size.rows)]


def _uuids(size: Size, choose: random.Random) -> Iterator[list[str]]:
    for _ in range(size.dates):
        yield [str(uuid.UUID(int=choose.getrandbits(128))) for _ in range(size.rows)]


class _Dataset:
    """One snapshot for each date, in a folder."""

    def __init__(self, folder: Path, dates: list[list[str]]) -> None:
        self.lake = ObjectStore.open(str(folder))
        self.rows = sum(map(len, dates))
        self.snapshots = [self._written(DAY + dt.timedelta(days=at), keys) for at, keys in enumerate(dates)]

    def _written(self, date: dt.date, keys: list[str]) -> Snapshot:
        blank = snapshot(SPEC.name, date, "batch")
        rng = np.random.default_rng(date.toordinal())
        frame = pl.DataFrame(
            {
                KEY: keys,
                "sku": pl.Series(rng.integers(100_000, 150_000, len(keys))).cast(pl.String),
                "quantity": rng.integers(1, 1_000, len(keys)),
                "freight_usd": (pl.Series(rng.integers(100, 10_000_000, len(keys))).cast(pl.Decimal(12, 2)) / 100),
                "_source": ["shipments/file.csv"] * len(keys),
                "_line": range(2, len(keys) + 2),
                "_snapshot_id": [blank.id] * len(keys),
            }
        )
        written = write_parts(self.lake, SPEC, date, blank.id, [frame])
        return Snapshot(**{**_fields(blank), "files": written.files, "columns": written.columns})

    def figure(self, what: str, keys: list[str], *, share: float) -> Figure:
        """Search for the keys both ways.

        :param share: of the dates that have to be looked at; of their rows we may read the keys, and no others
        """
        ours, theirs = self._ours(keys), self._by_duckdb(keys)
        assert ours.found == theirs.found, "both ways have to find the same"
        size, cpu = ours.bytes / theirs.bytes, ours.seconds / theirs.seconds
        return Figure(
            f"keys {what}: {len(keys):,} among {self.rows:,}",
            _told(ours),
            f"DuckDB, all key columns: {_told(theirs)}",
            f"{size:.2f} of the bytes, {cpu:.2f} of the time",
            f"keys of {share:.1%} of the rows, time ≤ 2.5",
            ours.rows <= round(share * self.rows) and cpu <= 2.5,
        )

    def _ours(self, keys: list[str]) -> Cost:
        sought = pl.DataFrame({KEY: keys})
        with mock.patch.object(pq, "ParquetFile", _Counting):
            size, seconds, found = _measured(lambda: {one.id for one in candidates(sought, self.snapshots, self.lake)})
        return Cost(size, _Counting.rows, seconds, found)

    def _by_duckdb(self, keys: list[str]) -> Cost:
        files = [self.lake.uri(file.path) for one in self.snapshots for file in one.files]
        sql = f"SELECT DISTINCT filename FROM read_parquet({files}, filename = true) WHERE {KEY} IN (SELECT {KEY} FROM sought)"

        def search() -> set[str]:
            with duckdb.connect() as connection:
                connection.register("sought", pl.DataFrame({KEY: keys}).to_arrow())
                rows = connection.execute(sql).fetchall()
            return {name.split("snapshot_id=")[1].partition("/")[0] for (name,) in rows}

        size, seconds, found = _measured(search)
        return Cost(size, self.rows, seconds, found)


class _Counting(pq.ParquetFile):  # type: ignore[misc]
    """Counts the rows of the row groups that are read."""

    rows = 0

    def read_row_group(self, i: int, **options: Any) -> Any:
        _Counting.rows += self.metadata.row_group(i).num_rows
        return super().read_row_group(i, **options)


def _fields(one: Snapshot) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


def _told(cost: Cost) -> str:
    return f"{cost.bytes / 1e6:.1f} MB, {cost.rows:,} rows, {cost.seconds:.2f} s"


def _measured(search: Callable[[], set[str]]) -> tuple[int, float, set[str]]:
    """Bytes read, seconds of processor time, and what was found, of the faster of two searches."""
    return min((_once(search) for _ in range(2)), key=lambda one: one[1])


def _once(search: Callable[[], set[str]]) -> tuple[int, float, set[str]]:
    _Counting.rows = 0
    before, start = _bytes_read(), time.process_time()
    found = search()
    return _bytes_read() - before, time.process_time() - start, found


def _bytes_read() -> int:
    """Bytes that this process has read by system calls (Linux)."""
    return int(Path("/proc/self/io").read_text().split()[1])
