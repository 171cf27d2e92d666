"""Routes over a dataset's webhooks.

What belongs here: these routes and their shapes. What does not: telling webhooks (``deliveries``).
"""

from __future__ import annotations

import datetime as dt
import secrets
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from supply_lake.errors import UsageError
from supply_lake.service import cursors
from supply_lake.service.answers import JSON, of_model
from supply_lake.service.asking import Asker, lake_of, may
from supply_lake.service.grants import Verb
from supply_lake.service.models import DatasetName
from supply_lake.service.webhook_store import WebhookStore
from supply_lake.service.webhooks import Webhook, checked_url

router = APIRouter(prefix="/v1/datasets/{dataset}/webhooks", tags=["events"], dependencies=[may(Verb.MANAGE)])
WebhookId = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$", description="Id of the webhook.")]
_MOST = 20


class Wanted(BaseModel):
    """A webhook that is asked for."""

    url: str = Field(max_length=2000, description="Address that takes a POST; https, on a host that the service may tell.")
    after: int | None = Field(None, ge=0, le=cursors.MOST, description="Tell of commits after this one; else of new ones.")


class WebhookState(BaseModel):
    """A webhook as it stands."""

    id: str
    dataset: str
    url: str
    made_by: str = Field(description="Id of the token that made it.")
    made_at: dt.datetime
    told: int = Field(description="The newest commit that it took.")
    state: str = Field(description="`active`; `stopped` after twenty failures in a row.")
    attempts: int = Field(description="Failures since it last took one.")
    next_try_at: dt.datetime | None = Field(description="When a failed one is tried again.")
    reason: str = Field(description="Why the last attempt failed.")


class NewWebhook(WebhookState):
    """A webhook that was made, and what its messages are signed with, which is told this once."""

    secret: str = Field(description="Key of the signature `x-supply-lake-signature`: HMAC-SHA256 of `<t>.<body>`.")


class WebhookList(BaseModel):
    """The webhooks of a dataset."""

    dataset: str
    webhooks: list[WebhookState]


@router.post("", summary="Have an address told of commits", response_model=NewWebhook, status_code=201)
async def add(request: Request, principal: Asker, dataset: DatasetName, wanted: Wanted) -> Response:
    """Each commit is a POST, in order, signed, and sent again with growing pauses until it is answered with 2xx."""
    lake, store = lake_of(request), _store(request)
    url = checked_url(wanted.url, lake.settings.webhook_hosts)
    if len(await lake.in_thread(partial(store.of, dataset))) >= _MOST:
        raise UsageError(f"dataset {dataset} has {_MOST} webhooks, which is all that it may; remove one")
    head = (await lake.in_thread(partial(lake.pages.head, dataset))).commit
    made = Webhook(
        id=secrets.token_hex(6),
        dataset=dataset,
        url=url,
        secret=secrets.token_urlsafe(32),
        made_by=principal.id,
        made_at=dt.datetime.now(dt.UTC),
        told=head if wanted.after is None else min(wanted.after, head),
    )
    await lake.in_thread(partial(store.add, made))
    told = NewWebhook.model_validate(made, from_attributes=True)
    return Response(to_json(told), 201, {"cache-control": "no-store"}, JSON)


@router.get("", summary="The webhooks of a dataset", response_model=WebhookList)
async def webhooks(request: Request, dataset: DatasetName) -> Response:
    """Without what they are signed with."""
    found = await lake_of(request).in_thread(partial(_store(request).of, dataset))
    return of_model(request, WebhookList(dataset=dataset, webhooks=[_state(one) for one in found]))


@router.get("/{webhook_id}", summary="One webhook", response_model=WebhookState)
async def webhook(request: Request, dataset: DatasetName, webhook_id: WebhookId) -> Response:
    """What it took last, and why it failed if it did."""
    return of_model(request, _state(await lake_of(request).in_thread(partial(_store(request).get, dataset, webhook_id))))


@router.delete("/{webhook_id}", summary="Tell an address no more", status_code=204, response_class=Response)
async def remove(request: Request, dataset: DatasetName, webhook_id: WebhookId) -> Response:
    """A message that is under way is still sent."""
    await lake_of(request).in_thread(partial(_store(request).remove, dataset, webhook_id))
    return Response(status_code=204)


def _store(request: Request) -> WebhookStore:
    found: WebhookStore = request.app.state.webhooks
    return found


def _state(webhook: Webhook) -> WebhookState:
    return WebhookState.model_validate(webhook, from_attributes=True)
