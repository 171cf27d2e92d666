"""Bytes of text → the encoding that they are in.

A byte order mark proves it, and so does text beyond ASCII that is valid UTF-8. Of the old encodings of one byte a letter none
can be proved: the one is taken in which the words look most like words, and the doubt is stated with an example.

What belongs here: bytes. What does not: what the text says.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_SINGLE = ("cp1252", "cp1250", "cp1251", "cp1253", "koi8_r", "cp866", "mac_roman", "cp850", "iso8859_2")  # the likelier first
_ASIAN = ["cp932", "euc_jp", "gb18030", "big5", "cp949"]
_EVIDENCE = 256 * 1024
_FEW_BROKEN = 0.02


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding that Python knows, with what is in doubt about it, or nothing."""

    name: str
    doubt: str = ""
    bom: bool = False


def encoding_of(blocks: Iterable[bytes]) -> Encoding:
    """The encoding of a whole text, read block by block."""
    watch = _Watch()
    for at, block in enumerate(blocks):
        if at == 0 and (marked := _by_mark(block)):
            return marked
        if not watch.take(block):
            break
    return watch.judge()


def _by_mark(head: bytes) -> Encoding | None:
    if head.startswith(codecs.BOM_UTF8):
        return Encoding("utf-8", bom=True)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding("utf-16", bom=True)
    even, odd = head[:2000:2].count(0), head[1:2000:2].count(0)
    if max(even, odd) > 0.3 * len(head[:2000]) / 2 and min(even, odd) == 0:
        return Encoding(
            "utf-16-le" if odd else "utf-16-be", "it has no byte order mark; the zero bytes between its letters tell"
        )
    return None


class _Watch:
    """Reads on while the text may be UTF-8, and keeps what is not ASCII as evidence."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._evidence: list[bytes] = []
        self._kept = 0
        self._broken = False

    def take(self, block: bytes) -> bool:
        """Whether more needs to be seen."""
        if not self._broken:
            try:
                self._decoder.decode(block)
                return True
            except UnicodeDecodeError:
                self._broken = True
        for line in re.findall(rb"[^\r\n]*[\x80-\xff][^\r\n]*", block):
            self._evidence.append(line[:2000])
            self._kept += len(line[:2000])
            if self._kept > _EVIDENCE:
                return False
        return True

    def judge(self) -> Encoding:
        if not self._broken:
            try:
                self._decoder.decode(b"", final=True)
                return Encoding("utf-8")
            except UnicodeDecodeError:
                return Encoding("utf-8", "its last character is cut off")
        evidence = b"\n".join(self._evidence)
        if (mixed := _broken_utf8(evidence)) is not None:
            return mixed
        name = _asian(evidence) or min(_SINGLE, key=lambda one: (_oddness(evidence, one), _SINGLE.index(one)))
        return Encoding(
            name,
            f"it is not UTF-8; read as {name}, of which nothing but the look of its words is proof: {_shown(evidence, name)}",
        )


def _broken_utf8(evidence: bytes) -> Encoding | None:
    """UTF-8 with a few broken places, rather than another encoding."""
    good = len(re.findall(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}", evidence))
    bad = evidence.decode("utf-8", "replace").count("\ufffd")
    if good and bad <= max(1, _FEW_BROKEN * good):
        return Encoding("utf-8", f"{bad} places are no UTF-8; their lines are rejected")
    return None


def _asian(evidence: bytes) -> str:
    """An encoding of two bytes a character: there, the bytes beyond ASCII stand in long runs."""
    runs = re.findall(rb"[\x80-\xff][\x40-\xff]*[\x80-\xff]", evidence)
    if not runs or sum(map(len, runs)) < 3 * len(runs):
        return ""
    from charset_normalizer import from_bytes

    best = from_bytes(evidence, cp_isolation=_ASIAN).best()
    if best is None or not best.alphabets or _oddness(evidence, "cp1252") < 0.3:
        return ""
    wide = sum(unicodedata.east_asian_width(char) == "W" for char in str(best))
    return best.encoding if wide > 0.5 * len(re.sub(r"[\x00-\x7f]", "", str(best))) else ""


def _oddness(evidence: bytes, name: str) -> float:
    """How little the words look like words, per letter beyond ASCII."""
    text = evidence.decode(name, "replace")
    found = [_odd(*three) for three in zip(" " + text, text, text[1:] + " ", strict=False) if not three[1].isascii()]
    return sum(found) / max(len(found), 1)


def _odd(before: str, char: str, after: str) -> int:
    """Signs inside words, capitals behind small letters, letters of two alphabets in a word, words of nothing but accents."""
    if char == "\ufffd" or unicodedata.category(char) == "Cc":
        return 5
    if not char.isalpha():
        return 3 if before.isalpha() and after.isalpha() else int(before.isalpha() or unicodedata.category(char) == "So")
    if (char.isupper() and before.islower()) or (char.islower() and before.isupper() and after.isupper()):
        return 2
    around = [one for one in (before, after) if one.isalpha()]
    if _alphabet(char) == "LATIN":
        return int(len(around) == 2 and not before.isascii() and not after.isascii())
    return 2 if any(one.isascii() for one in around) else 0


def _alphabet(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def _shown(evidence: bytes, name: str) -> str:
    words = re.findall(r"\w*[^\W\d_]*[^\x00-\x7f]\w*", evidence.decode(name, "replace"))
    return ", ".join(repr(word) for word in dict.fromkeys(words[:50]) if len(word) > 1)[:120]
