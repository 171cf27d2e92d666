"""The pages for people: datasets at a glance, one dataset, two of its versions, a query box.

What belongs here: what is on a page. What does not: how it looks (``templates``, ``assets``) and what the lake tells (its
rooms). They are rendered here and need no script; the same grants open them as the routes below ``/v1``.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from supply_lake.errors import AccessError, QueryError, SupplyLakeError, Unauthenticated
from supply_lake.lake import Lake
from supply_lake.service import cursors
from supply_lake.service.asking import lake_of
from supply_lake.service.grants import Principal, Verb
from supply_lake.service.models import DatasetName, SnapshotSummary
from supply_lake.service.opened import Opened
from supply_lake.service.pages.compare import compare, rows
from supply_lake.service.pages.plots import Bar, Plot, bars
from supply_lake.service.pages.show import moment, number, page, size
from supply_lake.service.pages.sign_in import forget, form, known, remember, signed_in

router = APIRouter(include_in_schema=False)
_ASSETS = Path(__file__).parent / "assets"
_DATASETS, _SNAPSHOTS, _ROWS, _RULES = 100, 60, 200, 20
After = Annotated[str | None, Query(max_length=400)]
Commit = Annotated[int, Query(ge=1, le=cursors.MOST)]


@router.get("/assets/style.css")
async def style() -> Response:
    """The style sheet; it tells nothing of the lake."""
    return Response((_ASSETS / "style.css").read_bytes(), media_type="text/css", headers={"cache-control": "max-age=3600"})


@router.get("/sign-in")
async def ask_for_a_token() -> Response:
    """The form for a token."""
    return page("sign_in.html", problem="")


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Take a token, if it opens something."""
    token = (await form(request)).get("token", "").strip()
    try:
        await known(request, token)
    except AccessError as error:
        return page("sign_in.html", status=error.http_status, problem=str(error))
    response = RedirectResponse("/", 303)
    remember(response, request, token)
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Have the browser forget the token."""
    await form(request)
    response = RedirectResponse("/sign-in", 303)
    forget(response)
    return response


@router.get("/")
async def datasets(request: Request, after: After = None) -> Response:
    """Every dataset that may be read, with freshness and quality at a glance."""
    principal, lake = await signed_in(request), lake_of(request)
    start = cursors.name(after) if after else ""
    names = list(islice((n for n in principal.among(Verb.READ, lake.lake.stores.registry) if n > start), _DATASETS + 1))
    found = await lake.in_thread(partial(lake.standings.all, names[:_DATASETS]))
    more = cursors.pack(names[_DATASETS - 1]) if len(names) > _DATASETS else ""
    return page("datasets.html", who=principal.name, datasets=found, next=more)


@router.get("/datasets/{dataset}")
async def dataset(request: Request, dataset: DatasetName, after: After = None) -> Response:
    """One dataset: its snapshots over time, what was rejected, how its schema changed."""
    principal, lake = await _allowed(request, Verb.READ, dataset)
    before = cursors.moment(after) if after else None
    values = await lake.in_thread(partial(_dataset, lake, dataset, before, principal.may(Verb.QUERY, dataset)))
    return page("dataset.html", who=principal.name, **values)


@router.get("/datasets/{dataset}/diff")
async def diff(request: Request, dataset: DatasetName, a: Commit, b: Commit) -> Response:
    """Two commits of a dataset side by side."""
    principal, lake = await _allowed(request, Verb.QUERY, dataset)
    found = await lake.in_thread(partial(compare, lake.seen_by(principal, Verb.QUERY), dataset, a, b))
    last = (await lake.in_thread(partial(lake.pages.head, dataset))).commit
    return page("diff.html", who=principal.name, dataset=dataset, a=a, b=b, last=last, found=found)


@router.get("/query")
async def query(request: Request) -> Response:
    """The query box."""
    principal, lake = await signed_in(request), lake_of(request)
    return _query_page(principal, lake, "")


@router.post("/query")
async def ask(request: Request) -> Response:
    """The first rows of an answer."""
    principal, lake = await signed_in(request), lake_of(request)
    sql = (await form(request)).get("sql", "")
    try:
        asked = partial(rows, lake.seen_by(principal, Verb.QUERY), sql, _ROWS + 1)
        columns, found = await lake.in_thread(asked)
    except QueryError as error:
        return _query_page(principal, lake, sql, status=400, problem=str(error))
    return _query_page(principal, lake, sql, columns=columns, rows=found[:_ROWS], more=len(found) > _ROWS)


def of_error(error: SupplyLakeError) -> Response:
    """The page that says what went wrong; whoever is not signed in is sent to do so."""
    if isinstance(error, Unauthenticated):
        return RedirectResponse("/sign-in", 303)
    title = "Not found" if error.http_status == 404 else "Not allowed" if error.http_status == 403 else "That did not work"
    return page("problem.html", status=error.http_status, title=title, problem=str(error))


async def _allowed(request: Request, verb: Verb, dataset: str) -> tuple[Principal, Opened]:
    principal, lake = await signed_in(request), lake_of(request)
    principal.must(verb, dataset)
    lake.spec(dataset)
    return principal, lake


def _dataset(lake: Opened, dataset: str, before: Any, may_query: bool) -> dict[str, Any]:
    found = lake.pages.newest(dataset, before=before, limit=_SNAPSHOTS + 1)
    shown = SnapshotSummary.all_of(found[:_SNAPSHOTS])
    more = cursors.pack(found[_SNAPSHOTS - 1].recorded_at, shown[-1].snapshot_id) if len(found) > _SNAPSHOTS else ""
    (standing,) = lake.standings.all([dataset])
    return {
        "one": standing,
        "snapshots": shown,
        "plots": _plots(shown[::-1]),
        "next": more,
        "rejects": _rejects(lake.lake, dataset) if may_query else None,
        "versions": lake.lake.schema(dataset).to_json()["versions"][::-1],
    }


def _rejects(lake: Lake, dataset: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.rejects_summary(dataset).slice(0, _RULES).to_pylist()
    return found


def _plots(shown: list[SnapshotSummary]) -> list[Plot]:
    """Rows, rejects and bytes of each snapshot, the oldest first."""
    if not shown:
        return []
    ends = {"first": _when(shown[0]), "last": _when(shown[-1])}
    kinds = (
        ("rows", "Rows published", [one.rows.published for one in shown], number),
        ("rejects", "Rows rejected", [one.rows.rejected for one in shown], number),
        ("bytes", "Size of its files", [one.bytes for one in shown], size),
    )
    return [
        bars(
            kind,
            caption,
            [Bar(value, f"{one.partition}: {write(value)}", not one.live) for value, one in zip(values, shown, strict=True)],
            top=write(max(values)),
            **ends,
        )
        for kind, caption, values, write in kinds
    ]


def _when(one: SnapshotSummary) -> str:
    time = one.committed_at or one.created_at
    return moment(time) if time else ""


def _query_page(principal: Principal, lake: Opened, sql: str, *, status: int = 200, **answer: Any) -> Response:
    names = principal.among(Verb.QUERY, lake.lake.stores.registry)
    begin = sql or (f"SELECT * FROM {names[0]} LIMIT 100" if names else "")
    values = {"problem": "", "columns": [], "rows": [], "more": False, **answer}
    return page("query.html", status=status, who=principal.name, names=names, sql=begin, **values)
