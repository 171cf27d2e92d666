"""Everything that was found → the draft.

What belongs here: putting guesses, keys, dates and doubts together. What does not: finding any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from supply_lake.datasets.format import Format
from supply_lake.errors import UsageError
from supply_lake.onboard import checks, dating, keys, names, policy, rules
from supply_lake.onboard.dating import Dating
from supply_lake.onboard.draft import ColumnDraft, Draft
from supply_lake.onboard.guess import Guess
from supply_lake.onboard.infer import Inferred
from supply_lake.onboard.known import Known
from supply_lake.onboard.policy import Policy, Wishes
from supply_lake.onboard.reading import Gathered
from supply_lake.onboard.rules import Rule
from supply_lake.onboard.sample import Sample
from supply_lake.onboard.seen import Seen
from supply_lake.onboard.sniff import Sniffed
from supply_lake.onboard.telling import count, quoted
from supply_lake.onboard.values import Values


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found out about a sample before anything is decided."""

    name: str
    sample: Sample
    sniffed: Sniffed
    gathered: Gathered
    inferred: Inferred
    known: Known

    @property
    def seen(self) -> tuple[Seen, ...]:
        """The columns."""
        return self.inferred.columns


def compose(evidence: Evidence, wishes: Wishes) -> Draft:
    """The draft, not yet tried.

    :raises UsageError: a wish names a column that is not there
    """
    sample, known, gathered = evidence.sample, evidence.known, evidence.gathered
    evidence = replace(evidence, inferred=_with_known(evidence.inferred, known))
    dated = Dating() if known.pulled else _dating(evidence.name, sample)
    wishes = replace(_resolved(wishes, evidence.seen), pulled="sql" in known.source)
    found = _keys(evidence, dated, wishes)
    decided = policy.decide(evidence.seen, found, dated, wishes, gathered.rows)
    decided = replace(decided, offers=(*decided.offers, *_offers(evidence, dated, decided)))
    columns = tuple(_column(one, decided, evidence) for one in evidence.seen)
    return Draft(
        name=evidence.name,
        sample=sample,
        gathered=gathered,
        format=_format_fields(evidence.inferred.form),
        columns=columns,
        policy=decided,
        dating=dated,
        owner=wishes.owner or "team:unassigned",
        source={"system": "unknown", **known.source},
        description=known.remark or _description(sample),
        facts=evidence.sniffed.facts,
        doubts=tuple(_doubts(evidence, dated)),
        freshness=dating.hours_between(dated.days),
        quality=tuple(_rules(evidence, dated, decided, columns)),
    )


def _rules(evidence: Evidence, dated: Dating, decided: Policy, columns: Sequence[ColumnDraft]) -> Iterator[Rule]:
    if not evidence.inferred.looked or not evidence.gathered.rows:
        return
    checked = {one.name for one in columns if one.checks}
    yield from rules.of_rows(evidence.seen, decided.key, checked)
    days = _groups(evidence.gathered, dated)
    if days is not None and decided.fields["mode"] != "append":
        yield from rules.of_days(evidence.gathered, evidence.inferred, days, decided.key)


def _description(sample: Sample) -> str:
    others = f" and {count(len(sample.files) - 1, 'other file')}" if len(sample.files) > 1 else ""
    return f"Drafted from {sample.files[0].file}{others}; say here what one row is."


def _dating(name: str, sample: Sample) -> Dating:
    if sample.in_landing:
        return dating.by_keys([one.key for one in sample.files])
    return dating.by_names(name, [one.file for one in sample.files])


def _format_fields(form: Format) -> dict[str, Any]:
    """What of the format is not as it is by default."""
    plain = Format(type=form.type)
    changed = {field: getattr(form, field) for field in Format.model_fields if getattr(form, field) != getattr(plain, field)}
    return {"type": form.type, **changed}


def _offers(evidence: Evidence, dated: Dating, decided: Policy) -> Iterator[tuple[dict[str, Any], str]]:
    """Fields of the dataset that the sample suggests and does not prove."""
    sql, order = evidence.known.source.get("sql"), decided.fields.get("order_by")
    if sql and order and decided.fields.get("key_scope") == "dataset":
        by = next(one.label for one in evidence.seen if one.name == order)
        cursor = {"source": {"sql": {"cursor": {"by": by, "lag": 900}}}}
        yield cursor, "pulls only what changed since the last pull, with a quarter of an hour for late commits"
    for place in evidence.sniffed.totals[:1]:
        yield {"expect_total": {"rows": place}}, "sets a file aside whole that does not hold as many records as it says there"
    days = [one for one in evidence.seen if one.guess.type in ("date", "timestamp") and _is_business_date(one)]
    if len(days) == 1 and not dated.dated:
        first, last = days[0].guess.low[:10], days[0].guess.high[:10]
        yield (
            {"partition_date": {"column": days[0].name}},
            f"files rows by that date, {first} to {last}, instead of the landing date",
        )


def _is_business_date(one: Seen) -> bool:
    """Whether every row has the date, and it is not that of the last change."""
    return not one.values.empty and not one.guess.nulls and one.values.distinct > 1 and not names.says_change(one.label)


# --- columns


def _with_known(inferred: Inferred, known: Known) -> Inferred:
    """The types that the source itself declares, instead of guesses."""
    return replace(inferred, columns=tuple(_known(one, known) for one in inferred.columns))


def _known(one: Seen, known: Known) -> Seen:
    type = known.types.get(one.label)
    if type is None:
        return one
    return replace(one, guess=Guess(type, "the type that the database has", low=one.guess.low, high=one.guess.high))


def _column(one: Seen, decided: Policy, evidence: Evidence) -> ColumnDraft:
    in_key = one.name in decided.key
    if not evidence.inferred.looked:
        return ColumnDraft(one, {}, named=evidence.inferred.form.header)
    proposed = checks.propose(one, is_key=in_key)
    word = [f"{one.name} is a word of SQL, so that queries need it in double quotes"] if names.is_reserved(one.name) else []
    required = False if one.label in evidence.known.required and not in_key else None
    return ColumnDraft(
        seen=one,
        checks=proposed.checks,
        doubts=(*_column_doubts(one.guess, one.values), *proposed.doubts, *word),
        unit=names.unit(one.label),
        description=evidence.known.remarks.get(one.label, ""),
        nullable=True if one.name in decided.nullable else required,
        named=evidence.inferred.form.header,
    )


def _column_doubts(guess: Guess, values: Values) -> list[str]:
    doubts = list(guess.doubts)
    if guess.stray_rows:
        told = ", ".join(quoted(one.text) for one in guess.strays)
        doubts.append(f"{count(guess.stray_rows, 'row')} with values such as {told} will be rejected")
    if guess.type == "string" and values.padded_rows:
        padded = count(values.padded_rows, "value")
        doubts.append(f"{padded} with white space around them, which is kept; `trim` in `format` takes it off")
    if guess.sentinels and guess.type == "string":
        told = ", ".join(f"{quoted(one.text)} ({count(one.rows, 'row')})" for one in guess.sentinels)
        doubts.append(f"may mean that there is no value: {told}")
    return doubts


def _doubts(evidence: Evidence, dated: Dating) -> list[str]:
    gathered = evidence.gathered
    doubts = [*evidence.sniffed.doubts, *evidence.inferred.doubts]
    if dated.doubt:
        doubts.append(dated.doubt)
    doubts += [f"{one.name} gave nothing: {one.reason}" for one in gathered.files if one.reason]
    if gathered.bad:
        first = next(example for one in gathered.files for example in one.bad_examples)
        doubts.append(f"{count(gathered.bad, 'record')} could not be told apart, such as line {first.line}: {first.reason}")
    if not gathered.rows:
        doubts.append("the sample has a header and no rows; every type is open")
    return doubts


# --- keys


def _resolved(wishes: Wishes, seen: Sequence[Seen]) -> Wishes:
    """The wishes in the published names, whichever of its names a column was called by."""
    known = {name.casefold(): one.name for one in seen for name in one.field.names} | {one.name: one.name for one in seen}

    def resolved(wish: str) -> str:
        if wish.casefold() not in known:
            shown = ", ".join(one.label for one in seen[:12]) + (" …" if len(seen) > 12 else "")
            raise UsageError(f"there is no column {wish!r}; the sample has {shown}")
        return known[wish.casefold()]

    order = resolved(wishes.order_by) if wishes.order_by else ""
    return replace(wishes, key=tuple(map(resolved, wishes.key)), order_by=order)


def _keys(evidence: Evidence, dated: Dating, wishes: Wishes) -> keys.Found:
    """The key: as asked for, as the source says, or as found."""
    seen, gathered, known = evidence.seen, evidence.gathered, evidence.known
    if known.key and not wishes.key:
        places = tuple([one.label for one in seen].index(part) for part in known.key)
        return keys.Found(keys.Key(places, True, why="the primary key of the database"), None, 0)
    columns = keys.Columns(lambda at: gathered.column(seen[at].field.names), gathered.rows, _groups(gathered, dated))
    if wishes.key:
        return keys.Found(keys.given(columns, [[one.name for one in seen].index(part) for part in wishes.key]), None, 0)
    return keys.find(columns, seen) if gathered.rows and evidence.inferred.looked else keys.Found(None, None, 0)


def _groups(gathered: Gathered, dated: Dating) -> pl.Series | None:
    """For every row, the number of its file's date; ``None`` where files have none."""
    if not dated.dated:
        return None
    numbers = {date: at for at, date in enumerate(dated.days)}
    by_file = pl.Series("group", [numbers[date] for date in dated.dates if date is not None], pl.Int32)
    return by_file.gather(gathered.file_numbers())
