"""Datasets and listings made up for tests of this room."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import pyarrow as pa

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.landing.ledger import LedgerEntry
from supply_lake.storage.object_store import LISTING, ObjectVersion

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
START = dt.date(2020, 1, 1)


def dataset(name: str, pattern: str = "") -> DatasetSpec:
    return DatasetSpec.model_validate(
        {
            "name": name,
            "description": "",
            "owner": "team:tests",
            "source": {"system": "tests"},
            "format": {"type": "csv"},
            "landing": {"pattern": pattern},
            "start_date": START,
            "columns": [{"name": "id", "type": "string"}],
        }
    )


def version(key: str, etag: str = "1", size: int = 10, modified: dt.datetime = NOW) -> ObjectVersion:
    return ObjectVersion(key, etag, size, modified)


def batches(versions: Iterable[ObjectVersion], rows: int = 1000) -> list[pa.RecordBatch]:
    """A listing of these object versions, in this order, in batches of so many rows."""
    found = list(versions)
    return [
        pa.RecordBatch.from_pydict(
            {name: [getattr(one, name) for one in found[start : start + rows]] for name in LISTING.names}, schema=LISTING
        )
        for start in range(0, len(found), rows)
    ]


class Ledger:
    """The little of a metadata store that discovery needs, in memory."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str, int], LedgerEntry] = {}
        self.fingerprints: dict[str, int] = {}
        self.asked: list[str] = []
        self._versions: dict[str, set[tuple[str, int]]] = {}

    def known(self, keys: Sequence[str]) -> dict[str, set[tuple[str, int]]]:
        self.asked += keys
        return {key: set(self._versions[key]) for key in keys if key in self._versions}

    def register(self, entries: Iterable[LedgerEntry]) -> None:
        for entry in entries:
            key, etag, size = entry.object.identity
            assert entry.object.identity not in self.entries, f"{key} was entered twice"
            self.entries[entry.object.identity] = entry
            self._versions.setdefault(key, set()).add((etag, size))

    def forget(self) -> None:
        """As if all had been gone when it was to be read: such versions count as unknown."""
        self.entries.clear()
        self._versions.clear()
