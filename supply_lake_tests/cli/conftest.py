from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supply_lake.cli.app import run
from supply_lake_tests.query.made_lake import MadeLake


@dataclass(frozen=True)
class Done:
    """How the command ended: its exit status, and what it said."""

    status: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def make_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., MadeLake]]:
    """Makes the lake that the command works on."""
    made: list[MadeLake] = []

    def make(*specs: Mapping[str, Any]) -> MadeLake:
        made.append(MadeLake(tmp_path / f"lake-{len(made)}", *specs))
        for name, value in made[-1].env.items():
            monkeypatch.setenv(name, value)
        return made[-1]

    yield make
    for lake in made:
        lake.stores.close()


@pytest.fixture
def lake(make_lake: Callable[..., MadeLake]) -> MadeLake:
    return make_lake()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs the command in this process, without a terminal."""

    def call(*args: str) -> Done:
        capsys.readouterr()
        status = run(args)
        said = capsys.readouterr()
        return Done(status, said.out, said.err)

    return call
