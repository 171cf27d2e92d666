"""The thread that DuckDB works in, and how its work is given up: by a signal, by a person, by the clock.

What belongs here: running work for a connection. What does not: what the work is (``engine``, ``diff``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import duckdb

from supply_lake.errors import QueryCancelled, QueryTimeout

_AGAIN = 0.05
T = TypeVar("T")


class Worker:
    """While it works DuckDB may answer to no signal; the thread that waits for it does.

    :param seconds: how long it may work in all; the time between two pieces of work is not counted
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        self._connection = connection
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="query")
        self._seconds = self._left = seconds
        self._cancelled = False
        self._work: Future[Any] | None = None

    def run(self, work: Callable[[], T]) -> T:
        """Have the work done. If waiting for it is broken off, by Ctrl-C for one, the query is given up.

        :raises QueryCancelled: ``cancel`` was called
        :raises QueryTimeout: there is no time left
        """
        self._refuse()
        begun = time.monotonic()
        future = self._work = self._pool.submit(work)
        try:
            if self._cancelled:  # just now, when there was nothing to give up yet
                self._give_up(future)
            done, _ = wait([future], timeout=self._left)
            if not done:
                self._left = 0
                self._give_up(future)
                self._refuse()
            result: T = future.result()
            return result
        except BaseException as error:
            self._give_up(future)
            if isinstance(error, Exception):
                self._refuse(error)
            raise
        finally:
            self._left -= time.monotonic() - begun

    def cancel(self) -> None:
        """Give up what is at work, and refuse more; from any thread."""
        self._cancelled = True
        if self._work is not None:
            self._give_up(self._work)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()

    def _give_up(self, future: Future[Any]) -> None:
        while not future.done():
            self._connection.interrupt()  # in vain if the work is between two queries, so again
            wait([future], timeout=_AGAIN)

    def _refuse(self, error: Exception | None = None) -> None:
        if self._cancelled:
            raise QueryCancelled("the query was cancelled") from error
        if self._left <= 0:
            raise QueryTimeout(
                f"the query took longer than {self._seconds:,.0f} s; ask for less, or raise SUPPLY_LAKE_QUERY_SECONDS"
            ) from error
