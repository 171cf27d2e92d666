from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from supply_lake.landing import settling
from supply_lake.landing.discovery import discover
from supply_lake.landing.rules import Rules
from supply_lake.landing.settling import Settling
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.landing.declared import NOW, Ledger, dataset

KEY = "shipments/2026/11/24/slow.csv"
RULES = Rules([dataset("shipments")])
SLOW_WRITER = """
import sys
for step in sys.stdin:
    exec(step)
    print("done", flush=True)
"""


@contextmanager
def producer() -> Iterator[Any]:
    """Another process, which does one line of Python at a time."""
    process = subprocess.Popen([sys.executable, "-c", SLOW_WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def do(step: str) -> None:
        process.stdin.write(step + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        assert process.stdout.readline() == "done\n"  # type: ignore[union-attr]

    try:
        yield do
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


def seconds_later(seconds: float) -> Any:
    return lambda: time.time() + seconds


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = ObjectStore.open(str(tmp_path / "landing"))
    (tmp_path / "landing" / KEY).parent.mkdir(parents=True)
    return store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "landing" / KEY


def look(store: ObjectStore, ledger: Ledger, settling: Settling) -> tuple[dict[str, int], dict[str, str]]:
    """One tick: key → size of what was entered, and why what else is new was not."""
    found = discover(store.list(), ledger.known, RULES, ledger.fingerprints, NOW, unsettled=settling)
    ledger.register(found.entries)
    ledger.fingerprints |= found.fingerprints
    return {entry.object.key: entry.object.size for entry in found.entries}, found.waiting


def test_e4_a_name_that_is_no_key_is_refused_and_its_neighbours_go_on(store: ObjectStore, file: Path) -> None:
    ledger = Ledger()
    for name in ("a.csv", "a\tb.csv", "a\x01.csv"):
        (file.parent / name).write_text("x")
    entered, waiting = look(store, ledger, Settling(store, 0.0, seconds_later(3600)))
    folder = KEY.rpartition("/")[0]
    assert entered == {f"{folder}/a.csv": 1, f"{folder}/a\tb.csv": 1, f"{folder}/a\x01.csv": 1}
    assert waiting == {}


@pytest.mark.skipif(not hasattr(fcntl, "F_SETLEASE"), reason="only Linux tells who has a file open")
def test_e10_a_file_that_a_producer_writes_slowly_in_place_is_entered_whole(store: ObjectStore, file: Path) -> None:
    ledger, settling = Ledger(), Settling(store, 5.0, seconds_later(3600))
    if not settling.leases:
        pytest.skip("this file system tells nothing about open files")
    with producer() as do:
        do(f"file = open({str(file)!r}, 'w')")
        assert look(store, ledger, settling) == ({}, {KEY: "it is open for writing"})
        do("file.write('half'); file.flush()")
        assert look(store, ledger, settling) == ({}, {KEY: "it is open for writing"})
        do("file.write(' whole'); file.flush()")
        assert look(store, ledger, settling) == ({}, {KEY: "it is open for writing"})
        do("file.close()")
        assert look(store, ledger, settling) == ({KEY: 10}, {})
        assert look(store, ledger, settling) == ({}, {})


def test_e10_without_leases_a_file_has_to_lie_still(store: ObjectStore, file: Path) -> None:
    ledger = Ledger()
    now, later = Settling(store, 5.0, seconds_later(4)), Settling(store, 5.0, seconds_later(6))
    now.leases = later.leases = False
    with producer() as do:
        do(f"file = open({str(file)!r}, 'w'); file.write('half'); file.flush()")
        assert look(store, ledger, now) == ({}, {KEY: "it was written to within the last 5 s"})
        do("file.write(' whole'); file.close()")
        assert look(store, ledger, now) == ({}, {KEY: "it was written to within the last 5 s"})
    assert look(store, ledger, later) == ({KEY: 10}, {})


def test_e10_a_producer_that_opens_the_file_anew_for_each_write(store: ObjectStore, file: Path) -> None:
    with producer() as do:
        do(f"open({str(file)!r}, 'a').write('half')")
        settling = Settling(store, 5.0, lambda: file.stat().st_ctime + 0.1)
        assert list(look(store, Ledger(), settling)[1].values()) in (
            [f"it was written to within the last {seconds} s"] for seconds in ("0.2", "5")
        )
        do(f"open({str(file)!r}, 'a').write(' whole')")
        settled = Settling(store, 5.0, lambda: file.stat().st_ctime + 6)
        assert look(store, Ledger(), settled) == ({KEY: 10}, {})


def test_e10_a_file_that_is_known_and_grows_in_place_has_to_lie_still_for_long(store: ObjectStore, file: Path) -> None:
    ledger = Ledger()
    store.put(KEY, b"first")
    assert look(store, ledger, Settling(store, 5.0, seconds_later(10)))[0] == {KEY: 5}
    with file.open("ab") as stream:
        stream.write(b" second")
    assert look(store, ledger, Settling(store, 5.0, seconds_later(1)))[1] == {KEY: "it was written to within the last 5 s"}
    assert look(store, ledger, Settling(store, 5.0, seconds_later(10)))[0] == {KEY: 12}
    store.put(KEY, b"another file in its place")
    quick = Settling(store, 5.0, seconds_later(1))
    assert look(store, ledger, quick)[0] == ({KEY: 25} if quick.leases else {})


def test_e10_a_rename_makes_the_file_appear_whole(store: ObjectStore, file: Path) -> None:
    ledger, settling = Ledger(), Settling(store, 5.0, seconds_later(3600))
    with producer() as do:
        do(f"import os; file = open({str(file)!r} + '.tmp', 'w'); file.write('half'); file.flush()")
        if settling.leases:
            assert look(store, ledger, settling) == ({}, {KEY + ".tmp": "it is open for writing"})
        do(f"file.write(' whole'); file.close(); os.rename({str(file)!r} + '.tmp', {str(file)!r})")
    entered, _ = look(store, ledger, settling)
    assert entered == {KEY: 10}


def test_a_file_that_changes_between_the_listing_and_the_question(store: ObjectStore, file: Path) -> None:
    version = store.put(KEY, b"1")
    file.write_bytes(b"22")
    assert Settling(store, 5.0, seconds_later(10))([version]) == {KEY: "it changed after it was listed"}
    file.unlink()
    assert Settling(store, 5.0, seconds_later(10))([version]) == {KEY: "it is gone"}


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_e8_a_clock_that_was_set_back_delays_nothing_for_ever(store: ObjectStore, seconds: int) -> None:
    version = store.put(KEY, b"1")
    assert Settling(store, 5.0, seconds_later(seconds))([version]) == {}


def test_a_file_that_may_not_be_read_waits_for_the_permission(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    version = store.put(KEY, b"1")
    settle = Settling(store, 5.0, seconds_later(10))

    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as refused:
        refused.setattr(settling.os, "open", refuse)
        assert "may not read it" in settle([version])[KEY]
    assert settle([version]) == {}


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EACCES, errno.ENOLCK])
def test_where_the_kernel_refuses_leases_a_file_has_to_lie_still(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    version = store.put(KEY, b"1")

    def refuse(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(settling.fcntl, "fcntl", refuse)
    assert Settling(store, 5.0, seconds_later(4))([version]) == {KEY: "it was written to within the last 5 s"}
    assert Settling(store, 5.0, seconds_later(6))([version]) == {}


def test_what_stores_hold_is_whole() -> None:
    store = ObjectStore.open("memory://")
    assert Settling(store, 5.0)([store.put(KEY, b"1")]) == {}


def test_asking_is_no_danger_to_us_nor_an_obstacle_to_the_producer(store: ObjectStore, file: Path) -> None:
    """A producer that opens a file while a lease is held on it makes the kernel send a signal that ends most processes."""
    version = store.put(KEY, b"1")
    program = f"import sys\nfor _ in range(3000): open({str(file)!r}, 'ab').close()"
    process = subprocess.Popen([sys.executable, "-c", program])
    settle = Settling(store, 0.0)
    while process.poll() is None:
        assert set(settle([version])) <= {KEY}
    assert process.returncode == 0


def test_the_file_system_of_a_folder_is_told(tmp_path: Path) -> None:
    if not Path("/proc/self/mountinfo").exists():
        pytest.skip("only Linux tells")
    assert settling.file_system("/proc/self") == "proc"
    assert settling.file_system(str(tmp_path)) != ""
