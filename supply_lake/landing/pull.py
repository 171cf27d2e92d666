"""Pull a dataset's source into landing: window by window, each whole or not at all, and the same again when it is run again.

The order of a window: the transport finishes a file in a scratch folder; its manifest is put, saying that it has not landed;
the file is put under its key, in one atomic write; the manifest is put again, saying that it has; the position of the cursor
is put last. A process that dies anywhere leaves the window as it was, or an object that is whole and whose manifest lies ready.
The next pull begins at the last position, asks for the same window, and lands it under the same key.

What belongs here: that order. What does not: windows (``extract.window``), sources (the transports), discovery.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import ObjectGone, UsageError
from supply_lake.extract.clock import Clock
from supply_lake.extract.manifest import Manifest, Pulled, facts, manifest_of
from supply_lake.extract.position import Value
from supply_lake.extract.secrets import Secrets
from supply_lake.extract.task import Task
from supply_lake.extract.window import Window, between, on
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules
from supply_lake.storage.layout import manifest_path, position_path
from supply_lake.storage.object_store import ObjectStore, ObjectVersion
from supply_lake.storage.scratch import scratch_folder

_READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Landed:
    """One pulled object. ``new`` is false when the same bytes stood under its key already, so that nothing was written."""

    manifest: Manifest
    new: bool


class Puller:
    """Pulls one dataset.

    :param scratch: folder for files that are not finished
    :param env: where secrets are looked up; the environment of this process when left out
    :raises UsageError: producers push this dataset
    """

    def __init__(
        self,
        landing: ObjectStore,
        spec: DatasetSpec,
        scratch: Path,
        *,
        env: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not spec.source.pulled:
            raise UsageError(f"{spec.name} is pushed by its producers; to pull it, say from where under `source` in its file")
        self.landing, self.spec, self.clock = landing, spec, clock or Clock()
        self.secrets = Secrets(f"dataset {spec.name}", env)
        self._scratch = scratch

    def pull(self, date: dt.date | None = None) -> list[Landed]:
        """Pull what belongs to a landing date; when left out what is due: today's (UTC), and the days that are read again.

        :returns: the objects of the windows; none when nothing has changed since the last pull
        :raises UsageError: that date cannot be pulled any more
        :raises SourceError: the source refuses or does not answer; nothing of the window landed
        """
        now = self.clock.now()
        today = now.astimezone(dt.UTC).date()
        first = date or today - dt.timedelta(days=self.spec.source.again_days)
        days = [first + dt.timedelta(days=number) for number in range(((date or today) - first).days + 1)]
        if (last := days[-1]) < self.spec.start_date:
            raise UsageError(f"{last} is before {self.spec.start_date}, the `start_date` of {self.spec.name}; set that earlier")
        windows = [
            on(self.spec.name, self.spec.source, day, now, self.position()) for day in days if day >= self.spec.start_date
        ]
        return [landed for window in windows for landed in self._pull(window)]

    def pull_between(self, start: Value | None, end: Value | None) -> list[Landed]:
        """Pull a span: whole days of a source with a `window`, a stretch of the cursor of one with a `cursor`.

        :param start: the first value, or day; ``None`` for the beginning, or today
        :param end: the first value, or day, that is left out; ``None`` for everything up to now
        :raises UsageError: the source cannot be pulled in parts
        :raises SourceError: the source refuses or does not answer; windows before that one have landed
        """
        windows = between(self.spec.name, self.spec.source, start, end, self.clock.now())
        return [landed for window in windows for landed in self._pull(window)]

    def position(self) -> Value | None:
        """How far the pulls have come by the cursor that is declared now; ``None`` before the first."""
        manifest, cursor = read_manifest(self.landing, position_path(self.spec.name)), self.spec.source.cursor
        if manifest is None or cursor is None:
            return None
        same = (manifest.transport, manifest.by) == (self.spec.source.transport, cursor.by)
        return manifest.position if same else None

    def _pull(self, window: Window) -> list[Landed]:
        with self._room() as room:
            task = Task(self.spec, window, self.secrets, room, self._known, self._is_taken, self.clock)
            return [self._land(pulled) for pulled in _transported(task)]

    def _land(self, pulled: Pulled) -> Landed:
        spec = self.spec
        key = self._key(pulled.name, pulled.date)
        manifest = manifest_of(
            pulled,
            dataset=spec.name,
            key=key,
            system=spec.source.system,
            owner=spec.owner,
            transport=spec.source.transport,
            sha256=_sha256(pulled.path),
        )
        before = self._standing(key)
        if before is not None and (before.sha256 == manifest.sha256 or self._is_later(before, manifest)):
            landed = Landed(before, new=False)
        else:
            landed = Landed(self._put(manifest, pulled.path), new=True)
        pulled.path.unlink()
        if landed.manifest.position is not None:
            self._write(position_path(spec.name), landed.manifest)
        return landed

    def _put(self, manifest: Manifest, path: Path) -> Manifest:
        self._write(manifest_path(manifest.key), manifest)
        version = self.landing.put(manifest.key, path)
        landed = replace(manifest, etag=version.etag, landed_at=self.clock.now())
        self._write(manifest_path(manifest.key), landed)
        return landed

    def _is_later(self, before: Manifest, manifest: Manifest) -> bool:
        """Whether what stands there is of a pull that began later, and was faster."""
        return manifest.extracted_at < before.extracted_at <= self.clock.now()

    def _standing(self, key: str) -> Manifest | None:
        """The manifest of what stands under a key, if that is as the manifest tells."""
        manifest = read_manifest(self.landing, manifest_path(key))
        if manifest is None or manifest.landed_at is None:
            return None
        try:
            version = self.landing.head(key)
        except ObjectGone:
            return None
        return manifest if (version.etag, version.size) == (manifest.etag, manifest.size) else None

    def _known(self, name: str, date: dt.date) -> Manifest | None:
        return self._standing(self._key(name, date))

    def _key(self, name: str, date: dt.date) -> str:
        try:
            return self.spec.key_pattern.key_for(name, date, date)
        except ValueError as error:
            raise UsageError(f"{self.spec.name}: {error}") from None

    def _is_taken(self, name: str, date: dt.date) -> bool:
        """Whether what lands under this name would be taken up, and not passed over as temporary or hidden."""
        now = self.clock.now()
        placed = Rules([self.spec]).place(ObjectVersion(self._key(name, date), "", 1, now), now)
        return placed.state is ObjectState.PENDING

    def _write(self, key: str, manifest: Manifest) -> None:
        self.landing.put(key, json.dumps(manifest.to_json(), indent=1, ensure_ascii=False).encode())

    @contextmanager
    def _room(self) -> Iterator[Path]:
        """An empty folder for unfinished files."""
        with scratch_folder(self._scratch, f"pull-{uuid.uuid4().hex}") as folder:
            folder.mkdir(parents=True)
            yield folder


def read_manifest(landing: ObjectStore, key: str) -> Manifest | None:
    """The manifest that stands under a key of its own; ``None`` when there is none."""
    try:
        with landing.read(key) as file:
            return Manifest.from_json(json.load(file))
    except ObjectGone:
        return None


def provenance(landing: ObjectStore, spec: DatasetSpec, digests: Mapping[str, str]) -> dict[str, str]:
    """What a snapshot record keeps of the pulls behind its objects.

    :param digests: SHA-256 by landing key of the object versions that were read; what landed under the key since does not count
    """
    if not spec.source.pulled or not digests:
        return {}
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        found = pool.map(lambda key: read_manifest(landing, manifest_path(key)), digests)
        pairs = list(zip(found, digests.values(), strict=True))
    return facts([manifest for manifest, digest in pairs if manifest is not None and manifest.sha256 == digest])


def _transported(task: Task) -> Iterator[Pulled]:
    if task.spec.source.transport == "files":
        from supply_lake.extract import files

        return files.extract(task)
    if task.spec.source.transport == "rest":
        from supply_lake.extract import rest

        return rest.extract(task)
    from supply_lake.extract import sql

    return sql.extract(task)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
