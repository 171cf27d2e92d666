"""What Dagster shows of a declaration."""

from __future__ import annotations

from pathlib import Path

import pytest

from supply_lake.assets import contract
from supply_lake.assets.markdown import WIDEST, table
from supply_lake.datasets.registry import load_registry
from supply_lake.datasets.spec import DatasetSpec
from supply_lake_tests.sensors.made_up import ORDERS

SHIPPED = load_registry(Path(contract.__file__).parents[1] / "datasets")


def spec(**changes: object) -> DatasetSpec:
    return DatasetSpec.model_validate({**ORDERS, **changes})


@pytest.mark.parametrize("name", SHIPPED)
def test_every_column_of_every_dataset_is_described(name: str) -> None:
    declared = SHIPPED[name]
    told, schema = contract.description(declared), contract.column_schema(declared)
    assert [column.name for column in schema.columns] == [column.name for column in declared.columns]
    for column in declared.columns:
        assert f"| {column.name} " in told or f"| {column.name} (key)" in told
        assert column.unit in told
    assert contract.metadata(declared)["source system"] == declared.source.system


def test_rules_are_told_in_words() -> None:
    columns = [{"name": "q", "type": "int64", "checks": {"ge": 0, "lt": 9, "isin": [1, 2], "python": ["m:f"]}}]
    assert contract.rules(spec(columns=columns).columns[0].checks) == [
        "≥ 0",
        "< 9",
        "one of 1, 2",
        "m:f",
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
    assert contract.tags(declared) == {"supply_lake/source": "shop", "tier": "fact"}
    assert contract.metadata(declared)["tag note"] == "two words"


def test_a_cell_holds_any_value() -> None:
    text = table(["a|b"], [["x|y\nz `code` <b>"], [None], [1234], [True], ["w" * 500]])
    lines = text.splitlines()
    assert lines[0] == "| a\\|b |"
    assert lines[2] == "| x\\|y z \\`code\\` &lt;b> |"
    assert lines[3:6] == ["|  |", "| 1,234 |", "| True |"]
    assert len(lines[6]) == WIDEST + 4
