"""Looks at landing until there is something to ask for, or patience ends.

Where a queue tells of new objects, landing itself is listed only to reconcile: when the process begins, and every
``reconcile_seconds``. So a lake may be switched from one way to the other at any time.

What belongs here: when to look where, and for how long. What does not: what is new (``ingest.discovery``), what a queue tells
(``hearing``), which runs (``requests``), and whose turn it is (``turns``).
"""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from supply_lake.sensors.hearing import Heard, Hearing
from supply_lake.sensors.requests import FIRST_PAUSE, Wanted, only, wanted
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from supply_lake.ingest.stores import Stores
    from supply_lake.landing.watching import Watch


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a tick waits, in seconds.

    :param seconds: for something to do, and before that for its turn; Dagster cuts a tick off after 60
    :param for_writers: for files that are still being written, if there are any
    :param after_outage: before it asks again for what a run could not do because a store was away
    :param hear_for: for a message, before it looks at what else may be pending
    :param drain: take messages until there are none, however many there are
    """

    seconds: float = 20.0
    for_writers: float = 0.0
    after_outage: dt.timedelta = FIRST_PAUSE
    look_every: float = 0.25
    list_buckets_every: float = 5.0
    hear_for: int = 5
    drain: bool = False

    def rest(self, look: float) -> float:
        """Seconds to rest after a look that took ``look`` seconds: looking takes at most a fifth of a processor."""
        return max(self.look_every, 4 * look)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look showed. ``waiting`` counts files that are not ready to be read; ``idle``: seconds of it spent waiting."""

    wanted: Wanted
    waiting: int
    idle: float = 0.0


class Lookout:
    """Looks at landing; between ticks it remembers where it has looked, so that a look costs what is new.

    :param names: ask for runs of these datasets only
    """

    def __init__(self, settings: Settings, patience: Patience, names: Collection[str] | None = None) -> None:
        self._settings, self._patience, self._names = settings, patience, names
        self._lock = threading.Lock()
        self._watch: Watch | None = None
        self._unfinished: tuple[str, ...] = ()
        self._hearing = Hearing(settings) if settings.events else None
        self._busy = True

    def look(self, instance: DagsterInstance, stores: Stores) -> Sight:
        """One look; ticks of several sensors take turns."""
        with self._lock:
            waiting = self._discover(stores)
            heard = self._hear(stores)
        pending = only(stores.metadata.pending(), self._names)
        self._busy = bool(pending or self._unfinished)
        found = wanted(instance, self._settings, stores.registry, pending, after_outage=self._patience.after_outage)
        return Sight(replace(found, remarks=[*found.remarks, *_told(waiting), *heard.remarks]), len(waiting), heard.idle)

    def _hear(self, stores: Stores) -> Heard:
        """What the queue tells; it is waited for only when nothing else is to be done."""
        if self._hearing is None:
            return Heard()
        wait = 0 if self._busy or self._unfinished else min(self._patience.hear_for, int(self._patience.seconds))
        return self._hearing.hear(stores, wait=wait, drain=self._patience.drain)

    def _discover(self, stores: Stores) -> dict[str, str]:
        from supply_lake.ingest.discovery import tick

        watch = self._watch_over(stores)
        where = self._unfinished or watch.due(time.monotonic())
        if not where:
            return {}
        report = tick(stores, prefixes=where)
        self._unfinished = where if report.deferred else ()
        watch.look_again(report.waiting)
        return report.waiting

    def _watch_over(self, stores: Stores) -> Watch:
        from supply_lake.landing.watching import FULL_SECONDS, Watch, hot_prefixes

        if self._watch is None:
            specs, days = list(stores.registry.values()), self._settings.hot_days
            self._watch = Watch(
                stores.landing,
                lambda: hot_prefixes(specs, dt.datetime.now(dt.UTC).date(), days),
                full_seconds=self._settings.reconcile_seconds if self._hearing else FULL_SECONDS,
                poll_seconds=math.inf if self._hearing else self._patience.list_buckets_every,
            )
        return self._watch


def _told(waiting: Mapping[str, str]) -> Iterator[str]:
    """A remark for each reason to wait."""
    by_reason: dict[str, list[str]] = {}
    for key, reason in waiting.items():
        by_reason.setdefault(reason, []).append(key)
    for reason, keys in by_reason.items():
        yield f"{keys[0]} waits: {reason}" + (f" (and {len(keys) - 1} more)" if len(keys) > 1 else "")


def wait(
    look: Callable[[], Sight],
    patience: Patience,
    *,
    is_my_turn: Callable[[], bool] = lambda: True,
    is_over: Callable[[], bool] = lambda: False,
) -> Wanted | None:
    """Look, when it is this tick's turn, until there is something to ask for or patience ends.

    :param is_my_turn: whether no other tick looks now; patience begins anew when the turn comes
    :param is_over: whether to stop at once
    :returns: ``None`` when the turn never came
    """
    begin = time.monotonic()
    sight: Sight | None = None
    while True:
        start = time.monotonic()
        if is_my_turn():
            begin = begin if sight else start
            sight = look()
        now = time.monotonic()
        rest = patience.rest(now - start - (sight.idle if sight else 0))
        end = begin + max(patience.seconds, patience.for_writers if sight and sight.waiting else 0)
        if (sight and sight.wanted.requests) or now + rest >= end or is_over():
            return sight.wanted if sight else None
        time.sleep(rest)
