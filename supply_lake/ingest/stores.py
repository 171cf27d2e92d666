"""Everything a batch touches, opened once: the declarations, the three object stores and the metadata store.

What belongs here: opening and closing, and that no commit or record passes by the exports. What does not: any decision about
data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType

from supply_lake.datasets.registry import Registry, load_registry
from supply_lake.exports.exports import Exports
from supply_lake.settings import Settings
from supply_lake.snapshots.open_store import open_store
from supply_lake.snapshots.records import Batch
from supply_lake.snapshots.store import MetadataStore, Proposal, TakenUp
from supply_lake.storage.object_store import ObjectStore, ObjectVersion


@dataclass(frozen=True, slots=True)
class Stores:
    """The opened parts of one lake. Use it as a context manager, or call ``close``."""

    settings: Settings
    registry: Registry
    landing: ObjectStore
    lake: ObjectStore
    rejects: ObjectStore
    metadata: MetadataStore
    exports: Exports = field(default_factory=Exports)

    @staticmethod
    def open(settings: Settings | None = None) -> Stores:
        """Open what the settings name; folders and tables that do not exist yet are made.

        :raises SpecError: a dataset file is wrong
        :raises StoreUnavailable: a store does not answer
        """
        settings = settings or Settings.from_env()
        registry = load_registry(settings.datasets)
        lake, metadata = ObjectStore.open(settings.lake, settings.encryption), open_metadata(settings)
        return Stores(
            settings=settings,
            registry=registry,
            landing=ObjectStore.open(settings.landing, settings.encryption),
            lake=lake,
            rejects=ObjectStore.open(settings.rejects, settings.encryption),
            metadata=metadata,
            exports=Exports.open(settings, lake, metadata),
        )

    def commit(self, proposal: Proposal) -> Batch:
        """Commit, and tell the exports; errors are those of ``MetadataStore.commit``."""
        batch = self.metadata.commit(proposal)
        self.exports.settled(self.registry.get(batch.dataset), batch)
        return batch

    def record(self, batch: Batch, objects: Sequence[ObjectVersion], taken_up: Sequence[TakenUp] = ()) -> Batch:
        """Record a batch that publishes nothing, and tell the exports; errors are those of ``MetadataStore.record``."""
        batch = self.metadata.record(batch, objects, taken_up)
        self.exports.settled(self.registry.get(batch.dataset), batch)
        return batch

    def close(self) -> None:
        """Give up connections."""
        self.exports.close()
        self.metadata.close()

    def __enter__(self) -> Stores:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_metadata(settings: Settings) -> MetadataStore:
    """The metadata store alone; its tables are made if they are not there.

    :raises SettingsError: the URL cannot be used
    :raises StoreUnavailable: it does not answer
    """
    return open_store(settings.metadata)
