"""The app: every route, behind one door.

What belongs here: putting it together. What does not: any route. ``from_environment`` is what server processes call.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel, Field

from supply_lake.service import (
    problems,
    routes_datasets,
    routes_events,
    routes_history,
    routes_lineage,
    routes_push,
    routes_queries,
    routes_rows,
    routes_versions,
    routes_webhooks,
)
from supply_lake.service.answers import JSON, RELEASE
from supply_lake.service.audit import Audit
from supply_lake.service.deliveries import Deliveries
from supply_lake.service.door import Door
from supply_lake.service.doorman import Doorman
from supply_lake.service.limits import Rate
from supply_lake.service.oidc import Provider
from supply_lake.service.openapi import describe
from supply_lake.service.opened import Opened
from supply_lake.service.pages import routes as pages
from supply_lake.service.watch import Watch
from supply_lake.service.webhook_store import WebhookStore

_DESCRIPTION = """
Which data there are, in which version, where, and how good. Every answer about a commit is the same for ever.

Send `Authorization: Bearer TOKEN`. A token grants verbs over datasets: `read` (what is known of them), `query` (their rows),
`push` (landing records), `manage` (webhooks and pins). Lists are paged: give `next` of one page as `after` of the following.
Answers carry an `ETag`; with `If-None-Match` an unchanged one costs a `304`. Failures are `application/problem+json`.
"""
_open = APIRouter()


class Health(BaseModel):
    """The process answers."""

    status: str = Field(description="`ok`.")
    version: str = Field(description="Release of supply_lake.")


@_open.get("/v1/health", tags=["service"], summary="Whether the process answers", response_model=Health)
async def health() -> Response:
    """Asks no store: it tells a load balancer that this process lives."""
    return Response(Health(status="ok", version=RELEASE).model_dump_json(), media_type=JSON)


def create_app(opened: Opened, *, tell_webhooks: bool = True) -> FastAPI:
    """The app over an opened lake, which it closes when it ends; behind its requests it tells webhooks."""
    settings = opened.settings
    audit = Audit(settings.audit)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telling = asyncio.create_task(Deliveries(opened, app.state.webhooks).run() if tell_webhooks else asyncio.sleep(0))
        gc.freeze()  # what was imported stays: going over it again and again would hold up requests
        try:
            yield
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
            audit.close()
            opened.close()

    app = FastAPI(
        title="supply_lake",
        version=RELEASE,
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # their assets come from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=problems.RESPONSES,
    )
    app.state.opened = opened
    app.state.doorman = Doorman(opened.access, Provider.of(settings), opened.inline)
    app.state.watch = Watch(opened)
    app.state.webhooks = WebhookStore(opened.access.database)
    app.state.rate = Rate(settings.rate_per_second)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    problems.install(app, pages.of_error)
    app.add_middleware(Door, audit=audit, max_bytes=settings.max_request_bytes, seconds=settings.request_seconds)
    app.include_router(routes_history.anywhere)
    for room in (
        routes_history,
        routes_datasets,
        routes_lineage,
        routes_rows,
        routes_push,
        routes_queries,
        routes_webhooks,
        routes_events,
        routes_versions,
    ):
        app.include_router(room.router)
    app.include_router(_open)
    app.include_router(pages.router)
    return app


def from_environment() -> FastAPI:
    """The app over the environment's lake."""
    return create_app(Opened.open())
