"""What is known of one pull: where from, what was asked, how much the source reported and how much landed.

What belongs here: the value, its JSON, and what of it goes to the snapshot record. What does not: keeping it
(``landing.pull``).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supply_lake.extract.position import Value, read, told, written

_LONGEST_REQUEST = 2_000


@dataclass(frozen=True, slots=True)
class Pulled:
    """One finished file that a transport brought, not landed yet. No text of it holds a secret.

    ``name`` is the name that it lands under, ``source`` where it comes from, ``request`` what was asked there. ``rows`` and
    ``bytes`` are those that came, ``…_reported`` those that the source says there are; ``None`` where nobody knows.
    ``position`` is the newest cursor value in it. ``version`` tells one version of a remote file from the next.
    """

    path: Path
    name: str
    date: dt.date
    source: str
    request: str
    extracted_at: dt.datetime
    by: str = ""
    start: Value | None = None
    end: Value | None = None
    rows: int | None = None
    rows_reported: int | None = None
    bytes_reported: int | None = None
    position: Value | None = None
    columns: dict[str, str] = field(default_factory=dict)
    version: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of one pulled object. ``landed_at`` is ``None`` until the object stands under its key.

    ``start``, ``end`` and ``position`` are cursor values; ``size`` and ``sha256`` are of the landed bytes. Rows and bytes that
    the source reported are ``None`` where it reports none.
    """

    dataset: str
    key: str
    system: str
    owner: str
    transport: str
    source: str
    request: str
    extracted_at: dt.datetime
    size: int
    sha256: str
    etag: str = ""
    landed_at: dt.datetime | None = None
    by: str = ""
    start: str = ""
    end: str = ""
    rows: int | None = None
    rows_reported: int | None = None
    bytes_reported: int | None = None
    position: Value | None = None
    columns: dict[str, str] = field(default_factory=dict)
    version: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As public JSON."""
        return {
            **dataclasses.asdict(self),
            "extracted_at": self.extracted_at.isoformat(),
            "landed_at": self.landed_at.isoformat() if self.landed_at else None,
            "position": written(self.position) if self.position is not None else None,
            "notes": list(self.notes),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Manifest:
        """The inverse of ``to_json``."""
        landed_at, position = data["landed_at"], data["position"]
        return Manifest(
            **{
                **data,
                "extracted_at": dt.datetime.fromisoformat(data["extracted_at"]),
                "landed_at": dt.datetime.fromisoformat(landed_at) if landed_at else None,
                "position": read(position) if position else None,
                "notes": tuple(data["notes"]),
            }
        )


def manifest_of(pulled: Pulled, *, dataset: str, key: str, system: str, owner: str, transport: str, sha256: str) -> Manifest:
    """The manifest of a file that is about to land."""
    return Manifest(
        dataset=dataset,
        key=key,
        system=system,
        owner=owner,
        transport=transport,
        source=pulled.source,
        request=pulled.request[:_LONGEST_REQUEST],
        extracted_at=pulled.extracted_at,
        size=pulled.path.stat().st_size,
        sha256=sha256,
        by=pulled.by,
        start=told(pulled.start),
        end=told(pulled.end),
        rows=pulled.rows,
        rows_reported=pulled.rows_reported,
        bytes_reported=pulled.bytes_reported,
        position=pulled.position,
        columns=pulled.columns,
        version=pulled.version,
        notes=pulled.notes,
    )


def facts(manifests: Sequence[Manifest]) -> dict[str, str]:
    """What a snapshot record keeps of the pulls behind it: of the newest, with rows and bytes of all of them."""
    if not manifests:
        return {}
    newest = max(manifests, key=lambda one: (one.extracted_at, one.key))
    known = {
        "transport": newest.transport,
        "pulled_from": newest.source,
        "request": newest.request,
        "extracted_at": newest.extracted_at.isoformat(),
        "pulled_by": newest.by,
        "pulled_start": newest.start,
        "pulled_end": newest.end,
        "pulls": str(len(manifests)) if len(manifests) > 1 else "",
        "rows_reported": _total([one.rows_reported for one in manifests]),
        "rows_pulled": _total([one.rows for one in manifests]),
        "bytes_reported": _total([one.bytes_reported for one in manifests]),
        "bytes_landed": _total([one.size for one in manifests]),
    }
    return {name: value for name, value in known.items() if value}


def _total(numbers: Sequence[int | None]) -> str:
    known = [number for number in numbers if number is not None]
    return str(sum(known)) if len(known) == len(numbers) else ""
