"""Whole objects: empty, compressed, corrupt, gone."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supply_lake.curate import stage
from supply_lake.errors import ObjectChanged, ObjectGone, StoreUnavailable
from supply_lake_tests.curate.curation import Curated, column, curate, dataset

CSV = dataset("a", column("n", "int64"))
TEXT = "a,n\nx,1\ny,2\n"
GOOD = [("x", 1), ("y", 2)]


def only_unreadable(done: Curated, word: str) -> None:
    assert (done.rows.landed, done.rows.rejected, done.rows.published) == (1, 1, 0)
    assert done.outcomes[0].outcome == "unreadable"
    assert word in done.outcomes[0].reason
    assert done.set_aside() == [(None, [(None, None)])]


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


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
    ],
    ids=["gzip", "multi-member gzip", "padded gzip", "zstd", "two zstd frames"],
)
def test_o5_compression_is_told_by_the_bytes(data: bytes) -> None:
    assert curate(CSV, data).values == GOOD


@pytest.mark.parametrize("cut", [3, 12, -9, -5, -1])
def test_o5_truncated_gzip_is_set_aside_whole(cut: int) -> None:
    only_unreadable(curate(CSV, gzip.compress(TEXT.encode() * 500)[:cut]), "truncated")


@pytest.mark.parametrize("cut", [6, 20, -5, -1])
def test_o5_truncated_zstd_is_set_aside_whole(cut: int) -> None:
    only_unreadable(curate(CSV, zstd(bytes(range(32, 127)) * 500)[:cut]), "truncated")


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


def test_o5_zip_is_told_and_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one.csv", TEXT)
        archive.writestr("two.csv", TEXT)
    only_unreadable(curate(CSV, file.getvalue()), "zip")


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
