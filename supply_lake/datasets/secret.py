"""Secrets in declarations: they never stand in a dataset file, only the environment variable that holds them is named.

``{env: NAME}`` where a field takes nothing else, ``${NAME}`` inside URLs and other texts.

What belongs here: the fields that refer to secrets, and refusing those that stand there themselves, without repeating them.
What does not: looking them up (``extract.secrets``).
"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from supply_lake.datasets.model import Declared

VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
REFERENCE = re.compile(rf"\$\{{({VARIABLE})\}}")
"""``${NAME}`` in a text: the value of an environment variable."""
SECRET_NAME = re.compile(
    r"(?i)password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credential|signature|authorization|cookie"
)
"""Names of parameters and headers whose values are secrets."""


class EnvVariable(Declared):
    """A value that stands in an environment variable."""

    env: str = Field(description="Name of the environment variable.")

    @field_validator("env")
    @classmethod
    def _names_a_variable(cls, value: str) -> str:
        if not re.fullmatch(VARIABLE, value):  # what stands here instead may be the secret: it is not repeated
            raise ValueError("this is no name of an environment variable; it takes letters, digits and underscores")
        return value


def _no_literal(value: Any) -> Any:
    if isinstance(value, EnvVariable) or (isinstance(value, dict) and value.keys() == {"env"}):
        return value
    raise ValueError("this takes no value, for files are read by many; write `{env: NAME}` and set that environment variable")


def _no_password(value: str) -> str:
    """The URL as it is, if every secret in it is a reference.

    :raises ValueError: without the URL's text, which holds a secret
    """
    try:
        parts = urlsplit(REFERENCE.sub("x", value))
        password, query = urlsplit(REFERENCE.sub("", value)).password, parse_qsl(urlsplit(REFERENCE.sub("", value)).query)
    except ValueError:
        raise ValueError("this is no URL; write it as scheme://user:${NAME}@host/…") from None
    if not REFERENCE.fullmatch(value) and not parts.scheme:
        raise ValueError("this is no URL; write it as scheme://user:${NAME}@host/…, or as ${NAME} alone")
    if password or any(SECRET_NAME.search(name) and text for name, text in query):
        raise ValueError("it carries a secret itself; write `${NAME}` in its place and set that environment variable")
    return value


Secret = Annotated[EnvVariable, BeforeValidator(_no_literal)]
"""``{env: NAME}``, and nothing else."""
SourceUrl = Annotated[str, AfterValidator(_no_password)]
"""A URL whose secrets are ``${NAME}``."""
