"""Routes over datasets as such: which there are and how they stand, contract, schema; and who the caller is.

What belongs here: these routes and their shapes. What does not: a dataset's versions (``routes_history``).
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from supply_lake.service import cursors
from supply_lake.service.answers import of_model
from supply_lake.service.asking import Asker, Lake, may
from supply_lake.service.grants import Verb
from supply_lake.service.models import DatasetName
from supply_lake.service.standing import Standing, declared

router = APIRouter(prefix="/v1", tags=["datasets"])


class Caller(BaseModel):
    """Whoever shows the token."""

    id: str = Field(description="What the audit log calls them.")
    name: str = Field(description="What the token was made for.")
    grants: list[str] = Field(description="`DATASET:VERB,VERB`; `*` stands for any name, or end of a name.")


class DatasetPage(BaseModel):
    """A page of the datasets that the caller may read, by name."""

    datasets: list[Standing]
    next: str | None = Field(description="`after` for the next page; null on the last.")


class Contract(BaseModel):
    """What a dataset declares."""

    dataset: str
    contract: dict[str, Any] = Field(description="The declaration, in the fields of a dataset file; secrets stand in none.")


class PublishedColumn(BaseModel):
    """One column: what the contract says today, and what was published last."""

    name: str
    type: str | None = Field(description="As it is published; null before the first commit that has it.")
    declared: str | None = Field(description="As the contract has it; null for a column that files brought.")
    discovered: bool = Field(description="Whether files brought it.")
    nullable: bool
    sources: list[str] = Field(description="The names under which files carry it.")
    description: str
    unit: str
    version: int = Field(description="The schema version of its last change.")


class ColumnOfVersion(BaseModel):
    """One column of one schema version."""

    name: str
    type: str = Field(description="As it was published.")
    declared: str = Field(description="As the contract had it; empty for a column that files brought.")
    nullable: bool
    sources: list[str] = Field(description="The names under which files brought a column that no contract names.")


class SchemaChange(BaseModel):
    """One difference from the version before."""

    change: str
    column: str | None
    before: str | None = Field(alias="from")
    after: str | None = Field(alias="to")
    object: str | None = Field(description="The landed object that brought it.")


class VersionOfSchema(BaseModel):
    """What was published from one commit on."""

    version: int
    commit: int
    committed_at: dt.datetime
    object: str
    difference: list[SchemaChange]
    columns: list[ColumnOfVersion]
    primary_key: list[str]
    evolution: str


class SchemaHistory(BaseModel):
    """The columns as they are, and every version of them, oldest first."""

    dataset: str
    version: int = Field(description="The newest; 0 before the first commit.")
    evolution: str
    primary_key: list[str]
    columns: list[PublishedColumn]
    versions: list[VersionOfSchema]


@router.get("/me", tags=["service"], summary="Who the token speaks for", response_model=Caller)
async def me(request: Request, principal: Asker) -> Response:
    """The name and the grants of the token."""
    return of_model(request, Caller(id=principal.id, name=principal.name, grants=[str(one) for one in principal.grants]))


@router.get("/datasets", summary="The datasets, and how each stands", response_model=DatasetPage)
async def datasets(
    request: Request,
    principal: Asker,
    lake: Lake,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many.")] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before.", max_length=400)] = None,
    contract: Annotated[bool, Query(description="Tell what each declares, too.")] = False,
) -> Response:
    """Those over which the token grants `read`; of others it says nothing."""
    start = cursors.name(after) if after else ""
    names = list(islice((one for one in principal.among(Verb.READ, lake.lake.stores.registry) if one > start), limit + 1))
    found = await lake.in_thread(partial(lake.standings.all, names[:limit], contract=contract))
    return of_model(request, DatasetPage(datasets=found, next=cursors.pack(names[limit - 1]) if len(names) > limit else None))


@router.get("/datasets/{dataset}", summary="How one dataset stands", response_model=Standing, dependencies=[may(Verb.READ)])
async def dataset(request: Request, dataset: DatasetName, lake: Lake) -> Response:
    """Its newest commit, what is live, what waits, and whether it is late."""
    (found,) = await lake.in_thread(partial(lake.standings.all, [dataset]))
    return of_model(request, found)


@router.get(
    "/datasets/{dataset}/contract", summary="What a dataset declares", response_model=Contract, dependencies=[may(Verb.READ)]
)
async def contract(request: Request, dataset: DatasetName, lake: Lake) -> Response:
    """Columns, checks, keys, rules, source, freshness."""
    return of_model(request, Contract(dataset=dataset, contract=declared(lake.spec(dataset))))


@router.get(
    "/datasets/{dataset}/schema",
    summary="The columns, and every version of them",
    response_model=SchemaHistory,
    dependencies=[may(Verb.READ)],
)
async def schema(request: Request, dataset: DatasetName, lake: Lake) -> Response:
    """Which commit, and which landed object, brought which change."""
    found = await lake.in_thread(lambda: lake.lake.schema(dataset).to_json())
    return of_model(request, SchemaHistory.model_validate(found))
