"""An HTTP proxy before the S3 and SQS emulator: it counts requests by operation, and breaks them on order.

Faults are those of real networks and of AWS under load: throttling, internal errors, connections that are reset before the
request arrives or after it was carried out, answers that are cut short, and answers that never come.
"""

from __future__ import annotations

import http.client
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Fault(StrEnum):
    THROTTLED = "throttled"
    ERROR = "error"  # 500
    RESET = "reset"  # the request never arrives
    LOST = "lost"  # the request is carried out, its answer is lost
    CUT = "cut"  # half of the answer's body arrives
    SILENT = "silent"  # the request is carried out, and nobody answers


Plan = Callable[[str], Fault | None]
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
_BY_QUERY = (
    ("GET", "list-type", "ListObjects"),
    ("GET", "uploads", "ListMultipartUploads"),
    ("PUT", "partNumber", "UploadPart"),
    ("POST", "uploads", "CreateMultipartUpload"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("POST", "delete", "DeleteObjects"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
)


def operation(method: str, path: str, target: str) -> str:
    """The AWS name of a request."""
    if target:
        return target.rpartition(".")[2]
    parts = urlsplit(path)
    query = parse_qs(parts.query, keep_blank_values=True)
    for of_method, parameter, name in _BY_QUERY:
        if method == of_method and parameter in query:
            return name
    return f"{method.capitalize()}{'Object' if parts.path.count('/') > 1 else 'Bucket'}"


class Proxy:
    """Forwards to the server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.counted: Counter[str] = Counter()
        self.injected: Counter[tuple[str, Fault]] = Counter()
        self.plan: Plan = lambda _: None
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, port))
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def decide(self, name: str) -> Fault | None:
        """Count a request, and say how to break it."""
        with self._lock:
            self.counted[name] += 1
            fault = self.plan(name)
            if fault:
                self.injected[name, fault] += 1
            return fault

    @contextmanager
    def counting(self) -> Iterator[Counter[str]]:
        """The requests of the block, by operation."""
        before = Counter(self.counted)
        during: Counter[str] = Counter()
        yield during
        during.update(self.counted - before)


def storm(seed: int, share: float, faults: tuple[Fault, ...] = tuple(Fault)) -> Plan:
    """Break this share of requests, at random from a seed."""
    dice = random.Random(seed)
    return lambda _: dice.choice(faults) if dice.random() < share else None


def once(at: int, fault: Fault) -> Plan:
    """Break the n-th request, counted from 1."""
    numbers = iter(range(1, 10**9))
    return lambda _: fault if next(numbers) == at else None


def _handler(proxy: Proxy, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        upstream: http.client.HTTPConnection | None = None

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            target = self.headers.get("X-Amz-Target", "")
            fault = proxy.decide(operation(self.command, self.path, target))
            if fault is Fault.RESET:
                self._reset()
            elif fault in (Fault.THROTTLED, Fault.ERROR):
                self._refuse(fault, is_s3=not target)
            else:
                self._forward(body, fault)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve

        def _forward(self, body: bytes, fault: Fault | None) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            if self.upstream is None:
                self.upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            self.upstream.request(self.command, self.path, body, headers)
            answer = self.upstream.getresponse()
            data = answer.read()
            if fault is Fault.LOST:
                self._reset()
                return
            if fault is Fault.SILENT:
                proxy.over.wait(20)
                self._reset()
                return
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
            self.send_header("Content-Length", length or "0")
            self.end_headers()
            self.wfile.write(data if fault is not Fault.CUT else data[: len(data) // 2])
            if fault is Fault.CUT:
                self._reset()

        def _refuse(self, fault: Fault, *, is_s3: bool) -> None:
            if is_s3:
                status, code = (503, "SlowDown") if fault is Fault.THROTTLED else (500, "InternalError")
                data = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>later</Message></Error>".encode()
            else:
                status, code = (400, "ThrottlingException") if fault is Fault.THROTTLED else (500, "InternalFailure")
                data = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "later"}).encode()
            self.send_response_only(status)
            self.send_header("Content-Type", "application/xml" if is_s3 else "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _reset(self) -> None:
            """Close the connection as a crash does."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.connection.close()

        def finish(self) -> None:
            if self.upstream is not None:
                self.upstream.close()
            if self.connection.fileno() != -1:
                super().finish()

        def handle(self) -> None:
            try:
                super().handle()
            except (OSError, ValueError):  # the client went away
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler
