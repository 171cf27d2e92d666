"""What the world outside is told of commits: tables of other engines, events of lineage. Each is off unless it is configured.

What belongs here: which exports there are, and that none of them can harm a commit. What does not: any of them.

An export is told after the commit, which stands whatever comes of the telling: what fails is logged, and made good by the next
commit of the dataset, or by ``reconcile``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.exports.lineage import Lineage, is_configured
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.object_store import ObjectStore

_log = logging.getLogger(__name__)


class Export(Protocol):
    """One way to tell of commits. ``after_failure`` says what becomes of what could not be told."""

    after_failure: str

    def settled(self, spec: DatasetSpec, batch: Batch) -> None:
        """A batch was committed, or recorded without publishing anything."""

    def repair(self, spec: DatasetSpec) -> str:
        """Make the export what the live set is now; a sentence on what was wrong, empty if nothing was."""

    def forget(self, dataset: str, reachable_from: int) -> None:
        """Commits before this one cannot be read any more."""

    def close(self) -> None:
        """Give up connections."""


@dataclass(frozen=True, slots=True)
class Exports:
    """The exports of one lake, told one after the other."""

    each: Sequence[Export] = ()

    @staticmethod
    def open(settings: Settings, lake: ObjectStore, metadata: MetadataStore) -> Exports:
        """Those that are configured. Nothing is asked of any of them yet.

        :raises SettingsError: one is configured and its library is not installed
        """
        found: list[Export] = []
        if settings.iceberg:
            from supply_lake.exports.iceberg import Iceberg  # brings a library that most lakes do without

            found.append(Iceberg.open(settings.iceberg, settings.iceberg_warehouse, lake, metadata))
        if is_configured():
            found.append(Lineage.open(lake))
        return Exports(tuple(found))

    def settled(self, spec: DatasetSpec, batch: Batch) -> None:
        """Tell all of a batch that was committed or recorded."""
        for one in self.each:
            try:
                one.settled(spec, batch)
            except Exception as error:  # whatever it is, the batch stands
                _log.warning("%s; batch %s of %s stands, and %s", error, batch.id, spec.name, one.after_failure)

    def repair(self, spec: DatasetSpec) -> tuple[str, ...]:
        """Make all exports of a dataset what its live set is; sentences on what was wrong."""
        return tuple(told for one in self.each if (told := one.repair(spec)))

    def forget(self, dataset: str, reachable_from: int) -> None:
        """Tell all that earlier commits cannot be read any more."""
        for one in self.each:
            try:
                one.forget(dataset, reachable_from)
            except Exception as error:
                _log.warning("%s; what gc removed of %s may still be offered there", error, dataset)

    def close(self) -> None:
        """Give up connections."""
        for one in self.each:
            one.close()
