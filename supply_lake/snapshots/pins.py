"""Pins: which commit each of several datasets was at, as frozen values and their JSON.

What belongs here: the nouns, and the digest that proves a pinned live set is the one that was pinned. What does not: storing
pins (``sql_pins``), writing them to files and reading under them (``query.pins``).

A digest is SHA-256 over the ids of the snapshots that make up the live set and, of each of their files, its rows and its own
SHA-256. Snapshots are immutable, so the same digest means the same bytes, and so the same rows.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from supply_lake.snapshots.records import Snapshot


@dataclass(frozen=True, slots=True)
class PinnedDataset:
    """One dataset of a pin. ``commit`` 0 is the dataset before its first commit.

    ``snapshots`` and ``rows`` count what is live at the commit, ``rows`` those that a tombstone hides included.
    ``schema_fingerprint`` tells whether two live sets have files of the same columns and types.
    """

    dataset: str
    commit: int
    committed_at: dt.datetime | None
    snapshots: int
    rows: int
    schema_version: int
    schema_fingerprint: str
    digest: str


@dataclass(frozen=True, slots=True)
class Pin:
    """What several datasets are read at, for ever. ``name`` is for people; it need not be unique.

    ``as_of`` is the time that the commits were chosen by; ``None`` when each was the newest.
    """

    id: str
    datasets: tuple[PinnedDataset, ...]
    created_at: dt.datetime
    as_of: dt.datetime | None = None
    name: str = ""
    by: str = ""

    def commit_of(self, dataset: str) -> int | None:
        """The commit of a dataset; ``None`` when the pin does not name it."""
        return next((one.commit for one in self.datasets if one.dataset == dataset), None)

    @property
    def digest(self) -> str:
        """Digest of all its datasets' digests."""
        lines = sorted(f"{one.dataset} {one.commit} {one.digest}" for one in self.datasets)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def content_digest(snapshots: Iterable[Snapshot]) -> str:
    """The digest of a live set, in whatever order it comes."""
    lines = sorted(
        " ".join([one.id, *(f"{file.rows}:{file.sha256}" for file in sorted(one.files, key=lambda file: file.path))])
        for one in snapshots
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def schemas_digest(snapshots: Iterable[Snapshot]) -> str:
    """One fingerprint for the schemas of all files of a live set."""
    found = sorted({one.schema_fingerprint for one in snapshots})
    return found[0] if len(found) == 1 else hashlib.sha256(" ".join(found).encode()).hexdigest()[:16]


def pin_json(pin: Pin) -> dict[str, Any]:
    """A pin as public JSON."""
    return {
        "id": pin.id,
        "name": pin.name,
        "by": pin.by,
        "created_at": pin.created_at.isoformat(),
        "as_of": pin.as_of.isoformat() if pin.as_of else None,
        "datasets": [
            {**asdict(one), "committed_at": one.committed_at.isoformat() if one.committed_at else None} for one in pin.datasets
        ],
        "digest": pin.digest,
    }


def pin_from_json(data: dict[str, Any]) -> Pin:
    """The inverse of ``pin_json``; the digest is computed anew."""
    return Pin(
        id=data["id"],
        name=data["name"],
        by=data["by"],
        created_at=dt.datetime.fromisoformat(data["created_at"]),
        as_of=_time(data["as_of"]),
        datasets=tuple(PinnedDataset(**{**one, "committed_at": _time(one["committed_at"])}) for one in data["datasets"]),
    )


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
