"""JSON lines and documents: records, nesting, exact numbers, and documents that are none."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake_tests.curate.curation import Curated, column, curate, dataset

COLUMNS = (column("id"), column("n", "decimal(20,3)"))
LINES = dataset(*COLUMNS, format={"type": "jsonl"})
ARRAY = dataset(*COLUMNS, format={"type": "json"})


def test_p10_lines() -> None:
    done = curate(LINES, b'\xef\xbb\xbf{"id":"x","n":1.10}\r\n\n{"n":"2.5","id":7}\n{"id":null}')
    assert done.values == [("x", Decimal("1.100")), ("7", Decimal("2.500")), (None, None)]
    assert done.lines == [1, 3, 4]


def test_p10_an_array_and_records_under_a_path() -> None:
    records = '[{"id":"x","n":1.10},{"id":"y","n":12345678901234567.125}]'
    wanted = [("x", Decimal("1.100")), ("y", Decimal("12345678901234567.125"))]
    assert curate(ARRAY, records).values == wanted
    nested = dataset(*COLUMNS, format={"type": "json", "records_path": "data.items"})
    done = curate(nested, gzip.compress(f'{{"meta":{{"items":[1]}},"data":{{"items":{records}}}}}'.encode()))
    assert done.values == wanted
    assert done.lines == [1, 2]


@pytest.mark.parametrize(
    "line",
    ['{"id":1', '{"id":1,}', "[1]", '"x"', "7", "null", "{'id':1}", '{"id":1}{"id":2}', '{"id":1,"id":2}', '{"id":NaN}', "x"],
)
def test_p10_a_bad_line_is_set_aside_alone(line: str) -> None:
    done = curate(LINES, f'{{"id":"a"}}\n{line}\n{{"id":"b"}}\n')
    assert [row[0] for row in done.values] == ["a", "b"]
    assert [at for at, _ in done.set_aside()] == [2]
    assert done.raws() == [line]


def test_p10_bytes_that_are_no_text_and_nul() -> None:
    done = curate(LINES, b'{"id":"a"}\n{"id":"\xff"}\n{"id":"x\0"}\n{"id":"b"}\n')
    assert [row[0] for row in done.values] == ["a", "b"]
    assert [at for at, _ in done.set_aside()] == [2, 3]


def test_p10_depth_of_a_thousand_is_set_aside() -> None:
    deep = "[" * 1000 + "]" * 1000
    done = curate(LINES, f'{{"id":"a"}}\n{{"id":{deep}}}\n{{"id":"b"}}\n')
    assert [row[0] for row in done.values] == ["a", "b"]
    assert done.rows.rejected == 1
    document = curate(ARRAY, f'[{{"id":"a"}},{{"id":{deep}}},{{"id":"b"}}]')
    assert document.rows.rejected in (1, 3)
    assert document.rows.published + document.rows.rejected == document.rows.landed


@pytest.mark.parametrize(
    "text",
    ['[{"id":1},]', '[{"id":1}', '{"id":1}', '[{"id":1}] x', "[1,2", '{"data":[{"id":1}]}', "7", '"x"', "[{'id':1}]", "\0[]"],
)
def test_p10_a_document_that_is_none_is_unreadable(text: str) -> None:
    done = curate(ARRAY, text)
    assert done.outcomes[0].outcome == "unreadable", done.outcomes[0]
    assert (done.rows.landed, done.rows.rejected) == (1, 1)


def test_p10_records_of_a_document_that_are_no_objects() -> None:
    done = curate(ARRAY, '[{"id":"a"},7,null,[1],{"id":"b"}]')
    assert [row[0] for row in done.values] == ["a", "b"]
    assert [at for at, _ in done.set_aside()] == [2, 3, 4]


def test_p10_duplicate_keys_in_a_document_are_set_aside() -> None:
    done = curate(ARRAY, '[{"id":"a"},{"id":"b","id":"c"},{"id":"d","n":{"x":1,"x":2}}]')
    assert [row[0] for row in done.values] == ["a"]
    assert [at for at, _ in done.set_aside()] == [2, 3]


NESTED = (
    column("sku", source="item.sku"),
    column("city", source=["ship_to.city", "city"]),
    column("tags", "list<string>"),
    column("size", "struct<w:int64,h:decimal(6,2)>"),
    column("rest", "json"),
)


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_p10_nested_fields_by_declaration(kind: str) -> None:
    spec = dataset(*NESTED, format={"type": kind})
    record = {
        "item": {"sku": "007", "x": 1},
        "ship_to": {"city": "Köln"},
        "tags": ["a", "b"],
        "size": {"w": 3, "h": 1.25},
        "rest": {"k": [1.10]},
    }
    text = json.dumps(record).replace("1.1}", "1.10}").replace("[1.1]", "[1.10]")
    done = curate(spec, text if kind == "jsonl" else f"[{text}]")
    assert done.frame.select("sku", "city", "tags", "size").rows() == [
        ("007", "Köln", ["a", "b"], {"w": 3, "h": Decimal("1.25")})
    ]
    assert "1.10" in done.frame["rest"][0]


def test_p10_a_field_that_is_sometimes_a_list() -> None:
    done = curate(
        dataset("id", column("tags", "list<string>"), format={"type": "jsonl"}),
        '{"id":"a","tags":["x"]}\n{"id":"b","tags":"y"}\n{"id":"c"}\n',
    )
    assert done.values == [("a", ["x"]), ("b", ["y"]), ("c", None)]


def test_p10_nested_values_that_do_not_fit_are_rejected() -> None:
    spec = dataset("id", column("l", "list<int64>"), column("s", "struct<a:date>"), format={"type": "jsonl"})
    done = curate(
        spec,
        '{"id":"a","l":[1,2],"s":{"a":"2026-01-01"}}\n{"id":"b","l":["x"]}\n{"id":"c","s":{"a":"2026-02-30"}}\n{"id":"d","s":[1]}\n',
    )
    assert [row[0] for row in done.values] == ["a"]
    assert [at for at, _ in done.set_aside()] == [2, 3, 4]


def test_p5_unknown_fields_of_json() -> None:
    data = '{"id":"a","New":{"k":1}}\n{"id":"b"}\n'
    assert curate(LINES, data).frame.select("id", "new").rows() == [("a", '{"k":1}'), ("b", None)]
    frozen = dataset(*COLUMNS, format={"type": "jsonl"}, evolution="freeze")
    assert "New" in curate(frozen, data).problem


def test_p8_json_numbers_are_exact() -> None:
    spec = dataset("id", column("big", "int64"), column("text"), format={"type": "jsonl"})
    done = curate(
        spec, '{"id":"a","big":9007199254740993,"text":1.10}\n{"id":"b","big":1.0}\n{"id":"c","big":9223372036854775808}\n'
    )
    assert done.values == [("a", 9007199254740993, "1.10")]
    assert done.rows.rejected == 2


def test_booleans_of_json() -> None:
    spec = dataset("id", column("ok", "boolean"), format={"type": "jsonl"})
    assert curate(spec, '{"id":"a","ok":true}\n{"id":"b","ok":false}\n{"id":"c","ok":null}\n').values == [
        ("a", True),
        ("b", False),
        ("c", None),
    ]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "id"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100)
@given(records=st.lists(VALUES, max_size=6))
def test_any_json_adds_up_and_keeps_its_json(records: list[Any]) -> None:
    columns = ("id", column("a", "json"), column("b", "list<json>"))
    lines = curate(dataset(*columns, format={"type": "jsonl"}), "".join(json.dumps(one) + "\n" for one in records))
    document = curate(dataset(*columns, format={"type": "json"}), json.dumps(records))
    for done in (lines, document):
        assert done.rows.landed == len(records)
        _keeps_json(done, records)


def _keeps_json(done: Curated, records: list[Any]) -> None:
    for row in done.frame.iter_rows(named=True):
        wanted = records[row["_line"] - 1].get("a")
        # An empty text is null, as everywhere.
        assert row["a"] is None if wanted in (None, "") else json.loads(row["a"]) == wanted
