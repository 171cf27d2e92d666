"""An HTTP API that answers in JSON → one file of JSON lines per window, each record as it was written.

What belongs here: requests out of a declaration and a window, passes over pages that may shift, the position of a cursor. What
does not: pages (``rest_pages``), HTTP (``http_client``, ``http_auth``), cutting answers into records (``json_records``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pyarrow as pa

from supply_lake.datasets.source_rest import PLACE, Paging, Parameters, RestSource
from supply_lake.errors import SourceError
from supply_lake.extract.http_auth import auth_of
from supply_lake.extract.http_client import Http, Manners
from supply_lake.extract.json_records import Record, at, with_fields
from supply_lake.extract.manifest import Pulled
from supply_lake.extract.position import Value, told
from supply_lake.extract.rest_pages import Pages, Query
from supply_lake.extract.secrets import without_secrets
from supply_lake.extract.task import Task

MOST_PASSES = 6


def extract(task: Task) -> Iterator[Pulled]:
    """Pull one window; nothing when a window that follows a cursor has no records.

    :raises SourceUnavailable: the API does not answer, however often it was asked
    :raises SourceError: it refuses, or its answers make no sense
    """
    declared = task.spec.source.rest
    assert declared is not None
    with _http(task, declared) as http:
        pulled = _Pull(task, declared, http).run()
    if pulled is not None:
        yield pulled


@dataclass(slots=True)
class _Pass:
    """Everything, read once. ``confirms``: it began with all that the pass before had seen."""

    path: Path
    rows: int = 0
    reported: int | None = None
    newest: Any = None
    digest: Any = field(default_factory=hashlib.sha256)
    confirms: bool = False

    def add(self, data: bytes, rows: int, before: _Pass | None) -> None:
        """Take up some records; where these are as many as the pass before had, see whether they are the same."""
        self.digest.update(data)
        self.rows += rows
        if before is not None and self.rows == before.rows:
            self.confirms = self.digest.digest() == before.digest.digest()


class _Pull:
    """One window of one API."""

    def __init__(self, task: Task, declared: RestSource, http: Http) -> None:
        self.task, self.declared, self.http = task, declared, http
        self.pages, self.window = Pages(http), task.window
        self.url = task.secrets.expand_url(declared.url).rstrip("/")
        self.started = task.clock.now()
        self.places = _places(task, declared)
        self.notes: list[str] = []

    def run(self) -> Pulled | None:
        done = self._settled()
        if self.window.follows and not done.rows:
            return None
        if done.reported is not None and done.reported != done.rows:
            self.notes.append(f"the source says that there are {done.reported:,} records, and gave {done.rows:,}")
        return self._pulled(done)

    def _settled(self) -> _Pass:
        """Read everything; where pages may shift, until a pass confirms the one before, which then is what lands.

        Records that only the later pass saw, at the end, are not confirmed yet: they are left to the next pull.
        """
        before = self._pass(0)
        if not self._may_shift():
            return before
        for number in range(1, MOST_PASSES):
            now = self._pass(number, before)
            if now.confirms:
                return before
            before.path.unlink()
            before = now
            self.notes.append("records moved between pages while they were read, so they were read again")
        raise SourceError(
            f"dataset {self.task.spec.name}: records kept moving between pages in all of {MOST_PASSES} passes; ask for them in "
            "an order that does not change (such as by id), or by a cursor, and say so with `paging.steady`"
        )

    def _may_shift(self) -> bool:
        parent = self.declared.parent
        return _shifts(self.declared.paging) or (parent is not None and _shifts(parent.paging))

    def _pass(self, number: int, before: _Pass | None = None) -> _Pass:
        done = _Pass(self.task.scratch / f"pass-{number}.jsonl.zst")
        with pa.CompressedOutputStream(str(done.path), "zstd") as file:
            for lines in self._lines(done):
                seen = 0 if before is None else max(before.rows - done.rows, 0)
                for some in (lines[:seen], lines[seen:]):
                    data = "".join(f"{line}\n" for line in some).encode()
                    file.write(data)
                    done.add(data, len(some), before)
        done.add(b"", 0, before)
        return done

    def _lines(self, done: _Pass) -> Iterator[list[str]]:
        """The records of each page."""
        for fields in self._parents():
            for page in self.pages.of(self._query(fields)):
                if self.declared.total and done.reported is None and self.declared.parent is None:
                    done.reported = _count(at(page.answer.value, self.declared.total))
                if self.window.follows:
                    self._note_position(done, page.answer.records)
                yield [with_fields(record, fields) for record in page.answer.records]

    def _note_position(self, done: _Pass, records: Sequence[Record]) -> None:
        values = (at(record.value, self.window.by) for record in records)
        known = [value for value in (done.newest, *values) if value is not None]
        done.newest = max(known, key=_rank, default=None)

    # --- requests

    def _parents(self) -> Iterator[Mapping[str, Any]]:
        """The fields of each parent record; once nothing without a parent."""
        parent = self.declared.parent
        if parent is None:
            yield {}
            return
        query = Query(
            url=self.url + self._filled(parent.path, {}),
            params=self._params(parent.params, {}),
            records=parent.records,
            paging=parent.paging,
            headers=self._headers(),
        )
        for page in self.pages.of(query):
            for record in page.answer.records:
                yield {name: at(record.value, path) for name, path in parent.fields.items()}

    def _query(self, fields: Mapping[str, Any]) -> Query:
        declared = self.declared
        return Query(
            url=self.url + self._filled(declared.path, fields),
            params=self._params(declared.params, fields),
            records=declared.records,
            paging=declared.paging,
            method=declared.method,
            headers=self._headers(),
        )

    def _filled(self, path: str, fields: Mapping[str, Any]) -> str:
        known = {**self.places, **{name: _plain(value) for name, value in fields.items()}}
        expanded = self.task.secrets.expand(path)  # before anything that came from the API could name a variable
        filled = PLACE.sub(lambda match: quote(str(known.get(match[1], match[0])), safe=""), expanded)
        return filled if not filled or filled.startswith(("/", "?")) else f"/{filled}"

    def _params(self, params: Parameters, fields: Mapping[str, Any]) -> dict[str, Any]:
        known = {**self.places, **{name: _plain(value) for name, value in fields.items()}}
        found: dict[str, Any] = {}
        for name, value in params.items():
            if isinstance(value, str):
                needed = PLACE.findall(value)
                if all(known.get(place) is not None for place in needed):
                    expanded = self.task.secrets.expand(value)
                    found[name] = PLACE.sub(lambda match: str(known.get(match[1], match[0])), expanded)
            else:
                found[name] = value if isinstance(value, (int, float)) else self.task.secrets.value(value)
        return {name: _said(value, self.declared.method) for name, value in found.items()}

    def _headers(self) -> dict[str, str]:
        return {name: str(value) for name, value in self._params(self.declared.headers, {}).items()}

    # --- what it comes to

    def _pulled(self, done: _Pass) -> Pulled:
        window = self.window
        newest = done.newest if done.newest is not None else window.start
        request = self._query(dict.fromkeys(self.declared.parent.fields, "…") if self.declared.parent else {})
        asked = httpx.URL(request.url, params=dict(request.params) if request.params else None)
        redact = self.task.secrets.redact
        return Pulled(
            path=done.path,
            name=f"{window.name(newest)}.jsonl.zst",
            date=window.date,
            source=redact(without_secrets(self.url)),
            request=f"{request.method} {redact(without_secrets(str(asked)))}",
            extracted_at=self.started,
            by=window.by,
            start=window.start if window.day is None else window.day,
            end=newest if window.follows else window.end,
            rows=done.rows,
            rows_reported=done.reported,
            bytes_reported=self.http.received,
            position=done.newest if window.follows else None,
            notes=(f"{self.http.requests} requests", *self.notes),
        )


@contextmanager
def _http(task: Task, declared: RestSource) -> Iterator[Http]:
    manners = Manners(declared.tries, declared.timeout, declared.requests_per_second)
    auth = auth_of(declared.auth, task.secrets, task.clock)
    with httpx.Client(auth=auth, headers={"Accept": "application/json"}, follow_redirects=False) as client:
        yield Http(
            client,
            manners,
            origin=task.secrets.expand_url(declared.url),
            whose=f"dataset {task.spec.name}",
            secrets=task.secrets,
            clock=task.clock,
        )


def _places(task: Task, declared: RestSource) -> dict[str, str | None]:
    """What ``{from}``, ``{to}`` and ``{date}`` stand for; a window that follows ends now."""
    window = task.window
    if window.day is not None:
        first, after = window.day_bounds()
        start: Value | None = first
        end: Value | None = after
    else:
        start, end = window.start, window.end if window.end is not None else task.clock.now()
    form = declared.time_format
    return {"from": _written(start, form), "to": _written(end, form), "date": (window.day or window.date).isoformat()}


def _written(value: Value | None, form: str) -> str | None:
    """A bound as the API wants it."""
    if value is None:
        return None
    moment = _moment(value)
    if moment is None or (not form and isinstance(value, str)):
        return told(value)
    if form in ("unix", "unix_ms"):
        return str(int(moment.timestamp() * (1_000 if form == "unix_ms" else 1)))
    return moment.strftime(form) if form else moment.isoformat().replace("+00:00", "Z")


def _moment(value: Value) -> dt.datetime | None:
    """The time that a value tells, in UTC where it tells no zone; ``None`` when it tells none."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return dt.datetime.combine(value, dt.time(), dt.UTC) if isinstance(value, dt.date) else None


def _rank(value: Any) -> tuple[int, Any]:
    """What cursor values are compared by: numbers by size, times by when they are, other text by its characters."""
    if isinstance(value, (int, float, Decimal)):
        return (0, value)
    moment = _moment(value) if isinstance(value, str) else None
    return (1, moment) if moment else (2, str(value))


def _shifts(paging: Paging | None) -> bool:
    return paging is not None and paging.type in ("page", "offset") and not paging.steady


def _plain(value: Any) -> str | None:
    return None if value is None else str(value)


def _said(value: Any, method: str) -> Any:
    """A value as a query says it; a body says it in JSON."""
    if isinstance(value, bool) and method == "GET":
        return "true" if value else "false"
    return value


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
