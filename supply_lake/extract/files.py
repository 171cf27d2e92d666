"""A folder of files elsewhere → the files of one date that are new or changed, as they are.

What belongs here: which files, which date, which version. What does not: speaking to a server or a store (``files_http``,
``files_sftp``, ``files_store``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from supply_lake.datasets.source_files import FilesSource
from supply_lake.errors import SourceError, SourceUnavailable
from supply_lake.extract.manifest import Pulled
from supply_lake.extract.secrets import without_secrets
from supply_lake.extract.task import Task
from supply_lake.storage.layout import KeyPattern

_FETCHES = 3


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One version of a file, below the source's URL. ``version`` changes with its bytes; ``size`` may be unknown."""

    path: str
    version: dict[str, str] = field(default_factory=dict)
    size: int | None = None
    modified: dt.datetime | None = None


class Remote(Protocol):
    """A place that has files. Its methods raise ``SourceError`` and ``SourceUnavailable``."""

    def files(self, pattern: KeyPattern, date: dt.date) -> Iterator[RemoteFile]:
        """Files that may fit the pattern and the date."""

    def fetch(self, file: RemoteFile, known: dict[str, str], path: Path) -> RemoteFile | None:
        """Write the file to a path, and tell the version that was read; ``None`` when it is the known one, or gone."""


def extract(task: Task) -> Iterator[Pulled]:
    """Fetch the files of one landing date, one after another.

    :raises SourceUnavailable: the place does not answer; files before that have landed
    :raises SourceError: it refuses
    """
    declared = task.spec.source.files
    assert declared is not None
    with _remote(task, declared) as remote:
        yield from _Pull(task, declared, remote).run()


class _Pull:
    """The files of one date."""

    def __init__(self, task: Task, declared: FilesSource, remote: Remote) -> None:
        self.task, self.remote, self.date = task, remote, task.window.date
        self.pattern = KeyPattern(declared.pattern)
        self.source = task.secrets.redact(without_secrets(task.secrets.expand_url(declared.url)))

    def run(self) -> Iterator[Pulled]:
        for file in self.remote.files(self.pattern, self.date):
            name = file.path.replace("/", "__")  # so that files of one name in two folders stay two
            if self._date_of(file) == self.date and self.task.is_taken(name, self.date):
                pulled = self._fetched(file, name)
                if pulled is not None:
                    yield pulled

    def _date_of(self, file: RemoteFile) -> dt.date | None:
        match = self.pattern.match(file.path)
        if match is None:
            return None
        return match.date or (file.modified.astimezone(dt.UTC).date() if file.modified else self.date)

    def _fetched(self, file: RemoteFile, name: str) -> Pulled | None:
        known = self.task.known(name, self.date)
        version = known.version if known else {}
        if version and version == file.version:
            return None
        path = self.task.scratch / "fetched"
        started = self.task.clock.now()
        for _ in range(_FETCHES):
            read = self.remote.fetch(file, version, path)
            if read is None:
                return None
            if read.size is None or read.size == path.stat().st_size:
                return self._pulled(read, name, path, started)
        raise SourceUnavailable(
            f"dataset {self.task.spec.name}: {self.source} {file.path} changes while it is read; pull it later"
        )

    def _pulled(self, read: RemoteFile, name: str, path: Path, started: dt.datetime) -> Pulled:
        return Pulled(
            path=path,
            name=name,
            date=self.date,
            source=self.source,
            request=read.path,
            extracted_at=started,
            start=self.date,
            bytes_reported=read.size,
            version=read.version,
        )


def _remote(task: Task, declared: FilesSource) -> AbstractContextManager[Remote]:
    scheme = urlsplit(task.secrets.expand_url(declared.url)).scheme
    if scheme in ("http", "https"):
        from supply_lake.extract.files_http import http_folder

        return http_folder(task, declared)
    if scheme == "sftp":
        try:
            from supply_lake.extract.files_sftp import sftp_folder
        except ImportError:
            raise SourceError(f"dataset {task.spec.name}: sftp:// needs asyncssh; install supply-lake[sftp]") from None
        return sftp_folder(task, declared)
    from supply_lake.extract.files_store import store_folder

    return store_folder(task, declared)
