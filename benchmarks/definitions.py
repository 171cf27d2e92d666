"""Loading the code location with 200 datasets, against an empty Dagster project: what every run worker pays before it works.

What belongs here: its measurement. Both sides are a fresh interpreter that loads a module and builds its repository, as the
code server and run workers of Dagster do. ``python benchmarks/definitions.py DATASETS`` takes any number.
"""

from __future__ import annotations

import copy
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from run import Figure

from supply_lake.settings import Settings

DATASETS = 200
ROUNDS = 7
BAR_SECONDS = 1.0
_EMPTY = "import dagster as dg; dg.Definitions().get_repository_def().get_all_jobs()"
_OURS = "import supply_lake.definitions as d; d.defs.get_repository_def().get_all_jobs()"


def run(quick: bool) -> list[Figure]:
    return [figure(measure(DATASETS, 2 if quick else ROUNDS))]


def measure(datasets: int, rounds: int) -> dict[str, float]:
    """Median seconds of an empty project and of ours, in interleaved rounds."""
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "SUPPLY_LAKE_HOME": home, "SUPPLY_LAKE_DATASETS": str(declare(Path(home), datasets))}
        empty, ours = [], []
        for _ in range(rounds + 1):
            empty.append(_seconds(_EMPTY, env))
            ours.append(_seconds(_OURS, env))
    return {"datasets": datasets, "empty": statistics.median(empty[1:]), "ours": statistics.median(ours[1:])}


def declare(home: Path, datasets: int) -> Path:
    """A folder with copies of the shipped datasets under numbered names."""
    folder = home / "datasets"
    folder.mkdir()
    shipped = [yaml.safe_load(path.read_text()) for path in sorted(Settings.from_env({}).datasets.glob("*.yaml"))]
    first = {declared["name"]: f"{declared['name']}_{number:03}" for number, declared in enumerate(shipped)}
    for number in range(datasets):
        declared = copy.deepcopy(shipped[number % len(shipped)])
        declared["name"] = f"{declared['name']}_{number:03}"
        declared.pop("landing", None)
        for rule in declared.get("quality", ()):
            if "references" in rule:  # they point into the first copy of what they name
                rule["references"]["dataset"] = first[rule["references"]["dataset"]]
        (folder / f"{declared['name']}.yaml").write_text(yaml.safe_dump(declared, sort_keys=False))
    return folder


def figure(measured: dict[str, float]) -> Figure:
    more = measured["ours"] - measured["empty"]
    return Figure(
        what=f"loading definitions with {measured['datasets']:.0f} datasets",
        ours=f"{measured['ours']:.2f} s",
        baseline=f"{measured['empty']:.2f} s, empty Dagster project",
        ratio=f"{more:+.2f} s",
        bar=f"< +{BAR_SECONDS:.0f} s",
        met=more < BAR_SECONDS,
    )


def _seconds(code: str, env: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else DATASETS, ROUNDS))
