"""Who may do what: verbs, grants of them over datasets, and whoever holds them. Deny by default.

What belongs here: the decision, as pure values. What does not: telling who asks (``tokens``, ``oidc``) and keeping what was
granted (``access_store``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from supply_lake.errors import Forbidden, UsageError

_GRANT = re.compile(r"(?P<datasets>\*|[a-z][a-z0-9_]*\*?):(?P<verbs>[a-z]+(,[a-z]+)*)")


class Verb(StrEnum):
    """What can be granted over a dataset."""

    READ = "read"  # what is known of it: contract, history, snapshots, lineage, events
    QUERY = "query"  # its rows: queries, files, rejects
    PUSH = "push"  # landing records
    MANAGE = "manage"  # webhooks and pins


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs over the datasets of a name, or of all names that begin so (``sales_*``), or of all (``*``)."""

    datasets: str
    verbs: frozenset[Verb]

    @staticmethod
    def parse(text: str) -> Grant:
        """``shipments:read,query`` → a grant.

        :raises UsageError: it is none
        """
        found = _GRANT.fullmatch(text.strip())
        names = found["verbs"].split(",") if found else []
        if found is None or not set(names) <= set(Verb):
            raise UsageError(f"{text[:80]!r} grants nothing; write DATASET:VERB[,VERB], with verbs of {', '.join(Verb)}")
        return Grant(found["datasets"], frozenset(map(Verb, names)))

    def covers(self, verb: Verb, dataset: str) -> bool:
        """Whether it allows the verb over the dataset."""
        return verb in self.verbs and fnmatchcase(dataset, self.datasets)

    def __str__(self) -> str:
        return f"{self.datasets}:{','.join(verb for verb in Verb if verb in self.verbs)}"


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks. ``id`` is public, and what the audit log calls them; ``name`` is for people."""

    id: str
    name: str
    grants: tuple[Grant, ...]

    def may(self, verb: Verb, dataset: str) -> bool:
        """Whether a grant of theirs allows it."""
        return any(grant.covers(verb, dataset) for grant in self.grants)

    def must(self, verb: Verb, dataset: str) -> None:
        """Let them by.

        :raises Forbidden: no grant allows it. It says the same whether there is such a dataset or not
        """
        if not self.may(verb, dataset):
            raise Forbidden(f"{self.name} may not {verb} dataset {dataset}; ask for a token that grants {dataset}:{verb}")

    def among(self, verb: Verb, datasets: Iterable[str]) -> list[str]:
        """Those of the datasets over which they hold the verb."""
        return [name for name in datasets if self.may(verb, name)]
