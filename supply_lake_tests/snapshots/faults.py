"""What a service or a network does now and then, put between a DynamoDB client and its server."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from supply_lake.snapshots.dynamo_store import DynamoStore

Handler = Callable[[str, Any], AWSResponse | None]


class _Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def answer(request: Any, status: int, code: str, message: str = "so it is") -> AWSResponse:
    """What the service says when it refuses."""
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}).encode()
    return AWSResponse(request.url, status, {"content-type": "application/x-amz-json-1.0"}, _Raw(body))


@contextmanager
def between(store: DynamoStore, handler: Handler) -> Iterator[None]:
    """Have every request of the store go by the handler: it answers or raises in the server's place, or lets it through."""
    events = store.table.client.meta.events

    def handle(request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        return handler(event_name.rpartition(".")[2], request)

    events.register("before-send.dynamodb", handle)
    try:
        yield
    finally:
        events.unregister("before-send.dynamodb", handle)


class Weather:
    """Faults of every kind, at random: the request never arrives, is refused, or is carried out and its answer is lost."""

    def __init__(self, store: DynamoStore, seed: int, chance: float) -> None:
        self._random, self._chance = random.Random(seed), chance
        self._kinds = itertools.cycle(["throttled", "failed", "refused", "cut off", "timed out"])
        self._send = store.table.client._endpoint.http_session.send
        self.seen: Counter[str] = Counter()

    def __call__(self, operation: str, request: Any) -> AWSResponse | None:
        if self._random.random() > self._chance:
            return None
        kind = next(self._kinds)
        self.seen[f"{operation} {kind}"] += 1
        if kind == "throttled":
            return answer(request, 400, "ThrottlingException")
        if kind == "failed":
            return answer(request, 500, "InternalServerError")
        if kind == "refused":
            raise EndpointConnectionError(endpoint_url=request.url)
        self._send(request)  # it arrives, and nobody hears of it
        if kind == "cut off":
            raise ConnectionClosedError(endpoint_url=request.url)
        raise ReadTimeoutError(endpoint_url=request.url)
