"""Routes over a dataset's versions: latest, as of a time, live set, snapshots, commits.

What belongs here: these routes, which are asked most: an answer at a commit is made once and kept. What does not: shapes
(``models``) and statements (``snapshots.pages``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic_core import to_json

from supply_lake.errors import UnknownCommit, UnknownSnapshot, UsageError
from supply_lake.query.live_set import past
from supply_lake.service import cursors
from supply_lake.service.answers import answer, of_body, of_model, tag, unchanged
from supply_lake.service.asking import Asker, lake_of, may
from supply_lake.service.briefs import LivePage, NewestPage, briefs, encoded
from supply_lake.service.grants import Verb
from supply_lake.service.models import (
    AsOf,
    CommitEntry,
    CommitPage,
    DatasetName,
    LiveSet,
    LiveSetInFull,
    SnapshotDetail,
    SnapshotPage,
    SnapshotPageInFull,
    SnapshotSummary,
)
from supply_lake.service.opened import Opened
from supply_lake.snapshots.pages import Head

router = APIRouter(prefix="/v1/datasets/{dataset}", tags=["history"], dependencies=[may(Verb.READ)])

anywhere = APIRouter(prefix="/v1", tags=["history"])

After = Annotated[str | None, Query(description="`next` of the page before.", max_length=400)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Number = Annotated[int | None, Query(ge=0, le=cursors.MOST, description="Number of a commit.")]
Full = Annotated[bool, Query(description="Tell all that is recorded of each snapshot.")]
Partition = Annotated[dt.date | None, Query(description="Only of this partition date.")]
Time = Annotated[dt.datetime | None, Query(description="A time; without a zone it is UTC.")]
SnapshotId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="Id of the snapshot.")]


@router.get("/latest", summary="The newest live snapshot", response_model=SnapshotSummary)
async def latest(request: Request, dataset: DatasetName, partition: Partition = None) -> Response:
    """Of the live set, the snapshot of the newest commit; of several, that of the latest partition."""
    lake = lake_of(request)
    head = await lake.quick(partial(lake.pages.head, dataset))

    def make() -> bytes:
        found = lake.pages.latest(dataset, head.commit, partition)
        if found is None:
            where = f" on {partition}" if partition else ""
            raise UnknownSnapshot(f"dataset {dataset} has no live snapshot{where}")
        return encoded(briefs([found])[0])

    return await _at_commit(request, lake, ("latest", dataset, head.commit, partition), make)


@router.get("/as-of", summary="Which commit was the newest at a time", response_model=AsOf)
async def as_of(
    request: Request,
    dataset: DatasetName,
    at: Annotated[dt.datetime, Query(description="A time that has passed; without a zone it is UTC.")],
) -> Response:
    """Give its number as `commit` to any other route: the answer holds for ever."""
    lake = lake_of(request)
    time = _past(at)
    commit = await _commit_at(lake, dataset, time)

    def make() -> bytes:
        found = lake.pages.committed_at(dataset, commit)
        return to_json(AsOf(dataset=dataset, at=time, commit=commit, committed_at=found))

    return await _at_commit(request, lake, ("as-of", dataset, commit, time), make)


@router.get("/live", summary="The live set: now, at a commit, or at a time", response_model=LiveSet | LiveSetInFull)
async def live(
    request: Request,
    dataset: DatasetName,
    commit: Number = None,
    as_of: Time = None,
    partition: Partition = None,
    limit: Limit = 100,
    after: After = None,
    full: Full = False,
) -> Response:
    """Every snapshot up to then that no snapshot up to then supersedes. Pages of one live set name its `commit`: give it along
    with `after`, so that a commit between two pages changes nothing."""
    lake = lake_of(request)
    place = cursors.place(after) if after else None
    head = await _version(lake, dataset, commit, as_of)

    def make() -> bytes:
        found = lake.pages.live(dataset, head.commit, after=place, limit=limit + 1, partition=partition) if head.commit else []
        shown = briefs(found[:limit])
        last = shown[-1] if len(found) > limit else None
        more = cursors.pack(last.partition, last.commit or 0, last.snapshot_id) if last else None
        if not full:
            return encoded(LivePage(dataset, head.commit, head.committed_at, shown, more))
        whole = SnapshotDetail.all_of(found[:limit])
        return to_json(
            LiveSetInFull(dataset=dataset, commit=head.commit, committed_at=head.committed_at, snapshots=whole, next=more)
        )

    return await _at_commit(request, lake, ("live", dataset, head, partition, limit, after, full), make)


@router.get("/snapshots", summary="All snapshots, newest first", response_model=SnapshotPage | SnapshotPageInFull)
async def snapshots(
    request: Request, dataset: DatasetName, limit: Limit = 100, after: After = None, full: Full = False
) -> Response:
    """Those of batches that published nothing too."""
    lake = lake_of(request)
    moment = cursors.moment(after) if after else None

    def make() -> bytes:
        found = lake.pages.newest(dataset, before=moment, limit=limit + 1)
        more = None
        shown = briefs(found[:limit])
        if len(found) > limit:
            more = cursors.pack(found[limit - 1].recorded_at, shown[-1].snapshot_id)
        if not full:
            return encoded(NewestPage(dataset, shown, more))
        return to_json(SnapshotPageInFull(dataset=dataset, snapshots=SnapshotDetail.all_of(found[:limit]), next=more))

    return of_body(request, await lake.quick(make))


@router.get("/snapshots/{snapshot_id}", summary="All that is recorded of one snapshot", response_model=SnapshotDetail)
async def snapshot(request: Request, dataset: DatasetName, snapshot_id: SnapshotId) -> Response:
    """Its sources, files, columns, and what every rule said of it."""
    lake = lake_of(request)
    return of_model(request, await lake.quick(lambda: detail(lake, dataset, snapshot_id)))


@router.get("/commits", summary="The numbered history, oldest first", response_model=CommitPage)
async def commits(
    request: Request,
    dataset: DatasetName,
    after: Annotated[int, Query(ge=0, le=cursors.MOST, description="Only later commits.")] = 0,
    limit: Limit = 100,
) -> Response:
    """What each commit added, superseded and revoked. Whoever has read up to commit n asks for what came `after` n."""
    lake = lake_of(request)

    def make() -> CommitPage:
        found = lake.pages.commits(dataset, after=after, limit=limit + 1)
        shown = [CommitEntry.of(one) for one in found[:limit]]
        return CommitPage(dataset=dataset, commits=shown, next=shown[-1].commit if len(found) > limit else None)

    return of_model(request, await lake.quick(make))


def detail(lake: Opened, dataset: str, snapshot_id: str) -> SnapshotDetail:
    """One snapshot of the dataset.

    :raises UnknownSnapshot: the dataset has none of this id, whatever other datasets have
    """
    found = lake.pages.entry(snapshot_id)
    told = SnapshotDetail.all_of([found])[0] if found else None
    if told is None or told.dataset != dataset:
        raise UnknownSnapshot(
            f"dataset {dataset} has no snapshot {snapshot_id}; GET /v1/datasets/{dataset}/snapshots lists them"
        )
    return told


@anywhere.get("/snapshots/{snapshot_id}", summary="One snapshot, of whichever dataset", response_model=SnapshotDetail)
async def snapshot_of_any(request: Request, principal: Asker, snapshot_id: SnapshotId) -> Response:
    """For whoever knows its id alone. One of a dataset that the token may not read is not there."""
    lake = lake_of(request)
    found = await lake.quick(partial(lake.pages.entry, snapshot_id))
    told = SnapshotDetail.all_of([found])[0] if found else None
    if told is None or not principal.may(Verb.READ, told.dataset):
        raise UnknownSnapshot(f"no snapshot that this token may read has the id {snapshot_id}")
    return of_model(request, told)


async def _version(lake: Opened, dataset: str, commit: int | None, as_of: dt.datetime | None) -> Head:
    """The commit that is asked for; its time where that costs nothing."""
    if commit is not None and as_of is not None:
        raise UsageError("give a commit or a time to read at, not both")
    if as_of is not None:
        return Head(await _commit_at(lake, dataset, _past(as_of)))
    head = await lake.quick(partial(lake.pages.head, dataset))
    if commit is None:
        return head
    if commit > head.commit:
        raise UnknownCommit(f"dataset {dataset} has no commit {commit}; its newest is {head.commit}")
    return Head(commit)


async def _commit_at(lake: Opened, dataset: str, time: dt.datetime) -> int:
    """A time so recent that a commit could still be dated before it costs a write, which may wait for other writers."""
    ask = partial(lake.lake.stores.metadata.commit_at, dataset, time)
    recent = dt.datetime.now(dt.UTC) - time < dt.timedelta(hours=2)
    return await (lake.in_thread(ask) if recent else lake.quick(ask))


def _past(time: dt.datetime) -> dt.datetime:
    try:
        time = past(time)
    except OverflowError:
        raise UsageError("this time is out of every calendar; give one since the year 1970") from None
    return max(time, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))


async def _at_commit(request: Request, lake: Opened, key: tuple[object, ...], make: Callable[[], bytes]) -> Response:
    """The answer that this key makes what it is: told again from the cache, or not at all if the caller has it."""
    etag = tag(*key)
    if response := unchanged(request, etag):
        return response
    body = lake.cache.get(key)
    if body is None:
        body = lake.cache.put(key, await lake.quick(make))
    return answer(body, etag)
