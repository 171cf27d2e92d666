"""Curation against DuckDB SQL that only casts, deduplicates and writes, and against pandas + pandera; peak memory by size.

What belongs here: which sides, how often, how many rows. What does not: the sides (``curate_sides``) and the data
(``shipments``). ``python benchmarks/curate.py [--rows N] [--memory]`` measures alone.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import shipments
from run import Figure

SIDES = Path(__file__).with_name("curate_sides.py")
ROWS, ROWS_LARGE = 2_000_000, 10_000_000
ROUNDS, ROUNDS_LARGE = 3, 1
BYTES_PER_ROW = 118
GIGABYTE = 10**9
BAR_DUCKDB, BAR_PANDAS, BAR_GROWTH, BAR_PEAK = 1.5, 5.0, 1.2, 2 * 1024**3


def run(quick: bool) -> list[Figure]:
    if quick:
        return against(200_000, 1, pandas=True)
    return [
        *against(ROWS, ROUNDS, pandas=True),
        *against(ROWS_LARGE, ROUNDS_LARGE, pandas=False),
        *memory(GIGABYTE, 10 * GIGABYTE),
    ]


def against(rows: int, rounds: int, *, pandas: bool) -> list[Figure]:
    """Seconds of each side, medians of interleaved rounds."""
    sides = ["ours", "duckdb", *(["pandas"] if pandas else [])]
    with tempfile.TemporaryDirectory() as home:
        csv = Path(home) / "shipments.csv"
        shipments.write(csv, rows)
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side in sides:
                taken[side].append(measure(side, csv)["seconds"])
    median = {side: statistics.median(seconds) for side, seconds in taken.items()}
    what = f"curate {rows / 1e6:g}M rows of CSV"
    figures = [_ratio(what, median["ours"], "DuckDB casts, deduplicates, writes", median["duckdb"], f"at most {BAR_DUCKDB} ×")]
    if pandas:
        times = median["pandas"] / median["ours"]
        ours, base = f"{median['ours']:.2f} s", f"pandas + pandera {median['pandas']:.2f} s"
        figures.append(Figure(what, ours, base, f"{times:.1f} × faster", f"{BAR_PANDAS:g} × faster", times >= BAR_PANDAS))
    return figures


def _ratio(what: str, ours: float, base: str, theirs: float, bar: str) -> Figure:
    ratio = ours / theirs
    return Figure(what, f"{ours:.2f} s", f"{base} {theirs:.2f} s", f"{ratio:.2f} ×", bar, ratio <= BAR_DUCKDB)


def memory(small: int, large: int) -> list[Figure]:
    """Greatest memory of a curation by the size of its CSV."""
    peaks = []
    for size in (small, large):
        with tempfile.TemporaryDirectory() as home:
            csv = Path(home) / "shipments.csv"
            shipments.write(csv, size // BYTES_PER_ROW)
            peaks.append(measure("ours", csv)["peak"])
    first, second = (f"{peak / 2**20:,.0f} MiB" for peak in peaks)
    growth = peaks[1] / peaks[0]
    sizes = [f"{size / GIGABYTE:g} GB" for size in (small, large)]
    return [
        Figure(f"peak memory, {sizes[0]} of CSV", first, "–", "–", "under 2 GiB", peaks[0] < BAR_PEAK),
        Figure(
            f"peak memory, {sizes[1]} of CSV", second, f"{sizes[0]}: {first}", f"{growth:.2f} ×",
            f"under 2 GiB and at most {BAR_GROWTH} ×", peaks[1] < BAR_PEAK and growth <= BAR_GROWTH,
        ),
    ]  # fmt: skip


def measure(side: str, csv: Path) -> dict[str, float]:
    """One run of one side in a fresh process: ``seconds``, ``peak`` (bytes), ``rows``."""
    with tempfile.TemporaryDirectory(dir=csv.parent) as folder:
        command = [sys.executable, str(SIDES), side, str(csv), folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"   {side}: {measured['seconds']:.2f} s, {measured['peak'] / 2**20:,.0f} MiB, {measured['rows']:,} rows", flush=True)
    return measured


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="peak memory of 1 GB and 10 GB instead")
    arguments = parser.parse_args()
    figures = memory(GIGABYTE, 10 * GIGABYTE) if arguments.memory else against(arguments.rows, arguments.rounds, pandas=True)
    for figure in figures:
        print(figure)


if __name__ == "__main__":
    main()
