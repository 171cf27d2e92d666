"""Bearer tokens: what they look like, how they are made, and how one that is shown is told from a guess.

What belongs here: the value and its check. What does not: keeping tokens (``access_store``) and HTTP (``doorman``).

A token reads ``sl_<id>_<secret>``. The id is public and finds the record; the secret has 256 bits of chance, so its plain
SHA-256 is kept, and nobody can go back from that.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from supply_lake.service.grants import Grant, Principal

_FORM = re.compile(r"sl_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. Times are UTC; ``None`` means never."""

    id: str
    name: str
    digest: str
    grants: tuple[Grant, ...]
    made_at: dt.datetime
    expires_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None

    def holds(self, now: dt.datetime) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def principal(self) -> Principal:
        """Whoever shows it."""
        return Principal(self.id, self.name, self.grants)


def make_token(
    name: str, grants: tuple[Grant, ...], now: dt.datetime, expires_at: dt.datetime | None = None
) -> tuple[Token, str]:
    """A new token, and its text, which is told once and kept nowhere."""
    token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return Token(token_id, name, _digest(secret), grants, now, expires_at), f"sl_{token_id}_{secret}"


def token_id(text: str) -> str | None:
    """The id in a token's text; ``None`` when the text is no token."""
    found = _FORM.fullmatch(text)
    return found["id"] if found else None


def matches(token: Token, text: str) -> bool:
    """Whether the text is this token's."""
    found = _FORM.fullmatch(text)
    return found is not None and hmac.compare_digest(_digest(found["secret"]), token.digest)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
