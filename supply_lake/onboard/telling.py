"""Numbers and texts in sentences: ``1 row``, ``2,445 rows``, ``'See DN-304'``.

What belongs here: how facts are told. What does not: which.
"""

from __future__ import annotations

_LONGEST = 60


def count(number: int, thing: str) -> str:
    """The number with the thing in singular or plural."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def quoted(text: str) -> str:
    """A text in quotes; a long one by its beginning."""
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")
