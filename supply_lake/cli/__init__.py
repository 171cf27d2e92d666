"""The command ``supply-lake``: ``main`` is its entry; ``app`` lists the verbs, and each verb has a module of its own."""

from __future__ import annotations


def main() -> None:
    """Run the command with this process's arguments, and end the process with its exit status."""
    from supply_lake.cli.app import run

    raise SystemExit(run())
