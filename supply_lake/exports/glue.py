"""The Glue Data Catalog as an export: brought to every commit, and what is said when it could not be.

A failure is noted in the lake's bucket, besides the log, from the first until it is mended: by the dataset's next commit, by
``reconcile``, or by ``supply-lake catalog --repair``.

What belongs here: telling and noting. What does not: the catalog itself (``catalog.glue``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supply_lake.catalog import lag
from supply_lake.catalog.glue import GlueCatalog
from supply_lake.catalog.lag import Lag
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import CatalogError
from supply_lake.snapshots.records import Batch
from supply_lake.storage.object_store import ObjectStore


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


class Glue:
    """``exports.Export`` over a catalog.

    :param lake: where failures are noted
    """

    after_failure = "its table is made good by the next commit, or by `supply-lake reconcile`"

    def __init__(self, catalog: GlueCatalog, lake: ObjectStore) -> None:
        self._catalog, self._lake = catalog, lake

    def settled(self, spec: DatasetSpec, batch: Batch) -> None:
        """Show the newest commit.

        :raises CatalogError: Glue does not answer, or refuses; it is noted
        """
        if batch.commit is None:
            return
        try:
            done = self._catalog.publish(spec)
        except Exception as error:  # whatever it is, it is noted before it is told
            lag.note(self._lake, spec.name, batch.commit, str(error))
            raise CatalogError(f"the catalog does not show commit {batch.commit} of {spec.name} yet: {error}") from error
        if done.before != done.commit - 1:  # it was behind, so there may be a note
            lag.clear(self._lake, spec.name)

    def repair(self, spec: DatasetSpec) -> str:
        """Mend the catalog.

        :raises CatalogError: Glue does not answer, or refuses; it is noted
        """
        done = repaired(self._catalog, self._lake, spec)
        if done.error:
            raise CatalogError(done.error)
        if not (done.created or done.updated or done.removed):
            return ""
        counts = f"{done.created:,} partitions made, {done.updated:,} changed, {done.removed:,} removed"
        return f"the Glue catalog was not at commit {done.commit} in all its parts: {counts}"

    def forget(self, dataset: str, reachable_from: int) -> None:  # noqa: ARG002 - the records tell which files are gone
        """Take the partitions of removed snapshots away."""
        self._catalog.forget(dataset)

    def close(self) -> None:
        """Nothing is held."""


def repaired(catalog: GlueCatalog, lake: ObjectStore, spec: DatasetSpec) -> Shown:
    """Compare every table and partition of a dataset with the records, mend what differs, and tell; a failure is noted."""
    try:
        done = catalog.repair(spec)
    except CatalogError as error:
        number = catalog.newest(spec.name)
        return Shown(spec.name, number, None, lag=lag.note(lake, spec.name, number, str(error)), error=str(error))
    lag.clear(lake, spec.name)
    return Shown(spec.name, done.commit, done.commit or None, created=done.created, updated=done.updated, removed=done.removed)


def shown(catalog: GlueCatalog, lake: ObjectStore, spec: DatasetSpec) -> Shown:
    """What the catalog shows of a dataset now."""
    number, known = catalog.newest(spec.name), lag.noted(lake, spec.name)
    try:
        return Shown(spec.name, number, catalog.shown(spec.name), lag=known)
    except CatalogError as error:
        return Shown(spec.name, number, None, lag=known, error=str(error))
