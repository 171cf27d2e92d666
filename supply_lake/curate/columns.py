"""Which column of a file is which column of the contract: by name, never by position.

What belongs here: matching names, and telling the columns that the contract does not have from one another. What does not:
values, and the names under which they are published (``evolve``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supply_lake.curate.schema import SchemaColumn
from supply_lake.datasets.spec import DatasetSpec, Evolution

# What a column that no contract names is called until all files of the batch are known. A mark, which no other column can
# begin with, and then: the name of a column that was published before; the folded name that files use; or, of several that
# one file folds to the same, the exact one.
KNOWN, FOLDED, EXACT = "?=", "?~", "?!"
_LONGEST = 80  # characters of a name that are told


@dataclass(frozen=True, slots=True)
class Matching:
    """``found`` maps declared name → name in the file, ``extras`` the key of an undeclared column → name in the file.

    ``unknown`` are names in the file that are not published as columns of their own. ``problem`` is why no row of such a file
    can be taken, or empty; ``refused`` is whether the whole batch is refused for it. ``notes`` tell what is not as declared.
    """

    found: dict[str, str]
    extras: dict[str, str]
    unknown: tuple[str, ...]
    problem: str
    refused: bool
    notes: tuple[str, ...]

    @property
    def as_declared(self) -> bool:
        """Whether the file has the declared columns and no others."""
        return not (self.extras or self.unknown or self.problem or self.notes)


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


def match(spec: DatasetSpec, header: Sequence[str], *, optional: bool, known: Sequence[SchemaColumn] = ()) -> Matching:
    """Match a file's column names with the declared ones.

    An exact name wins over one that differs in case or white space only; of several declared names the first that the file
    has is taken.

    :param optional: every column may be missing, as in JSON, where a record leaves out what it does not know
    :param known: undeclared columns that were published before
    """
    found = _found(spec, header)
    missing = [column for column in spec.columns if column.name not in found]
    taken = set(found.values())
    unknown = tuple(name for name in header if name not in taken)
    problem, refused = _problem(spec, header, [] if optional else [column.name for column in missing], unknown)
    evolves = spec.evolution is Evolution.EVOLVE
    return Matching(
        found=found,
        extras=_keys(unknown, known) if evolves else {},
        unknown=() if evolves else unknown,
        problem=problem,
        refused=refused,
        notes=() if optional else tuple(f"column {column.name!r} is missing, so it is null" for column in missing),
    )


def fold(name: str) -> str:
    """The name without what people write now so, now so: case and white space."""
    return " ".join(name.split()).casefold()


def _found(spec: DatasetSpec, header: Sequence[str]) -> dict[str, str]:
    loose: dict[str, str] = {}
    for name in header:
        loose.setdefault(fold(name), name)
    there, found = set(header), dict[str, str]()
    taken: set[str] = set()
    for column in spec.columns:
        exact = [name for name in column.names_in_files if name in there]
        near = [loose[fold(name)] for name in column.names_in_files if fold(name) in loose]
        free = next((name for name in (*exact, *near) if name not in taken), None)
        if free is not None:
            found[column.name] = free
            taken.add(free)
    return found


def _problem(spec: DatasetSpec, header: Sequence[str], missing: Sequence[str], unknown: Sequence[str]) -> tuple[str, bool]:
    """Why rows under such a header cannot be taken, and whether the batch is refused for it."""
    if spec.evolution is Evolution.FREEZE and (unknown or missing):
        what = f"column {unknown[0]!r} is not declared" if unknown else f"column {missing[0]!r} is missing"
        remedy = "declare it or drop it" if unknown else f"the file has {_some(header)}"
        return f"{what} and `evolution: freeze` allows no change; {remedy}", True
    if len(missing) == len(spec.columns):
        return f"none of the declared columns is in the file, which has {_some(header)}; see to its delimiter and header", False
    required = [name for name in missing if not spec.is_nullable(spec.column(name))]
    if required:
        return f"required column {required[0]!r} is missing; the file has {_some(header)}", False
    return "", False


def _keys(unknown: Sequence[str], known: Sequence[SchemaColumn]) -> dict[str, str]:
    """A key for each undeclared column: the same for the same name, wherever it stands and whatever stands beside it."""
    published = {name: column.name for column in reversed(known) for name in column.sources}
    alike: dict[str, list[str]] = {}
    for column in known:
        for folded in dict.fromkeys(map(fold, column.sources)):
            alike.setdefault(folded, []).append(column.name)
    keys: dict[str, str] = {}
    for file in sorted(unknown, key=lambda name: (name not in published, name)):
        names = [*([published[file]] if file in published else []), *alike.get(fold(file), [])]
        candidates = [*(KNOWN + name for name in names), FOLDED + fold(file), EXACT + file]
        keys[next(key for key in candidates if key not in keys)] = file
    return keys


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…") for name in names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "no columns"
