"""The demo tells the story that it is made for, tells it twice, and the README shows what it really prints."""

from __future__ import annotations

import ast
import contextlib
import gzip
import importlib.util
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from supply_lake.lake import Lake
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Outcome, Rows, Status

ROOT = Path(__file__).parents[1]


def run_demo(home: Path, program: str = "demo/run.py") -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SUPPLY_LAKE_", "DAGSTER_"))}
    env = {**kept, "SUPPLY_LAKE_HOME": str(home), "COLUMNS": "118"}
    run = subprocess.run(
        [sys.executable, program], cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=False, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    return run.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "lake"


@pytest.fixture(scope="module")
def shown(home: Path) -> str:
    return run_demo(home)


@pytest.fixture
def lake(shown: str, home: Path) -> Iterator[Lake]:
    with Lake.open(Settings.from_env({"SUPPLY_LAKE_HOME": str(home)})) as lake:
        yield lake


def test_the_readme_shows_what_the_demo_prints(shown: str) -> None:
    block = next(
        text
        for text in re.findall(r"^```\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
        if "1,010 landed" in text
    )
    printed = {line.rstrip() for line in shown.splitlines()}
    assert [line for line in block.splitlines() if line != "…" and line.rstrip() not in printed] == []


@pytest.mark.integration
def test_the_demo_on_aws_comes_to_the_same(shown: str, tmp_path: Path) -> None:
    def told(text: str) -> list[str]:
        """From the table of what came of it to the end of what was refused."""
        return [line.rstrip() for line in text[text.index("What came of it") :].partition("What to type next")[0].splitlines()]

    on_aws = "\n".join(told(run_demo(tmp_path / "lake", "demo/aws.py")))
    here = "\n".join(told(shown))
    # By its ETag S3 tells the file that comes twice for what it is; a folder cannot, so there its bytes are compared.
    again = re.compile(r" • shipments Tue: shipments/2025/11/04/rotterdam.csv.gz is skipped.*?which is published\n", re.DOTALL)
    assert len(again.findall(here)) == 1
    here = again.sub("", here).replace("2025-11-04     4     93", "2025-11-04     3     93").replace("34  1,010", "33  1,010")
    assert on_aws.partition("\nThe Glue Data Catalog")[0].rstrip() == here.rstrip()


def test_python_examples_of_the_documents_run(lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(home))
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for example in re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            exec(compile(example, str(path), "exec"), {})


def test_notebooks_give_what_they_show(lake: Lake, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(home))
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        scope: dict[str, Any] = {}
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                shown = ["".join(one.get("text") or one["data"]["text/plain"]) for one in cell["outputs"]]
                assert _outputs("".join(cell["source"]), scope) == shown


def _outputs(source: str, scope: dict[str, Any]) -> list[str]:
    """What a cell prints, and its last value if that is an expression, as Jupyter has it."""
    *steps, last = ast.parse(source).body
    printed = io.StringIO()
    value = None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(steps, []), "cell", "exec"), scope)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
        else:
            exec(compile(ast.Module([last], []), "cell", "exec"), scope)
    return [text for text in (printed.getvalue(), "" if value is None else repr(value)) if text]


def test_every_kind_of_accident_happens_and_no_row_is_lost(lake: Lake) -> None:
    batches = lake.stores.metadata.batches()
    total = sum((batch.rows for batch in batches), Rows())
    assert total.balanced
    assert min(total.published, total.rejected, total.deduplicated) > 0
    assert all(batch.rows.balanced for batch in batches)
    assert {batch.status for batch in batches} == {Status.COMMITTED, Status.REJECTED, Status.EMPTY}
    outcomes = {source.outcome for batch in batches for source in batch.sources}
    assert {Outcome.READ, Outcome.UNREADABLE, Outcome.SAME_CONTENT} <= outcomes
    assert set(lake.datasets()) == {batch.dataset for batch in batches}


def test_overwritten_and_delivered_again_as_told(lake: Lake) -> None:
    tuesday = [one for one in lake.live("inventory") if f"{one.partition}" == "2025-11-04"]
    assert len(tuesday) == 1
    assert len(tuesday[0].supersedes) == 1
    assert lake.read("inventory", commit=2).num_rows == 86
    assert lake.read("shipments").schema.field("co2_kg").type.equals("string")
    gone = lake.query("select count(*) as n from suppliers where supplier_id = 'SUP-1013'").to_pylist()
    assert gone == [{"n": 0}]


def test_all_promises_can_be_proved_again(lake: Lake) -> None:
    assert [problem for report in lake.verify(landing=True) for problem in report.problems] == []


def test_a_second_run_lands_and_publishes_nothing(lake: Lake, home: Path) -> None:
    before = {name: state.commit for name, state in lake.datasets().items()}
    again = run_demo(home)
    assert "10 are known already" in again
    assert {name: state.commit for name, state in lake.datasets().items()} == before


def test_the_shipped_files_are_those_that_the_generator_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_data", ROOT / "demo" / "make_data.py")
    assert spec
    assert spec.loader
    make_data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_data)
    folder = ROOT / "demo" / "data"
    shipped = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    made = make_data.files()
    assert shipped.keys() == made.keys()
    assert [name for name in made if _plain(name, made[name]) != _plain(name, shipped[name])] == []


def _plain(name: str, data: bytes) -> object:
    """The content, whichever version of zlib or pyarrow wrote it."""
    if name.endswith(".parquet"):
        return pq.read_table(io.BytesIO(data)).to_pylist()
    if name.endswith(".gz"):
        try:
            return gzip.decompress(data)
        except EOFError:
            return "cut off"
    return data
