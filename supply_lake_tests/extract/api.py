"""An HTTP API of a made-up shop, as well behaved as the test wants it to be.

``faults`` says what goes wrong with the n-th request (from 1): a status, ``drop`` (no answer at all), ``cut`` (less than was promised),
``torn`` (half of the JSON, well delivered), ``html``. ``before`` is called before each request is answered, and may change ``records``.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN_SECONDS = 60.0


class Api:
    """One server on a free port of this machine."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.faults: dict[int, int | str] = {}
        self.headers: dict[int, dict[str, str]] = {}
        self.before: Callable[[int], None] = lambda _: None
        self.seen: list[str] = []
        self.credentials: list[str] = []
        self.wants = ""
        self.tokens: list[str] = []
        self.refused_after = 10**9
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # an answer in one piece; in two, it would wait for the acknowledgement of the first

            def do_GET(self) -> None:
                api._answer(self, b"")

            def do_POST(self) -> None:
                api._answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # --- one request

    def _answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        with self._lock:
            self.seen.append(handler.path)
            number = len(self.seen)
            self.before(number)
            self.credentials.append(handler.headers.get("Authorization") or handler.headers.get("X-Api-Key") or "")
            fault = self.faults.get(number)
            status, value, headers = self._judged(handler, body, number)
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self._send(handler, fault, status, data, headers | self.headers.get(number, {}))

    def _judged(self, handler: BaseHTTPRequestHandler, body: bytes, number: int) -> tuple[int, Any, dict[str, str]]:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/token":
            return self._token(handler)
        if self.wants and self._refuses(number):
            return 401, {"error": "who are you?"}, {}
        if body:
            query |= {name: str(value) for name, value in json.loads(body).items()}
        return self._route(parts.path, query)

    def _refuses(self, number: int) -> bool:
        if self.wants == "token":
            return not self.tokens or self.credentials[-1] != f"Bearer {self.tokens[-1]}" or number % self.refused_after == 0
        return self.credentials[-1] != self.wants

    def _token(self, handler: BaseHTTPRequestHandler) -> tuple[int, Any, dict[str, str]]:
        expected = base64.b64encode(b"me:s3cr3t-client").decode()
        if handler.headers.get("Authorization") != f"Basic {expected}":
            return 400, {"error": "invalid_client"}, {}
        self.tokens.append(f"token-{len(self.tokens)}-of-the-shop")
        return 200, {"access_token": self.tokens[-1], "expires_in": TOKEN_SECONDS}, {}

    def _route(self, path: str, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        found = [one for one in self.records if query.get("since", "") <= one.get("updated_at", "") < query.get("until", "~")]
        if path.endswith("/lines"):
            order = int(path.split("/")[-2])
            return 200, [{"line": number, "of": order} for number in range(order % 3)], {}
        if path == "/plain":
            return 200, {"data": {"items": found}, "total": len(found)}, {}
        if path == "/raw":
            return 200, b'{"items": [{"order_id": 1, "price": 1.10,\n "price": 1.100000000000000000001}, {"order_id":2}]}', {}
        if path == "/circle":
            return 200, {"items": found[:1], "next": {"0": "1", "1": "2", "2": "1"}[query.get("cursor", "0")]}, {}
        if path == "/elsewhere":
            return 302, {}, {"Location": "http://localhost:1/steal"}
        if path == "/moved":
            return 302, {}, {"Location": "/plain"}
        return self._page(path, query, found)

    def _page(self, path: str, query: dict[str, str], found: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        size = int(query.get("size", 3))
        if path == "/pages":
            start = (int(query["page"]) - 1) * size
            return 200, {"items": found[start : start + size], "total": len(found), "more": start + size < len(found)}, {}
        if path == "/offsets":
            start = int(query["offset"])
            return 200, {"items": found[start : start + size]}, {}
        start = int(query.get("cursor", 0))
        following = str(start + size) if start + size < len(found) else None
        where = f"{path}?cursor={following}&size={size}"
        if path == "/links":
            return 200, found[start : start + size], {"Link": f'<{self.url}{where}>; rel="next"'} if following else {}
        url = where if path == "/urls" and following else None
        return 200, {"items": found[start : start + size], "meta": {"next": following, "url": url}}, {}

    def _send(
        self, handler: BaseHTTPRequestHandler, fault: int | str | None, status: int, data: bytes, headers: dict[str, str]
    ) -> None:
        if fault == "drop":
            handler.close_connection = True
            return
        if fault == "html":
            data = b"<html>We will be right back</html>"
        if fault == "torn":
            data = data[: len(data) // 2]
        handler.send_response(fault if isinstance(fault, int) else status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if fault == "cut":
            handler.close_connection = True
            data = data[: len(data) // 2]
        handler.wfile.write(data)
