"""Signing in to the pages: the token in a cookie that no script reads and no other site sends.

What belongs here: the cookie, and telling our own forms from those of others. What does not: tokens (``tokens``,
``doorman``). Routes below ``/v1`` take no cookie, so no other site can have a browser ask them.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response

from supply_lake.errors import Forbidden, Unauthenticated, UsageError
from supply_lake.service.asking import client_of
from supply_lake.service.doorman import Doorman
from supply_lake.service.grants import Principal
from supply_lake.service.limits import Rate

COOKIE = "supply_lake_token"
_DAY = 86_400


async def signed_in(request: Request) -> Principal:
    """Whoever is signed in; their request is counted.

    :raises Unauthenticated: nobody is, or their token has ended
    """
    return await known(request, request.cookies.get(COOKIE))


async def known(request: Request, token: str | None) -> Principal:
    """Whoever the token speaks for."""
    doorman: Doorman = request.app.state.doorman
    rate: Rate = request.app.state.rate
    if not token:
        raise Unauthenticated("nobody is signed in")
    principal = await doorman.principal(token, client_of(request))
    request.state.principal = principal.id
    rate.take(principal.id)
    return principal


async def form(request: Request) -> dict[str, str]:
    """The fields of one of our own forms.

    :raises Forbidden: another site sent it, or no browser did
    :raises UsageError: it cannot be read
    """
    origin = request.headers.get("origin", "")
    if not origin or urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Forbidden("this form was not sent from these pages; open them and send it from there")
    try:
        return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise UsageError("the form cannot be read; send it again") from None


def remember(response: Response, request: Request, token: str) -> None:
    """Keep the token in the browser."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=_DAY, path="/", httponly=True, samesite="strict", secure=secure)


def forget(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
