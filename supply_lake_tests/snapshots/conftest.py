from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots.made_up import Clock


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Every kind of store in turn, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/made/on/open/metadata.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(store_url: str, clock: Clock) -> Iterator[Callable[[], SqlStore]]:
    """Opens the store of this test; several times gives several independent handles."""
    opened: list[SqlStore] = []

    def open_one() -> SqlStore:
        opened.append(SqlStore.open(store_url, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], SqlStore]) -> MetadataStore:
    return open_store()
