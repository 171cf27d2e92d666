from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots.made_up import Clock
from supply_lake_tests.snapshots.opening import PLANNED, open_now

SERVERS = [pytest.param(name, marks=pytest.mark.integration) for name in ("postgresql", "dynamodb")]


EVERY_WAY = ["sqlite", *SERVERS, pytest.param("dynamodb, planned", marks=pytest.mark.integration)]
"""With DynamoDB twice: decisions that fit into one transaction, and decisions that don't."""
in_sql = pytest.mark.parametrize("store_url", EVERY_WAY[:2], indirect=True)
in_dynamodb = pytest.mark.parametrize("store_url", EVERY_WAY[2:], indirect=True)
every_way = pytest.mark.parametrize("store_url", EVERY_WAY, indirect=True)


@pytest.fixture(params=["sqlite", *SERVERS])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every kind of store in turn, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made/on/open/metadata.sqlite"
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return str(request.getfixturevalue("dynamodb_url")) + (PLANNED if request.param == "dynamodb, planned" else "")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(store_url: str, clock: Clock) -> Iterator[Callable[[], MetadataStore]]:
    """Opens the store of this test; several times gives several independent handles."""
    opened: list[MetadataStore] = []

    def open_one() -> MetadataStore:
        opened.append(open_now(store_url, clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], MetadataStore]) -> MetadataStore:
    return open_store()
