"""The commit, and what follows it: the external catalog is brought to it.

A catalog that fails never fails a commit: by then the rows are published. The failure is logged, stands among the notes of
the batch that the caller gets, and is noted in the lake; the dataset's next commit, or ``repair``, closes the gap.

What belongs here: that order, and the repair. What does not: the catalog (``catalog.glue``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from supply_lake.catalog import lag
from supply_lake.catalog.glue import GlueCatalog, Published
from supply_lake.catalog.lag import Lag
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import CatalogError, SupplyLakeError, UsageError
from supply_lake.ingest.stores import Stores
from supply_lake.snapshots.records import Batch
from supply_lake.snapshots.store import Proposal

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the catalog shows of a dataset. ``shown`` is ``None`` when it has no table of it, or when it does not answer."""

    dataset: str
    commit: int
    shown: int | None
    created: int = 0
    updated: int = 0
    removed: int = 0
    lag: Lag | None = None
    error: str = ""

    @property
    def current(self) -> bool:
        """Whether it shows the newest commit."""
        return not self.error and (self.shown or 0) == self.commit

    def to_json(self) -> dict[str, Any]:
        """As public JSON."""
        return {
            "dataset": self.dataset,
            "commit": self.commit,
            "shown": self.shown,
            "current": self.current,
            "created": self.created,
            "updated": self.updated,
            "removed": self.removed,
            "lag": self.lag.to_json() if self.lag else None,
            "error": self.error,
        }


def commit(stores: Stores, proposal: Proposal) -> Batch:
    """Commit, and show it in the catalog, if there is one.

    Errors are those of ``MetadataStore.commit``; once that is done, none is raised.
    """
    batch = stores.metadata.commit(proposal)
    if stores.catalog is None:
        return batch
    spec = stores.registry.get(batch.dataset)
    failure = _publish(stores, stores.catalog, spec, batch.commit or 0)
    if not failure:
        return batch
    told = f"the catalog does not show commit {batch.commit} yet ({failure}); `supply-lake catalog --repair` mends it"
    return replace(batch, notes=(*batch.notes, told))


def repair(stores: Stores, names: Iterable[str] | None = None) -> list[Shown]:
    """Compare every table and partition of the catalog with the records, and mend what differs; of some datasets, or all.

    A dataset that fails does not keep the others from being mended.

    :raises UsageError: the lake has no catalog
    """
    catalog = _catalog(stores)
    return [_repaired(stores, catalog, spec) for spec in _specs(stores, names)]


def shown(stores: Stores, names: Iterable[str] | None = None) -> list[Shown]:
    """What the catalog shows now.

    :raises UsageError: the lake has no catalog
    """
    catalog = _catalog(stores)
    return [_shown(stores, catalog, spec) for spec in _specs(stores, names)]


def _publish(stores: Stores, catalog: GlueCatalog, spec: DatasetSpec, number: int) -> str:
    """Bring the catalog to the newest commit; returns why it could not be, or nothing."""
    try:
        done = catalog.publish(spec)
        if done.before != done.commit - 1:  # it was behind, so there may be a note
            lag.clear(stores.lake, spec.name)
    except Exception as error:  # whatever it is: the rows are published, and their files must stay
        log.warning("dataset %s: the catalog does not show commit %s: %s", spec.name, number, error)
        with suppress(SupplyLakeError):
            lag.note(stores.lake, spec.name, number, str(error))
        return str(error)
    return ""


def _repaired(stores: Stores, catalog: GlueCatalog, spec: DatasetSpec) -> Shown:
    try:
        done: Published = catalog.repair(spec)
    except CatalogError as error:
        number = stores.metadata.last_commit(spec.name)
        return Shown(spec.name, number, None, lag=lag.note(stores.lake, spec.name, number, str(error)), error=str(error))
    lag.clear(stores.lake, spec.name)
    return Shown(spec.name, done.commit, done.commit or None, created=done.created, updated=done.updated, removed=done.removed)


def _shown(stores: Stores, catalog: GlueCatalog, spec: DatasetSpec) -> Shown:
    number, known = stores.metadata.last_commit(spec.name), lag.noted(stores.lake, spec.name)
    try:
        return Shown(spec.name, number, catalog.shown(spec.name), lag=known)
    except CatalogError as error:
        return Shown(spec.name, number, None, lag=known, error=str(error))


def _specs(stores: Stores, names: Iterable[str] | None) -> list[DatasetSpec]:
    return [stores.registry.get(name) for name in (names or stores.registry)]


def _catalog(stores: Stores) -> GlueCatalog:
    if stores.catalog is None:
        raise UsageError("this lake has no catalog; set SUPPLY_LAKE_CATALOG=glue")
    return stores.catalog
