"""A fuzz by the service's own OpenAPI: whatever is sent, in or out of contract, no route fails, and every answer keeps its shape."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake_tests.service.conftest import Service

KNOWN = {"dataset": ["orders", "stock", "nothing"], "run_id": ["test"], "number": [0, 1], "key": ["orders/2026/11/01/c.csv"]}
STATIC = [
    "/v1/me", "/v1/datasets", "/v1/datasets/{dataset}", "/v1/datasets/{dataset}/latest", "/v1/datasets/{dataset}/live",
    "/v1/datasets/{dataset}/rejects", "/v1/datasets/{dataset}/rows", "/v1/query", "/v1/datasets/{dataset}/records",
]  # fmt: skip


def operations(service: Service) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in service.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(schema: Any, document: dict[str, Any]) -> Any:
    """The schema without references."""
    if isinstance(schema, list):
        return [resolved(one, document) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolved(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    return {name: resolved(one, document) for name, one in schema.items()}


def from_schema(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, of the kinds that requests to this service have; those of no known kind are any JSON."""
    if "anyOf" in schema:
        return st.one_of(*map(from_schema, schema["anyOf"]))
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    made = _BY_KIND.get((schema.get("type"), schema.get("format")))
    return made(schema) if made else JSON


def _text(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True).map(lambda text: text[: schema.get("maxLength", 100)])
    return st.text(min_size=schema.get("minLength", 0), max_size=min(50, schema.get("maxLength", 50)))


def _object(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: from_schema(one) for name, one in schema.get("properties", {}).items()}
    required = {name: fields.pop(name) for name in schema.get("required", [])}
    return (
        st.fixed_dictionaries(required, optional=fields) if required or fields else st.dictionaries(st.text(), JSON, max_size=3)
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_BY_KIND: dict[tuple[Any, Any], Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
    ("string", None): _text,
    ("string", "date"): lambda _: st.dates().map(str),
    ("string", "date-time"): lambda _: st.datetimes(timezones=st.just(dt.UTC) | st.none()).map(dt.datetime.isoformat),
    ("integer", None): lambda schema: st.integers(schema.get("minimum"), schema.get("maximum")),
    ("number", None): lambda _: st.floats(),
    ("boolean", None): lambda _: st.booleans(),
    ("null", None): lambda _: st.none(),
    ("array", None): lambda schema: st.lists(from_schema(schema.get("items", {})), max_size=3),
    ("object", None): _object,
}


def values(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What is in contract, what is there, and what is neither."""
    kept = from_schema(schema)
    return st.one_of(
        st.sampled_from(KNOWN[name]) if name in KNOWN else kept, kept, st.text(max_size=20), st.integers().map(str)
    )


def requests(operation: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    given: dict[str, dict[str, st.SearchStrategy[Any]]] = {"path": {}, "query": {}, "header": {}}
    for one in operation.get("parameters", []):
        given[one["in"]][one["name"]] = values(one["name"], resolved(one["schema"], document))
    return st.fixed_dictionaries(
        {
            "path": st.fixed_dictionaries(given["path"]),
            "query": st.fixed_dictionaries({}, optional=given["query"]),
            "body": bodies(operation, document),
        }
    )


def bodies(operation: dict[str, Any], document: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    content = operation.get("requestBody", {}).get("content")
    if not content:
        return st.just({})
    schema = resolved(content.get("application/json", {}).get("schema", {}), document)
    return st.one_of(
        from_schema(schema).map(lambda one: {"json": one}),
        st.binary(max_size=50).map(lambda one: {"content": one}),
        st.tuples(st.sampled_from(list(content)), st.binary(max_size=50)).map(
            lambda two: {"content": two[1], "headers": {"content-type": two[0]}}
        ),
    )


def check(response: Any, operation: dict[str, Any], document: dict[str, Any], asked: object) -> None:
    assert response.status_code < 500, (asked, response.text)
    kind = response.headers.get("content-type", "")
    if response.status_code >= 400:
        assert kind == "application/problem+json", asked
        jsonschema.validate(response.json(), resolved(document["components"]["schemas"]["Problem"], document))
        return
    assert str(response.status_code) in operation["responses"], (asked, response.status_code)
    if response.status_code == 204:
        return
    schema = operation["responses"][str(response.status_code)]["content"].get("application/json", {}).get("schema")
    if kind == "application/json" and schema:
        jsonschema.validate(response.json(), resolved(schema, document))


def test_no_route_fails_whatever_is_sent(filled: Service) -> None:
    for method, path, operation in operations(filled):
        fuzz(filled, method, path, operation)


def fuzz(filled: Service, method: str, path: str, operation: dict[str, Any]) -> None:
    document = filled.app.openapi()

    @settings(max_examples=12, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests(operation, document))
    def ask(sent: dict[str, Any]) -> None:
        filled.app.state.rate._buckets.clear()
        url = path
        for name, value in sent["path"].items():
            url = url.replace(f"{{{name}}}", quoted(value))
        headers = {"last-event-id": "none", **sent["body"].pop("headers", {})}  # else events would go on for ever
        response = filled.ask(method, url, params=sent["query"], headers=headers, **sent["body"])
        check(response, operation, document, (method, url, sent))

    ask()


def quoted(value: object) -> str:
    return quote(str(value), safe="") or "%20"


def test_every_operation_tells_what_it_does_and_answers(filled: Service) -> None:
    for method, path, operation in operations(filled):
        assert operation["summary"], path
        assert operation["description"], path
        assert "default" in operation["responses"], path
        assert "422" not in operation["responses"], path
        for one in operation.get("parameters", []):
            assert one.get("description") or one["schema"].get("description"), (method, path, one["name"])
    assert {path for _, path, _ in operations(filled)} >= set(STATIC)
