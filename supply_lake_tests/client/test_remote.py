"""``Lake.connect``: the same reads as ``Lake.open``, with the same values and the same errors."""

from __future__ import annotations

import datetime as dt
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from supply_lake import Lake
from supply_lake.client.remote import RemoteLake
from supply_lake.datasets.registry import load_registry
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import (
    Forbidden,
    NotFound,
    QueryError,
    StoreUnavailable,
    Unauthenticated,
    UnknownCommit,
    UnknownSnapshot,
    UsageError,
)
from supply_lake.settings import Settings
from supply_lake_tests.ingest.house import KEYED, ORDERS, House, csv
from supply_lake_tests.service.conftest import STOCK, Service, fill

UPSERT: dict[str, Any] = {**ORDERS, **KEYED, "name": "mirror", "mode": "upsert"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    house = House(tmp_path_factory.mktemp("remote"), ORDERS, STOCK, UPSERT)
    fill(house)
    house.land("m.csv", csv([("o1", 1, 1), ("o2", 2, 1)]), dataset="mirror")
    house.ingest()
    house.land("n.csv", csv([("o1", 5, 2, "yes")], header="order_id,quantity,version,gift"), dataset="mirror")
    house.ingest()
    house.land("waits.csv", csv([("o9", 1, 1)]))
    house.discover()
    opened = Service(house, {})
    yield opened
    opened.close()


@pytest.fixture
def remote(service: Service) -> Iterator[RemoteLake]:
    with connect(service, service.all) as lake:
        yield lake


def connect(service: Service, token: str) -> RemoteLake:
    return RemoteLake.connect("http://lake.example", token, transport=Through(service))


class Through(httpx.BaseTransport):
    """Requests reach the app without a network."""

    def __init__(self, service: Service) -> None:
        self._client = service.client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        left_out = {"host", "content-length", "transfer-encoding", "accept-encoding"}
        headers = {name: value for name, value in request.headers.items() if name not in left_out}
        url = request.url.raw_path.decode()
        told = self._client.request(request.method, url, content=request.read(), headers=headers)
        return httpx.Response(told.status_code, headers=dict(told.headers), content=told.content)


@pytest.fixture
def local(service: Service) -> Lake:
    return service.opened.lake


NAMES = ["orders", "stock", "mirror"]


def test_datasets_stand_the_same(remote: RemoteLake, local: Lake) -> None:
    there, here = remote.datasets(), local.datasets()
    assert list(there) == list(here) == sorted(NAMES)
    assert there == here
    assert there["orders"].pending == 1


@pytest.mark.parametrize("name", NAMES)
def test_records_are_the_same(remote: RemoteLake, local: Lake, name: str) -> None:
    assert remote.snapshots(name) == local.snapshots(name)
    assert remote.snapshots(name, limit=1) == local.snapshots(name, limit=1)
    assert remote.latest(name) == local.latest(name)
    assert remote.live(name) == local.live(name)
    assert remote.schema(name) == local.schema(name)
    history = local.stores.metadata.commits(name)
    assert remote.commits(name) == history
    assert remote.commits(name, after=1) == history[1:]
    for commit in history:
        stood = [
            replace(
                one,
                superseded_by=one.superseded_by if (one.superseded_by or 0) <= commit.number else None,
            )
            for one in local.live(name, commit=commit.number)
        ]
        assert remote.live(name, commit=commit.number) == stood
        assert remote.live(name, as_of=commit.committed_at) == stood


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_the_same(remote: RemoteLake, local: Lake, name: str) -> None:
    for at in ({}, {"commit": 1}, {"columns": ["version", "order_id"], "where": "quantity > 1"}):
        here, there = (lake.read(name, **at) for lake in (local, remote))  # type: ignore[attr-defined]
        assert there.schema.equals(here.schema)
        assert sorted(there.to_pylist(), key=repr) == sorted(here.to_pylist(), key=repr)
    time = local.stores.metadata.commits(name)[0].committed_at
    assert remote.read(name, as_of=time).equals(local.read(name, as_of=time))
    sql = f"SELECT count(*) AS n, sum(quantity) AS total FROM {name}"
    assert remote.query(sql).equals(local.query(sql))
    assert remote.query(sql, as_of=time).equals(local.query(sql, as_of=time))


def test_an_answer_streams(remote: RemoteLake) -> None:
    with remote.answer("SELECT * FROM range(200_000)") as reader:
        assert sum(batch.num_rows for batch in reader) == 200_000


def test_rejects_are_the_same(remote: RemoteLake, local: Lake) -> None:
    for asked in (
        {},
        {"rule": "int64"},
        {"limit": 1},
        {"offset": 1},
        {"outcome": "all", "source": "c.csv"},
        {"outcome": "deduplicated"},
    ):
        assert remote.rejects("orders", **asked).equals(local.rejects("orders", **asked)), asked  # type: ignore[arg-type]
    for by in ("rule", "source"):
        there, here = (lake.rejects_summary("orders", by=by) for lake in (remote, local))  # type: ignore[attr-defined]
        ties = {"most_often"}  # which of two rules that were broken as often is named is nobody's choice
        told = [[{k: v for k, v in row.items() if k not in ties} for row in one.to_pylist()] for one in (there, here)]
        assert told[0] == told[1]
        assert there.schema.names == here.schema.names


@pytest.mark.parametrize(
    ("error", "read"),
    [
        (UnknownSnapshot, lambda lake: lake.snapshot("0000")),
        (UnknownCommit, lambda lake: lake.live("orders", commit=99)),
        (UnknownCommit, lambda lake: lake.read("orders", commit=99)),
        (UnknownSnapshot, lambda lake: lake.read("orders", snapshot_id="0000")),
        (UsageError, lambda lake: lake.live("orders", commit=1, as_of=dt.datetime(2026, 1, 1))),
        (UsageError, lambda lake: lake.read("orders", as_of=dt.datetime.now() + dt.timedelta(days=9))),
        (NotFound, lambda lake: lake.latest("nothing")),
        (NotFound, lambda lake: lake.latest("../x")),
        (QueryError, lambda lake: lake.query("SELECT nothing FROM orders")),
        (QueryError, lambda lake: lake.read("orders", columns=["nothing"])),
    ],
)
def test_errors_are_the_same(remote: RemoteLake, local: Lake, error: type[Exception], read: Callable[[Any], object]) -> None:
    for lake in (remote, local):
        with pytest.raises(error):
            read(lake)


def test_the_same_names_take_the_same_arguments() -> None:
    reads = [
        "datasets",
        "snapshots",
        "latest",
        "snapshot",
        "schema",
        "live",
        "read",
        "query",
        "rejects",
        "rejects_summary",
        "land",
    ]
    for name in reads:
        here, there = (set(inspect.signature(getattr(lake, name)).parameters) for lake in (Lake, RemoteLake))
        assert there == here - {"to", "limits", "pin"}, name


def test_whoever_may_not_is_told_so(service: Service) -> None:
    with pytest.raises(Unauthenticated):
        connect(service, "sl_0123456789ab_" + "x" * 43)
    with connect(service, service.token("stock:read")) as lake:
        assert list(lake.datasets()) == ["stock"]
        with pytest.raises(Forbidden):
            lake.latest("orders")
        with pytest.raises(Forbidden):
            lake.read("stock")


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(StoreUnavailable, match="does not answer"):
        RemoteLake.connect("https://lake.example", "t", transport=httpx.MockTransport(away))
    with pytest.raises(StoreUnavailable, match="502"):
        RemoteLake.connect(
            "https://lake.example", "t", transport=httpx.MockTransport(lambda _: httpx.Response(502, text="<html>"))
        )
    with pytest.raises(UsageError, match="no service"):
        Lake.connect("lake.example", "t")


def test_what_is_pushed_lands(service: Service, remote: RemoteLake, tmp_path: Path) -> None:
    path = tmp_path / "today.csv"
    path.write_text(csv([("r1", 1, 1)]))
    told = [
        *remote.land("orders", path, date=dt.date(2026, 11, 9)),
        *remote.land("orders", data=csv([("r2", 2, 1)]).encode()),
        *remote.land("orders", records=[{"order_id": "r3", "quantity": 3, "version": 1}]),
        *remote.land("orders", records=pa.table({"order_id": ["r4"], "quantity": [4], "version": [1]})),
    ]
    assert told[0]["key"] == "orders/2026/11/09/today.csv"
    with pytest.raises(UsageError):
        remote.land("orders", tmp_path / "nothing.csv")
    with pytest.raises(UsageError):
        remote.land("orders", records=[])
    landed = service.opened.lake.stores.landing
    assert all(landed.exists(one["key"]) for one in told)


@pytest.mark.parametrize("spec", list(load_registry(Settings.from_env({}).datasets).values()), ids=lambda spec: spec.name)
def test_a_declaration_survives_the_journey(spec: DatasetSpec) -> None:
    from supply_lake.service.standing import declared

    assert DatasetSpec.model_validate_json(pydantic_json(declared(spec))) == spec


def pydantic_json(value: object) -> bytes:
    from pydantic_core import to_json

    return to_json(value)
