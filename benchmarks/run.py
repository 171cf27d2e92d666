"""Run the benchmarks and write ``RESULTS.md``: every figure as a ratio against a baseline of the same run.

``python benchmarks/run.py [NAME…] [--quick]`` runs all or the named ones. Each benchmark is a module with a function
``run(quick: bool) -> list[Figure]``; it makes its own data in a temporary folder.

What belongs here: choosing, describing the machine, writing the table. What does not: any measurement.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MODULES = (
    "definitions",
    "discovery",
    "metadata",
    "service",
    "keys",
    "backlog",
    "latency",
    "extract",
    "curate",
    "reading",
    "whole",
)
RESULTS = Path(__file__).with_name("RESULTS.md")
LIBRARIES = ("dagster", "duckdb", "polars", "pyarrow", "pandas", "pandera", "obstore")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. ``bar`` says what the figure has to keep; ``met`` whether it does."""

    what: str
    ours: str
    baseline: str
    ratio: str
    bar: str
    met: bool


def machine() -> str:
    """The machine in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    model = models[0] if models else platform.processor() or "unknown processor"
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} {platform.release()}"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def render(figures: list[Figure], seconds: float) -> str:
    """The page."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    rows = [f"| {f.what} | {f.ours} | {f.baseline} | {f.ratio} | {f.bar} | {'yes' if f.met else '**no**'} |" for f in figures]
    return "\n".join(
        [
            "# Benchmark results",
            "",
            f"Written by `make bench` on {time.strftime('%Y-%m-%d')} in {seconds / 60:.0f} minutes. "
            "Times are medians of interleaved runs.",
            "",
            f"Machine: {machine()}. Python {platform.python_version()}, {libraries}.",
            "",
            "| what | ours | baseline, same run | ratio | bar | met |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *MODULES], help="which benchmarks; all when left out")
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written: does it still run?")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    start = time.monotonic()
    figures: list[Figure] = []
    for name in arguments.names or MODULES:
        print(f"-- {name}", flush=True)
        for figure in importlib.import_module(name).run(arguments.quick):
            print(f"   {figure.what}: {figure.ours} | {figure.baseline} | {figure.ratio} (bar {figure.bar})", flush=True)
            figures.append(figure)
    page = render(figures, time.monotonic() - start)
    if not arguments.quick and not arguments.names:
        RESULTS.write_text(page)
    print(page)
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
