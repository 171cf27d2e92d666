"""The dataset file and the page: loadable whatever stands in the sample, complete, and never over another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.datasets.declaration import parse
from supply_lake.datasets.registry import load_registry, load_spec
from supply_lake.errors import UsageError
from supply_lake.onboard.page import page_text
from supply_lake.onboard.report import draft_json
from supply_lake.onboard.saving import may_save, save
from supply_lake.onboard.yaml_text import comment, flow, inert
from supply_lake_tests.onboard.made import draft

SCALARS = st.one_of(
    st.text(), st.sampled_from(["yes", "NULL", "1", "1.5", "~", "a: b", "# x", "- x", "{x", ""]), st.integers(), st.booleans()
)
NASTY = "a: b\n# c\u2028\x85\x00'\"{}[]&*!|>%@`"


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), min_size=1, max_size=4)
)
def test_what_is_written_reads_back_as_it_was(values: dict[str, Any]) -> None:
    assert parse(f"it: {flow(values)}\n").values["it"] == values


@given(st.text())
def test_a_comment_is_nothing_but_a_comment(text: str) -> None:
    assert parse(f"a: 1\n{comment(text)}\n{inert([text], 2)}\nb: 2\n").values == {"a": 1, "b": 2}


def test_texts_of_the_sample_cannot_break_the_files(tmp_path: Path) -> None:
    rows = "".join(f'"{NASTY}{at % 3}","{NASTY}",{at}\n' for at in range(100))
    saved = save(draft(f'"k: {{x","# y","- z"\n{rows}'.replace("\x00", "")), tmp_path)
    assert load_spec(saved.file) == saved.spec
    assert "\x85" not in saved.page.read_text(encoding="utf-8")


def test_the_folder_loads_with_the_new_files(tmp_path: Path) -> None:
    saved = save(draft("id,v\n1,2\n2,3\n"), tmp_path / "new" / "folder")
    assert list(load_registry(saved.file.parent)) == ["things"]
    assert sorted(path.name for path in saved.file.parent.iterdir()) == ["things.onboarding.md", "things.yaml"]


def test_the_schema_for_editors_is_named_where_it_lies(tmp_path: Path) -> None:
    assert "yaml-language-server" not in save(draft("id,v\n1,2\n"), tmp_path).file.read_text()
    (tmp_path / "dataset.schema.json").write_text("{}")
    assert save(draft("id,v\n1,2\n"), tmp_path, force=True).file.read_text().startswith("# yaml-language-server")


def test_no_file_is_written_over_unless_asked(tmp_path: Path) -> None:
    file = tmp_path / "things.yaml"
    file.write_text("mine")
    with pytest.raises(UsageError, match=r"things.yaml is there already; --force"):
        save(draft("id,v\n1,2\n"), tmp_path)
    assert file.read_text() == "mine"
    assert save(draft("id,v\n1,2\n"), tmp_path, force=True).spec.name == "things"


@pytest.mark.parametrize("name", ["Orders", "a__b", "1st", "a-b", "x" * 64, ""])
def test_a_name_that_no_dataset_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no name for a dataset"):
        may_save(name, tmp_path, force=False)


def test_landing_keys_of_another_dataset_are_not_taken(tmp_path: Path) -> None:
    other = save(draft({"raw/x/a.csv": "id,v\n1,2\n"}, landed=True), tmp_path)
    other.file.rename(tmp_path / "others.yaml")
    (tmp_path / "others.yaml").write_text((tmp_path / "others.yaml").read_text().replace("name: things", "name: others", 1))
    with pytest.raises(UsageError, match="could be those of others"):
        save(draft({"raw/x/b.csv": "id,v\n1,2\n"}, landed=True), tmp_path)
    assert not (tmp_path / "things.yaml").exists()


def test_a_faulty_neighbour_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: [")
    assert save(draft("id,v\n1,2\n"), tmp_path).spec.name == "things"


def test_the_page_tells_all_that_was_seen() -> None:
    rows = "".join(f"{at},{at % 28 + 1}/12/2026,{'N/A' if at % 5 == 0 else at}\n" for at in range(200))
    made = draft({"a_2026-01-01.csv": f"Order No,Day,Weight (Kilograms)\n{rows}", "notes.pdf": "%PDF"})
    page = page_text(made)
    for told in (
        "| order_no (key) | int64 | 200 | 0 | 200 | 0 | 199 |",
        "Ingestion would find 200 rows = 200 published + 0 rejected + 0 deduplicated",
        "`things/a_{yyyy}-{mm}-{dd}.csv`; their names tell the landing date",
        "`notes.pdf`: is a PDF",
        "`Weight (Kilograms)` in the files. `int64`: whole numbers.",
        "Read as null: `N/A` (40).",
        "dates in the format %d/%m/%Y",
        "supply-lake land things",
    ):
        assert told in page


def test_the_report_is_plain_and_complete() -> None:
    report = draft_json(draft("id,kind\n" + "".join(f"{at},{'ab'[at % 2]}\n" for at in range(60))))
    assert (report["primary_key"], report["mode"], report["rows"]) == (["id"], "upsert", 60)
    assert report["trial"] == {"landed": 60, "published": 60, "rejected": 0, "deduplicated": 0, "rules": {}, "notes": {}}
    kind = report["columns"][1]
    assert (kind["type"], kind["checks"], kind["distinct"], kind["most_frequent"][0]) == (
        "string", {"isin": ["a", "b"]}, 2, {"value": "a", "rows": 30},
    )  # fmt: skip
