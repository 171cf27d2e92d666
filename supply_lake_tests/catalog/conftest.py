from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supply_lake_tests.ingest.house import House


@pytest.fixture
def make_house(tmp_path: Path, s3_location: str, moto: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., House]]:
    """Builds lakes in an S3 bucket, with a catalog in a Glue of their own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", moto.url)
    houses: list[House] = []

    def make(*specs: dict[str, Any], env: dict[str, str] | None = None) -> House:
        places = {f"SUPPLY_LAKE_{name}": f"{s3_location}/{len(houses)}/{name.lower()}" for name in ("LAKE", "REJECTS")}
        catalog = {"SUPPLY_LAKE_CATALOG": "glue", "SUPPLY_LAKE_CATALOG_DATABASE": moto.new_database()}
        house = House(tmp_path / f"house-{len(houses)}", *specs, env={**places, **catalog, **(env or {})})
        houses.append(house)
        return house

    yield make
    for house in houses:
        house.close()
