"""Onboarding: sample → draft. The whole sequence on one screen.

What belongs here: the order of things. What does not: any of them (a module each), finding the sample (``places``, ``tables``,
``web``), and writing files (``saving``).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from math import ceil
from pathlib import Path

from pydantic import ValidationError

from supply_lake.curate.curate import Options
from supply_lake.curate.raw import EmptyObject
from supply_lake.datasets.declaration import parse
from supply_lake.datasets.faults import sentences
from supply_lake.datasets.format import Format
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import UnreadableObject, UsageError
from supply_lake.onboard.composing import Evidence, compose
from supply_lake.onboard.draft import Draft
from supply_lake.onboard.drafting import dataset_text
from supply_lake.onboard.headers import alike, unify
from supply_lake.onboard.infer import COLUMNS_AT_MOST, infer
from supply_lake.onboard.known import Known
from supply_lake.onboard.policy import Wishes
from supply_lake.onboard.proof import prove
from supply_lake.onboard.reading import Gathered, gather
from supply_lake.onboard.sample import Sample, require
from supply_lake.onboard.sniff import Hints, Sniffed, agreed, sniff

_LEAST_THRESHOLD = 0.02


def onboard(name: str, sample: Sample, hints: Hints, wishes: Wishes, *, scratch: Path, known: Known | None = None) -> Draft:
    """Draft a dataset from its sample, and try the draft on it.

    :param scratch: folder for what does not fit into memory
    :param known: what the source itself says, such as a database of a table
    :raises UnreadableObject: nothing can be drafted from the files; one sentence says why
    :raises UsageError: a wish names a column that is not there
    """
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        sample, sniffed = _sniffed(require(sample.bounded()), hints, Path(folder))
        form = Format.model_validate(sniffed.fields)
        gathered = gather(sample, form, sniffed.names, Path(folder))
        _require_columns(gathered, sample)
        fields = unify([one.header for one in gathered.files if one.header], alike(gathered))
        evidence = Evidence(name, sample, sniffed, gathered, infer(gathered, fields, form), known or Known())
        return _tried(compose(evidence, wishes), Path(folder))


def _sniffed(sample: Sample, hints: Hints, scratch: Path) -> tuple[Sample, Sniffed]:
    """The format that the files agree on, and the sample without files of another."""
    found: dict[str, Sniffed] = {}
    reasons: dict[str, str] = {}
    for file in sample.files:
        try:
            found[file.name] = sniff(file, hints, scratch, next(iter(found.values()), None))
        except UnreadableObject as error:
            reasons[file.name] = str(error)
        except EmptyObject as empty:
            reasons[file.name] = f"is {empty}"
    if not found:
        first = next(iter(reasons))
        more = f", and so it is with {len(reasons) - 1} other files" if len(reasons) > 1 else ""
        raise UnreadableObject(f"{first} {reasons[first]}{more}")
    chosen = agreed(list(found.values()))
    for name, one in found.items():
        if one.fields["type"] != chosen.fields["type"]:
            reasons[name] = f"is {one.fields['type']}, and most files are {chosen.fields['type']}"
    for name, reason in reasons.items():
        sample = sample.without([name], reason)
    return sample, chosen


def _require_columns(gathered: Gathered, sample: Sample) -> None:
    if not gathered.names:
        why = next((one.reason for one in gathered.files if one.reason), "it holds no record")
        raise UnreadableObject(f"nothing can be drafted from {sample.origin}: {why}")


def _tried(draft: Draft, scratch: Path) -> Draft:
    """The draft with what came of curating its sample, and a threshold that lets the sample pass."""
    if len(draft.columns) > COLUMNS_AT_MOST:
        return draft
    dates = draft.dating.dates or (None,) * len(draft.sample.files)
    proof = prove(spec_of(draft), draft.sample.files, dates, scratch, Options())
    threshold = max(_LEAST_THRESHOLD, min(1.0, ceil(proof.worst * 150) / 100))
    return replace(draft, proof=proof, error_threshold=threshold)


def spec_of(draft: Draft) -> DatasetSpec:
    """The draft as a declaration, by way of its text, which is what will be read.

    :raises UsageError: what a person asked for cannot be declared
    """
    declared = parse(dataset_text(draft, page="-", schema=False))
    try:
        return DatasetSpec.model_validate(declared.values)
    except ValidationError as error:
        told = "; ".join(text for _, text in sentences(error, declared))
        raise UsageError(f"what was asked for does not go together: {told}") from None
