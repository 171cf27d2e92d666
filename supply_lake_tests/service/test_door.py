"""The door: sizes, slowness, headers, the audit log, and one shape for every failure."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from supply_lake.errors import StoreUnavailable
from supply_lake.service.audit import Audit
from supply_lake.service.door import Door
from supply_lake_tests.service.conftest import Service


def problem(response: Any, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert (told["status"], told["type"]) == (status, kind)
    return told


def test_failures_of_every_origin_have_one_shape(filled: Service) -> None:
    problem(filled.get("/v1/nothing/here"), 404, "not-found")
    problem(filled.ask("DELETE", "/v1/datasets"), 405, "method-not-allowed")
    problem(filled.get("/v1/datasets/orders/snapshots/0000"), 404, "unknown-snapshot")
    told = problem(filled.get("/v1/datasets/orders/live?limit=x&commit=-1"), 422, "invalid-request")
    assert {one["where"] for one in told["errors"]} == {"query.limit", "query.commit"}
    problem(filled.ask("POST", "/v1/query", content=b"{"), 422, "invalid-request")


def test_what_nobody_foresaw_is_told_to_the_log_alone(
    filled: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(type(filled.opened.pages), "head", fail)
    with caplog.at_level(logging.ERROR):
        told = problem(filled.get("/v1/datasets/orders/latest"), 500, "internal-server-error")
    assert "secret" not in json.dumps(told)
    assert "secret of the house" in caplog.text


def test_a_store_that_is_away_is_a_503(filled: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the metadata store does not answer")

    monkeypatch.setattr(type(filled.opened.pages), "head", away)
    problem(filled.get("/v1/datasets/orders/latest"), 503, "store-unavailable")


def test_oversized_requests_are_refused(serve: Callable[..., Service]) -> None:
    service = serve(env={"SUPPLY_LAKE_MAX_REQUEST_BYTES": "2048"})
    path = "/v1/datasets/orders/records"
    problem(service.ask("POST", path, content=b"x" * 2049), 413, "too-large")
    problem(service.ask("POST", path, content=iter([b"x" * 1024] * 3)), 413, "too-large")  # it does not say how long it is
    problem(service.ask("POST", "/v1/query", content=iter([b" " * 1024] * 3)), 413, "too-large")
    problem(service.ask("POST", path, content=b"x", headers={"content-length": "-1"}), 413, "too-large")
    service.house.discover()
    assert service.house.states() == {}


def test_a_body_that_is_held_in_memory_is_small(filled: Service) -> None:
    problem(filled.ask("POST", "/v1/query", content=b" " * (1024**2 + 1), token=None), 413, "too-large")
    problem(filled.ask("POST", "/v1/datasets/orders/records", content=b" " * (1024**2 + 1), token=None), 401, "unauthenticated")


def run_door(audit: Audit, receive: Callable[[], Any], seconds: float) -> list[Message]:
    """One request through a door, before an app that reads its body."""
    sent: list[Message] = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/x", "headers": [], "client": ("127.0.0.9", 1)}
    asyncio.run(Door(app, audit=audit, max_bytes=100, seconds=seconds)(scope, receive, send))
    return sent


def test_a_body_that_does_not_come_is_not_waited_for(filled: Service) -> None:
    async def drip() -> Message:
        await asyncio.sleep(30)
        raise AssertionError

    audit = Audit(filled.opened.settings.audit)
    start, body = run_door(audit, drip, seconds=0.01)
    audit.close()
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["type"] == "too-slow"


def test_every_request_is_on_the_audit_log_and_no_secret_is(filled: Service) -> None:
    token = filled.token("stock:read")
    filled.get("/v1/datasets/stock/live?after=secret-in-query", token=token)
    filled.get("/v1/datasets/orders/live", token=token)
    filled.get("/v1/me", token=None)
    text = filled.opened.settings.audit.read_text()
    entries = [json.loads(line) for line in text.splitlines()][-3:]
    token_id = token.split("_")[1]
    assert [(one["principal"], one["path"], one["status"]) for one in entries] == [
        (token_id, "/v1/datasets/stock/live", 400),
        (token_id, "/v1/datasets/orders/live", 403),
        ("", "/v1/me", 401),
    ]
    assert entries[0]["client"] == "127.0.0.9"
    assert token.rpartition("_")[2] not in text
    assert "secret-in-query" not in text


def test_the_audit_log_outlives_its_rotation(filled: Service) -> None:
    path = filled.opened.settings.audit
    filled.get("/v1/health", token=None)
    moved = path.with_suffix(".1")
    path.rename(moved)
    filled.get("/v1/me", token=None)
    assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == ["/v1/me"]
    assert json.loads(moved.read_text().splitlines()[-1])["path"] == "/v1/health"


def test_answers_forbid_what_a_browser_could_make_of_them(filled: Service) -> None:
    for path in ("/v1/me", "/v1/nothing", "/v1/health"):
        headers = filled.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_the_process_says_that_it_lives(filled: Service) -> None:
    assert filled.json("/v1/health", token=None)["status"] == "ok"
