from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from supply_lake.doctor.clock import clock, compared
from supply_lake.doctor.finding import State

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, State.OK), (29, State.OK), (30, State.WARNING), (899, State.WARNING), (900, State.BROKEN)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_clocks_may_differ_by_so_much(seconds: int, sign: int, state: State) -> None:
    assert compared(NOW + dt.timedelta(seconds=sign * seconds), NOW, "landing").state is state


def test_a_folder_tells_the_time_of_its_file_system(tmp_path: Path) -> None:
    (found,) = clock(str(tmp_path))
    assert found.state is State.OK
    (found,) = clock(str(tmp_path), now=lambda: NOW - dt.timedelta(days=9_999))
    assert found.state is State.BROKEN
    assert list(tmp_path.rglob("*.*")) == [tmp_path / ".pulls"]
