"""The files that a draft is made from: which there are, and their bytes, a few or all.

What belongs here: sample files as values. What does not: finding them (``places``), and what their bytes mean.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from supply_lake.curate.archive import files_in
from supply_lake.curate.raw import Readable
from supply_lake.curate.source import PlainBytes, Source
from supply_lake.errors import UsageError

HEAD = 128 * 1024
SAMPLE_BYTES = 256 * 1024 * 1024
FILES_AT_MOST = 2_000
_BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file of the sample. ``name`` tells it from the others; ``key`` is its landing key, if it lies in landing."""

    name: str
    size: int
    modified: dt.datetime
    open: Callable[[], BinaryIO]
    key: str = ""

    @property
    def file(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    def source(self, index: int = 0) -> Source:
        """The file as curation reads it."""
        return Source(index, self.key or self.name, self.open, self.size, self.modified)


@dataclass(frozen=True, slots=True)
class Sample:
    """All files of a sample, in the order in which they would be delivered.

    ``origin`` names the place for people, without any secret. ``left_out`` are files that are none of the sample's data, with
    the reason of each.
    """

    origin: str
    files: tuple[SampleFile, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def in_landing(self) -> bool:
        """Whether the files have landed already."""
        return bool(self.files) and all(one.key for one in self.files)

    def bounded(self, most: int = SAMPLE_BYTES, files: int = FILES_AT_MOST) -> Sample:
        """The sample within a number of bytes as they lie there: whole files, spread evenly over all of them."""
        kept = list(self.files)
        while len(kept) > files or (len(kept) > 1 and sum(one.size for one in kept) > most):
            kept = kept[::2]
        out = {one.name for one in kept}
        more = tuple((one.name, "the sample is large enough without it") for one in self.files if one.name not in out)
        return Sample(self.origin, tuple(kept), (*self.left_out, *more))

    def without(self, names: Sequence[str], reason: str) -> Sample:
        """The sample but for these files."""
        kept = tuple(one for one in self.files if one.name not in names)
        return Sample(self.origin, kept, (*self.left_out, *((name, reason) for name in names)))


@dataclass(frozen=True, slots=True)
class Glance:
    """The first and the last plain bytes of a file; ``whole`` when the first are all.

    ``compression`` is empty for none; ``members`` is a glob over the members of an archive that are data, empty for no archive.
    """

    head: bytes
    tail: bytes
    whole: bool
    compression: str
    members: str = ""


def glance(file: SampleFile, scratch: Path) -> Glance:
    """Look at a file without reading more of it than is needed; the end of what is compressed is not looked at.

    :raises UnreadableObject: its compression is broken, or it is no data
    """
    with PlainBytes(file.source()) as stream:
        packed, compression = stream.is_zip, stream.compression
    members = _members(file, scratch) if packed else ""
    with opened(file, members, scratch) as plain:
        head = b""
        while len(head) <= HEAD and (block := plain.read(HEAD + 1 - len(head))):
            head += block
    whole = len(head) <= HEAD
    tail = head[-HEAD:] if whole else b"" if compression or packed else _end_of(file)
    return Glance(head[:HEAD], tail, whole, compression, members)


@contextmanager
def opened(file: SampleFile, members: str, scratch: Path) -> Iterator[Readable]:
    """The plain bytes of a file, or of the first member of an archive that is data."""
    with PlainBytes(file.source()) as stream:
        files = files_in(stream, members or "*", scratch, Counter())
        _, plain = next(files)
        yield plain


def blocks(file: SampleFile, members: str, scratch: Path) -> Iterator[bytes]:
    """The plain bytes of a file, or of the members of an archive that are data, as many as a sample may have."""
    read = 0
    with PlainBytes(file.source()) as stream:
        for _, plain in files_in(stream, members or "*", scratch, Counter()):
            while read < SAMPLE_BYTES and (block := plain.read(_BLOCK)):
                read += len(block)
                yield block


def _members(file: SampleFile, scratch: Path) -> str:
    """A glob over the members of an archive that end as most do."""
    with PlainBytes(file.source()) as stream:
        endings = Counter(PurePosixPath(name).suffix for name, _ in files_in(stream, "*", scratch, Counter()))
    return "*" if len(endings) == 1 else f"*{endings.most_common(1)[0][0]}"


def _end_of(file: SampleFile) -> bytes:
    with file.open() as stream:
        if not stream.seekable():
            return b""
        stream.seek(max(file.size - HEAD, 0))
        return stream.read()


def require(sample: Sample) -> Sample:
    """The sample, if it has files.

    :raises UsageError: saying what was looked at and left out
    """
    if sample.files:
        return sample
    why = "; ".join(f"{name}: {reason}" for name, reason in sample.left_out[:3])
    raise UsageError(f"there is no file to draft from at {sample.origin}" + (f" ({why})" if why else "; check the path"))
