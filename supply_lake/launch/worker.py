"""A process that is ready to be a run worker: everything is imported, and standard input brings the run.

What belongs here: getting ready, waiting, and becoming ``dagster api execute_run`` for one run. What does not: which run, and
when (``launcher``).

``supply_lake.definitions`` is not loaded ahead of time: it holds what the dataset files say, and a run goes by what they say
when it starts.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

ASK_EVERY_SECONDS = 1.0
"""How soon a run is stopped that someone cancels."""


def main() -> None:
    """Get ready, wait for the one line that names a run, and execute it. No line: nothing to do, and no word of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches a waiting process too, which has nothing to tell of it
    get_ready()
    task = sys.stdin.readline()
    if task:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        execute(task)


def get_ready() -> None:
    """Load what any run needs: Dagster's storage, and by a rehearsal whatever curating imports or sets up at first use."""
    import dagster._cli.api  # noqa: F401
    from dagster import DagsterInstance

    import supply_lake.composition  # noqa: F401
    from supply_lake.launch.rehearsal import rehearse

    DagsterInstance.get().dispose()
    rehearse()


def execute(task: str) -> None:
    """Execute the run that a serialized ``ExecuteRunArgs`` names, until it ends or someone cancels it."""
    from dagster._cli.api import execute_run_command

    threading.Thread(target=_interrupt_when_canceled, args=(task,), name="cancellation", daemon=True).start()
    execute_run_command.main(args=[task.strip()], standalone_mode=False)


def _interrupt_when_canceled(task: str) -> None:
    from dagster import DagsterInstance, DagsterRunStatus
    from dagster._grpc.types import ExecuteRunArgs
    from dagster._serdes import deserialize_value

    time.sleep(ASK_EVERY_SECONDS)  # most runs are over by then
    args = deserialize_value(task, ExecuteRunArgs)
    assert args.instance_ref
    with DagsterInstance.from_ref(args.instance_ref) as instance:
        while (run := instance.get_run_by_id(args.run_id)) and run.status is not DagsterRunStatus.CANCELING:
            time.sleep(ASK_EVERY_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
