"""The rules of a dataset over one batch: what they find, which rows they bar, and whether they refuse the batch.

What belongs here: the order in which rules are asked, and what they need of the stores. What does not: any rule (``quality``),
and what is done about it (``publish``). A dataset without rules is asked nothing, and reads nothing.

Rules on rows come first, for they decide which rows there are: conditions while reading, references once, uniqueness against
what is live. Rules on whole partitions then look at the dataset as it would be after the commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from supply_lake.curate.barred import NONE, Bar, Barred
from supply_lake.curate.curate import LivePart, Settled, Staged
from supply_lake.datasets.quality import References, Rule, Severity
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.ingest.after_commit import AfterCommit, live_part
from supply_lake.ingest.stores import Stores
from supply_lake.quality.doubles import Frames, doubles
from supply_lake.quality.judge import judge
from supply_lake.quality.live_rows import Bounds
from supply_lake.quality.orphans import comparable, orphans
from supply_lake.quality.verdict import Verdict, of_rows
from supply_lake.snapshots.key_filter import may_hold

ROUNDS = 50
"""How often it is looked for rows that double another, when those that were found are rejected."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What rules found so far: rows that they bar, and their verdicts."""

    barred: Barred = NONE
    verdicts: tuple[Verdict, ...] = ()

    @property
    def refusal(self) -> str:
        """Why nothing of the batch may be published; empty when it may."""
        return "; ".join(f"rule {one.rule}: {one.told}" for one in self.verdicts if one.refuses)

    def of(self, date: dt.date) -> tuple[Verdict, ...]:
        """The verdicts on a date's partition, and on the batch as a whole."""
        return tuple(one for one in self.verdicts if one.partition in (None, date))

    def and_verdicts(self, verdicts: Sequence[Verdict]) -> Findings:
        """These and more verdicts."""
        return replace(self, verdicts=(*self.verdicts, *verdicts))


@dataclass(slots=True)
class _Doubles:
    """What one `unique` rule found: how many rows, where the first stands, and whether there was no end of them."""

    rule: Rule
    rows: int = 0
    first: str = ""
    endless: bool = False

    @property
    def bar(self) -> Bar:
        """Why the rows are rejected."""
        assert self.rule.unique is not None
        where = "" if self.rule.unique.within == "dataset" else " of the date"
        return Bar(self.rule.unique.columns, f"breaks {self.rule.name}: another live row{where} has the same values")


def for_rows_alone(spec: DatasetSpec) -> DatasetSpec:
    """The dataset with the rules that hold for rows which were rejected once, and are taken up without their delivery.

    They are a few of it, and its bad ones: no share of them says anything, nor does their number or their likeness to others.
    """
    kept = (rule for rule in spec.quality if not rule.judges_deliveries)
    rules = (rule.model_copy(update={"threshold": 1.0}) if rule.rejects_rows else rule for rule in kept)
    return spec.model_copy(update={"quality": tuple(rules)})


class Audit:
    """The rules of one dataset over one staged batch."""

    def __init__(self, stores: Stores, spec: DatasetSpec, staged: Staged, scratch: Path) -> None:
        self._stores, self._spec, self._staged, self._scratch = stores, spec, staged, scratch

    @property
    def looks_at_live_rows(self) -> bool:
        """Whether a verdict holds only as long as no other commit moves the live set."""
        return any(rule.looks_at_live_rows for rule in self._spec.quality)

    # --- rules on rows

    def of_conditions(self, findings: Findings) -> Findings:
        """What the conditions on rows found while the batch was read; rows that break one are rejected already."""
        told = [self._of_rows(rule, *self._staged.broke(rule.name)) for rule in self._spec.quality if rule.row is not None]
        return findings.and_verdicts(told)

    def of_references(self, findings: Findings) -> Findings:
        """Which rows refer to nothing, by the newest commit of the dataset that they refer to."""
        for rule in self._spec.quality:
            if rule.references is not None:
                findings = self._of_reference(rule, rule.references, findings)
        return findings

    def _of_reference(self, rule: Rule, reference: References, findings: Findings) -> Findings:
        other = self._stores.registry.get(reference.dataset)
        commit = self._stores.metadata.last_commit(other.name)
        live = self._stores.metadata.live(other.name, commit) if commit else []
        version = self._stores.metadata.schema(other.name)
        kinds = {**other.types, **({one.name: one.kind for one in version.schema.columns} if version else {})}
        types = {our: comparable(self._staged.kinds[our], kinds[their]) for our, their in reference.pairs}
        rows = self._good(reference.columns)

        def theirs(bounds: Bounds) -> list[LivePart]:
            near = [one for one in live if may_hold(one, bounds)]
            return [live_part(self._stores, snapshot, file) for snapshot in near for file in snapshot.files]

        found = orphans(rows, theirs, reference.pairs, types)
        verdict = self._of_rows(rule, found.height, _first(found, rows, self._staged), commits=((other.name, commit),))
        their = ", ".join(their for _, their in reference.pairs)
        bar = Bar(reference.columns, f"breaks {rule.name}: is no {their} of {other.name}")
        barred = findings.barred.plus(found, bar) if rule.severity is Severity.REJECT else findings.barred
        return Findings(barred, (*findings.verdicts, verdict))

    def _good(self, columns: Sequence[str]) -> Frames:
        """The good rows; one that deletes its key need refer to nothing."""

        def frames() -> Iterator[pl.DataFrame]:
            for frame in self._staged.good([*columns, "_deleted"]):
                yield frame.filter(~pl.col("_deleted")).drop("_deleted") if "_deleted" in frame.columns else frame

        return frames

    def settle(
        self, findings: Findings, settle: Callable[[Barred], Settled], after: Callable[[Settled], AfterCommit]
    ) -> tuple[Settled, Findings]:
        """Settle the batch, without new rows that double another live row where a rule rejects them.

        A row that is barred may leave an older row of its key live, which may double another new row: so it is looked again.

        :param settle: settles the batch without the rows that are barred
        :param after: the dataset as it is after the commit of what is settled
        """
        rules = [rule for rule in self._spec.quality if rule.unique is not None]
        settled = settle(findings.barred)
        found = {rule.name: _Doubles(rule) for rule in rules}
        for _ in range(ROUNDS):
            again = False
            for one in found.values():
                places = self._doubles(one, settled, after(settled))
                if one.rule.severity is Severity.REJECT and places.height:
                    findings = replace(findings, barred=findings.barred.plus(places, one.bar))
                    settled, again = settle(findings.barred), True
            if not again:
                break
        else:
            for one in found.values():
                one.endless = one.rule.severity is Severity.REJECT
        return settled, findings.and_verdicts([self._of_doubles(one) for one in found.values()])

    def _doubles(self, one: _Doubles, settled: Settled, after: AfterCommit) -> pl.DataFrame:
        """The new rows that double another, which are noted."""
        unique = one.rule.unique
        assert unique is not None
        types = settled.types_of(unique.columns)

        def new() -> Iterator[pl.DataFrame]:
            return settled.standing(unique.columns, new=True)

        def carried() -> Iterator[pl.DataFrame]:
            return (frame.filter(pl.col("_ordinal") < 0) for frame in settled.standing(unique.columns))

        places = doubles(new, carried, after.others, types, within=unique.within, scratch=self._scratch)
        one.rows = places.height + (one.rows if one.rule.severity is Severity.REJECT else 0)
        one.first = one.first or _first(places, new, self._staged)
        return places

    def _of_doubles(self, one: _Doubles) -> Verdict:
        verdict = self._of_rows(one.rule, one.rows, one.first)
        if not one.endless:
            return verdict
        told = f"{verdict.told}; after {ROUNDS} rounds new rows still double what is live again because another was rejected"
        return replace(verdict, passed=False, told=told)

    def _of_rows(self, rule: Rule, rows: int, first: str = "", commits: tuple[tuple[str, int], ...] = ()) -> Verdict:
        allowed = rule.allows(self._spec.error_threshold)
        return of_rows(rule, allowed, rows=rows, of=self._staged.rows_landed, first=first, commits=commits)

    # --- rules on partitions

    def of_partitions(self, findings: Findings, after: AfterCommit) -> Findings:
        """What the rules on whole partitions say of the dataset after the commit."""
        return findings.and_verdicts(judge(self._spec, after))


def _first(found: pl.DataFrame, rows: Frames, staged: Staged) -> str:
    """Where the first of the rows that were found stands."""
    if not found.height:
        return ""
    ordinal = found["_ordinal"].min()
    for frame in rows():
        here = frame.filter(pl.col("_ordinal") == ordinal)
        if here.height:
            return staged.place(here["_src"][0], here["_line"][0])
    return ""
