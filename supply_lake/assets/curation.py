"""One run of one dataset, date by date, told to Dagster.

What belongs here: the order of a run and its events. What does not: curating (``ingest`` does the whole write path) and what
the metadata says (``report``).

For each landing date the checks come first; a date is materialized only when something of it was committed, so that a rejected
batch leaves a failed check and no materialization. Events are yielded date by date, by hand: one output for a whole range
would claim dates that were rejected, and give all of them one data version.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import cached_property

import dagster as dg

from supply_lake.assets import report
from supply_lake.assets.naming import (
    CONSERVATION,
    CONTRACT,
    OUTAGE_TAG,
    checks,
    lake_key,
    landing_key,
    op_name,
    publishes_pending,
    replayed,
)
from supply_lake.assets.samples import Sample, broken_rules, preview, rejected_rows
from supply_lake.datasets.quality import Severity
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import StoreUnavailable, SupplyLakeError
from supply_lake.ingest.batches import run_pending
from supply_lake.ingest.recurate import recurate
from supply_lake.ingest.replay import landing_dates, replay
from supply_lake.ingest.stores import Stores
from supply_lake.landing.ledger import ObjectState
from supply_lake.quality.verdict import Verdict
from supply_lake.resources.workers import mark
from supply_lake.snapshots.records import Batch, Kind, Status

RECORDED_BY_HAND = {"__source_asset_observation__": True}
"""Metadata with which Dagster takes an output as done, and records no event of its own for every date of the range."""
TROUBLES_TOLD = 5

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]


class Curation:
    """The run. A date that fails does not keep the others from being published; at the end the run fails for it."""

    def __init__(self, context: dg.AssetExecutionContext, stores: Stores, spec: DatasetSpec) -> None:
        self.context, self.stores, self.spec = context, stores, spec
        self.troubles: list[str] = []
        self.published = False
        self._replayed = replayed(context.run)

    def events(self) -> Iterator[Event]:
        """Every date's events in order, then the outputs that let steps downstream go on.

        :raises dagster.Failure: one sentence for every date that was rejected or failed
        """
        mark(self.context.instance, self.context.run.run_id)
        for partition in self.context.partition_keys:
            try:
                yield from self._date(partition)
            except StoreUnavailable as error:
                self.context.instance.add_run_tags(self.context.run.run_id, {OUTAGE_TAG: "true"})
                self.troubles.append(f"{str(error).rstrip('.')}. Nothing is lost; the sensor asks again when it is back.")
                break
        if self.troubles:
            raise dg.Failure(_told(self.troubles), allow_retries=False) from None
        yield from self._outputs()

    def _date(self, partition: str) -> Iterator[Event]:
        date = dt.date.fromisoformat(partition)
        before = self._set_aside(date)
        batches, trouble = self._curate(date)
        aside = {key: reason for key, reason in self._set_aside(date).items() if key not in before}
        if batches or aside:
            yield from self._report(partition, batches, aside)
        elif not trouble:
            nothing = "nothing landed that is not published already" if self._replayed is None else "nothing is replayed"
            self.context.log.info(f"{self.spec.name} {partition}: {nothing}")
        self.troubles += [
            f"{self.spec.name} {partition}: {one}" for one in (*trouble, *_refusals(batches), *_told_aside(aside))
        ]

    def _curate(self, date: dt.date) -> tuple[list[Batch], list[str]]:
        """What a sensor asked for is pending. What a person asks for is to be right as of now, so it is curated again."""
        try:
            return self._work(date), []
        except StoreUnavailable:
            raise
        except SupplyLakeError as error:
            return self._recorded(date), [str(error)]

    def _work(self, date: dt.date) -> list[Batch]:
        name, run = self.spec.name, self.context.run
        if publishes_pending(run):
            return run_pending(self.stores, name, date, run_id=run.run_id)
        if self._replayed is None:
            return recurate(self.stores, name, date, run_id=run.run_id)
        return list(self._replay(date, self._replayed or None)) if date in self._standing else []

    def _replay(self, date: dt.date, snapshot_id: str | None) -> Iterator[Batch]:
        """Only what was rejected; a batch that stays as it was is told only if it was rejected whole."""
        run_id = self.context.run.run_id
        for one in replay(self.stores, self.spec.name, snapshot_id=snapshot_id, landing_date=date, run_id=run_id):
            if one.batch.recorded or one.refused:
                yield one.batch
            else:
                self.context.log.info(f"{_line(one.batch)}; {one.still_bad:,} rows stay rejected")

    @cached_property
    def _standing(self) -> set[dt.date]:
        return set(landing_dates(self.stores, self.spec.name, self._replayed or None))

    def _recorded(self, date: dt.date) -> list[Batch]:
        """Batches that this run finished before one broke off."""
        recent = self.stores.metadata.batches(self.spec.name, run_id=self.context.run.run_id)
        return [one for one in reversed(recent) if one.landing_date == date]

    def _set_aside(self, date: dt.date) -> dict[str, str]:
        entries = self.stores.metadata.objects(self.spec.name, ObjectState.SET_ASIDE, date)
        return {f"{entry.object.key} {entry.object.etag}": entry.reason for entry in entries}

    # --- events

    def _report(self, partition: str, batches: Sequence[Batch], aside: dict[str, str]) -> Iterator[Event]:
        for batch in batches:
            self.context.log.info(_line(batch))
        sources = [source for batch in batches if batch.kind is not Kind.REPLAY for source in batch.sources]
        if sources and not self.spec.source.pulled:  # else the run that pulled told it
            facts = report.landed_metadata(sources)
            yield dg.AssetMaterialization(landing_key(self.spec.name), partition=partition, metadata=facts)
        rejects = rejected_rows(self.stores.rejects, batches)
        yield self._contract(partition, batches, aside, rejects)
        yield self._conservation(partition, batches)
        yield from self._rules(partition, batches)
        if report.snapshots_of(batches):
            self.published = True
            yield self._materialization(partition, batches, rejects)

    def _contract(self, partition: str, batches: Sequence[Batch], aside: dict[str, str], rejects: Sample) -> Event:
        facts = report.contract_metadata(self.spec, batches, broken_rules(self.stores.rejects, batches), rejects)
        if aside:
            facts["set aside"] = report.bullets([f"{key.split()[0]}: {reason}" for key, reason in aside.items()])
        return self._checked(CONTRACT, partition, not (_refusals(batches) or aside), facts)

    def _conservation(self, partition: str, batches: Sequence[Batch]) -> Event:
        conserved = report.conserved(batches)
        if not conserved:
            self.troubles.append(f"{self.spec.name} {partition}: rows landed are not published + rejected + deduplicated")
        return self._checked(CONSERVATION, partition, conserved, report.conservation_metadata(batches))

    def _rules(self, partition: str, batches: Sequence[Batch]) -> Iterator[Event]:
        """The dataset's rules; one that was not asked, for the batch was refused before, has no evaluation."""
        for rule in self.spec.quality:
            verdicts = [one for batch in batches for one in batch.quality if one.rule == rule.name]
            if verdicts:
                yield self._checked(
                    rule.name,
                    partition,
                    all(one.passed for one in verdicts),
                    report.rule_metadata(verdicts),
                    _severity(verdicts),
                )

    def _checked(
        self,
        name: str,
        partition: str,
        passed: bool,
        facts: dict[str, object],
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    ) -> dg.AssetCheckEvaluation:
        return dg.AssetCheckEvaluation(
            asset_key=lake_key(self.spec.name),
            check_name=name,
            passed=passed,
            metadata=facts,  # type: ignore[arg-type]
            severity=severity,
            partition=partition,
            blocking=severity is dg.AssetCheckSeverity.ERROR,
        )

    def _materialization(self, partition: str, batches: Sequence[Batch], rejects: Sample) -> Event:
        snapshots = report.snapshots_of(batches)
        live = self.stores.metadata.batch_snapshots(self.spec.name, dt.date.fromisoformat(partition))
        rows = preview(self.stores.lake, snapshots)
        facts = report.published_metadata(
            batches,
            sum(one.rows_total for one in live),
            rows,
            rejects,
            spec=self.spec,
            schemas=self.stores.metadata.schema_versions(self.spec.name),
        )
        return dg.AssetMaterialization(
            lake_key(self.spec.name),
            partition=partition,
            metadata=facts,
            tags={"dagster/data_version": snapshots[-1].id},
        )

    def _outputs(self) -> Iterator[Event]:
        step = op_name(self.spec.name)
        for check in checks(self.spec):
            yield dg.Output(None, output_name=f"{step}_{check}")
        if self.published:
            yield dg.Output(None, output_name=step, metadata=RECORDED_BY_HAND)


def _severity(verdicts: Sequence[Verdict]) -> dg.AssetCheckSeverity:
    """How grave a rule's check is: as its worst verdict; when all passed, as it would have been."""
    failed = [one.severity for one in verdicts if not one.passed]
    grave = Severity.REJECT in (failed or [one.severity for one in verdicts])
    return dg.AssetCheckSeverity.ERROR if grave else dg.AssetCheckSeverity.WARN


def _refusals(batches: Sequence[Batch]) -> list[str]:
    return [f"{one.status}: {one.reason}" for one in batches if one.status in (Status.REJECTED, Status.FAILED)]


def _told_aside(aside: dict[str, str]) -> list[str]:
    return [f"{len(aside)} objects are set aside, their attempts are used up: {next(iter(aside.values()))}"] if aside else []


def _told(troubles: Sequence[str]) -> str:
    more = len(troubles) - TROUBLES_TOLD
    return "\n".join([*troubles[:TROUBLES_TOLD], *([f"and {more} more"] if more > 0 else [])])


def _line(batch: Batch) -> str:
    rows = batch.rows
    return (
        f"{batch.dataset} {batch.landing_date}: {batch.status}, {len(batch.sources)} objects, {rows.landed:,} rows landed = "
        f"{rows.published:,} published + {rows.rejected:,} rejected + {rows.deduplicated:,} deduplicated"
        + (f" ({batch.reason})" if batch.reason else "")
    )
