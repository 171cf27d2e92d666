"""Telling who asks: the token of a request → a principal, or a refusal.

What belongs here: that, and what is remembered between two requests of one token. What does not: what they may do (``grants``)
and reading headers (``asking``). A token that is revoked opens nothing any more after
``REMEMBERED_SECONDS``, in every process.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

from starlette.concurrency import run_in_threadpool

from supply_lake.errors import Unauthenticated
from supply_lake.service.access_store import AccessStore
from supply_lake.service.grants import Principal
from supply_lake.service.limits import Rate
from supply_lake.service.oidc import Provider
from supply_lake.service.tokens import Token, matches, token_id

REMEMBERED_SECONDS = 1.0
_KEPT = 10_000
_FAILURES_A_SECOND = 5
_NONE = "this needs a token: send `Authorization: Bearer …`; `supply-lake token make` makes one"
_BAD = "this token opens nothing: it is no token, was revoked, or has ended; ask for another"


class Doorman:
    """Knows tokens. One for each process."""

    def __init__(
        self, access: AccessStore, provider: Provider | None, inline: bool, clock: Callable[[], float] = monotonic
    ) -> None:
        self._access = access
        self._provider = provider
        self._inline = inline
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Token | Principal | None]] = OrderedDict()
        self._failures = Rate(_FAILURES_A_SECOND, burst=30, clock=clock)

    async def principal(self, text: str | None, client: str) -> Principal:
        """Whoever shows this token.

        :param client: the address that asks; one that fails often has to wait
        :raises Unauthenticated: it opens nothing
        :raises TooManyRequests: too many of its tokens opened nothing
        """
        if not text:
            raise Unauthenticated(_NONE)
        found = token_id(text)
        if found is not None:
            token = await self._token(found, client)
            if token is not None and token.holds(dt.datetime.now(dt.UTC)) and matches(token, text):
                return token.principal
        elif self._provider is not None and text.count(".") == 2:
            return await self._of_provider(self._provider, text, client)
        self._failures.take(client)
        raise Unauthenticated(_BAD)

    async def _token(self, found: str, client: str) -> Token | None:
        remembered = self._remembered(found)
        if remembered is None:
            self._failures.check(client)
            token = self._access.find(found) if self._inline else await run_in_threadpool(self._access.find, found)
            self._remember(found, token)
            return token
        known = remembered[1]
        return known if isinstance(known, Token) else None

    async def _of_provider(self, provider: Provider, text: str, client: str) -> Principal:
        key = hashlib.sha256(text.encode()).hexdigest()
        remembered = self._remembered(key)
        if remembered is not None and isinstance(remembered[1], Principal):
            return remembered[1]
        self._failures.check(client)
        try:
            principal = await run_in_threadpool(provider.principal, text)
        except Unauthenticated:
            self._failures.take(client)
            raise
        self._remember(key, principal)
        return principal

    def _remembered(self, key: str) -> tuple[float, Token | Principal | None] | None:
        found = self._known.get(key)
        return found if found is not None and self._clock() - found[0] < REMEMBERED_SECONDS else None

    def _remember(self, key: str, what: Token | Principal | None) -> None:
        self._known[key] = (self._clock(), what)
        self._known.move_to_end(key)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
