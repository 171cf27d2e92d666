"""A dataset file either loads, or says line by line what is wrong and what to do."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from supply_lake.datasets.registry import Registry, load_registry, load_spec
from supply_lake.datasets.spec import Mode
from supply_lake.errors import SpecError, UnknownDataset
from supply_lake_tests.datasets.conftest import GOOD

Write = Callable[..., Path]


def faults(path: Path) -> list[str]:
    """The lines of the error, without the file's name."""
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines), lines
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_good_file_loads(write: Write) -> None:
    spec = load_spec(write(GOOD))
    assert (spec.name, spec.mode, spec.primary_key, spec.dedupe_by) == ("orders", Mode.UPSERT, ("order_id",), "key")
    assert spec.key_pattern.pattern == "orders/{yyyy}/{mm}/{dd}/{file}"


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("owner: team:sales\n", ""), 1, "`owner` is missing; add `owner: …` (An e-mail address or `team:name`)"),
        (("owner:", "ownr:"), 3, "`ownr` is no field of a dataset; did you mean `owner`?"),
        (("owner: team:sales", "owner: Bob"), 3, "'Bob' is neither an e-mail address nor `team:name`"),
        (("{ge: 0}", "{greater: 0}"), 8, "`greater` is no field of `columns[1].checks`; it takes gt, ge, lt, le"),
        (("{ge: 0}", "{ge: [0]}"), 8, "`columns[1].checks.ge` is [0]"),
        (("{ge: 0}", "{ge: low}"), 8, "`ge` of 'quantity' has 'low', which is no int32"),
        (("{ge: 0}", "{matches: '[0-9]+'}"), 8, "`matches` is for text, and 'quantity' is of type int32"),
        (("type: int32, checks: {ge: 0}", "type: string, checks: {isin: [007]}"), 8, 'write it in quotes: "7"'),
        (("type: int32", "type: int23"), 8, "'int23' is no type; use string"),
        (("    type: timestamp\n", ""), 9, "`type` is missing in `columns[2]`"),
        (("type: timestamp", "type:"), 10, "`columns[2].type` has no value; give it one, or take the line out"),
        (("type: timestamp", "type: timestamp\n    timezone: Mars/Phobos"), 11, "no time zone is called 'Mars/Phobos'"),
        (("primary_key: order_id", "primary_key: id"), 11, "`primary_key` names 'id', which is no declared column"),
        (("primary_key: order_id\n", ""), 12, "`mode: upsert` needs a `primary_key`"),
        (("order_by: ordered_at", "order_by: at"), 12, "`order_by` names 'at'"),
        (("mode: upsert", "mode: merge"), 13, "`mode` is 'merge'; it takes 'append', 'replace' or 'upsert'"),
        (("mode: upsert", "mode: append\nkey_scope: dataset"), 14, "`key_scope: dataset` needs `mode: upsert`, not append"),
        (("mode: upsert", "mode: upsert\nlanding: {pattern: 'in/{yyyy}/{file}'}"), 14, "has only {yyyy}"),
        (("mode: upsert", "mode: upsert\nerror_threshold: 7"), 14, "less than or equal to 1"),
        (("mode: upsert", "mode: upsert\nschedule: daily"), 14, "`schedule` is 'daily'; it has to match"),
        (("mode: upsert", "mode: upsert\nrow_checks: [no_colon]"), 14, "`row_checks[0]` is 'no_colon'"),
        (("mode: upsert", "mode: upsert\nformat: {type: json}"), 14, "`format` is given twice, here and on line 5"),
        (
            ("type: string}", "type: string, checks: {matches: '['}}"),
            7,
            "'[' is no regular expression (unclosed character class)",
        ),
        (("type: string}", "type: string, checks: {matches: '(?=a)'}}"), 7, "look-around, including look-ahead"),
        (("name: orders", "name: orders__rows"), 1, "`name` is 'orders__rows'; it has to match"),
        (("name: quantity", "name: ORDER_ID"), 8, "differ in case alone"),
        (("name: quantity", "name: order_id"), 8, "column 'order_id' is declared twice"),
        (
            ("description: Orders of the shop", "description: 12"),
            2,
            '`description` is text, and 12 is not; write it in quotes: "12"',
        ),
        (("name: orders", "name: sales"), 1, "rename the file to sales.yaml"),
        (("description: Orders of the shop", "description: Orders: of the shop"), 2, "put text with `: ` or ` #` in quotes"),
        (("description: Orders of the shop", "description: !!python/object:os.system x"), 2, "is not used here"),
        (("  - name: ordered_at", "\t- name: ordered_at"), 9, "indent with spaces"),
        (("columns:\n", "columns: &self\n  - *self\n"), 6, "an alias points at what it stands in"),
    ],
)
def test_every_fault_names_its_line_and_a_remedy(write: Write, change: tuple[str, str], line: int, says: str) -> None:
    assert change[0] in GOOD
    found = faults(write(GOOD.replace(*change)))
    assert len(found) == 1, found
    assert found[0].startswith(f"{line}: ")
    assert says in found[0]


def test_all_faults_are_listed_at_once(write: Write) -> None:
    found = faults(write(GOOD.replace("owner:", "ownr:").replace("mode: upsert", "mode: merge")))
    assert [line.partition(":")[0] for line in found] == ["3", "13"]
    found = faults(write(GOOD.replace("{ge: 0}", "{ge: low}").replace("order_by: ordered_at", "order_by: at")))
    assert [line.partition(":")[0] for line in found] == ["8", "12"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "no mapping"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("a: \x07", "not readable as YAML"),
    ],
)
def test_what_is_no_declaration_says_so(write: Write, text: str, says: str) -> None:
    assert says in faults(write(text))[0]


def test_a_file_that_is_not_utf8_says_so(tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_bytes("description: Größe".encode("latin-1"))
    assert "save it as UTF-8" in faults(path)[0]


def test_scalars_are_those_of_yaml_1_2(write: Write) -> None:
    """Norway, noon and new year stay text."""
    text = GOOD.replace(
        "name: order_id, type: string", "name: order_id, type: string, checks: {isin: [NO, 12:30, 2026-01-01, on]}"
    )
    assert load_spec(write(text)).columns[0].checks.isin == ("NO", "12:30", "2026-01-01", "on")


def test_a_folder_loads_sorted_and_lists_the_faults_of_all_files(write: Write, tmp_path: Path) -> None:
    write(GOOD)
    write(GOOD.replace("name: orders", "name: invoices"), "invoices")
    (tmp_path / ".draft.yaml").write_text("nonsense")
    (tmp_path / "readme.md").write_text("hello")
    assert list(load_registry(tmp_path)) == ["invoices", "orders"]
    write("name: bad", "bad")
    (tmp_path / "other.yml").write_text(GOOD)
    with pytest.raises(SpecError) as caught:
        load_registry(tmp_path)
    lines = str(caught.value).splitlines()
    assert any("bad.yaml:1: `description` is missing" in line for line in lines)
    assert "rename it to other.yaml" in lines[-1]


def test_a_missing_folder_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="SUPPLY_LAKE_DATASETS"):
        load_registry(tmp_path / "none")


def test_an_unknown_dataset_tells_near_names_and_where_to_declare(write: Write, tmp_path: Path) -> None:
    write(GOOD)
    registry = load_registry(tmp_path)
    with pytest.raises(UnknownDataset) as caught:
        registry.get("order")
    assert "did you mean orders?" in str(caught.value)
    assert str(tmp_path / "order.yaml") in str(caught.value)
    assert "order" not in registry
    assert registry["orders"] is registry.get("orders")
    with pytest.raises(UnknownDataset, match="there are none"):
        Registry().get("orders")


@pytest.mark.parametrize(
    ("one", "two", "shared"),
    [
        ("in/{yyyy}/{mm}/{dd}/orders_{file}", "in/{yyyy}/{mm}/{dd}/returns_{file}", False),
        ("in/{yyyy}/{mm}/{dd}/{file}", "in/{yyyy}/{mm}/{dd}/returns_{file}", True),
        ("in/{yyyy}/{mm}/{dd}/*.csv", "in/{yyyy}/{mm}/{dd}/*.json", False),
        ("in/{yyyy}/{mm}/{dd}/{file}", "in/2026/01/01/fixed.csv", True),
        ("in/{yyyy}/{mm}/{dd}/{file}", "in/latest/{path}", False),
        ("in/{path}", "in/{yyyy}/{mm}/{dd}/{file}", True),
        ("in/*/a.csv", "in/{path}", True),
        ("in/*/a.csv", "in/x/y/a.csv", False),
    ],
)
def test_two_datasets_cannot_take_the_same_key(write: Write, tmp_path: Path, one: str, two: str, shared: bool) -> None:
    for name, pattern in (("orders", one), ("returns", two)):
        write(GOOD.replace("name: orders", f"name: {name}") + f"landing: {{pattern: '{pattern}'}}\n", name)
    if not shared:
        assert len(load_registry(tmp_path)) == 2
        return
    with pytest.raises(SpecError, match=r"returns\.yaml:1: the landing pattern .* can take the same key as .* of orders"):
        load_registry(tmp_path)


def test_importing_and_loading_costs_no_heavy_library(write: Write, tmp_path: Path) -> None:
    write(GOOD)
    code = (
        "import sys, pathlib, supply_lake.datasets.registry as r, supply_lake.datasets.checks;"
        f"r.load_registry(pathlib.Path({str(tmp_path)!r}));"
        "print([m for m in ('pandas', 'polars', 'pandera', 'pyarrow', 'numpy', 'dagster', 'sqlalchemy', 'obstore') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(SpecError, match=rf"{tmp_path}: the folder cannot be listed \(Permission denied\); give this user"):
        load_registry(tmp_path)
