"""Files on an SFTP server.

What belongs here: connecting to a host whose key is known, listing and copying. What does not: which files (``files``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import asyncssh

from supply_lake.datasets.source_files import FilesSource
from supply_lake.errors import SourceError, SourceUnavailable
from supply_lake.extract.files import RemoteFile
from supply_lake.extract.task import Task
from supply_lake.storage.layout import KeyPattern

T = TypeVar("T")
_REFUSALS = (
    asyncssh.PermissionDenied,
    asyncssh.HostKeyNotVerifiable,
    asyncssh.KeyImportError,
    asyncssh.SFTPPermissionDenied,
    asyncssh.SFTPNoSuchFile,
    asyncssh.SFTPNoSuchPath,
)


@contextmanager
def sftp_folder(task: Task, declared: FilesSource) -> Iterator[SftpFolder]:
    """Connect, for the length of a ``with`` block."""
    url = urlsplit(task.secrets.expand_url(declared.url))
    with asyncio.Runner() as runner:
        folder = SftpFolder(runner, task, declared, unquote(url.path))
        folder.connect(_options(task, declared))
        try:
            yield folder
        finally:
            folder.close()


def _options(task: Task, declared: FilesSource) -> dict[str, Any]:
    """How to connect. A host is trusted by its key alone, and nothing of this machine's own ssh settings counts."""
    url = urlsplit(task.secrets.expand_url(declared.url))
    host, port = url.hostname or "", url.port or 22
    password = task.secrets.value(declared.password) if declared.password else url.password
    options: dict[str, Any] = {"host": host, "port": port, "username": unquote(url.username or ""), "config": None}
    options |= {"agent_path": None, "client_keys": None, "password": unquote(password) if password else None}
    if declared.private_key:
        options["client_keys"] = [asyncssh.import_private_key(task.secrets.value(declared.private_key))]
    if declared.host_key:
        name = host if port == 22 else f"[{host}]:{port}"
        options["known_hosts"] = asyncssh.import_known_hosts(f"{name} {declared.host_key}\n")
    keepalive = {"keepalive_interval": declared.timeout / 4, "keepalive_count_max": 4}
    return {**options, **keepalive, "connect_timeout": declared.timeout, "login_timeout": declared.timeout}


class SftpFolder:
    """One folder of one server."""

    def __init__(self, runner: asyncio.Runner, task: Task, declared: FilesSource, root: str) -> None:
        self._runner, self._task, self._root = runner, task, root.rstrip("/")
        self._timeout, self._settle = declared.timeout, dt.timedelta(seconds=declared.settle_seconds)
        self._place = f"{urlsplit(task.secrets.expand_url(declared.url)).hostname}{root}"
        self._connection: Any = None
        self._sftp: Any = None

    def connect(self, options: dict[str, Any]) -> None:
        """Open the connection."""

        async def connected() -> None:
            self._connection = await asyncssh.connect(**options)
            self._sftp = await self._connection.start_sftp_client()

        self._run(connected())

    def close(self) -> None:
        """Give the connection up, whatever state it is in."""
        if self._connection is not None:
            self._connection.abort()
            self._runner.run(self._connection.wait_closed())

    def files(self, pattern: KeyPattern, date: dt.date) -> Iterator[RemoteFile]:
        """All files below the narrowest folder that the date's files share; those just written are left for later."""
        prefix = pattern.prefix_on(date)
        deep = "/" in pattern.pattern[len(pattern.prefix) :] or "{path}" in pattern.pattern
        for file in self._run(self._listed(prefix, deep)):
            if file.modified is not None and self._task.clock.now() - file.modified >= self._settle:
                yield file

    def fetch(self, file: RemoteFile, known: dict[str, str], path: Path) -> RemoteFile | None:
        """Copy the file; it has to be the same before and after."""

        async def copied() -> RemoteFile | None:
            remote = f"{self._root}/{file.path}"
            before = _told(file.path, await self._sftp.stat(remote))
            if before.version == known:
                return None
            await self._sftp.get(remote, str(path))
            after = _told(file.path, await self._sftp.stat(remote))
            return after if after == before else RemoteFile(file.path, size=-1)  # read again

        return self._run(copied(), timed=False)

    async def _listed(self, prefix: str, deep: bool) -> list[RemoteFile]:
        found: list[RemoteFile] = []
        todo = [prefix]
        while todo:
            folder = todo.pop()
            async for entry in self._sftp.scandir(f"{self._root}/{folder}".rstrip("/") or "."):
                name, kind = str(entry.filename), entry.attrs.type
                if name in (".", ".."):
                    continue
                if kind == asyncssh.FILEXFER_TYPE_DIRECTORY and deep:
                    todo.append(f"{folder}{name}/")
                elif kind == asyncssh.FILEXFER_TYPE_REGULAR:
                    found.append(_told(f"{folder}{name}", entry.attrs))
        return sorted(found, key=lambda one: one.path)

    def _run(self, work: Coroutine[Any, Any, T], *, timed: bool = True) -> T:
        whose = f"dataset {self._task.spec.name}: sftp://{self._place}"
        try:
            return self._runner.run(asyncio.wait_for(work, self._timeout) if timed else work)
        except _REFUSALS as error:
            raise SourceError(f"{whose} refuses: {self._told(error)}") from None
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise SourceUnavailable(f"{whose} does not answer: {self._told(error)}") from None

    def _told(self, error: BaseException) -> str:
        text = self._task.secrets.redact(" ".join(str(error).split()))[:300] or type(error).__name__
        remedy = "; give the server's public key as `host_key`" if isinstance(error, asyncssh.HostKeyNotVerifiable) else ""
        return text + remedy


def _told(path: str, attrs: Any) -> RemoteFile:
    modified = dt.datetime.fromtimestamp(attrs.mtime, dt.UTC)
    version = {"modified": modified.isoformat(), "size": str(attrs.size)}
    return RemoteFile(path, version, attrs.size, modified)
