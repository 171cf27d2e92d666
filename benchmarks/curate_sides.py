"""What ``curate.py`` compares, each run in a process of its own: ``python curate_sides.py SIDE CSV FOLDER``.

Prints seconds of work (imports left out) and the greatest memory of the process. Both sides that validate reject the same rows.

What belongs here: one function per side. What does not: measuring several of them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from process import peak

_CASTS = """select shipment_id, sku, origin, destination, carrier, status, try_cast(shipped_at as timestamp) shipped_at,
try_cast(expected_on as date) expected_on, try_cast(quantity as bigint) quantity, try_cast(weight_kg as double) weight_kg,
try_cast(freight_usd as decimal(12,2)) freight_usd, try_cast(updated_at as timestamp) updated_at
from read_csv('{csv}', all_varchar = true, header = true)"""
_NEWEST = "select unnest(newest) from (select max_by(t, updated_at) newest from ({casts}) t group by shipment_id)"


def ours(csv: Path, folder: Path) -> Callable[[], int]:
    """Everything: cast, validate, reject, deduplicate, write rows and rejects."""
    import datetime as dt
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial

    import hypothesis.strategies  # noqa: F401  # pandera imports it at its first check, where it is installed
    import shipments

    from supply_lake.curate.curate import Options, Source, stage
    from supply_lake.datasets.spec import DatasetSpec
    from supply_lake.snapshots.parquet import ROWS_PER_REJECTS_GROUP, write_parts
    from supply_lake.storage.object_store import ObjectStore

    spec = DatasetSpec.model_validate(shipments.SPEC)
    lake, rejects = ObjectStore.open(str(folder / "lake")), ObjectStore.open(str(folder / "rejects"))
    source = Source(0, csv.name, lambda: csv.open("rb"), csv.stat().st_size, dt.datetime.now(dt.UTC))

    def work() -> int:
        with stage(spec, [source], landing_date=shipments.DAY, scratch=folder / "scratch", options=Options()) as staged:
            settled = staged.settle([])
            dates = settled.changed_partitions
            with ThreadPoolExecutor(1) as pool:  # as a batch does
                into = partial(write_parts, rejects, spec, shipments.DAY, "snapshot", rows_per_group=ROWS_PER_REJECTS_GROUP)
                aside = pool.submit(into, settled.rejects())
                for date in dates:
                    write_parts(lake, spec, date, "snapshot", settled.tables(date))
            aside.result()
            assert settled.rows.balanced
            return settled.rows.published

    return work


def duckdb(csv: Path, folder: Path) -> Callable[[], int]:
    """Casts, keeps the newest row of a key, writes: no validation, no rejects, no counts."""
    import duckdb as engine

    def work() -> int:
        connection = engine.connect(config={"threads": 2})
        newest = _NEWEST.format(casts=_CASTS.format(csv=csv))
        target = folder / "duckdb.parquet"
        return int(connection.execute(f"copy ({newest}) to '{target}' (format parquet, compression zstd)").fetchall()[0][0])

    return work


def pandas(csv: Path, folder: Path) -> Callable[[], int]:
    """The same contract the way it is written by hand: pandas casts, pandera validates, bad rows dropped, newest kept."""
    import pandas as pd
    import pandera.pandas as pa
    import shipments

    column, check = pa.Column, pa.Check
    schema = pa.DataFrameSchema(
        {
            "shipment_id": column(str, nullable=False),
            "sku": column(str, nullable=False),
            "status": column(str, check.isin(shipments.STATUSES), nullable=True),
            "shipped_at": column("datetime64[us]", nullable=False),
            "expected_on": column("datetime64[us]", nullable=False),
            "quantity": column("float64", check.gt(0), nullable=False),
            "weight_kg": column("float64", check.ge(0), nullable=False),
            "freight_usd": column("float64", check.ge(0), nullable=False),
            "updated_at": column("datetime64[us]", nullable=False),
        }
    )

    def work() -> int:
        rows = pd.read_csv(csv, dtype=str, keep_default_na=False)
        for name in ("shipped_at", "updated_at", "expected_on"):
            rows[name] = pd.to_datetime(rows[name], errors="coerce").astype("datetime64[us]")
        for name in ("quantity", "weight_kg", "freight_usd"):
            rows[name] = pd.to_numeric(rows[name], errors="coerce")
        rows = rows.astype({"quantity": "float64"})
        try:
            schema.validate(rows, lazy=True)
        except pa.errors.SchemaErrors as errors:
            rows = rows.drop(index=errors.failure_cases["index"].dropna().unique())
        rows = rows.sort_values("updated_at", kind="stable").drop_duplicates("shipment_id", keep="last")
        rows.to_parquet(folder / "pandas.parquet", compression="zstd")
        return len(rows)

    return work


def main() -> None:
    """Run one side."""
    side, csv, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    work = {"ours": ours, "duckdb": duckdb, "pandas": pandas}[side](csv, folder)
    start = time.perf_counter()
    rows = work()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "peak": peak(), "rows": rows}))


if __name__ == "__main__":
    main()
