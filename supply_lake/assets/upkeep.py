"""The jobs `compact`, `gc`, `reconcile` and `verify`: the care of what is stored, from the UI or by their schedules.

What belongs here: their configuration, and what a run tells of them. What does not: any of the work (``upkeep``,
``query.verify``). They run beside ingestion as they are: what they commit is a commit like any other.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from supply_lake.assets.naming import COMPACT_JOB, GC_JOB, RECONCILE_JOB, VERIFY_JOB
from supply_lake.errors import SupplyLakeError
from supply_lake.resources.stores import LakeStores

if TYPE_CHECKING:
    from supply_lake.ingest.stores import Stores

_ALL = "Names of datasets. Default: all."


class Some(dg.Config):
    """Of which datasets."""

    datasets: list[str] = Field(default_factory=list, description=_ALL)


class Garbage(dg.Config):
    """Of which datasets, and whether it is removed."""

    datasets: list[str] = Field(default_factory=list, description=_ALL)
    delete: bool = Field(False, description="Remove it. Default: tell only.")


def upkeep_jobs() -> list[dg.JobDefinition]:
    """All four."""
    return [_compact_job(), _gc_job(), _reconcile_job(), _verify_job()]


def _compact_job() -> dg.JobDefinition:
    @dg.op(
        name="compact_datasets", out=dg.Out(dg.Nothing), description="Put small files together, by commits that change no row."
    )
    def compact_datasets(context: dg.OpExecutionContext, config: Some, lake_stores: dg.ResourceParam[LakeStores]) -> None:
        from supply_lake.upkeep.compact import compact

        for stores, name in _each(lake_stores, config.datasets):
            done = compact(stores, name, run_id=context.run_id)
            _tell(context, name, [one.to_json() for one in done])

    @dg.job(name=COMPACT_JOB, description="Put small files of each date together; no row changes.")
    def compact_job() -> None:
        compact_datasets()

    return compact_job


def _gc_job() -> dg.JobDefinition:
    @dg.op(name="collect_garbage", out=dg.Out(dg.Nothing), description="Remove stored files that nothing reaches.")
    def collect_garbage(context: dg.OpExecutionContext, config: Garbage, lake_stores: dg.ResourceParam[LakeStores]) -> None:
        from supply_lake.upkeep.gc import Collection, terms

        for stores, name in _each(lake_stores, config.datasets):
            collection = Collection(stores, *terms(stores.settings), run_id=context.run_id)
            removal = collection.run(name) if config.delete else collection.plan(name)
            told = {"old versions": len(removal.snapshots), "files without a record": len(removal.strays)}
            _tell(context, name, {**told, "files": removal.files, "bytes": removal.bytes, "removed": config.delete})

    @dg.job(
        name=GC_JOB,
        description="Tell, or remove, what nothing reaches: old versions that no pin names, files without a record.",
    )
    def gc_job() -> None:
        collect_garbage()

    return gc_job


def _reconcile_job() -> dg.JobDefinition:
    @dg.op(name="reconcile_listings", out=dg.Out(dg.Nothing), description="Compare listings with the ledger and the records.")
    def reconcile_listings(context: dg.OpExecutionContext, config: Some, lake_stores: dg.ResourceParam[LakeStores]) -> None:
        from supply_lake.upkeep.reconcile import reconcile_files, reconcile_landing, require

        with lake_stores.open() as stores:
            landing = reconcile_landing(stores)
        _tell(context, "landing", {"missed": landing.new, "waiting": dict(landing.waiting)})
        found = []
        for stores, name in _each(lake_stores, config.datasets):
            found.append(reconcile_files(stores, name))
            _tell(context, name, found[-1].to_json())
        _require(lambda: require(found))

    @dg.job(name=RECONCILE_JOB, description="Find objects that discovery missed, and files and records that lack each other.")
    def reconcile_job() -> None:
        reconcile_listings()

    return reconcile_job


def _verify_job() -> dg.JobDefinition:
    @dg.op(name="verify_datasets", out=dg.Out(dg.Nothing), description="Prove the records from the files.")
    def verify_datasets(context: dg.OpExecutionContext, config: Some, lake_stores: dg.ResourceParam[LakeStores]) -> None:
        from supply_lake.query.verify import require, verify

        reports = []
        for stores, name in _each(lake_stores, config.datasets):
            reports.append(verify(stores, stores.registry.get(name)))
            _tell(context, name, reports[-1].to_json())
        _require(lambda: require(reports))

    @dg.job(name=VERIFY_JOB, description="Prove from the files that no row is lost or made up.")
    def verify_job() -> None:
        verify_datasets()

    return verify_job


def _each(lake_stores: LakeStores, names: list[str]) -> Iterator[tuple["Stores", str]]:
    with lake_stores.open() as stores:
        for name in names or list(stores.registry):
            yield stores, name


def _tell(context: dg.OpExecutionContext, name: str, facts: Any) -> None:
    context.log.info(f"{name}: {facts}")


def _require(check: Any) -> None:
    try:
        check()
    except SupplyLakeError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
