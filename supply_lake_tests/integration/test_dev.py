"""``make dev`` as a person has it: Dagster's own processes, a file that lands, its rows, Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from supply_lake.assets.naming import DATASET_TAG
from supply_lake.ingest.stores import Stores
from supply_lake.lake import Lake
from supply_lake.resources.instance import prepare_home
from supply_lake.settings import Settings
from supply_lake_tests.sensors.lakes import TODAY
from supply_lake_tests.sensors.made_up import ORDERS, write_specs

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 180.0
SPARE = "supply_lake.launch.worker"


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)
    return found


@dataclass
class Dev:
    process: subprocess.Popen[bytes]
    settings: Settings
    output: Path

    def members(self, command: str = "") -> list[int]:
        """The processes that it has started, and itself; those of which the command line has this in it."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    own = os.getpgid(int(entry.name)) == self.process.pid
                    if (
                        own
                        and command in (entry / "cmdline").read_text()
                        and "Z" not in (entry / "stat").read_text().split()[2]
                    ):
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def count(self) -> int:
        with Lake.open(self.settings) as lake:
            return int(lake.query("select count(*) as n from orders")["n"][0].as_py())


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dev]:
    """The recipe of the Makefile, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(tmp_path / "lake"))
    monkeypatch.setenv("SUPPLY_LAKE_DATASETS", str(write_specs(tmp_path, ORDERS)))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings = Settings.from_env()
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_home(settings)))
    # As from a terminal: whoever runs the tests in the background has them ignore Ctrl-C, and their children with them.
    heeding = ["env", "--default-signal=INT"]
    command = [*heeding, str(Path(sys.executable).with_name("dagster")), "dev", "--port", str(port), "--log-level", "warning"]
    output = tmp_path / "output"
    with output.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
    running = Dev(process, settings, output)
    try:
        until(lambda: _answers(f"http://127.0.0.1:{port}/server_info"))
        yield running
    finally:
        if running.members():
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def test_files_become_rows_in_workers_that_waited_and_ctrl_c_ends_all_of_it(dev: Dev) -> None:
    def land(number: int) -> None:
        stores.landing.put(f"orders/{TODAY:%Y/%m/%d}/{number}.csv", f"order_id,quantity\no{number},1\n".encode())

    with Stores.open(dev.settings) as stores, dg.DagsterInstance.get() as instance:
        land(1)
        until(lambda: dev.count() == 1)
        (spare,) = until(lambda: dev.members(SPARE))
        land(2)
        until(lambda: dev.count() == 2)
        newest, oldest = (record.dagster_run for record in instance.get_run_records())
        until(lambda: all(run.is_finished for run in instance.get_runs()))
        assert newest.tags[DATASET_TAG] == oldest.tags[DATASET_TAG] == "orders"
        told = [entry.message for entry in instance.all_logs(newest.run_id)]
        assert any(f"Started process for run (pid: {spare})" in one for one in told)

    os.killpg(dev.process.pid, signal.SIGINT)
    until(lambda: not dev.members() or (dev.process.poll() is not None and not dev.members()))
    printed = dev.output.read_text()
    assert printed.count("committed, 1 objects, 1 rows landed") == 2
    assert "DEBUG" not in printed
    assert "Traceback" not in printed
