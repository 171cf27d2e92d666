"""Processes that are killed on the way, at a moment that is counted or after some time.

A child is a program that imports all that it needs once and then, for each line of standard input, forks a fresh copy of itself
that does what the line orders. What belongs here: counting, killing, forking, and asking such a child. What does not: what is done.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class Fuse:
    """Counts moments and kills the process at the n-th (0: never)."""

    def __init__(self, blow_at: int) -> None:
        self.blow_at, self.seen = blow_at, 0

    def burn(self) -> None:
        self.seen += 1
        if self.seen == self.blow_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def burnt(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            result = method(*args, **kwargs)
            self.burn()
            return result

        return burnt


def serve(work: Callable[[dict[str, Any], Fuse], None]) -> None:
    """The child: one copy a line; an answer is ``<exit status or minus signal> <number of moments seen>``.

    Every order may have ``blow_at``, the moment at which its copy is killed, and ``seconds``, after which it is.
    """
    for line in sys.stdin:
        print(_copy(work, json.loads(line)), flush=True)


def _copy(work: Callable[[dict[str, Any], Fuse], None], order: dict[str, Any]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if order.get("seconds"):
                signal.setitimer(signal.ITIMER_REAL, order["seconds"])
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
            fuse = Fuse(order.get("blow_at", 0))
            work(order, fuse)
            os.write(writer, str(fuse.seen).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as seen:
        moments = seen.read() or "0"
    _, ended = os.waitpid(child, 0)
    return f"{os.waitstatus_to_exitcode(ended)} {moments}"


class Nursery:
    """A child that waits for orders."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(program)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def order(self, **order: Any) -> tuple[int, int]:
        """Exit status (minus the signal) and number of moments of one copy."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status, moments = self._process.stdout.readline().split()
        return int(status), int(moments)

    def close(self) -> None:
        self._process.communicate()
