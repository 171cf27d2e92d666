"""Files behind HTTP: one a day by its URL, or those that the page of their folder links to.

What belongs here: reading such a page, and conditional requests. What does not: tries and waits (``http_client``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urljoin

import httpx

from supply_lake.datasets.source_files import FilesSource
from supply_lake.extract.files import RemoteFile
from supply_lake.extract.http_auth import auth_of
from supply_lake.extract.http_client import Http, Manners, Refused
from supply_lake.extract.task import Task
from supply_lake.storage.layout import KeyPattern

_GONE = (404, 410)


@contextmanager
def http_folder(task: Task, declared: FilesSource) -> Iterator[HttpFolder]:
    """A client for the folder."""
    url = task.secrets.expand_url(declared.url).rstrip("/") + "/"
    manners = Manners(declared.tries, declared.timeout, declared.requests_per_second)
    auth = auth_of(declared.auth, task.secrets, task.clock)
    with httpx.Client(auth=auth, headers={"Accept-Encoding": "identity"}, follow_redirects=False) as client:
        whose = f"dataset {task.spec.name}"
        http = Http(client, manners, origin=url, whose=whose, secrets=task.secrets, clock=task.clock)
        yield HttpFolder(http, url, task.clock.now)


class HttpFolder:
    """One folder of a web server."""

    def __init__(self, http: Http, url: str, now: Callable[[], dt.datetime]) -> None:
        self._http, self._url, self._now = http, url, now

    def files(self, pattern: KeyPattern, date: dt.date) -> Iterator[RemoteFile]:
        """The one file of the date, or every file that the folder's page links to; dates of change are known once asked for."""
        if not any(token in pattern.pattern for token in ("*", "{file}", "{path}")):
            if pattern.dated or date == self._now().astimezone(dt.UTC).date():  # without a date in it, it is what it is now
                yield RemoteFile(pattern.format("file", date))
            return
        folder = urljoin(self._url, quote(pattern.prefix_on(date)))
        page = self._http.fetch(self._http.build("GET", folder), lambda response: response.read().decode(errors="replace"))
        for path in _linked(page, folder, self._url):
            match = pattern.match(path)
            if match is not None and match.date in (None, date):
                yield RemoteFile(path) if match.date else self._dated(path)

    def fetch(self, file: RemoteFile, known: dict[str, str], path: Path) -> RemoteFile | None:
        """Ask for the file unless it is the known version."""
        conditions = {"If-None-Match": known.get("etag", ""), "If-Modified-Since": known.get("modified", "")}
        headers = {name: value for name, value in conditions.items() if value}

        def read(response: httpx.Response) -> RemoteFile | None:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            with path.open("wb") as target:
                for block in response.iter_bytes():
                    target.write(block)
            return _told(file.path, response)

        try:
            found = self._http.fetch(self._http.build("GET", self._address(file.path), headers=headers), read)
        except Refused as error:
            if error.status in _GONE:  # not there yet, or not any more
                return None
            raise
        return None if found is not None and found.version and found.version == known else found

    def _dated(self, path: str) -> RemoteFile:
        return self._http.fetch(self._http.build("HEAD", self._address(path)), lambda response: _told(path, response))

    def _address(self, path: str) -> str:
        return urljoin(self._url, quote(path))


def _told(path: str, response: httpx.Response) -> RemoteFile:
    headers = response.headers
    facts = {"etag": headers.get("ETag", ""), "modified": headers.get("Last-Modified", "")}
    length = headers.get("Content-Length", "")
    try:
        modified = parsedate_to_datetime(facts["modified"])
    except ValueError:
        modified = None
    version = {name: value for name, value in facts.items() if value}
    return RemoteFile(path, version, int(length) if length.isdigit() else None, modified)


def _linked(page: str, folder: str, root: str) -> list[str]:
    """Paths below the root that a page links to, as they are spelled on disk."""
    reader = _Links()
    reader.feed(page)
    found = (urljoin(folder, link).partition("#")[0].partition("?")[0] for link in reader.links)
    below = (unquote(url[len(root) :]) for url in found if url.startswith(root) and not url.endswith("/"))
    return sorted({path for path in below if path})


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]
