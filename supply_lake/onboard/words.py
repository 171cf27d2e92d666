"""Yes and no, in the words that files have for them.

What belongs here: booleans. What does not: categories, which are text.
"""

from __future__ import annotations

from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format
from supply_lake.onboard import names
from supply_lake.onboard.guess import Guess, tried
from supply_lake.onboard.values import Values

_PAIRS = (
    ("true", "false"),
    ("yes", "no"),
    ("y", "n"),
    ("t", "f"),
    ("on", "off"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("1", "0"),
)
_MOST = 8
_KNOWN = Column(name="known", type="boolean")


def guess(values: Values, name: str, form: Format) -> Guess | None:
    """A boolean, when a word for each answer occurs and nothing else but words for "none"."""
    if values.distinct > _MOST:
        return None
    texts = list(values.stripped)
    for true, false in _PAIRS:
        trues = [text for text in texts if text.casefold() == true]
        falses = [text for text in texts if text.casefold() == false]
        if not _both(trues, falses, true) or ((true, false) == ("1", "0") and not names.says_flag(name)):
            continue
        told = f"its only words are {' and '.join(sorted({*trues, *falses}))}"
        found = tried(values, form, {"type": "boolean", **_beyond_the_known(trues, falses)}, why=told)
        # A third answer is an answer: with words such as `unknown` beside yes and no the column stays a text of three values.
        return found if found is not None and (not found.nulls or true == "true") and not found.stray_rows else None
    return None


def _both(trues: list[str], falses: list[str], word: str) -> bool:
    return bool(trues and falses) or (word == "true" and bool(trues or falses))


def _beyond_the_known(trues: list[str], falses: list[str]) -> dict[str, list[str]]:
    fields = {}
    if not set(trues) <= set(_KNOWN.true_values):
        fields["true_values"] = sorted(trues)
    if not set(falses) <= set(_KNOWN.false_values):
        fields["false_values"] = sorted(falses)
    return fields
