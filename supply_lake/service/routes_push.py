"""The route by which programs push records, or whole files, into landing. What becomes of them is the sensors' business.

What belongs here: reading a body into landing. What does not: formats (``landing.records``) and keys (``landing.write``). A
body goes to a file of the scratch folder as it comes, and lands when it is whole: of a producer that dies nothing stays.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from pydantic_core import to_json

from supply_lake.errors import UsageError
from supply_lake.service.answers import JSON
from supply_lake.service.asking import Lake, may
from supply_lake.service.grants import Verb
from supply_lake.service.models import DatasetName
from supply_lake.service.opened import Opened
from supply_lake.service.streams import ARROW
from supply_lake.storage.object_store import ObjectVersion
from supply_lake.storage.scratch import scratch_folder

router = APIRouter(prefix="/v1/datasets/{dataset}", tags=["push"], dependencies=[may(Verb.PUSH)])
_LINES = "application/x-ndjson"
_FILE = "application/octet-stream"
_BODY = {
    "required": True,
    "content": {
        JSON: {"schema": {"type": "array", "items": {"type": "object"}, "description": "Records."}},
        _LINES: {"schema": {"type": "string", "description": "One record a line."}},
        ARROW: {"schema": {"type": "string", "format": "binary", "description": "An Arrow IPC stream."}},
        _FILE: {"schema": {"type": "string", "format": "binary", "description": "A file in the dataset's own format."}},
    },
}

File = Annotated[
    str,
    Query(
        max_length=200, pattern=r"^[^/\x00-\x1f\x7f]*$", description="Name of the landed file; by default it tells the bytes."
    ),
]
Day = Annotated[dt.date | None, Query(description="Landing date; by default the one that the name tells, else today.")]


class Landed(BaseModel):
    """What landed. It is discovered and ingested like any other file."""

    dataset: str
    key: str = Field(description="Its key below the landing root.")
    uri: str = Field(description="Where it lies.")
    etag: str = Field(description="With key and size, what makes it this version.")
    size: int = Field(description="Bytes.")


@router.post(
    "/records",
    summary="Push records into landing",
    response_model=Landed,
    status_code=201,
    openapi_extra={"requestBody": _BODY},
)
async def push(request: Request, dataset: DatasetName, lake: Lake, file: File = "", date: Day = None) -> Response:
    """Records as JSON, JSON lines or an Arrow stream, or a file in the dataset's own format, by `Content-Type`. The same bytes
    pushed again are the same object, and are published once: after a lost answer, push again."""
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind not in _BODY["content"]:  # type: ignore[operator]
        raise UsageError(f"records do not come as {kind[:60]!r}; send {', '.join(_BODY['content'])}")  # type: ignore[arg-type]
    with ExitStack() as room:
        folder = room.enter_context(scratch_folder(lake.settings.scratch, f"pushed-{uuid.uuid4().hex}"))
        folder.mkdir(parents=True)
        path = folder / "body"
        with path.open("wb") as body:
            async for piece in request.stream():
                body.write(piece)
        landed = await lake.in_thread(lambda: _land(lake, dataset, path, kind, file, date))
    told = Landed(
        dataset=dataset, key=landed.key, uri=lake.lake.stores.landing.uri(landed.key), etag=landed.etag, size=landed.size
    )
    return Response(to_json(told), 201, media_type=JSON)


def _land(lake: Opened, dataset: str, path: Path, kind: str, file: str, date: dt.date | None) -> ObjectVersion:
    with path.open("rb") as body:
        if kind == _FILE:
            return lake.lake.land(dataset, data=body, file=file, date=date)[0]
        try:
            records = _arrow(path) if kind == ARROW else _lines(path) if kind == _LINES else _array(path)
            return lake.lake.land(dataset, records=records, file=file, date=date)[0]
        except (ValueError, TypeError, RecursionError, pa.ArrowException) as error:
            told = " ".join(str(error).split())[:200]
            raise UsageError(f"{dataset}: the body cannot be read as {kind} ({told}); nothing landed") from error


def _array(path: Path) -> list[dict[str, Any]]:
    found = _parsed(path.read_bytes())
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ValueError("it is no array of objects")
    return found


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            found = _parsed(line)
            if not isinstance(found, dict):
                raise ValueError(f"line {number} is no object")
            yield found


def _parsed(text: bytes) -> Any:
    """JSON whose numbers keep all their digits."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _arrow(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        return reader.read_all()
