"""Folders of this machine for what does not fit into memory while a batch or a query is at work.

What belongs here: that each is gone when its work has ended, however it ended. What does not: what lies in them.

Whoever works holds a lock beside its folder. A process that was killed holds none, so the next one to begin removes what it
had spilled: gigabytes, after a batch that was killed for its memory and tried again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supply_lake.errors import StoreUnavailable

_LOCK = ".lock"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_CODE = re.compile(r"\(os error (\d+)\)")  # Polars tells it in its text alone


@contextmanager
def scratch_folder(root: Path, name: str) -> Iterator[Path]:
    """A folder for the length of the block. It is made by whoever needs it first.

    :raises StoreUnavailable: its disk is full
    """
    lock = _locked(root / f"{name}{_LOCK}")
    folder = root / name
    try:
        if lock is not None:
            _sweep(root)
        yield folder
    except OSError as error:
        if _code(error) not in _FULL:
            raise
        raise StoreUnavailable(
            f"scratch folder {root} cannot be written ({os.strerror(_code(error))}); make room on its disk, or put it on "
            "another one with SUPPLY_LAKE_HOME"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            with suppress(OSError):
                (root / f"{name}{_LOCK}").unlink()
            os.close(lock)


def _locked(path: Path) -> int | None:
    """A handle on the locked file; ``None`` where this user may not write: then only what needs no scratch can be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return None
    with suppress(OSError):  # a file system without locks: then nothing is swept, either
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _sweep(root: Path) -> None:
    """Remove the folders of those who are gone."""
    for path in root.glob(f"*{_LOCK}"):
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        with suppress(OSError):  # it is held
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink()
        os.close(handle)


def _code(error: OSError) -> int:
    told = _CODE.search(str(error))
    return error.errno or (int(told[1]) if told else 0)
