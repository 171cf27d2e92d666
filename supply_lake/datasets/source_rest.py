"""A source that is an HTTP API which answers in JSON.

What belongs here: the fields of `source.rest`, and what of them goes together. What does not: asking it (``extract.rest``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from supply_lake.datasets.model import Declared
from supply_lake.datasets.part import Cursor, DayWindow
from supply_lake.datasets.secret import REFERENCE, SECRET_NAME, EnvVariable, Secret, SourceUrl

PLACE = re.compile(r"(?<!\$)\{([A-Za-z_]\w*)\}")
"""``{from}``, ``{to}``, ``{date}`` or a field of the parent record, in a path or a parameter."""
_OF_WINDOW = ("from", "to", "date")

_AUTH_NEEDS = {
    "bearer": ("token",),
    "basic": ("user", "password"),
    "api_key": ("key",),
    "oauth2": ("token_url", "client_id", "client_secret"),
}
_PAGING_NEEDS = {"page": ("param",), "offset": ("param",), "cursor": ("param", "next"), "link": (), "next_url": ("next",)}


def _env_or_plain(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() != {"env"}:
        raise ValueError("this is a plain value, or `{env: NAME}`")
    return value


def _no_secrets(values: dict[str, Any]) -> dict[str, Any]:
    """The values, if those whose names say that they are secrets are references."""
    for name, value in values.items():
        if SECRET_NAME.search(name) and not isinstance(value, EnvVariable) and not REFERENCE.search(str(value)):
            raise ValueError(f"{name!r} is a secret; write `{name}: {{env: NAME}}` and set that environment variable")
    return values


Parameter = Annotated[str | int | float | bool | EnvVariable, BeforeValidator(_env_or_plain)]
"""A value of a query or a header; text may have ``{from}``, ``{to}``, ``{date}`` and ``${NAME}``."""
Parameters = Annotated[dict[str, Parameter], AfterValidator(_no_secrets)]


class Auth(Declared):
    """How the API knows who asks."""

    type: Literal["bearer", "basic", "api_key", "oauth2"] = Field(
        description="`oauth2` is the client credentials grant; its tokens are renewed when they expire or are refused."
    )
    token: Secret | None = Field(None, description="bearer: the token.")
    user: str = Field("", description="basic: the user's name.")
    password: Secret | None = Field(None, description="basic: the user's password.")
    key: Secret | None = Field(None, description="api_key: the key.")
    header: str = Field("X-Api-Key", description="api_key: the header that carries it.")
    param: str = Field("", description="api_key: instead of a header, the parameter of the query that carries it.")
    token_url: SourceUrl | None = Field(None, description="oauth2: where tokens are given out.")
    client_id: str = Field("", description="oauth2: who asks; may be `${NAME}`.")
    client_secret: Secret | None = Field(None, description="oauth2: the client's secret.")
    scope: str = Field("", description="oauth2: what the token is to be good for.")
    credentials_in: Literal["header", "body"] = Field("header", description="oauth2: where id and secret stand in the request.")

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Auth:
        _needs(self, f"`type: {self.type}`", _AUTH_NEEDS[self.type])
        return self


class Paging(Declared):
    """How an answer that comes in pages is read to its end."""

    type: Literal["page", "offset", "cursor", "link", "next_url"] = Field(
        description="By page numbers, by the number of records to leave out, by a cursor that each answer gives for the next "
        "page, by its `Link` header, or by a URL in it."
    )
    param: str = Field("", description="page, offset, cursor: the parameter of the query.")
    start: int | None = Field(None, description="page, offset: of the first page. Default 1 for page, 0 for offset.")
    size: int | None = Field(None, ge=1, description="How many records a page is to have.")
    size_param: str = Field("", description="The parameter that asks for that many.")
    next: str = Field("", description="cursor, next_url: dotted path in the answer to the next cursor or URL.")
    more: str = Field("", description="Dotted path to a value that is false in the last page.")
    steady: bool = Field(
        False,
        description="page, offset: records never move from one page to another while they are read. Otherwise everything is "
        "read until two times in a row it was the same, for a page that shifts loses records.",
    )

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Paging:
        _needs(self, f"`type: {self.type}`", _PAGING_NEEDS[self.type])
        if bool(self.size) != bool(self.size_param):
            raise ValueError("`size` and `size_param` go together")
        return self


class Parent(Declared):
    """Records of another request, for each of which the request of the source is made once."""

    path: str = Field(description="Path below the source's URL.")
    params: Parameters = Field(default_factory=dict, description="Parameters of the query.")
    paging: Paging | None = Field(None, description="How it is read to its end; one answer is all when left out.")
    records: str = Field("", description="Dotted path in the answer to its records; the answer itself when left out.")
    fields: dict[str, str] = Field(
        min_length=1,
        description="Name → dotted path of a field of the parent. Each can stand in the path and the parameters of the source "
        "as `{name}`, and is added to every record under that name.",
    )


class RestSource(Declared):
    """An HTTP API. Every record that it answers with lands as a line of JSON, exactly as it was written."""

    url: SourceUrl = Field(description="Where all paths begin, for example `https://shop.example/api/v2`.")
    path: str = Field("", description="Path below the URL; may have `{from}`, `{to}`, `{date}` and fields of the parent.")
    method: Literal["GET", "POST"] = Field("GET", description="With POST, the parameters go as a JSON object in the body.")
    params: Parameters = Field(
        default_factory=dict,
        description="Parameters of the query. `{from}` and `{to}` are the bounds of the window, `{date}` its day; one with a "
        "`{from}` that the first pull does not have is left out.",
    )
    headers: Parameters = Field(default_factory=dict, description="Headers of every request.")
    auth: Auth | None = Field(None, description="How the API knows who asks.")
    paging: Paging | None = Field(None, description="How an answer is read to its end; one answer is all when left out.")
    records: str = Field("", description="Dotted path in the answer to its records; the answer itself when left out.")
    total: str = Field("", description="Dotted path to how many records the source says there are, for the manifest.")
    cursor: Cursor | None = Field(None, description="Pull only what changed since the last pull; `by` is a dotted path.")
    window: DayWindow | None = Field(None, description="Pull one day for each partition; `by` is not needed.")
    time_format: str = Field(
        "", description="How `{from}` and `{to}` are written: a strftime format, `unix` or `unix_ms`. Default ISO 8601."
    )
    parent: Parent | None = Field(None, description="Make the request once for each record of another one.")
    requests_per_second: float | None = Field(None, gt=0, description="Most requests in a second.")
    timeout: float = Field(60, gt=0, description="Seconds to wait for an answer before it is asked for again.")
    tries: int = Field(
        8, ge=1, description="How often a request is made in all, when it meets 429, 5xx, a timeout or a broken answer."
    )

    @model_validator(mode="after")
    def _places_are_known(self) -> RestSource:
        if self.cursor and self.window:
            raise ValueError("`cursor` and `window` are two ways to pull a part; take one of them out")
        named = {name for text in self._templates() for name in PLACE.findall(text)}
        windowed = {"from", "date"} & named
        if (self.cursor or self.window) and not windowed:
            raise ValueError("nothing asks for a part; put `{from}` or `{date}` into the path or the parameters")
        if windowed and not (self.cursor or self.window):
            raise ValueError(f"`{{{min(windowed)}}}` needs a `cursor` or a `window`, which tells what it is")
        fields = set(self.parent.fields) if self.parent else set()
        if unknown := sorted(named - {*_OF_WINDOW, *fields}):
            raise ValueError(
                f"`{{{unknown[0]}}}` is nothing that could stand there; it takes {', '.join((*_OF_WINDOW, *fields))}"
            )
        return self

    def _templates(self) -> Iterator[str]:
        yield self.path
        yield from (value for value in self.params.values() if isinstance(value, str))
        if self.parent:
            yield self.parent.path
            yield from (value for value in self.parent.params.values() if isinstance(value, str))


def _needs(part: Declared, what: str, names: tuple[str, ...]) -> None:
    for name in names:
        if not getattr(part, name):
            raise ValueError(f"{what} needs `{name}`")
