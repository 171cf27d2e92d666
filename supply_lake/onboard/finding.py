"""A place as a person names it → the sample that is there, and what its source says of it.

What belongs here: telling files from tables from URLs. What does not: any of these (``places``, ``tables``, ``web``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from supply_lake.onboard import places
from supply_lake.onboard.known import Known
from supply_lake.onboard.sample import Sample
from supply_lake.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class Found:
    """The sample, what is known of it, and whether it was fetched, so that nobody else has it as a file."""

    sample: Sample
    known: Known | None = None
    fetched: bool = False


def find_sample(place: str, dataset: str, landing: str, scratch: Path) -> Found:
    """The sample at a place.

    :param landing: location of the landing store
    :param scratch: folder for copies of what lies elsewhere; it has to be there as long as the sample is used
    :raises UsageError: there is nothing
    :raises StoreUnavailable: what has it does not answer
    """
    scheme = places.scheme_of(place)
    if scheme in places.WEB:
        from supply_lake.onboard.web import fetch

        return Found(*fetch(place, dataset, scratch), fetched=True)
    if scheme and scheme not in (*places.STORES, "file"):
        from supply_lake.onboard.tables import read_table

        read = read_table(place, dataset, scratch)
        return Found(read.sample, read.known, fetched=True)
    return Found(places.find(place, lambda: ObjectStore.open(landing), scratch))
