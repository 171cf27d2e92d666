"""Records pushed over HTTP: what lands is ingested like any file, once, however often it is pushed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from supply_lake_tests.service.conftest import Service

RECORDS = [{"order_id": "p1", "quantity": 3, "version": 1}, {"order_id": "p2", "quantity": None, "version": 12345678901234567}]


def arrow(records: list[dict[str, Any]]) -> bytes:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(records)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


BODIES = {
    "application/json": json.dumps(RECORDS).encode(),
    "application/x-ndjson": b"\n\n".join(json.dumps(one).encode() for one in RECORDS) + b"\n",
    "application/vnd.apache.arrow.stream": arrow(RECORDS),
    "application/octet-stream": b"order_id,quantity,version\np1,3,1\np2,,12345678901234567\n",
}


@pytest.mark.parametrize("kind", BODIES)
def test_records_of_every_kind_are_published_once(serve: Callable[..., Service], kind: str) -> None:
    service = serve()
    for _ in range(2):
        response = service.ask(
            "POST", "/v1/datasets/orders/records", content=BODIES[kind], headers={"content-type": f"{kind}; charset=utf-8"},
            token=service.token("orders:push"),
        )  # fmt: skip
        assert response.status_code == 201, response.text
    told = response.json()
    assert told["key"].startswith("orders/20")
    assert told["size"] > 0
    (batch,) = service.house.ingest()
    assert batch.sources[0].key == told["key"]
    assert sorted(service.house.rows()) == [("p1", 3, 1), ("p2", None, 12345678901234567)]


def test_a_name_and_a_date_are_kept(serve: Callable[..., Service]) -> None:
    service = serve()
    response = service.ask(
        "POST", "/v1/datasets/orders/records", params={"file": "today.csv", "date": "2026-11-03"}, json=RECORDS
    )
    assert response.json()["key"] == "orders/2026/11/03/today.csv"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"[1, 2]"),
        ("application/json", b"{}"),
        ("application/json", b"[]"),
        ("application/json", b""),
        ("application/json", b'[{"order_id": NaN}]'),
        ("application/json", b"[" * 100_000),
        ("application/json", b'[{"quantity": ' + b"9" * 10_000 + b"}]"),
        ("application/x-ndjson", b'{"order_id": "p1"}\n3\n'),
        ("application/x-ndjson", b'{"order_id": "\xff"}\n'),
        ("application/vnd.apache.arrow.stream", b"no arrow"),
        ("application/vnd.apache.arrow.stream", b""),
        ("application/octet-stream", b""),
        ("text/html", b"<p>"),
    ],
)
def test_what_is_no_records_lands_nowhere(serve: Callable[..., Service], kind: str, body: bytes) -> None:
    service = serve()
    response = service.ask("POST", "/v1/datasets/orders/records", content=body, headers={"content-type": kind})
    assert (response.status_code, response.json()["type"]) == (400, "usage-error"), response.text
    service.house.discover()
    assert service.house.states() == {}
    assert list(service.opened.settings.scratch.glob("pushed-*")) == []
