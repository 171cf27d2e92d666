"""``supply-lake token``: who may ask the service, and what.

What belongs here: making, listing and revoking. What does not: what a token is (``service.tokens``).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from supply_lake.cli.output import as_json, moment, print_json, table

if TYPE_CHECKING:
    from supply_lake.service.tokens import Token


@click.group(short_help="Make, list and revoke tokens of the service.")
def token() -> None:
    """Tokens that open the service of `supply-lake serve`.

    \b
    Example:
      supply-lake token make dashboards --allow '*:read' --days 90
    """


@token.command(short_help="Make a token.")
@click.argument("name")
@click.option("--allow", multiple=True, required=True, metavar="DATASET:VERB[,VERB]", help="What it grants; `*` is every name.")
@click.option("--days", type=click.FloatRange(0, min_open=True), metavar="N", help="It ends after N days; never by default.")
@as_json
def make(name: str, allow: tuple[str, ...], days: float | None, as_json: bool) -> None:
    """Make a token called NAME. Its text is shown this once and kept nowhere.

    Verbs: read (what is known of a dataset), query (its rows), push (landing records), manage (webhooks and pins).

    \b
    Example:
      supply-lake token make shop --allow orders:read,push --allow 'sales_*:read'
    """
    from supply_lake.service.access_store import AccessStore
    from supply_lake.service.grants import Grant
    from supply_lake.service.tokens import make_token
    from supply_lake.settings import Settings

    now = dt.datetime.now(dt.UTC)
    grants = tuple(Grant.parse(one) for one in allow)
    try:
        ends = now + dt.timedelta(days=days) if days else None
    except OverflowError:
        raise click.UsageError("--days is longer than any calendar; leave it out for a token that never ends") from None
    made, text = make_token(name, grants, now, ends)
    store = AccessStore.open(Settings.from_env())
    try:
        store.add(made)
    finally:
        store.close()
    if as_json:
        print_json({**_json(made), "token": text})
        return
    click.echo(text)
    click.echo(f"Token {made.id} of {name} grants {' '.join(map(str, grants))}. This is shown once.", err=True)


@token.command("list", short_help="List tokens.")
@as_json
def list_(as_json: bool) -> None:
    """List every token, those that were revoked or have ended too. Their texts are not kept.

    \b
    Example:
      supply-lake token list
    """
    from supply_lake.service.access_store import AccessStore
    from supply_lake.settings import Settings

    store = AccessStore.open(Settings.from_env())
    try:
        found = store.all()
    finally:
        store.close()
    if as_json:
        print_json([_json(one) for one in found])
        return
    table(
        ["token", "name", "grants", "made", "ends", "state"],
        [
            [one.id, one.name, " ".join(map(str, one.grants)), moment(one.made_at), moment(one.expires_at), _state(one)]
            for one in found
        ],
    )


@token.command(short_help="Revoke a token.")
@click.argument("token_id", metavar="TOKEN")
@as_json
def revoke(token_id: str, as_json: bool) -> None:
    """Revoke TOKEN, by the id that the list shows. Running services refuse it within a second.

    \b
    Example:
      supply-lake token revoke 3f9c0a77b1e2
    """
    from supply_lake.service.access_store import AccessStore
    from supply_lake.settings import Settings

    store = AccessStore.open(Settings.from_env())
    try:
        revoked = store.revoke(token_id, dt.datetime.now(dt.UTC))
    finally:
        store.close()
    if as_json:
        print_json(_json(revoked))
    else:
        click.echo(f"Token {revoked.id} of {revoked.name} opens nothing any more.")


def _state(token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "good" if token.holds(dt.datetime.now(dt.UTC)) else "ended"


def _json(token: Token) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "grants": [str(grant) for grant in token.grants],
        "made_at": token.made_at.isoformat(),
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
        "revoked_at": token.revoked_at.isoformat() if token.revoked_at else None,
        "state": _state(token),
    }
