"""What Dagster shows of a declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from supply_lake.assets import contract
from supply_lake.datasets.registry import load_registry
from supply_lake.datasets.spec import DatasetSpec
from supply_lake_tests.sensors.made_up import ORDERS

SHIPPED = load_registry(Path(contract.__file__).parents[1] / "datasets")


def spec(**changes: object) -> DatasetSpec:
    return DatasetSpec.model_validate({**ORDERS, **changes})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_column_of_every_dataset_is_described(name: str) -> None:
    declared = SHIPPED[name]
    schema = contract.column_schema(declared)
    assert [column.name for column in schema.columns] == [column.name for column in declared.columns]
    for column, shown in zip(declared.columns, schema.columns, strict=True):
        assert shown.description, f"{name}.{column.name} says nothing of what it means"
        assert column.unit in shown.description
    assert contract.metadata(declared)["source system"] == declared.source.system


@pytest.mark.parametrize("name", SHIPPED)
def test_what_lands_and_what_is_published_are_told_apart(name: str) -> None:
    declared = SHIPPED[name]
    assert declared.key_pattern.pattern in contract.landing_description(declared)
    assert str(declared.mode) in contract.description(declared)
    assert "dagster/table_name" not in contract.landing_metadata(declared)


def test_rules_are_told_in_words() -> None:
    columns = [{"name": "q", "type": "int64", "checks": {"ge": 0, "lt": 9, "isin": [1, 2], "python": ["m:not_on_sundays"]}}]
    assert contract.rules(spec(columns=columns).columns[0].checks) == [
        "≥ 0",
        "< 9",
        "one of 1, 2",
        "not on sundays",
    ]


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        ("team:planning", ["team:planning"]),
        ("team:Supply Planning", ["team:Supply-Planning"]),
        ("a.b@example.com", ["a.b@example.com"]),
        ("ä@bücher.example", []),
    ],
)
def test_an_owner_that_dagster_would_refuse_does_not_break_the_location(owner: str, shown: list[str]) -> None:
    assert contract.owners(spec(owner=owner)) == shown
    assert contract.metadata(spec(owner=owner))["owner"] == owner


def test_a_tag_that_dagster_would_refuse_stays_in_the_metadata() -> None:
    declared = spec(tags={"tier": "fact", "note": "two words"})
    assert contract.tags(declared, "lake") == {"supply_lake/layer": "lake", "supply_lake/source": "shop", "tier": "fact"}
    assert contract.metadata(declared)["tag note"] == "two words"
    assert "tag tier" not in contract.metadata(declared)
