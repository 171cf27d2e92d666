"""One opened lake as the service sees it: its stores, who may ask, what was answered before.

What belongs here: opening, closing, and finding a dataset for whoever asks. What does not: HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from supply_lake.datasets.registry import Registry
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnknownDataset
from supply_lake.ingest.stores import Stores
from supply_lake.lake import Lake
from supply_lake.service.access_store import AccessStore
from supply_lake.service.answers import Cache
from supply_lake.service.grants import Principal, Verb
from supply_lake.service.standing import Standings
from supply_lake.settings import Settings
from supply_lake.snapshots.pages import Pages, pages_of

_CACHE_BYTES = 64 * 1024**2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts that requests share. ``inline``: the metadata store answers from this machine's memory and disk, in less time
    than handing the question to a thread takes."""

    lake: Lake
    pages: Pages
    access: AccessStore
    cache: Cache
    standings: Standings
    inline: bool

    @staticmethod
    def open(settings: Settings | None = None) -> Opened:
        """Open the lake that the settings name, and its tokens.

        :raises SupplyLakeError: as ``Lake.open``
        """
        lake = Lake.open(settings)
        try:
            access = AccessStore.open(lake.stores.settings)
        except BaseException:
            lake.close()
            raise
        inline = lake.stores.settings.metadata.startswith("sqlite")
        pages = pages_of(lake.stores.metadata)
        return Opened(lake, pages, access, Cache(_CACHE_BYTES), Standings(lake, pages), inline)

    def close(self) -> None:
        """Give up connections."""
        self.access.close()
        self.lake.close()

    @property
    def settings(self) -> Settings:
        """The settings of the lake."""
        return self.lake.stores.settings

    async def quick(self, work: Callable[[], T]) -> T:
        """Work of a few indexed reads."""
        return work() if self.inline else await run_in_threadpool(work)

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Work that may take longer, or wait."""
        return await run_in_threadpool(work)

    def spec(self, dataset: str) -> DatasetSpec:
        """The declaration of a dataset that the caller may know of.

        :raises UnknownDataset: there is none; it names no other, which the caller may not know of
        """
        if dataset not in self.lake.stores.registry:
            raise UnknownDataset(f"no dataset is called {dataset!r}; GET /v1/datasets lists those that this token may read")
        return self.lake.stores.registry[dataset]

    def seen_by(self, principal: Principal, verb: Verb) -> Lake:
        """The lake with only those datasets over which they hold the verb: to them there are no others."""
        registry = self.lake.stores.registry
        names = principal.among(verb, registry)
        stores: Stores = replace(self.lake.stores, registry=Registry([registry[name] for name in names], registry.folder))
        return Lake(stores)
