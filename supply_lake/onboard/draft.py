"""The draft as values: everything that was seen, guessed, decided and doubted about a dataset.

What belongs here: the value and its one-to-one form as fields of a dataset file. What does not: writing it (``drafting``,
``page``), and making it (``onboard``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supply_lake.onboard.dating import Dating
from supply_lake.onboard.guess import Guess
from supply_lake.onboard.headers import Field
from supply_lake.onboard.policy import Policy
from supply_lake.onboard.proof import Proof
from supply_lake.onboard.reading import Gathered
from supply_lake.onboard.rules import Rule
from supply_lake.onboard.sample import Sample
from supply_lake.onboard.seen import Seen
from supply_lake.onboard.values import Values


@dataclass(frozen=True, slots=True)
class ColumnDraft:
    """One column as it will be declared. ``doubts`` are all that there are; ``named``: files have a header."""

    seen: Seen
    checks: Mapping[str, Any]
    doubts: tuple[str, ...] = ()
    unit: str = ""
    description: str = ""
    nullable: bool | None = None
    named: bool = True

    @property
    def name(self) -> str:
        """The published name."""
        return self.seen.name

    @property
    def guess(self) -> Guess:
        """What is guessed of it."""
        return self.seen.guess

    @property
    def values(self) -> Values:
        """Its values in the sample."""
        return self.seen.values

    @property
    def field(self) -> Field:
        """Its names in the files."""
        return self.seen.field

    def declared(self) -> dict[str, Any]:
        """The column as the dataset file says it."""
        fields: dict[str, Any] = {"name": self.name, "type": self.guess.type}
        if self.named and self.field.names != (self.name,):
            fields["source"] = _short(self.field.names)
        more = {"description": self.description, "unit": self.unit}
        fields |= {name: value for name, value in more.items() if value}
        fields |= {} if self.nullable is None else {"nullable": self.nullable}
        fields |= {name: _short(value) if name == "formats" else value for name, value in self.guess.fields.items()}
        return fields | ({"checks": dict(self.checks)} if self.checks else {})


def _short(names: Sequence[str]) -> str | list[str]:
    """One name by itself, several as a list."""
    return names[0] if len(names) == 1 else list(names)


@dataclass(frozen=True, slots=True)
class Draft:
    """A dataset as it was drafted. ``format`` has the fields of ``format``; ``proof`` is there once it was tried."""

    name: str
    sample: Sample
    gathered: Gathered
    format: Mapping[str, Any]
    columns: tuple[ColumnDraft, ...]
    policy: Policy
    dating: Dating
    owner: str
    source: Mapping[str, Any]
    description: str
    facts: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    error_threshold: float = 0.02
    freshness: float | None = None
    quality: tuple[Rule, ...] = ()
    proof: Proof | None = None

    @property
    def all_doubts(self) -> list[str]:
        """What a person has to look at, the dataset's first."""
        return [*self.doubts, *self.policy.doubts, *(f"`{one.name}`: {doubt}" for one in self.columns for doubt in one.doubts)]
