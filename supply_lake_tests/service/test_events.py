"""Commits as they come: server-sent events without gaps, and signed webhooks that are told until they take it."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from supply_lake.service import routes_events
from supply_lake.service.deliveries import Deliveries
from supply_lake.service.watch import Watch
from supply_lake.service.webhooks import MOST_ATTEMPTS, pause
from supply_lake_tests.ingest.house import csv
from supply_lake_tests.service.conftest import Service, fill

HOSTS = {"SUPPLY_LAKE_WEBHOOK_HOSTS": "hooks.example, *.partner.example"}
PATH = "/v1/datasets/stock/webhooks"


async def stream(service: Service, until: Callable[[str], bool], *, token: str = "", query: str = "", last: str = "") -> str:
    """What a stream of events says until that is enough."""
    service.app.state.watch = Watch(service.opened, look_seconds=0.01)  # one waits in one event loop
    said: list[str] = []
    enough = asyncio.Event()

    body = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await enough.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(str(message.get("status", "")) + message.get("body", b"").decode())
        if until("".join(said)) or message.get("more_body") is False:
            enough.set()

    headers = [(b"authorization", f"Bearer {token or service.all}".encode())]
    headers += [(b"last-event-id", last.encode())] if last else []
    scope = {
        "type": "http", "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET",
        "path": "/v1/datasets/stock/events", "raw_path": b"", "query_string": query.encode(), "headers": headers,
        "client": ("127.0.0.9", 1), "server": ("lake", 80), "scheme": "http", "root_path": "",
    }  # fmt: skip
    async with asyncio.timeout(20):
        await service.app(scope, receive, send)  # type: ignore[arg-type]
    return "".join(said)


def commits(said: str) -> list[int]:
    return [json.loads(line.removeprefix("data: "))["commit"] for line in said.splitlines() if line.startswith("data: ")]


@pytest.fixture
def service(serve: Callable[..., Service]) -> Service:
    made = serve(env=HOSTS)
    fill(made.house)
    return made


def test_events_go_on_where_the_last_one_was_seen(service: Service) -> None:
    said = asyncio.run(stream(service, lambda text: text.count("data:") == 2, query="after=0"))
    assert said.startswith("200")
    assert commits(said) == [1, 2]
    assert "id: 2\nevent: commit\n" in said
    assert commits(asyncio.run(stream(service, lambda text: "data:" in text, last="1", query="after=0"))) == [2]
    assert asyncio.run(stream(service, lambda _: False, last="x")).startswith("400")


def test_a_commit_is_told_while_the_stream_is_open(service: Service) -> None:
    def arrive(text: str) -> bool:
        if ": here" in text and "data:" not in text:
            service.house.land("s3.csv", csv([("s3", 1, 1)]), dataset="stock")
            service.house.ingest()
        return "data:" in text

    assert commits(asyncio.run(stream(service, arrive))) == [3]


def test_a_stream_ends_with_its_token(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_events, "SILENCE_SECONDS", 0.05)
    token = service.token("stock:read")

    def revoke(text: str) -> bool:
        if ": still here" in text:
            service.opened.access.revoke(token.split("_")[1], dt.datetime.now(dt.UTC))
            service.app.state.doorman._known.clear()
        return False

    assert ": still here" in asyncio.run(stream(service, revoke, token=token))


class Receiver:
    """Somebody who is told, and may not feel like it."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.got.append(request)
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise httpx.ConnectError("away", request=request)
        return httpx.Response(status, headers={"location": "http://169.254.169.254/"})

    @property
    def commits(self) -> list[int]:
        return [json.loads(one.content)["commit"]["commit"] for one in self.got]


def told(service: Service, receiver: Receiver) -> int:
    """One round of telling."""
    transport = httpx.MockTransport(receiver)
    return asyncio.run(Deliveries(service.opened, service.app.state.webhooks, transport).round())


def add(service: Service, url: str = "https://hooks.example/lake", **rest: Any) -> Any:
    return service.ask("POST", PATH, json={"url": url, **rest}, token=service.token("stock:manage"))


def test_a_webhook_is_told_what_it_missed_in_order_and_signed(service: Service) -> None:
    made = add(service, after=0).json()
    receiver = Receiver()
    assert told(service, receiver) == 2
    assert receiver.commits == [1, 2]
    request = receiver.got[0]
    at, digest = (one.partition("=")[2] for one in request.headers["x-supply-lake-signature"].split(","))
    assert digest == hmac.new(made["secret"].encode(), f"{at}.".encode() + request.content, hashlib.sha256).hexdigest()
    assert request.headers["x-supply-lake-delivery"] == f"{made['id']}-1"
    assert told(service, receiver) == 0
    state = service.json(f"{PATH}/{made['id']}")
    assert (state["told"], state["attempts"], state["state"]) == (2, 0, "active")
    assert "secret" not in state
    service.house.land("s3.csv", csv([("s3", 1, 1)]), dataset="stock")
    service.house.ingest()
    assert told(service, receiver) == 1


def test_a_webhook_that_fails_is_told_again_later_from_there(service: Service) -> None:
    made = add(service, after=0).json()
    store, receiver = service.app.state.webhooks, Receiver()
    for answer, reason in ((500, "it answered 500"), (0, "it could not be reached (ConnectError)"), (302, "it answered 302")):
        receiver.answers = [answer]
        assert told(service, receiver) == 0
        assert service.json(f"{PATH}/{made['id']}")["reason"] == reason
        assert told(service, receiver) == 0  # not before its time
        store._settle(made["id"], next_try_at=0)
    assert receiver.commits == [1, 1, 1]
    assert told(service, receiver) == 2
    assert receiver.commits == [1, 1, 1, 1, 2]


def test_a_webhook_that_fails_too_often_is_stopped(service: Service) -> None:
    made = add(service, after=0).json()
    receiver = Receiver()
    receiver.answers = [500] * MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS):
        told(service, receiver)
        service.app.state.webhooks._settle(made["id"], next_try_at=0)
    assert service.json(PATH)["webhooks"][0]["state"] == "stopped"
    told(service, receiver)
    assert len(receiver.got) == MOST_ATTEMPTS
    assert pause(1) < pause(5) < pause(MOST_ATTEMPTS) == dt.timedelta(hours=1)


def test_two_processes_do_not_tell_one_webhook_at_once(service: Service) -> None:
    made = add(service, after=0).json()
    store, now = service.app.state.webhooks, dt.datetime.now(dt.UTC)
    assert store.claim(made["id"], now) is True
    assert store.claim(made["id"], now) is False
    assert told(service, Receiver()) == 0
    assert store.claim(made["id"], now + dt.timedelta(minutes=6)) is True


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "https://169.254.169.254/latest",
        "https://hooks.example.evil.org/",
        "https://user:pass@hooks.example/",
        "https://evil.org#hooks.example",
        "ftp://hooks.example/",
        "https:///x",
        "hooks.example",
        "https://hooks.example:99999/",
        "http://localhost/x",
        "https://[::1/x",
    ],
)
def test_addresses_that_may_not_be_told_are_refused(service: Service, url: str) -> None:
    response = add(service, url)
    assert (response.status_code, response.json()["type"]) == (400, "usage-error")
    assert service.json(PATH)["webhooks"] == []


def test_no_address_may_be_told_unless_the_service_names_it(serve: Callable[..., Service]) -> None:
    assert add(serve()).status_code == 400


def test_a_webhook_is_removed(service: Service) -> None:
    made = add(service, "https://a.partner.example/x").json()
    assert service.ask("DELETE", f"/v1/datasets/orders/webhooks/{made['id']}").status_code == 404
    assert service.ask("DELETE", f"{PATH}/{made['id']}").status_code == 204
    assert service.get(f"{PATH}/{made['id']}").json()["type"] == "unknown-webhook"
