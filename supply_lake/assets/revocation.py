"""The job `revoke`, with which a person takes a snapshot out of the live set from the UI.

What belongs here: its configuration, and the event by which the asset tells of it. What does not: the revocation
(``ingest.revoke``).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from supply_lake.assets.naming import REVOKE_JOB, lake_key
from supply_lake.errors import SupplyLakeError
from supply_lake.resources.stores import LakeStores

if TYPE_CHECKING:
    from supply_lake.ingest.stores import Stores

OP = "revoke_snapshot"


class Revocation(dg.Config):
    """What is revoked, and why."""

    snapshot: str = Field(description="Id of the snapshot that should never have been accepted.")
    why: str = Field(description="The reason, for whoever reads the history.")
    by: str = Field("", description="Who asks for it. Default: the user that the run's process has.")


def revoke_job() -> dg.JobDefinition:
    """Take one snapshot out of the live set, by a commit like any other."""

    @dg.op(
        name=OP, out=dg.Out(dg.Nothing), description="Take one snapshot out of the live set; what it replaced is live again."
    )
    def revoke_snapshot(
        context: dg.OpExecutionContext, config: Revocation, lake_stores: dg.ResourceParam[LakeStores]
    ) -> Iterator[dg.AssetMaterialization | dg.Output[None]]:
        with lake_stores.open() as stores:
            yield _revoked(context, config, stores)
        yield dg.Output(None)

    @dg.job(name=REVOKE_JOB, description="Take a snapshot that should never have been accepted out of the live set.")
    def revoke() -> None:
        revoke_snapshot()

    return revoke


def _revoked(context: dg.OpExecutionContext, config: Revocation, stores: "Stores") -> dg.AssetMaterialization:
    from supply_lake.assets import report
    from supply_lake.ingest.revoke import revoke

    try:
        batch = revoke(stores, config.snapshot.strip(), why=config.why, by=config.by.strip(), run_id=context.run_id)
    except SupplyLakeError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    live = stores.metadata.batch_snapshots(batch.dataset, batch.landing_date)
    return dg.AssetMaterialization(
        lake_key(batch.dataset),
        partition=batch.landing_date.isoformat(),
        metadata=report.revoked_metadata(batch, sum(one.rows_total for one in live)),
        tags={"dagster/data_version": batch.snapshots[-1].id},
    )
