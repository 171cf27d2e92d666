"""The command as a process: starting, being interrupted, losing its reader, and failing in ways nobody thought of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import click
import pytest

from supply_lake.cli import app as module
from supply_lake.cli.app import app, run
from supply_lake_tests.cli.conftest import Cli
from supply_lake_tests.query.made_lake import MadeLake

HEAVY = ("dagster", "duckdb", "obstore", "pandas", "pandera", "polars", "pyarrow", "pydantic", "rich", "sqlalchemy", "yaml")
COMMAND = [sys.executable, "-c", "from supply_lake.cli import main; main()"]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom supply_lake.cli.app import run\n"
        f"run(['--help'])\nassert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr == ""


def verbs(group: click.Group = app, before: str = "") -> dict[str, click.Command]:
    """Every verb that does something, those below another one too (`token make`)."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found |= verbs(command, f"{before}{name} ") if isinstance(command, click.Group) else {before + name: command}
    return found


@pytest.mark.parametrize("verb", sorted(verbs()))
def test_every_verb_has_help_with_an_example_and_json(verb: str, cli: Cli) -> None:
    done = cli(*verb.split(), "--help")
    assert done.status == 0
    assert f"supply-lake {verb}" in done.out.split("Example:")[1]
    assert "--json" in done.out


def test_the_examples_use_options_that_exist(cli: Cli) -> None:
    for verb, command in verbs().items():
        options = {name for parameter in command.params if isinstance(parameter, click.Option) for name in parameter.opts}
        example = (command.help or "").split("Example:")[1]
        used = {word for word in example.split() if word.startswith("-") and word != "-"}
        assert used <= options, verb


def test_the_names_of_objects_states_are_those_of_the_ledger() -> None:
    from supply_lake.cli.catalog import _STATES
    from supply_lake.landing.ledger import ObjectState

    assert [str(state) for state in ObjectState] == _STATES


def test_what_nobody_thought_of_is_one_sentence(
    lake: MadeLake, cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero\nagain")

    monkeypatch.setattr("supply_lake.lake.Lake.datasets", fail)
    done = cli("datasets")
    assert (done.status, done.err) == (
        1,
        "supply-lake: unexpected ZeroDivisionError: by zero again (SUPPLY_LAKE_DEBUG=1 shows where)\n",
    )
    monkeypatch.setenv("SUPPLY_LAKE_DEBUG", "1")
    assert "Traceback" in cli("datasets").err


def test_names_of_files_have_no_power_over_the_terminal(lake: MadeLake, cli: Cli) -> None:
    (Path(lake.stores.landing.location) / "orders").mkdir()
    (Path(lake.stores.landing.location) / "orders" / "\x1b[31m.csv").touch()
    for verb in ("ingest", "objects"):
        said = cli(verb).out
        assert "\\x1b[31m.csv" in said
        assert "\x1b" not in said


def test_a_terminal_without_the_letters_gets_their_numbers(lake: MadeLake) -> None:
    done = subprocess.run(
        [*COMMAND, "query", "SELECT '日本' AS x"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        check=True,
    )
    assert done.stdout == b"x\n\\u65e5\\u672c\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_being_stopped_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module.app, "invoke", stop)
    assert (cli("datasets").status, cli("datasets").err) == (130, "supply-lake: stopped\n")


def test_a_reader_that_leaves_early_is_no_error(lake: MadeLake) -> None:
    lake.commit([("o1", 1, Decimal("1.50"))])
    sql = "SELECT range, 'some text that fills the pipe' FROM range(2000000)"
    with subprocess.Popen(
        [*COMMAND, "query", sql, "--format", "csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ.copy()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"range,'some text that fills the pipe'\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 128 + signal.SIGPIPE


def test_ctrl_c_stops_a_long_query(lake: MadeLake) -> None:
    code = (
        "import os, signal, threading\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "from supply_lake.cli import main\n"
        "from supply_lake.query import engine\n"
        "check = engine.check\n"
        "def checked(*given):\n"
        "    threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()\n"
        "    return check(*given)\n"
        "engine.check = checked\n"
        "main()\n"
    )
    sql = "SELECT sum(hash(range)) FROM range(100000000000)"
    done = subprocess.run([sys.executable, "-c", code, "query", sql], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"supply-lake: stopped\n")
    assert not list(lake.stores.settings.scratch.glob("query-*"))


def test_main_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from supply_lake.cli import main

    monkeypatch.setattr("sys.argv", ["supply-lake", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def test_run_gives_zero_for_help(cli: Callable[..., object]) -> None:
    assert run(["--help"]) == 0
