"""One run of a made-up dataset in a scratch folder, with the real asset and an instance in memory. Nothing of it remains.

What belongs here: that run, which makes a process ready for a real one: whatever a run imports or sets up at first use is there
afterwards, without a list of it to keep. What does not: knowing who needs it (``worker``).
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import dagster as dg

from supply_lake.assets.lake import lake_asset, landing_asset
from supply_lake.assets.naming import PENDING_TAG
from supply_lake.ingest.discovery import tick
from supply_lake.ingest.stores import Stores
from supply_lake.resources.instance import quiet
from supply_lake.resources.stores import LakeStores
from supply_lake.settings import Settings

_DATASET = """\
name: rehearsal
description: A made-up file.
owner: team:supply-lake
source: {system: made-up}
format: {type: csv}
start_date: 2020-01-01
error_threshold: 1.0
columns:
  - {name: name, type: string, nullable: false}
  - {name: pieces, type: int64, checks: {ge: 0}}
  - {name: price, type: "decimal(12,2)"}
  - {name: at, type: timestamp}
primary_key: [name]
order_by: at
mode: upsert
"""
_FILE = """\
name,pieces,price,at
a,1,1.50,2026-11-01T00:00:00Z
a,2,1.50,2026-11-02T00:00:00Z
b,-1,1.50,2026-11-02T00:00:00Z
"""


def rehearse() -> dg.ExecuteInProcessResult:
    """Curate three rows: one is published, one deduplicated, one rejected."""
    today = dt.datetime.now(dt.UTC).date()
    telemetry = {"telemetry": {"enabled": False}}
    with tempfile.TemporaryDirectory(prefix="supply-lake-rehearsal-") as home, quiet():
        settings = _settings(Path(home))
        with Stores.open(settings) as stores, dg.DagsterInstance.ephemeral(home, settings=telemetry) as instance:
            (spec,) = stores.registry.values()
            stores.landing.put(spec.key_pattern.format("a.csv", today), _FILE.encode())
            tick(stores, full=True)
            job = dg.Definitions(
                assets=[landing_asset(spec), lake_asset(spec)],
                resources={"lake_stores": LakeStores(settings)},
                executor=dg.in_process_executor,
            ).resolve_implicit_global_asset_job_def()
            return job.execute_in_process(
                instance=instance, partition_key=today.isoformat(), tags={PENDING_TAG: "true"}, raise_on_error=False
            )


def _settings(home: Path) -> Settings:
    datasets = home / "datasets"
    datasets.mkdir()
    (datasets / "rehearsal.yaml").write_text(_DATASET)
    return Settings.from_env(
        {"SUPPLY_LAKE_HOME": str(home), "SUPPLY_LAKE_DATASETS": str(datasets), "SUPPLY_LAKE_SETTLE_SECONDS": "0"}
    )
