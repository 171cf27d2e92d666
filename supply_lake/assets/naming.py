"""What things are called in Dagster: asset keys, pools, tags, checks and partitions.

What belongs here: names that assets, sensors and tests have to agree on. What does not: building any definition.
"""

from __future__ import annotations

import dagster as dg

from supply_lake.datasets.spec import DatasetSpec

CONTRACT = "contract"
CONSERVATION = "conservation"
ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job over all assets. A job per schedule would make loading grow with datasets × schedules."""
PENDING_TAG = "supply_lake/pending"
"""On runs that publish what is pending; a run without it was asked for by a person, and curates again what is published."""
DATASET_TAG = "supply_lake/dataset"
DIGEST_TAG = ".dagster/supply_lake_digest"
"""Names the object versions, and their attempt, that a run was asked for. Dagster's UI hides tags of this prefix."""
PARTITION_TAG = "dagster/partition"
OUTAGE_TAG = "supply_lake/outage"
"""On runs that ended because a store did not answer."""
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def landing_key(name: str) -> dg.AssetKey:
    """What arrived for the dataset."""
    return dg.AssetKey(["landing", name])


def lake_key(name: str) -> dg.AssetKey:
    """What was published of it."""
    return dg.AssetKey(["lake", name])


def op_name(name: str) -> str:
    """The step that curates the dataset; also its pool, which production limits to one run at a time."""
    return f"lake__{name}"


def checks(spec: DatasetSpec) -> list[str]:
    """The names of the dataset's checks: those that every dataset has, and one for each of its rules."""
    return [CONTRACT, CONSERVATION, *(rule.name for rule in spec.quality)]


def partitions(spec: DatasetSpec) -> dg.DailyPartitionsDefinition:
    """Landing dates in UTC, from the dataset's first to today."""
    return dg.DailyPartitionsDefinition(start_date=spec.start_date.isoformat(), end_offset=1, timezone="UTC")
