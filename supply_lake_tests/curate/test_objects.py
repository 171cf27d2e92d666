"""Whole objects: empty, compressed, corrupt, gone."""

from __future__ import annotations

import bz2
import datetime as dt
import errno
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supply_lake.curate import source, stage
from supply_lake.errors import ObjectChanged, ObjectGone, StoreUnavailable
from supply_lake_tests.curate.archives import zipped, zstd
from supply_lake_tests.curate.curation import Curated, column, curate, dataset

CSV = dataset("a", column("n", "int64"))
TEXT = "a,n\nx,1\ny,2\n"
GOOD = [("x", 1), ("y", 2)]


def only_unreadable(done: Curated, word: str) -> None:
    assert (done.rows.landed, done.rows.rejected, done.rows.published) == (1, 1, 0)
    assert done.outcomes[0].outcome == "unreadable"
    assert word in done.outcomes[0].reason
    assert done.set_aside() == [(None, [(None, None)])]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (gzip.compress(b"", mtime=0), "zero bytes"),
        (b"a,n\n", "header only"),
        (b"a,n", "header only"),
        (b"a,n\n\n\r\n", "header only"),
        (b" \n\t\r\n  ", "whitespace only"),
        (b"\n", "whitespace only"),
        (b"\xef\xbb\xbf", "whitespace only"),
    ],
)
def test_o4_csv_without_records_has_an_outcome_of_its_own(data: bytes, reason: str) -> None:
    done = curate(CSV, data)
    assert (done.outcomes[0].outcome, done.outcomes[0].reason) == ("empty", reason)
    assert done.rows.landed == 0


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "zero bytes"), (b" \n\t\n", "whitespace only"), (b"\xef\xbb\xbf", "whitespace only")]
)
def test_o4_csv_without_header_and_records_has_an_outcome_of_its_own(data: bytes, reason: str) -> None:
    done = curate(dataset("a", "b", format={"type": "csv", "header": False}), data)
    assert (done.outcomes[0].outcome, done.outcomes[0].reason) == ("empty", reason)


@pytest.mark.parametrize(
    ("kind", "data", "reason"),
    [
        ("jsonl", b"", "zero bytes"),
        ("jsonl", b"\n \n", "whitespace only"),
        ("json", b"", "zero bytes"),
        ("json", b" \n", "whitespace only"),
        ("json", b"[]", "header only"),
        ("parquet", b"", "zero bytes"),
    ],
)
def test_o4_other_formats_without_records(kind: str, data: bytes, reason: str) -> None:
    done = curate(dataset("a", format={"type": kind}), data)
    assert (done.outcomes[0].outcome, done.outcomes[0].reason) == ("empty", reason)


def test_o4_an_empty_file_beside_a_full_one_changes_nothing() -> None:
    done = curate(CSV, "", TEXT, "a,n\n")
    assert done.values == GOOD
    assert [one.outcome for one in done.outcomes] == ["empty", "read", "empty"]


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(TEXT.encode()),
        gzip.compress(TEXT[:5].encode()) + gzip.compress(TEXT[5:].encode()),
        gzip.compress(TEXT.encode()) + b"\0" * 512,
        zstd(TEXT.encode()),
        zstd(TEXT[:5].encode()) + zstd(TEXT[5:].encode()),
        bz2.compress(TEXT.encode()),
        bz2.compress(TEXT[:5].encode()) + bz2.compress(TEXT[5:].encode()),
        lzma.compress(TEXT.encode()),
        lzma.compress(TEXT[:5].encode()) + lzma.compress(TEXT[5:].encode()),
    ],
    ids=[
        "gzip", "multi-member gzip", "padded gzip", "zstd", "two zstd frames", "bzip2", "two bzip2 streams", "xz", "two xz streams",
    ],
)  # fmt: skip
def test_o5_compression_is_told_by_the_bytes(data: bytes) -> None:
    assert curate(CSV, data).values == GOOD


@pytest.mark.parametrize("cut", [3, 12, -9, -5, -1])
def test_o5_truncated_gzip_is_set_aside_whole(cut: int) -> None:
    only_unreadable(curate(CSV, gzip.compress(TEXT.encode() * 500)[:cut]), "truncated")


@pytest.mark.parametrize("cut", [6, 20, -5, -1])
def test_o5_truncated_zstd_is_set_aside_whole(cut: int) -> None:
    only_unreadable(curate(CSV, zstd(bytes(range(32, 127)) * 500)[:cut]), "truncated")


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_m5_a_disk_that_fails_under_compressed_data_is_not_taken_for_corrupt_data(compress: Callable[[bytes], bytes]) -> None:
    class Failing(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            if self.tell():
                raise OSError(errno.EIO, "Input/output error")
            return super().readinto(memoryview(buffer)[:400])

    rows = b"".join(os.urandom(8).hex().encode() + b",1\n" for _ in range(1_000))
    with pytest.raises(OSError, match="Input/output error"):
        curate(CSV, lambda: Failing(compress(b"a,n\n" + rows)))


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_o5_truncated_or_corrupt_bzip2_and_xz_are_set_aside_whole(compress: Any) -> None:
    data = compress(bytes(range(32, 127)) * 500)
    for broken in (data[:40], data[:-1], data + b"rubbish", data[:60] + b"\xff" + data[61:]):
        only_unreadable(curate(CSV, broken), "truncated or corrupt")


def test_o5_a_text_that_begins_as_a_compression_does_is_a_text() -> None:
    assert curate(dataset(column("a", source="BZh1")), "BZh1\nx\n").values == [("x",)]


def test_o5_other_archives_are_told_and_refused() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("one.csv"))
    only_unreadable(curate(CSV, file.getvalue()), "tar archive")
    only_unreadable(curate(CSV, gzip.compress(file.getvalue())), "tar archive")
    only_unreadable(curate(CSV, b"7z\xbc\xaf\x27\x1c" + bytes(60)), "7z archive")
    only_unreadable(curate(CSV, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60)), "Office document")
    only_unreadable(curate(CSV, zipped({"[Content_Types].xml": "<x/>", "xl/workbook.xml": "<x/>"})), "Office document")


def test_o5_a_decompression_bomb_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BOMB_FLOOR", 1_000_000)
    bomb = f"a,n\n{'x,1' + chr(10)}".encode() + b"x,1\n" * 1_000_000
    for data in (gzip.compress(bomb), zstd(bomb), bz2.compress(bomb), lzma.compress(bomb), zipped({"a.csv": bomb})):
        only_unreadable(curate(CSV, data, csv_chunk=65536), "decompression bomb")
    halves = zipped({f"{at}.csv": bomb[:400_000] for at in range(4)})
    only_unreadable(curate(CSV, halves), "decompression bomb")
    assert curate(CSV, bomb[:1_500_000]).rows.landed > 300_000


def test_o5_corrupt_compression_is_set_aside_whole() -> None:
    data = bytearray(gzip.compress(TEXT.encode() * 500))
    data[-6] ^= 0xFF
    only_unreadable(curate(CSV, bytes(data)), "corrupt")
    only_unreadable(curate(CSV, gzip.compress(TEXT.encode()) + b"trailing rubbish"), "corrupt")


def test_o5_what_was_read_before_the_break_counts_for_nothing() -> None:
    rows = "".join(f"k{n},{n}\n" for n in range(60_000))
    broken = gzip.compress(f"a,n\n{rows}".encode())[:-20]
    done = curate(CSV, broken, TEXT, csv_chunk=4096)
    assert done.values == GOOD
    assert done.by_source["0.dat"].landed == done.by_source["0.dat"].rejected == 1


def test_o5_a_broken_neighbour_does_not_change_who_is_delivered_last() -> None:
    spec = dataset("a", column("n", "int64"), primary_key="a")
    broken = gzip.compress(b"a,n\nx,5\n" * 50)[:-4]
    done = curate(spec, "a,n\nx,1\n", broken, "a,n\nx,2\n", "a,n\nx,3\n")
    assert done.values == [("x", 3)]


def test_o5_a_break_midway_does_not_change_who_is_delivered_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "GROUP_PIECES", 2)
    spec = dataset("a", "b", primary_key="a")
    rows = "".join(f"y{n},{'z' * 1000}\n" for n in range(9_000))
    broken = _Breaking(f"a,b\n{rows}".encode(), ObjectChanged("other bytes"))
    done = curate(spec, "a,b\nx,1\n", lambda: broken, "a,b\nx,2\n", "a,b\nx,3\n")
    assert done.values == [("x", "3")]
    done = curate(spec, "a,b\nx,1\n", lambda: _Breaking(f"a,b\n{rows}".encode(), ObjectChanged("other bytes")), "a,b\nx,2\n")
    assert done.values == [("x", "2")]


# --- zip archives


def lineage(done: Curated) -> list[tuple[Any, ...]]:
    return done.frame.select("a", "_source", "_line").rows()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_o5_every_member_of_a_zip_is_read_and_every_record_says_which_it_comes_from(method: int) -> None:
    data = zipped({"in/one.csv": TEXT, "two.csv": "n,a\n3,z\nbad,w\n"}, method)
    done = curate(CSV, data, TEXT)
    assert lineage(done) == [
        ("x", "0.dat!/in/one.csv", 2),
        ("y", "0.dat!/in/one.csv", 3),
        ("z", "0.dat!/two.csv", 2),
        ("x", "1.dat", 2),
        ("y", "1.dat", 3),
    ]
    assert done.rejects.select("source", "line").rows() == [("0.dat!/two.csv", 3)]
    assert [(one.key, one.landed, one.rejected) for one in done.outcomes] == [("0.dat", 4, 1), ("1.dat", 2, 0)]
    assert done.by_source["0.dat"].published == 3


def test_o5_members_are_chosen_by_their_paths_and_the_others_counted() -> None:
    data = zipped(
        {"data/one.csv": TEXT, "readme.txt": "Hello", "__MACOSX/data/._one.csv": "\0", "data/.DS_Store": "\0", "e/": ""}
    )
    done = curate(dataset("a", column("n", "int64"), format={"type": "csv", "members": "data/*"}), data)
    assert done.values == GOOD
    assert any("members of archives were passed over" in note and "3 times" in note for note in done.notes)
    only_unreadable(curate(dataset("a", format={"type": "csv", "members": "*.tsv"}), data), "has no member '*.tsv'")


def test_o5_members_may_be_compressed_themselves_and_of_any_format() -> None:
    assert (
        curate(CSV, zipped({"one.csv.gz": gzip.compress(TEXT.encode()), "two.csv.zst": zstd(TEXT.encode())})).values == GOOD * 2
    )
    assert curate(PARQUET, zipped({"one.parquet": parquet()})).rows.published == 800
    lines = dataset("a", format={"type": "jsonl"})
    assert curate(lines, zipped({"1": '{"a":"x"}\n', "2": '{"a":"y"}\n'})).values == [("x",), ("y",)]
    assert curate(dataset("a", format={"type": "json"}), zipped({"1": '[{"a":"x"}]', "2": "[]"})).values == [("x",)]


def test_o5_members_of_one_name_are_told_apart() -> None:
    data = zipped({"a.csv": "a,n\nx,1\n", "b.csv": "a,n\ny,2\n"}).replace(b"b.csv", b"a.csv")
    assert lineage(curate(CSV, data)) == [("x", "0.dat!/a.csv", 2), ("y", "0.dat!/a.csv (2)", 2)]


def test_o5_the_later_member_wins_among_equals_and_says_so() -> None:
    spec = dataset("a", column("n", "int64"), primary_key="a")
    done = curate(spec, zipped({"1.csv": "a,n\nx,1\n", "2.csv": "a,n\nx,2\n"}))
    assert done.values == [("x", 2)]
    assert done.reasons("deduplicated") == ["same key as line 2 of 0.dat!/2.csv, which stays"]
    assert done.by_source["0.dat"].deduplicated == 1


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "an archive without members"),
        ({"folder/": ""}, "an archive without members"),
        ({"a.csv": "", "b.csv": ""}, "zero bytes"),
        ({"a.csv": "a,n\n"}, "header only"),
    ],
)
def test_o4_archives_without_records_have_an_outcome_of_their_own(members: Any, reason: str) -> None:
    done = curate(CSV, zipped(members))
    assert (done.outcomes[0].outcome, done.outcomes[0].reason) == ("empty", reason)


def encrypted(data: bytes) -> bytes:
    """The archive with the flag of encryption set, in both of its places."""
    out = bytearray(data)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        out[data.index(magic) + at] |= 1
    return bytes(out)


def test_o5_an_archive_with_a_member_that_cannot_be_read_is_set_aside_whole() -> None:
    whole = zipped({"one.csv": TEXT * 50, "two.csv": TEXT * 50})
    only_unreadable(curate(CSV, encrypted(whole)), "its member 'one.csv' is encrypted")
    only_unreadable(curate(CSV, zipped({"one.csv": TEXT, "in.zip": whole})), "its member 'in.zip' is a zip archive itself")
    broken = bytearray(whole)
    broken[whole.rindex(b"two.csv", 0, whole.index(b"PK\x01\x02")) + 12] ^= 0xFF
    only_unreadable(curate(CSV, bytes(broken)), "its member 'two.csv' is truncated or corrupt")
    only_unreadable(
        curate(CSV, zipped({"one.csv": TEXT, "two.csv.gz": gzip.compress(TEXT.encode())[:-3]})), "its member 'two.csv.gz'"
    )
    for cut in (10, 60, -1, -30):
        only_unreadable(curate(CSV, whole[:cut]), "truncated or corrupt")


def test_o5_a_checksum_of_a_member_that_does_not_fit_is_seen() -> None:
    whole = zipped({"one.csv": TEXT})
    crc = struct.pack("<I", zlib.crc32(TEXT.encode()))
    only_unreadable(curate(CSV, whole.replace(crc, b"\0\0\0\0")), "its member 'one.csv' is truncated or corrupt")


def test_o5_an_archive_spoils_no_neighbour() -> None:
    done = curate(CSV, TEXT, zipped({"one.csv": TEXT})[:-9], zipped({"one.csv": TEXT}))
    assert done.values == GOOD * 2
    assert [one.outcome for one in done.outcomes] == ["read", "unreadable", "read"]


def test_e7_a_git_lfs_pointer_is_not_data() -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    only_unreadable(curate(CSV, pointer), "Git LFS pointer")
    only_unreadable(curate(dataset("a", format={"type": "parquet"}), pointer), "Git LFS pointer")


@pytest.mark.parametrize(("error", "outcome"), [(ObjectGone, "gone"), (ObjectChanged, "changed")])
def test_o2_an_object_that_went_away_lands_nothing(error: type[Exception], outcome: str) -> None:
    def gone() -> Any:
        raise error("it is not there")

    done = curate(CSV, gone, TEXT)
    assert done.outcomes[0].outcome == outcome
    assert done.by_source["0.dat"].landed == 0
    assert done.values == GOOD


class _Breaking(io.BytesIO):
    """Gives some bytes and then an error."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise self._error
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def test_o2_an_object_replaced_while_it_is_read_lands_nothing() -> None:
    done = curate(CSV, lambda: _Breaking(TEXT.encode(), ObjectChanged("other bytes")), TEXT)
    assert done.outcomes[0].outcome == "changed"
    assert done.by_source["0.dat"].landed == 0
    assert done.values == GOOD


def test_m5_an_unreachable_store_is_no_fault_of_the_object() -> None:
    with pytest.raises(StoreUnavailable):
        curate(CSV, lambda: _Breaking(TEXT.encode(), StoreUnavailable("no answer")))
    with pytest.raises(StoreUnavailable):
        curate(CSV, lambda: _Breaking(gzip.compress(TEXT.encode())[:9], StoreUnavailable("no answer")))


def test_every_stream_is_closed() -> None:
    opened: list[io.BytesIO] = []

    def stream(data: bytes) -> Any:
        def opener() -> io.BytesIO:
            opened.append(io.BytesIO(data))
            return opened[-1]

        return opener

    curate(
        CSV,
        *map(stream, (TEXT.encode(), b"", gzip.compress(b"a,n\nx,1\n")[:-3], b"version https://git-lfs.github.com/spec/v1")),
    )
    assert len(opened) == 4
    assert all(one.closed for one in opened)


# --- Parquet

PARQUET = dataset("a", column("n", "int64"), format={"type": "parquet"})


def parquet(**options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": ["x", "y"] * 400, "n": [1, 2] * 400}), file, **options)
    return file.getvalue()


def test_o8_sound_parquet_is_read_with_record_numbers() -> None:
    done = curate(PARQUET, parquet())
    assert done.values == GOOD * 400
    assert done.lines == list(range(1, 801))


@pytest.mark.parametrize("cut", [3, 8, 100, -1, -8, -200])
def test_o8_truncated_parquet(cut: int) -> None:
    only_unreadable(curate(PARQUET, parquet()[:cut]), "Parquet")


def test_o8_parquet_with_a_bad_checksum() -> None:
    data = bytearray(parquet(write_page_checksum=True, compression="none", use_dictionary=False))
    data[200] ^= 0xFF
    only_unreadable(curate(PARQUET, bytes(data)), "Parquet")


def test_o8_encrypted_parquet() -> None:
    data = parquet()
    only_unreadable(curate(PARQUET, b"PARE" + data[4:-4] + b"PARE"), "ncrypted")


def test_o8_empty_row_groups_and_files() -> None:
    file = io.BytesIO()
    table = pa.table({"a": ["x", "y"], "n": [1, 2]})
    with pq.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table.slice(0, 0))
        writer.write_table(table)
    assert curate(PARQUET, file.getvalue()).values == GOOD
    empty = io.BytesIO()
    pq.write_table(table.slice(0, 0), empty)
    assert curate(PARQUET, empty.getvalue()).outcomes[0].outcome == "empty"


def test_o5_parquet_in_gzip_and_csv_that_says_parquet() -> None:
    assert curate(PARQUET, gzip.compress(parquet())).values == GOOD * 400
    only_unreadable(curate(PARQUET, TEXT), "Parquet")


def test_o7_a_batch_past_its_memory_is_spilled_and_comes_out_the_same() -> None:
    spec = dataset("a", column("n", "int64"), primary_key="a", order_by="n", error_threshold=1.0)
    files = ["a,n\n" + "".join(f"k{n % 700},{n if n % 13 else 'bad'}\n" for n in range(at, at + 3000)) for at in (0, 2500, 500)]
    roomy, cramped = curate(spec, *files, csv_chunk=4096), curate(spec, *files, csv_chunk=4096, memory=1)
    assert roomy.frame.equals(cramped.frame)
    assert roomy.rejects.equals(cramped.rejects)
    assert roomy.rows == cramped.rows


def test_o7_many_tiny_files() -> None:
    done = curate(CSV, *(f"a,n\nk{n},{n}\n" for n in range(1200)))
    assert done.frame.select("a", "n", "_source").rows() == [(f"k{n}", n, f"{n}.dat") for n in range(1200)]
    assert pl.Series([one.landed for one in done.outcomes]).unique().to_list() == [1]


# --- Parquet of every kind


def of_table(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def test_o8_text_of_a_parquet_file_that_is_none_is_seen() -> None:
    offsets = pa.py_buffer(struct.pack("<3i", 0, 1, 3))
    bad = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"x\xff\xfe")])
    only_unreadable(curate(PARQUET, of_table(pa.table({"a": bad, "n": [1, 2]}))), "UTF8")


def test_o8_types_that_the_lake_has_no_word_for_arrive_as_text_or_lists() -> None:
    table = pa.table(
        {
            "a": pa.array([Decimal("1." + "1" * 50)], pa.decimal256(60, 50)),
            "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
            "f": pa.array([[1, 2]], pa.list_(pa.int32(), 2)),
            "deep": pa.array([{"d": [Decimal("1." + "1" * 50)]}], pa.struct([("d", pa.list_(pa.decimal256(60, 50)))])),
            "b": pa.array([b"\xff"], pa.binary()),
            "t": pa.array([90_000], pa.duration("ms")),
            "h": pa.array([[b"\xff"]], pa.list_(pa.binary())),
        }
    )
    spec = dataset(
        "a", column("f", "list<int64>"), column("m", "list<struct<key:string,value:int64>>"), format={"type": "parquet"}
    )
    done = curate(spec, of_table(table))
    row = done.frame.row(0, named=True)
    assert row["a"] == "1." + "1" * 50
    assert (row["f"], row["m"]) == ([1, 2], [{"key": "k", "value": 1}])
    assert (row["b"], row["t"], row["h"]) == (b"\xff", "PT1M30S", [b"\xff"])
    assert row["deep"] == {"d": ["1." + "1" * 50]}
    refused = curate(dataset(column("a", "int64"), format={"type": "parquet"}), of_table(table))
    assert refused.rows.rejected == 1


def test_p4_columns_of_one_name_in_a_parquet_file_get_names() -> None:
    table = pa.Table.from_arrays([pa.array(["x"]), pa.array([1]), pa.array([2])], names=["a", "n", "n"])
    done = curate(PARQUET, of_table(table))
    assert done.frame.select("a", "n", "n_2").rows() == [("x", 1, 2)]


def test_p9_moments_that_are_further_away_than_microseconds_reach_set_their_row_aside() -> None:
    at = pa.array([2**62, 1_000, None], pa.timestamp("ms"))
    table = pa.table({"a": ["x", "y", "z"], "at": at, "nested": [[1], [2], None]})
    done = curate(dataset("a", column("at", "timestamp"), format={"type": "parquet"}), of_table(table))
    assert done.frame.select("a", "at").rows() == [("y", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)), ("z", None)]
    assert done.set_aside()[0] == (1, [("at", f"{2**62} ms since 1970-01-01")])
    assert curate(dataset("a", format={"type": "parquet"}), of_table(table)).rows.published == 3
