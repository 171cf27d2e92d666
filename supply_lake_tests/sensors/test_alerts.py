"""Alerts: the webhook, and what must not leave by it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from supply_lake.errors import StoreUnavailable
from supply_lake.sensors.alerts import AGAIN_SECONDS, Alert, TickAlarm, redact, send

ALERT = Alert("3 of 4 rows break the contract", dataset="orders", partition="2026-11-01", run_id="r1")


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, str]]]]:
    taken: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
        server.shutdown()
        thread.join()


def test_an_alert_is_posted_and_logged(webhook: tuple[str, list[dict[str, str]]], caplog: pytest.LogCaptureFixture) -> None:
    url, taken = webhook
    send(ALERT, url)
    assert taken == [
        {
            "text": "supply_lake: orders 2026-11-01 failed: 3 of 4 rows break the contract",
            "kind": "failure",
            "dataset": "orders",
            "partition": "2026-11-01",
            "run_id": "r1",
            "tick": "",
            "reason": "3 of 4 rows break the contract",
        }
    ]
    assert "3 of 4 rows" in caplog.text


def test_a_webhook_that_is_down_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        send(ALERT, "http://127.0.0.1:1/hook")
    assert "3 of 4 rows break the contract (run r1)" in caplog.text
    assert "did not take the alert above" in caplog.text


def test_a_tick_that_fails_is_told_once_an_hour_and_fails_still(
    webhook: tuple[str, list[dict[str, str]]], caplog: pytest.LogCaptureFixture
) -> None:
    url, taken = webhook
    moments = iter([0.0, 5.0, 6.0, AGAIN_SECONDS - 1, AGAIN_SECONDS])
    alarm = TickAlarm(url, clock=lambda: next(moments))

    def fail(error: Exception) -> None:
        with pytest.raises(type(error)), alarm.over("sensor landing"):
            raise error

    away = StoreUnavailable("landing store s3://lake does not answer; password=hunter2")
    for _ in range(2):
        fail(away)
    fail(ZeroDivisionError("by zero"))
    for _ in range(2):
        fail(away)
    assert [(one["tick"], one["reason"]) for one in taken] == [
        ("sensor landing", "landing store s3://lake does not answer; password=***"),
        ("sensor landing", "ZeroDivisionError: by zero"),
        ("sensor landing", "landing store s3://lake does not answer; password=***"),
    ]
    assert taken[0]["text"].startswith("supply_lake: sensor landing failed: landing store")
    assert "hunter2" not in caplog.text


def test_a_tick_that_goes_well_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with TickAlarm("http://127.0.0.1:1/hook").over("sensor landing"):
        pass
    assert caplog.text == ""


def test_secrets_do_not_leave() -> None:
    told = redact(
        "postgresql://lake:hunter2@db/lake is away; AWS_SECRET_ACCESS_KEY=abc/def, X-Amz-Signature=123&x=1 token: t0p AKIAABCDEFGHIJKLMNOP"
    )
    for secret in ("hunter2", "abc/def", "123", "t0p", "AKIAABCDEFGHIJKLMNOP"):
        assert secret not in told
    assert "db/lake is away" in told
