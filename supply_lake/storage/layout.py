"""Where things lie: landing keys, lake paths and rejects paths. The only module that builds or parses them.

What belongs here: pure functions between names and paths. What does not: opening a store, or deciding what to do with
a path.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile

import uuid_utils

LONGEST_KEY = 1024  # bytes, as on S3
MEMBER = "!/"  # between a landing key and the path of a file in the archive that it names
PULLS = ".pulls/"
"""Folder of landing in which the lake keeps what it knows of pulls; nothing in it is data."""
DEAD_LETTERS = "dead_letters/"
"""Folder of the rejects' place in which the lake keeps messages that told nothing usable."""
_PLACEHOLDERS = {
    "{yyyy}": r"(?P<yyyy>[0-9]{4})",
    "{mm}": r"(?P<mm>[0-9]{2})",
    "{dd}": r"(?P<dd>[0-9]{2})",
    "{file}": r"(?P<file>[^/]+)",
    "{path}": r"(?P<path>.+)",
    "*": r"[^/]*",
}
_KINDS = {  # placeholder → kind of character, how many at least, whether more may follow
    "{yyyy}": ("digit", 4, False),
    "{mm}": ("digit", 2, False),
    "{dd}": ("digit", 2, False),
    "{file}": ("segment", 1, True),
    "{path}": ("any", 1, True),
    "*": ("segment", 0, True),
}
_TOKEN = re.compile("|".join(re.escape(token) for token in _PLACEHOLDERS))
_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SNAPSHOT_DIR = re.compile(
    r"dataset=(?P<dataset>[^/]+)/year=(?P<yyyy>\d{4})/month=(?P<mm>\d{2})/day=(?P<dd>\d{2})/snapshot_id=(?P<id>[^/]+)(?:/|$)"
)


def key_fault(key: str) -> str:
    """Why no store of ours can hold an object under this key; empty when each can."""
    if any(segment in ("", ".", "..") for segment in key.split("/")):
        return "the key has an empty, `.` or `..` part"
    if _CONTROL.search(key):
        return "the key has a control character"
    if len(key.encode(errors="surrogateescape")) > LONGEST_KEY:
        return f"the key is longer than {LONGEST_KEY} bytes"
    return ""


def member_key(key: str, member: str) -> str:
    """What rows say they come from: the landing key, and within an archive ``key!/member``."""
    return f"{key}{MEMBER}{member.replace(MEMBER, '!_/')}" if member else key


def landing_key(source: str, keys: Container[str]) -> str:
    """The landing key of what a row says it comes from.

    :param keys: the keys it may be; a key may have a ``!/`` of its own
    """
    return source if source in keys else source.rpartition(MEMBER)[0] or source


def manifest_path(key: str) -> str:
    """Landing key of the manifest of a pulled object."""
    return f"{PULLS}manifests/{key}.json"


def position_path(dataset: str) -> str:
    """Landing key of how far the pulls of a dataset have come."""
    return f"{PULLS}positions/{dataset}.json"


def dead_letter_path(sent: dt.date, message_id: str) -> str:
    """Path of the record of one message, below the rejects root."""
    name = message_id if _PLAIN_ID.fullmatch(message_id) else hashlib.sha256(message_id.encode()).hexdigest()
    return f"{DEAD_LETTERS}{sent.year:04}/{sent:%m}/{sent:%d}/{name}.json"


def new_snapshot_id() -> str:
    """A UUIDv7 as text: ids sort by the time they were made."""
    return str(uuid_utils.uuid7())


def snapshot_dir(dataset: str, partition: dt.date, snapshot_id: str) -> str:
    """Folder of one snapshot, below the lake root and below the rejects root alike."""
    return f"dataset={dataset}/year={partition.year:04}/month={partition:%m}/day={partition:%d}/snapshot_id={snapshot_id}"


def part_path(dataset: str, partition: dt.date, snapshot_id: str, number: int) -> str:
    """Path of one Parquet part, numbered from 0."""
    return f"{snapshot_dir(dataset, partition, snapshot_id)}/part-{number:05d}.parquet"


@dataclass(frozen=True, slots=True)
class SnapshotPath:
    """What a lake path says."""

    dataset: str
    partition: dt.date
    snapshot_id: str


def parse_snapshot_path(path: str) -> SnapshotPath | None:
    """The inverse of ``snapshot_dir`` and ``part_path``; ``None`` for a path that is neither."""
    match = _SNAPSHOT_DIR.search(path)
    if match is None:
        return None
    date = _date(match)
    return SnapshotPath(match["dataset"], date, match["id"]) if date else None


@dataclass(frozen=True, slots=True)
class KeyMatch:
    """A landing key that fits a pattern. ``date`` is ``None`` where the pattern names no date."""

    date: dt.date | None
    file: str


class KeyPattern:
    """A dataset's landing key pattern, compiled.

    :raises ValueError: when the pattern cannot tell keys (unknown or repeated placeholder, part of a date only)
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        if pattern.startswith("/") or ".." in pattern.split("/"):
            raise ValueError(f"landing pattern {pattern!r} leaves the landing area; give a key below its root")
        unknown = [found for found in re.findall(r"\{[^}]*\}", pattern) if found not in _PLACEHOLDERS]
        if unknown:
            raise ValueError(f"landing pattern {pattern!r} has {unknown[0]}; it takes {', '.join(_PLACEHOLDERS)}")
        dated = [token for token in ("{yyyy}", "{mm}", "{dd}") if token in pattern]
        if len(dated) not in (0, 3):
            raise ValueError(
                f"landing pattern {pattern!r} has only {' and '.join(dated)}; a date takes {{yyyy}}, {{mm}} and {{dd}}"
            )
        repeated = [token for token in _PLACEHOLDERS if token != "*" and pattern.count(token) > 1]
        if repeated:
            raise ValueError(f"landing pattern {pattern!r} has {repeated[0]} twice")
        self.dated = bool(dated)
        self._regex = re.compile(self._compile(pattern))

    @staticmethod
    def _compile(pattern: str) -> str:
        out, end = [], 0
        for token in _TOKEN.finditer(pattern):
            out += [re.escape(pattern[end : token.start()]), _PLACEHOLDERS[token.group()]]
            end = token.end()
        return "".join([*out, re.escape(pattern[end:])])

    def match(self, key: str) -> KeyMatch | None:
        """What the key says, or ``None`` when it does not fit; a date that no calendar has does not fit."""
        match = self._regex.fullmatch(key)
        if match is None:
            return None
        date = _date(match) if self.dated else None
        if self.dated and date is None:
            return None
        return KeyMatch(date, key.rpartition("/")[2])

    def format(self, file: str, date: dt.date) -> str:
        """The key under which a file of this name lands on this date.

        :raises ValueError: when the pattern has a ``*``, or the file's name is not one path segment
        """
        if "/" in file or file in ("", ".", ".."):
            raise ValueError(f"{file!r} is no file name")
        if "*" in self.pattern:
            raise ValueError(f"landing pattern {self.pattern!r} has a `*`, so no key can be made from it")
        return _dated(self.pattern, date).replace("{path}", "{file}").replace("{file}", file)

    def key_for(self, file: str, date: dt.date | None, today: dt.date) -> str:
        """The key under which a file lands: on the date given, else the one that its name tells, else today.

        :raises ValueError: saying why this file cannot land under this pattern
        """
        folder, slash, name = self.pattern.rpartition("/")
        if any(token in folder for token in ("*", "{path}", "{file}")):
            raise ValueError(f"landing pattern {self.pattern!r} leaves its folder open, so no key can be made from it")
        when = date or self._date_told_by(name, file) or today
        if "/" not in file and (match := self.match(key := f"{_dated(folder, when)}{slash}{file}")) is not None:
            if match.date not in (None, when):
                raise ValueError(f"the name of {file!r} says {match.date}, not {when}")
            return key
        open_named = any(token in name for token in ("*", "{path}", "{file}"))
        if not name.endswith("{file}") and (date is None or open_named):
            raise ValueError(f"the name of {file!r} does not fit the landing pattern {self.pattern!r}")
        return self.format(file, when)

    def _date_told_by(self, name_pattern: str, file: str) -> dt.date | None:
        if not all(token in name_pattern for token in ("{yyyy}", "{mm}", "{dd}")):
            return None
        match = re.fullmatch(self._compile(name_pattern), file)
        return _date(match) if match else None

    def impossible_date(self, key: str) -> str | None:
        """The date that the key names, as text, when the key fits but no calendar has that date."""
        match = self._regex.fullmatch(key) if self.dated else None
        return f"{match['yyyy']}-{match['mm']}-{match['dd']}" if match and _date(match) is None else None

    def overlaps(self, other: KeyPattern) -> bool:
        """Whether some key could fit both patterns."""
        mine, others = self._head, other._head
        if not (mine.startswith(others) or others.startswith(mine)):
            return False
        return _share_a_text(self._steps, other._steps)

    @cached_property
    def _head(self) -> str:
        """What every key begins with, all digits made the same: patterns with other heads have no key in common."""
        fixed = takewhile(lambda step: step[0] not in ("segment", "any"), self._steps)
        return "".join("0" if kind == "digit" or kind.isdecimal() else kind for kind, _ in fixed)

    @cached_property
    def _steps(self) -> list[tuple[str, bool]]:
        return _steps(self.pattern)

    @property
    def prefix(self) -> str:
        """The folder that all keys of the pattern share, with its slash; empty for the root."""
        return _folder(_TOKEN.split(self.pattern)[0] if _TOKEN.search(self.pattern) else self.pattern)

    def prefix_on(self, date: dt.date) -> str:
        """The narrowest folder that all keys of this date share, with its slash."""
        return _folder(_TOKEN.split(_dated(self.pattern, date))[0])


def _steps(pattern: str) -> list[tuple[str, bool]]:
    """The pattern as a walk over characters: (a character, or the name of a kind of them; may it be repeated or left out)."""
    steps: list[tuple[str, bool]] = []
    end = 0
    for token in [*_TOKEN.finditer(pattern), None]:
        steps += [(char, False) for char in pattern[end : token.start() if token else None]]
        if token:
            kind, least, more = _KINDS[token.group()]
            steps += [(kind, False)] * least + [(kind, True)] * more
            end = token.end()
    return steps


def _share_a_text(one: list[tuple[str, bool]], two: list[tuple[str, bool]]) -> bool:
    """Whether some text fits both walks: a search over pairs of positions in them."""
    seen: set[tuple[int, int]] = set()
    todo = [(0, 0)]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        i, j = at
        if i == len(one) and j == len(two):
            return True
        if i < len(one) and one[i][1]:
            todo.append((i + 1, j))
        if j < len(two) and two[j][1]:
            todo.append((i, j + 1))
        if i < len(one) and j < len(two) and _share_a_char(one[i][0], two[j][0]):
            todo.append((i + (not one[i][1]), j + (not two[j][1])))
    return False


def _share_a_char(one: str, two: str) -> bool:
    """Whether a character, or one of a kind, can be the other; every two kinds have the digits in common."""
    kind, char = (one, two) if len(one) > 1 else (two, one)
    if len(kind) == 1 or len(char) > 1:
        return one == two or len(kind) > 1
    return {"any": True, "segment": char != "/", "digit": char.isdecimal()}[kind]


def _dated(pattern: str, date: dt.date) -> str:
    """The pattern with the date filled in. (``%Y`` drops the leading zeros of early years.)"""
    return pattern.replace("{yyyy}", f"{date.year:04}").replace("{mm}", f"{date.month:02}").replace("{dd}", f"{date.day:02}")


def _folder(text: str) -> str:
    return text[: text.rfind("/") + 1]


def _date(match: re.Match[str]) -> dt.date | None:
    try:
        return dt.date(int(match["yyyy"]), int(match["mm"]), int(match["dd"]))
    except ValueError:
        return None
