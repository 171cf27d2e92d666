"""Ten thousand small files pending: how many runs, and how many files a second.

What belongs here: its measurement, through the real sensor and real Dagster runs in one process. The baseline is one DuckDB
statement that reads the same files and writes one Parquet file: no validation, no ledger, no records.
``python benchmarks/backlog.py FILES`` takes any number.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from arrivals import environment, key, rows
from run import Figure

from supply_lake.ingest.stores import Stores
from supply_lake.sensors.once import run_everything
from supply_lake.settings import Settings

FILES = 10_000
ROWS = 100
DATES = 5
BAR_RUNS, BAR_FILES_A_SECOND = 20, 500


def run(quick: bool) -> list[Figure]:
    return figures(measure(500 if quick else FILES))


def measure(files: int) -> dict[str, float]:
    """Runs, and seconds of ours and of the baseline."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder))
        os.environ["DAGSTER_HOME"] = env["DAGSTER_HOME"]
        settings = Settings.from_env(env)
        today = dt.datetime.now(dt.UTC).date()
        with Stores.open(settings) as stores:
            for number in range(files):
                stores.landing.put(key(number, today - dt.timedelta(days=number % DATES)), rows(number, ROWS))
        baseline = _duckdb(settings)
        start = time.perf_counter()
        ingested = run_everything(settings)
        seconds = time.perf_counter() - start
    published = sum(batch.rows.published for batch in ingested.batches)
    assert published == files * ROWS, f"{published} rows of {files * ROWS}: {ingested.troubles}"
    runs = len({batch.run_id for batch in ingested.batches})
    return {"files": files, "runs": runs, "seconds": seconds, "baseline": baseline}


def figures(measured: dict[str, float]) -> list[Figure]:
    files, rate = measured["files"], measured["files"] / measured["seconds"]
    return [
        Figure(
            what=f"{files:,.0f} files of {ROWS} rows pending: runs",
            ours=f"{measured['runs']:.0f}",
            baseline=f"{files:,.0f} files",
            ratio=f"1/{files / measured['runs']:,.0f}",
            bar=f"at most {BAR_RUNS}",
            met=measured["runs"] <= BAR_RUNS,
        ),
        Figure(
            what=f"{files:,.0f} files of {ROWS} rows pending: speed",
            ours=f"{rate:,.0f} files/s",
            baseline=f"{files / measured['baseline']:,.0f} files/s, DuckDB reads and writes, nothing else",
            ratio=f"{measured['seconds'] / measured['baseline']:.1f}",
            bar=f"at least {BAR_FILES_A_SECOND} files/s",
            met=rate >= BAR_FILES_A_SECOND,
        ),
    ]


def _duckdb(settings: Settings) -> float:
    start = time.perf_counter()
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * from read_csv('{settings.landing}/arrivals/**/*.csv')) to '{settings.home}/baseline.parquet' "
            "(format parquet, compression zstd)"
        )
    return time.perf_counter() - start


if __name__ == "__main__":
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else FILES))
