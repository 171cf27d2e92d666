"""Every route × (no token, bad token, wrong verb, other dataset). Routes are taken from the app, so none can be forgotten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from supply_lake.service.asking import OPEN
from supply_lake.service.grants import Verb
from supply_lake_tests.service.conftest import Service

EXAMPLES = {
    "dataset": "orders",
    "snapshot_id": "0" * 8,
    "run_id": "run-1",
    "number": "0",
    "webhook_id": "0" * 12,
    "query_id": "0" * 24,
    "pin_id": "x",
}
ANY_DATASET = {("GET", "/v1/me"), ("GET", "/v1/datasets"), ("POST", "/v1/query"), ("GET", "/v1/snapshots/{snapshot_id}"),
    ("POST", "/v1/queries"), ("GET", "/v1/queries/{query_id}"), ("DELETE", "/v1/queries/{query_id}"),
    ("GET", "/v1/queries/{query_id}/result"),
}  # fmt: skip
"""Routes over several datasets: they show those over which the token holds the verb."""


def routes(service: Service) -> Iterator[tuple[str, str, set[Verb]]]:
    """Method, path and verbs of every route below /v1 that needs a token."""
    for context in iter_route_contexts(service.app.routes):
        route = context.route
        assert isinstance(route, APIRoute) or context.path in OPEN, f"{context.path} is none of FastAPI's routes"
        if isinstance(route, APIRoute) and context.path not in OPEN and context.path.startswith("/v1"):
            for method in route.methods:
                yield (
                    method,
                    context.path,
                    set(verbs_of(context.dependant if hasattr(context, "dependant") else route.dependant)),
                )


def verbs_of(dependant: Any) -> Iterator[Verb]:
    for one in dependant.dependencies:
        if hasattr(one.call, "verb"):
            yield one.call.verb
        yield from verbs_of(one)


def call(service: Service, method: str, path: str, token: str | None) -> Any:
    headers = {"last-event-id": "none"}  # else a stream of events would go on for ever
    return service.ask(method, path.format(**EXAMPLES), token=token, headers=headers)


def test_every_route_refuses_whoever_has_no_token_or_a_bad_one(filled: Service) -> None:
    seen = 0
    for method, path, _ in routes(filled):
        for token in (
            None,
            "nonsense",
            "sl_0123456789ab_" + "x" * 43,
            filled.all[:-1] + ("a" if filled.all[-1] != "a" else "b"),
        ):
            filled.app.state.doorman._failures._buckets.clear()
            response = call(filled, method, path, token)
            assert response.status_code == 401, (method, path, token)
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["www-authenticate"].startswith("Bearer")
        seen += 1
    assert seen >= 15


def test_every_route_of_a_dataset_needs_its_one_verb_over_this_dataset(filled: Service) -> None:
    seen = 0
    for method, path, verbs in routes(filled):
        if (method, path) in ANY_DATASET:
            continue
        assert "{dataset}" in path, f"{method} {path} needs no verb over any dataset"
        assert len(verbs) == 1, f"{method} {path} does not say which verb it needs"
        verb = next(iter(verbs))
        others = ",".join(set(Verb) - {verb})
        for token in (filled.token(f"orders:{others}"), filled.token(f"stock:{','.join(Verb)}", f"order:{','.join(Verb)}")):
            response = call(filled, method, path, token)
            assert (response.status_code, response.json()["type"]) == (403, "forbidden"), (method, path)
        allowed = call(filled, method, path, filled.token(f"orders:{verb}"))
        assert allowed.status_code not in (401, 403), (method, path, allowed.text)
        seen += 1
    assert seen >= 12


def test_a_token_that_grants_nothing_here_learns_nothing(filled: Service) -> None:
    token = filled.token("stock:read")
    there, not_there = (filled.get(f"/v1/datasets/{name}", token=token) for name in ("orders", "nothing"))
    assert there.status_code == not_there.status_code == 403
    assert there.json()["detail"] == not_there.json()["detail"].replace("nothing", "orders")
    unknown = filled.get("/v1/datasets/stoc", token=filled.token("stoc:read"))
    assert unknown.status_code == 404
    assert "stock" not in unknown.text


def test_lists_show_what_the_token_may_read(filled: Service) -> None:
    def names(*grants: str) -> list[str]:
        return [one["dataset"] for one in filled.json("/v1/datasets", token=filled.token(*grants))["datasets"]]

    assert names("*:read") == ["orders", "stock"]
    assert names("st*:read") == ["stock"]
    assert names("*:query,push,manage") == []
    assert names("orders:push", "stock:read") == ["stock"]
    first = filled.json("/v1/datasets?limit=1")
    assert [one["dataset"] for one in first["datasets"]] == ["orders"]
    second = filled.json(f"/v1/datasets?limit=1&after={first['next']}")
    assert ([one["dataset"] for one in second["datasets"]], second["next"]) == (["stock"], None)


def test_sql_sees_only_the_datasets_that_the_token_may_query(filled: Service) -> None:
    token = filled.token("stock:query", "orders:read")

    def ask(sql: str) -> Any:
        return filled.ask("POST", "/v1/query", token=token, json={"sql": sql})

    assert ask("SELECT order_id FROM stock").json() == [{"order_id": "s2"}]
    for sql in (
        "SELECT * FROM orders",
        "SELECT * FROM orders__rejects",
        "SELECT * FROM stock UNION ALL SELECT * FROM orders",
        "SELECT * FROM stock, (SELECT count(*) FROM orders)",
        "SELECT * FROM orders@1",
        "SELECT * FROM orders__history",
    ):
        response = ask(sql)
        assert (response.status_code, response.json()["type"]) == (400, "query-error")
        assert "the datasets are stock" in response.json()["detail"]
    assert [row["name"] for row in ask("SHOW TABLES").json()] == [
        "stock", "stock__history", "stock__rejects", "stock__rows",
    ]  # fmt: skip


def test_a_snapshot_is_found_by_its_id_alone_where_its_dataset_may_be_read(filled: Service) -> None:
    known = filled.opened.lake.latest("orders")
    assert known is not None
    path = f"/v1/snapshots/{known.id}"
    assert filled.json(path, token=filled.token("orders:read"))["snapshot_id"] == known.id
    hidden, missing = filled.get(path, token=filled.token("stock:read")), filled.get("/v1/snapshots/0000")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["detail"] == missing.json()["detail"].replace("0000", known.id)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM glob('/*')",
        "ATTACH '/tmp/x.db'",
        "COPY stock TO '/tmp/stolen.csv'",
        "SET enable_external_access = true",
        "SELECT * FROM read_parquet('https://example.com/a.parquet')",
        "INSTALL httpfs",
        "SELECT 1; DROP VIEW stock",
        "PRAGMA database_list",
        "SELECT getenv('HOME')",
        "",
    ],
)
def test_sql_reaches_neither_files_nor_network_nor_settings(filled: Service, sql: str) -> None:
    response = filled.ask("POST", "/v1/query", json={"sql": sql})
    assert response.status_code in (400, 422)
    assert "root:" not in response.text
    where = filled.get("/v1/datasets/stock/rows", params={"where": f"order_id IN ({sql})"})
    assert where.status_code == 400


def test_a_condition_cannot_leave_its_dataset(filled: Service) -> None:
    token = filled.token("stock:query")
    for where in ("true) UNION ALL SELECT * FROM orders --", "order_id IN (SELECT order_id FROM orders)", "true; SELECT 1"):
        response = filled.get("/v1/datasets/stock/rows", params={"where": where}, token=token)
        assert (response.status_code, response.json()["type"]) == (400, "query-error")
    columns = filled.get("/v1/datasets/stock/rows", params={"columns": '*" FROM stock --'}, token=token)
    assert columns.status_code == 400


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fetc%2fpasswd", "orders%00", "orders'--", "orders%22", "%2e%2e", "ORDERS", "a" * 64, "orders;", "%F0%9F%A6%86"],
)
def test_names_that_are_none_are_refused(filled: Service, name: str) -> None:
    for path in ("", "/latest", "/rows", "/rejects"):
        response = filled.get(f"/v1/datasets/{name}{path}")
        assert response.status_code in (404, 422), response.text
        assert response.headers["content-type"] == "application/problem+json"
    for path in (f"snapshots/{name}x", f"snapshots/{name}x/files/0", f"lineage/runs/{name}%20"):
        assert filled.get(f"/v1/datasets/orders/{path}").status_code in (404, 422)
    landed = filled.ask("POST", "/v1/datasets/orders/records", params={"file": "../../x.csv"}, json=[{"order_id": "o"}])
    assert landed.status_code == 422


def test_injection_through_parameters_finds_nothing(filled: Service) -> None:
    for text in ("' OR 1=1 --", "\\' OR 1=1", "%' OR '1'='1", "o1') UNION SELECT 1,2,3,4,5,6,7,8 --"):
        assert filled.json("/v1/datasets/orders/rejects", params={"rule": text})["rejects"] == []
        assert filled.json("/v1/datasets/orders/rejects", params={"source": text})["rejects"] == []
        assert filled.get("/v1/datasets/orders/lineage/objects", params={"key": text}).status_code == 404


def test_a_token_ends_and_a_revoked_one_opens_nothing_a_second_later(filled: Service) -> None:
    now = dt.datetime.now(dt.UTC)
    assert filled.get("/v1/me", token=filled.token("*:read", expires_at=now - dt.timedelta(seconds=1))).status_code == 401
    token = filled.token("*:read")
    clock = [100.0]
    doorman = filled.app.state.doorman
    before, doorman._clock = doorman._clock, lambda: clock[0]
    try:
        assert filled.get("/v1/me", token=token).status_code == 200
        filled.opened.access.revoke(token.split("_")[1], now)
        clock[0] += 1.01
        assert filled.get("/v1/me", token=token).status_code == 401
    finally:
        doorman._clock = before


def test_the_store_has_no_token_s_text(filled: Service) -> None:
    token = filled.token("*:read")
    secret = token.rpartition("_")[2]
    kept = filled.opened.access.find(token.split("_")[1])
    assert kept is not None
    assert secret not in repr(kept)
    path = Path(filled.opened.settings.access.removeprefix("sqlite:///"))
    kept_files = list(path.parent.glob(f"{path.name}*"))
    assert path in kept_files
    assert [one for one in kept_files if secret.encode() in one.read_bytes()] == []


def test_guessing_tokens_is_slowed_down(serve: Callable[..., Service]) -> None:
    service = serve()
    answers = [service.get("/v1/me", token=f"sl_{number:012x}_" + "x" * 43).status_code for number in range(60)]
    assert answers[:30] == [401] * 30
    assert 429 in answers[30:]
    assert service.get("/v1/me", token=service.all).status_code in (200, 429)


def test_a_token_has_its_share_of_requests(serve: Callable[..., Service]) -> None:
    service = serve(env={"SUPPLY_LAKE_RATE_PER_SECOND": "2"})
    answers = [service.get("/v1/me") for _ in range(12)]
    refused = [one for one in answers if one.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].json()["type"] == "too-many-requests"
    assert service.get("/v1/me", token=service.token("*:read")).status_code == 200
