"""The pages for people: signed in by a token, escaped, the same grants, and nothing that a browser could be tricked into."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest
from fastapi.routing import iter_route_contexts

from supply_lake.service.pages.plots import Bar, bars
from supply_lake_tests.ingest.house import KEYED, ORDERS, csv
from supply_lake_tests.service.conftest import Service

OPEN = {"/sign-in", "/assets/style.css"}
ORIGIN = {"origin": "http://testserver"}


def see(service: Service, path: str, token: str | None = "") -> Any:
    """A page, by default for whoever may do everything; without following where it leads."""
    cookie = {} if token is None else {"cookie": f"supply_lake_token={token or service.all}"}
    return service.client.get(path, headers=cookie, follow_redirects=False)


def send(service: Service, path: str, *, token: str | None = "", headers: Any = ORIGIN, **fields: str) -> Any:
    cookie = {} if token is None else {"cookie": f"supply_lake_token={token or service.all}"}
    return service.client.post(path, data=fields, headers={**headers, **cookie}, follow_redirects=False)


def pages(service: Service) -> list[tuple[str, str]]:
    found = [(method, one.path) for one in iter_route_contexts(service.app.routes) for method in one.route.methods]
    return [(method, path) for method, path in found if not path.startswith("/v1")]


def test_every_page_but_the_form_for_a_token_needs_one(filled: Service) -> None:
    seen = 0
    for method, path in pages(filled):
        if path in OPEN:
            continue
        url = path.format(dataset="orders") + ("?a=1&b=2" if path.endswith("diff") else "")
        for token in (None, "nonsense", "sl_0123456789ab_" + "x" * 43):
            filled.app.state.doorman._failures._buckets.clear()
            response = filled.client.request(
                method, url, headers={"cookie": f"supply_lake_token={token}"} if token else {}, follow_redirects=False
            )
            if path == "/sign-out":
                assert response.status_code == 403  # it only forgets
                continue
            assert (response.status_code, response.headers["location"]) == (303, "/sign-in"), (method, path)
        seen += 1
    assert seen >= 6


def test_a_page_needs_its_verb_over_its_dataset(filled: Service) -> None:
    for path, verb in (("/datasets/orders", "read"), ("/datasets/orders/diff?a=1&b=2", "query")):
        other = "query" if verb == "read" else "read"
        for grants in (f"stock:{verb}", f"orders:{other},push,manage"):
            response = see(filled, path, filled.token(grants))
            assert response.status_code == 403
            assert "o1" not in response.text
        assert see(filled, path, filled.token(f"orders:{verb}")).status_code == 200
    assert see(filled, "/datasets/nothing").status_code == 404


def test_signing_in_and_out(filled: Service) -> None:
    response = send(filled, "/sign-in", token=None, token_="x")
    assert response.status_code == 401
    assert "no token" in response.text or "needs a token" in response.text or "nobody" in response.text
    response = filled.client.post("/sign-in", data={"token": filled.all}, headers=ORIGIN, follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = response.headers["set-cookie"]
    assert filled.all in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    filled.client.cookies.clear()
    out = send(filled, "/sign-out")
    assert 'supply_lake_token=""' in out.headers["set-cookie"]
    filled.client.cookies.clear()


@pytest.mark.parametrize(
    "headers", [{}, {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://testserver.evil"}]
)
def test_a_form_of_another_site_does_nothing(filled: Service, headers: dict[str, str]) -> None:
    for path in ("/query", "/sign-out", "/sign-in"):
        response = send(filled, path, headers=headers, sql="SELECT 1", token="" if path != "/sign-in" else None)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers


def test_the_api_takes_no_cookie(filled: Service) -> None:
    assert see(filled, "/v1/me").status_code == 401


def test_datasets_at_a_glance(filled: Service) -> None:
    text = see(filled, "/").text
    assert re.findall(r'href="/datasets/(\w+)"', text) == ["orders", "stock"]
    assert "fresh" in text
    assert "stock" not in see(filled, "/", filled.token("orders:read")).text
    assert "may read none" in see(filled, "/", filled.token("orders:push")).text


def test_a_dataset_with_its_plots_rejects_and_schema(filled: Service) -> None:
    text = see(filled, "/datasets/orders").text
    plots = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    assert len(plots) == 3
    assert [len(one.findall("rect")) for one in plots] == [3, 3, 3]
    assert "is no int64" in text
    assert "many" in text
    assert "order_id" in text
    without = see(filled, "/datasets/orders", filled.token("orders:read")).text
    assert "many" not in without
    assert "does not grant <code>query</code>" in without


def test_two_versions_side_by_side(serve: Callable[..., Service]) -> None:
    service = serve({**ORDERS, **KEYED, "mode": "upsert"})
    service.house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    service.house.ingest()
    service.house.land("b.csv", csv([("o1", 5, 2, "yes")], header="order_id,quantity,version,gift"))
    service.house.ingest()
    text = see(service, "/datasets/orders/diff?a=1&b=2").text
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert facts == {"Rows in 1": "2", "Rows in 2": "2", "Rows only in 1": "1", "Rows only in 2": "1"}
    assert "<code>gift</code>" in text
    assert see(service, "/datasets/orders/diff?a=1&b=9").status_code == 404


def test_the_query_box_answers_refuses_and_keeps_what_was_typed(filled: Service) -> None:
    assert "SELECT * FROM orders LIMIT 100" in see(filled, "/query").text
    answer = send(filled, "/query", sql="SELECT order_id, NULL AS nothing FROM stock")
    assert answer.status_code == 200
    assert '<td class="code">s2</td>' in answer.text
    many = send(filled, "/query", sql="SELECT * FROM range(1000)").text
    assert many.count("<tr>") == 201
    assert "these are the first" in many
    bad = send(filled, "/query", sql="SELECT '<b>' FROM nothing")
    assert bad.status_code == 400
    assert "&lt;b&gt;" in bad.text
    assert "there is no table" in bad.text
    hidden = send(filled, "/query", sql="SELECT * FROM orders", token=filled.token("stock:query"))
    assert hidden.status_code == 400


def test_what_stands_in_files_is_no_markup(serve: Callable[..., Service]) -> None:
    service = serve({**ORDERS, "error_threshold": 1.0})
    evil = "<script>alert(1)</script>"
    service.house.land("a.csv", csv([("o1", 1, 1), (evil, evil, 1)]))
    service.house.ingest()
    shown = [see(service, "/datasets/orders"), send(service, "/query", sql=f"SELECT '{evil}' AS \"{evil}\"")]
    for response in shown:
        assert response.status_code == 200
        assert "<script" not in response.text
        assert "&lt;script&gt;" in response.text
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy


def test_pages_have_no_style_and_no_script_of_their_own(filled: Service) -> None:
    for path in ("/", "/datasets/orders", "/query", "/sign-in"):
        text = see(filled, path).text
        assert "style=" not in text
        assert "<script" not in text
        assert 'name="viewport"' in text
    assert see(filled, "/assets/style.css", None).headers["content-type"].startswith("text/css")


def test_a_dataset_without_commits_has_a_page(serve: Callable[..., Service]) -> None:
    text = see(serve(), "/datasets/orders").text
    assert "Nothing was published yet." in text
    assert "<svg" not in text


def test_bars_of_nothing_and_of_much() -> None:
    for values in ([0], [0, 0], [5] * 60, [1, 10**15]):
        plot = bars("rows", "Rows", [Bar(one, f"<{one}>") for one in values], top="t", first="f", last="l")
        rects = ElementTree.fromstring(plot.svg).findall("rect")
        assert len(rects) == len(values)
        assert all(0 <= float(one.attrib["height"]) <= 120 and float(one.attrib["width"]) > 0 for one in rects)
