"""``supply-lake ingest``: what is pending, through Dagster, to its end.

What belongs here: progress, the report, and the exit status. What does not: running anything (``sensors.once`` does).
"""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from supply_lake.cli.output import FOUR, as_json, four, plain, print_json, table
from supply_lake.errors import SupplyLakeError

if TYPE_CHECKING:
    from supply_lake.snapshots.records import Batch

_COUNTED = re.compile(r"(.*) \(([0-9,]+) times\)", re.DOTALL)


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

    done: list[Batch] = []
    try:
        with _progress(quiet=as_json) as progress:
            ingested = run_everything(Settings.from_env(), names or None, lambda batch: progress.say(done, batch), _say)
    except BaseException:
        if done:  # what breaks off halfway has published what it has
            print_batches(done, (), as_json=as_json)
        raise
    print_batches(done, ingested.remarks, as_json=as_json)
    if not (done or ingested.remarks or ingested.troubles or as_json):
        click.echo("Nothing was pending.")
    refuse_silence(done, ingested.troubles)


def _say(sentence: str) -> None:
    click.echo(plain(f"supply-lake: {sentence}"), err=True)


def print_batches(batches: Sequence[Batch], remarks: Sequence[str], *, as_json: bool) -> None:
    """Print what became of batches, with reasons, warnings and notes, and remarks on what was not run."""
    from supply_lake.snapshots.records import batch_json

    if as_json:
        print_json([batch_json(batch) for batch in batches])
    elif batches:
        _report(batches)
    for remark in remarks:
        (_say if as_json else click.echo)(plain(remark))


def _report(batches: Sequence[Batch]) -> None:
    table(
        ["dataset", "landing date", "status", "commit", "objects", *FOUR],
        [[b.dataset, str(b.landing_date), b.status, b.commit, len(b.sources), *four(b.rows)] for b in batches],
    )
    for line in _remarks(batches):
        click.echo(plain(line))


def _remarks(batches: Sequence[Batch]) -> Iterator[str]:
    """Reasons, warnings and notes; what holds for many dates of a dataset is said once, with how often it held in all."""
    dates: dict[tuple[str, str], list[dt.date]] = {}
    times: Counter[tuple[str, str]] = Counter()
    for batch in batches:
        warnings = (f"warning of rule {one.rule}: {one.told}" for one in batch.warnings)
        for text in filter(None, (batch.reason, *warnings, *batch.notes)):
            counted = _COUNTED.fullmatch(text)
            about = batch.dataset, counted[1] if counted else text
            dates.setdefault(about, []).append(batch.landing_date)
            times[about] += int(counted[2].replace(",", "")) if counted else 1
    for (dataset, note), on in dates.items():
        when = f"{min(on)} to {max(on)}, {len(on)} batches" if len(on) > 1 else str(on[0])
        count = times[dataset, note]
        yield f"{dataset} {when}: {note}" + (f" ({count:,} times)" if count > len(on) else "")


def refuse_silence(batches: Sequence[Batch], troubles: Sequence[str]) -> None:
    """Exit status 1 for what was not published, with the reason of the first: of a store that is away before others."""
    bad = [batch for batch in batches if batch.status in ("rejected", "failed")]
    told = {f"{b.dataset} {b.landing_date}: {b.status}: {b.reason}" for b in bad}
    others = [line for trouble in troubles for line in trouble.splitlines() if line not in told]
    sentences = [*others, *(f"{b.dataset} {b.landing_date} was {b.status}: {b.reason}" for b in bad)]
    if sentences:
        rest = f" (and {len(sentences) - 1} more)" if len(sentences) > 1 else ""
        raise NotAllPublished(" ".join(f"{sentences[0]}{rest}".split()))


class _Progress:
    """Says on stderr, to whoever is watching, which batch is done."""

    def __init__(self, status: object | None) -> None:
        self._status = status

    def say(self, done: list[Batch], batch: Batch) -> None:
        """Add the batch to those that are done."""
        done.append(batch)
        if self._status is not None:
            told = f"{len(done)} batches done; last {batch.dataset} {batch.landing_date}: {batch.status}"
            self._status.update(told)  # type: ignore[attr-defined]


@contextmanager
def _progress(*, quiet: bool) -> Iterator[_Progress]:
    if quiet or not sys.stderr.isatty():
        yield _Progress(None)
        return
    from rich.console import Console

    with Console(stderr=True).status("Looking for what is pending…") as status:
        yield _Progress(status)
