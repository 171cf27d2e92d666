"""A draft → the page beside its dataset file: what was seen, why it was guessed so, and what a person has to look at.

What belongs here: Markdown for people. What does not: the dataset file (``drafting``), and JSON for programs (``report``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from supply_lake.onboard.draft import ColumnDraft, Draft
from supply_lake.onboard.telling import count, quoted
from supply_lake.onboard.values import Counted, share
from supply_lake.onboard.yaml_text import flow

_FILES_TOLD = 40
_COLUMNS_DETAILED = 300
_LONGEST = 60


def page_text(draft: Draft) -> str:
    """The page. The same sample gives the same page."""
    parts = [
        _head(draft),
        _review(draft),
        _trial(draft),
        _files(draft),
        _overview(draft),
        _rules(draft),
        _details(draft),
        _next(draft),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(draft: Draft) -> str:
    rows = draft.gathered.rows
    return (
        f"# {draft.name}: what onboarding saw\n\n"
        f"Written with `{draft.name}.yaml` from {count(len(draft.sample.files), 'file')} at {_code(draft.sample.origin)}: "
        f"{count(rows, 'row')}, {count(len(draft.columns), 'column')}. The page may be deleted; nothing reads it."
    )


def _review(draft: Draft) -> str:
    doubts = ["who answers for the data (`owner`) and which system they come from (`source.system`)", *draft.all_doubts]
    return "## To review\n\n" + _bullets(doubts)


def _trial(draft: Draft) -> str:
    proof = draft.proof
    if proof is None:
        return ""
    rows, most = proof.rows, f"{draft.error_threshold:.0%}"
    lines = [
        "## Tried on the sample\n",
        f"Ingestion would find {rows.landed:,} rows = {rows.published:,} published + {rows.rejected:,} rejected + "
        f"{rows.deduplicated:,} deduplicated. Refused as a whole would be a batch with more than {most} "
        "rejected rows.",
    ]
    if proof.rules:
        lines += ["", _table(("rule", "rejected rows"), ((rule, f"{times:,}") for rule, times in proof.rules.most_common(20)))]
        lines += ["", _bullets(_code(_cut(one)) for one in proof.examples[:10])]
    if proof.notes:
        lines += ["", "Noted on the way:", "", _bullets(f"{note}: {times:,}" for note, times in proof.notes.most_common(20))]
    if proof.problems:
        lines += ["", _bullets(proof.problems[:5])]
    return "\n".join(lines)


def _files(draft: Draft) -> str:
    read = draft.gathered.files
    lines = ["## Files\n", f"Format: {_code(flow(draft.format))}."]
    if draft.facts:
        lines.append("Seen: " + "; ".join(draft.facts) + ".")
    if draft.dating.pattern:
        told = "their names tell the landing date" if draft.dating.dated else "their keys tell no date"
        lines.append(f"Landing keys: {_code(draft.dating.pattern)}; {told}.")
    rows = [(one.name, f"{one.records:,}", f"{one.bad:,}", str(len(one.header)), one.reason) for one in read[:_FILES_TOLD]]
    lines += ["", _table(("file", "records", "not told apart", "columns", ""), rows)]
    if len(read) > _FILES_TOLD:
        lines += ["", f"and {count(len(read) - _FILES_TOLD, 'file')} more."]
    if draft.sample.left_out:
        lines += [
            "",
            "Left out:",
            "",
            _bullets(f"{_code(name)}: {reason}" for name, reason in draft.sample.left_out[:_FILES_TOLD]),
        ]
    return "\n".join(lines)


def _overview(draft: Draft) -> str:
    rows = [
        (
            one.name + (" (key)" if one.name in draft.policy.key else ""),
            one.guess.type if len(one.guess.type) <= _LONGEST else one.guess.type.partition("<")[0] + "<…>",
            f"{one.values.filled:,}",
            f"{one.values.empty:,}",
            f"{one.values.distinct:,}",
            one.guess.low or _end(one, 0),
            one.guess.high or _end(one, -1),
            ", ".join(f"{quoted(null.text)}: {null.rows:,}" for null in (*one.guess.nulls, *one.guess.sentinels)),
        )
        for one in draft.columns
    ]
    header = ("column", "type", "filled", "empty", "different", "least", "greatest", "stands for none")
    return "## Columns\n\n" + _table(header, rows)


def _end(column: ColumnDraft, at: int) -> str:
    """The first or last text in order, of columns whose values are nothing but text."""
    return str(column.values.texts.sort()[at]) if column.values.distinct else ""


def _details(draft: Draft) -> str:
    return "\n\n".join("\n".join(_column(one, draft)) for one in draft.columns[:_COLUMNS_DETAILED])


def _column(column: ColumnDraft, draft: Draft) -> Iterator[str]:
    guess, values = column.guess, column.values
    names = " or ".join(_code(name) for name in column.field.names)
    yield f"### {column.name}\n"
    yield (
        f"{names} in the files"
        + (f" ({column.field.why})" if column.field.why else "")
        + f". {_code(guess.type)}: {guess.why}."
    )
    yield f"{share(values.filled, values.rows).capitalize()} of {count(values.rows, 'row')} filled" + (
        ", no value twice." if values.unique and values.filled else "."
    )
    if values.distinct:
        yield f"Most frequent: {_counted(values.most())}."
    shapes = values.shapes() if guess.type == "string" and values.distinct > 1 else []
    if shapes and shapes[0].rows > 1 and len(shapes) < values.distinct:
        yield f"Shapes, with # for digits: {_counted(shapes)}."
    if guess.nulls:
        yield f"Read as null: {_counted(guess.nulls)}."
    if guess.strays:
        yield f"Rejected: {_counted(guess.strays)}."
    if column.checks:
        yield f"Checks: {_code(flow(column.checks))}."
    doubts = [*column.doubts, *(f"could be {_code(flow(offer.fields))}: {offer.why}" for offer in guess.offers)]
    if doubts:
        yield "\n" + _bullets(doubts)
    del draft


def _rules(draft: Draft) -> str:
    if not draft.quality:
        return ""
    told = [f"{_code(rule.fields['name'])}: {rule.why}" for rule in draft.quality]
    return "## Rules\n\nThey warn and refuse nothing; `severity: reject` is for those that deserve it.\n\n" + _bullets(told)


def _next(draft: Draft) -> str:
    files = draft.sample.files[0].file if draft.sample.files else "FILE"
    return (
        "## Next\n\n"
        f"1. Go through *To review* and mend `{draft.name}.yaml`; `supply-lake datasets` says whether it loads.\n"
        f"2. `supply-lake land {draft.name} {files} …`, then `supply-lake ingest {draft.name}`.\n"
        f'3. `supply-lake rejects {draft.name}` and `supply-lake query "select * from {draft.name} limit 10"`.'
    )


# --- Markdown


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_plain(line)}" for line in lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([_plain(_cut(cell)).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _counted(found: Iterable[Counted]) -> str:
    return ", ".join(f"{_code(_cut(one.text))} ({one.rows:,})" for one in found)


def _code(text: str) -> str:
    """Text as code, whatever backticks it has."""
    plain = _plain(text)
    return f"`` {plain} ``" if "`" in plain else f"`{plain}`"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST * 2 else text[: _LONGEST * 2 - 1] + "…"


def _plain(text: str) -> str:
    """One line without control characters; the texts are those of files that nobody has looked at yet."""
    return " ".join("".join(char if char.isprintable() or char == "\n" else "·" for char in text).split("\n"))
