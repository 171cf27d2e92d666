"""``supply-lake onboard``: from a sample to a dataset file that works at once.

What belongs here: finding the sample, landing it where that is of use, and saying what was drafted. What does not: drafting
(``onboard`` does).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.output import as_json, print_json, table

if TYPE_CHECKING:
    from supply_lake.datasets.spec import DatasetSpec
    from supply_lake.onboard.draft import Draft
    from supply_lake.onboard.finding import Found
    from supply_lake.onboard.sample import Sample
    from supply_lake.onboard.saving import Saved
    from supply_lake.settings import Settings

_DOUBTS = 8


@click.command(short_help="Draft a dataset from a sample.")
@click.argument("name")
@click.option("--from", "place", required=True, metavar="FILE|FOLDER|GLOB|KEY|URL", help="Where the sample is; see below.")
@click.option(
    "--key", "keys", multiple=True, metavar="COL", help="Column of the primary key; give it for each. Default: found."
)
@click.option("--mode", type=click.Choice(["append", "replace", "upsert"]), help="Default: by what was found.")
@click.option("--order-by", default="", metavar="COL", help="Of rows with one key, the one with the greatest value here stays.")
@click.option("--columns", default="", metavar="A,B,C|FILE", help="Names for the columns of files without a header.")
@click.option("--delimiter", default="", help="What stands between values, if it was taken wrongly; \\t is a tab.")
@click.option("--encoding", default="", help="Encoding of the files, if it was taken wrongly.")
@click.option("--header/--no-header", default=None, help="Whether the first line names the columns, if it was taken wrongly.")
@click.option("--records-path", default=None, metavar="PATH", help="JSON: where the records are, if it was taken wrongly.")
@click.option("--owner", default="", help="An e-mail address or team:name.")
@click.option("--land/--no-land", default=None, help="Land the sample, too. Default: only that of a table or an HTTP URL.")
@click.option("--force", is_flag=True, help="Write over a dataset file of this name.")
@as_json
def onboard(name: str, *, place: str, force: bool, as_json: bool, **asked: Any) -> None:
    """Draft dataset NAME from a sample: write NAME.yaml into the datasets folder, and NAME.onboarding.md beside it.

    The sample is a file, a folder or a glob of files; a key or a glob in landing; an object store URL (s3://bucket/prefix/*.csv);
    a table of a database (an SQLAlchemy URL with #schema.table behind it); or an HTTP(S) URL.

    \b
    Example:
      supply-lake onboard goods_receipts --from movements.csv.gz
      supply-lake onboard daily_sales --from 'sales/*.csv' --key store --key sku
      supply-lake onboard orders --from 'postgresql://reader:secret@erp/sales#public.orders'
    """
    from supply_lake.onboard.finding import find_sample
    from supply_lake.onboard.policy import Wishes
    from supply_lake.onboard.saving import may_save, save
    from supply_lake.settings import Settings

    settings = Settings.from_env()
    may_save(name, settings.datasets, force=force)
    wishes = Wishes(asked["keys"], asked["mode"] or "", asked["order_by"], asked["owner"])
    settings.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.scratch) as scratch:
        found = find_sample(place, name, settings.landing, Path(scratch))
        draft = _draft(name, found, _hints(name, found.sample, asked), wishes, Path(scratch))
        saved = save(draft, settings.datasets, force=force)
        wanted = found.fetched if asked["land"] is None else asked["land"]
        landed = _land(settings, saved.spec, found.sample) if wanted else []
    if as_json:
        from supply_lake.onboard.report import draft_json

        print_json({"file": str(saved.file), "page": str(saved.page), "landed": landed, **draft_json(draft)})
    else:
        _report(draft, saved, landed)


def _hints(name: str, sample: Sample, asked: dict[str, Any]) -> Any:
    from supply_lake.onboard.column_names import read_names
    from supply_lake.onboard.sniff import Hints

    tables = [name, *dict.fromkeys(one.file.partition(".")[0] for one in sample.files[:1])]
    return Hints(
        delimiter=asked["delimiter"].replace("\\t", "\t"),
        encoding=asked["encoding"],
        header=asked["header"],
        records_path=asked["records_path"],
        columns=read_names(asked["columns"], tables) if asked["columns"] else (),
    )


def _draft(name: str, found: Found, hints: Any, wishes: Any, scratch: Path) -> Draft:
    from supply_lake.onboard.onboard import onboard as draft

    return draft(name, found.sample, hints, wishes, scratch=scratch, known=found.known)


def _land(settings: Settings, spec: DatasetSpec, sample: Sample) -> list[str]:
    from supply_lake.landing.write import land
    from supply_lake.storage.object_store import ObjectStore

    store = ObjectStore.open(settings.landing)
    landed = []
    for one in sample.files:
        if not one.key:
            with one.open() as data:
                landed.append(store.uri(land(store, spec, data, name=one.file).key))
    return landed


# --- what is said


def _report(draft: Draft, saved: Saved, landed: list[str]) -> None:
    from supply_lake.onboard.telling import count

    table(
        ["column", "type", "filled", "different", "in the files"],
        [
            [one.name, one.guess.type[:40], one.values.filled, one.values.distinct, ", ".join(one.field.names)[:60]]
            for one in draft.columns
        ],
    )
    click.echo()
    key, mode = ", ".join(draft.policy.key) or "none", draft.policy.fields["mode"]
    click.echo(f"{count(len(draft.sample.files), 'file')}, {count(draft.gathered.rows, 'row')}; key: {key}; mode: {mode}")
    if draft.proof is not None:
        rows = draft.proof.rows
        told = f"{count(rows.published, 'row')} published, {rows.rejected:,} rejected, {rows.deduplicated:,} deduplicated"
        click.echo(f"Tried on the sample: {told}")
    doubts = draft.all_doubts
    click.echo(f"To review ({len(doubts) + 1}):")
    click.echo("- owner and source.system")
    for doubt in doubts[:_DOUBTS]:
        click.echo(f"- {' '.join(doubt.split())}")
    if len(doubts) > _DOUBTS:
        click.echo(f"- and {len(doubts) - _DOUBTS} more; {saved.page.name} has all")
    click.echo(f"Wrote {saved.file} and {saved.page.name}")
    for uri in landed:
        click.echo(f"Landed {uri}")
    _next(draft, landed)


def _next(draft: Draft, landed: list[str]) -> None:
    here = landed or draft.sample.in_landing
    click.echo(f"Next: {'' if here else f'supply-lake land {draft.name} FILE…, then '}supply-lake ingest {draft.name}")
