"""Which pending object versions a batch takes, and how it is retried.

What belongs here: ``run_pending``, the way from the ledger into a batch, and the bookkeeping of attempts. What does not: what
happens inside a batch (``publish``), finding new objects (``discovery``), and taking up what a batch dealt with already
(``replay``, ``recurate``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from supply_lake.datasets.spec import DatasetSpec, Mode
from supply_lake.errors import AlreadyPublished, StoreUnavailable, SupplyLakeError
from supply_lake.ingest.publish import run_batch
from supply_lake.ingest.stores import Stores
from supply_lake.ingest.work import Work
from supply_lake.landing.ledger import LedgerEntry
from supply_lake.snapshots.records import Batch

UNLIMITED = 2**62


class BatchFailed(SupplyLakeError):
    """A batch broke off for a reason that lies neither in its data nor in a store; its attempt is counted."""


def run_pending(stores: Stores, name: str, landing_date: dt.date, *, run_id: str = "") -> list[Batch]:
    """Publish what is pending for one dataset and landing date, batch by batch, within the caps of one run.

    :param run_id: the Dagster run, for the records
    :returns: one ``Batch`` per batch, in order; empty when nothing was pending
    :raises BatchFailed: an attempt failed and is counted; after ``max_attempts`` the objects are set aside
    :raises StoreUnavailable: a store does not answer; no attempt is counted
    """
    spec = stores.registry.get(name)
    settings = stores.settings
    batches: list[Batch] = []
    objects, size = settings.max_objects_per_run, settings.max_bytes_per_run
    while objects > 0 and size > 0:
        # One `replace` snapshot has to hold all that is pending: a second batch would take the first one's place.
        caps = (UNLIMITED, UNLIMITED) if spec.mode is Mode.REPLACE else (objects, size)
        entries = stores.metadata.pending_objects(name, landing_date, *caps)
        if not entries:
            break
        batch = _attempt(stores, spec, landing_date, entries, run_id)
        if batch is not None:
            batches.append(batch)
        objects -= len(entries)
        size -= sum(entry.object.size for entry in entries)
    return batches


def _attempt(
    stores: Stores, spec: DatasetSpec, landing_date: dt.date, entries: Sequence[LedgerEntry], run_id: str
) -> Batch | None:
    """One attempt at one batch; ``None`` when another run published its objects meanwhile."""
    objects = tuple(entry.object for entry in entries)
    attempt = stores.metadata.start_attempt(objects, stores.settings.max_attempts)
    if attempt is None:
        return None
    work = Work(
        spec=spec,
        landing_date=landing_date,
        objects=objects,
        deliveries={entry.object.key: entry.deliveries for entry in entries},
        run_id=run_id,
        attempt=attempt,
    )
    try:
        return run_batch(stores, work)
    except AlreadyPublished:
        return None
    except StoreUnavailable:
        stores.metadata.forgive_attempt(objects)
        raise
    except Exception as error:
        stores.metadata.fail_attempt(objects, _sentence(error), stores.settings.max_attempts)
        raise BatchFailed(
            f"dataset {spec.name}, landing date {landing_date}, attempt {attempt} of {stores.settings.max_attempts}: "
            f"{_sentence(error)}"
        ) from error


def _sentence(error: BaseException) -> str:
    """The error as one sentence: our own errors speak for themselves, others are named."""
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, SupplyLakeError) else f"{type(error).__name__}: {text}"
