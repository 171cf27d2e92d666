"""Which process works on a run, so that a run whose process is gone is not waited for.

What belongs here: marking a run with its process, and telling whether that process is there. What does not: processes on other
hosts; Dagster's run monitoring watches those.

Dagster notices a worker that dies under its code server. It does not notice when everything was killed at once, or a run that
the command ran in its own process.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

WORKER_TAG = ".dagster/supply_lake_worker"
"""Dagster's UI hides tags of this prefix."""


def mark(instance: DagsterInstance, run_id: str) -> None:
    """Note on the run that this process works on it."""
    instance.add_run_tags(run_id, this_process())


def this_process() -> dict[str, str]:
    """The tag that says so, for a run that this process is about to make."""
    pid = os.getpid()
    return {WORKER_TAG: f"{socket.gethostname()}:{pid}:{_birth(pid)}"}


def is_marked(run: DagsterRun) -> bool:
    """Whether any process has said that it works on the run."""
    return WORKER_TAG in run.tags


def is_dead(run: DagsterRun) -> bool:
    """Whether the run's process was one of this host and is gone. Unknown processes count as alive.

    Another process may have its number: in a container that was started again, nearly always the one that asks.
    """
    host, _, process = run.tags.get(WORKER_TAG, "").partition(":")
    pid, _, birth = process.partition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    return not _exists(int(pid)) or birth != _birth(int(pid))


def _birth(pid: int) -> str:
    """When a process was started, in ticks since this boot of the machine; empty where that is not told."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        told = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return f"{boot}:{told.rpartition(')')[2].split()[19]}"


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
