"""What things are called in Dagster: asset keys, pools, tags, checks and partitions.

What belongs here: names that assets, sensors and tests have to agree on. What does not: building any definition.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.storage.tags import RETRY_NUMBER_TAG

from supply_lake.datasets.spec import DatasetSpec

CONTRACT = "contract"
CONSERVATION = "conservation"
LANDING, LAKE = "landing", "lake"
"""First part of the keys of what arrives, and of what is published."""
LAYER_TAG = "supply_lake/layer"
"""On assets: which of the two it is."""
ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job over all assets. A job per schedule would make loading grow with datasets × schedules."""
PENDING_TAG = ".dagster/supply_lake_pending"
"""On runs that the sensor or a schedule asks for; see ``publishes_pending``. Dagster's UI hides tags of this prefix."""
DATASET_TAG = "supply_lake/dataset"
DIGEST_TAG = ".dagster/supply_lake_digest"
"""Names the object versions, and their attempt, that a run was asked for."""
PULL_TAG = "supply_lake/pull"
"""On runs that a schedule asks for to pull a source."""
REPLAY_TAG = "supply_lake/replay"
"""On runs that replay what was rejected, of the dates that they are for: `true`, or the id of one snapshot."""
REVOKE_JOB = "revoke"
COMPACT_JOB, GC_JOB, RECONCILE_JOB, VERIFY_JOB = "compact", "gc", "reconcile", "verify"
PARTITION_TAG = "dagster/partition"
OUTAGE_TAG = "supply_lake/outage"
"""On runs that ended because a store did not answer."""
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def publishes_pending(run: dg.DagsterRun) -> bool:
    """Whether the run publishes what is pending. A run that a person asks for curates again what is published.

    Whoever repeats a run in the UI is such a person, though the repeated run has the tags of the first one; Dagster itself
    repeats runs whose process died.
    """
    repeated_by_a_person = run.parent_run_id is not None and RETRY_NUMBER_TAG not in run.tags
    return run.tags.get(PENDING_TAG) == "true" and not repeated_by_a_person


def replayed(run: dg.DagsterRun) -> str | None:
    """What the run replays: the id of a snapshot, all that stands (empty), or nothing (``None``)."""
    asked = run.tags.get(REPLAY_TAG, "").strip()
    return None if asked.lower() in ("", "false") else "" if asked.lower() == "true" else asked


def landing_key(name: str) -> dg.AssetKey:
    """What arrived for the dataset."""
    return dg.AssetKey([LANDING, name])


def lake_key(name: str) -> dg.AssetKey:
    """What was published of it."""
    return dg.AssetKey([LAKE, name])


def op_name(name: str) -> str:
    """The step that curates the dataset; also its pool, which production limits to one run at a time."""
    return f"lake__{name}"


def checks(spec: DatasetSpec) -> list[str]:
    """The names of the dataset's checks: those that every dataset has, and one for each of its rules."""
    return [CONTRACT, CONSERVATION, *(rule.name for rule in spec.quality)]


def pull_op_name(name: str) -> str:
    """The step that pulls the dataset's source; also its pool."""
    return f"landing__{name}"


def partitions(spec: DatasetSpec) -> dg.DailyPartitionsDefinition:
    """Landing dates in UTC, from the dataset's first to today."""
    return dg.DailyPartitionsDefinition(start_date=spec.start_date.isoformat(), end_offset=1, timezone="UTC")
