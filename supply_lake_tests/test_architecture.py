"""The house rules that can be told from the code: who may import what, what it costs, and how modules present themselves."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "supply_lake"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
PROSE_NAMES = re.compile(r"^_?(utils?|helpers?|managers?|common|misc|base)$")
HEAVY = ("dagster", "pandas", "polars", "pandera", "pyarrow", "numpy", "duckdb", "sqlalchemy", "obstore", "boto3", "rich")

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))


def modules_after(statement: str) -> set[str]:
    """Top-level names of all modules that a fresh interpreter has loaded after the statement."""
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_contracts_hold() -> None:
    """``lint-imports`` says which import breaks which rule; the rules are in pyproject.toml."""
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout


def test_no_commit_passes_by_the_exports() -> None:
    """What is published for other engines is true only if whoever commits goes through ``Stores``."""
    commits = re.compile(r"metadata\.(commit|record)\(")
    found = [str(path.relative_to(PACKAGE)) for path in MODULES if commits.search(path.read_text(encoding="utf-8"))]
    assert found == ["ingest/stores.py"]


def test_every_room_has_its_place_in_the_import_contract() -> None:
    contract = (ROOT / "pyproject.toml").read_text().partition("[tool.importlinter]")[2]
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    rooms |= {path.stem for path in PACKAGE.glob("*.py") if path.name != "__init__.py"}
    assert {room for room in rooms if f"supply_lake.{room}" not in contract} == set()


@pytest.mark.parametrize(
    ("statement", "may_load"),
    [
        ("import supply_lake", set()),
        ("import supply_lake.settings, supply_lake.errors, supply_lake.storage.layout", set()),
        ("import supply_lake.datasets.registry, supply_lake.datasets.checks", set()),
        (
            "from supply_lake.datasets.registry import load_registry; from supply_lake.settings import Settings; "
            "load_registry(Settings.from_env({}).datasets)",
            set(),
        ),
        ("import supply_lake.cli", {"rich"}),
        ("import supply_lake.lake", {"pyarrow", "pandas", "numpy", "sqlalchemy", "obstore", "duckdb", "polars"}),
    ],
)
def test_what_an_import_costs(statement: str, may_load: set[str]) -> None:
    loaded = modules_after(statement)
    assert {name for name in HEAVY if name in loaded} <= may_load


@every_module
def test_a_module_opens_with_its_charter(path: Path) -> None:
    """What it is; and, unless it is tiny, what belongs here and what does not."""
    text = path.read_text(encoding="utf-8")
    charter = ast.get_docstring(ast.parse(text)) or ""
    assert len(charter.splitlines()[0]) > 20 if charter else False, "the module has no docstring"
    if len(text.splitlines()) > 60:
        assert "What belongs here" in charter, "the docstring does not say what belongs here and what does not"


@every_module
def test_a_module_is_named_after_what_it_holds(path: Path) -> None:
    assert not PROSE_NAMES.match(path.stem)


@every_module
def test_a_module_fits_a_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500, "split the module"


def test_package_files_are_empty_but_for_the_two_entries() -> None:
    """``from supply_lake import Lake``, and ``main`` of the command."""
    full = {path.parent.name for path in PACKAGE.rglob("__init__.py") if path.read_text().strip()}
    assert full <= {"supply_lake", "cli"}


def test_only_settings_reads_our_environment_variables() -> None:
    """``SUPPLY_LAKE_DEBUG`` is no setting of a lake: it asks the command for a traceback, even when settings can't be read."""
    readers = [path for path in MODULES if re.search(r"(environ|getenv)\S*SUPPLY_LAKE_", path.read_text(encoding="utf-8"))]
    assert readers == []
