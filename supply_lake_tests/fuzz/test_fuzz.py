"""The fuzz run at a small size; ``make fuzz`` has the large one."""

from __future__ import annotations

import pytest

from supply_lake_tests.fuzz import __main__ as runner
from supply_lake_tests.fuzz import cases, lakes


@pytest.mark.parametrize("first", range(1, 121, 30))
def test_whatever_bytes_arrive_curation_loses_nothing_and_raises_nothing(first: int) -> None:
    for seed in range(first, first + 30):
        cases.run(seed)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_bytes_land_a_lake_proves_every_record(seed: int) -> None:
    lakes.run(seed)


def test_a_failure_tells_its_seed_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys) -> None:
    def fails(seed: int) -> None:
        assert seed != 8, "lost"

    monkeypatch.setattr(runner, "run_case", fails)
    monkeypatch.setattr(runner.resource, "setrlimit", lambda *_: None)
    assert runner.main(["--cases", "3", "--seed", "7", "--child", str(tmp_path / "case")]) == 0
    assert "case 8: AssertionError; again: make fuzz SEED=8 CASES=1" in capsys.readouterr().out
    assert (tmp_path / "case").read_text() == "10 1"


def test_a_process_that_dies_of_a_case_is_told_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    class Died:
        returncode = -11

    def run(command: list[str], check: bool) -> Died:
        seed, file = command[command.index("--seed") + 1], command[-1]
        runner.Path(file).write_text(f"{int(seed) + 1} 0")
        return Died()

    monkeypatch.setattr(runner.subprocess, "run", run)
    assert runner.main(["--cases", "4", "--seed", "7"]) == 1
    out = capsys.readouterr().out
    assert "case 8: the process died (SIGSEGV); again: make fuzz SEED=8 CASES=1" in out
    assert "4 cases, 2 failed" in out
