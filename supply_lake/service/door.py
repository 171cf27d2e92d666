"""The door of the service, around every route: how large and slow a request may be, headers of answers, the audit log.

What belongs here: what needs no route to be known. What does not: who asks (``asking``). Plain ASGI: it adds microseconds.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from supply_lake.errors import AccessError, TooLarge, TooSlow
from supply_lake.service.audit import Asked, Audit
from supply_lake.service.problems import of_error, of_unforeseen

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
]
_LARGE = "/records"
"""Where bodies go to disk as they come. Those of other routes are held in memory, before anyone knows who sends them."""
_SMALL_BYTES = 1024**2


class Door:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, audit: Audit, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._audit = audit
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        passage = _Passage(self._audit, scope, send)
        most = self._max_bytes if scope["path"].endswith(_LARGE) else min(self._max_bytes, _SMALL_BYTES)
        body = _Body(receive, most, self._seconds)
        try:
            body.check_length(scope)
            await self._app(scope, body.receive, lambda message: passage.send(message, body.refusal))
        except AccessError as error:
            await passage.refuse(error)
        except Exception as error:
            await passage.fail(error, receive)


class _Body:
    """The request's body as it comes: not too large, and not too late."""

    def __init__(self, receive: Receive, max_bytes: int, seconds: float) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._whole = False
        self.refusal: AccessError | None = None

    def check_length(self, scope: Scope) -> None:
        """Refuse a body that says itself that it is too large."""
        told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not told.isdigit() or int(told) > self._max_bytes:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next piece."""
        if self._whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.refusal = TooSlow(f"the request's body did not come within {self._seconds:g} seconds; send it at once")
            raise self.refusal from None
        self._size += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._size > self._max_bytes:
            self.refusal = self._too_large()
            raise self.refusal
        return message

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the request is larger than {self._max_bytes:,} bytes; send less at once")


class _Passage:
    """One request on its way through."""

    def __init__(self, audit: Audit, scope: Scope, send: Send) -> None:
        self._audit = audit
        self._scope = scope
        self._send = send
        self._start = perf_counter()
        self._at = dt.datetime.now(dt.UTC)
        self._answered = False
        self._replaced = False

    async def send(self, message: Message, refusal: AccessError | None = None) -> None:
        """Pass the answer on. What the app made of a body that was refused on its way says less than the refusal."""
        if self._replaced:
            return
        if message["type"] == "http.response.start" and not self._answered:
            if refusal is not None:
                self._replaced = True
                await self._tell(refusal)
                return
            self._answered = True
            self._write(message["status"])
            names = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(one for one in _HEADERS if one[0] not in names)]
        await self._send(message)

    async def refuse(self, error: AccessError) -> None:
        """Answer with a refusal, unless an answer is under way."""
        if not self._answered:
            await self._tell(error)

    async def fail(self, error: Exception, receive: Receive) -> None:
        """Answer that it failed; an answer that is under way is broken off, so that nobody takes it for whole."""
        if self._answered:
            raise error
        await of_unforeseen(error)(self._scope, receive, self.send)

    async def _tell(self, error: AccessError) -> None:
        response = of_error(error)
        self._answered = True
        self._write(response.status_code)
        headers = [*response.raw_headers, *_HEADERS, (b"connection", b"close")]
        await self._send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await self._send({"type": "http.response.body", "body": response.body})

    def _write(self, status: int) -> None:
        state = self._scope.get("state", {})
        client = self._scope.get("client") or ("", 0)
        self._audit.write(
            Asked(
                at=self._at,
                principal=state.get("principal", ""),
                client=client[0],
                method=self._scope["method"],
                path=self._scope["path"],
                status=status,
                ms=round((perf_counter() - self._start) * 1000, 2),
            )
        )
