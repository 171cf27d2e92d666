"""Routes over rows: a dataset's rows at a version, SQL, rejects, and the files themselves.

What belongs here: these routes; all need the verb ``query``. What does not: running queries (``query.engine``) and writing
their answers (``streams``). SQL sees only those datasets over which the token holds the verb; to it there are no others.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Annotated, BinaryIO, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from supply_lake.errors import NotFound, VersionRemoved
from supply_lake.query.rejects import RejectPlace, Which
from supply_lake.service import cursors
from supply_lake.service.answers import of_model, unchanged
from supply_lake.service.asking import Asker, Lake, may
from supply_lake.service.grants import Verb
from supply_lake.service.models import DatasetName, SnapshotDetail
from supply_lake.service.opened import Opened
from supply_lake.service.routes_history import After, Limit, Number, SnapshotId, Time, detail
from supply_lake.service.streams import CONTENT, Form, stream

router = APIRouter(prefix="/v1")
_one = APIRouter(prefix="/datasets/{dataset}", dependencies=[may(Verb.QUERY)])
_BLOCK = 1024**2
_PARQUET = "application/vnd.apache.parquet"

Id = Annotated[str | None, Query(pattern=r"^[0-9A-Za-z-]{1,64}$", description="Only of this snapshot.")]
Outcome = Annotated[Literal["rejected", "deduplicated", "all"], Query(description="Which rows that were set aside.")]
Rule = Annotated[str, Query(max_length=500, description="Only reasons in which this text stands, or of this column.")]
Source = Annotated[str, Query(max_length=1024, description="Only of objects with this key, or end of a key; `*` is anything.")]


class Reject(BaseModel):
    """One reason for which a row was set aside."""

    source: str | None = Field(description="Key of the landed object.")
    line: int | None = Field(description="Line, or number of the record.")
    column: str | None
    value: str | None = Field(description="The value as it stood in the file.")
    reason: str | None
    raw: str | None = Field(description="The whole row as it stood in the file.")
    outcome: str
    snapshot_id: str


class RejectPage(BaseModel):
    """A page of rejects, as they stood at one commit."""

    dataset: str
    rejects: list[Reject]
    next: str | None = Field(description="`after` for the next page; null on the last.")


class RejectGroup(BaseModel, extra="allow"):
    """Rows that one rule set aside, or of one source object; the fields are those of `supply-lake rejects`."""

    outcome: str
    rows: int = Field(description="How many rows.")


class RejectSummary(BaseModel):
    """What was set aside, the most first."""

    dataset: str
    groups: list[RejectGroup]


class FileLink(BaseModel):
    """Where one Parquet file can be fetched."""

    path: str = Field(description="Its key below the root of the lake.")
    rows: int
    bytes: int
    sha256: str = Field(description="Digest of its bytes.")
    url: str = Field(description="A link that needs no token where the store can sign one; else a route of this service.")
    signed: bool = Field(description="Whether the link opens without a token, until it expires.")


class FileLinks(BaseModel):
    """The files of one snapshot."""

    dataset: str
    snapshot_id: str
    expires_at: dt.datetime | None = Field(description="When signed links end.")
    files: list[FileLink]


class Question(BaseModel):
    """One query."""

    sql: str = Field(min_length=1, max_length=100_000, description="One statement that reads; every dataset is a table.")
    as_of: dt.datetime | None = Field(None, description="Read every dataset as it was at this time; without a zone it is UTC.")
    format: Form = Field(Form.JSON, description="How rows are written.")


@_one.get("/rows", tags=["rows"], summary="The rows at a version", response_class=Response, responses=CONTENT)
async def rows(
    principal: Asker,
    dataset: DatasetName,
    lake: Lake,
    commit: Number = None,
    as_of: Time = None,
    snapshot_id: Id = None,
    columns: Annotated[list[str] | None, Query(max_length=1000, description="Only these, in this order; repeat it.")] = None,
    where: Annotated[str, Query(max_length=10_000, description="An SQL condition on the rows.")] = "",
    format: Annotated[Form, Query(description="How rows are written.")] = Form.JSON,
) -> Response:
    """Of the newest live set, at a commit, at a time, or of one snapshot alone, whole, as a stream."""
    seen = lake.seen_by(principal, Verb.QUERY)
    asked = seen.rows(
        dataset, commit=commit, as_of=as_of, snapshot_id=snapshot_id, columns=columns or None, where=where or None
    )
    return await stream(lake, asked, format)


@router.post("/query", tags=["rows"], summary="Ask in SQL", response_class=Response, responses=CONTENT)
async def query(principal: Asker, lake: Lake, question: Annotated[Question, Body()]) -> Response:
    """The answer as a stream. Datasets over which the token does not grant `query` are not there."""
    return await stream(lake, lake.seen_by(principal, Verb.QUERY).answer(question.sql, as_of=question.as_of), question.format)


@_one.get("/rejects", tags=["rejects"], summary="What was set aside, row by row", response_model=RejectPage)
async def rejects(
    request: Request,
    dataset: DatasetName,
    lake: Lake,
    snapshot_id: Id = None,
    outcome: Outcome = "rejected",
    rule: Rule = "",
    source: Source = "",
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """One entry for each reason. Without a snapshot these are all rows that still stand."""
    start = cursors.reject_place(after) if after else None
    which = Which(outcome, rule, source)
    return of_model(request, await lake.in_thread(partial(_rejects, lake, dataset, which, snapshot_id, limit, start)))


@_one.get("/rejects/summary", tags=["rejects"], summary="What was set aside, by rule or source", response_model=RejectSummary)
async def rejects_summary(
    request: Request,
    dataset: DatasetName,
    lake: Lake,
    by: Annotated[Literal["rule", "source"], Query(description="What rows are told together by.")] = "rule",
    snapshot_id: Id = None,
    outcome: Outcome = "rejected",
    rule: Rule = "",
    source: Source = "",
) -> Response:
    """With an example of each."""
    ask = partial(lake.lake.rejects_summary, dataset, by=by, snapshot_id=snapshot_id, outcome=outcome, rule=rule, source=source)
    found = await lake.in_thread(ask)
    return of_model(request, RejectSummary(dataset=dataset, groups=found.to_pylist()))


@_one.get("/snapshots/{snapshot_id}/files", tags=["rows"], summary="Links to a snapshot's files", response_model=FileLinks)
async def files(request: Request, dataset: DatasetName, snapshot_id: SnapshotId, lake: Lake) -> Response:
    """Signed by the object store where it can (S3, Google Cloud Storage, Azure), for a limited time."""
    return of_model(request, await lake.in_thread(partial(_links, lake, dataset, snapshot_id, str(request.base_url))))


@_one.get(
    "/snapshots/{snapshot_id}/files/{number}",
    tags=["rows"],
    summary="One file of a snapshot",
    response_class=Response,
    responses={200: {"description": "The Parquet file.", "content": {_PARQUET: {}}}},
)
async def file(
    request: Request,
    dataset: DatasetName,
    snapshot_id: SnapshotId,
    number: Annotated[int, Path(ge=0, le=100_000, description="Place of the file in the record, from 0.")],
    lake: Lake,
) -> Response:
    """Its bytes, as the lake has them; its digest stands on the record."""
    one = await lake.in_thread(partial(_there, lake, dataset, snapshot_id))
    if number >= len(one.files):
        raise NotFound(f"snapshot {snapshot_id} has {len(one.files)} files; there is no file {number}")
    told = one.files[number]
    etag = f'"{told.sha256}"'
    if response := unchanged(request, etag):
        return response
    opened = await lake.in_thread(partial(lake.lake.stores.lake.read, told.path))
    headers = {"etag": etag, "content-length": str(told.bytes), "cache-control": "private, no-cache"}
    return StreamingResponse(_blocks(opened), media_type=_PARQUET, headers=headers)


router.include_router(_one)


def _rejects(
    lake: Opened, dataset: str, which: Which, snapshot_id: str | None, limit: int, start: RejectPlace | None
) -> RejectPage:
    answer = lake.lake.rejects_answer(dataset, which, snapshot_id=snapshot_id, limit=limit + 1, after=start)
    with answer as found:
        rows = [Reject.model_validate(row) for row in found.table().to_pylist()]
    shown = rows[:limit]
    return RejectPage(dataset=dataset, rejects=shown, next=_after(shown, start) if len(rows) > limit else None)


def _after(shown: list[Reject], start: RejectPlace | None) -> str:
    """The last row of a page, and how many of its reasons were told so far: a row may have more than a page holds."""
    last = shown[-1]
    place = (last.snapshot_id, last.source or "", -1 if last.line is None else last.line)
    told = sum((one.snapshot_id, one.source or "", -1 if one.line is None else one.line) == place for one in shown)
    before = start.told if start and (start.snapshot_id, start.source, start.line) == place else 0
    return cursors.pack(*place, told + before)


def _links(lake: Opened, dataset: str, snapshot_id: str, base_url: str) -> FileLinks:
    seconds, store = lake.settings.link_seconds, lake.lake.stores.lake
    now = dt.datetime.now(dt.UTC)
    found = []
    for number, one in enumerate(_there(lake, dataset, snapshot_id).files):
        signed = store.signed_url(one.path, seconds)
        url = signed or f"{base_url}v1/datasets/{dataset}/snapshots/{snapshot_id}/files/{number}"
        found.append(FileLink(**one.model_dump(), url=url, signed=signed is not None))
    expires = now + dt.timedelta(seconds=seconds) if any(one.signed for one in found) else None
    return FileLinks(dataset=dataset, snapshot_id=snapshot_id, expires_at=expires, files=found)


def _there(lake: Opened, dataset: str, snapshot_id: str) -> SnapshotDetail:
    told = detail(lake, dataset, snapshot_id)
    if told.removed_at is not None:
        raise VersionRemoved(
            f"the files of snapshot {snapshot_id} were removed on {told.removed_at:%Y-%m-%d}; read a later one"
        )
    return told


def _blocks(opened: BinaryIO) -> Iterator[bytes]:
    with opened:
        while block := opened.read(_BLOCK):
            yield block
