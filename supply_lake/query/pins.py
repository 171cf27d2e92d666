"""Pins as files, and what is read under them: made from a view, written, read back, and proved.

A pin file is JSON: the commit of each dataset, with a digest of what is live at it. Whoever reads under the pin sees these
commits and nothing later, and every live set is held against its digest before a row is read. Registered with the lake, a pin
keeps its files from being removed.

What belongs here: files and proofs. What does not: the values themselves (``snapshots.pins``), and what a view under a pin
shows (``view``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from supply_lake.errors import ObjectGone, UsageError, VerificationError
from supply_lake.query.live_set import LiveSet
from supply_lake.query.view import View
from supply_lake.snapshots.pins import Pin, PinnedDataset, content_digest, pin_from_json, pin_json, schemas_digest
from supply_lake.snapshots.removal import require_files
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.layout import new_snapshot_id
from supply_lake.storage.object_store import ObjectStore

FORMAT = 1
_MARK = "supply_lake_pin"
_BLOCK = 1024**2


def make(
    metadata: MetadataStore, view: View, names: Sequence[str], *, as_of: dt.datetime | None = None, name: str = "", by: str = ""
) -> Pin:
    """A pin of datasets as a view shows them.

    :param as_of: the time that the view is bound to
    :raises VersionRemoved: files of what was live then are not kept any more
    """
    datasets = tuple(_pinned(metadata, view.rows(one)) for one in names)
    return Pin(new_snapshot_id(), datasets, dt.datetime.now(dt.UTC), as_of, name, by)


def _pinned(metadata: MetadataStore, live: LiveSet) -> PinnedDataset:
    require_files(live.dataset, live.commit, live.snapshots)
    version = metadata.schema(live.dataset, live.commit) if live.commit else None
    commits = metadata.commits(live.dataset) if live.commit else []
    return PinnedDataset(
        dataset=live.dataset,
        commit=live.commit,
        committed_at=next((one.committed_at for one in commits if one.number == live.commit), None),
        snapshots=len(live.snapshots),
        rows=sum(one.rows_total for one in live.snapshots),
        schema_version=version.number if version else 0,
        schema_fingerprint=schemas_digest(live.snapshots),
        digest=content_digest(live.snapshots),
    )


def text(pin: Pin) -> str:
    """A pin as the text of its file."""
    return json.dumps({_MARK: FORMAT, **pin_json(pin)}, indent=2, ensure_ascii=False) + "\n"


def save(pin: Pin, location: str | Path) -> None:
    """Write a pin's file, whole or not at all.

    :param location: a file, or a URL in an object store
    """
    store, key = _placed(location)
    store.put(key, text(pin).encode())


def load(location: str | Path) -> Pin:
    """Read a pin's file.

    :raises UsageError: there is none, or it is no pin, or was changed since it was written
    """
    store, key = _placed(location)
    try:
        with store.read(key) as file:
            data = json.loads(file.read())
        pin = pin_from_json(data)
        mark, digest = data[_MARK], data["digest"]
    except ObjectGone as error:
        raise UsageError(f"there is no pin {location}; write one with `supply-lake pin -o FILE`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{location} is no pin; write one with `supply-lake pin -o FILE`") from error
    if mark != FORMAT:
        raise UsageError(
            f"{location} is a pin of format {mark!r}, this supply_lake takes {FORMAT}; use the release that wrote it"
        )
    if digest != pin.digest:
        raise UsageError(f"pin {location} was changed by hand: its digest does not fit what it names; write it anew")
    return pin


def _placed(location: str | Path) -> tuple[ObjectStore, str]:
    place = str(location) if "://" in str(location) else str(Path(location).expanduser().absolute())
    folder, _, key = place.rpartition("/")
    return ObjectStore.open(folder or "/"), key


def view(metadata: MetadataStore, pin: Pin) -> View:
    """What a pin shows: its datasets at its commits, each held against its digest when it is first looked at."""
    return View(metadata, pin.commit_of, bound=True, prove=_prover(pin))


def _prover(pin: Pin) -> Callable[[LiveSet], None]:
    pinned = {one.dataset: one for one in pin.datasets}

    def prove(live: LiveSet) -> None:
        one = pinned[live.dataset]
        if live.commit == one.commit and content_digest(live.snapshots) != one.digest:
            rows = sum(snapshot.rows_total for snapshot in live.snapshots)
            raise VerificationError(
                f"dataset {live.dataset} at commit {live.commit} is not what was pinned: {one.snapshots:,} snapshots with "
                f"{one.rows:,} rows were, {len(live.snapshots):,} with {rows:,} are there; "
                "is this the lake that the pin was made in?"
            )

    return prove


def proof(metadata: MetadataStore, lake: ObjectStore, pin: Pin, on_file: Callable[[int], None] | None = None) -> Iterator[str]:
    """Read every file that a pin names, and tell in a sentence what is not as it was.

    :param on_file: called with the bytes of each file that was read
    """
    seen = view(metadata, pin)
    for one in pin.datasets:
        try:
            live = seen.rows(one.dataset)
        except VerificationError as error:
            yield str(error)
            continue
        for file in (file for snapshot in live.snapshots for file in snapshot.files):
            try:
                with lake.read(file.path) as stream:
                    whole = _sha256(stream) == file.sha256
            except ObjectGone:
                yield f"dataset {one.dataset} at commit {one.commit}: {lake.uri(file.path)} is missing"
                continue
            if not whole:
                yield f"dataset {one.dataset} at commit {one.commit}: {lake.uri(file.path)} is not the file that was written"
            if on_file is not None:
                on_file(file.bytes)


def _sha256(stream: BinaryIO) -> str:
    digest: Any = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return str(digest.hexdigest())
