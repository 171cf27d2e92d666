from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supply_lake.errors import ObjectChanged, ObjectGone, StoreUnavailable
from supply_lake.storage import connections, ranged_file
from supply_lake.storage.object_store import ObjectStore
from supply_lake.storage.ranged_file import RangedFile


@given(
    size=st.integers(1, 100),
    block=st.integers(1, 40),
    moves=st.lists(st.one_of(st.tuples(st.just("read"), st.integers(0, 60)), st.tuples(st.just("seek"), st.integers(0, 120)))),
)
def test_a_ranged_file_is_a_file(size: int, block: int, moves: list[tuple[str, int]]) -> None:
    data = bytes(range(size))
    expected = io.BytesIO(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranged_file, "BLOCK", block)
        with io.BufferedReader(RangedFile(size, lambda start, end: memoryview(data)[start:end]), 8) as file:  # type: ignore[type-var]
            for what, amount in moves:
                assert getattr(file, what)(amount) == getattr(expected, what)(amount)
            assert file.read() == expected.read()


def test_a_ranged_file_fetches_a_block_once_when_read_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged_file, "BLOCK", 10)
    fetched: list[int] = []

    def fetch(start: int, end: int) -> memoryview:
        fetched.append(start)
        return memoryview(bytes(end - start))

    with io.BufferedReader(RangedFile(95, fetch), 7) as file:  # type: ignore[type-var]
        assert len(file.read()) == 95
    assert sorted(fetched) == list(range(0, 95, 10))


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the discard port: nothing listens
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "an-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush-hush")
    monkeypatch.setattr(connections, "_RETRY", {"max_retries": 0})
    return ObjectStore.open("s3://bucket/place")


def test_m5_a_store_that_does_not_answer_is_named_without_secrets(unreachable: ObjectStore) -> None:
    for use in (
        lambda: list(unreachable.list()),
        lambda: unreachable.head("a"),
        lambda: unreachable.read("a"),
        lambda: unreachable.put("a", b""),
        lambda: unreachable.delete(["a"]),
    ):
        with pytest.raises(StoreUnavailable, match="s3://bucket/place does not answer") as raised:
            use()
        assert "hush" not in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.integration
def test_m5_a_bucket_that_is_missing(s3_location: str) -> None:
    store = ObjectStore.open("s3://no-such-bucket/place")
    for use in (lambda: list(store.list()), lambda: store.put("a", b""), lambda: list(store.list("a/"))):
        with pytest.raises(StoreUnavailable, match="no such bucket"):
            use()


@pytest.mark.integration
@pytest.mark.parametrize("bad", ["a//b.csv", "./x", "/x", "tab\there", "del\x7f"])
def test_a_key_that_cannot_be_read_does_not_hide_its_neighbours(s3_location: str, s3_server: Any, bad: str) -> None:
    store = ObjectStore.open(s3_location)
    bucket = s3_location.split("/")[2]
    for key in ("0", "m/1", "z"):
        store.put(key, b"x")
    s3_server.client.put_object(Bucket=bucket, Key=f"some/place/{bad}", Body=b"y")
    listed = [key for batch in store.list() for key in batch["key"].to_pylist()]
    assert sorted(listed) == sorted(["0", "m/1", "z", bad])


@pytest.mark.integration
def test_e6_objects_of_a_multipart_upload_and_copies_are_objects_like_any(
    s3_location: str, s3_server: Any, tmp_path: Path
) -> None:
    store = ObjectStore.open(s3_location)
    bucket = s3_location.split("/")[2]
    file = tmp_path / "big"
    file.write_bytes(bytes(20 * 1024**2))
    put = store.put("big", file)
    assert put.etag.endswith("-3")
    s3_server.client.copy_object(Bucket=bucket, Key="some/place/copy", CopySource={"Bucket": bucket, "Key": "some/place/big"})
    for key in ("big", "copy"):
        version = store.head(key)
        assert version.size == 20 * 1024**2
        with store.read(version) as stream:
            assert stream.read() == bytes(20 * 1024**2)
    assert "Uploads" not in s3_server.client.list_multipart_uploads(Bucket=bucket)


@pytest.mark.integration
def test_a_listing_of_several_pages_is_whole(s3_location: str) -> None:
    store = ObjectStore.open(s3_location)
    for number in range(1_050):
        store._backend._store.put(f"{number}", b"")  # type: ignore[attr-defined]
    listed = [key for batch in store.list() for key in batch["key"].to_pylist()]
    assert sorted(listed, key=int) == [str(number) for number in range(1_050)]


@pytest.mark.integration
def test_an_s3_object_changed_between_two_blocks_is_noticed(s3_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranged_file, "BLOCK", 1024**2)
    store = ObjectStore.open(s3_location)
    version = store.put("a", bytes(5 * 1024**2))
    with store.read(version) as file:
        file.read(1)
        store.delete(["a"])
        with pytest.raises(ObjectGone):
            file.read()
    version = store.put("a", bytes(5 * 1024**2))
    with store.read(version) as file:
        file.read(1)
        store.put("a", b"1")
        with pytest.raises(ObjectChanged):
            file.read()


@pytest.mark.integration
def test_credentials_may_come_from_a_profile(s3_location: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    secrets = "aws_access_key_id = an-id\naws_secret_access_key = hush-hush\n"
    (tmp_path / "credentials").write_text(f"[team]\n{secrets}[far]\n{secrets}")
    (tmp_path / "config").write_text("[profile team]\nregion = us-east-1\n[profile far]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "team")
    store = ObjectStore.open(s3_location)
    store.put("a", b"1")
    assert store.head("a").size == 1
    monkeypatch.setenv("AWS_PROFILE", "far")
    with pytest.raises(StoreUnavailable, match="is in another region; set AWS_REGION"):
        ObjectStore.open(s3_location).put("a", b"1")


@pytest.mark.integration
def test_many_objects_are_deleted_whether_they_are_there_or_not(s3_location: str) -> None:
    store = ObjectStore.open(s3_location)
    for number in range(30):
        store.put(f"{number} +%", b"")
    store.delete([f"{number} +%" for number in range(-1_000, 30)])
    assert [batch.num_rows for batch in store.list() if batch.num_rows] == []


@pytest.mark.parametrize(
    ("encryption", "options"),
    [
        ("", {}),
        ("sse-s3", {"server_side_encryption": "AES256"}),
        # The emulator asks for a key where S3 takes the account's own.
        ("sse-kms", {"server_side_encryption": "aws:kms", "sse_bucket_key_enabled": True}),
        ("sse-kms:arn:aws:kms:x:1:key/2", {
            "server_side_encryption": "aws:kms", "sse_bucket_key_enabled": True, "sse_kms_key_id": "arn:aws:kms:x:1:key/2"
        }),
    ],
)  # fmt: skip
def test_how_s3_is_told_to_encrypt(encryption: str, options: dict[str, Any]) -> None:
    assert connections._s3_encryption(encryption) == options
