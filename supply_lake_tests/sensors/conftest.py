from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from supply_lake_tests.sensors.lakes import Lake, lake
from supply_lake_tests.sensors.made_up import ORDERS


@pytest.fixture
def make_lake(tmp_path: Path) -> Iterator[Callable[..., Lake]]:
    """Builds lakes and closes them afterwards."""
    with ExitStack() as stack:
        yield lambda *specs, **options: stack.enter_context(lake(tmp_path, specs or (ORDERS,), **options))


@pytest.fixture
def orders(make_lake: Callable[..., Any]) -> Lake:
    """A lake of one dataset."""
    return make_lake()
