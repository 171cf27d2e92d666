"""One file → its format: CSV and its dialect, JSON and its form, Parquet; and what was seen and doubted on the way.

What belongs here: telling formats by their bytes, and files that are none. What does not: dialects, encodings, documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supply_lake.curate.columns import column_names
from supply_lake.curate.text import Utf8
from supply_lake.errors import UnreadableObject
from supply_lake.onboard.delimiters import Cut
from supply_lake.onboard.dialect import Dialect, dialect_of
from supply_lake.onboard.documents import form_of, is_json
from supply_lake.onboard.encoding import Encoding, encoding_of
from supply_lake.onboard.sample import Glance, SampleFile, blocks, glance, opened

_NOT_DATA = {
    b"%PDF": "a PDF",
    b"SQLite format 3": "an SQLite database; give it as sqlite:///FILE#TABLE",
    b"Obj\x01": "an Avro file, which no reader is for; convert it to Parquet",
    b"ORC": "an ORC file, which no reader is for; convert it to Parquet",
    b"ARROW1": "an Arrow file, which no reader is for; convert it to Parquet",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
}
_CONTROL = bytes({*range(9), 11, 12, *range(14, 27), 28, 29, 30, 127} - {1})


@dataclass(frozen=True, slots=True)
class Hints:
    """What the person who asks for a draft knows of the format already."""

    delimiter: str = ""
    encoding: str = ""
    header: bool | None = None
    records_path: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sniffed:
    """The format of one file as the fields of ``format``, and the names of its columns where it has no other schema.

    ``totals`` are places where the file says how many records it holds.
    """

    fields: dict[str, Any]
    names: tuple[str, ...] = ()
    cut: Cut | None = None
    facts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = field(default=())
    totals: tuple[str, ...] = ()


def sniff(file: SampleFile, hints: Hints, scratch: Path, like: Sniffed | None = None) -> Sniffed:
    """The format of a file.

    :param scratch: folder for an archive whose list has to be read from its end
    :param like: that of another file of the dataset, which is tried first
    :raises UnreadableObject: saying in one sentence why nothing can be drafted from it
    """
    seen = glance(file, scratch)
    if not seen.head.strip():
        raise UnreadableObject("holds nothing but white space" if seen.head else "is empty")
    if seen.head.startswith(b"PAR1"):
        return Sniffed({"type": "parquet", **_members(seen)}, facts=_packing(seen))
    _refuse_what_is_no_data(seen.head)
    encoding = Encoding(hints.encoding) if hints.encoding else encoding_of(blocks(file, seen.members, scratch))
    text = _text(seen.head, encoding, seen.whole)
    if is_json(text):
        with opened(file, seen.members, scratch) as stream:
            form = form_of(text, seen.whole, Utf8(stream, encoding.name), hints.records_path)
        fields = {"type": form.type, **_members(seen), **_encoded(encoding)}
        fields |= {"records_path": form.records_path} if form.records_path else {}
        return Sniffed(fields, facts=_packing(seen), doubts=form.doubts, totals=form.totals)
    _refuse_text(text)
    return _delimited(text, seen, hints, encoding, like)


def _delimited(text: str, seen: Glance, hints: Hints, encoding: Encoding, like: Sniffed | None) -> Sniffed:
    _refuse_bytes(seen.head, encoding)
    tail = text if seen.whole else _text(seen.tail, encoding, True)
    found = dialect_of(
        text, tail, whole=seen.whole, delimiter=hints.delimiter, header=hints.header, like=like.cut if like else None
    )
    named = found.names if found.fields.get("header") or not hints.columns else _given(hints.columns, found)
    fields = {"type": "csv", **found.fields, **_members(seen), **_encoded(encoding)}
    facts = (*_packing(seen), *(("a byte order mark",) if encoding.bom else ()), _line_ends(seen.head), *found.facts)
    doubts = (encoding.doubt, *found.doubts) if encoding.doubt else found.doubts
    return Sniffed(fields, named, found.cut, facts, doubts)


def _given(columns: Sequence[str], found: Dialect) -> tuple[str, ...]:
    if len(columns) != len(found.names):
        raise UnreadableObject(f"has {len(found.names)} columns, and {len(columns)} names were given for them")
    return column_names(list(columns))


def _text(data: bytes, encoding: Encoding, whole: bool) -> str:
    """The bytes as text; what is cut off at their end is left out."""
    text = data.decode(encoding.name, "replace").removeprefix("\ufeff")
    return text if whole else text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text


def _refuse_what_is_no_data(head: bytes) -> None:
    for magic, told in _NOT_DATA.items():
        if head.startswith(magic):
            raise UnreadableObject(f"is {told}")


def _refuse_text(text: str) -> None:
    start = text.lstrip()[:100].lower()
    if start.startswith(("<!doctype html", "<html")):
        raise UnreadableObject("is an HTML page, perhaps one that says why there is no data")
    if start.startswith("<?xml"):
        raise UnreadableObject("is XML, which no reader is for; convert it to JSON or CSV")


def _refuse_bytes(head: bytes, encoding: Encoding) -> None:
    strange = sum(head.count(byte) for byte in _CONTROL)
    if not encoding.name.startswith("utf-16") and strange > max(8, 0.05 * len(head)):
        raise UnreadableObject("is binary data that no reader is for; CSV, JSON, JSON lines and Parquet can be read")


def _packing(seen: Glance) -> tuple[str, ...]:
    told = (f"compressed with {seen.compression}",) if seen.compression else ()
    return (*told, f"a zip archive; {seen.members!r} of its members are read") if seen.members else told


def _members(seen: Glance) -> dict[str, str]:
    return {"members": seen.members} if seen.members not in ("", "*") else {}


def _encoded(encoding: Encoding) -> dict[str, str]:
    return {} if encoding.name == "utf-8" else {"encoding": encoding.name}


def _line_ends(head: bytes) -> str:
    pairs = head.count(b"\r\n")
    kinds = {"CRLF": pairs, "LF": head.count(b"\n") - pairs, "CR": head.count(b"\r") - pairs}
    return f"lines end in {' and '.join(kind for kind, times in kinds.items() if times) or 'nothing'}"


def agreed(found: Sequence[Sniffed]) -> Sniffed:
    """One format for all files: that of most of them; their encodings are brought together."""
    votes = Counter(_identity(one) for one in found)
    most = max(votes, key=lambda one: (votes[one], [_identity(each) for each in found].index(one) * -1))
    chosen = next(one for one in found if _identity(one) == most)
    odd = sorted({one.fields.get("encoding", "utf-8") for one in found})
    fields = dict(chosen.fields)
    doubts = list(dict.fromkeys(doubt for one in found for doubt in one.doubts))
    if len(odd) > 1:
        fields["encoding"] = next(one for one in odd if one != "utf-8")
        doubts.append(f"the files are in several encodings, {' and '.join(odd)}; a dataset has one")
    footers = list(dict.fromkeys(one.fields["footer"] for one in found if one.fields.get("footer")))
    if footers:
        fields["footer"] = "|".join(footers[:3])
    facts = tuple(dict.fromkeys(fact for one in found for fact in one.facts))
    totals = tuple(one for one in chosen.totals if all(one in each.totals for each in found))
    return Sniffed(fields, chosen.names, chosen.cut, facts, tuple(doubts), totals)


def _identity(one: Sniffed) -> tuple[Any, ...]:
    known = ("type", "delimiter", "quote", "escape", "record_end", "header", "skip_lines", "comment", "records_path", "members")
    return tuple(one.fields.get(name) for name in known)
