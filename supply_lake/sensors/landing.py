"""The landing sensors: they wait inside their ticks for new objects, and ask for runs at the first that they find.

What belongs here: the sensors and what a tick of theirs returns. What does not: looking (``lookout``), taking turns
(``turns``), which runs (``requests``).

Dagster's daemon looks at a sensor every five seconds at best. A tick that waits for the next object halves the time from file
to rows; the daemon must then give sensors threads of their own (``sensors.use_threads``).
"""

from collections.abc import Collection

import dagster as dg

from supply_lake.assets.naming import LAKE, LAYER_TAG
from supply_lake.resources.code_server import CodeServer
from supply_lake.resources.stores import LakeStores
from supply_lake.sensors.alerts import TickAlarm
from supply_lake.sensors.lookout import Lookout, Patience, wait
from supply_lake.sensors.requests import Wanted
from supply_lake.sensors.turns import Turns
from supply_lake.settings import Settings

NAME = "landing"
NOTHING_NEW = "Nothing new has landed."
RELIEF = "landing_relief"
TOLD = 3
"""Remarks that a skipped tick shows; its log has all of them."""
_DESCRIBED = {
    NAME: "Looks for landed files, and asks for runs: one a dataset and range of landing dates.",
    RELIEF: f"Looks for landed files while `{NAME}` has its runs launched. Rests when that one is stopped.",
}


def landing_sensors(settings: Settings, alarm: TickAlarm, patience: Patience | None = None) -> list[dg.SensorDefinition]:
    """The two sensors over all datasets that take turns, so that one of them always looks."""
    waits = patience or Patience()
    lookout = Lookout(settings, waits)
    return [_sensor(name, lookout, waits, alarm) for name in _DESCRIBED]


def landing_sensor(settings: Settings, *, patience: Patience, names: Collection[str] | None = None) -> dg.SensorDefinition:
    """One sensor that looks alone, for ingesting in one process; what it raises, its caller is told.

    :param names: ask for runs of these datasets only
    """
    return _sensor(NAME, Lookout(settings, patience, names), patience, TickAlarm(""))


def _sensor(name: str, lookout: Lookout, patience: Patience, alarm: TickAlarm) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        asset_selection=dg.AssetSelection.tag(LAYER_TAG, LAKE),
        minimum_interval_seconds=5,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_DESCRIBED[name],
    )
    def look(context: dg.SensorEvaluationContext, lake_stores: dg.ResourceParam[LakeStores]) -> dg.SensorResult:
        turns = Turns(context, list(_DESCRIBED))
        if turns.is_stopped():
            return dg.SensorResult(skip_reason=f"Sensor {NAME} is stopped.")
        with alarm.over(f"sensor {NAME}"), lake_stores.open() as stores:
            found = wait(
                lambda: lookout.look(context.instance, stores),
                patience,
                is_my_turn=turns.is_mine,
                is_over=CodeServer().is_ending,
            )
        return _result(context, found)

    return look


def _result(context: dg.SensorEvaluationContext, found: Wanted | None) -> dg.SensorResult:
    if found is None:
        return dg.SensorResult(skip_reason="The other landing sensor looks.")
    for remark in found.remarks:
        context.log.warning(remark)
    if not found.requests:
        return dg.SensorResult(skip_reason="; ".join(found.remarks[:TOLD]) or NOTHING_NEW)
    return dg.SensorResult(run_requests=found.requests)
