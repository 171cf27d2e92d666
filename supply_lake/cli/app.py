"""All verbs as one command, and the one place where errors become a sentence and an exit status.

What belongs here: the list of verbs, and how the process ends. What does not: what a verb does. Verbs import what is heavy
when they run: ``supply-lake --help`` answers at once.

Exit status: 0 done, 1 refused or failed with a one-line reason on stderr, 2 wrong usage.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from supply_lake.cli.backtest import backtest
from supply_lake.cli.catalog import datasets, objects, show, snapshots
from supply_lake.cli.diff import changes, diff
from supply_lake.cli.doctor import doctor
from supply_lake.cli.extract import extract
from supply_lake.cli.glue import catalog as external_catalog
from supply_lake.cli.ingest import ingest
from supply_lake.cli.land import land
from supply_lake.cli.messages import messages
from supply_lake.cli.onboard import onboard
from supply_lake.cli.output import plain
from supply_lake.cli.pin import pin, pins, unpin
from supply_lake.cli.quarantine import replay, revoke
from supply_lake.cli.query import query
from supply_lake.cli.rejects import rejects
from supply_lake.cli.schema import schema
from supply_lake.cli.serve import serve
from supply_lake.cli.token import token
from supply_lake.cli.upkeep import compact, gc, reconcile
from supply_lake.cli.verify import verify
from supply_lake.errors import SupplyLakeError

DEBUG = "SUPPLY_LAKE_DEBUG"


class _InOrder(click.Group):
    """Lists verbs in the order of their use."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder,
    commands=[
        onboard,
        land,
        extract,
        ingest,
        datasets,
        snapshots,
        show,
        schema,
        query,
        diff,
        changes,
        pin,
        pins,
        unpin,
        backtest,
        rejects,
        replay,
        revoke,
        verify,
        external_catalog,
        reconcile,
        compact,
        gc,
        objects,
        serve,
        token,
        messages,
        doctor,
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Settings are environment variables SUPPLY_LAKE_*; with none set, everything lies under .lake/.",
)
@click.version_option(package_name="supply-lake", message="supply-lake %(version)s")
def app() -> None:
    """A supply-chain data lake: land files, ingest them, and read what came of it.

    \b
    Example:
      supply-lake land shipments status.csv && supply-lake ingest
      supply-lake query "SELECT status, count(*) FROM shipments GROUP BY 1"
    """


def run(args: Sequence[str] | None = None) -> int:  # noqa: PLR0911 - one way to end per line
    """Run the command, and return its exit status; nothing that goes wrong gets past here."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # what the terminal has no letters for is written by its number
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with app.make_context("supply-lake", list(sys.argv[1:] if args is None else args)) as context:
            app.invoke(context)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as ended:  # --help and --version
        return ended.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SupplyLakeError as error:
        return _say(str(error), error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped", 128 + signal.SIGINT)
    except BrokenPipeError:
        return _silenced()
    except Exception as error:
        return _unexpected(error)


def _say(sentence: str, status: int) -> int:
    with contextlib.suppress(BrokenPipeError):
        click.echo(plain(f"supply-lake: {sentence}"), err=True)
    return status


def _unexpected(error: Exception) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exc()
        return 1
    text = " ".join(str(error).split())[:300]
    told = text if isinstance(error, OSError) else f"unexpected {type(error).__name__}: {text}"
    return _say(f"{told} ({DEBUG}=1 shows where)", 1)


def _silenced() -> int:
    """Whoever read our output has left; Python would complain when it flushes what is left of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
