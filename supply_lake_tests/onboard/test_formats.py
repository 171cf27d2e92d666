"""What the bytes of a file are: format, compression, encoding, dialect, and what is no data at all."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile

import polars as pl
import pyarrow as pa
import pytest

from supply_lake.errors import UnreadableObject
from supply_lake_tests.onboard.made import draft, types

PLAIN = "id,name,size\n1,bolt,2.5\n2,nut,3.5\n3,nail,4.5\n"


def zipped(**members: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "."), text)
    return data.getvalue()


def parquet() -> bytes:
    data = io.BytesIO()
    pl.DataFrame({"id": [1, 2], "name": ["bolt", "nut"]}).write_parquet(data)
    return data.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        lambda data: pa.Codec("zstd").compress(data).to_pybytes(),
        lambda data: zipped(things__csv=data.decode()),
    ],
)
def test_o5_compression_is_told_by_its_bytes(pack: object) -> None:
    made = draft(pack(PLAIN.encode()))  # type: ignore[operator]
    assert types(made) == {"id": "int64", "name": "string", "size": "decimal(12,2)"}
    assert any("compressed" in fact or "archive" in fact for fact in made.facts)


def test_o5_of_an_archive_the_members_that_are_most_alike_are_read() -> None:
    made = draft(zipped(a__csv=PLAIN, b__csv=PLAIN.replace("1,", "4,").replace("2,n", "5,n"), readme__txt="Read me."))
    assert made.format["members"] == "*.csv"
    assert made.gathered.rows == 6


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_p1_encodings_that_prove_themselves(encoding: str) -> None:
    made = draft("id;name\n1;Schräge\n2;Öse\n".encode(encoding))
    assert made.columns[1].values.texts.to_list() == ["Schräge", "Öse"]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", ["Küche", "Größe", "Straße", "Jäger", "Überweisung"]),
        ("cp1252", ["été", "garçon", "déjà", "Noël"]),
        ("mac_roman", ["Küche", "Größe", "Straße", "Jäger"]),
        ("cp850", ["Küche", "Größe", "Straße", "Jäger"]),
        ("cp1250", ["Łódź", "żółć", "gęś", "Wrocław"]),
        ("cp1251", ["Привет", "Москва", "склад", "цена"]),
        ("koi8_r", ["Привет", "Москва", "склад", "цена"]),
        ("cp932", ["日本語", "東京", "倉庫", "価格", "在庫"] * 4),
        ("gb18030", ["上海", "仓库", "价格", "库存", "北京"] * 4),
    ],
)
def test_p1_old_encodings_are_told_by_the_look_of_their_words(encoding: str, words: list[str]) -> None:
    text = "id;name\n" + "".join(f"{at};{word}\n" for at, word in enumerate(words * 5))
    made = draft(text.encode(encoding))
    assert set(made.columns[1].values.texts) == set(words)
    assert any("it is not UTF-8" in doubt for doubt in made.doubts)


def test_p1_utf8_with_a_broken_place_stays_utf8() -> None:
    text = "id;name\n" + "".join(f"{at};Größe\n" for at in range(200))
    made = draft(text.encode() + b"200;Gr\xf6\xdfe\n")
    assert "encoding" not in made.format
    assert (made.gathered.rows, made.gathered.bad) == (200, 1)
    assert any("no UTF-8" in doubt for doubt in made.doubts)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a;b;c\n1;2,5;x\n2;3,5;y\n", {"delimiter": ";"}),
        ("a\tb\n1\t2\n3\t4\n", {"delimiter": "\t"}),
        ("a||b||c\n1||x||2\n2||y||3\n", {"delimiter": "||"}),
        ("a~|~b~|~c\n1~|~2~|~3\n4~|~5~|~6\n", {"delimiter": "~|~"}),
        ("1+|x<b>\n</b>+|2&|\n2+|y+|3&|\n3+|z+|4&|\n", {"delimiter": "+|", "record_end": "&|\n", "header": False}),
        ("a|b|c\n1|2|3\n4|5|6\n", {"delimiter": "|"}),
        ("id,name\n1,'Smith, J'\n2,'Doe, K'\n", {"quote": "'"}),
        ('id,t\n1,"a \\"b\\", c"\n2,"d"\n3,"e \\"f\\""\n', {"escape": "\\"}),
        ('1\tx\t3" pipe\n2\ty\t"4 pipe\n3\tz\t5\n', {"delimiter": "\t", "quote": "", "header": False}),
        ("Report\nprinted 2026-01-01\n\nsku;qty;price\n007;3;1,50\n008;4;2,75\n009;5;3,00\n", {"skip_lines": 2}),
        ("# made by x\nid,v\n1,2\n3,4\n", {"comment": "#"}),
        ("id;n;v\n1;a;2\n2;b;3\n3;c;4\nTotal;;9\n", {"footer": "Total;;[-+0-9.,:/]+"}),
        ("007|12.5|2026-01-01\n008|13.5|2026-01-02\n", {"delimiter": "|", "header": False}),
    ],
)
def test_dialects(text: str, fields: dict[str, object]) -> None:
    made = draft(text)
    assert {name: made.format.get(name) for name in fields} == fields
    assert made.proof is not None
    assert (made.proof.rows.rejected, made.gathered.bad) == (0, 0)


def test_p2_values_with_line_breaks_and_no_quotes_are_joined() -> None:
    made = draft("1\tJohn\t5\tgood\nvery good\t2026\n2\tAnn\t4\twell\n\nso\nso\t2027\n")
    assert made.format["unquoted_newlines"] is True
    assert [len(made.columns), made.gathered.rows] == [5, 2]


def test_p2_line_ends_and_quoted_line_breaks() -> None:
    made = draft('id,t\r1,"a\rb"\r2,c\r')
    assert (made.gathered.rows, made.columns[1].values.texts.to_list()) == (2, ["a\rb", "c"])


def test_p4_names_for_files_that_have_none() -> None:
    text = "007|12.5\n008|13.5\n"
    assert list(types(draft(text))) == ["column_1", "column_2"]
    assert list(types(draft(text, columns=("Article No", "Price")))) == ["article_no", "price"]
    with pytest.raises(UnreadableObject, match="has 2 columns, and 3 names were given"):
        draft(text, columns=("a", "b", "c"))


def test_p4_headers_that_are_doubled_empty_or_alike() -> None:
    made = draft("a,a,,A,Line Item (USD),emp.var.rate,2020,naïve,日本\n" + "1,2,3,4,5,6,7,8,9\n" * 3)
    assert list(types(made)) == ["a", "a_2", "column_3", "a_3", "line_item_usd", "emp_var_rate", "c_2020", "naive", "column_9"]
    assert made.columns[4].unit == "USD"
    assert made.proof is not None
    assert made.proof.rows.published == 3


def test_what_was_taken_wrongly_can_be_told() -> None:
    assert len(types(draft("a;b\n1;2\n", delimiter=","))) == 1
    assert list(types(draft("a,b\nc,d\n", header=False))) == ["column_1", "column_2"]
    assert draft("a,b\nx,ü\n".encode("cp1252"), encoding="cp437").format["encoding"] == "cp437"


# --- JSON and Parquet


@pytest.mark.parametrize(
    ("document", "form"),
    [
        ('[{"a": 1}, {"a": 2}]', {"type": "json"}),
        ('{"a": 1}\n{"a": 2}\n', {"type": "jsonl"}),
        ('{"meta": {"n": 2}, "data": {"items": [{"a": 1}, {"a": 2}]}}', {"type": "json", "records_path": "data.items"}),
        ('\n  {"results":\n [{"a": 1},\n {"a": 2}]}', {"type": "json", "records_path": "results"}),
        ('{"a": 1, "b": 2}', {"type": "jsonl"}),
    ],
)
def test_p10_forms_of_json(document: str, form: dict[str, str]) -> None:
    assert dict(draft(document).format) == form


def test_p10_the_longest_list_of_objects_has_the_records() -> None:
    made = draft(json.dumps({"warnings": [{"x": 1}], "rows": [{"a": at} for at in range(5)]}))
    assert made.format["records_path"] == "rows"
    assert any("'warnings' (1)" in doubt for doubt in made.doubts)
    assert list(types(draft('{"w": [{"x": 1}, {"x": 2}], "r": [{"a": 1}]}', records_path="r"))) == ["a"]


def test_a_document_that_tells_its_number_of_records() -> None:
    made = draft(json.dumps({"meta": {"total": 3}, "rows": [{"a": at} for at in range(3)]}))
    assert made.policy.offers[0][0] == {"expect_total": {"rows": "meta.total"}}


def test_parquet_brings_its_types() -> None:
    data = io.BytesIO()
    pl.DataFrame(
        {"Invoice": ["489434", "C1"], "Day": ["2026-01-01 10:00:00", "2026-01-02 11:00:00"], "Customer ID": [17850.0, None],
         "Price": [2.1, 3.55], "Weight": [0.1, 0.25], "n": pl.Series([1, 2], dtype=pl.Int32), "tags": [["x"], []]}
    ).write_parquet(data)  # fmt: skip
    made = draft(data.getvalue())
    assert types(made) == {
        "invoice": "string", "day": "timestamp", "customer_id": "int64", "price": "decimal(12,2)", "weight": "float64",
        "n": "int32", "tags": "list<string>",
    }  # fmt: skip
    assert made.proof is not None
    assert made.proof.rows.published == 2


# --- hostile samples


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b" \n\n ", "nothing but white space"),
        (bytes(range(256)) * 20, "is binary data"),
        (b"%PDF-1.4 x", "is a PDF"),
        (b"PAR1" + b"x" * 100, "cannot be read as Parquet"),
        (b"<!DOCTYPE html><html>no</html>", "is an HTML page"),
        (b'<?xml version="1.0"?><a/>', "is XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\n", "Git LFS pointer"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 1000)[:30], "truncated or corrupt"),
        (zipped(), "archive without members"),
        (b"[]", "no list of objects"),
        (b"[1, 2]", "no list of objects"),
        (b"[" * 5000, "begins as JSON does, but is none"),
        (b'[{"a":' + b"9" * 5000 + b"}]", "more than 4,300 digits"),
        (b'[{"a": 1}, {"a":', "no whole JSON document"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_sample_that_is_of_no_use_gives_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UnreadableObject) as caught:
        draft(data)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "doubt"),
    [
        (b"a,b,c\n", "a header and no rows"),
        (b"sku\n007\n008\n", "read as one column"),
        (b"a,b\n1,\x00\n2,3\n4,5\n", "a NUL byte"),
        (b'a,b\n1,"x\n2,y\n3,z\n', "quotes are read as text"),
        (b'a,b\n1,"x,y"\n2,"y,z"\n3,"z\n4,"w,x"\n', "a quote is not closed"),
        (b"Dear all,\n\nplease find the data attached, it is good.\n\nRegards\n", "it may be no table"),
        (b"a,b\n,\n,\n,\n", "no value of it"),
    ],
)
def test_a_poor_sample_gives_a_draft_with_doubts(data: bytes, doubt: str) -> None:
    assert any(doubt in one for one in draft(data).all_doubts)


def test_a_huge_field() -> None:
    made = draft(b'id,t\n1,"' + b"x" * 3_000_000 + b'"\n2,y\n')
    assert made.columns[1].values.longest == 3_000_000
    assert all(len(doubt) < 500 for doubt in made.all_doubts)


def test_p4_thousands_of_columns_are_drafted_as_text() -> None:
    names = ",".join(f"c{at}" for at in range(3_000))
    made = draft(f"{names}\n{','.join(['1'] * 3_000)}\n")
    assert set(types(made).values()) == {"string"}
    assert any("3,000 columns" in doubt for doubt in made.doubts)
