"""A supply-chain data lake that runs on Dagster. ``from supply_lake import Lake`` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from supply_lake.lake import Lake

__all__ = ["Lake"]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: the command and every Dagster process import this package."""
    if name == "Lake":
        from supply_lake.lake import Lake

        return Lake
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
