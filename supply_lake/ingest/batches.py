"""Which object versions a batch takes, how it is retried, and what a re-curation reads again.

What belongs here: the two ways into a batch, ``run_pending`` and ``recurate``, and the bookkeeping of attempts. What does not:
what happens inside a batch (``publish``) and finding new objects (``discovery``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby

from supply_lake.datasets.spec import DatasetSpec, Mode
from supply_lake.errors import AlreadyPublished, ObjectGone, StoreUnavailable, SupplyLakeError
from supply_lake.ingest.publish import Work, run_batch
from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import LedgerEntry
from supply_lake.snapshots.records import Batch, Outcome, Snapshot
from supply_lake.storage.object_store import ObjectVersion

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


def recurate(stores: Stores, name: str, landing_date: dt.date, *, run_id: str = "") -> list[Batch]:
    """Read again what was published from one landing date, and put the result in its place.

    Each live batch is curated anew from the same object versions under the contract of today; a batch whose objects are not
    in landing any more stays as it is. Batches that were rejected are tried again first.

    :returns: one ``Batch`` per batch that was curated; empty when nothing of that date was ever landed
    """
    spec = stores.registry.get(name)
    stores.metadata.retry(name, landing_date)
    batches = run_pending(stores, name, landing_date, run_id=run_id)
    fresh = {batch.id for batch in batches}
    live = [one for one in stores.metadata.batch_snapshots(name, landing_date) if one.batch_id not in fresh]
    for _, group in groupby(sorted(live, key=lambda one: (one.commit or 0, one.batch_id)), key=lambda one: one.batch_id):
        snapshots = list(group)
        objects = _objects_behind(stores, snapshots)
        if objects is not None:
            work = Work(
                spec=spec,
                landing_date=landing_date,
                objects=objects,
                run_id=run_id,
                supersedes=tuple(one.id for one in snapshots),
                recurates=True,
            )
            batches.append(run_batch(stores, work))
    return batches


def _objects_behind(stores: Stores, snapshots: Sequence[Snapshot]) -> tuple[ObjectVersion, ...] | None:
    """The object versions that these snapshots were made from, or ``None`` when one of them is not there any more."""
    wanted = {
        source.key: source.etag for snapshot in snapshots for source in snapshot.sources if source.outcome is Outcome.READ
    }
    found = []
    for key, etag in wanted.items():
        try:
            version = stores.landing.head(key)
        except ObjectGone:
            return None
        if version.etag != etag:
            return None
        found.append(version)
    return tuple(found) or None


def _sentence(error: BaseException) -> str:
    """The error as one sentence: our own errors speak for themselves, others are named."""
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, SupplyLakeError) else f"{type(error).__name__}: {text}"
