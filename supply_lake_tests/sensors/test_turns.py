"""Two landing sensors take turns: one of them looks, and neither asks for what the other asked for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.selector import InstigatorSelector
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._utils.error import SerializableErrorInfo

from supply_lake.sensors.turns import FORGOTTEN_SECONDS, Turns

NAMES = ["first", "second"]


@dataclass
class Daemon:
    """Records ticks and states as Dagster's daemon does, for one code location."""

    instance: dg.DagsterInstance
    location: str

    def turns(self, name: str, tick: InstigatorTick | None = None) -> Turns:
        """As a tick sees it; without one, as a preview in the UI does."""
        context = dg.build_sensor_context(instance=self.instance, sensor_name=name)
        context._log_key = ["__repository__", name, str(tick.tick_id) if tick else "20261101_120000"]
        context._code_location_origin = RegisteredCodeLocationOrigin(self.location)
        context._repository_name = "__repository__"
        return Turns(context, NAMES)

    def begin(self, name: str, age: float = 0.0) -> InstigatorTick:
        selector = InstigatorSelector(location_name=self.location, repository_name="__repository__", name=name)
        return self.instance.create_tick(
            TickData(
                instigator_origin_id=self._origin(name).get_id(),
                instigator_name=name,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.STARTED,
                timestamp=time.time() - age,
                selector_id=selector.get_id(),
            )
        )

    def end(self, tick: InstigatorTick, *, badly: bool = False) -> None:
        error = SerializableErrorInfo("no luck", [], None) if badly else None
        self.instance.update_tick(tick.with_status(TickStatus.FAILURE if badly else TickStatus.SUCCESS, error=error))

    def note(self, name: str, status: InstigatorStatus) -> None:
        state = InstigatorState(self._origin(name), InstigatorType.SENSOR, status, SensorInstigatorData())
        known = self.instance.get_instigator_state(state.instigator_origin_id, state.selector_id)
        (self.instance.update_instigator_state if known else self.instance.add_instigator_state)(state)

    def _origin(self, name: str):  # type: ignore[no-untyped-def]
        return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(self.location), "__repository__").get_instigator_origin(name)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def daemon(instance: dg.DagsterInstance, request: pytest.FixtureRequest) -> Daemon:
    return Daemon(instance, request.node.name)


def test_the_older_tick_looks_until_its_runs_are_launched(daemon: Daemon) -> None:
    leading = daemon.begin("first")
    first = daemon.turns("first", leading)
    assert first.is_mine()
    waiting = daemon.begin("second")
    second = daemon.turns("second", waiting)
    assert (first.is_mine(), second.is_mine()) == (True, False)
    daemon.end(leading)
    assert second.is_mine()
    again = daemon.turns("first", daemon.begin("first"))
    assert (again.is_mine(), second.is_mine()) == (False, True)


def test_a_tick_that_ended_badly_gives_the_turn_away(daemon: Daemon) -> None:
    leading = daemon.begin("first")
    waiting = daemon.begin("second")
    daemon.end(leading, badly=True)
    assert daemon.turns("second", waiting).is_mine()


def test_a_tick_whose_daemon_was_killed_is_forgotten(daemon: Daemon) -> None:
    daemon.begin("second", age=FORGOTTEN_SECONDS + 1)
    assert daemon.turns("first", daemon.begin("first")).is_mine()


def test_a_preview_looks_whoever_else_does(daemon: Daemon) -> None:
    daemon.begin("first")
    assert daemon.turns("first").is_mine()
    assert daemon.turns("second").is_mine()


def test_the_others_rest_when_the_sensor_that_leads_is_stopped(daemon: Daemon) -> None:
    assert not daemon.turns("second").is_stopped()
    daemon.note("first", InstigatorStatus.DECLARED_IN_CODE)
    daemon.note("second", InstigatorStatus.STOPPED)
    assert not daemon.turns("second").is_stopped()
    daemon.note("first", InstigatorStatus.STOPPED)
    assert daemon.turns("second").is_stopped()


def test_alone_it_is_always_ones_turn(daemon: Daemon) -> None:
    daemon.begin("second")
    alone = Turns(dg.build_sensor_context(instance=daemon.instance, sensor_name="first"), NAMES)
    assert alone.is_mine()
    assert not alone.is_stopped()
