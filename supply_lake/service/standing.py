"""How datasets stand: counts over the live set, freshness, what the rules said last. Added up once for each commit.

What belongs here: adding up. What does not: the route (``routes_datasets``) and the page (``pages``) that show it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.lake import Lake
from supply_lake.query.states import late_by
from supply_lake.service.models import Quality, SnapshotSummary
from supply_lake.snapshots.pages import Head, Pages, records


class Standing(BaseModel):
    """A dataset as it stands."""

    dataset: str
    description: str
    owner: str
    group: str
    tags: dict[str, str]
    source_system: str
    mode: str = Field(description="`append`, `replace` or `upsert`.")
    primary_key: list[str]
    commit: int = Field(description="The newest; 0 before the first.")
    committed_at: dt.datetime | None = Field(description="When the newest live rows were first published, UTC.")
    snapshots: int = Field(description="How many are live.")
    partitions: int = Field(description="How many partition dates they cover.")
    rows: int = Field(description="Rows in live files, those that a tombstone hides included.")
    bytes: int = Field(description="Bytes of live files.")
    rejected: int = Field(description="Rows that the batches of the live snapshots rejected.")
    pending: int = Field(description="Landed objects that wait.")
    max_age_hours: float | None = Field(description="Hours after which the newest commit is stale, as declared.")
    late_hours: float | None = Field(description="For how many hours it has been stale; null when it is not.")
    quality: Quality = Field(description="What the rules said of the newest snapshot.")
    contract: dict[str, Any] | None = Field(None, description="What it declares, where that was asked for.")


def declared(spec: DatasetSpec) -> dict[str, Any]:
    """The declaration in the fields of a dataset file; what is not said there has its default."""
    return spec.model_dump(mode="json", exclude_unset=True)


class _Figures(BaseModel):
    partition: dt.date
    rows_total: int
    bytes: int
    rows: dict[str, int]
    committed_at: dt.datetime | None
    rows_at: dt.datetime | None


class _Totals(BaseModel):
    committed_at: dt.datetime | None = None
    snapshots: int = 0
    partitions: int = 0
    rows: int = 0
    bytes: int = 0
    rejected: int = 0
    quality: Quality = Quality()


_FIGURES = TypeAdapter(list[_Figures])


class Standings:
    """Knows the totals of every dataset at its newest commit."""

    def __init__(self, lake: Lake, pages: Pages) -> None:
        self._lake = lake
        self._pages = pages
        self._totals: dict[str, tuple[int, _Totals]] = {}

    def all(self, names: Sequence[str], *, contract: bool = False) -> list[Standing]:
        """How these datasets stand, in this order; with what they declare, where that is asked for."""
        waiting: dict[str, int] = {}
        for batch in self._lake.stores.metadata.pending(names):
            waiting[batch.dataset] = waiting.get(batch.dataset, 0) + batch.objects
        registry = self._lake.stores.registry
        found = [self._one(registry[name], waiting.get(name, 0)) for name in names]
        for one in found if contract else ():
            one.contract = declared(registry[one.dataset])
        return found

    def _one(self, spec: DatasetSpec, pending: int) -> Standing:
        head = self._pages.head(spec.name)
        totals = self._totals_at(spec.name, head)
        late = late_by(spec, totals.committed_at)
        return Standing(
            dataset=spec.name,
            description=spec.description,
            owner=spec.owner,
            group=spec.group,
            tags=dict(spec.tags),
            source_system=spec.source.system,
            mode=spec.mode,
            primary_key=list(spec.primary_key),
            commit=head.commit,
            pending=pending,
            max_age_hours=spec.freshness.max_age_hours if spec.freshness else None,
            late_hours=round(late.total_seconds() / 3600, 2) if late else None,
            **totals.model_dump(),
        )

    def _totals_at(self, dataset: str, head: Head) -> _Totals:
        known = self._totals.get(dataset)
        if known is None or known[0] != head.commit:
            known = (head.commit, self._add_up(dataset, head.commit))
            self._totals[dataset] = known
        return known[1]

    def _add_up(self, dataset: str, commit: int) -> _Totals:
        entries = self._pages.live(dataset, commit) if commit else []
        figures = _FIGURES.validate_json(records(entries))
        last = self._pages.latest(dataset, commit) if commit else None
        newest = SnapshotSummary.all_of([last])[0] if last else None
        return _Totals(
            committed_at=max((one.rows_at or one.committed_at for one in figures if one.committed_at), default=None),
            snapshots=len(figures),
            partitions=len({one.partition for one in figures}),
            rows=sum(one.rows_total for one in figures),
            bytes=sum(one.bytes for one in figures),
            rejected=sum(one.rows["rejected"] for one in figures),
            quality=newest.quality if newest else Quality(),
        )
