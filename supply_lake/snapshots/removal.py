"""What ``gc`` takes away: a record that is written before the first file goes, and its JSON.

What belongs here: the noun, and what to tell readers of what is gone. What does not: choosing what goes (``upkeep.gc``) and
storing the record (``sql_removals``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from supply_lake.errors import VersionRemoved
from supply_lake.snapshots.records import Snapshot

Root = Literal["lake", "rejects"]


@dataclass(frozen=True, slots=True)
class Stray:
    """A stored file that no record names. ``root`` tells below which root its path lies; ``bytes`` is its size."""

    root: Root
    path: str
    bytes: int
    snapshot_id: str


@dataclass(frozen=True, slots=True)
class Given:
    """A snapshot whose published files are given up, and how many they are, of how many bytes."""

    id: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Removal:
    """What one collection of one dataset removes.

    ``snapshots`` are those whose published rows go; they were superseded at ``reachable_from``, the first commit that has to
    stay readable, or before. Their records and rejects stay. ``why`` tells the terms in words.
    """

    id: str
    dataset: str
    reachable_from: int
    snapshots: tuple[Given, ...] = ()
    strays: tuple[Stray, ...] = ()
    removed_at: dt.datetime | None = None
    run_id: str = ""
    by: str = ""
    why: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not self.snapshots and not self.strays

    @property
    def files(self) -> int:
        """How many files go, strays included."""
        return sum(one.files for one in self.snapshots) + len(self.strays)

    @property
    def bytes(self) -> int:
        """Their bytes."""
        return sum(one.bytes for one in self.snapshots) + sum(one.bytes for one in self.strays)


def removal_json(removal: Removal) -> dict[str, Any]:
    """A removal as public JSON."""
    return {
        "removal_id": removal.id,
        "dataset": removal.dataset,
        "removed_at": removal.removed_at.isoformat() if removal.removed_at else None,
        "reachable_from": removal.reachable_from,
        "snapshots": [asdict(one) for one in removal.snapshots],
        "strays": [asdict(one) for one in removal.strays],
        "files": removal.files,
        "bytes": removal.bytes,
        "run_id": removal.run_id,
        "by": removal.by,
        "why": removal.why,
    }


def removal_from_json(data: Mapping[str, Any]) -> Removal:
    """The inverse of ``removal_json``."""
    return Removal(
        id=data["removal_id"],
        dataset=data["dataset"],
        reachable_from=data["reachable_from"],
        snapshots=tuple(Given(**one) for one in data["snapshots"]),
        strays=tuple(Stray(**one) for one in data["strays"]),
        removed_at=dt.datetime.fromisoformat(data["removed_at"]) if data["removed_at"] else None,
        run_id=data["run_id"],
        by=data["by"],
        why=data["why"],
    )


def require_files(dataset: str, commit: int, snapshots: Iterable[Snapshot]) -> None:
    """Make sure that the files of these snapshots, live at a commit, are there still.

    :raises VersionRemoved: naming the first that was removed
    """
    gone = next((one for one in snapshots if one.removed_at is not None), None)
    if gone is not None:
        raise VersionRemoved(
            f"dataset {dataset} cannot be read at commit {commit} any more: snapshot {gone.id} of {gone.partition} was "
            f"superseded by commit {gone.superseded_by}, and gc removed its files on {gone.removed_at:%Y-%m-%d}; read a later "
            "commit"
        )
