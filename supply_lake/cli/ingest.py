"""``supply-lake ingest``: what is pending, through Dagster, to its end.

What belongs here: progress, the report, and the exit status. What does not: running anything (``sensors.once`` does).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import FOUR, as_json, four, print_json, table
from supply_lake.errors import SupplyLakeError

if TYPE_CHECKING:
    from supply_lake.snapshots.records import Batch


class NotAllPublished(SupplyLakeError):
    """Some batches were rejected or failed; the report says which."""


@click.command(short_help="Run what is pending, and report on every batch.")
@click.argument("names", nargs=-1)
@as_json
def ingest(names: tuple[str, ...], as_json: bool) -> None:
    """Discover what landed and is not published yet, and run it to its end; only datasets NAMES if any are given.

    Exit status 1 when a batch was rejected or failed; the others are published all the same.

    \b
    Example:
      supply-lake ingest
      supply-lake ingest shipments inventory --json
    """
    from supply_lake.sensors.once import run_everything
    from supply_lake.settings import Settings
    from supply_lake.snapshots.records import batch_json

    with _progress(quiet=as_json) as progress:
        ingested = run_everything(Settings.from_env(), names or None, progress.batch_done)
    if as_json:
        print_json([batch_json(batch) for batch in ingested.batches])
    else:
        _report(ingested.batches)
    _refuse_silence(ingested.batches, ingested.troubles)


def _report(batches: Sequence[Batch]) -> None:
    if not batches:
        click.echo("Nothing was pending.")
        return
    table(
        ["dataset", "landing date", "status", "commit", "objects", *FOUR],
        [[b.dataset, str(b.landing_date), b.status, b.commit, len(b.sources), *four(b.rows)] for b in batches],
    )
    for batch in batches:
        warnings = [f"warning of rule {one.rule}: {one.told}" for one in batch.warnings]
        for note in [batch.reason, *warnings, *batch.notes]:
            if note:
                click.echo(f"{batch.dataset} {batch.landing_date}: {note}")


def _refuse_silence(batches: Sequence[Batch], troubles: Sequence[str]) -> None:
    """Exit status 1 for what was not published, with the reason of the first."""
    bad = [batch for batch in batches if batch.status in ("rejected", "failed")]
    sentences = [f"{b.dataset} {b.landing_date} was {b.status}: {b.reason}" for b in bad] or list(troubles)
    if sentences:
        rest = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        raise NotAllPublished(" ".join(f"{sentences[0]}{rest}".split()))


class _Progress:
    """Says on stderr, to whoever is watching, which batch is done."""

    def __init__(self, status: object | None) -> None:
        self._status = status
        self._done = 0

    def batch_done(self, batch: Batch) -> None:
        self._done += 1
        if self._status is not None:
            told = f"{self._done} batches done; last {batch.dataset} {batch.landing_date}: {batch.status}"
            self._status.update(told)  # type: ignore[attr-defined]


@contextmanager
def _progress(*, quiet: bool) -> Iterator[_Progress]:
    if quiet or not sys.stderr.isatty():
        yield _Progress(None)
        return
    from rich.console import Console

    with Console(stderr=True).status("Looking for what is pending…") as status:
        yield _Progress(status)
