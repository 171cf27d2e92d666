"""Routes over what differs between versions, and over pins that keep versions.

What belongs here: these routes and their shapes. What does not: comparing (``query.difference``) and pinning
(``query.pins``). A pin may name several datasets; a token sees of it what it may read, and takes away only what it may
manage whole.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from supply_lake.errors import UnknownPin
from supply_lake.service.answers import JSON, of_model
from supply_lake.service.asking import Asker, Lake, may
from supply_lake.service.grants import Principal, Verb
from supply_lake.service.models import DatasetName
from supply_lake.service.opened import Opened
from supply_lake.service.routes_datasets import SchemaChange
from supply_lake.service.streams import CONTENT, Batches, Form, stream
from supply_lake.snapshots.pins import Pin

router = APIRouter(prefix="/v1/datasets/{dataset}")
A = Annotated[str, Query(min_length=1, max_length=64, description="The earlier version: a commit, a time, or a snapshot's id.")]
B = Annotated[str, Query(min_length=1, max_length=64, description="The later one.")]
Keys = Annotated[list[str] | None, Query(max_length=20, description="Columns that tell rows apart, not the key; repeat it.")]
PinId = Annotated[str, Path(pattern=r"^[0-9A-Za-z-]{1,64}$", description="Id of the pin.")]


class Side(BaseModel, extra="allow"):
    """One of the two versions."""

    commit: int
    snapshots: int
    rows: int


class Diff(BaseModel):
    """What differs between two versions, in numbers."""

    dataset: str
    before: Side
    after: Side
    key: list[str] = Field(description="What told rows apart; none where rows were compared as they are.")
    schema_changes: list[SchemaChange] = Field(description="What became of columns.")
    added: int
    removed: int
    changed: int


class PinnedVersion(BaseModel):
    """One dataset of a pin."""

    dataset: str
    commit: int
    committed_at: dt.datetime | None
    snapshots: int
    rows: int
    schema_version: int
    schema_fingerprint: str
    digest: str = Field(description="Of the live set: the same one means the same rows.")


class PinEntry(BaseModel):
    """A registered pin: its files are kept until it is removed."""

    id: str
    name: str = Field(description="What people call it.")
    by: str = Field(description="Who asked for it.")
    created_at: dt.datetime
    as_of: dt.datetime | None = Field(description="The time that its commits were chosen by.")
    datasets: list[PinnedVersion] = Field(description="Those that the token may read.")


class PinList(BaseModel):
    """The registered pins that name a dataset."""

    dataset: str
    pins: list[PinEntry]


class WantedPin(BaseModel):
    """A pin that is asked for."""

    name: str = Field("", max_length=200, description="What people call it.")
    as_of: dt.datetime | None = Field(None, description="Pin the commit of this time; without a zone it is UTC.")


@router.get(
    "/diff", tags=["versions"], summary="What differs between two versions", response_model=Diff, dependencies=[may(Verb.QUERY)]
)
async def diff(request: Request, dataset: DatasetName, lake: Lake, a: A, b: B, key: Keys = None) -> Response:
    """Schema and counts; `/diff/rows` has the rows."""

    def make() -> Diff:
        with lake.lake.diff(dataset, a, b, key=key) as found:
            told = found.to_json()
        return Diff.model_validate({**told, "schema_changes": told["schema"]})

    return of_model(request, await lake.in_thread(make))


@router.get(
    "/diff/rows",
    tags=["versions"],
    summary="Rows that were added, removed or changed",
    response_class=Response,
    responses=CONTENT,
    dependencies=[may(Verb.QUERY)],
)
async def diff_rows(
    dataset: DatasetName,
    lake: Lake,
    a: A,
    b: B,
    key: Keys = None,
    format: Annotated[Form, Query(description="How rows are written.")] = Form.JSON,
    limit: Annotated[int | None, Query(ge=1, le=2**31, description="At most so many; all by default.")] = None,
) -> Response:
    """Each with its key, the row before and the row after, as a stream."""
    return await stream(lake, _changes(lake, dataset, a, b, key, limit), format)


@router.get(
    "/pins", tags=["versions"], summary="Pins that keep a dataset", response_model=PinList, dependencies=[may(Verb.READ)]
)
async def pins(request: Request, principal: Asker, dataset: DatasetName, lake: Lake) -> Response:
    """Oldest first."""
    found = await lake.in_thread(partial(lake.lake.pins, dataset))
    return of_model(request, PinList(dataset=dataset, pins=[_pin(one, principal) for one in found]))


@router.post(
    "/pins",
    tags=["versions"],
    summary="Pin a dataset",
    response_model=PinEntry,
    status_code=201,
    dependencies=[may(Verb.MANAGE)],
)
async def pin(principal: Asker, dataset: DatasetName, lake: Lake, wanted: Annotated[WantedPin, Body()]) -> Response:
    """The commit that it is at stays readable, whatever comes later, until the pin is removed."""
    make = partial(lake.lake.pin, [dataset], as_of=wanted.as_of, name=wanted.name, by=principal.name)
    told = _pin(await lake.in_thread(make), principal, {dataset})
    return Response(to_json(told), 201, {"cache-control": "no-store"}, JSON)


@router.delete(
    "/pins/{pin_id}",
    tags=["versions"],
    summary="Remove a pin",
    status_code=204,
    response_class=Response,
    dependencies=[may(Verb.MANAGE)],
)
async def unpin(principal: Asker, dataset: DatasetName, pin_id: PinId, lake: Lake) -> Response:
    """Only a pin of datasets over all of which the token grants `manage`."""
    found = next((one for one in await lake.in_thread(partial(lake.lake.pins, dataset)) if one.id == pin_id), None)
    if found is None:
        raise UnknownPin(f"no pin of dataset {dataset} has the id {pin_id}")
    for one in found.datasets:
        principal.must(Verb.MANAGE, one.dataset)
    await lake.in_thread(partial(lake.lake.unpin, pin_id))
    return Response(status_code=204)


@contextmanager
def _changes(lake: Opened, dataset: str, a: str, b: str, key: list[str] | None, limit: int | None) -> Iterator[Batches]:
    with lake.lake.diff(dataset, a, b, key=key) as found:
        yield Batches(found.rows(), 0, limit)


def _pin(found: Pin, principal: Principal, besides: Collection[str] = ()) -> PinEntry:
    shown = [one for one in found.datasets if one.dataset in besides or principal.may(Verb.READ, one.dataset)]
    datasets = [PinnedVersion.model_validate(one, from_attributes=True) for one in shown]
    return PinEntry(
        id=found.id, name=found.name, by=found.by, created_at=found.created_at, as_of=found.as_of, datasets=datasets
    )
