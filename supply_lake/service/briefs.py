"""Snapshots in brief, by the hundred: the shape of ``models.SnapshotSummary``, parsed and written in a fifth of the time.

What belongs here: that shape as msgspec has it, which skips what it does not name. What does not: the meaning of its fields; a
test holds the two shapes to each other.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from supply_lake.snapshots.pages import Entry, records


class _Word(msgspec.Struct):
    severity: str
    passed: bool


class _Quality(msgspec.Struct):
    passed: int = 0
    warned: int = 0
    refused: int = 0


class _Rows(msgspec.Struct):
    landed: int
    published: int
    rejected: int
    deduplicated: int


class Brief(msgspec.Struct):
    """As it is stored when it is decoded; as it is told once ``briefs`` has gone over it."""

    dataset: str
    snapshot_id: str
    partition: dt.date
    status: str
    commit: int | None
    committed_at: dt.datetime | None
    created_at: dt.datetime | None
    live: bool
    superseded_by: int | None
    revoked_by: int | None
    supersedes: list[str]
    location: str
    files: Any
    bytes: int
    rows: _Rows
    rows_total: int
    quality: Any
    schema_version: int
    schema_fingerprint: str
    kind: str
    run_id: str
    reason: str


class _Stored(Brief):
    files: list[msgspec.Raw]
    quality: list[_Word]


class LivePage(msgspec.Struct):
    """``models.LiveSet``."""

    dataset: str
    commit: int
    committed_at: dt.datetime | None
    snapshots: list[Brief]
    next: str | None


class NewestPage(msgspec.Struct):
    """``models.SnapshotPage``."""

    dataset: str
    snapshots: list[Brief]
    next: str | None


_decoder = msgspec.json.Decoder(list[_Stored])
_encoder = msgspec.json.Encoder()


def briefs(entries: Sequence[Entry]) -> list[Brief]:
    """The entries in brief."""
    found: list[Brief] = list(_decoder.decode(records(entries)))
    for one, entry in zip(found, entries, strict=True):
        one.files, one.quality = len(one.files), _counted(one.quality)
        one.superseded_by, one.revoked_by = entry.superseded_by, entry.revoked_by
        one.live = one.commit is not None and entry.superseded_by is None
    return found


def encoded(told: msgspec.Struct) -> bytes:
    """As JSON."""
    return _encoder.encode(told)


def _counted(words: list[_Word]) -> _Quality:
    counts = _Quality()
    for one in words:
        if one.passed:
            counts.passed += 1
        elif one.severity == "warn":
            counts.warned += 1
        else:
            counts.refused += 1
    return counts
