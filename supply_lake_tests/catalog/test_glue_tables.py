"""Types, columns and names as Glue takes them."""

from __future__ import annotations

from typing import Any

import pytest

from supply_lake.catalog.glue_tables import Files, columns, contract_fingerprint, kinds_told, schema_table
from supply_lake.catalog.glue_types import glue_type
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.datasets.types import parse_type
from supply_lake_tests.ingest.house import ORDERS
from supply_lake_tests.integration.catalog_reader import arrow


def spec(**changes: Any) -> DatasetSpec:
    return DatasetSpec.model_validate({**ORDERS, **changes})


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int8", "tinyint"),
        ("uint32", "bigint"),
        ("uint64", "decimal(20,0)"),
        ("decimal(38,9)", "decimal(38,9)"),
        ("list<list<date>>", "array<array<date>>"),
        ("struct<A:int64,b:struct<c:json>>", "struct<a:bigint,b:struct<c:string>>"),
        ("map<string,string>", "map<string,string>"),
        ("null", None),
        ("list<null>", None),
        ('struct<"a b":int64>', None),
        ("struct<a-b:int64>", None),
        ("struct<a:int64,A:int64>", None),
    ],
)
def test_types(kind: str, text: str | None) -> None:
    found = glue_type(parse_type(kind))
    assert found == text
    if found is not None:
        arrow(found)  # others can read it


def test_columns_that_glue_cannot_say_are_told() -> None:
    kinds = {name: parse_type(kind) for name, kind in {"a": "int8", "b": "null", "Year": "int64", "A": "date"}.items()}
    listed, missing = columns(spec(), kinds)
    assert listed == [{"Name": "a", "Type": "tinyint"}, {"Name": "year", "Type": "bigint"}]
    assert missing == ["b", "A"]
    table = schema_table(spec(), "s3://b/lake", Files("f", kinds, ()), projected=False)
    assert table["Parameters"]["supply_lake.left_out"] == "b, A"
    assert kinds_told(table) == kinds
    assert [one["Name"] for one in table["PartitionKeys"]] == ["lake_year", "month", "day", "snapshot_id"]


def test_projection_names_the_paths_of_the_lake() -> None:
    table = schema_table(spec(), "s3://b/lake", Files("f", {}, ()), projected=True)
    template = "s3://b/lake/dataset=orders/year=${year}/month=${month}/day=${day}/snapshot_id=${snapshot_id}/"
    assert table["Parameters"]["storage.location.template"] == template


def test_comments_stay_within_glues_limit() -> None:
    long = [{"name": "a", "type": "int8", "description": "x" * 400}]
    listed, _ = columns(spec(columns=long), {"a": parse_type("int8")})
    assert len(listed[0]["Comment"]) == 255


def test_the_contract_is_told_by_its_digest() -> None:
    assert contract_fingerprint(spec()) == contract_fingerprint(spec())
    assert contract_fingerprint(spec()) != contract_fingerprint(spec(error_threshold=0.4))
