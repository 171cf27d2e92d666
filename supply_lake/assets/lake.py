"""One dataset as Dagster assets: ``[landing, name]`` as producers fill it, and ``[lake, name]`` that a run publishes.

What belongs here: asset and check definitions. What does not: what happens in a run (``curation``) and wording (``contract``).
"""

import warnings
from collections.abc import Iterator

import dagster as dg

from supply_lake.assets import contract
from supply_lake.assets.naming import (
    CONSERVATION,
    CONTRACT,
    LAKE,
    LANDING,
    lake_key,
    landing_key,
    op_name,
    partitions,
    pull_op_name,
)
from supply_lake.datasets.quality import Rule, Severity
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.resources.stores import LakeStores

_CHECKED = {
    CONTRACT: "Every batch keeps the dataset's contract within its error threshold; else nothing of it is published.",
    CONSERVATION: "Rows landed = published + rejected + deduplicated, in total and for every file.",
}


def landing_asset(spec: DatasetSpec) -> dg.AssetSpec | dg.AssetsDefinition:
    """What arrives for the dataset. Where it is pulled, a run of this asset pulls it; else producers make it."""
    return _pulled(spec) if spec.source.pulled else _arrived(spec)


def _pulled(spec: DatasetSpec) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=pull_op_name(spec.name),
        specs=[_arrived(spec).replace_attributes(skippable=True, kinds={spec.format.type, spec.source.transport})],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=pull_op_name(spec.name),
    )
    def pull_source(context: dg.AssetExecutionContext, lake_stores: dg.ResourceParam[LakeStores]) -> Iterator[object]:
        from supply_lake.assets.extraction import Extraction

        with lake_stores.open() as stores:
            yield from Extraction(context, stores, spec).events()

    return pull_source


def _arrived(spec: DatasetSpec) -> dg.AssetSpec:
    return dg.AssetSpec(
        landing_key(spec.name),
        description=contract.landing_description(spec),
        metadata=contract.landing_metadata(spec),
        owners=contract.owners(spec),
        tags=contract.tags(spec, LANDING),
        group_name=spec.group,
        kinds={spec.format.type},
        partitions_def=partitions(spec),
    )


def lake_asset(spec: DatasetSpec) -> dg.AssetsDefinition:
    """What is published of the dataset, with its checks. A range of landing dates is one run."""

    @dg.multi_asset(
        name=op_name(spec.name),
        specs=[_published(spec)],
        check_specs=_checks(spec),
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=op_name(spec.name),
    )
    def curate_dataset(context: dg.AssetExecutionContext, lake_stores: dg.ResourceParam[LakeStores]) -> Iterator[object]:
        from supply_lake.assets.curation import Curation

        with lake_stores.open() as stores:
            yield from Curation(context, stores, spec).events()

    return curate_dataset


def _published(spec: DatasetSpec) -> dg.AssetSpec:
    return dg.AssetSpec(
        lake_key(spec.name),
        deps=[landing_key(spec.name)],
        description=contract.description(spec),
        metadata=contract.metadata(spec),
        owners=contract.owners(spec),
        tags=contract.tags(spec, LAKE),
        group_name=spec.group,
        kinds={"parquet", "polars"},
        freshness_policy=contract.freshness(spec),
        partitions_def=partitions(spec),
        skippable=True,
    )


def _checks(spec: DatasetSpec) -> list[dg.AssetCheckSpec]:
    return [*(_check(spec, name, told) for name, told in _CHECKED.items()), *(_rule(spec, rule) for rule in spec.quality)]


def _rule(spec: DatasetSpec, rule: Rule) -> dg.AssetCheckSpec:
    """A rule's check; one that only warns blocks nothing."""
    told = f"{rule.description} {contract.rule(rule)}".strip()
    return _check(spec, rule.name, told, blocking=rule.severity is Severity.REJECT)


def _check(spec: DatasetSpec, name: str, told: str, *, blocking: bool = True) -> dg.AssetCheckSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # checks by partition: used knowingly, and held by tests
        return dg.AssetCheckSpec(
            name, asset=lake_key(spec.name), description=told, blocking=blocking, partitions_def=partitions(spec)
        )
