"""What a dataset file may say of a source that is pulled: secrets by reference only, and nothing that cannot be kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from supply_lake.datasets.registry import load_spec
from supply_lake.errors import SpecError
from supply_lake_tests.datasets.conftest import GOOD

Write = Callable[..., Path]
SECRET = "hunter2!"
PULLED = GOOD.replace("format: {type: csv}", "format: {type: parquet}").replace(
    "mode: upsert", "mode: upsert\nkey_scope: dataset"
)


def source(text: str) -> str:
    return PULLED.replace("source: {system: shop}", f"source: {{system: shop, {text}}}")


def sql(text: str, url: str = "postgresql://me:${PW}@db/shop") -> str:
    return source(f'sql: {{url: "{url}", {text}}}')


def faults(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert SECRET not in str(caught.value)
    return str(caught.value).replace(f"{path}:", "")


def test_a_pulled_source_loads(write: Write) -> None:
    spec = load_spec(write(sql("table: sales.orders, cursor: {by: updated_at, lag: 900}")))
    assert (spec.source.transport, spec.source.pulled, spec.source.again_days) == ("sql", True, 0)
    assert spec.source.cursor
    assert spec.source.cursor.lag == 900


def test_a_pushed_source_is_not_pulled(write: Write) -> None:
    spec = load_spec(write(GOOD))
    assert (spec.source.transport, spec.source.pulled, spec.source.cursor, spec.source.window) == ("", False, None, None)


@pytest.mark.parametrize(
    "url",
    [
        "${ERP}",
        "postgresql://${USER}:${PW}@db:5432/shop",
        "sqlite:////data/shop.db",
        "postgresql://db/shop?sslpassword=${PW}&sslmode=require",
    ],
)
def test_urls_may_refer_to_variables(write: Write, url: str) -> None:
    assert load_spec(write(sql("table: orders", url))).source.sql


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@db/shop",
        f"postgresql://db/shop?password={SECRET}",
        f"postgresql://me:x${{A}}{SECRET}@db/shop",
    ],
)
def test_a_secret_in_a_url_is_refused_without_being_repeated(write: Write, url: str) -> None:
    assert faults(write(sql("table: orders", url))).startswith(
        "4: `source.sql.url`: it carries a secret itself; write `${NAME}`"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (sql("columns: id"), "4: `source.sql`: give `table` or `query`, one of them"),
        (sql("table: a, query: SELECT 1"), "4: `source.sql`: give `table` or `query`, one of them"),
        (sql("query: SELECT 1, where: a > 1"), "`columns` and `where` go with `table`"),
        (sql("table: a, cursor: {by: x}, window: {by: y}"), "two ways to pull a part"),
        (sql("table: a, window: {timezone: UTC}"), "`window` needs `by`"),
        (sql("table: a, window: {by: d, timezone: Mars/Phobos}"), "no time zone is called 'Mars/Phobos'"),
        (sql("table: a", "no url"), "this is no URL"),
        (source("schedule: '@daily'"), "`schedule` is for sources that are pulled"),
        (sql("table: a").replace("parquet", "csv"), "5: what `sql` pulls lands as parquet, not csv"),
        (sql("table: a").replace("mode: upsert\nkey_scope: dataset", "mode: append"), "would publish its rows twice"),
        (sql("table: a, cursor: {by: x}").replace("\nkey_scope: dataset", ""), "4: a cursor reads some rows again"),
        (sql("table: a") + "landing: {pattern: 'in/{file}'}\n", "a pulled dataset lands by date"),
        (sql("table: a") + "landing: {pattern: 'in/*/{yyyy}{mm}{dd}_{file}'}\n", "a pulled dataset lands by date"),
    ],
)
def test_what_cannot_be_kept_is_refused(write: Write, text: str, says: str) -> None:
    assert says in faults(write(text))


# --- REST


def rest(text: str) -> str:
    return source(f"rest: {{url: https://shop.example, {text}}}").replace("type: parquet", "type: jsonl")


def test_a_rest_source_loads(write: Write) -> None:
    text = (
        "path: /orders, params: {since: '{from}', key: {env: KEY}}, cursor: {by: meta.updated}, "
        "auth: {type: oauth2, token_url: https://id.example/token, client_id: me, client_secret: {env: SECRET}}, "
        "paging: {type: page, param: page, size: 100, size_param: limit}"
    )
    spec = load_spec(write(rest(text)))
    assert (spec.source.transport, spec.source.cursor.by if spec.source.cursor else "") == ("rest", "meta.updated")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"auth: {{type: bearer, token: {SECRET}}}", "`source.rest.auth.token`: this takes no value"),
        (f"auth: {{type: bearer, token: {{env: {SECRET}}}}}", "this is no name of an environment variable"),
        (f"auth: {{type: bearer, token: {{env: A, value: {SECRET}}}}}", "`source.rest.auth.token`: this takes no value"),
        (f"params: {{api_key: {SECRET}}}", "'api_key' is a secret; write `api_key: {env: NAME}`"),
        (f"headers: {{Authorization: Bearer {SECRET}}}", "'Authorization' is a secret"),
        (f"params: {{q: {{secret: {SECRET}}}}}", "this is a plain value, or `{env: NAME}`"),
        (f"params: [{SECRET}]", "params"),
        ("auth: {type: basic, user: me}", "`type: basic` needs `password`"),
        ("paging: {type: cursor, param: c}", "`type: cursor` needs `next`"),
        ("paging: {type: page, param: p, size: 5}", "`size` and `size_param` go together"),
        ("params: {a: '{from}'}", "`{from}` needs a `cursor` or a `window`"),
        ("cursor: {by: x}", "nothing asks for a part; put `{from}` or `{date}`"),
        ("path: '/{order}'", "`{order}` is nothing that could stand there; it takes from, to, date"),
    ],
)
def test_rest_that_cannot_be_is_refused_and_no_secret_is_repeated(write: Write, text: str, says: str) -> None:
    assert says in faults(write(rest(text)))


def test_two_ways_to_pull_are_one_too_many(write: Write) -> None:
    text = "rest: {url: https://shop.example}, sql: {url: 'sqlite:///x', table: t}"
    assert "two ways to pull" in faults(write(source(text)))
    assert "what `rest` pulls lands as jsonl, not parquet" in faults(write(source("rest: {url: https://shop.example}")))
