"""Speaking to a service: requests, pages, streams, and problems as the errors that the lake itself raises.

What belongs here: HTTP. What does not: which routes there are (``remote``).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, TypeVar, cast

import httpx

from supply_lake.errors import (
    Forbidden,
    NotFound,
    SupplyLakeError,
    TooManyRequests,
    Unauthenticated,
    UsageError,
)
from supply_lake.errors import StoreUnavailable as Unavailable

_CONNECT_SECONDS, _READ_SECONDS = 10.0, 300.0
_BY_STATUS: dict[int, type[SupplyLakeError]] = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 429: TooManyRequests}
T = TypeVar("T")


class Connection:
    """One service, and the token that it is asked with."""

    def __init__(self, url: str, token: str, transport: httpx.BaseTransport | None = None) -> None:
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UsageError(f"{url!r} is no service; give its URL, such as https://lake.example")
        self._url = url
        self._client = httpx.Client(
            base_url=parsed,
            headers={"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS),
            transport=transport or httpx.HTTPTransport(retries=2),
        )

    def close(self) -> None:
        """Give up connections."""
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON of a route. Parameters that are ``None`` are left out."""
        return self._asked(lambda: self._client.get(path, params=_given(params))).json()

    def post(self, path: str, content: Any, kind: str, **params: Any) -> Any:
        """The JSON that a route answers a body with."""
        headers = {"content-type": kind}
        return self._asked(lambda: self._client.post(path, content=content, headers=headers, params=_given(params))).json()

    def pages(self, path: str, field: str, **params: Any) -> Iterator[Any]:
        """Every item of a list, page by page."""
        after = None
        while True:
            page = self.get(path, **params, after=after)
            yield from page[field]
            after = page["next"]
            if after is None:
                return

    @contextmanager
    def stream(self, method: str, path: str, *, json: Any = None, **params: Any) -> Iterator[BinaryIO]:
        """The body of an answer as it comes, for the length of a ``with`` block."""
        with self._in_our_words(), self._client.stream(method, path, json=json, params=_given(params)) as response:
            if response.is_error:
                response.read()
                raise _problem(response)
            yield cast(BinaryIO, io.BufferedReader(_Body(response.iter_bytes())))

    def _asked(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        with self._in_our_words():
            response = ask()
        if response.is_error:
            raise _problem(response)
        return response

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise Unavailable(
                f"the service at {self._url} does not answer ({type(error).__name__}); try again later"
            ) from error


class _Body(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        taken = min(len(buffer), len(self._rest))
        buffer[:taken], self._rest = self._rest[:taken], self._rest[taken:]
        return taken


def _given(params: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in params.items() if one is not None}


def _problem(response: httpx.Response) -> SupplyLakeError:
    """The error that the service had, as its own class where that is one of ours."""
    try:
        told = response.json()
        kind, detail = str(told["type"]), str(told["detail"])
    except (ValueError, KeyError, TypeError):
        kind, detail = "", f"the service answered {response.status_code} {response.reason_phrase}"
    fallback = Unavailable if response.status_code >= 500 else UsageError
    return (_ours().get(kind) or _BY_STATUS.get(response.status_code, fallback))(detail)


def _ours(root: type[SupplyLakeError] = SupplyLakeError) -> dict[str, type[SupplyLakeError]]:
    """Every class of the tree by the name that problems have."""
    found: dict[str, type[SupplyLakeError]] = {root.kind(): root}
    for child in root.__subclasses__():
        found |= _ours(child)
    return found
