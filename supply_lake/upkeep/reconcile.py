"""Reconciliation: landing against the ledger, stored files against the records, both ways, by full listings.

What belongs here: the comparison, and entering what discovery missed. What does not: reading files (``verify`` proves what is
in them) and removing any (``gc``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from supply_lake.errors import VerificationError
from supply_lake.ingest import discovery
from supply_lake.ingest.discovery import TickReport
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.records import DataFile, Snapshot
from supply_lake.storage.object_store import ObjectStore

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One dataset. ``missing`` are files that a record names and that are not there, or of another size; ``unnamed`` are stored
    files that no record names: of batches at work, or left behind. ``exports`` are sentences on what was wrong with tables that
    are published for other engines, and is set right.
    """

    dataset: str
    files: int
    missing: tuple[str, ...]
    unnamed: int
    unnamed_bytes: int
    examples: tuple[str, ...]
    exports: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The comparison as public JSON."""
        return {
            "dataset": self.dataset,
            "files": self.files,
            "missing": list(self.missing),
            "unnamed": self.unnamed,
            "unnamed_bytes": self.unnamed_bytes,
            "unnamed_examples": list(self.examples),
            "exports": list(self.exports),
        }


def reconcile_landing(stores: Stores) -> TickReport:
    """List landing whole, compare every object with the ledger, and enter what was missed.

    :raises StoreUnavailable: landing or the metadata store does not answer
    """
    return discovery.tick(stores, full=True, anew=True)


def reconcile_files(stores: Stores, name: str) -> Reconciled:
    """Compare the stored files of a dataset with its records, and its exports with what is live.

    :raises UnknownDataset: no dataset is called so
    """
    spec = stores.registry.get(name)
    dataset = spec.name
    listed = {root: _listed(store, dataset) for root, store in (("lake", stores.lake), ("rejects", stores.rejects))}
    snapshots = stores.metadata.snapshots(dataset)  # after the listing: what was committed meanwhile is looked up by itself
    missing: list[str] = []
    named = 0
    for root, store in (("lake", stores.lake), ("rejects", stores.rejects)):
        files = [file for one in snapshots for file in _files(one, root)]
        named += len(files)
        missing += (store.uri(file.path) for file in files if not _is_there(store, file, listed[root].pop(file.path, None)))
    rest = sorted((path, size) for here in listed.values() for path, size in here.items())
    return Reconciled(
        dataset=dataset,
        files=named,
        missing=tuple(sorted(missing)),
        unnamed=len(rest),
        unnamed_bytes=sum(size for _, size in rest),
        examples=tuple(path for path, _ in rest[:_EXAMPLES]),
        exports=stores.exports.repair(spec),
    )


def require(found: Sequence[Reconciled]) -> None:
    """Nothing, if every file that a record names is there.

    :raises VerificationError: naming the first that is not
    """
    missing = [one for here in found for one in here.missing]
    if missing:
        rest = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
        raise VerificationError(f"{missing[0]}{rest} is on record and not there, or of another size; put back a copy of it")


def _listed(store: ObjectStore, dataset: str) -> dict[str, int]:
    return {
        key: size
        for batch in store.list(f"dataset={dataset}/")
        for key, size in zip(batch.column("key").to_pylist(), batch.column("size").to_pylist(), strict=True)
    }


def _files(snapshot: Snapshot, root: str) -> Iterable[DataFile]:
    if root == "rejects":
        return snapshot.rejects
    return snapshot.files if snapshot.removed_at is None else ()


def _is_there(store: ObjectStore, file: DataFile, size: int | None) -> bool:
    """Whether the file is there; one that the listing did not have may have come since."""
    if size is None and store.exists(file.path):
        size = store.head(file.path).size
    return size == file.bytes
