"""The lake's stores as a Dagster resource: opened where an asset or a sensor uses them.

What belongs here: the time at which stores are opened and closed. What does not: what they are (``ingest.stores``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from supply_lake.settings import Settings

if TYPE_CHECKING:
    from supply_lake.ingest.stores import Stores


@dataclass(frozen=True, slots=True)
class LakeStores:
    """Opens the stores that ``settings`` name. Loading a code location opens nothing."""

    settings: Settings

    @contextmanager
    def open(self) -> Iterator[Stores]:
        """The opened stores, for the length of a ``with`` block.

        :raises StoreUnavailable: a store does not answer
        """
        from supply_lake.ingest.stores import Stores

        with Stores.open(self.settings) as stores:
            yield stores
