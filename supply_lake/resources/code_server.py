"""Whether the Dagster code server that this process is has been told to end.

What belongs here: that question, asked by ticks that wait. What does not: ending anything.

A code server that is stopped or reloaded waits for the calls it has under way, and a patient tick is one. Dagster does not tell
user code that it is stopping; but the thread that answers for the server's life ends the moment that it is.
"""

from __future__ import annotations

import threading

THREADS = ("grpc-server-heartbeat", "grpc-server-cleanup")


class CodeServer:
    """The server of this process, if it is one. A process that is none is never told to end."""

    def __init__(self) -> None:
        self._threads = [thread for thread in threading.enumerate() if thread.name in THREADS]

    def is_ending(self) -> bool:
        """Whether it was told to end since this was made."""
        return not all(thread.is_alive() for thread in self._threads)
