"""Versions of a dataset over HTTP: the same as the library tells, page by page, and only once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from supply_lake.service.briefs import Brief, LivePage, NewestPage, briefs, encoded
from supply_lake.service.models import LiveSet, SnapshotPage, SnapshotSummary
from supply_lake_tests.ingest.house import csv
from supply_lake_tests.service.conftest import Service, fill


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["snapshot_id"] for one in found]


def paged(service: Service, path: str, field: str, limit: int = 1) -> list[Any]:
    """Every page of a list, one after the other."""
    found: list[Any] = []
    after = None
    while True:
        params = {"limit": limit, **({"after": after} if after is not None else {})}
        page = service.json(str(httpx.URL(path).copy_merge_params(params)))
        assert len(page[field]) <= limit
        found += page[field]
        after = page["next"]
        if after is None:
            return found


def test_latest_is_the_library_s_latest(filled: Service) -> None:
    for name in ("orders", "stock"):
        told = filled.json(f"/v1/datasets/{name}/latest")
        known = filled.opened.lake.latest(name)
        assert known is not None
        assert told["snapshot_id"] == known.id
        assert told["location"] == known.location
        assert told["rows"] == {"landed": known.rows.landed, "published": known.rows.published, "rejected": known.rows.rejected,
                                "deduplicated": known.rows.deduplicated}  # fmt: skip
        assert told["live"] is True
    on_day_one = filled.json("/v1/datasets/orders/latest", params={"partition": "2026-11-01"})
    assert on_day_one["partition"] == "2026-11-01"
    nothing = filled.get("/v1/datasets/orders/latest", params={"partition": "1999-01-01"})
    assert (nothing.status_code, nothing.json()["type"]) == (404, "unknown-snapshot")


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_pages_of_a_live_set_are_the_live_set(filled: Service, limit: int) -> None:
    for commit in range(4):
        told = paged(filled, f"/v1/datasets/orders/live?commit={commit}", "snapshots", limit)
        assert ids(told) == [one.id for one in filled.opened.lake.live("orders", commit=commit)]
    assert len(paged(filled, "/v1/datasets/orders/live", "snapshots")) == 3
    assert ids(filled.json("/v1/datasets/orders/live?partition=2026-11-02")["snapshots"]) == [
        one.id for one in filled.opened.lake.live("orders") if str(one.partition) == "2026-11-02"
    ]


def test_the_live_set_as_of_a_time_is_that_of_the_commit_then(filled: Service) -> None:
    for commit in filled.opened.lake.stores.metadata.commits("stock"):
        at = commit.committed_at.isoformat()
        told = filled.json("/v1/datasets/stock/live", params={"as_of": at})
        assert told["commit"] == commit.number
        assert ids(told["snapshots"]) == list(commit.added)
        assert filled.json("/v1/datasets/stock/as-of", params={"at": at}) == {
            "dataset": "stock", "at": at.replace("+00:00", "Z"), "commit": commit.number, "committed_at": at.replace("+00:00", "Z"),
        }  # fmt: skip
    before = filled.json("/v1/datasets/stock/as-of", params={"at": "2001-01-01T00:00:00"})
    assert (before["commit"], before["committed_at"]) == (0, None)


def test_what_is_not_there_yet_is_refused(filled: Service) -> None:
    future = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
    assert filled.get("/v1/datasets/orders/live", params={"as_of": future}).status_code == 400
    assert filled.get("/v1/datasets/orders/live", params={"commit": 4}).json()["type"] == "unknown-commit"
    both = filled.get("/v1/datasets/orders/live", params={"commit": 1, "as_of": "2026-01-01T00:00:00Z"})
    assert both.status_code == 400


def test_a_live_set_at_a_commit_is_told_the_same_for_ever(serve: Callable[..., Service]) -> None:
    service = serve()
    fill(service.house)
    path = "/v1/datasets/stock/live?commit=1"
    before = service.get(path)
    assert before.json()["snapshots"][0]["live"] is True
    service.house.land("s3.csv", csv([("s3", 1, 1)]), dataset="stock")
    service.house.ingest()
    again = serve_anew(service).get(path)
    assert again.content == before.content
    assert again.headers["etag"] == before.headers["etag"]


def serve_anew(service: Service) -> Service:
    """Another process over the same lake: nothing is kept from before."""
    service.opened.cache.__init__(1024)  # type: ignore[misc]
    return service


def test_an_unchanged_answer_costs_a_304_and_a_commit_changes_it(serve: Callable[..., Service]) -> None:
    service = serve()
    fill(service.house)
    for path in ("latest", "live", "commits", "snapshots", "schema", "contract", ""):
        url = f"/v1/datasets/stock/{path}".rstrip("/")
        first = service.get(url)
        tag = first.headers["etag"]
        unchanged = service.get(url, headers={"if-none-match": f'"other", W/{tag}'})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", tag), path
    tag = service.get("/v1/datasets/stock/latest").headers["etag"]
    service.house.land("s3.csv", csv([("s3", 1, 1)]), dataset="stock")
    service.house.ingest()
    changed = service.get("/v1/datasets/stock/latest", headers={"if-none-match": tag})
    assert changed.status_code == 200
    assert changed.json()["commit"] == 3


def test_all_snapshots_and_all_commits_page_by_page(filled: Service) -> None:
    lake = filled.opened.lake
    assert ids(paged(filled, "/v1/datasets/orders/snapshots", "snapshots")) == [one.id for one in lake.snapshots("orders")]
    history = lake.stores.metadata.commits("orders")
    told = paged(filled, "/v1/datasets/orders/commits", "commits")
    assert [(one["commit"], one["added"], one["superseded"]) for one in told] == [
        (one.number, list(one.added), list(one.superseded)) for one in history
    ]


def test_a_snapshot_has_its_sources_files_and_rules(filled: Service) -> None:
    known = filled.opened.lake.latest("orders")
    assert known is not None
    told = filled.json(f"/v1/datasets/orders/snapshots/{known.id}")
    assert [one["key"] for one in told["sources"]] == [one.key for one in known.sources]
    assert [one["sha256"] for one in told["files"]] == [one.sha256 for one in known.files]
    assert told["columns"][0]["name"] == "order_id"
    other = filled.get(f"/v1/datasets/stock/snapshots/{known.id}")
    assert other.status_code == 404


@pytest.mark.parametrize("cursor", ["x", "!!", "W10", "WzFd", "WyJhIiwxLCJiIl0", "WyIyMDI2LTEzLTAxIiwxLCJhIl0", "a" * 399])
def test_a_cursor_that_continues_nothing_is_refused(filled: Service, cursor: str) -> None:
    for path in ("orders/live", "orders/snapshots", "orders/rejects"):
        response = filled.get(f"/v1/datasets/{path}", params={"after": cursor})
        assert (response.status_code, response.json()["type"]) == (400, "usage-error")
    assert filled.get("/v1/datasets", params={"after": cursor}).status_code == 400


def test_the_quick_shape_is_the_one_that_is_told(filled: Service) -> None:
    pages = filled.opened.pages
    entries = [*pages.newest("orders", limit=100), *pages.newest("stock", limit=100)]
    assert json.loads(b"[" + b",".join(map(encoded, briefs(entries))) + b"]") == [
        one.model_dump(mode="json") for one in SnapshotSummary.all_of(entries)
    ]
    fields = {model: list(told.model_fields) for model, told in ((LivePage, LiveSet), (NewestPage, SnapshotPage))}
    assert fields == {model: list(model.__struct_fields__) for model in fields}
    assert list(Brief.__struct_fields__) == list(SnapshotSummary.model_fields)
