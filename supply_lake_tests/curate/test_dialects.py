"""Dialects: signs of several characters, escapes, line breaks without quotes, preamble, comments, footers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from supply_lake.curate import exact_csv, margins
from supply_lake_tests.curate.curation import all_of_it, at_every_chunk, column, curate, dataset, exactly

DIALECTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "two characters": {"delimiter": "||"},
    "two characters, no quotes": {"delimiter": "+|", "quote": ""},
    "overlapping": {"delimiter": "aa"},
    "record end": {"delimiter": "+|", "record_end": "&|\n", "quote": ""},
    "record end, quotes": {"record_end": ";\n"},
    "record end is CRLF": {"record_end": "\r\n"},
    "record end is LF": {"record_end": "\n", "quote": ""},
    "record end is CR": {"record_end": "\r"},
    "no line breaks at all": {"delimiter": "\x1f", "record_end": "\x1e", "quote": ""},
    "no ASCII": {"delimiter": "¦", "quote": "“"},
    "escape": {"escape": "\\"},
    "escape, no quotes": {"delimiter": "\t", "escape": "\\", "quote": ""},
    "escape, two characters": {"delimiter": "||", "escape": "\\"},
    "escape and record end": {"escape": "\\", "record_end": ";\n", "quote": "'"},
    "joined lines": {"unquoted_newlines": True, "quote": ""},
    "joined lines with quotes": {"unquoted_newlines": True},
    "comments": {"comment": "#"},
    "comments and record end": {"comment": "#", "record_end": ";\n"},
    "footer": {"footer": "T.*"},
    "all of it": {"delimiter": "||", "comment": "--", "skip_lines": 2, "footer": "T.*", "escape": "\\"},
}


def of(form: dict[str, Any], *columns: Any, **fields: Any) -> Any:
    return dataset(*(columns or ("a", "b")), format={"type": "csv", **form}, error_threshold=1.0, **fields)


# --- P2: signs


def test_p2_a_delimiter_of_several_characters() -> None:
    done = at_every_chunk('a||b\nx|y||1\n"x||y"||"2"\n|||3\nz||"4\n5"\n', of({"delimiter": "||"}))
    assert done.values == [("x|y", "1"), ("x||y", "2"), (None, "|3"), ("z", "4\n5")]
    assert done.lines == [2, 3, 4, 5]


def test_p2_records_that_end_with_a_sign_of_their_own_hold_line_breaks() -> None:
    form = {"delimiter": "+|", "record_end": "&|\n", "quote": "", "header": False}
    done = at_every_chunk("1+|<x>\r\n  <y/>\n</x>&|\n2+|&|\n3&|\n\n4+|a&b|c+d&|\n", of(form))
    assert done.values == [("1", "<x>\r\n  <y/>\n</x>"), ("2", None), ("\n4", "a&b|c+d")]
    assert done.lines == [1, 4, 6]
    assert done.set_aside() == [(5, [(None, None)])]


def test_p2_a_lone_line_feed_is_text_where_records_end_with_crlf() -> None:
    done = at_every_chunk('a,b\r\nx,one\ntwo\r\n"y\r\nz",3', of({"record_end": "\r\n"}))
    assert done.values == [("x", "one\ntwo"), ("y\r\nz", "3")]
    assert done.lines == [2, 4]


def test_p2_no_final_record_end_and_blank_lines_after_the_last() -> None:
    form = {"record_end": "&|\n", "delimiter": "+|", "quote": ""}
    assert at_every_chunk("a+|b&|\nx+|1", of(form)).values == [("x", "1")]
    assert at_every_chunk("a+|b&|\nx+|1&|\n\n\n", of(form)).values == [("x", "1")]


def test_p2_delimiters_and_quotes_beyond_ascii() -> None:
    assert at_every_chunk("a¦b\n“x¦y“¦é\n", of({"delimiter": "¦", "quote": "“"})).values == [("x¦y", "é")]


def test_p2_an_escape_makes_the_next_character_text() -> None:
    data = 'a,b\nx\\,y,1\n"say \\"hi\\"",2\nback\\\\slash,3\n"doubled ""too""",4\n'
    done = at_every_chunk(data, of({"escape": "\\"}))
    assert done.values == [("x,y", "1"), ('say "hi"', "2"), ("back\\slash", "3"), ('doubled "too"', "4")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_p2_an_escaped_line_break_is_text(end: str) -> None:
    done = at_every_chunk(end.join(["a,b", "x\\", "y,1", "z,2", ""]), of({"escape": "\\", "quote": ""}))
    assert done.values == [(f"x{end}y", "1"), ("z", "2")]
    assert done.lines == [2, 4]


def test_p7_an_escaped_n_is_null_when_declared_and_stays_what_it_is_when_not() -> None:
    form = {"escape": "\\", "delimiter": "\t", "quote": ""}
    assert at_every_chunk("a\tb\n\\N\t\\\\N\n", of(form)).values == [("\\N", "\\N")]
    null = {**form, "null_values": ["\\N"]}
    assert at_every_chunk("a\tb\n\\N\tx\n\tN\n", of(null)).values == [(None, "x"), ("", "N")]


def test_p2_an_escape_at_the_very_end_costs_one_line() -> None:
    done = at_every_chunk("a,b\nx,1\ny,2\\", of({"escape": "\\"}))
    assert done.values == [("x", "1")]
    assert done.set_aside() == [(3, [(None, None)])]


def test_p2_every_control_character_in_a_file_leaves_no_stand_in_and_changes_nothing() -> None:
    every = "".join(map(chr, [*range(1, 9), 11, 12, *range(14, 32), 127]))
    done = at_every_chunk(f"a||b\n{every}||1\n", of({"delimiter": "||"}))
    assert done.values == [(every, "1")]


# --- P2: line breaks without quotes


JOINED = of({"unquoted_newlines": True, "quote": ""}, "a", "b", "c")


def test_p2_lines_are_joined_until_a_record_has_its_fields() -> None:
    done = at_every_chunk("a,b,c\nx,one\ntwo\r\n\nthree,1\ny,m,2\n\nz\nw,n,3", JOINED)
    assert done.values == [("x", "one\ntwo\r\n\nthree", "1"), ("y", "m", "2"), ("z\nw", "n", "3")]
    assert done.lines == [2, 6, 8]


def test_p2_a_line_that_does_not_fit_begins_a_record_of_its_own() -> None:
    done = at_every_chunk("a,b,c\nx,1\ny,2,3\nz,1,2,3\nw,1,2\nv\n", JOINED)
    assert done.values == [("y", "2", "3"), ("w", "1", "2")]
    assert [line for line, _ in done.set_aside()] == [2, 4, 6]
    assert done.raws() == ["x,1", "z,1,2,3", "v"]


def test_p2_lines_are_not_joined_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_csv, "MAX_QUOTED_BYTES", 24)
    done = at_every_chunk("a,b,c\n" + "no end\n" * 9 + "x,1,2\n", JOINED)
    assert done.values[-1][-1] == "2"
    assert done.rows.rejected == 3
    assert done.reasons() == ["1 fields where the header has 3"] * 3


def test_p2_a_broken_line_is_not_joined() -> None:
    done = at_every_chunk(b"a,b,c\nx,1\n\xff,2\ny,2,3\nz,1\n\0,2\nw,2,3\n", JOINED)
    assert done.values == [("y", "2", "3"), ("w", "2", "3")]
    assert [line for line, _ in done.set_aside()] == [2, 3, 5, 6]


def test_p2_joined_lines_of_a_file_without_header() -> None:
    spec = of({"unquoted_newlines": True, "quote": "", "delimiter": "\t", "header": False}, "a", "b", "c")
    assert at_every_chunk("1\tone\ntwo\t3\n2\t\t4\n", spec).values == [("1", "one\ntwo", "3"), ("2", None, "4")]


# --- P3: preamble, comments, footers


def test_p3_a_preamble_is_passed_over_whatever_it_holds() -> None:
    done = at_every_chunk(b'Export "of\xff\r\nall,the things\ra,b\nx,1\n', of({"skip_lines": 2}))
    assert done.values == [("x", "1")]
    assert done.lines == [4]
    assert "preamble lines were passed over (2 times)" in done.notes


def test_p3_a_preamble_before_the_first_record_of_a_file_without_header() -> None:
    done = at_every_chunk("HDR|2026\nx,1\n", of({"skip_lines": 1, "header": False}))
    assert done.values == [("x", "1")]
    assert done.lines == [2]


def test_p3_comments_are_passed_over_where_a_record_would_begin() -> None:
    data = '# one, "\n\n#two\na,b\nx,"1\n#no comment"\n# it\'s "\ny,#2\n#\n'
    done = at_every_chunk(data, of({"comment": "#"}))
    assert done.values == [("x", "1\n#no comment"), ("y", "#2")]
    assert done.lines == [5, 8]
    assert "comment lines were passed over (4 times)" in done.notes


def test_p3_footer_lines_are_told_at_the_end_only() -> None:
    data = "a,b\nTotal,1\nx,1\nTotal,2\n\nEnd of file\n\n"
    done = at_every_chunk(data, of({"footer": "Total.*|End of file"}))
    assert done.values == [("Total", "1"), ("x", "1")]
    assert "footer lines were passed over (2 times)" in done.notes


def test_p3_a_footer_matches_whole_lines_and_none_is_no_fault() -> None:
    assert at_every_chunk("a,b\nx,1\nTotal,2", of({"footer": "Total"})).values == [("x", "1"), ("Total", "2")]
    assert at_every_chunk("a,b\r\nx,1\r\nTotal\r\n", of({"footer": "Total"})).values == [("x", "1")]


def test_p3_how_far_a_footer_is_looked_for_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(margins, "FOOTER_BYTES", 20)
    for rows in range(12):
        done = at_every_chunk("a,b\n" + "T,1\n" * rows, of({"footer": "T.*"}))
        assert len(done.values) == max(rows - 5, 0) + (rows >= 5)


def test_p3_a_file_without_records_between_its_margins_is_empty() -> None:
    form = {"skip_lines": 1, "comment": "#", "footer": "T.*"}
    for data in ("pre\n", "pre", "pre\n#\n", "pre\nT", "pre\na,b\nT", "pre\na,b\n#\n\nT\n"):
        done = at_every_chunk(data, of(form))
        assert [(one.outcome, one.reason) for one in done.outcomes] == [("empty", "header only")], data


def test_o4_an_escaped_space_is_white_space() -> None:
    done = at_every_chunk("\\ \n", of({"escape": "\\"}))
    assert (done.outcomes[0].outcome, done.outcomes[0].reason) == ("empty", "whitespace only")
    assert at_every_chunk("\\ \na,b\nx,1\n", of({"escape": "\\"})).values == [("x", "1")]


def test_p3_a_row_of_tabs_is_a_record_and_no_blank_line() -> None:
    done = at_every_chunk("\t\nx\t1\n", of({"delimiter": "\t", "header": False}))
    assert done.values == [(None, None), ("x", "1")]


def test_p3_more_blank_lines_than_a_buffer_holds_before_the_header() -> None:
    done = curate(of({}), b"\n" * 300_000 + b"a,b\nx,1\n", csv_chunk=4096)
    assert done.values == [("x", "1")]
    assert done.lines == [300_002]


def test_p4_a_header_longer_than_a_buffer() -> None:
    name = "n" * 200_000
    assert curate(dataset(column("a", source=name), "b"), f"{name},b\nx,1\n", csv_chunk=64 * 1024).values == [("x", "1")]


# --- whatever comes


def tokens(form: dict[str, Any]) -> Any:
    """Bytes that matter in a dialect, likelier than others."""
    signs = [form.get(name) or "" for name in ("delimiter", "record_end", "quote", "escape", "comment")]
    signs = [one.encode() for one in (*signs, ",", '"') if one]
    parts = [part for sign in signs for part in (sign, sign, sign[:1], sign[-1:])]
    return st.sampled_from(
        [*parts, b"a", b"b", b"\n", b"\n", b"\r\n", b"\r", b" ", b"\0", b"\xff", b"\xc3\xa9", b"T", b"N", b"1"]
    )


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(list(DIALECTS)), data=st.data())
def test_p2_the_same_rows_whatever_the_chunk_size_and_the_parser_in_every_dialect(name: str, data: Any) -> None:
    form = DIALECTS[name]
    header = f"a{form.get('delimiter', ',')}b{form.get('record_end') or chr(10)}"
    body = b"".join(data.draw(st.lists(tokens(form), max_size=30), label="body"))
    spec, text = of(form), b"1\n2\n" * (form.get("skip_lines", 0) // 2) + header.encode() + body
    whole = all_of_it(curate(spec, text))
    assert all_of_it(curate(spec, text, csv_chunk=data.draw(st.integers(1, 40), label="chunk"))) == whole
    with exactly():
        assert all_of_it(curate(spec, text)) == whole


FIELD = st.text(st.sampled_from("ab,|+&;'\"\\\n\r\té¦“ N#"), max_size=6)
ROWS = st.lists(st.tuples(FIELD, FIELD), max_size=6)


def written(rows: list[tuple[str, str]], form: dict[str, Any]) -> str:
    """The rows in a dialect that can hold them."""
    delimiter, end = form.get("delimiter", ","), form.get("record_end") or "\n"
    quote, escape = form.get("quote", '"'), form.get("escape", "")

    def value(text: str) -> str:
        if escape:
            special = {escape, quote, delimiter[0], end[0], "\n", "\r"} - {""}
            return "".join(escape + char if char in special else char for char in text)
        return quote + text.replace(quote, quote * 2) + quote if quote else text

    return "".join(delimiter.join(map(value, row)) + end for row in [("a", "b"), *rows])


WRITABLE = [name for name in DIALECTS if "joined" not in name and name not in ("footer", "all of it")]


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(WRITABLE), rows=ROWS, chunk=st.integers(1, 60))
@example(name="escape, two characters", rows=[("|", "|"), ("\n", "\r")], chunk=1)
def test_what_a_writer_of_the_dialect_wrote_comes_back(name: str, rows: list[tuple[str, str]], chunk: int) -> None:
    form = DIALECTS[name]
    if not form.get("quote", '"'):  # values that such a dialect cannot hold
        signs = [form.get("delimiter", ","), form.get("record_end") or "\n", "\r" if not form.get("record_end") else "\0"]
        rows = [row for row in rows if form.get("escape") or not any(char in "".join(row) for sign in signs for char in sign)]
    rows = [row for row in rows if row != ("a", "b") and not (form.get("escape") and any("N" in one for one in row))]
    if form.get("comment") or form.get("record_end") or not form.get("quote", '"'):
        rows = [row for row in rows if not row[0].startswith("#")]
    if form.get("escape") and not form.get("record_end"):  # an escaped CR before an LF is an escaped CRLF
        rows = [row for row in rows if not row[1].endswith("\r")]
    spec = of(form, column("a", nulls=[]), column("b", nulls=[]))
    done = curate(spec, written(rows, form), csv_chunk=chunk)
    assert done.values == rows
    assert done.rejects.is_empty()
