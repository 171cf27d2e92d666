"""The landing sensor: waits inside its tick for new objects, and asks for runs at the first it finds.

What belongs here: when to look. What does not: what is new (``ingest.discovery``), which runs (``requests``).

Dagster's daemon looks at a sensor every five seconds at best. A tick that waits for the next object halves the time from file
to rows; the daemon must then give sensors threads of their own (``sensors.use_threads``).
"""

import datetime as dt
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from supply_lake.assets.naming import lake_key
from supply_lake.datasets.registry import Registry
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.requests import FIRST_PAUSE, Wanted, only, wanted
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from supply_lake.ingest.stores import Stores

NAME = "landing"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a tick waits for something to do, in seconds, and how often it looks meanwhile; and the pause after an outage.

    A look that takes long is followed by a rest of four times its length, so that looking never takes more than a fifth of a
    processor.
    """

    seconds: float = 20.0
    look_every: float = 0.25
    look_every_in_buckets: float = 5.0
    after_outage: dt.timedelta = FIRST_PAUSE

    def rest(self, look: float, is_local: bool) -> float:
        """Seconds to rest after a look that took ``look`` seconds."""
        return max(self.look_every if is_local else self.look_every_in_buckets, 4 * look)


def landing_sensor(
    settings: Settings, registry: Registry, *, patience: Patience | None = None, names: Collection[str] | None = None
) -> dg.SensorDefinition:
    """The sensor over all datasets.

    :param names: look at these datasets only
    """
    waits = patience or Patience()

    @dg.sensor(
        name=NAME,
        target=[lake_key(name) for name in registry],
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks for landed files, and asks for runs: one a dataset and range of landing dates.",
    )
    def look(context: dg.SensorEvaluationContext, lake_stores: dg.ResourceParam[LakeStores]) -> dg.SensorResult:
        with lake_stores.open() as stores:
            found = _wait(lambda: _look(context.instance, settings, stores, names, waits), waits, stores.landing.is_local)
        for remark in found.remarks:
            context.log.warning(remark)
        if not found.requests:
            return dg.SensorResult(skip_reason="; ".join(found.remarks[:3]) or "Nothing new has landed.")
        return dg.SensorResult(run_requests=found.requests)

    return look


def _look(
    instance: dg.DagsterInstance, settings: Settings, stores: "Stores", names: Collection[str] | None, patience: Patience
) -> Wanted:
    from supply_lake.ingest.discovery import tick

    tick(stores)
    pending = only(stores.metadata.pending(), names)
    return wanted(instance, settings, stores.registry, pending, after_outage=patience.after_outage)


def _wait(look: Callable[[], Wanted], patience: Patience, is_local: bool) -> Wanted:
    """Look until there is something to ask for, or patience ends."""
    end = time.monotonic() + patience.seconds
    while True:
        start = time.monotonic()
        found = look()
        now = time.monotonic()
        rest = patience.rest(now - start, is_local)
        if found.requests or now + rest >= end:
            return found
        time.sleep(rest)
