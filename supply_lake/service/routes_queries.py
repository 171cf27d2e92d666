"""Routes of queries that run behind the caller's back: start one, ask how it stands, take its rows, cancel it.

What belongs here: these routes. What does not: the life of a query (``query.jobs``). A query belongs to the token that
started it: its id leads to it only together with that token's, so to every other token there is none. It sees the datasets
over which the token held ``query`` when it began.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from supply_lake.errors import UnknownQuery
from supply_lake.query.engine import Limits
from supply_lake.query.jobs import QueryState, identity_of
from supply_lake.service import cursors
from supply_lake.service.answers import JSON
from supply_lake.service.asking import Asker, Lake
from supply_lake.service.grants import Principal, Verb
from supply_lake.service.opened import Opened
from supply_lake.service.streams import CONTENT, Batches, Form, stream

router = APIRouter(prefix="/v1/queries", tags=["queries"])
QueryId = Annotated[str, Path(pattern=r"^[0-9a-f]{24}$", description="Id of the query.")]


class Start(BaseModel):
    """A query to begin."""

    sql: str = Field(min_length=1, max_length=100_000, description="One statement that reads; every dataset is a table.")
    as_of: dt.datetime | None = Field(None, description="Read every dataset as it was at this time; without a zone it is UTC.")
    seconds: float | None = Field(None, gt=0, le=86_400, description="Give it up after so many seconds of work.")


class StateOfQuery(BaseModel):
    """How a query stands."""

    query_id: str
    state: str = Field(description="`queued`, `running`, `succeeded`, `failed` or `cancelled`.")
    sql: str
    submitted_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    error: str = Field(description="Why it failed.")
    rows: int = Field(description="Rows of its answer.")
    bytes: int = Field(description="Bytes of the files that it may read, known once it runs.")


@router.post("", summary="Begin a query", response_model=StateOfQuery, status_code=202)
async def start(principal: Asker, lake: Lake, asked: Annotated[Start, Body()]) -> Response:
    """Answers at once. What is wrong with the SQL is told by its state."""
    query_id = secrets.token_hex(12)
    names = principal.among(Verb.QUERY, lake.lake.stores.registry)
    limits = Limits(seconds=asked.seconds, datasets=names)
    begin = partial(lake.lake.start_query, asked.sql, as_of=asked.as_of, limits=limits, token=_token(principal, query_id))
    await lake.in_thread(begin)
    return _told(query_id, await _state(lake, principal, query_id), 202)


@router.get("/{query_id}", summary="How a query stands", response_model=StateOfQuery)
async def state(principal: Asker, lake: Lake, query_id: QueryId) -> Response:
    """Kept for a day after it has ended."""
    return _told(query_id, await _state(lake, principal, query_id))


@router.get("/{query_id}/result", summary="The rows of a query", response_class=Response, responses=CONTENT)
async def result(
    principal: Asker,
    lake: Lake,
    query_id: QueryId,
    format: Annotated[Form, Query(description="How rows are written.")] = Form.JSON,
    offset: Annotated[int, Query(ge=0, le=cursors.MOST, description="Pass over so many rows; they stand in one order.")] = 0,
    limit: Annotated[int | None, Query(ge=1, le=cursors.MOST, description="At most so many; all by default.")] = None,
) -> Response:
    """Whole or in part, as often as they are asked for; the same each time."""
    await _state(lake, principal, query_id)
    return await stream(lake, _rows(lake, _identity(principal, query_id), offset, limit), format)


@router.delete("/{query_id}", summary="Cancel a query", response_model=StateOfQuery)
async def cancel(principal: Asker, lake: Lake, query_id: QueryId) -> Response:
    """If it has not ended; only the process that runs it can."""
    await _state(lake, principal, query_id)
    found = await lake.in_thread(partial(lake.lake.cancel, _identity(principal, query_id)))
    return _told(query_id, found)


@contextmanager
def _rows(lake: Opened, identity: str, offset: int, limit: int | None) -> Iterator[Batches]:
    with lake.lake.result(identity) as reader:
        yield Batches(reader, offset, limit)


def _token(principal: Principal, query_id: str) -> str:
    return f"{principal.id}\n{query_id}"


def _identity(principal: Principal, query_id: str) -> str:
    return identity_of(_token(principal, query_id))


async def _state(lake: Opened, principal: Principal, query_id: str) -> QueryState:
    try:
        return await lake.in_thread(partial(lake.lake.get_query, _identity(principal, query_id)))
    except UnknownQuery:
        raise UnknownQuery(f"this token started no query {query_id}, or its rows are not kept any more") from None


def _told(query_id: str, found: QueryState, status: int = 200) -> Response:
    facts = {name: getattr(found, name) for name in StateOfQuery.model_fields if name != "query_id"}
    told = StateOfQuery.model_validate({**facts, "query_id": query_id, "state": str(found.state)})
    return Response(to_json(told), status, {"cache-control": "no-store"}, JSON)
