"""Files in another bucket, or in a folder of this machine.

What belongs here: listing and copying out of an object store. What does not: which files (``files``).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from supply_lake.datasets.source_files import FilesSource
from supply_lake.errors import ObjectChanged, ObjectGone, SettingsError, SourceError, SourceUnavailable, StoreUnavailable
from supply_lake.extract.files import RemoteFile
from supply_lake.extract.task import Task
from supply_lake.storage.layout import KeyPattern
from supply_lake.storage.object_store import ObjectStore, ObjectVersion


@contextmanager
def store_folder(task: Task, declared: FilesSource) -> Iterator[StoreFolder]:
    """Open the bucket, or the folder, which has to be there."""
    url = task.secrets.expand_url(declared.url)
    parts = urlsplit(url)
    location = unquote(parts.path) if parts.scheme == "file" else url
    if parts.scheme == "file" and not Path(location).is_dir():
        raise SourceUnavailable(
            f"dataset {task.spec.name}: there is no folder {location}; mount it, or correct `source.files.url`"
        )
    try:
        settle = declared.settle_seconds if parts.scheme == "file" else 0.0
        yield StoreFolder(ObjectStore.open(location), task, settle)
    except SettingsError as error:
        raise SourceError(f"dataset {task.spec.name}: {task.secrets.redact(str(error))}") from None
    except StoreUnavailable as error:
        raise SourceUnavailable(f"dataset {task.spec.name}: {task.secrets.redact(str(error))}") from None


class StoreFolder:
    """One location of an object store."""

    def __init__(self, store: ObjectStore, task: Task, settle_seconds: float) -> None:
        self._store, self._now = store, task.clock.now
        self._settle = dt.timedelta(seconds=settle_seconds)

    def files(self, pattern: KeyPattern, date: dt.date) -> Iterator[RemoteFile]:
        """All objects below the narrowest folder that the date's files share; those just written are left for later."""
        for batch in self._store.list(pattern.prefix_on(date)):
            for one in batch.to_pylist():
                if self._now() - one["modified"] >= self._settle:
                    yield _remote(ObjectVersion(one["key"], one["etag"], one["size"], one["modified"]))

    def fetch(self, file: RemoteFile, known: dict[str, str], path: Path) -> RemoteFile | None:
        """Copy what stands under the key now."""
        try:
            version = self._store.head(file.path)
            if _remote(version).version == known:
                return None
            with self._store.read(version) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            self._store.verify_unchanged(version)
        except ObjectGone:
            return None
        except ObjectChanged:
            return RemoteFile(file.path, size=-1)  # read again
        return _remote(version)


def _remote(version: ObjectVersion) -> RemoteFile:
    return RemoteFile(version.key, {"etag": version.etag, "size": str(version.size)}, version.size, version.modified)
