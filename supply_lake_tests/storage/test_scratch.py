"""Scratch folders: gone when their work has ended, however it ended."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from supply_lake.errors import StoreUnavailable
from supply_lake.storage.scratch import scratch_folder


def fill(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "rows.arrow").write_bytes(b"1")


@pytest.mark.parametrize("error", [None, ValueError(), KeyboardInterrupt()])
def test_nothing_is_left_however_the_work_ends(tmp_path: Path, error: BaseException | None) -> None:
    try:
        with scratch_folder(tmp_path, "batch") as folder:
            fill(folder)
            if error:
                raise error
    except (ValueError, KeyboardInterrupt):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom supply_lake.storage.scratch import scratch_folder\n"
        f"with scratch_folder(Path({str(tmp_path)!r}), 'killed') as folder:\n"
        "    folder.mkdir()\n    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert (tmp_path / "killed").exists()
    with scratch_folder(tmp_path, "one") as one:
        fill(one)
        with scratch_folder(tmp_path, "two") as two:
            fill(two)
            assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "one.lock", "two", "two.lock"]
        assert (one / "rows.arrow").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), OSError("No space left on device (os error 28)")])
def test_m5_a_full_disk_is_an_outage_that_names_the_folder(tmp_path: Path, error: OSError) -> None:
    told = rf"scratch folder {tmp_path} .*No space left.*SUPPLY_LAKE_HOME"
    with pytest.raises(StoreUnavailable, match=told), scratch_folder(tmp_path, "batch"):
        raise error


def test_errors_of_the_work_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), scratch_folder(tmp_path, "batch"):
        raise OSError(errno.EIO, "broken")


def test_where_nothing_can_be_written_what_needs_no_scratch_is_done(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with scratch_folder(tmp_path / "file" / "below", "query") as folder:
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
