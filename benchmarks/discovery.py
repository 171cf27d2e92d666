"""A discovery tick over a million known files with a thousand new ones, against listing all and taking the difference of sets.

What belongs here: its measurement. Both sides list the same local folder and ask the same SQLite ledger, each in a process of
its own, so that their memory can be told. ``python benchmarks/discovery.py COUNT`` takes any number of known files.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from process import peak

NEW = 1_000
DATASETS = 10
FILES_IN_A_FOLDER = 1_000
ROUNDS = 3
BAR_SECONDS, BAR_MB = 5.0, 500
SPEC = """
name: {name}
description: files of a benchmark
owner: team:benchmarks
source: {{system: benchmark}}
format: {{type: csv}}
columns: [{{name: id, type: string}}]
"""


def run(quick: bool) -> list[Any]:
    """The figures, for the results page."""
    from run import Figure

    found = measure(20_000 if quick else 1_000_000)
    seconds, megabytes = found["seconds"], found["megabytes"]
    return [
        Figure(
            what=f"a discovery tick, {found['known']:,} known objects and {found['new']:,} new",
            ours=f"{seconds:.2f} s, {megabytes:.0f} MB",
            baseline=f"list all and subtract sets: {found['naive_seconds']:.2f} s, {found['naive_megabytes']:.0f} MB",
            ratio=f"{seconds / found['naive_seconds']:.2f} × time, {megabytes / found['naive_megabytes']:.2f} × memory",
            bar=f"< {BAR_SECONDS:.0f} s, < {BAR_MB} MB",
            met=seconds < BAR_SECONDS and megabytes < BAR_MB,
        )
    ]


def measure(known: int) -> dict[str, float]:
    """Seconds and peak megabytes of both sides, medians of interleaved rounds."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        prepare(home, known)
        rounds = []
        for number in range(ROUNDS):
            land(home, [f"{path}/round-{number}" for path in _new_folders()], NEW // DATASETS)
            rounds.append(_child("naive", home) | _child("tick", home))
        assert all(one["new"] == one["naive_new"] == NEW for one in rounds), rounds
    median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    return {"known": known, **median}


def prepare(home: Path, known: int) -> None:
    """Land the known files and enter them."""
    (home / "datasets").mkdir()
    for number in range(DATASETS):
        (home / "datasets" / f"feed_{number}.yaml").write_text(SPEC.format(name=f"feed_{number}"))
    first = dt.date.today() - dt.timedelta(days=known // FILES_IN_A_FOLDER // DATASETS + 1)
    for number in range(known // FILES_IN_A_FOLDER):
        day = first + dt.timedelta(days=number // DATASETS)
        land(home, [f"feed_{number % DATASETS}/{day:%Y/%m/%d}/part"], FILES_IN_A_FOLDER)
    _child("enter", home)


def land(home: Path, stems: list[str], each: int) -> None:
    """Empty files, quickly: what is in them does not matter here."""
    for stem in stems:
        folder = (home / "landing" / stem).parent
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        for number in range(each):
            os.close(os.open(f"{Path(stem).name}-{number:06}.csv", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
        os.close(handle)


def _new_folders() -> Iterator[str]:
    """Today's folders; the new files of one dataset are a few days late."""
    for number in range(DATASETS):
        day = dt.date.today() - dt.timedelta(days=3 if number == 0 else 0)
        yield f"feed_{number}/{day:%Y/%m/%d}"


def _child(side: str, home: Path) -> dict[str, float]:
    environ = os.environ | {"SUPPLY_LAKE_HOME": str(home), "SUPPLY_LAKE_DATASETS": str(home / "datasets")}
    out = subprocess.run([sys.executable, __file__, side], env=environ, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(out)
    return found


def enter() -> dict[str, float]:
    """Ticks until everything is entered."""
    from supply_lake.ingest.discovery import tick
    from supply_lake.ingest.stores import Stores

    with Stores.open() as stores:
        while tick(stores, full=True).new:
            pass
    return {}


def ours() -> dict[str, float]:
    """One tick as the sensor does it."""
    from supply_lake.ingest.discovery import tick
    from supply_lake.ingest.stores import Stores

    with Stores.open() as stores:
        start = time.perf_counter()
        new = tick(stores, full=True).new
        return {"seconds": time.perf_counter() - start, "megabytes": peak() / 2**20, "new": new}


def naive() -> dict[str, float]:
    """What one writes first: all keys there are, without all that are known."""
    home = Path(os.environ["SUPPLY_LAKE_HOME"])
    root = home / "landing"
    start = time.perf_counter()
    standing = set()
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - pathlib takes twice the time
            status = os.stat(path)  # noqa: PTH116
            standing.add((path[len(str(root)) + 1 :], f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}", status.st_size))
    with sqlite3.connect(home / "metadata.sqlite") as connection:
        known = set(connection.execute("select key, etag, size from objects"))
    new = standing - known
    return {"naive_seconds": time.perf_counter() - start, "naive_megabytes": peak() / 2**20, "naive_new": len(new)}


SIDES = {"enter": enter, "tick": ours, "naive": naive}

if __name__ == "__main__":
    print(json.dumps(SIDES[sys.argv[1]]() if sys.argv[1] in SIDES else measure(int(sys.argv[1])), indent=1))
