"""One run that pulls a dataset's source, date by date, told to Dagster.

What belongs here: the order of a run and its events. What does not: pulling (``landing.pull``), and publishing what landed:
that is the landing sensor's to ask for, as for any file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from supply_lake.assets.curation import RECORDED_BY_HAND
from supply_lake.assets.naming import landing_key, pull_op_name
from supply_lake.assets.tables import table
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import StoreUnavailable, SupplyLakeError
from supply_lake.ingest.events import enter
from supply_lake.ingest.stores import Stores
from supply_lake.landing.pull import Landed, Puller
from supply_lake.resources.workers import mark

Event = dg.AssetMaterialization | dg.Output[None]


class Extraction:
    """The run. A date that cannot be pulled does not keep the others from landing; at the end the run fails for it."""

    def __init__(self, context: dg.AssetExecutionContext, stores: Stores, spec: DatasetSpec) -> None:
        self.context, self.stores, self.spec = context, stores, spec
        self.puller = Puller(stores.landing, spec, stores.settings.scratch)
        self.troubles: list[str] = []

    def events(self) -> Iterator[Event]:
        """Every date's event in order, then the output that lets steps downstream go on.

        :raises dagster.Failure: one sentence for every date that was not pulled
        """
        mark(self.context.instance, self.context.run.run_id)
        for partition in self.context.partition_keys:
            try:
                landed = self.puller.pull(dt.date.fromisoformat(partition))
            except StoreUnavailable as error:
                self.troubles.append(f"{error} Nothing is lost; pull it again when it is back.")
                break
            except SupplyLakeError as error:
                self.troubles.append(f"{self.spec.name} {partition}: {error}")
                continue
            enter(self.stores, [one.manifest.key for one in landed if one.new])
            self.context.log.info(_line(self.spec.name, partition, landed))
            yield dg.AssetMaterialization(landing_key(self.spec.name), partition=partition, metadata=_facts(landed))
        if self.troubles:
            raise dg.Failure("\n".join(self.troubles), allow_retries=False) from None
        yield dg.Output(None, output_name=pull_op_name(self.spec.name), metadata=RECORDED_BY_HAND)


def _line(name: str, partition: str, landed: Sequence[Landed]) -> str:
    if not landed:
        return f"{name} {partition}: nothing has changed since the last pull"
    new = [one for one in landed if one.new]
    rows = sum(one.manifest.rows or 0 for one in new)
    return f"{name} {partition}: {len(new)} of {len(landed)} objects are new, with {rows:,} rows"


def _facts(landed: Sequence[Landed]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "objects": len(landed),
        "new objects": sum(one.new for one in landed),
        "bytes": sum(one.manifest.size for one in landed),
        "rows": sum(one.manifest.rows or 0 for one in landed),
    }
    if landed:
        newest = landed[-1].manifest
        facts |= {"source": newest.source, "request": dg.MetadataValue.md(f"```\n{newest.request}\n```")}
        facts["pulled"] = _objects(landed)
    return facts


def _objects(landed: Sequence[Landed]) -> dg.MetadataValue[Any]:
    header = ("object", "new", "rows reported", "rows", "bytes", "from", "to", "notes")
    return table(
        header,
        (
            (
                one.key.rpartition("/")[2],
                "yes" if new else "no",
                one.rows_reported,
                one.rows,
                one.size,
                one.start,
                one.end,
                "; ".join(one.notes),
            )
            for one, new in ((each.manifest, each.new) for each in landed)
        ),
    )
