"""A lake that was really ingested, and the service over it."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supply_lake.service.app import create_app
from supply_lake.service.grants import Grant
from supply_lake.service.opened import Opened
from supply_lake.service.tokens import make_token
from supply_lake.settings import Settings
from supply_lake_tests.ingest.house import KEYED, ORDERS, House, csv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another HTTP client than ours
    from starlette.testclient import TestClient

STOCK: dict[str, Any] = {**ORDERS, **KEYED, "name": "stock", "mode": "replace", "freshness": {"max_age_hours": 24}}


class Service:
    """The service over one lake, and tokens for it."""

    def __init__(self, house: House, env: Mapping[str, str]) -> None:
        self.house = house
        self.opened = Opened.open(Settings.from_env({**house.env, **env}))
        self.app = create_app(self.opened, tell_webhooks=False)
        self.client = TestClient(self.app, raise_server_exceptions=False, client=("127.0.0.9", 5000))
        self.client.__enter__()
        self.all = self.token("*:read,query,push,manage")

    def token(self, *grants: str, expires_at: dt.datetime | None = None) -> str:
        """The text of a new token."""
        made, text = make_token("test", tuple(map(Grant.parse, grants)), dt.datetime.now(dt.UTC), expires_at)
        self.opened.access.add(made)
        return text

    def ask(self, method: str, path: str, *, token: str | None = "", **rest: Any) -> Any:
        """The response; by default with a token that may do everything."""
        headers = {**rest.pop("headers", {})}
        if token is not None:
            headers["authorization"] = f"Bearer {token or self.all}"
        return self.client.request(method, path, headers=headers, **rest)

    def get(self, path: str, **rest: Any) -> Any:
        return self.ask("GET", path, **rest)

    def json(self, path: str, **rest: Any) -> Any:
        """The body of a response that has to be good."""
        response = self.get(path, **rest)
        assert response.status_code == 200, response.text
        return response.json()

    def close(self) -> None:
        self.client.__exit__(None, None, None)
        self.house.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Opens the service over an empty lake of some datasets."""
    opened: list[Service] = []

    def one(*specs: dict[str, Any], env: Mapping[str, str] | None = None) -> Service:
        house = House(tmp_path / f"lake-{len(opened)}", *(specs or (ORDERS, STOCK)))
        opened.append(Service(house, env or {}))
        return opened[-1]

    yield one
    for service in opened:
        service.close()


def fill(house: House) -> None:
    """Three commits of orders, of which the last has rejected rows; two of stock, of which the second replaces the first."""
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o3", 3, 1)]), day=dt.date(2026, 11, 2))
    house.land("s.csv", csv([("s1", 5, 1)]), dataset="stock")
    house.ingest()
    house.land("c.csv", csv([("o4", 4, 1), ("o5", -4, 1), ("o6", "many", 1), ("o7", 7, 1), ("o8", 8, 1)]))
    house.land("s2.csv", csv([("s2", 6, 1)]), dataset="stock")
    house.ingest()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service over a filled lake, for tests that change nothing."""
    house = House(tmp_path_factory.mktemp("filled"), ORDERS, STOCK)
    fill(house)
    service = Service(house, {})
    yield service
    service.close()
