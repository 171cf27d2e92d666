"""One look at landing: list, compare with the ledger, enter what is new.

What belongs here: joining the listing, the pure comparison and the ledger, in the order that loses nothing: entries first, then
the fingerprints that let the next look pass them over. What does not: the comparison itself (``landing.discovery``) and what
becomes of what was found (``batches``).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from supply_lake.ingest.stores import Stores
from supply_lake.landing.discovery import RULES, Discovery, discover, reconsider
from supply_lake.landing.ledger import ObjectState
from supply_lake.landing.rules import Rules, own_prefixes
from supply_lake.landing.settling import Settling
from supply_lake.landing.watching import EVERYTHING, hot_prefixes, listing


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one look showed. ``new`` counts entries, whatever their state. ``waiting`` names files that are not ready to be
    read, and folders that cannot be listed, with the reason.
    """

    new: int
    pending: int
    deferred: int
    waiting: dict[str, str] = field(default_factory=dict)


def tick(
    stores: Stores,
    now: dt.datetime | None = None,
    *,
    prefixes: Sequence[str] | None = None,
    full: bool = False,
    anew: bool = False,
    clock: Callable[[], float] = time.time,
) -> TickReport:
    """Look once.

    :param prefixes: the folders to list; the hot ones when left out
    :param full: list everything instead
    :param anew: compare every object with the ledger, also in folders that look as they did
    :param clock: seconds since 1970, by which a file has lain still long enough to be read
    :raises StoreUnavailable: landing or the metadata store does not answer
    """
    now = now or dt.datetime.now(dt.UTC)
    settings, metadata, landing = stores.settings, stores.metadata, stores.landing
    rules = rules_of(stores)
    where = EVERYTHING if full else tuple(prefixes or hot_prefixes(stores.registry.values(), now.date(), settings.hot_days))
    found = discover(
        listing(landing, where),
        metadata.known,
        rules,
        {} if anew else metadata.prefix_fingerprints((*where, RULES)),
        now,
        unsettled=Settling(landing, settings.settle_seconds, clock) if landing.is_local else None,
        prefixes=where,
    )
    new = metadata.register(found.entries, listed=True)
    if found.rules_changed:
        metadata.register(reconsider(metadata.objects(state=ObjectState.REFUSED), rules, now))
    metadata.set_prefix_fingerprints(found.fingerprints)
    return TickReport(new=new, pending=_pending(found), deferred=found.deferred, waiting=found.waiting | _unlisted(stores))


def _unlisted(stores: Stores) -> dict[str, str]:
    why = "it cannot be listed ({}); give this user the permission, and it is taken up"
    return {key: why.format(reason) for key, reason in stores.landing.unlisted.items()}


def rules_of(stores: Stores) -> Rules:
    """The rules of the lake's datasets, which pass over what the lake itself writes."""
    settings = stores.settings
    own = own_prefixes(stores.landing.location, (settings.lake, settings.rejects, str(settings.scratch)))
    return Rules(stores.registry.values(), own)


def _pending(found: Discovery) -> int:
    return sum(1 for entry in found.entries if entry.state is ObjectState.PENDING)
