"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A running PostgreSQL server, ``supply_lake_tests.integration.postgres.Postgres``."""
    from supply_lake_tests.integration.postgres import Postgres

    server = Postgres(tmp_path_factory.mktemp("pg"))
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: object) -> str:
    """SQLAlchemy URL of an empty PostgreSQL database of the test's own."""
    return postgres.new_database()  # type: ignore[attr-defined]
