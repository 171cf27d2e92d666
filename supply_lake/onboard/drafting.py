"""A draft → the text of its dataset file, with a comment on every guess.

What belongs here: the order and wording of the file. What does not: YAML as such (``yaml_text``), and the page (``page``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from supply_lake.onboard.dating import first_partition
from supply_lake.onboard.draft import ColumnDraft, Draft
from supply_lake.onboard.telling import count, quoted
from supply_lake.onboard.values import Values
from supply_lake.onboard.yaml_text import WIDTH, comment, flow, inert, scalar

_DOUBTS_SHOWN = 200


def dataset_text(draft: Draft, *, page: str, schema: bool) -> str:
    """The dataset file.

    :param page: name of the file that tells what was seen
    :param schema: whether the JSON Schema for editors lies beside it
    """
    return "\n".join(line for line in _lines(draft, page, schema)) + "\n"


def _lines(draft: Draft, page: str, schema: bool) -> Iterator[str]:
    if schema:
        yield "# yaml-language-server: $schema=./dataset.schema.json"
    yield comment(f"Drafted by `supply-lake onboard` from {_sampled(draft)}. What it saw, and why it guessed so, is in {page}.")
    yield comment("Lines marked with `?` are in doubt; lines marked with `or` are what they could be instead.")
    yield f"name: {draft.name}"
    yield f"description: {scalar(draft.description)}"
    yield comment("? who answers for the data, and which system they come from")
    yield f"owner: {scalar(draft.owner)}"
    yield from _source(draft)
    yield from map(_doubt, draft.doubts)
    yield f"format: {flow(draft.format)}"
    yield from _landing(draft)
    yield "columns:"
    for column in draft.columns:
        yield from _column(column)
    yield from _policy(draft)
    yield from _quality(draft)


def _sampled(draft: Draft) -> str:
    files = len(draft.sample.files)
    told = f"{files} files" if files > 1 else draft.sample.files[0].file if files else "nothing"
    return f"{told} with {draft.gathered.rows:,} rows"


def _source(draft: Draft) -> Iterator[str]:
    line = f"source: {flow(draft.source)}"
    pulled = {name: fields for name, fields in draft.source.items() if isinstance(fields, Mapping)}
    if not pulled:
        yield line
        return
    yield "source:"
    yield from (f"  {name}: {flow(value)}" for name, value in draft.source.items())
    yield inert(['or: schedule: "@hourly"  (pulls by itself; without it, `supply-lake extract` pulls)'], 2)


def _landing(draft: Draft) -> Iterator[str]:
    if draft.dating.pattern:
        yield comment("the landing date stands in the names of the files" if draft.dating.dated else "where the files lie")
        yield f"landing: {flow({'pattern': draft.dating.pattern})}"
    if start := first_partition(draft.dating.days):
        yield f"start_date: {start}"


def _column(column: ColumnDraft) -> Iterator[str]:
    yield comment(f"{column.guess.why}; {facts(column.values)}", 2)
    if column.field.why:
        yield comment(f"several names: {column.field.why}", 2)
    if column.guess.nulls:
        told = ", ".join(f"{quoted(one.text)} ({count(one.rows, 'row')})" for one in column.guess.nulls)
        yield comment(f"null: {told}", 2)
    for doubt in column.doubts:
        yield _doubt(doubt, 2)
    declared = column.declared()
    for offer in column.guess.offers:
        yield inert([f"or: {flow(offer.fields)}  ({offer.why})"], 2)
    line = f"  - {flow(declared)}"
    yield line if len(line) <= WIDTH + 20 else _block(declared)


def _block(declared: Mapping[str, Any]) -> str:
    lines = [f"{scalar(name)}: {flow(value)}" for name, value in declared.items()]
    return "\n".join([f"  - {lines[0]}", *(f"    {line}" for line in lines[1:])])


def facts(values: Values) -> str:
    """How many values there are, and how many are different."""
    if not values.filled:
        return "never filled"
    different = "all different" if values.unique else f"{values.distinct:,} different"
    return f"{values.filled:,} values, {different}" + (f", {values.empty:,} empty" if values.empty else "")


def _policy(draft: Draft) -> Iterator[str]:
    for doubt in draft.policy.doubts:
        yield _doubt(doubt)
    for name, value in draft.policy.fields.items():
        if name in draft.policy.why:
            yield comment(draft.policy.why[name])
        yield f"{name}: {flow(value)}"
    for fields, why in draft.policy.offers:
        yield inert([f"or: {flow(fields)[1:-1]}  ({why})"])
    yield from _limits(draft)


def _quality(draft: Draft) -> Iterator[str]:
    """Rules, which only warn: nobody has decided yet what they should refuse."""
    if draft.quality:
        yield "quality:"
    for rule in draft.quality:
        yield comment(rule.why, 2)
        yield f"  - {flow(rule.fields)}"


def _limits(draft: Draft) -> Iterator[str]:
    if draft.proof is not None:
        rows, part = draft.proof.rows, f"{draft.proof.rejected_share:.2%}"
        yield comment(f"tried on the sample: {count(rows.published, 'row')} published, {rows.rejected:,} ({part}) rejected")
    yield f"error_threshold: {draft.error_threshold}"
    if draft.freshness:
        yield comment("by the longest time between two files of the sample")
        yield f"freshness: {{max_age_hours: {draft.freshness:g}}}"
    else:
        yield inert(["or: freshness: {max_age_hours: 26}  (the sample does not tell how often files come)"])


def _doubt(text: str, indent: int = 0) -> str:
    return comment(f"? {text[: _DOUBTS_SHOWN * 3]}", indent)
