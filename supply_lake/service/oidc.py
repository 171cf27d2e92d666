"""Tokens of an identity provider (OIDC): a signed JWT → whoever it speaks for, by the keys that the provider publishes.

What belongs here: checking a JWT and reading its claims. What does not: the lake's own tokens (``tokens``).

Off unless ``SUPPLY_LAKE_OIDC_ISSUER`` is set. A JWT has to be signed by one of the provider's keys with an algorithm of public
keys, be of the issuer, for the audience, and not have ended. What it grants stands in one claim, as a list or as words of a
text like ``scope``: ``shipments:read,query``. Words that are no grants, such as ``openid``, grant nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supply_lake.errors import Unauthenticated, UsageError
from supply_lake.service.grants import Grant, Principal
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from jwt import PyJWKClient

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_LEEWAY_SECONDS = 30
_KEYS_SECONDS = 600


class Provider:
    """One identity provider. Asking it for its keys may take a while: use it off the event loop."""

    def __init__(self, issuer: str, audience: str, claim: str, keys: PyJWKClient) -> None:
        self._issuer = issuer
        self._audience = audience
        self._claim = claim
        self._keys = keys

    @staticmethod
    def of(settings: Settings) -> Provider | None:
        """The provider that the settings name; ``None`` when they name none. Nothing is asked of it yet."""
        if not settings.oidc_issuer:
            return None
        from jwt import PyJWKClient

        keys = PyJWKClient(settings.oidc_jwks, lifespan=_KEYS_SECONDS, timeout=5)
        return Provider(settings.oidc_issuer, settings.oidc_audience, settings.oidc_claim, keys)

    def principal(self, text: str) -> Principal:
        """Whoever the JWT speaks for.

        :raises Unauthenticated: it is none, or not good here
        """
        import jwt

        try:
            key = self._keys.get_signing_key_from_jwt(text)
            claims = jwt.decode(
                text,
                key,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the JWT is not good here ({type(error).__name__}); sign in again") from error
        subject = str(claims["sub"])[:200]
        return Principal(f"oidc:{subject}", str(claims.get("email", subject))[:200], tuple(_grants(claims.get(self._claim))))


def _grants(claim: Any) -> list[Grant]:
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    found: list[Grant] = []
    for word in words:
        try:
            found.append(Grant.parse(str(word)))
        except UsageError:
            continue  # a scope of somebody else's
    return found
