"""The datasets that the package ships, and the JSON Schema beside them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from supply_lake.datasets.registry import json_schema, json_schema_text, load_registry
from supply_lake.settings import Settings

FOLDER = Settings.from_env({}).datasets
REGISTRY = load_registry(FOLDER)
EVERY = pytest.mark.parametrize("name", list(REGISTRY))


def test_the_six_are_there() -> None:
    assert list(REGISTRY) == ["inventory", "marketing_events", "purchase_orders", "sales_orders", "shipments", "suppliers"]


@EVERY
def test_says_who_what_and_when(name: str) -> None:
    spec = REGISTRY.get(name)
    assert spec.description.endswith(".")
    assert spec.source.system
    assert spec.source.description
    assert spec.freshness is not None
    assert spec.group != "default"


@EVERY
def test_amounts_have_a_unit_and_money_is_decimal(name: str) -> None:
    for column in REGISTRY.get(name).columns:
        if re.search(r"amount|price|cost|freight|_usd|_eur", column.name):
            assert column.dtype.name == "decimal", column.name
            assert column.unit, column.name


@EVERY
def test_python_checks_exist(name: str) -> None:
    spec = REGISTRY.get(name)
    for named in (*spec.row_checks, *(check for column in spec.columns for check in column.checks.python)):
        module, _, function = named.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


@EVERY
def test_editors_find_the_schema(name: str) -> None:
    first = REGISTRY.file(name).read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=./dataset.schema.json"


def test_the_schema_file_is_in_step_with_the_model() -> None:
    """Mend it with: python -m supply_lake.datasets.registry > supply_lake/datasets/dataset.schema.json"""
    assert (FOLDER / "dataset.schema.json").read_text() == json_schema_text()


def test_the_schema_describes_every_field() -> None:
    schema = json_schema()
    models = {"DatasetSpec": schema, **schema["$defs"]}
    bare = [
        f"{name}.{field}"
        for name, model in models.items()
        for field, told in model.get("properties", {}).items()
        if not (told.get("description") or "$ref" in told)
    ]
    assert bare == []


@EVERY
def test_the_file_keeps_to_the_schema(name: str) -> None:
    """Every key that the files use is one that the schema has, wherever it stands."""
    schema = json_schema()

    def check(value: object, rule: dict[str, object], at: str) -> None:
        rule = _resolve(rule, schema)
        if isinstance(value, dict) and "properties" in rule:
            for key, inner in value.items():
                assert key in rule["properties"], f"{at}.{key}"
                check(inner, rule["properties"][key], f"{at}.{key}")
        elif isinstance(value, list) and "items" in rule:
            for index, inner in enumerate(value):
                check(inner, rule["items"], f"{at}[{index}]")

    check(yaml.safe_load(Path(REGISTRY.file(name)).read_text()), schema, name)


def _resolve(rule: dict[str, object], schema: dict[str, object]) -> dict[str, object]:
    for option in rule.get("anyOf", []):
        if "$ref" in option or option.get("type") in ("array", "object"):
            rule = option
    return schema["$defs"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
