"""CSV through Arrow: for buffers of whole records that ``boundaries`` found well-formed.

What belongs here: plain CSV → columns of text, and the physical line of every row. What does not: judging whether a buffer is
fit for it (``read_csv``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv

from supply_lake.curate.boundaries import line_breaks
from supply_lake.curate.dialect import Dialect, Spelling
from supply_lake.curate.exact_csv import BLANK, ragged
from supply_lake.curate.raw import BadRecord, RawChunk


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes of whole records, the line of byte 0, and how many line breaks there are.

    ``chunk`` has the records parsed when cutting them took that already.
    """

    data: bytes
    first_line: int
    breaks: int
    chunk: RawChunk | None = None


def parse(cut: Cut, spelling: Spelling, header: Sequence[str], dialect: Dialect) -> RawChunk | None:
    """The records of a buffer, or ``None`` when Arrow's rows cannot be told apart: a blank line from a row of empty values.

    :param cut: the buffer as the file has it
    :param spelling: the buffer in plain CSV
    """
    table, invalid = _read(spelling, header, dialect.quote.decode())
    frame = pl.DataFrame(pl.from_arrow(table))
    if _has_empty_row(frame) and _has_blank_line(spelling.data):
        return None
    starts = _starts(frame, invalid, cut, dialect)
    dropped = np.fromiter((row.number - 1 for row in invalid), np.int64, len(invalid))
    bad, blanks = [], 0
    for row, line in zip(invalid, starts[dropped].tolist(), strict=True):
        text = dialect.text(row.text, spelling)
        if row.actual_columns > 1 or text.strip():
            bad.append(BadRecord(line, text, ragged(row.actual_columns, row.expected_columns)))
        else:
            blanks += 1
    kept = pl.Series("line", np.delete(starts, dropped) if invalid else starts)
    return RawChunk(dialect.frame(frame, spelling), kept, bad, {BLANK: blanks} if blanks else {})


def _read(spelling: Spelling, header: Sequence[str], quote: str) -> tuple[pa.Table, list[pa_csv.InvalidRow]]:
    """The rows that have as many fields as the header, and the others."""
    invalid: list[pa_csv.InvalidRow] = []

    def skip(row: pa_csv.InvalidRow) -> str:
        invalid.append(row)
        return "skip"

    table = pa_csv.read_csv(
        pa.BufferReader(spelling.data),
        read_options=pa_csv.ReadOptions(column_names=header, use_threads=False, block_size=len(spelling.data) + 1),
        parse_options=pa_csv.ParseOptions(
            delimiter=spelling.delimiter.decode(),
            quote_char=quote or False,
            newlines_in_values=bool(quote),
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, check_utf8=False
        ),
    )
    return table, invalid


def _starts(frame: pl.DataFrame, invalid: Sequence[pa_csv.InvalidRow], cut: Cut, dialect: Dialect) -> np.ndarray:
    """The physical line at which every row begins, those that the parser dropped included."""
    total = frame.height + len(invalid)
    if dialect.has_record_end:
        return dialect.line_numbers(dialect.pieces(cut.data), cut.first_line)
    heights = np.ones(total, np.int64)
    if cut.breaks + (not cut.data.endswith((b"\n", b"\r"))) != total:
        dropped = np.fromiter((row.number - 1 for row in invalid), np.int64, len(invalid))
        kept = np.ones(total, bool)
        kept[dropped] = False
        heights[kept] += _breaks_inside(frame)
        heights[dropped] += np.fromiter((line_breaks(row.text.encode()) for row in invalid), np.int64, len(invalid))
    starts: np.ndarray = cut.first_line + np.cumsum(heights) - heights
    return starts


def _breaks_inside(frame: pl.DataFrame) -> np.ndarray:
    counts = frame.select(
        pl.sum_horizontal(pl.all().str.count_matches("\r\n|\r|\n").fill_null(0)).cast(pl.Int64).alias("breaks")
    )
    return counts["breaks"].to_numpy()


def _has_empty_row(frame: pl.DataFrame) -> bool:
    """Whether a row has nothing but empty values: so Arrow gives a blank line."""
    return bool((frame.to_series(0) == "").any()) and bool(frame.select(pl.all_horizontal(pl.all() == "").any()).item())


def _has_blank_line(data: bytes) -> bool:
    return data.startswith((b"\n", b"\r")) or any(blank in data for blank in (b"\n\n", b"\n\r", b"\r\r"))
