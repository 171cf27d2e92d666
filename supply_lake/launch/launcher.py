"""Dagster's default run launcher, with a worker process kept ready for the next run that the landing sensor asks for.

What belongs here: keeping one spare process, handing it a run, and telling Dagster when it dies with a run. What does not: what
the process does (``worker``), and any rule about runs.

A run worker that is started for its run spends more than a second on imports, longer than a small batch takes. ``dagster.yaml``
names this class as the ``run_launcher``; the process that launches the sensor's runs (the daemon) holds the spare. That is one
process, for one run, like any other. Runs that people ask for, and runs that come while no spare is ready, start as Dagster
starts them.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import DefaultRunLauncher

from supply_lake.assets.naming import publishes_pending

if TYPE_CHECKING:
    from dagster import DagsterRun
    from dagster._core.launcher.base import LaunchRunContext
    from dagster._serdes import ConfigurableClassData

COMMAND = (sys.executable, "-m", "supply_lake.launch.worker")
REFILL_SECONDS = 2.0
"""How long a run has the processors to itself before the next spare gets ready."""
_PACKAGE = Path(__file__).parents[1]


class SpareWorkerLauncher(DefaultRunLauncher):
    """The launcher. Its ``dispose``, or the end of its process, ends the spare."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._lock = threading.Lock()
        self._spare: _Spare | None = None
        self._is_closed = False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand the run to the spare; where there is none, start a worker as Dagster does."""
        run = context.dagster_run
        if not publishes_pending(run):
            super().launch_run(context)
            return
        spare = self._take(run)
        if spare is None:
            super().launch_run(context)
        threading.Thread(target=self._look_after, args=(spare, run.run_id), name="spare-worker", daemon=True).start()

    def terminate(self, run_id: str) -> bool:
        """Stop a run. A worker that was a spare sees for itself that its run is being canceled, whoever asked."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or _has_code_server(run):
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)
        return True

    def dispose(self) -> None:
        """End the spare; workers go on."""
        with self._lock:
            self._is_closed = True
            spare, self._spare = self._spare, None
        if spare:
            spare.end()

    def prepare(self) -> None:
        """Start a spare if there is none."""
        with self._lock:
            if self._spare is None and not self._is_closed:
                self._spare = _Spare()

    def _take(self, run: DagsterRun) -> _Spare | None:
        """The spare, at work on the run; ``None`` if there is none that can be."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None or run.job_code_origin is None:
            return None
        if (
            run.job_code_origin.repository_origin.executable_path == sys.executable
            and spare.is_fresh()
            and spare.begin(self._task(run))
        ):
            return spare
        spare.end()
        return None

    def _task(self, run: DagsterRun) -> str:
        from dagster._grpc.types import ExecuteRunArgs
        from dagster._serdes import serialize_value

        assert run.job_code_origin
        return serialize_value(ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref()))

    def _look_after(self, spare: _Spare | None, run_id: str) -> None:
        """Have the next spare ready soon; and should the worker end before its run, let the run fail."""
        if spare is None:
            time.sleep(REFILL_SECONDS)
            self.prepare()
            return
        spare.wait(REFILL_SECONDS)
        self.prepare()
        status = spare.wait()
        if self.has_instance and not self._is_closed:
            run = self._instance.get_run_by_id(run_id)
            if run and not run.is_finished:
                self._instance.report_run_failed(run, f"The process of this run ended with exit status {status}.")


class _Spare:
    """A process that waits for its run."""

    def __init__(self) -> None:
        self._started = time.time()
        self._process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE)

    def is_fresh(self) -> bool:
        """Whether it is alive, and this package's code is still what it has imported."""
        newest = max(path.stat().st_mtime for path in _PACKAGE.rglob("*.py"))
        return self._process.poll() is None and newest < self._started

    def begin(self, task: str) -> bool:
        """Give it the run that it executes; false when it is gone."""
        assert self._process.stdin
        try:
            with self._process.stdin as pipe:
                pipe.write(task.encode() + b"\n")
        except OSError:
            return False
        return True

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit status; ``None`` while it is at work still."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """End it and wait for that."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdin
        self._process.stdin.close()


def _has_code_server(run: DagsterRun) -> bool:
    from dagster._core.storage.tags import GRPC_INFO_TAG

    return GRPC_INFO_TAG in run.tags
