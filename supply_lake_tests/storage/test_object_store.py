"""What every object store does, whatever lies behind it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake.errors import ObjectChanged, ObjectGone, SettingsError, UsageError
from supply_lake.storage.object_store import LISTING, ObjectStore, ObjectVersion

ODD_KEYS = [
    "a+b.csv",
    "a b.csv",
    "a%20b.csv",
    "a%2Fb",
    "100%",
    "a:b",
    "year=2026/month=11/x",
    "a#b",
    "it's",
    'say "x"',
    "naïve/日本語/файл.csv",
    "e\u0301 is not é",
    "a\\b",
    "a*b?c",
    "a&b;c,d@e$f",
    "[x]<y>{z}|^`~",
    " leading and trailing ",
    "...",
    "-",
    "/".join(["d" * 200] * 5) + "/" + "x" * 19,
    "/".join(["é" * 100] * 5) + "/" + "x" * 19,
]


@pytest.fixture(params=["local", "memory", pytest.param("s3", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return ObjectStore.open(str(tmp_path / "store"))
    return ObjectStore.open("memory://" if request.param == "memory" else request.getfixturevalue("s3_location"))


def rows(store: ObjectStore, prefix: str = "") -> dict[str, ObjectVersion]:
    found: dict[str, ObjectVersion] = {}
    for batch in store.list(prefix):
        assert batch.schema == LISTING
        for row in batch.to_pylist():
            assert row["key"] not in found
            found[row["key"]] = ObjectVersion(**row)
    return found


def content(store: ObjectStore, version: ObjectVersion | str) -> bytes:
    with store.read(version) as file:
        return file.read()


@pytest.mark.parametrize("key", ODD_KEYS)
def test_e4_keys_with_any_characters_round_trip(store: ObjectStore, key: str) -> None:
    data = key.encode()
    put = store.put(key, data)
    assert put.key == key
    assert content(store, key) == data
    listed = rows(store)
    assert list(listed) == [key]
    assert listed[key].identity == put.identity == store.head(key).identity
    assert store.uri(key).endswith(key)
    store.delete([key])
    assert not store.exists(key)


def test_e4_a_key_of_1024_bytes(store: ObjectStore) -> None:
    for key in ODD_KEYS[-2:]:
        assert len(key.encode()) == 1024
        store.put(key, b"x")
    assert set(rows(store)) == set(ODD_KEYS[-2:])


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\nb", "a\0b", "x" * 1025])
def test_keys_that_leave_the_root_or_that_some_store_cannot_hold_are_refused(store: ObjectStore, key: str) -> None:
    for use in (store.head, store.read, store.uri, lambda key: store.put(key, b""), lambda key: store.delete([key])):
        with pytest.raises(UsageError, match="object key"):
            use(key)


def test_listing_takes_a_folder(store: ObjectStore) -> None:
    for key in ("a/1", "a/b/2", "ab/3", "4"):
        store.put(key, key.encode())
    assert set(rows(store)) == {"a/1", "a/b/2", "ab/3", "4"}
    assert set(rows(store, "a/")) == {"a/1", "a/b/2"}
    assert set(rows(store, "nothing/here/")) == set()
    with pytest.raises(UsageError, match="no folder"):
        store.list("a")


def test_listing_tells_what_head_tells(store: ObjectStore) -> None:
    put = store.put("a", b"12345")
    listed = rows(store)["a"]
    head = store.head("a")
    assert put.identity == listed.identity == head.identity
    assert head.size == 5
    assert abs((head.modified - listed.modified).total_seconds()) < 1


def test_putting_takes_bytes_paths_and_open_files(store: ObjectStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"from a file")
    store.put("1", b"bytes")
    store.put("2", file)
    with file.open("rb") as stream:
        store.put("3", stream)
    store.put("4", io.BytesIO(b""))
    assert [content(store, key) for key in "1234"] == [b"bytes", b"from a file", b"from a file", b""]


def test_e1_o1_other_bytes_are_another_version(store: ObjectStore) -> None:
    first = store.put("a", b"one")
    second = store.put("a", b"two")
    assert first.identity != second.identity
    assert content(store, "a") == b"two"


def test_if_absent_leaves_what_stands_there_alone(store: ObjectStore) -> None:
    store.put("a", b"first", if_absent=True)
    with pytest.raises(FileExistsError):
        store.put("a", b"second", if_absent=True)
    assert content(store, "a") == b"first"
    assert set(rows(store)) == {"a"}


def test_o2_an_object_that_is_gone(store: ObjectStore) -> None:
    version = store.put("a", b"one")
    store.delete(["a"])
    for use in (store.read, store.verify_unchanged):
        with pytest.raises(ObjectGone, match="a is not there"):
            use(version)
    for use in (store.head, store.read):
        with pytest.raises(ObjectGone):
            use("a")


@pytest.mark.parametrize("before", [b"one", b""])
def test_o2_an_object_that_was_replaced_is_not_read_as_the_old_one(store: ObjectStore, before: bytes) -> None:
    version = store.put("a", before)
    store.put("a", b"other")
    for use in (store.read, store.verify_unchanged):
        with pytest.raises(ObjectChanged, match="overwritten"):
            use(version)
    now = store.head("a")
    store.verify_unchanged(now)
    assert content(store, now) == b"other"


def test_o2_an_object_replaced_while_it_is_read_never_gives_a_mixture(store: ObjectStore) -> None:
    size = 20 * 1024**2
    version = store.put("a", b"1" * size)
    with store.read(version) as file:
        first = file.read(1000)
        store.put("a", b"2" * size)
        try:
            rest = file.read()
            store.verify_unchanged(version)
        except ObjectChanged:
            return
        assert set(first + rest) == {ord("1")}
    pytest.fail("the change went unnoticed")


def test_reading_seeks(store: ObjectStore) -> None:
    data = bytes(range(256)) * 80_000
    version = store.put("a", data)
    with store.read(version) as file:
        assert file.seekable()
        assert file.read(10) == data[:10]
        file.seek(-5, io.SEEK_END)
        assert file.read() == data[-5:]
        file.seek(9_000_000)
        assert file.read(3) == data[9_000_000:9_000_003]
        file.seek(0)
        assert b"".join(iter(lambda: file.read(1_000_003), b"")) == data


def test_a_writer_publishes_at_the_end_of_its_block(store: ObjectStore) -> None:
    with store.writer("a/b") as file:
        for number in range(10):
            file.write(b"%d\n" % number)
        assert not store.exists("a/b")
        assert rows(store) == {}
    assert content(store, "a/b") == b"".join(b"%d\n" % number for number in range(10))


def test_a_writer_of_much_is_whole(store: ObjectStore) -> None:
    block = bytes(1024**2)
    with store.writer("a") as file:
        for _ in range(40):
            file.write(block)
    assert store.head("a").size == 40 * 1024**2


def test_a_writer_that_fails_leaves_nothing_and_keeps_what_stood_there(store: ObjectStore, tmp_path: Path) -> None:
    store.put("old", b"old")
    for key in ("old", "new"):
        with pytest.raises(ZeroDivisionError), store.writer(key) as file:
            _ = file.write(bytes(40 * 1024**2)) / 0
    assert set(rows(store)) == {"old"}
    assert content(store, "old") == b"old"
    if store.is_local:
        assert [path.name for path in (tmp_path / "store").iterdir()] == ["old"]


def test_errors_of_the_writers_block_are_its_own(store: ObjectStore) -> None:
    for error in (FileNotFoundError(2, "No such file", "/elsewhere"), ConnectionRefusedError(111, "refused")):
        with pytest.raises(type(error)), store.writer("a"):
            raise error


def test_deleting_what_is_not_there_is_no_error(store: ObjectStore) -> None:
    store.put("a", b"")
    store.delete(["a", "b", "c/d"])
    store.delete([])
    assert rows(store) == {}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.dictionaries(st.sampled_from(ODD_KEYS[:8]), st.binary(max_size=50), max_size=8))
def test_what_is_put_is_what_is_listed_and_read(store: ObjectStore, data: dict[str, bytes]) -> None:
    store.delete(rows(store))
    for key, value in data.items():
        store.put(key, value)
    listed = rows(store)
    assert {key: content(store, version) for key, version in listed.items()} == data


@pytest.mark.parametrize("location", ["ftp://host/x", "s3://"])
def test_locations_that_cannot_be_opened(location: str) -> None:
    with pytest.raises(SettingsError, match="cannot be opened"):
        ObjectStore.open(location)
