"""Which column of a file is which column of the contract: by name, never by position.

What belongs here: matching names, and naming columns that the contract does not have. What does not: values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from supply_lake.datasets.spec import DatasetSpec, Evolution


@dataclass(frozen=True, slots=True)
class Matching:
    """``found`` maps declared name → name in the file; ``extras`` maps published name → name in the file.

    ``problem`` is why the contract refuses such a file, or empty. ``notes`` tell what is not as declared.
    """

    found: dict[str, str]
    extras: dict[str, str]
    problem: str
    notes: tuple[str, ...]


def column_names(names: Sequence[str]) -> tuple[str, ...]:
    """Unique names for a header: they are stripped, an empty one becomes ``column_3``, the second ``x`` becomes ``x_2``."""
    taken: set[str] = set()
    out = []
    for at, name in enumerate(names, start=1):
        base = name.strip() or f"column_{at}"
        unique, number = base, 2
        while unique in taken:
            unique, number = f"{base}_{number}", number + 1
        taken.add(unique)
        out.append(unique)
    return tuple(out)


def match(spec: DatasetSpec, header: Sequence[str], *, optional: bool) -> Matching:
    """Match a file's column names with the declared ones.

    An exact name wins over one that differs in case or white space only; of several declared names the first that the file
    has is taken.

    :param optional: every column may be missing, as in JSON, where a record leaves out what it does not know
    """
    loose: dict[str, str] = {}
    for name in header:
        loose.setdefault(fold(name), name)
    found: dict[str, str] = {}
    for column in spec.columns:
        exact = [name for name in column.names_in_files if name in header]
        near = [loose[fold(name)] for name in column.names_in_files if fold(name) in loose]
        free = [name for name in (*exact, *near) if name not in found.values()]
        if free:
            found[column.name] = free[0]
    missing = [column for column in spec.columns if column.name not in found]
    unknown = [name for name in header if name not in found.values()]
    notes = [] if optional else [f"column {column.name!r} is missing, so it is null" for column in missing]
    problem = ""
    required = [column.name for column in missing if not spec.is_nullable(column)]
    if required and not optional:
        problem = f"required column {required[0]!r} is missing; the file has {_some(header)}"
    if unknown and spec.evolution is Evolution.FREEZE:
        problem = f"column {unknown[0]!r} is not declared and `evolution: freeze` allows no change; declare it or drop it"
    if spec.evolution is Evolution.DISCARD:
        notes += [f"column {name!r} is not declared and was discarded" for name in unknown]
        unknown = []
    extras = _published_names(spec, unknown)
    notes += [f"column {file!r} is not declared; it is published as text in {name!r}" for name, file in extras.items()]
    return Matching(found, extras, problem, tuple(notes))


def _published_names(spec: DatasetSpec, unknown: Sequence[str]) -> dict[str, str]:
    """Names that every engine takes without quoting, and that no other column has."""
    taken = {column.name.casefold() for column in spec.columns}
    names: dict[str, str] = {}
    for number, file in enumerate(unknown, start=1):
        base = re.sub(r"\W+", "_", file, flags=re.ASCII).strip("_").lower() or f"column_{number}"
        base = f"c_{base}" if base[0].isdigit() else base
        name, again = base, 2
        while name.casefold() in taken:
            name, again = f"{base}_{again}", again + 1
        taken.add(name.casefold())
        names[name] = file
    return names


def fold(name: str) -> str:
    """The name without what does not tell names apart: case and white space."""
    return " ".join(name.split()).casefold()


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "no columns"
