"""The draft, tried on its sample: what ingestion would publish, reject and deduplicate.

The sample is curated in memory by the very code that will curate it when it lands, date by date.

What belongs here: running curation on the sample, and its figures. What does not: judging them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supply_lake.curate.counts import Rows
from supply_lake.curate.curate import Options, stage
from supply_lake.datasets.spec import DatasetSpec, KeyScope
from supply_lake.onboard.sample import SampleFile

_RULES_TOLD = 20
_EXAMPLES = 3


@dataclass(slots=True)
class Proof:
    """What came of curating the sample. ``rules`` counts rejected rows by rule, with examples of where and what."""

    rows: Rows = field(default_factory=Rows)
    rules: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)
    worst: float = 0.0

    @property
    def rejected_share(self) -> float:
        """Share of the rows that are rejected."""
        return self.rows.rejected / self.rows.landed if self.rows.landed else 0.0


def prove(
    spec: DatasetSpec,
    files: Sequence[SampleFile],
    dates: Sequence[dt.date | None],
    scratch: Path,
    options: Options | None = None,
) -> Proof:
    """Curate the files, those of one date together; without dates all together.

    :param dates: of every file, as its name tells
    """
    proof = Proof()
    for day, batch in _batches(spec, files, dates).items():
        sources = [file.source(at) for at, file in enumerate(batch)]
        with stage(spec, sources, landing_date=day, scratch=scratch / "proof", options=options) as staged:
            settled = staged.settle([])
            proof.rows += settled.rows
            proof.rules.update(staged.check_figures)
            proof.notes.update(staged.reading.notes)
            proof.outcomes.update(one.outcome for one in staged.sources)
            proof.worst = max(proof.worst, settled.rows.rejected / settled.rows.landed if settled.rows.landed else 0.0)
            if staged.schema_problem:
                proof.problems.append(staged.schema_problem)
            _keep_examples(proof, settled.rejects())
    return proof


def _batches(
    spec: DatasetSpec, files: Sequence[SampleFile], dates: Sequence[dt.date | None]
) -> dict[dt.date, list[SampleFile]]:
    """The files of one landing date together; all of them where a key counts over all dates."""
    found: dict[dt.date, list[SampleFile]] = {}
    for file, date in zip(files, dates, strict=True):
        everything = date is None or spec.key_scope is KeyScope.DATASET
        found.setdefault(spec.start_date if everything or date is None else date, []).append(file)
    return found


def _keep_examples(proof: Proof, rejects: object) -> None:
    for frame in rejects:  # type: ignore[attr-defined]
        if len(proof.examples) >= _RULES_TOLD:
            return
        for row in frame.filter(frame["outcome"] == "rejected").head(_EXAMPLES).to_dicts():
            reason = row["reasons"][0]
            what = f"{reason['column']} = {reason['value']!r} " if reason["column"] else ""
            proof.examples.append(f"{row['source']}:{row['line']}: {what}{reason['reason']}")
