"""The ledger's words: what is known of every object version that ever landed.

What belongs here: values. What does not: keeping them (the metadata stores do) and finding new ones (``discovery``).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from supply_lake.storage.object_store import ObjectVersion


class ObjectState(StrEnum):
    """Where one object version stands in the ledger."""

    PENDING = "pending"  # discovered, waiting for a batch
    DONE = "done"  # a batch dealt with it for good: published, rejected, empty, unreadable
    SET_ASIDE = "set_aside"  # its attempts are used up; a person has to look
    IGNORED = "ignored"  # no data file: folder marker, `_SUCCESS`, temporary name
    REFUSED = "refused"  # looks like data but cannot be placed: no dataset, no such date
    REPLACED = "replaced"  # other bytes came under its key, or it was deleted, before it was read
    REVOKED = "revoked"  # a person revoked what it published; it is not published again


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One object version in the ledger.

    ``dataset`` is empty and ``landing_date`` is ``None`` for objects that no dataset takes. ``batch_id`` is the batch that
    dealt with it, ``standing_in`` the one in whose rejects its rejected rows stand: the same, or the last replay of them.
    """

    object: ObjectVersion
    dataset: str
    landing_date: dt.date | None
    state: ObjectState
    deliveries: int = 1
    attempts: int = 0
    batch_id: str = ""
    standing_in: str = ""
    reason: str = ""
    first_seen: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """What waits for one dataset and one landing date.

    ``attempt`` is 1 + the greatest number of failed attempts among its objects. ``digest`` names the object versions and
    the attempt: it changes whenever either does.
    """

    dataset: str
    landing_date: dt.date
    objects: int
    bytes: int
    attempt: int
    digest: str
