"""Bodies, their tags, and what is kept of them: answers about one commit never change, so they are made once.

What belongs here: ETags, conditional requests, the cache. What does not: what is in a body.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from importlib.metadata import version

from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

JSON = "application/json"
RELEASE = version("supply-lake")
"""Stands in every tag: another release may tell the same commit in another shape."""


class Cache:
    """Bodies by key, the least used of them given up first."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._size = 0
        self._bodies: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        """The body, if it is kept."""
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def put(self, key: Hashable, body: bytes) -> bytes:
        """Keep a body, and hand it back."""
        if len(body) <= self._most // 8 and key not in self._bodies:
            self._bodies[key] = body
            self._size += len(body)
        while self._size > self._most:
            self._size -= len(self._bodies.popitem(last=False)[1])
        return body


def tag(*parts: Hashable) -> str:
    """The ETag of an answer that these parts make what it is."""
    digest = hashlib.blake2b(repr((RELEASE, *parts)).encode(), digest_size=12)
    return f'"{digest.hexdigest()}"'


def unchanged(request: Request, etag: str) -> Response | None:
    """``304`` if the caller has this very answer."""
    given = request.headers.get("if-none-match")
    if given is None or (given.strip() != "*" and etag not in [one.strip().removeprefix("W/") for one in given.split(",")]):
        return None
    return Response(status_code=304, headers=_headers(etag))


def answer(body: bytes, etag: str, media_type: str = JSON) -> Response:
    """A body with its tag."""
    return Response(body, headers=_headers(etag), media_type=media_type)


def of_model(request: Request, model: BaseModel) -> Response:
    """As ``of_body``, of a model."""
    return of_body(request, to_json(model))


def of_body(request: Request, body: bytes) -> Response:
    """JSON that no commit tells the state of; its tag tells its bytes."""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return unchanged(request, etag) or answer(body, etag)


def _headers(etag: str) -> dict[str, str]:
    """Kept by the caller alone, and asked for again each time: that is what the tag is for."""
    return {"etag": etag, "cache-control": "private, no-cache", "vary": "authorization"}
