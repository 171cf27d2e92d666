"""A contract, what was published under it before, and what a batch brings → what the batch publishes.

What belongs here: the types and names of a whole batch. What does not: what is known before it is read (``terms``), single
values (``meet``) and rows (``settle``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from supply_lake.curate.columns import EXACT, FOLDED, KNOWN, fold
from supply_lake.curate.drift import Drift
from supply_lake.curate.kinds import is_rounded, stay_exact
from supply_lake.curate.meet import RESCUED_TYPE, too_many_digits
from supply_lake.curate.naming import free_name
from supply_lake.curate.schema import RESCUED, Schema, SchemaColumn
from supply_lake.curate.spool import Spool
from supply_lake.curate.terms import Terms
from supply_lake.datasets.column import Column
from supply_lake.datasets.spec import DatasetSpec, Evolution
from supply_lake.datasets.types import DataType, parse_type
from supply_lake.datasets.widening import NOTHING, TEXT, grown

_KEYS = (KNOWN, FOLDED, EXACT)


@dataclass(frozen=True, slots=True)
class Evolved:
    """What a batch publishes.

    ``keys`` has, for every column of the schema, what it is called in staged frames; ``brought`` the landing key of the object
    that brought a column, or its type. ``notes`` tell what is not as declared. ``problem`` is why the batch cannot be
    published, or empty.
    """

    schema: Schema
    keys: Mapping[str, str] = field(default_factory=dict)
    brought: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def kinds(self) -> dict[str, DataType]:
        """The type of every column."""
        return {one.name: one.kind for one in self.schema.columns}


def evolve(spec: DatasetSpec, published: Schema | None, drift: Drift, sources: Sequence[str], good: Spool) -> Evolved:
    """What the batch publishes.

    :param published: what was published last; ``None`` when nothing was
    :param sources: landing keys in the order of delivery
    :param good: the rows, which are looked at only where a column of exact numbers meets floats
    """
    terms, needs = Terms.of(spec, published), drift.columns()
    columns, problem = [], ""
    for column in terms.spec.columns:
        kind = grown(column.dtype, needs.get(column.name, {}).values())
        if kind is None:
            problem = problem or too_many_digits(column.name)
        elif kind != column.dtype and not _exactly(good, column.name, kind):
            problem = problem or _inexact(column.name, kind)
        columns.append(_declared(spec, column, kind or column.dtype))
    found = _discovered(terms, drift, needs, good)
    rescued = [SchemaColumn(RESCUED, str(RESCUED_TYPE))] if spec.evolution is Evolution.RESCUE else []
    schema = Schema((*columns, *(one for one, _ in found), *rescued), spec.primary_key, str(spec.evolution))
    keys = {one.name: one.name for one in (*columns, *rescued)} | {one.name: key for one, key in found}
    brought = dict(_brought(schema, keys, needs, sources, published))
    return Evolved(schema, keys, brought, tuple(_notes(schema, keys, needs, drift)), problem)


def _inexact(column: str, kind: DataType) -> str:
    return f"column {column!r} holds floats, and numbers that {kind} cannot say exactly; declare it as a decimal or a string"


def _declared(spec: DatasetSpec, column: Column, kind: DataType) -> SchemaColumn:
    declared = spec.column(column.name)
    return SchemaColumn(column.name, str(kind), declared.type, spec.is_nullable(declared))


def _exactly(good: Spool, column: str, kind: DataType) -> bool:
    """Whether all the rows' values are the same in that type."""
    places = [at for at in range(len(good)) if column in good.schema(at)]
    doubtful = [at for at in places if is_rounded(good.schema(at)[column], kind)]
    return all(stay_exact(good.get(at, [column])[column], kind) for at in doubtful)


def _discovered(
    terms: Terms, drift: Drift, needs: Mapping[str, Mapping[int, DataType | None]], good: Spool
) -> list[tuple[SchemaColumn, str]]:
    """Undeclared columns with their keys: those of before in their order, then new ones by name."""
    before = _Before(terms.known)
    held = {one.name: (one, KNOWN + one.name) for one in terms.known}
    taken = {column.name.casefold() for column in terms.spec.columns} | {name.casefold() for name in held}
    for key in sorted(filter(_is_key, needs), key=lambda one: (_KEYS.index(one[:2]), one)):
        files = tuple(sorted(drift.names[key]))
        name = before.name_of(key, files)
        if name is None:
            name = free_name(files[0], taken)
            taken.add(name.casefold())
            held[name] = (SchemaColumn(name, str(NOTHING), sources=files), key)
        one = held[name][0]
        kind = grown(one.kind, needs[key].values())
        kind = kind if kind is not None and _exactly(good, key, kind) else TEXT
        held[name] = (replace(one, type=str(kind)), key)
    return list(held.values())


def _is_key(column: str) -> bool:
    return column.startswith(_KEYS)


class _Before:
    """Undeclared columns that were published before; another run may have published them since this batch was read."""

    def __init__(self, known: Sequence[SchemaColumn]) -> None:
        self._free = {one.name for one in known}
        self._exact = {name: one.name for one in reversed(known) for name in one.sources}
        self._near = {fold(name): one.name for one in reversed(known) for name in one.sources}

    def name_of(self, key: str, files: Sequence[str]) -> str | None:
        """The published name of a column, of which no other has been asked before; ``None`` when it is new."""
        own = [key.removeprefix(KNOWN)] if key.startswith(KNOWN) else []
        candidates = [*own, *(self._exact.get(name) for name in files), *(self._near.get(fold(name)) for name in files)]
        name = next((one for one in candidates if one in self._free), None)
        self._free.discard(name or "")
        return name


def _brought(
    schema: Schema,
    keys: Mapping[str, str],
    needs: Mapping[str, Mapping[int, DataType | None]],
    sources: Sequence[str],
    known: Schema | None,
) -> Iterator[tuple[str, str]]:
    """Column → landing key of the first object that needs what was not published before."""
    published = known.by_name() if known else {}
    for one in schema.columns:
        before = published.get(one.name)
        held = before.kind if before else parse_type(one.declared) if one.declared else None
        for source, kind in needs.get(keys[one.name], {}).items():
            if held is None or grown(held, [kind]) != held:
                yield one.name, sources[source]
                break


def _notes(
    schema: Schema, keys: Mapping[str, str], needs: Mapping[str, Mapping[int, DataType | None]], drift: Drift
) -> Iterator[str]:
    for one in schema.columns:
        kind = "text" if one.kind == TEXT else one.type
        if keys[one.name] not in needs:
            continue
        if one.discovered:
            files = " and ".join(map(repr, sorted(drift.names[keys[one.name]])))
            yield f"column {files} is not declared; it is published as {kind} in {one.name!r}"
        else:
            yield f"column {one.name!r} has values that {one.declared} cannot hold; it is published as {kind}"
