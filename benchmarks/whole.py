"""A whole batch with everything on, as `supply-lake ingest` runs it: discovery, curation, rules for quality, commit, records.

What belongs here: its measurement, against the DuckDB SQL and the pandas code that ``curate`` is measured against.
``python benchmarks/whole.py ROWS`` measures alone.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import shipments
from process import peak
from run import Figure

ROWS, ROUNDS = 2_000_000, 3
BAR_DUCKDB, BAR_PANDAS = 1.5, 5.0
RULES: list[dict[str, Any]] = [
    {"name": "delivered_after_shipped", "severity": "warn", "row": "expected_on >= CAST(shipped_at AS DATE)"},
    {"name": "priced_by_weight", "severity": "warn", "threshold": 1.0, "row": "freight_usd <= weight_kg * 1000 + 100000"},
    {"name": "whole_delivery", "row_count": {"at_least": 1000, "history": {"at_least": 0.5, "at_most": 2}}},
    {"name": "usual_freight", "severity": "warn", "sum": {"column": "freight_usd", "history": {"at_least": 0.5}}},
    {"name": "grows", "severity": "warn", "monotone": {"column": "quantity"}},
    {"name": "not_yesterday_again", "unlike_previous": {"max_share": 0.9}},
    {"name": "known_carrier", "severity": "warn", "references": {"columns": "carrier", "dataset": "carriers", "their": "name"}},
]
CARRIERS = {
    "name": "carriers",
    "description": "Who carries.",
    "owner": "team:benchmarks",
    "source": {"system": "made-up"},
    "format": {"type": "csv"},
    "columns": [{"name": "name", "type": "string"}],
    "primary_key": "name",
    "key_scope": "dataset",
    "mode": "upsert",
}


def run(quick: bool) -> list[Figure]:
    return figures(*((100_000, 1) if quick else (ROWS, ROUNDS)))


def figures(rows: int, rounds: int) -> list[Figure]:
    """Seconds of each side, medians of interleaved rounds. A day before has half the rows, so that rules have a past."""
    import curate

    sides = ["duckdb", "pandas"]
    with tempfile.TemporaryDirectory() as home:
        csv = Path(home) / "shipments.csv"
        shipments.write(csv, rows)
        before = Path(home) / "before.csv"
        shipments.write(before, rows // 2 + 1, seed=8)
        taken: dict[str, list[float]] = {side: [] for side in ("ours", *sides)}
        for _ in range(rounds):
            taken["ours"].append(_ours(csv, before))
            for side in sides:
                taken[side].append(curate.measure(side, csv)["seconds"])
    median = {side: statistics.median(seconds) for side, seconds in taken.items()}
    what, ours = f"ingest {rows / 1e6:g}M rows of CSV with {len(RULES)} rules for quality", f"{median['ours']:.2f} s"
    ratio, times = median["ours"] / median["duckdb"], median["pandas"] / median["ours"]
    return [
        Figure(
            what, ours, f"DuckDB casts, deduplicates, writes {median['duckdb']:.2f} s", f"{ratio:.2f} ×",
            f"at most {BAR_DUCKDB} ×", ratio <= BAR_DUCKDB,
        ),
        Figure(
            what, ours, f"pandas + pandera, without those rules {median['pandas']:.2f} s", f"{times:.1f} × faster",
            f"{BAR_PANDAS:g} × faster", times >= BAR_PANDAS,
        ),
    ]  # fmt: skip


def _ours(csv: Path, before: Path) -> float:
    with tempfile.TemporaryDirectory(dir=csv.parent) as home:
        datasets = Path(home) / "datasets"
        datasets.mkdir()
        spec = {**shipments.SPEC, "mode": "replace", "evolution": "evolve", "start_date": "2026-01-01", "quality": RULES}
        for one in (spec, CARRIERS):
            (datasets / f"{one['name']}.yaml").write_text(json.dumps(one))
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SUPPLY_LAKE_")},
            "SUPPLY_LAKE_HOME": str(Path(home) / "lake-home"),
            "SUPPLY_LAKE_DATASETS": str(datasets),
        }
        command = [sys.executable, __file__, "--side", str(csv), str(before)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    measured = json.loads(done.stdout.splitlines()[-1])
    print(f"   whole: {measured['seconds']:.2f} s, {measured['peak'] / 2**20:,.0f} MiB, {measured['rows']:,} rows", flush=True)
    return float(measured["seconds"])


def _side(csv: Path, before: Path) -> None:
    """Land and ingest the day before, then land the day and say how long it took to ingest."""
    import datetime as dt

    import hypothesis.strategies  # noqa: F401  # pandera imports it at its first check, where it is installed

    from supply_lake.ingest import batches, discovery
    from supply_lake.ingest.stores import Stores

    def ingest(stores: Stores) -> None:
        discovery.tick(stores, full=True, clock=lambda: time.time() + 60)
        for one in stores.metadata.pending():
            batches.run_pending(stores, one.dataset, one.landing_date)

    with Stores.open() as stores:
        root = Path(stores.landing.location)
        names = "\n".join(["name", *shipments.CARRIERS])
        (root / "carriers").mkdir(parents=True)
        (root / "carriers" / "all.csv").write_text(names + "\n")
        for file, day in ((before, shipments.DAY - dt.timedelta(1)), (csv, shipments.DAY)):
            folder = root / "shipments" / f"{day:%Y/%m/%d}"
            folder.mkdir(parents=True)
            os.link(file, folder / "shipments.csv")
            start = time.perf_counter()
            ingest(stores)
            seconds = time.perf_counter() - start
        batch = next(one for one in stores.metadata.batches("shipments") if one.landing_date == shipments.DAY)
        assert batch.status == "committed", batch.reason
    print(json.dumps({"seconds": seconds, "peak": peak(), "rows": batch.rows.published}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        _side(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        for figure in figures(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS, 1):
            print(figure)
