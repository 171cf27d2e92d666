"""What the doctor says of one thing: whether it is sound, what was seen, and what to mend.

What belongs here: that value, and turning a check that raises into one. What does not: any check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from supply_lake.errors import SupplyLakeError


class State(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARNING = "warning"
    """The lake works; something is missed, slower or less safe than it could be."""
    BROKEN = "broken"
    """The lake does not work, or loses its way to learn of new objects."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``part``: of the lake, such as ``landing``; ``remedy``: what to do, empty where all is well."""

    part: str
    check: str
    state: State
    seen: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """For programs."""
        return asdict(self) | {"state": str(self.state)}


def ok(part: str, check: str, seen: str) -> Finding:
    """All is well."""
    return Finding(part, check, State.OK, seen)


def warning(part: str, check: str, seen: str, remedy: str) -> Finding:
    """It works, and could be better."""
    return Finding(part, check, State.WARNING, seen, remedy)


def broken(part: str, check: str, seen: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(part, check, State.BROKEN, seen, remedy)


def checked(part: str, check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; should it raise, that is the finding, and the next check goes on."""
    try:
        yield from look()
    except SupplyLakeError as error:
        seen, _, remedy = str(error).partition("; ")
        yield broken(part, check, seen, remedy or "mend that, and ask again")
    except Exception as error:
        yield _could_not_look(part, check, error)


def _could_not_look(part: str, check: str, error: Exception) -> Finding:
    """A question that AWS refuses to answer says nothing of the lake; whatever else is raised is in its way."""
    text = " ".join(str(error).split())[:300]
    refusal = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    if refusal.startswith("AccessDenied") or refusal in ("AuthorizationError", "UnauthorizedOperation"):
        return warning(part, check, f"not checked: {text}", "allow this role to ask that, or check it by hand")
    return broken(part, check, f"{type(error).__name__}: {text}", "mend what it says, and ask again")
