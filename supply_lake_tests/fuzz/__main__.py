"""The fuzz run: so many cases from a seed, each in a child process that may die of it.

``python -m supply_lake_tests.fuzz --cases 3000 --seed 7`` runs the cases 7, 8, 9 …; a failure tells its own seed, and
``make fuzz SEED=… CASES=1`` repeats it. Every fortieth case is a whole lake, the others are curation alone.
"""

from __future__ import annotations

import argparse
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

LAKE_EVERY = 40
SECONDS_PER_CASE = 120
MEMORY = 12 * 1024**3


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when everything holds."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--child", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        return _child(given.seed, given.cases, Path(given.child))
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    return _parent(seed, given.cases)


def _parent(seed: int, cases: int) -> int:
    print(f"{cases:,} cases from seed {seed}", flush=True)
    started, failed, at = time.monotonic(), 0, seed
    with tempfile.TemporaryDirectory() as home:
        told = Path(home) / "case"
        while at < seed + cases:
            command = [sys.executable, "-m", "supply_lake_tests.fuzz", "--cases", str(seed + cases - at), "--seed", str(at)]
            done = subprocess.run([*command, "--child", str(told)], check=False)
            last, failures = (int(number) for number in told.read_text().split())
            failed += failures
            if done.returncode == 0:
                break
            failed += 1
            print(f"case {last}: the process died ({_death(done.returncode)}); {_again(last)}", flush=True)
            at = last + 1
    print(f"{cases:,} cases, {failed} failed, {time.monotonic() - started:.0f} s, seed {seed}")
    return 1 if failed else 0


def _death(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _again(seed: int) -> str:
    return f"again: make fuzz SEED={seed} CASES=1"


def _child(seed: int, cases: int, told: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _too_long)
    failures = 0
    for case in range(seed, seed + cases):
        told.write_text(f"{case} {failures}")
        try:
            run_case(case)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            failures += 1
            traceback.print_exc(limit=-6)
            print(f"case {case}: {type(error).__name__}; {_again(case)}", flush=True)
    told.write_text(f"{seed + cases} {failures}")
    return 0


def run_case(seed: int) -> None:
    """Run one case, a whole lake or curation alone.

    :raises AssertionError: something does not hold
    """
    from supply_lake_tests.fuzz import cases, lakes

    signal.alarm(SECONDS_PER_CASE)
    try:
        (lakes if seed % LAKE_EVERY == 0 else cases).run(seed)
    finally:
        signal.alarm(0)


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS_PER_CASE} s")


if __name__ == "__main__":
    sys.exit(main())
