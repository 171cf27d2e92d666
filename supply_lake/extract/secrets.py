"""Secrets by reference: environment variables → values for the one call that needs them, and texts without them for the rest.

What belongs here: resolving ``{env: NAME}`` and ``${NAME}``, and taking secrets out of whatever is logged, recorded or raised.
What does not: refusing secrets that stand in a dataset file (``datasets.source`` does).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit, urlunsplit

from supply_lake.datasets.secret import REFERENCE, SECRET_NAME, EnvVariable
from supply_lake.errors import SourceError

_SHORTEST = 4  # characters; anything shorter turns up in harmless words, and only its place in a URL is covered
_USERINFO = re.compile(r"(\w[\w+.-]*://[^/\s:@]*):[^/\s@]+@")
HIDDEN = "***"


class Secrets:
    """What one pull may know. It remembers each value that it hands out, so that ``redact`` can cover it.

    :param whose: what needs them, for messages: ``dataset orders``
    :param env: the environment; that of this process when left out
    """

    def __init__(self, whose: str, env: Mapping[str, str] | None = None) -> None:
        self._whose = whose
        self._env = os.environ if env is None else env
        self._known: set[str] = set()

    def value(self, variable: EnvVariable) -> str:
        """The value of a variable.

        :raises SourceError: it is not set
        """
        return self._secret(variable.env)

    def expand(self, text: str) -> str:
        """The text with every ``${NAME}`` replaced."""
        return REFERENCE.sub(lambda match: self._secret(match[1]), text)

    def expand_url(self, url: str) -> str:
        """The URL with every ``${NAME}`` replaced: a whole URL as it is, a part of one percent-encoded."""
        if whole := REFERENCE.fullmatch(url):
            value = self._look_up(whole[1])
            self._remember_those_in(value)
            return value
        return REFERENCE.sub(lambda match: quote(self._secret(match[1]), safe=""), url)

    def remember(self, value: str) -> None:
        """Cover this value too: a token that the source gave out, for example."""
        self._known.add(value)

    def redact(self, text: str) -> str:
        """The text without secrets, also where they stand percent-encoded."""
        for value in sorted(self._known, key=len, reverse=True):
            if len(value) >= _SHORTEST:
                for form in {value, quote(value, safe=""), quote(value), quote_plus(value)}:
                    text = text.replace(form, HIDDEN)
        return _USERINFO.sub(rf"\1:{HIDDEN}@", text)

    def _secret(self, name: str) -> str:
        value = self._look_up(name)
        self._known.add(value)
        return value

    def _look_up(self, name: str) -> str:
        value = self._env.get(name, "")
        if not value:
            raise SourceError(f"{self._whose} needs the environment variable {name}, which is not set; set it for this process")
        return value

    def _remember_those_in(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.password:
            self._known |= {parts.password, unquote(parts.password)}
        self._known |= {value for name, value in parse_qsl(parts.query) if SECRET_NAME.search(name)}


def without_secrets(url: str) -> str:
    """The URL without its password and without parameters that carry secrets: what tells a source."""
    parts = urlsplit(url)
    query = "&".join(pair for pair in parts.query.split("&") if pair and not SECRET_NAME.search(pair.partition("=")[0]))
    host = parts.netloc.rpartition("@")[2]
    user = parts.username
    return urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host, query=query, fragment=""))
