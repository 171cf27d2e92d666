"""A landed object as the files in it: itself, or the members of a zip archive that the dataset takes.

A zip archive is read by the list at its end, so it is spooled, on disk when it is large. Its members are parts of one object:
when one of them is encrypted, damaged or itself an archive, the object is set aside whole, as one that breaks off midway is.

What belongs here: choosing and opening members. What does not: what they mean.
"""

from __future__ import annotations

import lzma
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import BinaryIO, cast

from supply_lake.curate.raw import EmptyObject, Readable
from supply_lake.curate.source import BLOCK, Plain, PlainBytes, first_line
from supply_lake.errors import UnreadableObject

PASSED_OVER = "members of archives were passed over: not named by `format.members`, or no data"
_SPOOL_BYTES = 64 * 1024 * 1024
_NO_DATA = re.compile(r"(^|/)(\.|__MACOSX/|thumbs\.db$|desktop\.ini$)", re.IGNORECASE)
_OFFICE = "[Content_Types].xml"
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, ValueError, KeyError,
)  # fmt: skip


def files_in(stream: PlainBytes, members: str, scratch: Path, notes: Counter[str]) -> Iterator[tuple[str, Readable]]:
    """The object's files in their order: the name of the member (empty for an object that is no archive) and its bytes.

    :param notes: gets how many members were passed over
    :raises EmptyObject: the archive has no member at all
    :raises UnreadableObject: the archive or a member of it cannot be read, or no member is one that the dataset takes
    """
    if not stream.is_zip:
        yield "", stream
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=str(scratch)) as spool:
        while block := stream.read(BLOCK):
            spool.write(block)
        yield from _members(cast(BinaryIO, spool), stream, members, notes)


def _members(file: BinaryIO, stream: PlainBytes, members: str, notes: Counter[str]) -> Iterator[tuple[str, Readable]]:
    archive = _opened(file)
    everything = [one for one in archive.infolist() if not one.is_dir()]
    if not everything:
        raise EmptyObject("an archive without members")
    taken = [one for one in everything if fnmatchcase(one.filename, members) and not _NO_DATA.search(one.filename)]
    if not taken:
        raise UnreadableObject(f"has no member {members!r}, only {_some(everything)}; look at `format.members`")
    if len(taken) < len(everything):
        notes[PASSED_OVER] += len(everything) - len(taken)
    names: Counter[str] = Counter()
    for one in taken:
        name = "".join(char if char.isprintable() else "_" for char in one.filename)
        names[name] += 1
        yield name if names[name] == 1 else f"{name} ({names[name]})", _Member(archive, one, name, stream)


def _opened(file: BinaryIO) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except (*_BROKEN, NotImplementedError) as error:
        raise UnreadableObject(f"is a zip archive that is truncated or corrupt ({first_line(error)})") from None
    if _OFFICE in archive.namelist():
        raise UnreadableObject("is an Office document; export it as CSV")
    return archive


class _Member:
    """The plain bytes of one member. Errors name it."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, stream: PlainBytes) -> None:
        self._archive, self._info, self._name, self._expansion = archive, info, name, stream.expansion
        self._plain: Plain | None = None

    def read(self, size: int = BLOCK) -> bytes:
        try:
            if self._plain is None:
                self._plain = self._opened()
            data = self._plain.read(size)
        except UnreadableObject as error:
            raise UnreadableObject(f"its member {self._name!r} {error}") from None
        except (*_BROKEN, NotImplementedError) as error:
            raise UnreadableObject(f"its member {self._name!r} is truncated or corrupt ({first_line(error)})") from None
        if not self._plain.compression:
            self._expansion.add(len(data))
        return data

    def _opened(self) -> Plain:
        if self._info.flag_bits & 0x1:
            raise UnreadableObject("is encrypted; land it without a password")
        plain = Plain(cast(BinaryIO, self._archive.open(self._info)), self._expansion)
        if plain.is_zip:
            raise UnreadableObject("is a zip archive itself; land it by itself")
        return plain


def _some(members: list[zipfile.ZipInfo]) -> str:
    names = [repr(one.filename) for one in members]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
