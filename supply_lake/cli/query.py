"""``supply-lake query``: SQL over the live set, or over what was live at a time or is pinned.

What belongs here: the verb. What does not: the query (``query.engine``) and where its rows go (``rows``).
"""

from __future__ import annotations

import datetime as dt
import sys

import click

from supply_lake.cli.rows import chosen, put, with_format
from supply_lake.cli.times import Time


@click.command(short_help="Ask in SQL; every dataset is a table.")
@click.argument("sql")
@click.option("--as-of", type=Time(), help="Read every dataset as it was at this time (UTC).")
@click.option("--pin", metavar="FILE|URL", help="Read every dataset at the commit that this pin names.")
@with_format
def query(sql: str, *, as_of: dt.datetime | None, pin: str | None, form: str | None, as_json: bool, output: str | None) -> None:
    """Answer SQL over what is live. "-" reads the SQL from standard input.

    Every dataset is a table. NAME@7 is what was live at commit 7, NAME@'2026-11-01T00:00Z' at that time. NAME__rows shows its
    rows with their lineage, NAME__history those of all snapshots, NAME__rejects what was set aside.

    \b
    Example:
      supply-lake query "SELECT carrier, sum(freight_usd) FROM shipments GROUP BY 1"
      supply-lake query "SELECT * FROM shipments@7 EXCEPT FROM shipments"
      supply-lake query "FROM inventory" --as-of 2026-11-01T12:00:00Z -o inventory.parquet
    """
    from supply_lake.lake import Lake

    form = chosen(form, as_json, output)
    if sql == "-":
        sql = sys.stdin.read()
    with Lake.open() as lake, lake.answer(sql, as_of=as_of, pin=pin) as answer:
        put(answer.schema, answer.batches(), form, output)
