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
        (sql("table: a").replace("parquet", "csv"), "5: what is pulled by SQL lands as Parquet, not csv"),
        (sql("table: a").replace("mode: upsert\nkey_scope: dataset", "mode: append"), "would publish its rows twice"),
        (sql("table: a, cursor: {by: x}").replace("\nkey_scope: dataset", ""), "4: a cursor reads some rows again"),
        (sql("table: a") + "landing: {pattern: 'in/{file}'}\n", "a pulled dataset lands by date"),
        (sql("table: a") + "landing: {pattern: 'in/*/{yyyy}{mm}{dd}_{file}'}\n", "a pulled dataset lands by date"),
    ],
)
def test_what_cannot_be_kept_is_refused(write: Write, text: str, says: str) -> None:
    assert says in faults(write(text))
