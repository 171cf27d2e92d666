"""Put files, streams and records into landing, under the keys that their dataset declares.

What belongs here: one file, one key, one atomic write. What does not: how records become a file (``records``), pulling
(``pull``), discovering what landed, and changing or deleting it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UsageError
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import ObjectStore, ObjectVersion
from supply_lake.storage.scratch import scratch_folder

if TYPE_CHECKING:
    from supply_lake.landing.records import Records


def land(
    store: ObjectStore,
    spec: DatasetSpec,
    data: bytes | Path | BinaryIO,
    *,
    name: str = "",
    date: dt.date | None = None,
    now: dt.datetime | None = None,
) -> ObjectVersion:
    """Write one file into landing. A file that stands under the same key already becomes its older version.

    :param data: a path, bytes, or a file open for reading
    :param name: the file's name; that of the path when left out
    :param date: the landing date; when left out, the one that the name tells by the dataset's pattern, else today (UTC)
    :raises UsageError: the name or the date does not fit the dataset, or the file is not there
    """
    name = name or (data.name if isinstance(data, Path) else "")
    now = now or dt.datetime.now(dt.UTC)
    if isinstance(data, Path) and not data.is_file():
        raise UsageError(f"{data} is no file; give the path of the file to land")
    try:
        key = spec.key_pattern.key_for(name, date, now.astimezone(dt.UTC).date())
    except ValueError as error:
        raise UsageError(f"{spec.name}: {error}") from None
    placed = Rules([spec]).place(ObjectVersion(key, "", 1, now), now)
    if placed.state is not ObjectState.PENDING:
        raise UsageError(f"{spec.name}: {key} would not be taken up: {placed.reason}")
    return store.put(key, data)


def land_records(
    store: ObjectStore, spec: DatasetSpec, records: Records, scratch: Path, *, name: str = "", date: dt.date | None = None
) -> ObjectVersion:
    """Write records into landing, as one file in the dataset's format.

    :param records: dicts, an Arrow table, batch or reader, a pandas or polars data frame
    :param scratch: folder for the file until it is whole
    :param name: the file's name; when left out it tells the bytes, so that the same records pushed again are the same object
    :raises UsageError: they are no records, there are none, or the name or the date does not fit the dataset
    """
    from supply_lake.landing.records import write_records

    with _room(scratch) as room:
        path = room / "records"
        if not write_records(path, spec, records):
            raise UsageError(f"{spec.name}: there are no records to land")
        return land(store, spec, path, name=name or _pushed_name(spec, path), date=date)


def land_stream(
    store: ObjectStore, spec: DatasetSpec, data: BinaryIO, scratch: Path, *, name: str = "", date: dt.date | None = None
) -> ObjectVersion:
    """Write what a stream gives into landing once it has ended, as one file.

    :param name: the file's name; when left out it tells the bytes, so that the same bytes pushed again are the same object
    :raises UsageError: nothing came, or the name or the date does not fit the dataset
    """
    with _room(scratch) as room:
        path = room / "stream"
        with path.open("wb") as file:
            shutil.copyfileobj(data, file)
        if path.stat().st_size == 0:
            raise UsageError(f"{spec.name}: nothing came in, so nothing landed; look at what writes to this command")
        return land(store, spec, path, name=name or _pushed_name(spec, path), date=date)


@contextmanager
def _room(scratch: Path) -> Iterator[Path]:
    with scratch_folder(scratch, f"push-{uuid.uuid4().hex}") as folder:
        folder.mkdir(parents=True)
        yield folder


def _pushed_name(spec: DatasetSpec, path: Path) -> str:
    with path.open("rb") as file:
        return f"pushed-{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}.{spec.format.type}"
