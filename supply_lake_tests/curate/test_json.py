"""JSON lines and documents: records, nesting, exact numbers, and documents that are none."""

from __future__ import annotations

import gzip
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.curate.text import Utf8
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
    spec = dataset("id", column("big", "int64"), column("text"), format={"type": "jsonl"}, evolution="discard")
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


@pytest.mark.parametrize("text", ["0", "1e5", "true", "null", '"x"', "words", " [1]", "{x}"])
def test_p7_a_text_in_a_json_column_stays_a_text(text: str) -> None:
    columns = ("id", column("a", "json"), column("b", "list<json>"), column("c", "struct<d:json>"))
    record = {"id": "x", "a": text, "b": text, "c": {"d": text}}
    done = curate(dataset(*columns, format={"type": "json"}), json.dumps([record]))
    ((a, b, c),) = done.frame.select("a", "b", "c").rows()
    assert (json.loads(a), [json.loads(one) for one in b], json.loads(c["d"])) == (text, [text], text)


def test_p7_a_document_that_a_text_holds_is_that_document_and_a_null_text_is_null() -> None:
    spec = dataset("id", column("a", "json", nulls=["n/a"]), format={"type": "jsonl"})
    values = ['{"b": 1.10}', "[1]", "n/a", ""]
    done = curate(spec, "".join(json.dumps({"id": str(n), "a": one}) + "\n" for n, one in enumerate(values)))
    assert done.frame["a"].to_list() == ['{"b": 1.10}', "[1]", None, '""']


def test_p6_numbers_inside_json_keep_their_digits() -> None:
    spec = dataset("id", column("a", "list<json>"), format={"type": "jsonl"})
    done = curate(spec, '{"id": "x", "a": [{"b": 1.10, "c": 12345678901234567890.5}]}\n')
    assert done.frame["a"].to_list() == [['{"b":1.10,"c":12345678901234567890.5}']]


def _keeps_json(done: Curated, records: list[Any]) -> None:
    for row in done.frame.iter_rows(named=True):
        wanted = records[row["_line"] - 1].get("a")
        # An empty text is null, as everywhere; and a text may hold a document.
        kept = row["a"] is None if wanted in (None, "") else json.loads(row["a"]) == wanted
        assert kept or (isinstance(wanted, str) and wanted[:1] in "[{" and json.loads(row["a"]) == json.loads(wanted))


# --- nested objects, flattened or kept

FLAT = {"id": "a", "ship_to": {"city": "Köln", "geo": {"lat": 50.10, "lon": None}}, "tags": ["x", "y"], "none": {}}


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_p10_nested_objects_are_flattened_when_declared(kind: str) -> None:
    columns = (
        "id",
        column("city", source="ship_to_city"),
        column("ship_to_geo_lat", "decimal(6,3)"),
        column("tags", "list<string>"),
    )
    spec = dataset(*columns, format={"type": kind, "flatten": True})
    text = json.dumps(FLAT)
    done = curate(spec, text if kind == "jsonl" else f"[{text}]")
    assert done.frame.select("id", "city", "ship_to_geo_lat", "tags", "ship_to_geo_lon").rows() == [
        ("a", "Köln", Decimal("50.100"), ["x", "y"], None)
    ]
    assert "none" not in done.frame.columns


def test_p10_an_object_that_is_declared_as_a_column_is_not_flattened() -> None:
    spec = dataset(
        "id", column("Geo", "struct<lat:float64,lon:float64>", source="ship_to_GEO"), format={"type": "jsonl", "flatten": True}
    )
    done = curate(spec, json.dumps(FLAT))
    assert done.frame.select("id", "Geo", "ship_to_city").rows() == [("a", {"lat": 50.1, "lon": None}, "Köln")]


def test_p10_two_fields_that_flatten_to_one_column_are_set_aside() -> None:
    spec = dataset("id", format={"type": "jsonl", "flatten": True})
    done = curate(spec, '{"id":"a","x":{"y":1}}\n{"id":"b","x":{"y":1},"x_y":2}\n')
    assert done.frame["id"].to_list() == ["a"]
    assert done.reasons() == ["two of its fields are the column 'x_y'; declare one of them with a dotted path"]


@pytest.mark.parametrize("flatten", [False, True])
def test_p10_what_is_left_of_an_object_that_a_path_was_taken_from_is_kept(flatten: bool) -> None:
    spec = dataset(column("sku", source="item.sku"), format={"type": "jsonl", "flatten": flatten})
    done = curate(spec, '{"item":{"sku":"007","size":{"w":1.50}}}\n{"item":{"sku":null}}\n{"item":{}}\n{"item":7}\n')
    assert done.frame["sku"].to_list() == ["007", None, None, None]
    assert done.frame["item_size_w" if flatten else "item"].to_list()[0] == ("1.50" if flatten else '{"size":{"w":1.50}}')
    assert "7" in done.frame["item"].to_list()


def test_p10_a_name_with_a_dot_is_found_as_it_is() -> None:
    spec = dataset(column("rate", "decimal(4,1)", source="emp.var.rate"), format={"type": "jsonl"})
    assert curate(spec, '{"emp.var.rate":-1.8}\n').values == [(Decimal("-1.8"),)]


def test_p10_fields_that_a_struct_does_not_declare_are_left_out_and_counted() -> None:
    spec = dataset("id", column("s", "struct<a:int64>"), format={"type": "jsonl"}, evolution="discard")
    done = curate(spec, '{"id":"a","s":{"a":1,"b":2}}\n{"id":"b","s":{"b":3}}\n')
    assert done.values == [("a", {"a": 1}), ("b", {"a": None})]
    assert "field 'b' of 's' is not declared and was left out (2 times)" in done.notes


def test_p10_records_with_more_fields_than_a_table_has_columns_are_set_aside_whole() -> None:
    record = {"id": "a", **{f"k{n}": n for n in range(20_000)}}
    done = curate(LINES, json.dumps(record) + "\n")
    assert done.outcomes[0].outcome == "unreadable"
    assert "different fields" in done.outcomes[0].reason


def test_p10_records_with_many_different_fields_do_not_need_memory_for_all_at_once() -> None:
    done = curate(dataset("id", format={"type": "jsonl"}), "".join(f'{{"id":"{n}","k{n}":1}}\n' for n in range(3000)))
    assert done.rows.published == 3000
    assert done.frame.width == 3001 + 3


# --- text that is none


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_p1_json_in_its_declared_encoding(kind: str, encoding: str) -> None:
    spec = dataset("id", format={"type": kind, "encoding": encoding})
    text = '{"id":"é"}\n'
    assert curate(spec, (text if kind == "jsonl" else f"[{text}]").encode(encoding)).values == [("é",)]


def test_p1_bytes_that_are_no_text_spoil_a_line_but_a_whole_document() -> None:
    done = curate(dataset("id", format={"type": "jsonl", "encoding": "cp1252"}), b'{"id":"\xe9"}\n{"id":"\x81"}\n')
    assert done.values == [("é",)]
    assert done.raws() == ['{"id":"\\x81"}']
    assert curate(dataset("id", format={"type": "json"}), b'[{"id":"\xff"}]').outcomes[0].outcome == "unreadable"


def test_p1_half_of_a_surrogate_pair_is_no_text() -> None:
    whole, half = r'{"id":"\ud83d\ude00 \\ud83d"}', r'{"id":"\ud83d"}'
    lines = curate(dataset("id", format={"type": "jsonl"}), f'{whole}\n{half}\n{{"id":"\\udc00"}}\n')
    assert lines.values == [("\U0001f600 \\ud83d",)]
    assert lines.reasons() == ["has half of a surrogate pair, which is no text"] * 2
    document = dataset("id", format={"type": "json"})
    assert curate(document, f"[{whole}]").values == lines.values
    for text in (half, r'{"id":"\ud83d\u0041"}', r'{"id":"\\\ud83d"}', r'{"id":"\udc00"}'):
        done = curate(document, f'[{{"id":"a"}},{text}{" " * 70_000}]')
        assert (done.outcomes[0].outcome, done.rows.landed) == ("unreadable", 1), text


@pytest.mark.parametrize("size", [65_536 - 9, 65_536 - 6, 65_536 - 3])
def test_p1_half_of_a_pair_is_seen_wherever_a_block_ends(size: int) -> None:
    document = dataset("id", format={"type": "json"})
    fill = "x" * size
    assert curate(document, f'[{{"id":"{fill}\\ud83d\\ude00"}}]').values == [(f"{fill}\U0001f600",)]
    assert curate(document, f'[{{"id":"{fill}\\\\ud83d"}}]').values == [(f"{fill}\\ud83d",)]
    assert curate(document, f'[{{"id":"{fill}\\ud83d"}}]').rows.rejected == 1


# --- documents that would take a parser down


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 200_000, '[{"id":' + "[" * 200_000, "[{" + '"id":{' * 200_000, '{"data":' + "[" * 200_000],
    ids=["lists", "objects", "lists in a record", "objects in a record", "lists beside the records"],
)
def test_p10_a_hundred_thousand_levels_cost_no_more_than_their_bytes(text: str) -> None:
    assert curate(ARRAY, text).outcomes[0].outcome == "unreadable"
    assert curate(LINES, text).rows.rejected == 1


def test_p10_a_deep_record_is_set_aside_alone() -> None:
    deep = "[" * 5000 + "]" * 5000
    done = curate(ARRAY, f'[{{"id":"a"}},{{"id":{deep}}},{{"id":"b"}}]')
    assert [row[0] for row in done.values] == ["a", "b"]
    assert done.reasons() == ["is nested too deep"]
    aside = dataset(*COLUMNS, format={"type": "json", "records_path": "r"})
    assert [row[0] for row in curate(aside, f'{{"m":{deep},"r":[{{"id":"a"}}]}}').values] == ["a"]


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "9" * 5000, "1e99999999999999999999"])
def test_p8_numbers_that_no_machine_holds_spoil_no_more_than_they_must(number: str) -> None:
    assert curate(ARRAY, f'[{{"id":{number}}}]').outcomes[0].outcome == "unreadable"
    done = curate(LINES, f'{{"id":"a"}}\n{{"n":{number}}}\n')
    assert [row[0] for row in done.values] == ["a"]
    assert done.rows.rejected == 1


def test_p8_infinity_and_not_a_number_are_no_json() -> None:
    for word in ("NaN", "Infinity", "-Infinity"):
        assert curate(LINES, f'{{"id":"a"}}\n{{"n":{word}}}\n').reasons() == [f"is no JSON: {word} is no number"]
        assert curate(ARRAY, f'[{{"n":{word}}}]').outcomes[0].outcome == "unreadable"
    done = curate(dataset("a", column("j", "json")), "a,j\nx,NaN\ny,1\n")
    assert done.values == [("y", "1")]


def test_o4_white_space_before_a_document_is_no_end_of_it() -> None:
    assert curate(ARRAY, " " * 3_000_000 + '[{"id":"x"}]').rows.published == 1
    assert curate(ARRAY, "\n" * 3_000_000).outcomes[0].reason == "whitespace only"


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_p8_small_numbers_keep_their_digits_as_text_and_reach_a_decimal(kind: str) -> None:
    text = '{"id":0.00000001,"n":-1.50,"d":[0.00000001]}'
    spec = dataset("id", column("n"), column("d", "list<decimal(10,8)>"), format={"type": kind})
    done = curate(spec, text if kind == "jsonl" else f"[{text}]")
    assert done.values == [("0.00000001", "-1.50", [Decimal("0.00000001")])]


def test_p10_a_tokenizer_that_asks_for_nothing_first_loses_nothing() -> None:
    text = Utf8(io.BytesIO(b'[{"a": 1}]'), "utf-8")
    assert (text.read(0), text.read(4) + text.read(100)) == (b"", b'[{"a": 1}]')
