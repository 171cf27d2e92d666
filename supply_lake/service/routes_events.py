"""The route that tells of a dataset's commits as they come, as server-sent events.

What belongs here: the stream. What does not: waiting (``watch``). An event's id is the commit's number, so whoever comes back
with ``Last-Event-ID`` misses none and gets none twice. A token that ends takes its streams with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from supply_lake.errors import AccessError, UsageError
from supply_lake.service import cursors
from supply_lake.service.asking import asker_anew, lake_of, may
from supply_lake.service.grants import Verb
from supply_lake.service.models import CommitEntry, DatasetName
from supply_lake.service.watch import Watch

router = APIRouter(prefix="/v1/datasets/{dataset}", tags=["events"], dependencies=[may(Verb.READ)])
SILENCE_SECONDS = 15.0
_MANY = 100
_TYPE = "text/event-stream"


@router.get(
    "/events",
    summary="Commits as they come",
    response_class=Response,
    responses={200: {"description": "Server-sent events `commit`; `data` is as in `/commits`.", "content": {_TYPE: {}}}},
)
async def events(
    request: Request,
    dataset: DatasetName,
    after: Annotated[int | None, Query(ge=0, le=cursors.MOST, description="Begin after this commit; by default now.")] = None,
    last_event_id: Annotated[str | None, Header(description="The last event that was seen; goes before `after`.")] = None,
) -> Response:
    """A stream that does not end by itself. Come back with `Last-Event-ID` when it breaks: nothing is missed."""
    if last_event_id:
        if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > cursors.MOST:
            raise UsageError(f"Last-Event-ID {last_event_id[:40]!r} is no commit; leave it out to begin now")
        after = int(last_event_id)
    lake = lake_of(request)
    if after is None:
        after = (await lake.in_thread(lambda: lake.pages.head(dataset))).commit
    stream = told(request, dataset, after)
    return StreamingResponse(stream, media_type=_TYPE, headers={"cache-control": "no-store", "x-accel-buffering": "no"})


async def told(request: Request, dataset: str, after: int) -> AsyncIterator[str]:
    """The events after a commit, and a sign of life when there is none for long."""
    lake, watch = lake_of(request), request.app.state.watch
    assert isinstance(watch, Watch)
    yield ": here\n\n"
    async with watch.joined():
        while True:
            if not await watch.beyond(dataset, after, SILENCE_SECONDS):
                if not await _still_may(request, dataset):
                    return
                yield ": still here\n\n"
                continue
            for one in await lake.in_thread(partial(lake.pages.commits, dataset, after=after, limit=_MANY)):
                entry = CommitEntry.of(one)
                yield f"id: {entry.commit}\nevent: commit\ndata: {entry.model_dump_json()}\n\n"
                after = entry.commit


async def _still_may(request: Request, dataset: str) -> bool:
    try:
        (await asker_anew(request)).must(Verb.READ, dataset)
    except AccessError:
        return False
    return True
