"""A lake as Dagster components: what ``dg scaffold defs`` writes loads, in Dagster and for the command alike."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from supply_lake.components import Dataset, DatasetParams, DatasetScaffolder
from supply_lake.datasets.component_file import component_text
from supply_lake.datasets.registry import load_registry, load_spec
from supply_lake.errors import SpecError

SPEC = """name: parts
description: Parts.
owner: team:x
source: {system: erp}
format: {type: csv}
columns:
  # a comment
  - {name: id, type: string}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ``dg`` project; returns its defs folder."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "proj"\nversion = "0"\n[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "proj"\n'
    )
    defs = tmp_path / "src" / "proj" / "defs"
    defs.mkdir(parents=True)
    for folder in (defs, defs.parent):
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "src"))
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(tmp_path / "home"))
    return defs


def scaffold(defs: Path, name: str, sample: str = "") -> Path:
    """What the command does, without its start."""
    folder = defs / name
    folder.mkdir()
    request = dg.ScaffoldRequest(
        type_name="supply_lake.components.Dataset",
        target_path=folder,
        scaffold_format="yaml",
        project_root=defs.parents[2],
        params=DatasetParams(sample=sample),
    )
    DatasetScaffolder().scaffold(request)
    return folder / "defs.yaml"


def test_a_dataset_to_fill_in_loads(project: Path) -> None:
    assert load_spec(scaffold(project, "orders")).name == "orders"


def test_a_dataset_is_drafted_from_a_sample(project: Path, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("Order No,Amount\n" + "".join(f"{at:04},{at}.5\n" for at in range(60)))
    spec = load_spec(scaffold(project, "orders", str(tmp_path / "orders.csv")))
    assert [(one.name, one.type) for one in spec.columns] == [("order_no", "string"), ("amount", "decimal(12,2)")]
    assert "# orders: what onboarding saw" in (project / "orders" / "orders.onboarding.md").read_text()


def test_a_project_has_the_lake_and_its_datasets(project: Path) -> None:
    scaffold(project, "orders")
    (project / "parts").mkdir()
    (project / "parts" / "defs.yaml").write_text(component_text(SPEC))
    (project / "lake").mkdir()
    (project / "lake" / "defs.yaml").write_text("type: supply_lake.components.Lake\nattributes: {}\n")
    defs = dg.load_from_defs_folder(path_within_project=project)
    assets = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert assets == {"landing/orders", "lake/orders", "landing/parts", "lake/parts"}
    assert {one.name for one in defs.sensors or ()} >= {"landing", "alerts"}
    assert "lake_stores" in (defs.resources or {})
    assert list(load_registry(project)) == ["orders", "parts"]


def test_faults_are_told_with_the_lines_of_the_component_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    file = tmp_path / "parts" / "defs.yaml"
    file.write_text(component_text(SPEC.replace("type: string", "type: strnig")))
    with pytest.raises(SpecError, match=r"defs.yaml:10: `columns\[0\].type`"):
        load_registry(tmp_path)
    file.write_text(component_text(SPEC.replace("name: parts", "name: other")))
    with pytest.raises(SpecError, match=r"defs.yaml:3: the dataset is called 'other' and its folder parts"):
        load_registry(tmp_path)
    file.write_text("type: supply_lake.components.Dataset\n")
    with pytest.raises(SpecError, match="has no `attributes`"):
        load_registry(tmp_path)


def test_a_dataset_is_a_file_or_a_component(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "defs.yaml").write_text(component_text(SPEC))
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "defs.yaml").write_text("type: dagster.DefinitionsComponent\nattributes: {path: x.py}\n")
    assert list(load_registry(tmp_path)) == ["parts"]
    (tmp_path / "parts.yaml").write_text(SPEC)
    with pytest.raises(SpecError, match=r"parts is declared in parts.yaml too; take one of them away"):
        load_registry(tmp_path)


def test_editors_and_dg_know_the_fields() -> None:
    assert "primary_key" in Dataset.get_model_cls().model_json_schema()["properties"]
