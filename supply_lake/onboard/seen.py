"""One column as it was seen: its names, its values, and what is guessed of it.

What belongs here: the value that keys, policy and checks look at. What does not: how any of it is found.
"""

from __future__ import annotations

from dataclasses import dataclass

from supply_lake.onboard.guess import Guess
from supply_lake.onboard.headers import Field
from supply_lake.onboard.values import Values


@dataclass(frozen=True, slots=True)
class Seen:
    """A column of the sample. ``name`` is the one that it is published under."""

    field: Field
    name: str
    values: Values
    guess: Guess

    @property
    def label(self) -> str:
        """The name that the newest file has for it."""
        return self.field.names[0]
