"""Put files into landing, under the keys that their dataset declares.

What belongs here: one file, one key, one atomic write. What does not: discovering what landed, and changing or deleting it.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import BinaryIO

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UsageError
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.object_store import ObjectStore, ObjectVersion


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
