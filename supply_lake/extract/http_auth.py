"""How an HTTP source knows who asks: bearer, basic, API key, OAuth2 client credentials.

What belongs here: putting credentials into requests, and renewing tokens. What does not: which requests are made.
"""

from __future__ import annotations

from collections.abc import Generator

import httpx

from supply_lake.datasets.source_rest import Auth
from supply_lake.errors import SourceError
from supply_lake.extract.clock import Clock
from supply_lake.extract.http_client import Again
from supply_lake.extract.secrets import Secrets

_EARLY_SECONDS = 30.0
_DEFAULT_SECONDS = 300.0


def auth_of(declared: Auth | None, secrets: Secrets, clock: Clock) -> httpx.Auth | None:
    """The declared way, with its secrets looked up.

    :raises SourceError: an environment variable is not set
    """
    if declared is None:
        return None
    if declared.type == "bearer" and declared.token:
        return _Header("Authorization", f"Bearer {secrets.value(declared.token)}")
    if declared.type == "basic" and declared.password:
        return httpx.BasicAuth(secrets.expand(declared.user), secrets.value(declared.password))
    if declared.type == "api_key" and declared.key:
        key = secrets.value(declared.key)
        return _Param(declared.param, key) if declared.param else _Header(declared.header, key)
    return ClientCredentials(declared, secrets, clock)


class _Header(httpx.Auth):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._name] = self._value
        yield request


class _Param(httpx.Auth):
    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.url = request.url.copy_set_param(self._name, self._value)
        yield request


class ClientCredentials(httpx.Auth):
    """Tokens by OAuth2's client credentials grant: renewed before they expire, and once when one is refused."""

    requires_response_body = False

    def __init__(self, declared: Auth, secrets: Secrets, clock: Clock) -> None:
        assert declared.token_url is not None
        assert declared.client_secret is not None
        self._secrets, self._clock = secrets, clock
        self._url = secrets.expand_url(declared.token_url)
        self._id, self._secret = secrets.expand(declared.client_id), secrets.value(declared.client_secret)
        self._scope, self._in_body = declared.scope, declared.credentials_in == "body"
        self._token, self._until = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Ask for a token where none is good, then make the request."""
        if not self._token or self._clock.monotonic() >= self._until:
            self._take((yield self._ask()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401:
            self._take((yield self._ask()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _ask(self) -> httpx.Request:
        form = {"grant_type": "client_credentials", **({"scope": self._scope} if self._scope else {})}
        if self._in_body:
            return httpx.Request("POST", self._url, data={**form, "client_id": self._id, "client_secret": self._secret})
        request = httpx.Request("POST", self._url, data=form)
        return next(httpx.BasicAuth(self._id, self._secret).auth_flow(request))

    def _take(self, response: httpx.Response) -> None:
        response.read()
        status = response.status_code
        if status == 429 or status >= 500:
            raise Again(f"the token's giver answers with status {status}")
        try:
            answer = response.json()
            token, seconds = str(answer["access_token"]), float(answer.get("expires_in") or _DEFAULT_SECONDS)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise SourceError(
                f"{self._secrets.redact(self._url)} gives no token (status {status}); check client_id, client_secret and scope"
            ) from None
        self._secrets.remember(token)
        self._token = token
        self._until = self._clock.monotonic() + max(seconds - _EARLY_SECONDS, seconds / 2)
