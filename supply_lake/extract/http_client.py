"""HTTP requests that are made again until they are answered, within limits, and never faster than allowed.

What belongs here: which answers are worth another try and how long to wait for it, pace, redirects, errors without secrets.
What does not: how a source knows who asks (``http_auth``), and what is asked (``rest``, ``files``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import httpx
import tenacity

from supply_lake.errors import SourceError, SourceUnavailable
from supply_lake.extract.clock import Clock
from supply_lake.extract.secrets import Secrets, without_secrets

T = TypeVar("T")
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 60.0
_LONGEST_ASKED = 3_600.0
_REDIRECTS = 5
_MULTIPLIER = 0.5


class Again(Exception):
    """An answer that another try may better. ``wait``: seconds that the source asks to wait."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Manners:
    """How a source is to be treated.

    :param tries: how often a request is made in all
    :param timeout: seconds to wait for an answer
    :param requests_per_second: the most; ``None`` for as fast as it answers
    """

    tries: int = 8
    timeout: float = 60.0
    requests_per_second: float | None = None


class Http:
    """A client of one source. ``requests`` counts those that were made, ``received`` the bytes of their answers' bodies."""

    def __init__(
        self, client: httpx.Client, manners: Manners, *, origin: str, whose: str, secrets: Secrets, clock: Clock
    ) -> None:
        self._client, self._manners, self._origin = client, manners, httpx.URL(origin)
        self._whose, self._secrets, self._clock = whose, secrets, clock
        self._last = float("-inf")
        self.requests = self.received = 0

    def fetch(self, request: httpx.Request, read: Callable[[httpx.Response], T]) -> T:
        """Make a request, and read its answer; both again when that may help.

        :param read: raises ``Again`` for an answer that is broken
        :raises SourceUnavailable: every try failed
        :raises SourceError: the source refuses
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((Again, httpx.TransportError)),
            stop=tenacity.stop_after_attempt(self._manners.tries),
            wait=self._wait,
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return cast(T, retrying(self._once, request, read))
        except (Again, httpx.TransportError) as error:
            raise SourceUnavailable(
                self._told(request, f"does not answer, after {self._manners.tries} tries: {_reason(error)}")
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SourceError(self._told(request, f"cannot be asked: {_reason(error)}")) from None

    def build(self, method: str, url: str, **options: Any) -> httpx.Request:
        """A request to this source; it goes nowhere else, for it carries credentials.

        :raises SourceError: the URL leads to another host
        """
        request = self._client.build_request(method, url, timeout=self._manners.timeout, **options)
        if _origin(request.url) != _origin(self._origin):
            raise SourceError(self._told(request, f"is not of {_origin(self._origin)}, and is not asked with its credentials"))
        return request

    def _once(self, request: httpx.Request, read: Callable[[httpx.Response], T]) -> T:
        for _ in range(_REDIRECTS):
            self._pace()
            self.requests += 1
            with self._streamed(request) as response:
                if not response.has_redirect_location:
                    self._judge(request, response)
                    return read(response)
                request = self.build(request.method, str(request.url.join(response.headers["Location"])))
        raise SourceError(self._told(request, f"leads on to another address {_REDIRECTS} times"))

    @contextmanager
    def _streamed(self, request: httpx.Request) -> Iterator[httpx.Response]:
        response = self._client.send(request, stream=True)
        try:
            yield response
        finally:
            self.received += response.num_bytes_downloaded
            response.close()

    def _judge(self, request: httpx.Request, response: httpx.Response) -> None:
        status = response.status_code
        if status in _AGAIN:
            wait = _retry_after(response.headers, self._clock.now())
            if wait is not None and wait > _LONGEST_ASKED:
                raise SourceUnavailable(self._told(request, f"asks to be left alone for {wait:,.0f} seconds; pull it later"))
            raise Again(f"status {status}", wait)
        if status in (401, 403):
            raise SourceError(self._told(request, f"refuses the credentials (status {status})"))
        if status >= 400:
            response.read()
            raise Refused(self._told(request, f"refuses (status {status}): {self._body(response)}"), status)

    def _body(self, response: httpx.Response) -> str:
        return self._secrets.redact(" ".join(response.text.split()))[:200]

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        jittered: float = tenacity.wait_random_exponential(multiplier=_MULTIPLIER, max=_LONGEST_WAIT)(state)
        asked = error.wait if isinstance(error, Again) else None
        return asked + jittered * _MULTIPLIER if asked is not None else jittered

    def _pace(self) -> None:
        if self._manners.requests_per_second:
            wait = self._last + 1 / self._manners.requests_per_second - self._clock.monotonic()
            if wait > 0:
                self._clock.sleep(wait)
        self._last = self._clock.monotonic()

    def _told(self, request: httpx.Request, what: str) -> str:
        url = self._secrets.redact(without_secrets(str(request.url)))
        return f"{self._whose}: {url} {self._secrets.redact(what)}"


class Refused(SourceError):
    """The source answered that it won't. ``status`` is its number."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode().rpartition('@')[2]}"


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, Again) else f"{type(error).__name__} {text}".strip()


def _retry_after(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Seconds that the header asks to wait, which it tells as a number or as a date."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - now).total_seconds()) if moment.tzinfo else None
