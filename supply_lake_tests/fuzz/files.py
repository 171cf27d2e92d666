"""Files that nobody should land, made from a seed: rows in some dialect and encoding, broken in some places, compressed somehow.

Every row has a marker, a word that no other row has, so that a row that is lost can be told.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from supply_lake_tests.curate.archives import zipped, zstd

ENCODINGS = ("utf-8",) * 6 + ("utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "ascii", "shift_jis", "utf-32-be")
DIALECTS: tuple[dict[str, Any], ...] = (
    *({},) * 6,
    {"delimiter": ";"},
    {"delimiter": "\t", "quote": ""},
    {"delimiter": "||"},
    {"delimiter": "+|", "record_end": "&|\n", "quote": ""},
    {"record_end": "\r\n"},
    {"record_end": ";\n", "quote": "'"},
    {"delimiter": "\x1f", "record_end": "\x1e", "quote": ""},
    {"delimiter": "¦"},
    {"escape": "\\"},
    {"delimiter": "\t", "escape": "\\", "quote": "", "null_values": ["\\N", ""]},
    {"delimiter": "||", "escape": "\\", "record_end": "~\n"},
    {"unquoted_newlines": True, "quote": ""},
    {"unquoted_newlines": True},
    {"comment": "#"},
    {"comment": "--", "skip_lines": 1, "footer": r"T\|(?P<rows>\d+).*"},
    {"footer": r"T\|(?P<rows>\d+).*"},
)
NUMBERS = ("0", "7", "-1", "007", "1.5", "12,5", "1.234,56", "(12.5)", "12%", "$5", "1e5", "NaN", "Infinity", "9" * 25, "9007199254740993", "-0", "+3", ".5", "1_0", "٣")  # fmt: skip
MOMENTS = ("2026-01-02", "03/04/2026", "13/04/2026", "2026-02-30", "0001-01-01", "9999-12-31T23:59:59", "2026-03-29T02:30:00", "2026-10-25 02:30:00", "2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:60", "-0044-03-15", "1/2/20", "24:00")  # fmt: skip
TEXTS = ("", " ", "x", "é", "NULL", "null", "a,b", 'say "hi"', "line\nbreak", "\r", "\t", "\u2028", "\U0001f600", "#", "\\", "\\N", "T|1", "&|", "||", "[1,2]", '{"a":1}', "true", "No", "\ufeff", "'", "¦", "\x1f", "x" * 300)  # fmt: skip
INSERTS = (b"", b",", b";", b'"', b'""', b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\\", b"#", b"[", b"]", b"{", b"}", b":", b"null", b"\\ud800", b"9" * 40, b"9" * 4400, b"[" * 300, b"\t", b"&|\n", b"||", b"T|3\n", b" ")  # fmt: skip


@dataclass
class Made:
    """A file, and what is known of it: its bytes before compression (none when that was broken), and its rows when it is sound."""

    data: bytes
    plain: bytes
    rows: int | None


def value(random: Random) -> str:
    kind = random.random()
    if kind < 0.3:
        return random.choice(NUMBERS)
    if kind < 0.5:
        return random.choice(MOMENTS)
    if kind < 0.8:
        return random.choice(TEXTS)
    return "".join(
        chr(random.choice((random.randrange(32, 127), random.randrange(160, 0x2FF)))) for _ in range(random.randrange(9))
    )


def marker(random: Random, number: int) -> str:
    return f"mk{number:05d}{random.randrange(10**6):06d}km"


# --- delimited text


def delimited(random: Random, form: dict[str, Any], names: list[str], count: int) -> tuple[str, int]:
    """Text in the dialect, and how many records it has: values that it cannot hold are left out."""
    delimiter, end = form.get("delimiter", ","), form.get("record_end") or random.choice(("\n", "\n", "\r\n", "\r"))
    rows = [[marker(random, at), *(value(random) for _ in names[1:])] for at in range(count)]
    lines = [delimiter.join(_written(one, form, end, random) for one in row) for row in rows]
    if form.get("comment") and random.random() < 0.5:
        lines.insert(random.randrange(len(lines) + 1), f"{form['comment']} a comment")
    header = [delimiter.join(names)] if form.get("header", True) else []
    if form.get("header", True) and random.random() < 0.1:
        lines.insert(random.randrange(len(lines) + 1), header[0])
    text = "preamble\n" * form.get("skip_lines", 0) + "".join(line + end for line in [*header, *lines])
    if form.get("footer"):
        text += f"T|{count}\n"
    return text, count


def _written(text: str, form: dict[str, Any], end: str, random: Random) -> str:
    quote, escape, delimiter = form.get("quote", '"'), form.get("escape", ""), form.get("delimiter", ",")
    special = {delimiter[0], delimiter[-1], end[0], end[-1], "\n", "\r", quote, escape} - {""}
    if not any(char in text for char in special) and random.random() < 0.7:
        return text
    if escape:
        return "".join(escape + char if char in special and char not in "\r" else char for char in text.replace("\r", ""))
    if quote:
        return quote + text.replace(quote, quote * 2) + quote
    return "".join(char for char in text if char not in special)


# --- JSON


def records(random: Random, names: list[str], count: int) -> list[dict[str, Any]]:
    return [
        {names[0]: marker(random, at), **{name: json_value(random, 0) for name in names[1:] if random.random() < 0.9}}
        for at in range(count)
    ]


def json_value(random: Random, depth: int) -> Any:
    kind = random.random()
    if kind < 0.12 and depth < 3:
        return [json_value(random, depth + 1) for _ in range(random.randrange(3))]
    if kind < 0.24 and depth < 3:
        return {random.choice("abcxy"): json_value(random, depth + 1) for _ in range(random.randrange(3))}
    if kind < 0.5:
        return random.choice((None, True, False, 0, -1, 2**53 + 1, 2**64, 1.5, 1e-7, 1e22, 12345678901234567890))
    return value(random)


def as_lines(rows: list[dict[str, Any]], random: Random) -> str:
    end = random.choice(("\n", "\r\n"))
    return "".join(json.dumps(row, ensure_ascii=random.random() < 0.5) + end for row in rows)


def as_document(rows: list[dict[str, Any]], random: Random, path: str) -> str:
    document: Any = rows
    for name in reversed(path.split(".") if path else []):
        document = {name: document, **({"n": len(rows)} if random.random() < 0.8 else {})}
    return json.dumps(document, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, 1)))


# --- Parquet


def parquet(random: Random, names: list[str], count: int) -> bytes:
    """A table of columns of any type."""
    columns: dict[str, Any] = {names[0]: pa.array([marker(random, at) for at in range(count)])}
    for name in names[1:]:
        columns[name] = _column(random, count)
    file = io.BytesIO()
    pq.write_table(
        pa.table(columns),
        file,
        compression=random.choice(("none", "snappy", "zstd", "gzip", "lz4")),
        use_dictionary=random.random() < 0.5,
        write_page_checksum=random.random() < 0.5,
        row_group_size=random.choice((3, 1000)),
        data_page_version=random.choice(("1.0", "2.0")),
        write_statistics=random.random() < 0.5,
    )
    return file.getvalue()


def _column(random: Random, count: int) -> pa.Array:
    whole = [random.choice((None, 0, 1, -(2**31), 2**31 - 1, random.randrange(-(10**6), 10**6))) for _ in range(count)]
    texts = [random.choice((None, value(random))) for _ in range(count)]
    made: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array(whole, pa.int32()),
        lambda: pa.array(whole, pa.int64()),
        lambda: pa.array([None if one is None else one * 0.1 for one in whole], pa.float64()),
        lambda: pa.array([random.choice((None, float("nan"), float("inf"), 1.5)) for _ in whole], pa.float32()),
        lambda: pa.array(texts, pa.string()),
        lambda: pa.array(texts, pa.large_string()),
        lambda: pa.array(["", *texts], pa.string()).dictionary_encode()[1:],
        lambda: pa.array([None if one is None else one.encode() for one in texts], pa.binary()),
        lambda: pa.array(whole, pa.date32()),
        lambda: pa.array(whole, pa.timestamp(random.choice(("s", "ms", "us", "ns")))),
        lambda: pa.array(whole, pa.timestamp("us", "Europe/Paris")),
        lambda: pa.array([None if one is None else abs(one) % 86_400 for one in whole], pa.time32("s")),
        lambda: pa.array(whole, pa.duration("ms")),
        lambda: pa.array(whole, pa.int64()).cast(pa.decimal128(20, 0)),
        lambda: pa.array([[one, None] for one in whole], pa.list_(pa.int64())),
        lambda: pa.array([{"a": one, "b": text} for one, text in zip(whole, texts, strict=True)]),
        lambda: pa.array([[("k", one)] for one in whole], pa.map_(pa.string(), pa.int64())),
        lambda: pa.array([one is not None for one in whole]),
        lambda: pa.nulls(count),
    )
    return random.choice(made)()


def rows_of(data: bytes) -> int:
    """Rows of a sound Parquet file."""
    return pl.read_parquet(io.BytesIO(data), columns=[0]).height


# --- breaking and wrapping


def broken(random: Random, data: bytes, other: bytes = b"") -> bytes:
    """The bytes with a few things done to them."""
    for _ in range(random.choice((1, 1, 2, 3, 8))):
        data = random.choice(_BREAKS)(random, data, other)
    return data


def _place(random: Random, data: bytes) -> int:
    return random.choice((0, len(data), random.randrange(len(data) + 1)))


def _insert(random: Random, data: bytes, other: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + random.choice(INSERTS) * random.choice((1, 1, 2)) + data[at:]


def _delete(random: Random, data: bytes, other: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + data[at + random.choice((1, 1, 2, 10, 100)) :]


def _flip(random: Random, data: bytes, other: bytes) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :]


def _set(random: Random, data: bytes, other: bytes) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([random.randrange(256)]) + data[at + 1 :]


def _cut(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(random, data)]


def _repeat(random: Random, data: bytes, other: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    part = data[at : at + random.choice((1, 7, 60))]
    return data[:at] + part * random.choice((2, 3, 50)) + data[at:]


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _swap(random: Random, data: bytes, other: bytes) -> bytes:
    lines = data.split(b"\n")
    random.shuffle(lines)
    return b"\n".join(lines)


_BREAKS = (_insert, _insert, _insert, _delete, _flip, _set, _cut, _repeat, _splice, _swap)


def wrapped(random: Random, data: bytes) -> tuple[bytes, bool]:
    """The bytes compressed somehow, and whether they are sound."""
    kind = random.random()
    if kind < 0.5:
        return data, True
    ways: tuple[Callable[[bytes], bytes], ...] = (
        gzip.compress,
        zstd,
        bz2.compress,
        lzma.compress,
        lambda plain: gzip.compress(plain[:7]) + gzip.compress(plain[7:]),
        lambda plain: zipped({"one.csv": plain}, random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))),
        lambda plain: zipped({"one.csv.gz": gzip.compress(plain), "__MACOSX/._one.csv": b"\0"}),
    )
    packed = random.choice(ways)(data)
    return (packed, True) if kind < 0.85 else (broken(random, packed, packed), False)
