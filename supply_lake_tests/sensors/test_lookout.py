"""How long a tick waits, and for what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from supply_lake.sensors import lookout
from supply_lake.sensors.lookout import Patience, Sight, wait
from supply_lake.sensors.requests import Wanted

NOTHING, SOMETHING = Wanted([], [], 0), Wanted([object()], [], 0)  # type: ignore[list-item]


class Clock:
    """Stands in for ``time`` and passes when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(lookout, "time", made)
    return made


def seen(what: Wanted = NOTHING, waiting: int = 0) -> Callable[[], Sight]:
    return lambda: Sight(what, waiting)


def test_time_spent_waiting_for_a_message_is_no_work_to_rest_from(clock: Clock) -> None:
    looks = []

    def listen() -> Sight:
        clock.sleep(5)
        looks.append(clock.now)
        return Sight(NOTHING, 0, idle=5)

    assert wait(listen, Patience(seconds=20)) is NOTHING
    assert looks == [5.0, 10.25, 15.5, 20.75]


def test_looking_takes_at_most_a_fifth_of_the_time() -> None:
    assert Patience().rest(0.0) == 0.25
    assert Patience().rest(2.0) == 8.0


def test_what_is_found_ends_the_wait_and_nothing_ends_it_when_patience_does(clock: Clock) -> None:
    assert wait(seen(SOMETHING), Patience(seconds=20)) is SOMETHING
    assert clock.now == 0
    assert wait(seen(), Patience(seconds=20)) is NOTHING
    assert 19 < clock.now <= 20


def test_files_that_are_being_written_are_waited_for_longer(clock: Clock) -> None:
    assert wait(seen(waiting=1), Patience(seconds=0, for_writers=6)) is NOTHING
    assert 5 < clock.now <= 6


def test_a_tick_whose_turn_never_comes_does_not_look(clock: Clock) -> None:
    assert wait(pytest.fail, Patience(seconds=20), is_my_turn=lambda: False) is None
    assert 19 < clock.now <= 20


def test_patience_begins_anew_when_the_turn_comes(clock: Clock) -> None:
    assert wait(seen(), Patience(seconds=20), is_my_turn=lambda: clock.now >= 15) is NOTHING
    assert 34 < clock.now <= 35


def test_a_server_that_ends_is_not_kept_waiting(clock: Clock) -> None:
    assert wait(seen(), Patience(seconds=20), is_over=lambda: clock.now >= 1) is NOTHING
    assert clock.now == 1
    assert wait(pytest.fail, Patience(seconds=20), is_my_turn=lambda: False, is_over=lambda: True) is None
