from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supply_lake.errors import ObjectChanged, ObjectGone, StoreUnavailable, UsageError
from supply_lake.storage import local_folder, local_listing
from supply_lake.storage.object_store import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.open(str(tmp_path / "store"))


def keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [key for batch in store.list(prefix) for key in batch["key"].to_pylist()]


def fail(error: int) -> object:
    def raising(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error))

    return raising


def test_the_etag_changes_whenever_the_bytes_may_have(store: ObjectStore) -> None:
    store.put("a", b"one")
    path = store.local_path("a")
    assert path is not None
    etags = {store.head("a").etag}
    status = path.stat()
    path.write_bytes(b"two")  # in place: same file, same size
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    etags.add(store.head("a").etag)
    other = path.with_name("b")
    other.write_bytes(b"six")  # another file, same size and time
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    etags.add(store.head("a").etag)
    path.write_bytes(b"longer")  # same time
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    etags.add(store.head("a").etag)
    assert len(etags) == 4


def test_the_etag_stays_when_only_the_permissions_change(store: ObjectStore) -> None:
    version = store.put("a", b"one")
    path = store.local_path("a")
    assert path is not None
    path.chmod(0o600)
    assert store.head("a") == version


def test_o2_a_file_written_to_while_it_is_read_is_noticed(store: ObjectStore) -> None:
    version = store.put("a", b"one")
    path = store.local_path("a")
    assert path is not None
    with store.read(version) as file:
        file.read(1)
        with path.open("ab") as other:
            other.write(b"more")
    with pytest.raises(ObjectChanged):
        store.verify_unchanged(version)


def test_half_written_files_of_our_own_are_not_listed(store: ObjectStore, tmp_path: Path) -> None:
    with store.writer("a") as file:
        file.write(b"x")
        file.flush()
        assert len(list((tmp_path / "store").iterdir())) == 1
        assert keys(store) == []


def test_links_are_followed_but_not_round_in_circles(store: ObjectStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"x")
    store.put("a/1", b"1")
    root = tmp_path / "store"
    (root / "link").symlink_to(outside)
    (outside / "back").symlink_to(root)
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "file").symlink_to(outside / "x")
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    assert sorted(keys(store)) == ["a/1", "a/file", "link/x"]


def test_pipes_and_folders_are_no_objects(store: ObjectStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "store" / "pipe")
    (tmp_path / "store" / "folder").mkdir()
    assert keys(store) == []
    for key in ("pipe", "folder"):
        with pytest.raises(ObjectGone, match="is no file"):
            store.head(key)


def test_names_that_are_not_utf8_are_listed_and_read(store: ObjectStore, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path / "store") + b"/caf\xe9.csv"
    Path(os.fsdecode(name)).write_bytes(b"coffee")
    store.put("naïve.csv", b"")
    store.put("plain\\xff.csv", b"plain")
    assert set(keys(store)) == {"caf\\xe9.csv", "naïve.csv", "plain\\xff.csv"}
    for key, content in (("caf\\xe9.csv", b"coffee"), ("plain\\xff.csv", b"plain")):
        with store.read(store.head(key)) as file:
            assert file.read() == content


@pytest.mark.parametrize("seconds", [-(2**33), -1, 2**40])
def test_e8_absurd_times_are_no_obstacle(store: ObjectStore, seconds: int) -> None:
    store.put("a", b"")
    path = store.local_path("a")
    assert path is not None
    try:
        os.utime(path, ns=(0, seconds * 10**9))
    except (OverflowError, OSError):
        pytest.skip("this file system holds no such time")
    (listed,) = [row for batch in store.list() for row in batch.to_pylist()]
    assert listed["modified"] == store.head("a").modified


def test_a_name_too_long_for_the_file_system(store: ObjectStore) -> None:
    with pytest.raises(UsageError, match="longer than the file system"):
        store.put("x" * 300, b"")


def test_a_path_through_a_file_or_onto_a_folder(store: ObjectStore) -> None:
    store.put("a", b"")
    store.put("b/c", b"")
    with pytest.raises(UsageError, match="a part of its path is a file"):
        store.put("a/b", b"")
    with pytest.raises(UsageError, match="it is a folder"):
        store.put("b", b"")
    with pytest.raises(ObjectGone):
        store.head("a/b")
    store.delete(["a/b"])
    assert sorted(keys(store)) == ["a", "b/c"]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_m5_a_full_disk_leaves_what_stood_there(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    store.put("a", b"one")
    with monkeypatch.context() as broken:
        broken.setattr(local_folder.os, "fsync", fail(error))
        with pytest.raises(StoreUnavailable, match=f"{tmp_path}.*{os.strerror(error)}"):
            store.put("a", b"two")
        with pytest.raises(StoreUnavailable, match=str(tmp_path)), store.writer("b") as file:
            file.write(b"three")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["a"]
    store.put("a", b"two")
    with store.read("a") as file:
        assert file.read() == b"two"


def test_m5_a_folder_that_is_gone_is_no_empty_landing(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "store").rmdir()
    with pytest.raises(StoreUnavailable, match="is gone; mount or make it again"):
        keys(store)


def test_m5_a_folder_that_may_not_be_listed(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_folder.os, "open", fail(errno.EACCES))
    with pytest.raises(StoreUnavailable, match="give this user the permission"):
        keys(store)


def test_a_subfolder_that_may_not_be_listed_hides_only_itself(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.put("bad/1", b"")
    store.put("good/2", b"")
    really_open = os.open
    monkeypatch.setattr(
        local_folder.os,
        "open",
        lambda path, flags: fail(errno.EACCES)() if path.endswith("bad/") else really_open(path, flags),  # type: ignore[operator]
    )
    assert keys(store) == ["good/2"]
    assert "bad/ is passed over" in caplog.text
    assert store.unlisted == {"bad/": "Permission denied"}
    monkeypatch.setattr(local_folder.os, "open", really_open)
    assert (sorted(keys(store)), store.unlisted) == (["bad/1", "good/2"], {})


def test_links_that_lead_nowhere_are_no_files(store: ObjectStore, tmp_path: Path) -> None:
    store.put("good/2", b"")
    for name, target in (("self", "self"), ("one", "other"), ("other", "one"), ("gone", "nowhere")):
        (tmp_path / "store" / "good" / name).symlink_to(target)
    assert (keys(store), store.unlisted) == (["good/2"], {})


def test_a_name_whose_status_is_refused_hides_only_itself(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("a/1", b"")
    store.put("a/2", b"")
    really_scan = os.scandir

    class Refusing:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self.is_symlink, self.stat = entry.name, entry.is_symlink, entry.stat
            self.is_dir = fail(errno.EACCES) if entry.name == "1" else entry.is_dir

    @contextmanager
    def scan(handle: int) -> Iterator[Iterator[Refusing]]:
        with really_scan(handle) as entries:
            yield (Refusing(entry) for entry in entries)

    monkeypatch.setattr(local_folder.os, "scandir", scan)
    assert (keys(store), store.unlisted) == (["a/2"], {"a/1": "Permission denied"})
    monkeypatch.setattr(local_folder.os, "scandir", really_scan)
    assert (sorted(keys(store)), store.unlisted) == (["a/1", "a/2"], {})


def test_places_below_the_root_of_all_are_written_plainly() -> None:
    assert ObjectStore.open("/").uri("tmp/a.csv") == "/tmp/a.csv"


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        with pytest.raises(StoreUnavailable, match=r"cannot be used: .* is a file; name a folder"):
            ObjectStore.open(str(tmp_path / place))


def test_e9_a_listing_holds_one_batch_at_a_time(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store" / "much"
    folder.mkdir()
    for number in range(5_000):
        (folder / f"{number:05}").touch()
    monkeypatch.setattr(local_listing, "BATCH", 100)
    batches = store.list()
    next(batches)
    tracemalloc.start()
    counts = [batch.num_rows for batch in batches]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(counts) == 4_900
    assert max(counts) == 100
    assert peak < 1_000_000


def test_folder_times_change_with_names_and_not_with_bytes(store: ObjectStore) -> None:
    store.put("a/b/1", b"1")
    path = store.local_path("a/b/1")
    assert path is not None
    old = (10**18, 10**18)  # far enough back that any change shows
    for folder in (path.parent, path.parents[1]):
        os.utime(folder, ns=old)
    before = dict(store.folder_times("a/"))
    assert set(before) == {"a/", "a/b/"}
    path.write_bytes(b"2")
    assert dict(store.folder_times("a/")) == before
    store.put("a/b/c/2", b"")
    after = dict(store.folder_times("a/"))
    assert set(after) == {"a/", "a/b/", "a/b/c/"}
    assert [folder for folder in before if before[folder] != after[folder]] == ["a/b/"]
    assert dict(store.folder_times("missing/")) == {}
