"""What stands in a text file before its first record and after its last: preamble and footer lines.

A footer line is told by its regular expression, and only at the end of the file: in its last ``FOOTER_BYTES``, from the bottom
up to the first line that is neither blank nor a footer. So what counts as one does not depend on how the file is read.

What belongs here: lines that are no records because of where they stand. What does not: comments and blank lines, which may
stand between records (``exact_csv``).
"""

from __future__ import annotations

import re
from collections import Counter

from supply_lake.curate.raw import Readable
from supply_lake.errors import UnreadableObject

FOOTER_BYTES = 64 * 1024
LONGEST_PREAMBLE = 16 * 1024 * 1024
PREAMBLE, FOOTER = "preamble lines were passed over", "footer lines were passed over"
_BLOCK = 64 * 1024


class Body:
    """The text between preamble and footer. ``first_line`` is the line of its first byte, known from the first ``read`` on.

    ``notes`` counts the lines that were taken off, ``totals`` has (group, text) of every named group that a footer line fills;
    both are whole when ``read`` has given ``b""``.
    """

    def __init__(self, text: Readable, skip_lines: int, footer: str) -> None:
        self._text, self._skip = text, skip_lines
        self._footer = re.compile(footer) if footer else None
        self._held, self._whole = b"", True
        self.first_line = 1
        self.notes: Counter[str] = Counter()
        self.totals: list[tuple[str, str]] = []

    def read(self, size: int) -> bytes:
        """The next text, ``b""`` at the end.

        :raises UnreadableObject: the preamble has no end
        """
        if self._skip:
            self._take_preamble_off()
        if self._footer is None:
            held, self._held = self._held, b""
            return held or self._text.read(size)
        return self._all_but_the_end(size)

    def _take_preamble_off(self) -> None:
        skip, self._skip = self._skip, 0
        lines: list[bytes] = []
        while len(lines) <= skip and (block := self._text.read(_BLOCK)):
            self._held += block
            if len(self._held) > LONGEST_PREAMBLE:
                raise UnreadableObject(f"has a preamble of more than {LONGEST_PREAMBLE:,} bytes; look at `format.skip_lines`")
            lines = self._held.splitlines(keepends=True)
        taken = lines[:skip]
        self._held = self._held[sum(map(len, taken)) :]
        self.first_line += len(taken)
        self.notes[PREAMBLE] += len(taken)

    def _all_but_the_end(self, size: int) -> bytes:
        """What is surely no footer: all but the last bytes, until there are no more."""
        while block := self._text.read(max(size, _BLOCK)):
            self._held += block
            if len(self._held) > FOOTER_BYTES:
                given, self._held, self._whole = self._held[:-FOOTER_BYTES], self._held[-FOOTER_BYTES:], False
                return given
        given, self._held = self._without_footer(self._held), b""
        return given

    def _without_footer(self, end: bytes) -> bytes:
        assert self._footer is not None
        lines = end.splitlines(keepends=True)
        first = 0 if self._whole else 1  # what is left of a longer text begins with half a line
        cut = at = len(lines)
        while at > first:
            at -= 1
            text = lines[at].decode("utf-8", "replace").rstrip("\r\n")
            match = self._footer.fullmatch(text)
            if match:
                cut = at
                self.notes[FOOTER] += 1
                self.totals += [(name, value) for name, value in match.groupdict().items() if value is not None]
            elif text.strip():
                break
        return b"".join(lines[:cut])
