"""Numbers of things in words: ``1 row``, ``2,445 rows``."""

from __future__ import annotations


def count(number: int, thing: str) -> str:
    """The number with the thing in singular or plural."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
