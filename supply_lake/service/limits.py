"""How often one may ask: a bucket of tries for each token and each address, refilled as time goes by.

What belongs here: the buckets. What does not: what counts as a try (``door``). Each worker process counts for itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from supply_lake.errors import TooManyRequests

_KEPT = 20_000


class Rate:
    """So many tries a second for each key, and ``burst`` at once after a rest."""

    def __init__(self, per_second: float, burst: float | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._per_second = per_second
        self._burst = per_second * 2 if burst is None else burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        """Count a try.

        :raises TooManyRequests: there is none left; it says when there is one again
        """
        left = self._left(key)
        if left < 1:
            wait = (1 - left) / self._per_second
            raise TooManyRequests(f"too many requests; the next one is taken in {wait:.1f} s", wait)
        self._put(key, left - 1)

    def check(self, key: str) -> None:
        """As ``take``, but count nothing."""
        left = self._left(key)
        if left < 1:
            raise TooManyRequests("too many requests that failed; wait a little", (1 - left) / self._per_second)

    def _left(self, key: str) -> float:
        left, at = self._buckets.get(key, (self._burst, self._clock()))
        return min(self._burst, left + (self._clock() - at) * self._per_second)

    def _put(self, key: str, left: float) -> None:
        self._buckets[key] = (left, self._clock())
        self._buckets.move_to_end(key)
        if len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
