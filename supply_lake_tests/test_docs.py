"""The documents are tested against the code: examples load and run, tables are complete, links and commands exist.

``python supply_lake_tests/test_docs.py`` rewrites the table of dataset fields in ``docs/add-a-dataset.md``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from supply_lake.datasets.registry import json_schema, load_registry, load_spec
from supply_lake.errors import SpecError
from supply_lake.landing.ledger import ObjectState
from supply_lake.settings import PREFIX, Settings
from supply_lake.snapshots.records import Outcome, Status

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"
FIELDS = ROOT / "docs" / "add-a-dataset.md"
OPERATIONS = ROOT / "docs" / "operations.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def blocks(language: str) -> Iterator[Any]:
    """Every fenced block of a language, as test parameters."""
    for path in DOCUMENTS:
        for number, (kind, text) in enumerate(BLOCK.findall(path.read_text(encoding="utf-8"))):
            if kind == language:
                yield pytest.param(text, id=f"{path.relative_to(ROOT)}-{number}")


def everything() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def field_tables() -> str:
    """The fields of a dataset file, model by model, as Markdown."""
    schema = json_schema()
    titles = {"DatasetSpec": "of a dataset", **{name: f"of `{field}`" for name, field in _used_as(schema).items()}}
    models = {"DatasetSpec": schema, **schema["$defs"]}
    parts = []
    for name, title in titles.items():
        required = models[name].get("required", [])
        rows = [
            f"| `{field}`{' *' if field in required else ''} | {_cell(told, schema)} |"
            for field, told in models[name]["properties"].items()
        ]
        parts.append("\n".join([f"| {title} | |", "| --- | --- |", *rows]))
    return "\n\n".join(parts)


def _used_as(schema: dict[str, Any]) -> dict[str, str]:
    """Model → the field that holds it, in the order in which a reader meets them."""
    found: dict[str, str] = {}
    for model in (schema, *schema["$defs"].values()):
        for field, told in model.get("properties", {}).items():
            for name in re.findall(r"#/\$defs/(\w+)", repr(told)):
                if "properties" in schema["$defs"][name]:
                    found.setdefault(name, field)
    return found


def _cell(told: dict[str, Any], schema: dict[str, Any]) -> str:
    choices = _choices(told, schema)
    model = next(iter(re.findall(r"#/\$defs/(\w+)", repr(told))), "")
    text = told.get("description") or schema["$defs"].get(model, {}).get("description", "")
    default = told.get("default")
    shown = f" Default `{default}`." if isinstance(default, (str, int, float)) and default not in ("", None) else ""
    return " ".join(filter(None, [choices, text.replace("|", "\\|").replace("\n", " ")])) + shown


def _choices(told: dict[str, Any], schema: dict[str, Any]) -> str:
    for part in (told, *told.get("anyOf", [])):
        rule = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        if "enum" in rule:
            return ", ".join(f"`{choice}`" if choice else "empty" for choice in rule["enum"]) + "."
    return ""


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


@pytest.mark.parametrize("text", list(blocks("yaml")))
def test_yaml_examples_are_datasets_that_load(text: str, tmp_path: Path) -> None:
    name = re.search(r"^name: (\w+)$", text, re.MULTILINE)
    assert name, "an example names its dataset"
    path = tmp_path / f"{name[1]}.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_spec(path).name == name[1]


def test_the_fault_that_is_shown_is_the_one_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = FIELDS.read_text(encoding="utf-8")
    example = next(example for kind, example in BLOCK.findall(text) if kind == "yaml")
    (tmp_path / "goods_receipts.yaml").write_text(example.replace("{matches:", "{match:"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path / "goods_receipts.yaml")
    assert f"```\n{caught.value}\n```" in text


def test_the_file_that_is_shown_is_read_as_it_is_declared(tmp_path: Path) -> None:
    from supply_lake_tests.curate.curation import curate

    plain, declared = re.findall(r"```\n(Stand.*?)```\n\n```yaml\n(.*?)```", FIELDS.read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "stock_value.yaml").write_text(declared, encoding="utf-8")
    done = curate(load_spec(tmp_path / "stock_value.yaml"), plain.encode("cp1252"))
    assert done.values == [("004712", 1200, Decimal("14388.00")), ("006021", 35, Decimal("-99.50"))]
    assert "control totals hold in 1 file: a sum of 14,288.50 in 'value'" in done.notes


@pytest.mark.parametrize("text", list(blocks("python")))
def test_python_examples_compile(text: str) -> None:
    compile(text, "<example>", "exec")


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("http") and not (path.parent / link).exists()] == []


@every_document
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:supply_lake|docs|deploy|demo|benchmarks)/[\w./-]+\.\w+)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@every_document
def test_make_targets_exist(path: Path) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert named <= make_targets()


def test_the_draft_that_is_shown_is_the_one_that_is_written(tmp_path: Path) -> None:
    from supply_lake.onboard.drafting import dataset_text
    from supply_lake.onboard.onboard import onboard
    from supply_lake.onboard.places import find
    from supply_lake.onboard.policy import Wishes
    from supply_lake.onboard.sniff import Hints
    from supply_lake.storage.object_store import ObjectStore

    shown = dict(BLOCK.findall((ROOT / "docs" / "onboarding.md").read_text(encoding="utf-8")))
    file = tmp_path / "deliveries_2026-02-02.csv"
    file.write_text(shown["csv"], encoding="utf-8")
    sample = find(str(file), lambda: ObjectStore.open("memory://"), tmp_path)
    draft = onboard("deliveries", sample, Hints(), Wishes(owner="team:inbound"), scratch=tmp_path / "scratch")
    assert dataset_text(draft, page="deliveries.onboarding.md", schema=False) == shown["yaml"]


def test_commands_exist_and_are_told() -> None:
    from supply_lake.cli.app import app

    verbs = set(app.commands)
    told = set(re.findall(r"supply-lake ([a-z]+)", everything()))
    assert told == verbs


def test_every_setting_is_told_with_its_default() -> None:
    rows = dict(re.findall(rf"^\| `{PREFIX}(\w+)` \| (.*?) \|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE))
    fields = {field.name.upper(): field.default for field in dataclasses.fields(Settings)}
    assert rows.keys() == fields.keys()
    wrong = {
        name: rows[name]
        for name, default in fields.items()
        if default is not dataclasses.MISSING and rows[name].strip("` –") != str(default)
    }
    assert wrong == {}


@pytest.mark.parametrize("kind", [Status, ObjectState, Outcome])
def test_every_status_is_told(kind: type[Status | ObjectState | Outcome]) -> None:
    naming = (ROOT / "docs" / "naming.md").read_text(encoding="utf-8")
    assert [state for state in kind if f"`{state}`" not in naming] == []


def test_every_shipped_dataset_is_told() -> None:
    readme = README.read_text(encoding="utf-8")
    assert [name for name in load_registry(Settings.from_env({}).datasets) if name not in readme] == []


def test_the_table_of_fields_is_in_step_with_the_model() -> None:
    assert field_tables() in FIELDS.read_text(encoding="utf-8"), f"run: python {Path(__file__).relative_to(ROOT)}"


def test_decisions_are_numbered_and_say_what_was_rejected() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(path.name[:4]) for path in decisions] == list(range(1, len(decisions) + 1))
    assert [path.name for path in decisions if "**Instead of**" not in path.read_text(encoding="utf-8")] == []


def _rewrite_fields() -> None:
    text = FIELDS.read_text(encoding="utf-8")
    head, _, rest = text.partition("## Every field\n")
    tail = rest[rest.index("\n## ") :]
    intro = "Fields with a `*` are required."
    FIELDS.write_text(f"{head}## Every field\n\n{intro}\n\n{field_tables()}\n{tail}", encoding="utf-8")


if __name__ == "__main__":
    _rewrite_fields()
