from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supply_lake_tests.query.made_lake import MadeLake


@pytest.fixture
def make_lake(tmp_path: Path) -> Iterator[Callable[..., MadeLake]]:
    """Makes a lake of hand-written files; closed at the end of the test."""
    made: list[MadeLake] = []

    def make(*specs: Mapping[str, Any], **fields: Any) -> MadeLake:
        made.append(MadeLake(tmp_path / f"lake-{len(made)}", *specs, **fields))
        return made[-1]

    yield make
    for lake in made:
        lake.stores.close()


@pytest.fixture
def lake(make_lake: Callable[..., MadeLake]) -> MadeLake:
    return make_lake()
