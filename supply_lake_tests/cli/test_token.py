"""``supply-lake token`` and ``supply-lake serve``: tokens are made, listed, revoked; the service answers to them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from supply_lake_tests.cli.conftest import Cli
from supply_lake_tests.query.made_lake import MadeLake

COMMAND = [sys.executable, "-c", "from supply_lake.cli import main; main()"]


@contextmanager
def served(lake: MadeLake, *options: str) -> Iterator[str]:
    """The URL of a service that runs for the length of the block, and ends well."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--json", *options],
        env={**os.environ, **lake.env},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        yield json.loads(text)["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def test_a_token_is_shown_once_listed_and_revoked(lake: MadeLake, cli: Cli) -> None:
    made = cli("token", "make", "shop", "--allow", "orders:read,push", "--allow", "sales_*:read", "--days", "30", "--json")
    told = json.loads(made.out)
    assert told["grants"] == ["orders:read,push", "sales_*:read"]
    assert told["token"].startswith(f"sl_{told['id']}_")
    listed = cli("token", "list", "--json").out
    assert told["token"] not in listed
    assert json.loads(listed)[0]["state"] == "good"
    revoked = cli("token", "revoke", told["id"])
    assert (revoked.status, revoked.out) == (0, f"Token {told['id']} of shop opens nothing any more.\n")
    assert json.loads(cli("token", "list", "--json").out)[0]["state"] == "revoked"
    assert "revoked" in cli("token", "list").out


def test_what_grants_nothing_makes_no_token(lake: MadeLake, cli: Cli) -> None:
    for grant in ("orders", "orders:", "orders:write", ":read", "*:read,", "../x:read", "orders:read;stock:read"):
        done = cli("token", "make", "shop", "--allow", grant)
        assert done.status == 2
        assert "grants nothing" in done.err
    assert json.loads(cli("token", "list", "--json").out) == []
    assert cli("token", "make", "shop").status == 2
    assert cli("token", "make", "shop", "--allow", "*:read", "--days", "1e12").status == 2
    assert cli("token", "revoke", "nothing").err.startswith("supply-lake: no token has the id 'nothing'")


def test_two_processes_serve_a_lake_to_whoever_has_a_token(lake: MadeLake, cli: Cli) -> None:
    snapshot = lake.commit([("o1", 1, None)])
    token = cli("token", "make", "shop", "--allow", "*:read").out.strip()
    with served(lake, "--workers", "2") as url:
        for _ in range(6):  # whichever process answers
            found = httpx.get(f"{url}/v1/datasets/orders/latest", headers={"authorization": f"Bearer {token}"}, timeout=30)
            assert found.json()["snapshot_id"] == snapshot.id
        assert httpx.get(f"{url}/v1/me").status_code == 401
