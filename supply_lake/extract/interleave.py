"""Several streams read at once, handed on in an order that is always the same, with little of each held in memory.

What belongs here: that order, and ending every reader when one fails or nobody listens any more. What does not: what flows.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TypeVar

T = TypeVar("T")
_HELD = 2
_LOOK_SECONDS = 0.1


class _Ended(Exception):
    """Nobody listens any more."""


def interleaved(streams: Sequence[Callable[[], Generator[T, None, None]]]) -> Generator[T, None, None]:
    """One item of each stream in turn, until all have ended. Each stream has a thread and is at most two items ahead.

    :param streams: called in their threads; an error of one is raised here, and ends the others
    """
    ended = threading.Event()
    queues: list[queue.Queue[T | None]] = [queue.Queue(_HELD) for _ in streams]

    def put(line: queue.Queue[T | None], item: T | None) -> None:
        while not ended.is_set():
            try:
                line.put(item, timeout=_LOOK_SECONDS)
                return
            except queue.Full:
                continue
        raise _Ended

    def pump(stream: Callable[[], Generator[T, None, None]], line: queue.Queue[T | None]) -> None:
        try:
            with suppress(_Ended), closing(stream()) as items:
                for item in items:
                    put(line, item)
        finally:
            with suppress(_Ended):
                put(line, None)

    with ThreadPoolExecutor(len(streams), thread_name_prefix="pull") as pool:
        pumps = {number: pool.submit(pump, *pair) for number, pair in enumerate(zip(streams, queues, strict=True))}
        open_ones = list(range(len(streams)))
        try:
            while open_ones:
                for number in list(open_ones):
                    item = queues[number].get()
                    if item is None:
                        open_ones.remove(number)
                        pumps[number].result()
                    else:
                        yield item
        finally:
            ended.set()
