"""The demo: three days of sample data land, Dagster runs them into the lake, and the screen shows what came of it.

What belongs here: landing the deliveries of ``demo/data`` one after the other, and showing results by the public API. What does
not: any ingestion logic; every delivery goes the way of ``supply-lake ingest``, by the real sensor and real Dagster runs.

The lake is the default one (``.lake``, or ``SUPPLY_LAKE_HOME``), so that the Dagster UI and the command show the same data
afterwards. Run twice, it finds its files landed already, and lands nothing twice.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table

from supply_lake import Lake
from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import SupplyLakeError
from supply_lake.ingest.stores import Stores
from supply_lake.landing.write import land
from supply_lake.settings import Settings
from supply_lake.snapshots.records import Batch, Outcome, Rows, Status

DATA = Path(__file__).parent / "data"
FLOW = "landing ─sensor▶ batch ─curate▶ (published | rejected | duplicate) rows ─commit▶ snapshot ▶ query"
QUERY = """\
with sold as (select sku, sum(quantity) / count(distinct order_date) as per_day from sales_orders group by sku),
     free as (select sku, sum(on_hand - reserved) as pieces from inventory
              where counted_at = (select max(counted_at) from inventory) group by sku),
     late as (select line.sku, count(distinct shipment_id) as shipments, min(supplier_name) as supplier
              from shipments join purchase_orders using (po_number) join suppliers using (supplier_id),
                   unnest(lines) as _(line)
              where shipments.status = 'delayed' group by 1)
select sku, pieces as in_stock, round(per_day, 1) as sold_per_day, round(pieces / per_day, 1) as days_left,
       late.shipments as delayed_shipments, supplier as one_supplier
from sold join free using (sku) join late using (sku) order by days_left limit 5"""
COLOURS = {Status.COMMITTED: "green", Status.REJECTED: "red", Status.FAILED: "red", Status.EMPTY: "yellow"}

WIDE = 96
"""Columns that a line for a batch takes at full length."""

console = Console(highlight=False, width=min(Console().width, 118) if sys.stdout.isatty() else 118)


def main(*, stays: bool = True) -> int:
    """Run the demo; exit status 0 when the lake holds what was landed.

    :param stays: the lake is there afterwards, so that there is something to type next
    """
    # Every file is put whole by this process, so none has to lie still before it counts as finished.
    settings = replace(Settings.from_env(), settle_seconds=0.0)
    console.print(f"[bold]supply_lake[/]  [dim]{FLOW}[/]")
    with Stores.open(settings) as stores:
        for folder in sorted(DATA.iterdir()):
            _deliver(settings, stores, folder)
        batches = [batch for batch in reversed(stores.metadata.batches()) if batch.dataset in stores.registry]
        if not batches:
            console.print("[red]Nothing was ingested.[/]")
            return 1
        _show_counts(batches)
        _show_accidents(batches)
    with Lake.open() as lake:
        _show_query(lake)
        _show_rejects(lake, [batch.dataset for batch in batches])
    if stays:
        _show_next(settings)
    return 0


def _deliver(settings: Settings, stores: Stores, folder: Path) -> None:
    """Land one delivery and ingest it."""
    from supply_lake.sensors.once import run_everything

    date = dt.date.fromisoformat(folder.name.partition("_")[2])
    fresh = [(spec, path) for spec, path in _files(stores, folder) if not _is_landed(stores, spec, path, folder, date)]
    for spec, path in fresh:
        land(stores.landing, spec, path, date=date)
    total = sum(1 for _ in _files(stores, folder))
    told = (
        f"{len(fresh)} files land"
        if len(fresh) == total
        else f"{len(fresh)} files land, {total - len(fresh)} are known already"
    )
    console.print(f"\n[bold]{date:%A %-d %B}{', evening' if folder.name.startswith('3_') else ''}[/]  {told}")
    with console.status("Dagster evaluates the landing sensor and runs what it asks for …"):
        run_everything(settings, on_batch=_show_batch)


def _files(stores: Stores, folder: Path) -> Iterator[tuple[DatasetSpec, Path]]:
    for path in sorted(folder.glob("*/*")):
        yield stores.registry.get(path.parent.name), path


def _is_landed(stores: Stores, spec: DatasetSpec, path: Path, folder: Path, date: dt.date) -> bool:
    """Whether the ledger knows as many versions of the file's key as the deliveries up to this one bring."""
    key = spec.key_pattern.format(path.name, date)
    same_key = [one for one in DATA.glob(f"*_{date}/{spec.name}/{path.name}") if one.parent.parent.name <= folder.name]
    return len(stores.metadata.known([key]).get(key, ())) >= len(same_key)


def _show_batch(batch: Batch) -> None:
    told = f"  [{COLOURS[batch.status]}]{batch.status:<9}[/] {batch.dataset:<16} {_told(batch)}"
    commit = f"  [dim]commit {batch.commit}[/]" if batch.commit and console.width >= WIDE else ""
    console.print(told + commit)


def _told(batch: Batch) -> str:
    rows = batch.rows
    if batch.sources and all(source.outcome is Outcome.SAME_CONTENT for source in batch.sources):
        return "nothing new: the same bytes were published before"
    if console.width < WIDE:
        return f"{rows.landed} landed {rows.published} published {rows.rejected} rejected {rows.deduplicated} deduplicated"
    good = f"{rows.landed:4} landed  {rows.published:4} published"
    return f" {good}  {rows.rejected:3} rejected  {rows.deduplicated:3} deduplicated"


def _show_counts(batches: list[Batch]) -> None:
    table = Table(title="What came of it", title_style="bold", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.padding = (0, 0)  # so that it fits into 80 columns
    for name in ("dataset", "landing\ndate"):
        table.add_column(name, no_wrap=True)
    for name in ("files", "landed", "published", "rejected", "dedupli-\ncated", "commits"):
        table.add_column(name, justify="right")
    groups: dict[tuple[str, dt.date], list[Batch]] = defaultdict(list)
    for batch in batches:
        groups[batch.dataset, batch.landing_date].append(batch)
    last = ""
    for (dataset, date), group in sorted(groups.items()):
        if last and dataset != last:
            table.add_section()
        table.add_row(dataset if dataset != last else "", f"{date}", *_figures(group))
        last = dataset
    table.add_section()
    table.add_row("[bold]all[/]", "", *(f"[bold]{text}[/]" for text in _figures(batches)))
    console.print()
    console.print(table)
    total = sum((batch.rows for batch in batches), Rows())
    sign = "=" if total.balanced else "≠"
    console.print(
        f"[bold]{total.landed:,}[/] landed {sign} [bold]{total.published:,}[/] published "
        f"+ [bold]{total.rejected:,}[/] rejected + [bold]{total.deduplicated:,}[/] deduplicated"
    )


def _figures(batches: list[Batch]) -> tuple[str, ...]:
    rows = sum((batch.rows for batch in batches), Rows())
    objects = sum(len(batch.sources) for batch in batches)
    commits = sum(batch.commit is not None for batch in batches)
    numbers = (objects, rows.landed, rows.published, rows.rejected, rows.deduplicated, commits)
    return tuple(f"{number:,}" for number in numbers)


def _show_accidents(batches: list[Batch]) -> None:
    """What was skipped, set aside, refused or superseded."""
    table = Table.grid(padding=(0, 1))
    for text in [*_refusals(batches), *_warnings(batches), *_odd_objects(batches), *_overwrites(batches)]:
        table.add_row(" [yellow]•[/]", escape(text))
    console.print("\n[bold]What went wrong on the way, all of it on record[/]")
    console.print(table)


def _refusals(batches: list[Batch]) -> Iterator[str]:
    for batch in batches:
        if batch.status is Status.REJECTED:
            yield f"{batch.dataset} {batch.landing_date:%a}: the whole batch is rejected: {batch.reason}"


def _warnings(batches: list[Batch]) -> Iterator[str]:
    for batch in batches:
        for one in batch.warnings:
            yield f"{batch.dataset} {batch.landing_date:%a}: warning of rule {one.rule}: {one.told}"


def _odd_objects(batches: list[Batch]) -> Iterator[str]:
    told = {Outcome.UNREADABLE: "set aside", Outcome.SAME_CONTENT: "skipped"}
    for batch in batches:
        for source in batch.sources:
            if source.outcome in told:
                yield f"{batch.dataset} {batch.landing_date:%a}: {source.key} is {told[source.outcome]}: {source.reason}"
        for note in batch.notes:
            if "column" in note:
                yield f"{batch.dataset} {batch.landing_date:%a}: {note}"


def _overwrites(batches: list[Batch]) -> Iterator[str]:
    keys = Counter(source.key for batch in batches for source in batch.sources if source.outcome is Outcome.READ)
    for key, times in keys.items():
        if times > 1:
            yield f"{key} was overwritten; both versions are kept, the newer one is live"


def _show_query(lake: Lake) -> None:
    console.print("\n[bold]A question over all datasets: what runs out first while its supply is late?[/]")
    console.print(Padding(Syntax(QUERY, "sql", theme="ansi_dark", background_color="default", word_wrap=True), (0, 0, 0, 2)))
    rows = lake.query(QUERY).to_pylist()
    table = Table(header_style="bold")
    for name in rows[0]:
        table.add_column(name, justify="left" if isinstance(rows[0][name], str) else "right")
    for row in rows:
        table.add_row(*(escape(str(value)) for value in row.values()))
    console.print(table)


def _show_rejects(lake: Lake, datasets: list[str]) -> None:
    console.print("\n[bold]Three rejected rows, of all that are kept with their reasons[/]")
    table = Table("where", "value", "reason", header_style="bold")
    for name in ("shipments", "sales_orders", "purchase_orders"):
        if name in datasets:
            one = next((row for row in lake.rejects(name).to_pylist() if row["column"]), None)
            if one:
                value = "null" if one["value"] is None else repr(one["value"])
                table.add_row(f"{one['source']}:{one['line']}", f"{one['column']} = {value}", one["reason"])
    console.print(table)


def _show_next(settings: Settings) -> None:
    command = Path(sys.executable).with_name("supply-lake")
    shown = command.relative_to(Path.cwd()) if command.is_relative_to(Path.cwd()) else command
    lines = [
        ("make dev", "the Dagster UI with this data in it: lineage, partitions, checks, previews"),
        (f'{shown} query "select status, count(*) from shipments group by all"', "SQL over the live rows"),
        (f"{shown} rejects shipments", "every rejected row, with line, column, value and reason"),
        (f"{shown} snapshots inventory", "the history; the overwritten count of Tuesday is superseded, not gone"),
        (f"{shown} verify", "re-proves from the files that no row was lost or made up"),
    ]
    console.print("\n[bold]What to type next[/]")
    for text, why in lines:
        console.print(f"  [cyan]{escape(text)}[/]\n    [dim]{why}[/]", soft_wrap=True)
    console.print(f"\n[dim]The lake is in {settings.home}; delete that folder to start afresh.[/]", soft_wrap=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SupplyLakeError as error:
        console.print(f"[red]{escape(str(error))}[/]")
        sys.exit(error.exit_status)
