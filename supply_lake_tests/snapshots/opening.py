"""Opening metadata stores as tests need them: whatever is left by a process that died is finished at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from supply_lake.snapshots.dynamo_connect import connect
from supply_lake.snapshots.dynamo_store import DynamoStore
from supply_lake.snapshots.dynamo_table import MOST_WRITES
from supply_lake.snapshots.open_store import open_store, utc_now
from supply_lake.snapshots.store import MetadataStore

PLANNED = "#planned"
"""End of a URL: no decision fits into one transaction, so each is planned, made and carried out."""


def open_now(url: str, clock: Callable[[], dt.datetime] = utc_now) -> MetadataStore:
    if not url.startswith("dynamodb:"):
        return open_store(url, clock)
    most = 0 if url.endswith(PLANNED) else MOST_WRITES
    return DynamoStore(connect(url.removesuffix(PLANNED)), clock, patience=0.0, most_writes=most)
