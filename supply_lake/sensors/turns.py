"""Whose turn it is to look, where two sensors take turns.

What belongs here: that rule. What does not: looking (``lookout``).

Dagster's daemon comes back to a sensor up to five seconds after its tick has ended, and a tick that found something has to end
for its runs to start. So there are two landing sensors: while the daemon is between two ticks of one, the other looks. Of their
ticks that are under way the oldest looks. A tick is under way until the last of its runs is launched, so the next one sees them
and asks for nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.selector import InstigatorSelector
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorTick, TickStatus

FORGOTTEN_SECONDS = 90.0
"""After this long a tick is not under way, whatever its record says: its daemon was killed."""


class Turns:
    """The ticks of several sensors of one code location, seen from a tick of one of them.

    :param names: the sensors; the first one leads
    """

    def __init__(self, context: dg.SensorEvaluationContext, names: Sequence[str]) -> None:
        self._instance = context.instance
        self._own = (context.log_key or [""])[-1]  # the daemon keeps a tick's log under its id
        origin = context.code_location_origin
        # Outside a code server there is nobody to take turns with.
        self._selectors = (
            [_selector(origin.location_name, context.repository_name or "", name) for name in names] if origin else []
        )

    def is_mine(self) -> bool:
        """Whether this tick is to look now. A preview, which is no tick and starts nothing, looks whoever else does."""
        under_way = sorted(tick.tick_id for tick in self._under_way())
        return self._own not in map(str, under_way) or self._own == str(under_way[0])

    def is_stopped(self) -> bool:
        """Whether a person has stopped the sensor that leads; the others then rest too."""
        for selector in self._selectors[:1]:
            state = self._instance.get_instigator_state("", selector)
            return state is not None and state.status is InstigatorStatus.STOPPED
        return False

    def _under_way(self) -> Iterator[InstigatorTick]:
        for selector in self._selectors:
            for tick in self._instance.get_ticks("", selector, limit=1):
                if tick.status is TickStatus.STARTED and time.time() - tick.timestamp < FORGOTTEN_SECONDS:
                    yield tick


def _selector(location: str, repository: str, name: str) -> str:
    return InstigatorSelector(location_name=location, repository_name=repository, name=name).get_id()
