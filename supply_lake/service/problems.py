"""Whatever goes wrong → ``application/problem+json`` (RFC 9457): one shape for every failure, of every route.

What belongs here: that shape, and the handlers that give it. What does not: which failures there are (``errors``).
A failure that nobody foresaw tells its caller nothing but that it happened; the log has the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from supply_lake.errors import SupplyLakeError, TooManyRequests, Unauthenticated

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="The place: `query.limit`, `body.records.0`.")
    what: str = Field(description="What is wrong with it.")


class Problem(BaseModel):
    """Why a request failed."""

    type: str = Field(description="The kind of problem, such as `unknown-snapshot`; programs decide by it.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="One sentence for a person: what, and what to do.")
    errors: list[Fault] = Field([], description="Every fault of a request that does not keep the contract.")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "It failed; the body says why.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
"""What every route says in the OpenAPI of its failures."""


def problem(
    status: int, detail: str, *, kind: str = "", faults: list[Fault] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """A response that says what went wrong."""
    title = HTTPStatus(status).phrase
    body = Problem(type=kind or title.lower().replace(" ", "-"), title=title, status=status, detail=detail, errors=faults or [])
    return Response(to_json(body), status, {**(headers or {}), "cache-control": "no-store"}, MEDIA_TYPE)


def of_error(error: SupplyLakeError) -> Response:
    """The response to an error of the project's tree."""
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="supply_lake"'
    if isinstance(error, TooManyRequests):
        headers["retry-after"] = str(max(1, round(error.wait)))
    if error.http_status >= 500:
        _log.error("%s: %s", type(error).__name__, error)
    return problem(error.http_status, str(error), kind=error.kind(), headers=headers)


def of_unforeseen(error: Exception) -> Response:
    """The response to an error that is ours to mend."""
    _log.error("a request failed unexpectedly", exc_info=error)
    return problem(500, "the service failed; its log says why")


def install(app: FastAPI, of_page: Callable[[SupplyLakeError], Response]) -> None:
    """Give every failure of an app this shape.

    :param of_page: how a page for people, which is none of the routes below ``/v1``, tells of an error of ours
    """

    @app.exception_handler(SupplyLakeError)
    async def ours(request: Request, error: SupplyLakeError) -> Response:
        return of_error(error) if request.url.path.startswith("/v1") else of_page(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        faults = [Fault(where=".".join(map(str, one["loc"])), what=one["msg"]) for one in error.errors()]
        told = "; ".join(f"{fault.where}: {fault.what}" for fault in faults[:3])
        return problem(422, f"the request does not keep the contract: {told}", kind="invalid-request", faults=faults)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), headers=error.headers)
