"""CSV as it really arrives: encodings, quotes, line ends, ragged rows, headers."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from supply_lake.curate import exact_csv
from supply_lake_tests.curate.curation import AB, CHUNKS, all_of_it, at_every_chunk, column, curate, dataset, exactly

# --- P1: encodings


def test_p1_a_utf8_byte_order_mark_is_stripped() -> None:
    done = curate(AB, b"\xef\xbb\xbfa,b\nx,\xc3\xa9\n")
    assert done.values == [("x", "é")]
    assert list(done.frame.columns)[:2] == ["a", "b"]


ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-8", "utf-8-sig"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_p1_declared_encodings_are_read(encoding: str) -> None:
    spec = dataset("a", "b", format={"type": "csv", "encoding": encoding})
    data = "a,b\nx,é\n\xfc,\n".encode(encoding)
    for chunk in CHUNKS:
        assert curate(spec, data, csv_chunk=chunk).values == [("x", "é"), ("ü", None)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("declared", ["utf-8", "latin-1", "ascii", "utf-16-be"])
def test_p1_a_byte_order_mark_is_believed_and_that_is_noted(encoding: str, declared: str) -> None:
    spec = dataset("a", "b", format={"type": "csv", "encoding": declared})
    done = curate(spec, "a,b\nx,é\n".encode(encoding))
    assert done.values == [("x", "é")]
    assert any("byte order mark" in note for note in done.notes) == (not encoding.startswith(declared))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
def test_p1_utf16_without_a_mark_is_read_by_its_first_letter(encoding: str, order: str) -> None:
    spec = dataset("a", "b", format={"type": "csv", "encoding": encoding})
    assert at_every_chunk("a,b\nx,é\ny,\U0001f600\n".encode(f"{encoding}-{order}"), spec).values == [
        ("x", "é"),
        ("y", "\U0001f600"),
    ]


def test_p1_bytes_invalid_in_the_encoding_are_set_aside_by_line() -> None:
    done = at_every_chunk(b"a,b\nx,1\ny,\xff\xfe2\nz,3\n\xc3,4\n")
    assert done.values == [("x", "1"), ("z", "3")]
    assert [line for line, _ in done.set_aside()] == [3, 5]
    assert "\\xff" in done.raws()[0]


def test_p1_invalid_bytes_of_another_encoding_are_set_aside_by_line() -> None:
    spec = dataset("a", "b", format={"type": "csv", "encoding": "cp1252"})
    done = curate(spec, b"a,b\nx,1\ny,\x812\nz,\xe9\n")
    assert done.values == [("x", "1"), ("z", "é")]
    assert [line for line, _ in done.set_aside()] == [3]


def test_p1_bytes_that_are_no_text_are_shown_as_the_file_has_them() -> None:
    done = curate(dataset("a", "b", format={"type": "csv", "encoding": "cp1252"}), b"a,b\nx,1\n\xe9\x812,\n")
    assert done.raws() == ["é\\x812,"]
    assert done.reasons() == ["bytes that are no text in the declared encoding (0x81 at character 2)"]
    done = curate(AB, b"a,b\nx,1\n\xc3\xa9\x812,\n")
    assert done.raws() == ["é\\x812,"]
    assert done.reasons() == ["bytes that are no text in the declared encoding (0x81 at byte 3)"]


def test_p1_text_of_another_encoding_is_not_taken_for_the_declared_one() -> None:
    done = at_every_chunk("a,b\nx,1\ny,é\n", dataset("a", "b", format={"type": "csv", "encoding": "ascii"}))
    assert done.values == [("x", "1")]
    assert done.raws() == ["y,\\xc3\\xa9"]
    done = at_every_chunk(b"a,b\nx,1\ny,\x81\xff\n", dataset("a", "b", format={"type": "csv", "encoding": "shift_jis"}))
    assert done.values == [("x", "1")]


@pytest.mark.parametrize("half", [b"\x00\xdc", b"\x00\xd8"])
def test_p1_invalid_utf16_is_set_aside_by_line(half: bytes) -> None:
    spec = dataset("a", "b", format={"type": "csv", "encoding": "utf-16-le"})
    data = "a,b\nx,1\n".encode("utf-16-le") + half + ",2\ny,3\n".encode("utf-16-le") + b"z"
    done = at_every_chunk(data, spec)
    assert done.values == [("x", "1"), ("y", "3")]
    assert [line for line, _ in done.set_aside()] == [3, 5]


@pytest.mark.parametrize("byte", [b"\xb4", b"\0"])
def test_p1_a_quote_in_a_line_that_is_no_text_opens_nothing(byte: bytes) -> None:
    done = at_every_chunk(b'a,b\nx,"h' + byte + b',\ny,"\r",\nz,1\nw,"\r"\n')
    assert done.values == [("z", "1"), ("w", "\r")]
    assert [line for line, _ in done.set_aside()] == [2, 3]


def test_p1_nul_is_set_aside_by_line() -> None:
    done = at_every_chunk("a,b\nx,1\ny\0,2\nz,3\n")
    assert done.values == [("x", "1"), ("z", "3")]
    assert [line for line, _ in done.set_aside()] == [3]


# --- P2: quotes and line ends


def test_p2_quoted_newlines_delimiters_and_doubled_quotes() -> None:
    done = at_every_chunk('a,b\n"x\ny","1,2"\n"say ""hi""","\r\n"\nz,3\n')
    assert done.values == [("x\ny", "1,2"), ('say "hi"', "\r\n"), ("z", "3")]
    assert done.lines == [2, 4, 6]


def test_p2_an_unclosed_quote_costs_one_line() -> None:
    done = at_every_chunk('a,b\nx,1\ny,"2\nz,3\nw,4\n')
    assert done.values == [("x", "1"), ("z", "3"), ("w", "4")]
    assert [line for line, _ in done.set_aside()] == [3]


def test_p2_text_after_a_closing_quote_costs_one_line() -> None:
    done = at_every_chunk('a,b\nx,1\ny,"2"3\nz,"3"\n')
    assert done.values == [("x", "1"), ("z", "3")]
    assert [line for line, _ in done.set_aside()] == [3]


def test_p2_a_quote_inside_an_unquoted_field_is_text() -> None:
    assert at_every_chunk('a,b\n5" pipe,1\n6"" hose,"2"\n').values == [('5" pipe', "1"), ('6"" hose', "2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_p2_every_line_end(end: str) -> None:
    done = at_every_chunk(end.join(["a,b", "x,1", 'y,"2"', "z,3", ""]))
    assert done.values == [("x", "1"), ("y", "2"), ("z", "3")]
    assert done.lines == [2, 3, 4]


def test_p2_mixed_line_ends_and_no_final_newline() -> None:
    done = at_every_chunk("a,b\r\nx,1\ny,2\rz,3\r\n\r\nw,4")
    assert done.values == [("x", "1"), ("y", "2"), ("z", "3"), ("w", "4")]
    assert done.lines == [2, 3, 4, 6]


def test_p2_other_line_breaks_of_unicode_are_text() -> None:
    done = at_every_chunk("a,b\nx\u2028y,1\nx\u0085y\x0b\x0c,\x1c2\n")
    assert done.values == [("x\u2028y", "1"), ("x\u0085y\x0b\x0c", "\x1c2")]


def test_p2_a_record_longer_than_many_chunks() -> None:
    long = "l\n" * 3000
    done = curate(AB, f'a,b\nx,"{long}"\ny,2\n', csv_chunk=64)
    assert done.values == [("x", long), ("y", "2")]
    assert done.lines == [2, 3003]


def test_p2_a_quote_that_never_closes_in_a_long_file_costs_one_line() -> None:
    rows = "".join(f"k{n},{n}\n" for n in range(200_000))
    done = curate(AB, f'a,b\nx,"open\n{rows}')
    assert len(done.values) == 200_000
    assert [line for line, _ in done.set_aside()] == [2]


def test_p2_many_broken_lines_take_no_more_than_their_share_of_time() -> None:
    rows = 'x,"1"2\n' * 60_000
    done = curate(dataset("a", "b", error_threshold=1.0), f"a,b\n{rows}y,3\n")
    assert done.values == [("y", "3")]
    assert done.rows.rejected == 60_000


def test_p2_files_without_quotes_take_quotes_as_text() -> None:
    spec = dataset("a", "b", format={"type": "csv", "quote": ""})
    assert at_every_chunk('a,b\n"x,1"\n', spec).values == [('"x', '1"')]


@pytest.mark.parametrize(("delimiter", "quote"), [(";", '"'), ("\t", "'"), ("|", '"')])
def test_p2_other_dialects(delimiter: str, quote: str) -> None:
    spec = dataset("a", "b", format={"type": "csv", "delimiter": delimiter, "quote": quote})
    data = f"a{delimiter}b\n{quote}x{delimiter}y{quote}{delimiter}1\n"
    assert at_every_chunk(data, spec).values == [(f"x{delimiter}y", "1")]


def test_p1_a_byte_order_mark_amid_the_file_is_text_wherever_a_buffer_begins() -> None:
    done = at_every_chunk("a,b\nx,1\n\ufeffy,2\n\ufeff\n\ufeff,\n")
    assert done.values == [("x", "1"), ("\ufeffy", "2"), ("\ufeff", None)]
    assert done.lines == [2, 3, 5]


# --- P3: rows that are no records


def test_p3_ragged_rows_are_set_aside_with_their_lines() -> None:
    done = at_every_chunk('a,b\nx,1\ntoo few\n"x\n",1,2\ny,2\n,\n')
    assert done.values == [("x", "1"), ("y", "2"), (None, None)]
    assert [line for line, _ in done.set_aside()] == [3, 4]
    assert done.reasons() == ["1 fields where the header has 2", "3 fields where the header has 2"]


def test_p3_a_repeated_header_is_passed_over_and_noted() -> None:
    done = at_every_chunk("a,b\nx,1\na,b\ny,2\na,c\n")
    assert done.values == [("x", "1"), ("y", "2"), ("a", "c")]
    assert done.lines == [2, 4, 5]
    assert any("repeated header" in note for note in done.notes)


def test_p3_a_totals_line_breaks_the_contract() -> None:
    done = at_every_chunk("a,b\nx,1\ny,2\nTotal,,3\nTotal,three\n", dataset("a", column("b", "int64")))
    assert done.values == [("x", 1), ("y", 2)]
    assert [line for line, _ in done.set_aside()] == [4, 5]


def test_p3_blank_lines_are_passed_over_and_noted() -> None:
    done = at_every_chunk("\n\na,b\n\nx,1\n\n  \ny,2\r\n\r\n\n")
    assert done.values == [("x", "1"), ("y", "2")]
    assert done.lines == [5, 8]
    assert any("blank lines" in note for note in done.notes)


def test_p3_a_row_of_empty_values_is_a_record() -> None:
    assert at_every_chunk("a,b\n,\nx,1\n,\n").values == [(None, None), ("x", "1"), (None, None)]


def test_p3_one_column() -> None:
    done = at_every_chunk('a\nx\n\n"y"\n""\n"q\nr"\nz', dataset("a"))
    assert done.values == [("x",), ("y",), (None,), ("q\nr",), ("z",)]
    assert done.lines == [2, 4, 5, 6, 8]


# --- P4: headers


def test_p4_columns_are_found_by_name_never_by_position() -> None:
    assert curate(AB, "b,a\n1,x\n").values == [("x", "1")]


def test_p4_case_and_white_space_do_not_matter_but_an_exact_name_wins() -> None:
    spec = dataset(column("order_id", source="Order ID"), "b")
    assert curate(spec, "B , order  id\n1,x\n").values == [("x", "1")]
    assert curate(dataset("a", "b"), "A,a,b\nwrong,right,1\n").values[0][:2] == ("right", "1")


def test_p4_several_names_of_one_column() -> None:
    spec = dataset(column("country", source=["Country/Region", "Country_Region"]), "n")
    done = curate(spec, "Country/Region,n\nx,1\n", "n,Country_Region\n2,y\n")
    assert done.values == [("x", "1"), ("y", "2")]


def test_p4_duplicate_and_empty_headers_get_names() -> None:
    done = curate(AB, "a,b,b,,\nx,1,2,3,4\n")
    assert done.values == [("x", "1", "2", "3", "4")] or len(done.values[0]) == 5
    extra = [name for name in done.frame.columns if not name.startswith("_")][2:]
    assert sorted(extra) == ["b_2", "column_4", "column_5"]


def test_p4_ten_thousand_columns() -> None:
    names = [f"c{n}" for n in range(10_000)]
    done = curate(dataset("c7"), ",".join(names) + "\n" + ",".join(str(n) for n in range(10_000)) + "\n")
    assert done.frame.width == 10_000 + 3
    assert done.frame.select("c7", "c9999").rows() == [("7", "9999")]


def test_p4_names_of_a_header_do_not_depend_on_its_rows() -> None:
    done = at_every_chunk("b,,a,b,\n1,2,x,3,4\nb,,a,b,\n5,6,y,7,8\n")
    assert done.frame.select("a", "b", "b_2", "column_2", "column_5").rows() == [
        ("x", "1", "3", "2", "4"),
        ("y", "5", "7", "6", "8"),
    ]
    assert any("repeated header" in note for note in done.notes)


def test_p4_no_header_means_the_declared_order() -> None:
    spec = dataset("a", column("b", "int64"), format={"type": "csv", "header": False})
    done = at_every_chunk("\nx,1\ny,2\nz\n", spec)
    assert done.values == [("x", 1), ("y", 2)]
    assert done.lines == [2, 3]
    assert [line for line, _ in done.set_aside()] == [4]


@pytest.mark.parametrize("data", [b"a,\xff\nx,1\n", b'a,"b\nx,1\n', b"a,b\0\nx,1\n"])
def test_p4_a_header_that_cannot_be_read_makes_the_object_unreadable(data: bytes) -> None:
    assert curate(AB, data).outcomes[0].outcome == "unreadable"


# --- P5: columns come and go


def test_p5_unknown_columns_by_evolution_mode() -> None:
    data = "a,New Col,b\nx,9,1\n"
    evolved = curate(AB, data)
    assert evolved.frame.columns[:3] == ["a", "b", "new_col"]
    assert evolved.values == [("x", "1", "9")]
    assert any("New Col" in note for note in evolved.notes)
    discarded = curate(dataset("a", "b", evolution="discard"), data)
    assert discarded.values == [("x", "1")]
    assert any("New Col" in note for note in discarded.notes)
    assert "New Col" in curate(dataset("a", "b", evolution="freeze"), data).problem


def test_p5_missing_columns() -> None:
    done = curate(AB, "a\nx\n")
    assert done.values == [("x", None)]
    assert any("'b' is missing" in note for note in done.notes)
    required = curate(dataset("a", column("b", nullable=False)), "a\nx\n", "a,b\ny,2\n")
    assert required.values == [("y", "2")]
    assert "'b' is missing" in required.reasons()[0]


def test_p4_a_file_without_any_declared_column_is_not_taken_for_one_of_nulls() -> None:
    spec = dataset(column("a"), column("b", "int64"), primary_key=())
    done = curate(spec, "a,b\nx,1\n", "a;b\ny;2\nz;3\n", f"{'w' * 300}\nq\n")
    assert done.values == [("x", 1)]
    reasons = [one["reason"] for row in done.rejects["reasons"] for one in row]
    assert reasons[:2] == ["none of the declared columns is in the file, which has 'a;b'; see to its delimiter and header"] * 2
    assert "www…'; see to" in reasons[2]


def test_p5_two_schemas_in_one_batch() -> None:
    done = curate(AB, "a,b\nx,1\n", "a,c\ny,2\n", "c,b,a\n3,4,z\n")
    assert done.frame.select("a", "b", "c").rows() == [("x", "1", None), ("y", None, "2"), ("z", "4", "3")]


# --- any bytes at all

TOKENS = st.sampled_from([b"a", b"b", b",", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b" ", b"\0", b"\xff", b"\xc3\xa9", b"1"])
BODIES = st.lists(TOKENS, max_size=40).map(b"".join)


@settings(max_examples=150)
@given(body=BODIES, chunk=st.integers(1, 40))
@example(body=b'x,"1\r', chunk=1)
@example(body=b'"\r\n",1\n"', chunk=2)
def test_p2_the_same_rows_whatever_the_chunk_size(body: bytes, chunk: int) -> None:
    whole = all_of_it(curate(AB, b"a,b\n" + body))
    assert all_of_it(curate(AB, b"a,b\n" + body, csv_chunk=chunk)) == whole
    with exactly():
        assert all_of_it(curate(AB, b"a,b\n" + body)) == whole


@settings(max_examples=100)
@given(data=st.one_of(st.binary(max_size=200), BODIES))
def test_any_bytes_add_up(data: bytes) -> None:
    for kind in ("csv", "jsonl", "json", "parquet"):
        curate(dataset("a", "b", format={"type": kind}), data)


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(FIELD, FIELD).filter(lambda row: any(row) and row != ("a", "b")), max_size=8),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    chunk=st.integers(1, 60),
)
def test_what_a_csv_writer_wrote_comes_back(rows: list[tuple[str, str]], end: str, chunk: int) -> None:
    # The writer quotes line breaks only when they are its own.
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    file = io.StringIO()
    writer = csv.writer(file, quoting=quoting, lineterminator=end)
    writer.writerows([("a", "b"), *rows])
    spec = dataset(column("a", nulls=[]), column("b", nulls=[]))
    done = curate(spec, file.getvalue(), csv_chunk=chunk)
    assert done.values == rows
    assert done.rejects.is_empty()


def test_the_limit_of_a_quoted_record_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_csv, "MAX_QUOTED_BYTES", 24)
    for size in (14, 15, 16, 17, 18, 19, 22, 33):
        at_every_chunk(f'a,b\nx,"{"l" * size}\n{"m" * 4}"\ny,2\nz,"3\n3"\n')
        at_every_chunk(f'a,b\nx,"{"l" * size}"\ny,2\n"{"m" * size}\n')
