"""Queries behind the caller's back, differences and pins over HTTP: the same as the library's, each for whoever may."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from supply_lake_tests.ingest.house import KEYED, ORDERS, csv
from supply_lake_tests.service.conftest import Service
from supply_lake_tests.service.test_rows import arrow

UPSERT: dict[str, Any] = {**ORDERS, **KEYED, "mode": "upsert"}


def ended(service: Service, query_id: str, token: str = "") -> Any:
    """The state of a query once it has ended."""
    for _ in range(600):
        told = service.json(f"/v1/queries/{query_id}", token=token)
        if told["state"] not in ("queued", "running"):
            return told
        time.sleep(0.05)  # it runs in another thread, and says nothing when it ends
    raise AssertionError(told)


def start(service: Service, sql: str, token: str = "", **rest: Any) -> str:
    response = service.ask("POST", "/v1/queries", json={"sql": sql, **rest}, token=token)
    assert response.status_code == 202, response.text
    return str(response.json()["query_id"])


def test_a_query_is_started_asked_for_and_its_rows_taken_in_parts(filled: Service) -> None:
    query_id = start(filled, "SELECT range AS n FROM range(100_000) ORDER BY n")
    told = ended(filled, query_id)
    assert (told["state"], told["rows"], told["error"]) == ("succeeded", 100_000, "")
    path = f"/v1/queries/{query_id}/result"
    assert filled.json(path, params={"offset": 70_000, "limit": 3}) == [{"n": 70_000}, {"n": 70_001}, {"n": 70_002}]
    assert filled.json(path, params={"offset": 200_000}) == []
    assert arrow(filled.get(path, params={"format": "arrow"})).num_rows == 100_000
    assert filled.get(path, params={"format": "csv", "limit": 1}).text == "n\n0\n"


def test_a_query_that_fails_says_why(filled: Service) -> None:
    query_id = start(filled, "SELECT nothing FROM orders")
    told = ended(filled, query_id)
    assert told["state"] == "failed"
    assert "nothing" in told["error"]
    assert filled.get(f"/v1/queries/{query_id}/result").json()["type"] == "query-error"
    assert filled.ask("DELETE", f"/v1/queries/{query_id}").json()["state"] == "failed"


def test_a_query_belongs_to_the_token_that_started_it(filled: Service) -> None:
    query_id = start(filled, "SELECT * FROM orders")
    ended(filled, query_id)
    for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
        response = filled.ask(method, f"/v1/queries/{query_id}{path}", token=filled.token("*:query"))
        assert (response.status_code, response.json()["type"]) == (404, "unknown-query")


def test_a_query_sees_only_what_its_token_may_query(filled: Service) -> None:
    token = filled.token("stock:query", "orders:read,push,manage")
    assert ended(filled, start(filled, "SELECT * FROM stock", token), token)["state"] == "succeeded"
    for sql in ("SELECT * FROM orders", "SELECT * FROM orders@1", "SELECT * FROM orders__rejects"):
        assert ended(filled, start(filled, sql, token), token)["state"] == "failed"


@pytest.fixture
def changed(serve: Callable[..., Service]) -> Service:
    service = serve(UPSERT)
    service.house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    service.house.ingest()
    service.house.land("b.csv", csv([("o1", 5, 2, "yes"), ("o3", 3, 1, "no")], header="order_id,quantity,version,gift"))
    service.house.ingest()
    return service


def test_a_difference_in_numbers_and_in_rows(changed: Service) -> None:
    told = changed.json("/v1/datasets/orders/diff?a=1&b=2")
    with changed.opened.lake.diff("orders", 1, 2) as found:
        known, rows = found.to_json(), found.table()
    assert {name: told[name] for name in ("added", "removed", "changed", "key")} == {
        name: known[name] for name in ("added", "removed", "changed", "key")
    }
    assert [one["column"] for one in told["schema_changes"]] == ["gift"]
    shown = arrow(changed.get("/v1/datasets/orders/diff/rows?a=1&b=2&format=arrow"))
    assert shown.to_pylist() == rows.to_pylist()
    assert len(changed.json("/v1/datasets/orders/diff/rows?a=1&b=2&limit=1")) == 1
    assert changed.get("/v1/datasets/orders/diff?a=1&b=9").json()["type"] == "unknown-commit"
    assert changed.get("/v1/datasets/orders/diff?a=1&b=2&key=nothing").status_code == 400


def test_a_pin_is_made_listed_and_removed(filled: Service) -> None:
    made = filled.ask("POST", "/v1/datasets/stock/pins", json={"name": "audit"}, token=filled.token("stock:manage"))
    assert made.status_code == 201
    pin = made.json()
    assert [(one["dataset"], one["commit"]) for one in pin["datasets"]] == [("stock", 2)]
    assert [one["id"] for one in filled.json("/v1/datasets/stock/pins")["pins"]] == [pin["id"]]
    assert filled.json("/v1/datasets/orders/pins")["pins"] == []
    assert filled.ask("DELETE", f"/v1/datasets/orders/pins/{pin['id']}").json()["type"] == "unknown-pin"
    assert filled.ask("DELETE", f"/v1/datasets/stock/pins/{pin['id']}").status_code == 204
    assert filled.json("/v1/datasets/stock/pins")["pins"] == []


def test_a_pin_of_several_datasets_shows_what_the_token_may_read_and_goes_only_whole(filled: Service) -> None:
    pin = filled.opened.lake.pin(["orders", "stock"], by="ann")
    token = filled.token("stock:read,manage")
    (seen,) = filled.json("/v1/datasets/stock/pins", token=token)["pins"]
    assert [one["dataset"] for one in seen["datasets"]] == ["stock"]
    assert filled.ask("DELETE", f"/v1/datasets/stock/pins/{pin.id}", token=token).status_code == 403
    assert filled.ask("DELETE", f"/v1/datasets/stock/pins/{pin.id}").status_code == 204
