"""OpenLineage events: of every batch that was committed or refused, which landed objects went in and which snapshot came out.

What belongs here: records → events. What does not: where events go: the library's own configuration says that
(``OPENLINEAGE_URL``, ``OPENLINEAGE_CONFIG`` …). With none, no event is made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import SettingsError
from supply_lake.snapshots.records import Batch, Status
from supply_lake.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

PRODUCER = "urn:supply-lake"
_PREFIX = "OPENLINEAGE_"


def is_configured() -> bool:
    """Whether the environment says where events go."""
    names = [name for name in os.environ if name.startswith(_PREFIX) and name != f"{_PREFIX}DISABLED"]
    return bool(names) and os.environ.get(f"{_PREFIX}DISABLED", "").lower() not in ("true", "1")


class Lineage:
    """Emits events."""

    after_failure = "its event is not sent again"

    def __init__(self, client: OpenLineageClient, lake: ObjectStore) -> None:
        self._client, self._lake = client, lake

    @staticmethod
    def open(lake: ObjectStore) -> Lineage:
        """A client as its own variables configure it.

        :raises SettingsError: the library is not installed
        """
        try:
            from openlineage.client import OpenLineageClient
        except ImportError as error:
            raise SettingsError(
                "OPENLINEAGE_… is set, and its client is not installed; install supply-lake[lineage]"
            ) from error
        return Lineage(OpenLineageClient(), lake)

    def settled(self, spec: DatasetSpec, batch: Batch) -> None:
        """Two events: the run began, and it completed or failed."""
        for event in events(spec, batch, self._lake):
            self._client.emit(event)

    def repair(self, _spec: DatasetSpec) -> str:
        """Events are told once; there is nothing to repair."""
        return ""

    def forget(self, _dataset: str, _reachable_from: int) -> None:
        """Events stay true."""

    def close(self) -> None:
        """Send what waits."""
        self._client.close()


def events(spec: DatasetSpec, batch: Batch, lake: ObjectStore) -> list[Any]:
    """The events of one batch; a run of OpenLineage is a batch, whose id is a UUID."""
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import error_message_run, job_type_job, nominal_time_run

    began = min((one.created_at for one in batch.snapshots if one.created_at), default=None)
    ended = max((one.committed_at or one.created_at for one in batch.snapshots if one.created_at), default=None)
    if began is None or ended is None:
        return []
    facets: dict[str, Any] = {"nominalTime": nominal_time_run.NominalTimeRunFacet(f"{batch.landing_date}T00:00:00Z")}
    failed = batch.status in (Status.REJECTED, Status.FAILED)
    if failed:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(batch.reason, "none")
    kind = job_type_job.JobTypeJobFacet("BATCH", "SUPPLY_LAKE", str(batch.kind).upper())
    job = Job("supply_lake", f"{spec.name}.{batch.kind}", {"jobType": kind})
    done = RunState.FAIL if failed else RunState.COMPLETE
    inputs, outputs = _inputs(batch), _outputs(spec, batch, lake)
    return [
        RunEvent(
            eventTime=began.isoformat(), eventType=RunState.START, run=Run(batch.id), job=job, inputs=inputs, producer=PRODUCER
        ),
        RunEvent(
            eventTime=ended.isoformat(),
            eventType=done,
            run=Run(batch.id, facets),
            job=job,
            inputs=inputs,
            outputs=outputs,
            producer=PRODUCER,
        ),
    ]


def _inputs(batch: Batch) -> list[Any]:
    """The landed objects, each in the version that was read."""
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset, input_statistics_input_dataset

    return [
        InputDataset(
            **_place(one.uri),
            facets={"version": dataset_version_dataset.DatasetVersionDatasetFacet(one.etag)},
            inputFacets={
                "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(one.rows.landed, one.size, 1)
            },
        )
        for one in batch.sources
    ]


def _outputs(spec: DatasetSpec, batch: Batch, lake: ObjectStore) -> list[Any]:
    """The dataset, in the version that the commit made of it."""
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset, output_statistics_output_dataset, schema_dataset

    if batch.commit is None:
        return []
    columns = {one.name: one.type for snapshot in batch.snapshots for one in snapshot.columns}
    described = {one.name: one.description for one in spec.columns}
    fields = [schema_dataset.SchemaDatasetFacetFields(name, kind, described.get(name)) for name, kind in columns.items()]
    rows, size = sum(one.rows_total for one in batch.snapshots), sum(one.bytes for one in batch.snapshots)
    files = sum(len(one.files) for one in batch.snapshots)
    return [
        OutputDataset(
            **_place(lake.uri(f"dataset={spec.name}")),
            facets={
                "version": dataset_version_dataset.DatasetVersionDatasetFacet(str(batch.commit)),
                "schema": schema_dataset.SchemaDatasetFacet(fields),
            },
            outputFacets={
                "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rows, size, files)
            },
        )
    ]


def _place(uri: str) -> dict[str, str]:
    """Namespace and name, as OpenLineage tells places: ``file`` and the path, or the bucket and the key."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return {"namespace": "file", "name": uri}
    bucket, _, key = rest.partition("/")
    return {"namespace": f"{scheme}://{bucket}", "name": key}
