"""Everything a batch touches, opened once: the declarations, the three object stores and the metadata store.

What belongs here: opening and closing. What does not: any decision about data.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from supply_lake.datasets.registry import Registry, load_registry
from supply_lake.settings import Settings
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Stores:
    """The opened parts of one lake. Use it as a context manager, or call ``close``."""

    settings: Settings
    registry: Registry
    landing: ObjectStore
    lake: ObjectStore
    rejects: ObjectStore
    metadata: MetadataStore

    @staticmethod
    def open(settings: Settings | None = None) -> Stores:
        """Open what the settings name; folders and tables that do not exist yet are made.

        :raises SpecError: a dataset file is wrong
        :raises StoreUnavailable: a store does not answer
        """
        settings = settings or Settings.from_env()
        return Stores(
            settings=settings,
            registry=load_registry(settings.datasets),
            landing=ObjectStore.open(settings.landing, settings.encryption),
            lake=ObjectStore.open(settings.lake, settings.encryption),
            rejects=ObjectStore.open(settings.rejects, settings.encryption),
            metadata=open_metadata(settings),
        )

    def close(self) -> None:
        """Give up connections."""
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
    return SqlStore.open(settings.metadata)
