"""What goes into a batch: streams over object versions, without those whose bytes are published already.

What belongs here: opening objects so that a change while reading is seen, and telling the same bytes under another name and
other bytes under the same.
What does not: parsing (``curate``).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from supply_lake.curate.source import Source
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import ObjectChanged, ObjectGone
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.records import Outcome, Rows, Snapshot, SourceRecord
from supply_lake.snapshots.store import PublishedContent
from supply_lake.storage.object_store import ObjectStore, ObjectVersion

_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Intake:
    """``sources`` are to be read; ``skipped`` are dealt with already; ``notes`` tell why.

    ``overwritten`` are keys under which other bytes are published, too.
    """

    sources: tuple[Source, ...]
    skipped: tuple[SourceRecord, ...]
    notes: tuple[str, ...]
    overwritten: frozenset[str] = frozenset()


def inspect(
    stores: Stores, spec: DatasetSpec, landing_date: dt.date, objects: Sequence[ObjectVersion], *, skip_published: bool
) -> Intake:
    """Sort object versions into those to read and those whose content is published already.

    Only objects that share their size with another candidate are hashed: reading every object twice would cost more than
    the duplicates that it finds.
    """
    ordered = sorted(objects, key=lambda one: (one.modified, one.key))
    published = stores.metadata.published_content(spec.name, landing_date) if skip_published else []
    twins = _same_content(stores, spec, published, ordered) if skip_published else {}
    skipped: list[SourceRecord] = []
    notes: list[str] = []
    sources: list[Source] = []
    for version in ordered:
        twin = twins.get(version.key)
        if twin is None:
            sources.append(
                Source(
                    index=len(sources),
                    key=version.key,
                    open=partial(stores.landing.read, version),
                    size=version.size,
                    modified=version.modified,
                )
            )
            continue
        reason = f"same bytes as {twin}"
        skipped.append(_record(stores.landing, version, Outcome.SAME_CONTENT, reason))
        notes.append(f"{version.key} was skipped: {reason}")
    return Intake(tuple(sources), tuple(skipped), tuple(notes), _overwritten(published, sources))


def beside(stores: Stores, spec: DatasetSpec, landing_date: dt.date, keys: Collection[str]) -> tuple[str, ...]:
    """What to know of keys of an `append` dataset whose earlier bytes are live: their rows stay beside the new ones."""
    found: dict[str, list[Snapshot]] = {}
    for snapshot in stores.metadata.batch_snapshots(spec.name, landing_date) if keys else ():
        for source in snapshot.sources:
            if source.key in keys and source.rows.published:
                found.setdefault(source.key, []).append(snapshot)
    return tuple(
        f"{key} was overwritten, and `mode: append` keeps the rows of its earlier bytes live beside the new ones; to take them "
        f"out: {'; '.join(map(_how, snapshots))}; with `mode: replace` a new file takes the place of the old one"
        for key, snapshots in sorted(found.items())
    )


def _how(snapshot: Snapshot) -> str:
    others = sum(1 for source in snapshot.sources if source.rows.published) - 1
    told = f" (it holds rows of {others} other files, too)" if others else ""
    return f"`supply-lake revoke {snapshot.id} --why TEXT`{told}"


def _overwritten(published: Sequence[PublishedContent], sources: Sequence[Source]) -> frozenset[str]:
    live = {one.key for one in published if one.live and not one.revoked}
    return frozenset(source.key for source in sources if source.key in live)


def _same_content(
    stores: Stores, spec: DatasetSpec, published: Sequence[PublishedContent], objects: Sequence[ObjectVersion]
) -> dict[str, str]:
    """Key → the published or earlier object of this dataset and date that has the same bytes, and what became of it."""
    sizes = Counter(one.size for one in objects)
    known_sizes = {one.size for one in published}
    twins: dict[str, str] = {}
    seen: dict[str, str] = {}
    for version in objects:
        if version.size == 0 or (sizes[version.size] < 2 and version.size not in known_sizes):
            continue
        digest = _sha256(stores.landing, version)
        if digest is None:
            continue
        alike = (one for one in published if one.sha256 == digest and (one.key, one.etag, one.size) != version.identity)
        twin = next((one for one in alike if _stands_for(one, version)), None)
        if twin is not None and (twin.key == version.key or twin.revoked or spec.landing.same_content == "skip"):
            twins[version.key] = f"{twin.key}, which {'was revoked' if twin.revoked else 'is published'}"
        elif digest in seen and spec.landing.same_content == "skip":
            twins[version.key] = f"{seen[digest]}, which is published"
        seen.setdefault(digest, version.key)
    return twins


def _stands_for(published: PublishedContent, version: ObjectVersion) -> bool:
    """Whether the published bytes make these superfluous: put again under their own key, live under another, or revoked."""
    return published.revoked or (published.newest if published.key == version.key else published.live)


def _sha256(store: ObjectStore, version: ObjectVersion) -> str | None:
    """Hex digest of the bytes; ``None`` when they are gone or changed, which the reading of the batch then records."""
    digest = hashlib.sha256()
    try:
        with store.read(version) as stream:
            for block in _blocks(stream):
                digest.update(block)
    except (ObjectGone, ObjectChanged):
        return None
    return digest.hexdigest()


def _blocks(stream: BinaryIO):  # type: ignore[no-untyped-def]
    return iter(partial(stream.read, _BLOCK), b"")


def _record(store: ObjectStore, version: ObjectVersion, outcome: Outcome, reason: str) -> SourceRecord:
    return SourceRecord(
        uri=store.uri(version.key),
        key=version.key,
        etag=version.etag,
        size=version.size,
        rows=Rows(),
        outcome=outcome,
        reason=reason,
    )
