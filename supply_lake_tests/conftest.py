"""Fixtures that several rooms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes tells of the machine and of what else it does, not of the code.
settings.register_profile("supply_lake", deadline=None)
settings.load_profile("supply_lake")


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., object]]:
    """Builds lakes to ingest into, ``supply_lake_tests.ingest.house.House``, in the test's folder, and closes them afterwards."""
    from supply_lake_tests.ingest.house import House

    houses: list[House] = []

    def make(*specs: dict[str, Any], env: dict[str, str] | None = None, at: str = "") -> House:
        house = House(tmp_path / (at or f"house-{len(houses)}"), *specs, env=env)
        houses.append(house)
        return house

    yield make
    for house in houses:
        house.close()


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


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A running S3 server, ``supply_lake_tests.integration.s3.S3``."""
    from supply_lake_tests.integration.s3 import S3

    server = S3(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture
def s3_location(s3_server: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty place in an S3 bucket of the test's own, with the AWS variables set for it."""
    for name, value in s3_server.environ.items():  # type: ignore[attr-defined]
        monkeypatch.setenv(name, value)
    return f"s3://{s3_server.new_bucket()}/some/place"  # type: ignore[attr-defined]


@pytest.fixture
def dynamodb_url(s3_server: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a DynamoDB table of the test's own, made when it is opened, with the AWS variables set for it."""
    for name, value in s3_server.environ.items():  # type: ignore[attr-defined]
        monkeypatch.setenv(name, value)
    return s3_server.new_table()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A running MariaDB server, ``supply_lake_tests.integration.mariadb.MariaDB``; skips where none is installed."""
    from supply_lake_tests.integration.mariadb import MariaDB, missing

    if reason := missing():
        pytest.skip(reason)
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A running Glue server, ``supply_lake_tests.integration.moto.Moto``."""
    from supply_lake_tests.integration.moto import Moto

    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.stop()
