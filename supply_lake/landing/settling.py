"""Is a file still being written? Asked of new files in a local landing before they are entered; stores write whole objects.

A producer may write in place, slowly, under the final name. The kernel knows who has a file open for writing: a read lease on
it is refused as long as anyone has. Where leases are not to be had (network file systems, files of another user, other
systems), a file counts as finished once nothing has changed it for ``settle_seconds``.

What belongs here: that question. What does not: what to do with the answer (``discovery`` leaves the file for a later tick).
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from supply_lake.storage.layout import key_fault
from supply_lake.storage.local_listing import same_file, version_tag
from supply_lake.storage.object_store import ObjectStore, ObjectVersion

# On these the kernel that is asked is the one through which every writer goes.
_LEASES_HOLD_ON = {"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay", "zfs", "bcachefs"}
_QUIET_SECONDS = 0.2  # between two writes of a producer that opens the file anew for each


class Settling:
    """Tells which files are not ready to be read. ``leases``: whether the kernel is asked who has a file open.

    :param store: landing; of a store that is no folder, everything is ready
    :param settle_seconds: how long a file must lie untouched where leases tell nothing
    :param clock: seconds since 1970
    """

    def __init__(self, store: ObjectStore, settle_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._settle_seconds = settle_seconds
        self._clock = clock
        self.leases = store.is_local and hasattr(fcntl, "F_SETLEASE") and file_system(store.location) in _LEASES_HOLD_ON

    def __call__(
        self, versions: Sequence[ObjectVersion], known: Mapping[str, set[tuple[str, int]]] | None = None
    ) -> dict[str, str]:
        """Key → why it is not ready, for those of the object versions that are not.

        :param known: versions that the ledger has of these keys; a file that has one of them is being rewritten in place
        """
        if not self._store.is_local:
            return {}
        known = known or {}
        reasons = ((version.key, self._why_not(version, known.get(version.key, ()))) for version in versions)
        return {key: reason for key, reason in reasons if reason}

    def _why_not(self, version: ObjectVersion, known: Iterable[tuple[str, int]]) -> str:
        if key_fault(version.key):
            return ""  # it is never read: the rules refuse it
        path = self._store.local_path(version.key)
        assert path is not None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return "it is gone"
        except PermissionError:
            return "this user may not read it; give the permission, and it is taken up"
        except OSError as error:
            return f"it cannot be opened: {error.strerror}"
        try:
            rewritten = any(same_file(version.etag, etag) for etag, _ in known)
            return self._why_not_yet(handle, version.etag, rewritten)
        finally:
            os.close(handle)

    def _why_not_yet(self, handle: int, etag: str, rewritten: bool) -> str:
        writers = _has_writers(handle) if self.leases else None
        if writers:
            return "it is open for writing"
        status = os.fstat(handle)
        if version_tag(status) != etag:
            return "it changed after it was listed"
        # A producer that opened the file anew for this write may well do so for the next one.
        quiet = self._settle_seconds if writers is None or rewritten else min(_QUIET_SECONDS, self._settle_seconds)
        # The change time cannot be set by a producer, unlike the modification time. It may lie ahead if a clock went back.
        if abs(self._clock() - status.st_ctime_ns / 1e9) < quiet:
            return f"it was written to within the last {quiet:g} s"
        return ""


def _has_writers(handle: int) -> bool | None:
    """Whether anyone has the file open for writing; ``None`` when the kernel does not tell."""
    try:
        # Whoever opens the file for writing meanwhile makes the kernel signal us. Its default signal would end the process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


def file_system(folder: str) -> str:
    """Type of the file system that a folder lies on, as Linux names it; empty elsewhere."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return ""
    real = os.path.realpath(folder)
    found = ("", "")
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(found[0]):  # of mounts over one another, the last one counts
            found = (point, right.split()[0])
    return found[1]
