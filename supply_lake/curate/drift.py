"""How the files of a batch differ from the contract, file by file.

Everything is kept by source, so that what an object brought can be forgotten when it breaks off midway: rows that are not
published change no schema.

What belongs here: noting differences. What does not: what becomes of single values (``meet``) and what all of it comes to
(``evolve``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import polars as pl

from supply_lake.curate.columns import Matching
from supply_lake.curate.kinds import data_type
from supply_lake.curate.meet import Cast, present
from supply_lake.curate.schema import RESCUED
from supply_lake.curate.terms import Terms
from supply_lake.datasets.spec import DatasetSpec, Evolution
from supply_lake.datasets.types import DataType
from supply_lake.datasets.widening import grown


@dataclass(slots=True)
class Drift:
    """Differences by column and source, the source as its place in the order of delivery.

    ``needs`` has the type that good rows of a source need in a column: more than the contract says, or of a column that it
    does not name, under the key of ``columns.Matching.extras``; ``None`` when no type holds them. ``names`` are the names that
    files use for such a key. ``notes`` are sentences and whom they concern, ``counted`` the same with a number of values.
    ``refusals`` are reasons to refuse the whole batch; ``unread`` are columns of frozen datasets in which values could not be
    read, which is one when none could.
    """

    needs: dict[tuple[str, int], DataType | None] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=dict)
    notes: dict[str, set[int]] = field(default_factory=dict)
    counted: Counter[tuple[str, int]] = field(default_factory=Counter)
    refusals: dict[int, str] = field(default_factory=dict)
    unread: set[tuple[str, int]] = field(default_factory=set)

    def need(self, column: str, source: int, kind: DataType | None) -> None:
        """Some rows of the source need this type."""
        held = self.needs.setdefault((column, source), kind)
        self.needs[column, source] = grown(held, [kind]) if held is not None else None

    def note(self, sentence: str, sources: Collection[int]) -> None:
        """Something to tell of these sources."""
        if sources:
            self.notes.setdefault(sentence, set()).update(sources)

    def update(self, other: Drift) -> None:
        """Take in what another part of the batch was like."""
        for (column, source), kind in other.needs.items():
            self.need(column, source, kind)
        for key, names in other.names.items():
            self.names.setdefault(key, set()).update(names)
        for sentence, sources in other.notes.items():
            self.note(sentence, sources)
        self.counted.update(other.counted)
        self.unread |= other.unread
        for source, reason in other.refusals.items():
            self.refusals.setdefault(source, reason)

    def forget(self, sources: Collection[int]) -> None:
        """These sources take no part in the batch."""
        gone = set(sources)
        self.needs = {key: kind for key, kind in self.needs.items() if key[1] not in gone}
        self.notes = {sentence: those - gone for sentence, those in self.notes.items() if those - gone}
        self.counted = Counter({key: count for key, count in self.counted.items() if key[1] not in gone})
        self.unread = {one for one in self.unread if one[1] not in gone}
        self.refusals = {source: reason for source, reason in self.refusals.items() if source not in gone}

    def columns(self) -> dict[str, dict[int, DataType | None]]:
        """What every column needs, by source in the order of delivery."""
        found: dict[str, dict[int, DataType | None]] = {}
        for (column, source), kind in sorted(self.needs.items(), key=lambda one: (one[0][0], one[0][1])):
            found.setdefault(column, {})[source] = kind
        return found

    def sentences(self) -> Iterator[tuple[str, int]]:
        """What there is to tell, each with how many objects, or how many values, it concerns."""
        yield from ((sentence, len(sources)) for sentence, sources in self.notes.items())
        totals: Counter[str] = Counter()
        for (sentence, _), count in self.counted.items():
            totals[sentence] += count
        yield from totals.items()

    @property
    def refusal(self) -> str:
        """Why the batch is refused: what the first object that breaks its contract has; empty when none does."""
        return self.refusals[min(self.refusals)] if self.refusals else ""


def differences(terms: Terms, raw: pl.DataFrame, src: pl.Series, *, matching: Matching, cast: Cast, failed: pl.Series) -> Drift:
    """What one chunk has that the contract does not.

    :param src: the source of every row
    :param failed: rows that are rejected; what they need changes nothing
    """
    drift = Drift()
    if matching.as_declared and not cast.differs:
        return drift
    sources = src.unique().to_list()
    for note in matching.notes:
        drift.note(note, sources)
    for name in matching.unknown:
        _count_unknown(drift, terms.spec, name, raw[name], src)
    _note_extras(drift, raw, src, matching, failed)
    for column, wider in cast.grown.items():
        rows = pl.DataFrame({"row": wider.rows, "value": wider.values, "src": src.gather(wider.rows)})
        for (source,), part in rows.filter(~pl.col("row").is_in(failed.implode())).partition_by("src", as_dict=True).items():
            need = terms.needed(column, part["value"]) if wider.kind is None else None
            drift.need(column, source, need.kind if need else wider.kind)
    refusal = cast.refusal or (matching.problem if matching.refused else "")
    drift.refusals = dict.fromkeys(sources, refusal) if refusal else {}
    if terms.evolution is Evolution.FREEZE:
        failures = ((one.column, src.filter(one.rows).unique()) for one in cast.failures)
        drift.unread = {(column, source) for column, those in failures for source in those}
    return drift


def _count_unknown(drift: Drift, spec: DatasetSpec, name: str, values: pl.Series, src: pl.Series) -> None:
    """A column that is not published as one of its own, and how many values it has."""
    if spec.evolution is Evolution.FREEZE:
        return
    kept = spec.evolution is Evolution.RESCUE
    sentence = f"column {name!r} is not declared; its values " + (f"are in {RESCUED!r}" if kept else "were discarded")
    counted = pl.DataFrame({"src": src, "value": present(values, spec)}).group_by("src").agg(pl.col("value").count())
    drift.counted.update({(sentence, source): count for source, count in counted.rows()})


def _note_extras(drift: Drift, raw: pl.DataFrame, src: pl.Series, matching: Matching, failed: pl.Series) -> None:
    if not matching.extras:
        return
    kinds = {key: data_type(kind) for key, kind in zip(matching.extras, _types(raw, matching), strict=True)}
    good = src.filter(~pl.int_range(len(src), eager=True).is_in(failed.implode())) if len(failed) else src
    for source in good.unique().to_list():
        for key, file in matching.extras.items():
            drift.names.setdefault(key, set()).add(file)
            drift.need(key, source, kinds[key])


def _types(raw: pl.DataFrame, matching: Matching) -> list[pl.DataType]:
    schema = raw.schema  # asked for once: Polars makes it anew every time, and a file may have thousands of columns
    return [schema[file] for file in matching.extras.values()]
