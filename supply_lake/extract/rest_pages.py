"""One request that is answered in pages → its pages, to the last one.

What belongs here: how each kind of paging finds the next page, and noticing that it leads nowhere. What does not: making
requests (``http_client``), and what becomes of the records (``rest``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from supply_lake.datasets.source_rest import Paging
from supply_lake.errors import SourceError
from supply_lake.extract.http_client import Again, Http, Refused
from supply_lake.extract.json_records import Answer, BrokenAnswer, NoRecords, at, parse


@dataclass(frozen=True, slots=True)
class Page:
    """One answer, its ``Link`` header to the next page included."""

    answer: Answer
    link: str


@dataclass(frozen=True, slots=True)
class Query:
    """A request whose answer comes in pages. ``url`` has no parameters; they go into the query, or with POST into the body."""

    url: str
    params: Mapping[str, Any]
    records: str
    paging: Paging | None
    method: str = "GET"
    headers: Mapping[str, str] | None = None


class Pages:
    """Asks for pages, one after another."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def of(self, query: Query) -> Iterator[Page]:
        """All pages.

        :raises SourceError: the next page is one that was read already, or an answer has no records where they should be
        """
        paging = query.paging
        if paging is None:
            yield self._get(query, query.params)
        elif paging.type in ("page", "offset"):
            yield from self._by_number(query, paging)
        else:
            yield from self._by_next(query, paging)

    def _by_number(self, query: Query, paging: Paging) -> Iterator[Page]:
        """Up to the first page without records: a short page says nothing, for a source may give fewer than it is asked for."""
        first = number = paging.start if paging.start is not None else (1 if paging.type == "page" else 0)
        while True:
            try:
                page = self._get(query, {**query.params, **_size(paging), paging.param: number})
            except Refused as error:
                if error.status == 404 and number > first:  # so some say that there are no more pages
                    return
                raise
            yield page
            if not page.answer.records or _is_last(page, paging):
                return
            number += 1 if paging.type == "page" else len(page.answer.records)

    def _by_next(self, query: Query, paging: Paging) -> Iterator[Page]:
        params: Mapping[str, Any] = {**query.params, **_size(paging)}
        url, walk = "", _Walk()
        while True:
            page = self._get(query, params, url)
            yield page
            following = page.link if paging.type == "link" else at(page.answer.value, paging.next)
            if following in (None, "", False) or _is_last(page, paging):
                return
            if walk.seen(str(following)):
                raise SourceError(f"{query.url} leads from page to page in a circle; nothing landed")
            if paging.type == "cursor":
                params = {**params, paging.param: following}
            else:
                url = str(following)

    def _get(self, query: Query, params: Mapping[str, Any], url: str = "") -> Page:
        """One page; a full URL, as a page gives it for the next, has its own parameters."""
        if url:
            request = self._http.build(query.method, str(httpx.URL(query.url).join(url)), headers=query.headers)
        elif query.method == "POST":
            request = self._http.build("POST", query.url, json=dict(params), headers=query.headers)
        else:
            request = self._http.build("GET", query.url, params=params or None, headers=query.headers)
        try:
            return self._http.fetch(request, _reader(query.records))
        except NoRecords as error:
            raise SourceError(f"{query.url}: {error}; set `records` to where they stand") from None


def _reader(records: str) -> Callable[[httpx.Response], Page]:
    def read(response: httpx.Response) -> Page:
        try:
            answer = parse(response.read(), records)
        except BrokenAnswer as error:
            raise Again(f"an answer that is no JSON ({error})") from None
        return Page(answer, response.links.get("next", {}).get("url", ""))

    return read


def _size(paging: Paging) -> dict[str, Any]:
    return {paging.size_param: paging.size} if paging.size_param else {}


def _is_last(page: Page, paging: Paging) -> bool:
    return bool(paging.more) and not at(page.answer.value, paging.more)


class _Walk:
    """Notices a circle while it remembers one step only: at 1, 2, 4, 8 … steps it remembers a new one."""

    def __init__(self) -> None:
        self._kept, self._steps, self._until = "", 0, 1

    def seen(self, step: str) -> bool:
        if step == self._kept:
            return True
        self._steps += 1
        if self._steps == self._until:
            self._kept, self._until = step, 2 * self._until
        return False
