"""Conditions on rows: which rows break them, what is told of it, and that it does not depend on how the bytes were cut."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from supply_lake.curate.curate import Staged, stage
from supply_lake.curate.source import Source
from supply_lake.errors import SpecError
from supply_lake_tests.curate.curation import DAY, _source, column, curate, dataset

COLUMNS = (column("id"), column("ordered", "int64"), column("received", "int64"), column("on", "date"), column("note"))
HEADER = "id,ordered,received,on,note\n"
ROWS = f"{HEADER}a,5,5,2026-11-01,x\nb,5,7,2026-11-01,x\nc,5,,2026-11-01,\nd,five,7,2026-11-01,x\n"


def ruled(*rules: dict[str, Any], **fields: Any) -> Any:
    return dataset(*COLUMNS, quality=rules, error_threshold=1.0, **fields)


def rule(sql: str, name: str = "within", **fields: Any) -> dict[str, Any]:
    return {"name": name, "row": sql, **fields}


def staged(spec: Any, *files: str, tmp_path: Path) -> Staged:
    sources = [_source(at, file) for at, file in enumerate(files)]
    return stage(spec, sources, landing_date=DAY, scratch=tmp_path / "scratch")


def test_a_row_that_breaks_a_condition_is_rejected_by_the_rules_name() -> None:
    done = curate(ruled(rule("received <= ordered")), ROWS)
    assert [row[0] for row in done.values] == ["a", "c"]
    assert done.set_aside() == [(3, [("ordered, received", "5, 7")]), (5, [("ordered", "five")])]
    assert done.reasons()[0] == "breaks within: received <= ordered"
    assert '"received":"7"' in done.raws()[0]
    assert done.figures["ordered, received: breaks within: received <= ordered"] == 1


def test_what_is_null_or_could_not_be_read_breaks_no_condition() -> None:
    done = curate(ruled(rule("received <= ordered"), rule("note = 'x'", "noted")), ROWS)
    assert [row[0] for row in done.values] == ["a", "c"]
    assert [len(reasons) for _, reasons in done.set_aside()] == [1, 1]


def test_a_warning_rejects_nothing_and_is_counted_with_its_first_line(tmp_path: Path) -> None:
    spec = ruled(rule("received <= ordered", severity="warn"))
    assert len(curate(spec, ROWS).values) == 3
    with staged(spec, f"{HEADER}a,1,1,2026-11-01,x\n", ROWS, ROWS, tmp_path=tmp_path) as one:
        assert one.broke("within") == (2, "1.dat:3")
        assert one.broke("other") == (0, "")


def test_a_row_on_which_a_condition_cannot_be_computed_breaks_it_and_its_neighbours_do_not() -> None:
    rows = f"{HEADER}a,1,1,2026-11-01,7\nb,1,1,2026-11-01,seven\nc,9223372036854775807,2,2026-11-01,8\n"
    done = curate(ruled(rule("note::integer > ordered OR ordered * received > 0")), rows)
    assert [row[0] for row in done.values] == ["a"]
    assert [line for line, _ in done.set_aside()] == [3, 4]


def test_a_condition_knows_the_date_that_its_row_is_filed_under() -> None:
    rows = f"{HEADER}a,1,1,2026-11-01,x\nb,1,1,2026-10-31,x\n"
    assert [row[0] for row in curate(ruled(rule('"on" >= _partition_date')), rows).values] == ["a"]
    filed = ruled(rule('"on" = _partition_date'), partition_date={"column": "on"})
    assert len(curate(filed, rows).values) == 2


def test_several_conditions_give_a_row_several_reasons() -> None:
    done = curate(ruled(rule("received <= ordered"), rule("note <> 'x'", "other")), f"{HEADER}b,5,7,2026-11-01,x\n")
    assert done.reasons() == ["breaks within: received <= ordered; breaks other: note <> 'x'"]


@pytest.mark.parametrize("chunk", [64, 200, 4096])
def test_what_breaks_a_condition_does_not_depend_on_the_size_of_the_chunks(chunk: int, tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 7},{n % 5},2026-11-01,x\n" for n in range(300))
    done = curate(ruled(rule("received <= ordered")), HEADER + rows, csv_chunk=chunk)
    assert [int(row[0]) for row in done.values] == [n for n in range(300) if n % 5 <= n % 7]
    assert [line for line, _ in done.set_aside()] == [n + 2 for n in range(300) if n % 5 > n % 7]


def test_rows_of_an_object_that_breaks_off_break_no_rule(tmp_path: Path) -> None:
    spec = dataset(column("a", "int64"), column("b", "int64"), format={"type": "jsonl"}, quality=[rule("a <= b")])
    cut = io.BytesIO(gzip.compress(b'{"a": 2, "b": 1}\n' * 2000)[:-30])
    broken = Source(1, "broken", lambda: cut, 0, _source(1, "").modified)
    whole = _source(0, '{"a": 2, "b": 1}\n')
    with stage(spec, [whole, broken], landing_date=DAY, scratch=tmp_path / "scratch") as one:
        assert [source.outcome for source in one.sources] == ["read", "unreadable"]
        assert one.broke("within") == (1, "0.dat:1")


def test_what_the_engine_refuses_after_all_is_told_with_its_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supply_lake.datasets.condition.breaks", lambda sql: f"nonsense({sql})")
    with pytest.raises(SpecError, match=r"dataset things: its conditions on rows cannot be computed \(.*nonsense"):
        curate(ruled(rule("received <= ordered")), ROWS)
