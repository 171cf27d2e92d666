"""Rows, rejects, lineage and files over HTTP: the same as the library gives."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supply_lake_tests.ingest.house import ORDERS, csv
from supply_lake_tests.service.conftest import Service
from supply_lake_tests.service.test_history import paged


def arrow(response: Any) -> pa.Table:
    assert response.headers["content-type"] == "application/vnd.apache.arrow.stream", response.text
    return pa.ipc.open_stream(response.content).read_all()


@pytest.mark.parametrize(
    "at", [{}, {"commit": 1}, {"commit": 2, "where": "quantity > 1"}, {"columns": ["quantity", "order_id"]}]
)
def test_rows_are_those_of_the_library(filled: Service, at: dict[str, Any]) -> None:
    known = filled.opened.lake.read("orders", **at)
    told = arrow(filled.get("/v1/datasets/orders/rows", params={**at, "format": "arrow"}))
    assert told.schema.equals(known.schema)
    assert sorted(told.to_pylist(), key=repr) == sorted(known.to_pylist(), key=repr)
    as_json = filled.json("/v1/datasets/orders/rows", params=at)
    assert sorted(as_json, key=repr) == sorted(known.to_pylist(), key=repr)
    lines = filled.get("/v1/datasets/orders/rows", params={**at, "format": "csv"}).text.splitlines()
    assert (lines[0], len(lines) - 1) == (",".join(known.column_names), known.num_rows)


def test_an_empty_dataset_has_columns_and_no_rows(serve: Callable[..., Service]) -> None:
    service = serve()
    assert service.json("/v1/datasets/orders/rows") == []
    assert arrow(service.get("/v1/datasets/orders/rows?format=arrow")).column_names == ["order_id", "quantity", "version"]
    assert service.get("/v1/datasets/orders/latest").status_code == 404
    assert service.json("/v1/datasets/orders/live")["snapshots"] == []
    assert service.json("/v1/datasets/orders")["commit"] == 0


def test_a_question_in_sql_as_of_a_time(filled: Service) -> None:
    first = filled.opened.lake.stores.metadata.commits("stock")[0]
    body = {"sql": "SELECT order_id FROM stock", "as_of": first.committed_at.isoformat()}
    assert filled.ask("POST", "/v1/query", json=body).json() == [{"order_id": "s1"}]
    bad = filled.ask("POST", "/v1/query", json={"sql": "SELECT nothing FROM stock"})
    assert (bad.status_code, bad.json()["type"]) == (400, "query-error")


def test_rejects_page_by_page_and_by_rule(filled: Service) -> None:
    known = filled.opened.lake.rejects("orders").to_pylist()
    assert {one["value"] for one in known} == {"-4", "many"}
    for limit in (1, 2, 100):
        assert paged(filled, "/v1/datasets/orders/rejects", "rejects", limit) == known
    assert [one["value"] for one in filled.json("/v1/datasets/orders/rejects?rule=int64")["rejects"]] == ["many"]
    groups = filled.json("/v1/datasets/orders/rejects/summary")["groups"]
    assert groups == filled.opened.lake.rejects_summary("orders").to_pylist()
    by_source = filled.json("/v1/datasets/orders/rejects/summary?by=source")["groups"]
    assert by_source[0]["source"].endswith("c.csv")


def test_a_row_with_more_reasons_than_a_page_is_told_whole(serve: Callable[..., Service]) -> None:
    columns = [{"name": f"c{n}", "type": "int64"} for n in range(5)]
    service = serve({**ORDERS, "columns": columns, "error_threshold": 1.0})
    header = ",".join(one["name"] for one in columns)
    service.house.land("a.csv", csv([("x",) * 5, ("y",) * 5, (1, 2, 3, 4, 5)], header=header))
    service.house.ingest()
    known = service.opened.lake.rejects("orders").to_pylist()
    assert len(known) == 10
    for limit in (1, 2, 3, 7):
        assert paged(service, "/v1/datasets/orders/rejects", "rejects", limit) == known


def test_files_come_with_their_digest(filled: Service) -> None:
    known = filled.opened.lake.latest("stock")
    assert known is not None
    links = filled.json(f"/v1/datasets/stock/snapshots/{known.id}/files")
    assert (links["expires_at"], [one["signed"] for one in links["files"]]) == (None, [False])
    (link,) = links["files"]
    response = filled.get(link["url"])
    assert hashlib.sha256(response.content).hexdigest() == link["sha256"] == known.files[0].sha256
    assert pq.read_table(io.BytesIO(response.content)).num_rows == link["rows"]
    again = filled.get(link["url"], headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert filled.get(link["url"].replace("/0", "/7")).status_code == 404
    assert filled.get(link["url"], token=filled.token("stock:read")).status_code == 403


@pytest.mark.integration
def test_files_in_a_bucket_come_by_signed_links(serve: Callable[..., Service], s3_location: str) -> None:
    import httpx

    service = serve(env={"SUPPLY_LAKE_LAKE": s3_location})
    service.house.stores.settings  # noqa: B018
    from supply_lake.ingest import batches, discovery

    service.house.land("s.csv", csv([("s1", 5, 1)]), dataset="stock")
    stores = service.opened.lake.stores
    discovery.tick(stores, full=True, clock=lambda: 4e9)
    for one in stores.metadata.pending():
        batches.run_pending(stores, one.dataset, one.landing_date, run_id="test")
    known = service.opened.lake.latest("stock")
    assert known is not None
    links = service.json(f"/v1/datasets/stock/snapshots/{known.id}/files")
    assert links["files"][0]["signed"] is True
    assert links["expires_at"] is not None
    fetched = httpx.get(links["files"][0]["url"])
    assert hashlib.sha256(fetched.content).hexdigest() == known.files[0].sha256


def test_lineage_from_each_end(filled: Service) -> None:
    key = "orders/2026/11/01/c.csv"
    (version,) = filled.json("/v1/datasets/orders/lineage/objects", params={"key": key})["versions"]
    assert version["state"] == "done"
    (snapshot,) = version["snapshots"]
    told = filled.json(f"/v1/datasets/orders/lineage/snapshots/{snapshot['snapshot_id']}")
    assert [one["key"] for one in told["sources"]] == [key]
    assert told["sources"][0]["rows"] == {"landed": 5, "published": 3, "rejected": 2, "deduplicated": 0}
    assert told["run_id"] == "test"
    batches = filled.json("/v1/datasets/orders/lineage/runs/test")["batches"]
    assert batches[0]["batch_id"] == told["batch_id"]
    assert batches[0]["snapshots"] == [snapshot["snapshot_id"]]
    assert filled.get("/v1/datasets/orders/lineage/runs/none").status_code == 404
    assert filled.get("/v1/datasets/stock/lineage/objects", params={"key": key}).status_code == 404
