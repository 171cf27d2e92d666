"""From an object landing to its rows answering a query, with Dagster's own processes at work as `make dev` starts them.

What belongs here: its measurement. Files land one by one, each a random while after the rows of the one before could be read:
arrivals have no rhythm in common with the daemon. The baseline is what the same rows cost in a process that is up already:
``run_everything`` on a lake of its own. ``python benchmarks/latency.py FILES`` lands any number.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arrivals import environment, key, rows
from run import Figure

from supply_lake.ingest.stores import Stores
from supply_lake.query import engine
from supply_lake.resources.instance import prepare_home
from supply_lake.sensors.once import run_everything
from supply_lake.settings import Settings

FILES = 30
ROWS = 100
LONGEST_GAP = 10.0
GIVE_UP = 90.0
BAR_MEDIAN, BAR_P95 = 2.0, 5.0
ROOT = Path(__file__).parents[1]


def run(quick: bool) -> list[Figure]:
    return figures(measure(4 if quick else FILES))


def measure(files: int) -> dict[str, float]:
    """Seconds, as median and 95th percentile over the files, and the median of the resident process."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder))
        os.environ["DAGSTER_HOME"] = env["DAGSTER_HOME"]
        settings = Settings.from_env(env)
        prepare_home(settings)
        with Stores.open(settings) as stores, _dagster(env):
            _until_readable(stores, 0)  # the first file also waits for the code server
            times = []
            for number in range(1, files + 1):
                time.sleep(random.uniform(0, LONGEST_GAP))
                times.append(_until_readable(stores, number))
        resident = statistics.median(_resident(settings, files + 1 + number) for number in range(5))
    return {
        "files": files,
        "median": statistics.median(times),
        "p95": sorted(times)[max(0, round(0.95 * len(times)) - 1)],
        "resident": resident,
    }


def figures(measured: dict[str, float]) -> list[Figure]:
    resident = measured["resident"]
    return [
        Figure(
            what=f"object landed → rows answer a query, {name} of {measured['files']:.0f}",
            ours=f"{measured[name]:.1f} s",
            baseline=f"{resident:.2f} s in a resident process",
            ratio=f"{measured[name] / resident:.1f}",
            bar=f"{bar:.0f} s",
            met=measured[name] <= bar,
        )
        for name, bar in (("median", BAR_MEDIAN), ("p95", BAR_P95))
    ]


def _until_readable(stores: Stores, number: int) -> float:
    stores.landing.put(key(number, dt.datetime.now(dt.UTC).date()), rows(number, ROWS))
    start = time.monotonic()
    while _count(stores, number) != ROWS:
        if time.monotonic() - start > GIVE_UP:
            raise TimeoutError(f"the rows of file {number} did not come within {GIVE_UP:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - start


def _count(stores: Stores, number: int) -> int:
    sql = f"select count(*) as n from arrivals where arrival_id like 'A{number:06}-%'"
    with engine.run(stores, sql) as answer:
        return answer.table()["n"][0].as_py()


def _resident(settings: Settings, number: int) -> float:
    with Stores.open(settings) as stores:
        stores.landing.put(key(number, dt.datetime.now(dt.UTC).date()), rows(number, ROWS))
        start = time.monotonic()
        run_everything(settings)
        assert _count(stores, number) == ROWS
        return time.monotonic() - start


@contextmanager
def _dagster(env: dict[str, str]) -> Iterator[None]:
    """The UI, the daemon and the code server, until the block ends; then all that they started is stopped."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("dagster")), "dev", "--host", "127.0.0.1", "--port", str(port)]
    log = Path(env["DAGSTER_HOME"]) / "dev.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
        try:
            _until_up(f"http://127.0.0.1:{port}/server_info", process, log)
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < GIVE_UP:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"Dagster did not come up:\n{log.read_text()[-2000:]}")


if __name__ == "__main__":
    print(measure(int(sys.argv[1]) if len(sys.argv) > 1 else FILES))
