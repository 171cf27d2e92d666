"""Files elsewhere: by pattern, each version once, under the right date, whole or not at all."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supply_lake.errors import ObjectChanged, SourceError, SourceUnavailable, SpecError
from supply_lake.extract.files_sftp import SftpFolder
from supply_lake.landing.pull import Landed
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.extract.servers import Sftp, Web
from supply_lake_tests.extract.shop import NOON, TODAY, Shop, orders
from supply_lake_tests.ingest.house import csv

Make = Callable[..., Shop]
CSV: dict[str, Any] = {"format": {"type": "csv"}, "mode": "append", "key_scope": "partition"}
HEADER = "order_id,sku,quantity,price,updated_at"
YESTERDAY = TODAY - dt.timedelta(days=1)


@pytest.fixture
def outbound(tmp_path: Path) -> Path:
    folder = tmp_path / "remote" / "out"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def web(outbound: Path) -> Iterator[Web]:
    server = Web(outbound.parent)
    yield server
    server.close()


@pytest.fixture
def sftp(outbound: Path) -> Iterator[Sftp]:
    server = Sftp(outbound.parent)
    yield server
    server.close()


@pytest.fixture(params=["file", "web", "sftp"])
def make(request: pytest.FixtureRequest, make_shop: Callable[..., Shop], outbound: Path) -> Make:
    """A dataset over each kind of place in turn."""

    def one(**more: Any) -> Shop:
        if request.param == "file":
            return make_shop(orders("files", {"url": f"file://{outbound}", **more}, **CSV))
        if request.param == "web":
            return make_shop(orders("files", {"url": f"{request.getfixturevalue('web').url}/out", **more}, **CSV))
        server: Sftp = request.getfixturevalue("sftp")
        login = {"url": server.url, "password": {"env": "PW"}, "host_key": server.host_key}
        return make_shop(orders("files", {**login, **more}, **CSV), {"PW": Sftp.PASSWORD})

    return one


def put(folder: Path, name: str, *ids: int, at: dt.datetime = NOON - dt.timedelta(hours=2)) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv([(n, "x", 1, 1, "2026-11-05") for n in ids], header=HEADER))
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def keys(landed: list[Landed]) -> list[str]:
    return [one.manifest.key for one in landed]


def test_every_version_of_a_file_lands_once_under_the_date_in_its_name(make: Make, outbound: Path) -> None:
    put(outbound, "orders_20261105.csv", 1, 2)
    put(outbound, "orders_20261103.csv", 3)
    put(outbound, "orders_20261001.csv", 4)
    put(outbound, "stock_20261105.csv", 5)
    put(outbound, "orders_20261105.csv.tmp", 6)
    shop = make(pattern="orders_{yyyy}{mm}{dd}*")
    assert keys(shop.pull()) == ["orders/2026/11/03/orders_20261103.csv", "orders/2026/11/05/orders_20261105.csv"]
    assert shop.pull() == []
    put(outbound, "orders_20261103.csv", 3, 7, at=NOON - dt.timedelta(hours=1))
    (landed,) = shop.pull()
    assert (landed.manifest.key, landed.new) == ("orders/2026/11/03/orders_20261103.csv", True)
    assert landed.manifest.bytes_reported == landed.manifest.size
    assert landed.manifest.request == "orders_20261103.csv"
    assert keys(shop.pull(dt.date(2026, 10, 1))) == ["orders/2026/10/01/orders_20261001.csv"]
    assert shop.puller.pull_between("2026-10-01", "2026-10-02") == []
    shop.ingest()
    assert [row[0] for row in shop.rows()] == [1, 2, 3, 4, 7]


def test_a_file_without_a_date_in_its_name_lands_under_the_date_of_its_change(make: Make, outbound: Path) -> None:
    put(outbound, "a b+ü.csv", 1, at=NOON - dt.timedelta(days=1))
    put(outbound, "b.csv", 2)
    shop = make(pattern="{file}")
    assert keys(shop.pull()) == ["orders/2026/11/04/a b+ü.csv", "orders/2026/11/05/b.csv"]


def test_an_empty_folder_gives_nothing(make: Make) -> None:
    assert make(pattern="*.csv").pull() == []


# --- a folder


def test_a_file_that_was_just_written_is_left_for_the_next_pull(make_shop: Callable[..., Shop], outbound: Path) -> None:
    put(outbound, "a.csv", 1, at=NOON - dt.timedelta(seconds=30))
    shop = make_shop(orders("files", {"url": f"file://{outbound}", "pattern": "*.csv"}, **CSV))
    assert shop.pull() == []
    shop.hands.move(60)
    assert len(shop.pull()) == 1


def test_files_of_one_name_in_two_folders_stay_two(make_shop: Callable[..., Shop], outbound: Path) -> None:
    put(outbound, "north/day.csv", 1)
    put(outbound, "south/day.csv", 2)
    shop = make_shop(orders("files", {"url": f"file://{outbound}", "pattern": "{path}"}, **CSV))
    assert sorted(keys(shop.pull())) == ["orders/2026/11/05/north__day.csv", "orders/2026/11/05/south__day.csv"]


def test_a_folder_that_is_not_there_is_told_and_not_made(make_shop: Callable[..., Shop], outbound: Path) -> None:
    shop = make_shop(orders("files", {"url": f"file://{outbound}/nowhere"}, **CSV))
    with pytest.raises(SourceUnavailable, match="there is no folder"):
        shop.pull()
    assert not (outbound / "nowhere").exists()


def test_a_file_that_keeps_changing_lands_nothing(
    make_shop: Callable[..., Shop], outbound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(outbound, "a.csv", 1)
    shop = make_shop(orders("files", {"url": f"file://{outbound}", "pattern": "*.csv"}, **CSV))

    def changed(*_: object) -> None:
        raise ObjectChanged("it was overwritten")

    monkeypatch.setattr(ObjectStore, "verify_unchanged", changed)
    with pytest.raises(SourceUnavailable, match=r"a\.csv changes while it is read"):
        shop.pull()
    shop.house.discover()
    assert shop.house.states() == {}


# --- HTTP


def test_one_url_a_day_is_asked_for_conditionally(make_shop: Callable[..., Shop], outbound: Path, web: Web) -> None:
    put(outbound, "2026-11-05.csv", 1)
    more = {"url": f"{web.url}/out", "pattern": "{yyyy}-{mm}-{dd}.csv", "again_days": 1}
    shop = make_shop(orders("files", more, **CSV))
    assert keys(shop.pull()) == ["orders/2026/11/05/2026-11-05.csv"]
    assert shop.pull() == []
    assert [status for _, _, status in web.requests] == [404, 200, 404, 304]


def test_an_url_without_a_date_is_what_it_is_today(make_shop: Callable[..., Shop], outbound: Path, web: Web) -> None:
    put(outbound, "latest.csv", 1)
    shop = make_shop(orders("files", {"url": f"{web.url}/out", "pattern": "latest.csv"}, **CSV))
    assert keys(shop.pull()) == ["orders/2026/11/05/latest.csv"]
    assert shop.pull(YESTERDAY) == []


def test_s3_a_web_server_that_stumbles_is_asked_again(make_shop: Callable[..., Shop], outbound: Path, web: Web) -> None:
    put(outbound, "latest.csv", 1)
    shop = make_shop(orders("files", {"url": f"{web.url}/out", "pattern": "latest.csv", "tries": 3}, **CSV))
    web.fail = [503, 429]
    assert len(shop.pull()) == 1
    web.fail = [403]
    with pytest.raises(SourceError, match="refuses the credentials"):
        shop.pull()


# --- SFTP


def test_sftp_by_key(make_shop: Callable[..., Shop], outbound: Path, sftp: Sftp) -> None:
    put(outbound, "deep/er/a.csv", 1)
    more = {"url": sftp.url, "private_key": {"env": "KEY"}, "host_key": sftp.host_key, "pattern": "{path}"}
    shop = make_shop(orders("files", more, **CSV), {"KEY": sftp.user_key.export_private_key().decode()})
    assert keys(shop.pull()) == ["orders/2026/11/05/deep__er__a.csv"]


@pytest.mark.parametrize(
    ("more", "env", "says"),
    [
        ({}, {"PW": "s3cr3t-wrong"}, "refuses: Permission denied"),
        ({"host_key": None}, {"PW": Sftp.PASSWORD}, "give the server's public key as `host_key`"),
        ({"url": "sftp://feeds@127.0.0.1:1/out"}, {"PW": Sftp.PASSWORD}, "does not answer"),
        ({"nowhere": True}, {"PW": Sftp.PASSWORD}, "refuses: "),
    ],
)
def test_what_sftp_refuses_is_told_without_secrets(
    make_shop: Callable[..., Shop],
    sftp: Sftp,
    more: dict[str, Any],
    env: dict[str, str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    declared = {"url": sftp.url, "password": {"env": "PW"}, "host_key": sftp.host_key, **more}
    if declared.pop("nowhere", False):
        declared["url"] = sftp.url.replace("/out", "/nowhere")
    shop = make_shop(orders("files", {name: value for name, value in declared.items() if value}, **CSV), env)
    with pytest.raises(SourceError, match=says) as caught:
        shop.pull()
    assert env["PW"] not in str(caught.value)


def test_a_connection_that_breaks_midway_lands_what_was_whole(
    make_shop: Callable[..., Shop], outbound: Path, sftp: Sftp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        put(outbound, f"{name}.csv", 1)
    more = {"url": sftp.url, "password": {"env": "PW"}, "host_key": sftp.host_key, "pattern": "*.csv"}
    shop = make_shop(orders("files", more, **CSV), {"PW": Sftp.PASSWORD})
    fetch = SftpFolder.fetch

    def breaking(self: SftpFolder, file: Any, known: dict[str, str], path: Path) -> Any:
        if file.path == "b.csv":
            self._connection.abort()
        return fetch(self, file, known, path)

    with monkeypatch.context() as patched:
        patched.setattr(SftpFolder, "fetch", breaking)
        with pytest.raises(SourceUnavailable):
            shop.pull(TODAY)
    assert keys(shop.pull()) == ["orders/2026/11/05/b.csv", "orders/2026/11/05/c.csv"]


# --- a bucket


@pytest.mark.integration
def test_another_bucket(make_shop: Callable[..., Shop], s3_location: str) -> None:
    store = ObjectStore.open(s3_location)
    today = dt.datetime.now(dt.UTC)
    store.put("feeds/a.csv", csv([(1, "x", 1, 1, "2026-11-05")], header=HEADER).encode())
    shop = make_shop(orders("files", {"url": s3_location, "pattern": "feeds/*.csv"}, **CSV))
    shop.hands.time = today + dt.timedelta(minutes=1)
    assert keys(shop.pull()) == [f"orders/{today:%Y/%m/%d}/feeds__a.csv"]
    assert shop.pull() == []
    store.put("feeds/a.csv", csv([(1, "y", 1, 1, "2026-11-05")], header=HEADER).encode())
    (landed,) = shop.pull()
    assert landed.manifest.version["etag"]
    assert json.dumps(landed.manifest.to_json())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"url": "ftp://host/x"}, "ftp:// is no place for files; it takes https://"),
        ({"url": "s3://b/x", "password": {"env": "A"}}, "are for sftp://"),
        ({"url": "sftp://u:pw@h/x"}, "it carries a secret itself"),
        ({"url": "s3://b/x", "pattern": "{yyyy}"}, "has only {yyyy}"),
        ({"url": "s3://b/x", "auth": {"type": "bearer", "token": {"env": "A"}}}, "`auth` is for http://"),
    ],
)
def test_declarations_that_cannot_be(make_shop: Callable[..., Shop], more: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        make_shop(orders("files", more, **CSV))
