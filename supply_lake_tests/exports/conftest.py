from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supply_lake_tests.ingest.house import House


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Builds lakes in the test's folder and closes them afterwards."""
    houses: list[House] = []

    def make(*specs: dict[str, Any], env: dict[str, str] | None = None) -> House:
        houses.append(House(tmp_path / f"house-{len(houses)}", *specs, env=env))
        return houses[-1]

    yield make
    for house in houses:
        house.close()
