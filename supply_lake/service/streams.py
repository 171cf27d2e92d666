"""Answers of the query engine as streams over HTTP: JSON, CSV, or an Arrow stream, batch by batch.

What belongs here: formats and their media types. What does not: how values are written (``query.formats``).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any, Protocol

import pyarrow as pa
from fastapi import Response
from starlette.responses import StreamingResponse

from supply_lake.query import formats
from supply_lake.service.opened import Opened

ARROW = "application/vnd.apache.arrow.stream"


class Rows(Protocol):
    """Rows as they come: an ``Answer``, or ``Batches``."""

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches."""


@dataclass(frozen=True, slots=True)
class Batches:
    """A stream of record batches; of it some rows, if so is said."""

    reader: pa.RecordBatchReader
    offset: int = 0
    limit: int | None = None

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        return self.reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows from the offset on, as many as the limit allows."""
        skip, left = self.offset, self.limit
        for batch in self.reader:
            if left == 0:
                return
            piece = batch.slice(min(skip, batch.num_rows), left)
            skip -= min(skip, batch.num_rows)
            if piece.num_rows:
                left = None if left is None else left - piece.num_rows
                yield piece


class Form(StrEnum):
    """How rows are written."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"


_MEDIA_TYPES = {Form.JSON: "application/json", Form.CSV: "text/csv; charset=utf-8", Form.ARROW: ARROW}
CONTENT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The rows: a JSON array of objects, CSV with a header, or an Arrow IPC stream.",
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}, "text/csv": {}, ARROW: {}},
    }
}


async def stream(lake: Opened, asked: AbstractContextManager[Rows], form: Form) -> Response:
    """Begin the answer, and hand on what comes. What is wrong with a query is known before the first byte; should it fail
    later, the stream is broken off, so that nobody takes it for whole.

    :raises QueryError: the query is refused, or fails
    """
    pieces = await lake.in_thread(lambda: _begun(asked, form))
    return StreamingResponse(pieces, media_type=_MEDIA_TYPES[form], headers={"cache-control": "private, no-store"})


def _begun(asked: AbstractContextManager[Rows], form: Form) -> Iterator[bytes]:
    """The pieces, the first of them made."""
    pieces = _pieces(asked, form)
    first = next(pieces, b"")
    return _closing(chain([first], pieces), pieces)


def _closing(pieces: Iterator[bytes], source: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    finally:
        source.close()  # type: ignore[attr-defined]  # whoever asked has left: so does the query


def _pieces(asked: AbstractContextManager[Rows], form: Form) -> Iterator[bytes]:
    with ExitStack() as opened:
        answer = opened.enter_context(asked)
        if form is Form.ARROW:
            yield from _arrow(answer)
            return
        write = formats.json_array if form is Form.JSON else formats.csv_lines
        for text in write(answer.schema, answer.batches()):
            yield text.encode()


def _arrow(answer: Rows) -> Iterator[bytes]:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, answer.schema) as writer:
        for batch in answer.batches():
            writer.write_batch(batch)
            yield _taken(sink)
    yield _taken(sink)


def _taken(sink: io.BytesIO) -> bytes:
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data
