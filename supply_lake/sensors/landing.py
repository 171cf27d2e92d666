"""The landing sensor: waits inside its tick for new objects, and asks for runs at the first it finds.

What belongs here: when to look. What does not: what is new (``ingest.discovery``), which runs (``requests``).

Dagster's daemon looks at a sensor every five seconds at best. A tick that waits for the next object halves the time from file
to rows; the daemon must then give sensors threads of their own (``sensors.use_threads``).
"""

import datetime as dt
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import dagster as dg

from supply_lake.assets.naming import lake_key
from supply_lake.datasets.registry import Registry
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.requests import FIRST_PAUSE, Wanted, only, wanted
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from supply_lake.ingest.stores import Stores
    from supply_lake.landing.watching import Watch

NAME = "landing"
NOTHING_NEW = "Nothing new has landed."
TOLD = 3
"""Remarks that a skipped tick shows; its log has all of them."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a tick waits, in seconds.

    :param seconds: for something to do; Dagster cuts a tick off after 60, and a daemon that is stopped waits for it
    :param for_writers: for files that are still being written, if there are any
    :param after_outage: before it asks again for what a run could not do because a store was away
    """

    seconds: float = 20.0
    for_writers: float = 0.0
    after_outage: dt.timedelta = FIRST_PAUSE
    look_every: float = 0.25
    list_buckets_every: float = 5.0

    def rest(self, look: float) -> float:
        """Seconds to rest after a look that took ``look`` seconds: looking takes at most a fifth of a processor."""
        return max(self.look_every, 4 * look)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look showed. ``writing`` counts files that are still being written."""

    wanted: Wanted
    writing: int


def landing_sensor(
    settings: Settings, registry: Registry, *, patience: Patience | None = None, names: Collection[str] | None = None
) -> dg.SensorDefinition:
    """The sensor over all datasets.

    :param names: ask for runs of these datasets only
    """
    waits = patience or Patience()
    lookout = _Lookout(settings, waits, names)

    @dg.sensor(
        name=NAME,
        asset_selection=dg.AssetSelection.assets(*(lake_key(name) for name in registry)),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks for landed files, and asks for runs: one a dataset and range of landing dates.",
    )
    def look(context: dg.SensorEvaluationContext, lake_stores: dg.ResourceParam[LakeStores]) -> dg.SensorResult:
        with lake_stores.open() as stores:
            found = _wait(lambda: lookout.look(context.instance, stores), waits)
        for remark in found.remarks:
            context.log.warning(remark)
        if not found.requests:
            return dg.SensorResult(skip_reason="; ".join(found.remarks[:TOLD]) or NOTHING_NEW)
        return dg.SensorResult(run_requests=found.requests)

    return look


class _Lookout:
    """Looks at landing; between ticks it remembers where it has looked, so that a look costs what is new."""

    def __init__(self, settings: Settings, patience: Patience, names: Collection[str] | None) -> None:
        self._settings, self._patience, self._names = settings, patience, names
        self._watch: Watch | None = None
        self._unfinished: tuple[str, ...] = ()

    def look(self, instance: dg.DagsterInstance, stores: "Stores") -> Sight:
        writing = self._discover(stores)
        pending = only(stores.metadata.pending(), self._names)
        found = wanted(instance, self._settings, stores.registry, pending, after_outage=self._patience.after_outage)
        if writing:
            found = replace(found, remarks=[*found.remarks, f"{writing} files are still being written"])
        return Sight(found, writing)

    def _discover(self, stores: "Stores") -> int:
        from supply_lake.ingest.discovery import tick

        watch = self._watch_over(stores)
        where = self._unfinished or watch.due(time.monotonic())
        if not where:
            return 0
        report = tick(stores, prefixes=where)
        self._unfinished = where if report.deferred else ()
        watch.look_again(report.waiting)
        return len(report.waiting)

    def _watch_over(self, stores: "Stores") -> "Watch":
        from supply_lake.landing.watching import Watch, hot_prefixes

        if self._watch is None:
            specs, days = list(stores.registry.values()), self._settings.hot_days
            self._watch = Watch(
                stores.landing,
                lambda: hot_prefixes(specs, dt.datetime.now(dt.UTC).date(), days),
                poll_seconds=self._patience.list_buckets_every,
            )
        return self._watch


def _wait(look: Callable[[], Sight], patience: Patience) -> Wanted:
    """Look until there is something to ask for, or patience ends."""
    begin = time.monotonic()
    while True:
        start = time.monotonic()
        sight = look()
        now = time.monotonic()
        rest = patience.rest(now - start)
        end = begin + max(patience.seconds, patience.for_writers if sight.writing else 0)
        if sight.wanted.requests or now + rest >= end:
            return sight.wanted
        time.sleep(rest)
