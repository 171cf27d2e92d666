"""Everything a batch touches, opened once: the declarations, the three object stores, the metadata store and the catalog.

What belongs here: opening and closing. What does not: any decision about data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import TracebackType

from supply_lake.catalog.glue import GlueCatalog, Keeping
from supply_lake.catalog.glue_api import GlueApi
from supply_lake.datasets.registry import Registry, load_registry
from supply_lake.settings import Settings
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.connections import aws_client
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
    catalog: GlueCatalog | None = None

    @staticmethod
    def open(settings: Settings | None = None) -> Stores:
        """Open what the settings name; folders and tables that do not exist yet are made.

        :raises SpecError: a dataset file is wrong
        :raises StoreUnavailable: a store does not answer
        """
        settings = settings or Settings.from_env()
        lake, metadata = ObjectStore.open(settings.lake, settings.encryption), open_metadata(settings)
        return Stores(
            settings=settings,
            registry=load_registry(settings.datasets),
            landing=ObjectStore.open(settings.landing, settings.encryption),
            lake=lake,
            rejects=ObjectStore.open(settings.rejects, settings.encryption),
            metadata=metadata,
            catalog=_catalog(settings, metadata, lake) if settings.catalog == "glue" else None,
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


def _catalog(settings: Settings, metadata: MetadataStore, lake: ObjectStore) -> GlueCatalog:
    """The catalog; nothing is asked of it yet."""
    api = GlueApi(partial(aws_client, "glue"), settings.catalog_database)
    keeping = Keeping(superseded=settings.catalog_superseded == "keep", projected=settings.catalog_partitions == "projected")
    return GlueCatalog(api, metadata, lake, keeping)
