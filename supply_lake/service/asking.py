"""What routes ask of a request: the opened lake, and whoever asks, with the verb that the route needs.

What belongs here: FastAPI's dependencies. What does not: deciding (``doorman``, ``grants``). Every route but those of ``OPEN``
takes one of these; a test walks all routes and sees to it.

They ask the request alone, and no other dependency: FastAPI takes longer to work out one more of them than they take. And they
are coroutines: functions are sent to a thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request

from supply_lake.service.doorman import Doorman
from supply_lake.service.grants import Principal, Verb
from supply_lake.service.limits import Rate
from supply_lake.service.opened import Opened

OPEN = frozenset({"/v1/health", "/v1/openapi.json"})
"""Paths that need no token: they tell nothing of the lake."""


def lake_of(request: Request) -> Opened:
    """The lake."""
    found: Opened = request.app.state.opened
    return found


async def _lake(request: Request) -> Opened:
    return lake_of(request)


async def asker(request: Request) -> Principal:
    """Whoever asks; their request is counted, once.

    :raises AccessError: nobody that is known, or too often
    """
    known: Principal | None = getattr(request.state, "asker", None)
    return known if known is not None else await asker_anew(request)


async def asker_anew(request: Request) -> Principal:
    """As ``asker``, of a request that lasts: its token may have ended meanwhile."""
    doorman: Doorman = request.app.state.doorman
    rate: Rate = request.app.state.rate
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    principal = await doorman.principal(token.strip() if scheme.lower() == "bearer" else None, client_of(request))
    request.state.principal = principal.id
    rate.take(principal.id)
    request.state.asker = principal
    return principal


def client_of(request: Request) -> str:
    """The address that asks."""
    return request.client.host if request.client else ""


Lake = Annotated[Opened, Depends(_lake)]
Asker = Annotated[Principal, Depends(asker)]


def may(verb: Verb) -> Any:
    """A dependency of routes below ``/datasets/{dataset}``: who asks has to hold the verb over it, and it has to be there."""
    return Depends(_CHECKS[verb])


def _check(verb: Verb) -> Callable[..., Awaitable[Principal]]:
    async def check(request: Request) -> Principal:
        principal = await asker(request)
        dataset: str = request.path_params["dataset"]
        principal.must(verb, dataset)
        lake_of(request).spec(dataset)
        return principal

    check.verb = verb  # type: ignore[attr-defined]
    return check


_CHECKS = {verb: _check(verb) for verb in Verb}
