from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supply_lake_tests.extract.api import Api
from supply_lake_tests.extract.shop import Shop


@pytest.fixture
def make_shop(tmp_path: Path) -> Iterator[Callable[..., Shop]]:
    """Builds lakes that pull, and closes them afterwards."""
    shops: list[Shop] = []

    def make(spec: dict[str, Any], env: Mapping[str, str] | None = None) -> Shop:
        shops.append(Shop(tmp_path / f"shop-{len(shops)}", spec, env or {}))
        return shops[-1]

    yield make
    for shop in shops:
        shop.close()


@pytest.fixture
def api() -> Iterator[Api]:
    """An HTTP API that misbehaves as it is told."""
    server = Api()
    yield server
    server.close()
