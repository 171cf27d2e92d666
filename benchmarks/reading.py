"""Reading: a day out of a year, and what differs between two versions of many rows.

What belongs here: these two measurements, through ``Lake``. The baselines: of the day, the bytes of reading all days, and the
same question to DuckDB over the CSV files as they landed; of the difference, DuckDB reading all rows of both versions. Bytes
are those that the process asked the system for, from a disk or from its cache. What does not: writing rows (``curate``).
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import shipments
import yaml
from metadata import snapshot as record
from run import Figure

from supply_lake import Lake
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.settings import Settings
from supply_lake.snapshots.parquet import write_parts
from supply_lake.snapshots.records import Batch, Rows, Snapshot, Status
from supply_lake.snapshots.store import Proposal
from supply_lake.storage.layout import new_snapshot_id

FIRST_DAY = dt.date(2025, 11, 1)
DAYS = 365
WANTED = dt.date(2026, 5, 17)
TIMES = 3
QUESTION = (
    "SELECT carrier, count(*) AS n, sum(freight_usd) AS freight FROM {} WHERE expected_on = DATE '{}' GROUP BY ALL ORDER BY ALL"
)
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def run(quick: bool) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        return [*_day(home / "day", 500 if quick else 20_000), _difference(home / "diff", 100_000 if quick else 5_000_000)]


def _day(home: Path, rows: int) -> list[Figure]:
    """One of 365 days of so many rows each."""
    lake = _lake(home)
    spec = lake.stores.registry.get("shipments")
    csv = home / "csv"
    csv.mkdir()
    frame = _frame(0, rows)
    for number in range(DAYS):
        day = FIRST_DAY + dt.timedelta(days=number)
        today = frame.with_columns(pl.lit(day).alias("expected_on"))
        _commit(lake, spec, day, [today])
        today.select([one.name for one in spec.columns]).write_csv(csv / f"{day}.csv")
    sql = QUESTION.format("shipments", WANTED)
    pruned, ours, answer = _measured(lambda: lake.query(sql).to_pylist())
    everything, _, _ = _measured(lambda: sum(batch.num_rows for batch in _drain(lake, "FROM shipments")))
    landed = f"read_csv('{csv}/*.csv', types={{'expected_on': 'DATE', 'freight_usd': 'DECIMAL(12,2)'}})"
    _, theirs, same = _measured(lambda: duckdb.connect().execute(QUESTION.format(landed, WANTED)).to_arrow_table().to_pylist())
    assert answer == same, (answer, same)
    lake.close()
    share, faster = pruned / everything, theirs / ours
    what = f"one day of {DAYS}, {rows:,} rows each"
    read = (f"{pruned / 1e3:,.0f} kB", f"all days {everything / 1e6:,.1f} MB", f"{share:.2%}", "≤ 1 %", share <= 0.01)
    took = (f"{ours * 1e3:,.0f} ms", f"landed CSV {theirs * 1e3:,.0f} ms", f"{faster:,.0f} ×", "≥ 30 ×", faster >= 30)
    return [Figure(f"{what}: bytes read", *read), Figure(f"{what}: time", *took)]


def _difference(home: Path, rows: int) -> Figure:
    """Two whole deliveries; of a thousand rows one is changed, and of five thousand one has come or gone."""
    lake = _lake(home)
    spec = lake.stores.registry.get("shipments")
    day, slab = FIRST_DAY, 500_000
    starts = range(0, rows, slab)
    before = _commit(lake, spec, day, (_frame(first, min(slab, rows - first)) for first in starts))
    after = _commit(lake, spec, day, (_changed(_frame(first, min(slab, rows - first))) for first in starts), before)
    figures = {}
    for name, work in {"ours": lambda: _diff(lake), "theirs": lambda: _read_both(lake, [before, after])}.items():
        figures[name] = [_measured(work) for _ in range(TIMES)]
    (_, _, counts), ours, theirs = figures["ours"][0], *(min(one[1] for one in figures[name]) for name in ("ours", "theirs"))
    assert counts == _expected(rows), (counts, _expected(rows))
    lake.close()
    ratio = ours / theirs
    what = f"difference of two versions of {rows:,} rows"
    return Figure(what, f"{ours:.2f} s", f"DuckDB reads both {theirs:.2f} s", f"{ratio:.2f} ×", "≤ 2 ×", ratio <= 2)


def _diff(lake: Lake) -> tuple[int, int, int]:
    with lake.diff("shipments", 1, 2) as found:
        return found.added, found.removed, found.changed


def _read_both(lake: Lake, versions: list[Snapshot]) -> int:
    files = [lake.stores.lake.uri(file.path) for one in versions for file in one.files]
    memory = lake.stores.settings.memory_bytes
    with duckdb.connect(config={"memory_limit": f"{memory}B"}) as connection:
        columns = ", ".join(one.name for one in lake.stores.registry.get("shipments").columns)
        reader = connection.execute(f"SELECT {columns} FROM read_parquet({files})").to_arrow_reader(65_536)
        return sum(batch.num_rows for batch in reader)


def _measured(work: Callable[[], Any]) -> tuple[int, float, Any]:
    """(bytes asked for, seconds, result)."""
    bytes_before, begun = _bytes(), time.perf_counter()
    result = work()
    return _bytes() - bytes_before, time.perf_counter() - begun, result


def _bytes() -> int:
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["rchar"])


def _drain(lake: Lake, sql: str) -> list[Any]:
    with lake.answer(sql) as answer:
        return [batch for batch in answer.batches() if batch.num_rows]


def _lake(home: Path) -> Lake:
    (home / "datasets").mkdir(parents=True)
    declared = {**shipments.SPEC, "mode": "upsert", "start_date": FIRST_DAY.isoformat()}
    (home / "datasets" / "shipments.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    return Lake.open(Settings.from_env({"SUPPLY_LAKE_HOME": str(home), "SUPPLY_LAKE_DATASETS": str(home / "datasets")}))


def _frame(first: int, rows: int) -> pl.DataFrame:
    """Made-up shipments from a number on, as they are published."""
    number = pl.int_range(first, first + rows, dtype=pl.Int64)
    spread = number.hash(7)
    moment = pl.lit(LONG_AGO).cast(pl.Datetime("us", "UTC")) + pl.duration(seconds=(spread % 25_000_000).cast(pl.Int64))
    return pl.select(
        shipment_id=pl.format("SHP{}", number.cast(pl.String).str.zfill(9)),
        sku=(number.hash(1) % 20_000).cast(pl.String).str.zfill(6),
        origin=pl.format("WH{}", number.hash(2) % 60),
        destination=pl.format("C{}", number.hash(3) % 5_000),
        carrier=_picked(shipments.CARRIERS, number.hash(4)),
        status=_picked(shipments.STATUSES, number.hash(5)),
        shipped_at=moment,
        expected_on=moment.dt.date(),
        quantity=(number.hash(6) % 500).cast(pl.Int64),
        weight_kg=(number.hash(8) % 100_000).cast(pl.Float64) / 10,
        freight_usd=((number.hash(9) % 1_000_000).cast(pl.Decimal(38, 0)) / 100).cast(pl.Decimal(12, 2)),
        updated_at=moment,
        _source=pl.lit("shipments/2025/11/01/a.csv"),
        _line=number + 2,
        _snapshot_id=pl.lit(None, pl.String),
    )


def _picked(values: list[str], spread: pl.Expr) -> pl.Expr:
    return (spread % len(values)).replace_strict(dict(enumerate(values)), return_dtype=pl.String)


def _changed(frame: pl.DataFrame) -> pl.DataFrame:
    number = pl.col("_line")
    changed = pl.when(number % 1_000 == 0).then(pl.col("quantity") + 1).otherwise(pl.col("quantity"))
    renamed = pl.when(number % 5_000 == 1).then(pl.col("shipment_id") + "x").otherwise(pl.col("shipment_id"))
    return frame.with_columns(changed, renamed)


def _expected(rows: int) -> tuple[int, int, int]:
    lines = range(2, rows + 2)
    moved = sum(1 for line in lines if line % 5_000 == 1)
    return moved, moved, sum(1 for line in lines if line % 1_000 == 0)


def _commit(lake: Lake, spec: DatasetSpec, day: dt.date, frames: Any, instead: Snapshot | None = None) -> Snapshot:
    """Publish frames as they are: this is about reading."""
    snapshot_id, batch_id = new_snapshot_id(), new_snapshot_id()
    written = write_parts(lake.stores.lake, spec, day, snapshot_id, frames)
    rows = sum(file.rows for file in written.files)
    made = Snapshot(
        id=snapshot_id,
        dataset=spec.name,
        partition=day,
        landing_date=day,
        batch_id=batch_id,
        status=Status.COMMITTED,
        rows=Rows(rows, rows),
        rows_total=rows,
        bytes=sum(file.bytes for file in written.files),
        files=written.files,
        columns=written.columns,
        sources=record(spec.name, day, batch_id).sources,
    )
    batch = Batch(batch_id, spec.name, day, Status.COMMITTED, Rows(rows, rows), snapshots=(made,))
    supersedes = (instead.id,) if instead is not None else ()
    return lake.stores.metadata.commit(Proposal(batch, (), supersedes=supersedes)).snapshots[0]
