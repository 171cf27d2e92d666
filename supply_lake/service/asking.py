"""What routes ask of a request: the opened lake, and whoever asks, with the verb that the route needs.

What belongs here: FastAPI's dependencies. What does not: deciding (``doorman``, ``grants``). Every route but those of ``OPEN``
takes one of these; a test walks all routes and sees to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from supply_lake.service.doorman import Doorman
from supply_lake.service.grants import Principal, Verb
from supply_lake.service.limits import Rate
from supply_lake.service.models import DatasetName
from supply_lake.service.opened import Opened

OPEN = frozenset({"/v1/health", "/v1/openapi.json"})
"""Paths that need no token: they tell nothing of the lake."""
_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="`sl_…`, or a JWT of the identity provider.")


def opened(request: Request) -> Opened:
    """The lake."""
    found: Opened = request.app.state.opened
    return found


async def asker(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Principal:
    """Whoever asks; their request is counted.

    :raises AccessError: nobody that is known, or too often
    """
    doorman: Doorman = request.app.state.doorman
    rate: Rate = request.app.state.rate
    principal = await doorman.principal(given.credentials if given else None, client_of(request))
    request.state.principal = principal.id
    rate.take(principal.id)
    return principal


def client_of(request: Request) -> str:
    """The address that asks."""
    return request.client.host if request.client else ""


Lake = Annotated[Opened, Depends(opened)]
Asker = Annotated[Principal, Depends(asker)]


def may(verb: Verb) -> Any:
    """A dependency of routes below ``/datasets/{dataset}``: who asks has to hold the verb over it, and it has to be there."""
    return Depends(_CHECKS[verb])


def _check(verb: Verb) -> Callable[..., Awaitable[Principal]]:
    async def check(principal: Asker, lake: Lake, dataset: Annotated[DatasetName, Path()]) -> Principal:
        principal.must(verb, dataset)
        lake.spec(dataset)
        return principal

    check.verb = verb  # type: ignore[attr-defined]
    return check


_CHECKS = {verb: _check(verb) for verb in Verb}
