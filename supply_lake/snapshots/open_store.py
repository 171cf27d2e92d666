"""Opening the metadata store that a URL names.

What belongs here: choosing the kind of store. What does not: any of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from supply_lake.snapshots.store import MetadataStore


def utc_now() -> dt.datetime:
    """The time, by this machine's clock."""
    return dt.datetime.now(dt.UTC)


def open_store(url: str, clock: Callable[[], dt.datetime] = utc_now) -> MetadataStore:
    """Open the store; what it needs is made if it is not there, as far as the kind of store does that by itself.

    :param url: ``sqlite:///path``, ``postgresql+psycopg://user@host/database``, ``dynamodb://TABLE``
    :param clock: tells the time, with a zone
    :raises SettingsError: the URL cannot be used, or the store is of another version
    :raises StoreUnavailable: the store does not answer
    """
    if url.startswith("dynamodb:"):
        from supply_lake.snapshots.dynamo_store import DynamoStore

        return DynamoStore.open(url, clock)
    from supply_lake.snapshots.sql_store import SqlStore

    return SqlStore.open(url, clock)
