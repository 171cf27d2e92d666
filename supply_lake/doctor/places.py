"""Are landing, lake and rejects there, and may this process do in them what the lake does?

What belongs here: asking by doing, under one key that the lake passes over: listing, writing, reading, deleting, and writing
only where nothing stands. What does not: who tells of new objects (``queue``), and clocks (``clock``).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from supply_lake.doctor.finding import Finding, broken, ok, warning
from supply_lake.errors import StoreUnavailable
from supply_lake.storage.layout import PULLS
from supply_lake.storage.object_store import ObjectStore

PROBE = f"{PULLS}doctor"
"""Below a folder that discovery passes over: looking at the lake must not feed it."""
_TOLD = b"supply-lake doctor writes this to see whether it may; delete it if you like.\n"
_LITTLE, _LEAST = 5 * 1024**3, 512 * 1024**2
_GB = 1024**3


def place(part: str, location: str, encryption: str = "") -> Iterator[Finding]:
    """One place.

    :param part: ``landing``, ``lake`` or ``rejects``
    :param encryption: with which the lake has S3 encrypt what it writes
    """
    store = ObjectStore.open(location, encryption)
    next(store.list(PULLS), None)
    yield ok(part, "list", location)
    yield from _writing(part, store)
    if store.is_local:
        yield room(part, Path(store.location))


def _writing(part: str, store: ObjectStore) -> Iterator[Finding]:
    try:
        store.put(PROBE, _TOLD)
    except StoreUnavailable as error:
        yield _unwritable(part, str(error))
        return
    with store.read(PROBE) as file:
        same = file.read() == _TOLD
    yield (
        ok(part, "write and read", "allowed")
        if same
        else broken(
            part, "write and read", "other bytes were read than were written", "no lake can live there; put it elsewhere"
        )
    )
    yield _only_if_absent(part, store)
    yield _deleting(part, store)


def _unwritable(part: str, seen: str) -> Finding:
    if part == "landing":
        remedy = "nothing is to be done if only producers write there; `land` and `extract` need the permission to put objects"
        return warning(part, "write", seen, remedy)
    return broken(part, "write", seen, "allow this user or role to put objects there (s3:PutObject, and the use of its key)")


def _only_if_absent(part: str, store: ObjectStore) -> Finding:
    try:
        store.put(PROBE, _TOLD, if_absent=True)
    except FileExistsError:
        return ok(part, "conditional write", "honoured")
    remedy = "use a store that honours If-None-Match, or let only one process write there"
    return warning(part, "conditional write", "an object was overwritten that was to be left alone", remedy)


def _deleting(part: str, store: ObjectStore) -> Finding:
    try:
        store.delete([PROBE])
    except StoreUnavailable as error:
        return warning(part, "delete", str(error), f"ingesting needs no deletes; {PROBE} stays behind")
    return ok(part, "delete", "allowed")


def room(part: str, folder: Path) -> Finding:
    """Free space on the folder's disk."""
    free = shutil.disk_usage(folder).free
    seen = f"{free / _GB:.1f} GB free at {folder}"
    if free < _LEAST:
        return broken(part, "disk", seen, "make room on this disk")
    if free < _LITTLE:
        return warning(part, "disk", seen, "make room on this disk before it is full")
    return ok(part, "disk", seen)
