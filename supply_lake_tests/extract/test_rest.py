"""Pulls from an HTTP API that misbehaves: nothing lost, nothing twice, no secret told, no real waiting."""

from __future__ import annotations

import datetime as dt
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from supply_lake.errors import SourceError, SourceUnavailable
from supply_lake.extract.json_records import BrokenAnswer, NoRecords, parse
from supply_lake.landing.pull import Landed
from supply_lake_tests.extract.api import Api
from supply_lake_tests.extract.shop import Shop, orders

Make = Callable[..., Shop]
JSONL = {"format": {"type": "jsonl"}}
ITEMS = {"path": "/pages", "records": "items", "paging": {"type": "page", "param": "page", "size": 3, "size_param": "size"}}
OFFSETS = {"path": "/offsets", "records": "items", "paging": {"type": "offset", "param": "offset"}}
CURSOR = {"path": "/cursors", "records": "items", "paging": {"type": "cursor", "param": "cursor", "next": "meta.next"}}
LINKS = {"path": "/links", "paging": {"type": "link"}}
URLS = {"path": "/urls", "records": "items", "paging": {"type": "next_url", "next": "meta.url"}}
WAYS = {"page": ITEMS, "offset": OFFSETS, "cursor": CURSOR, "link": LINKS, "next_url": URLS}


@pytest.fixture
def make(make_shop: Callable[..., Shop], api: Api) -> Make:
    def one(more: dict[str, Any], env: dict[str, str] | None = None, **dataset: Any) -> Shop:
        return make_shop(orders("rest", {"url": api.url, **more}, **JSONL, **dataset), env)

    return one


def some(rows: int, first: int = 1) -> list[dict[str, Any]]:
    return [
        {
            "order_id": n,
            "sku": f"sku-{n % 7}",
            "quantity": n % 10,
            "price": n * 1.25,
            "updated_at": f"2026-11-05T00:{n // 60 % 60:02}:{n % 60:02}Z",
        }
        for n in range(first, first + rows)
    ]


def landed_in(shop: Shop, landed: Landed) -> list[dict[str, Any]]:
    path = Path(shop.house.stores.landing.location) / landed.manifest.key
    with pa.CompressedInputStream(str(path), "zstd") as file:
        return [json.loads(line) for line in file.read().decode().splitlines()]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rows", [0, 1, 3, 10])
def test_every_way_of_paging_gives_every_record_once(make: Make, api: Api, way: str, rows: int) -> None:
    api.records = some(rows)
    shop = make(WAYS[way])
    (landed,) = shop.pull()
    assert landed_in(shop, landed) == api.records
    assert (landed.manifest.rows, landed.manifest.key) == (rows, "orders/2026/11/05/whole.jsonl.zst")
    assert landed.manifest.bytes_reported
    shop.ingest()
    assert len(shop.rows()) == rows


def test_records_land_as_they_were_written(make: Make) -> None:
    shop = make({"path": "/raw", "records": "items"})
    (landed,) = shop.pull()
    path = Path(shop.house.stores.landing.location) / landed.manifest.key
    with pa.CompressedInputStream(str(path), "zstd") as file:
        lines = file.read().decode().splitlines()
    assert lines == ['{"order_id": 1, "price": 1.10,  "price": 1.100000000000000000001}', '{"order_id":2}']


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
def test_s3_whatever_goes_wrong_now_and_then_every_record_lands_once(make: Make, api: Api, way: str, seed: int) -> None:
    api.records = some(10)
    rng = random.Random(seed)
    kinds: list[int | str] = [429, 500, 502, 503, 504, "drop", "cut", "torn", "html"]
    api.faults = {number: rng.choice(kinds) for number in range(1, 60) if rng.random() < 0.5}
    shop = make({**WAYS[way], "tries": 20})
    (landed,) = shop.pull()
    assert landed_in(shop, landed) == api.records
    assert shop.hands.slept


@pytest.mark.parametrize("asked", ["17", "Thu, 05 Nov 2026 12:00:17 GMT"])
def test_s3_retry_after_is_waited_for(make: Make, api: Api, asked: str) -> None:
    api.records = some(2)
    api.faults, api.headers = {1: 429}, {1: {"Retry-After": asked}}
    shop = make({"path": "/plain", "records": "data.items"})
    shop.pull()
    (slept,) = shop.hands.slept
    assert 17 <= slept <= 18
    api.faults, api.headers = {3: 429}, {3: {"Retry-After": "90000"}}
    with pytest.raises(SourceUnavailable, match="asks to be left alone for 90,000 seconds"):
        shop.pull()


@pytest.mark.parametrize("fault", [503, "drop", "cut", "torn"])
def test_s3_a_page_that_never_comes_whole_lands_nothing(make: Make, api: Api, fault: int | str) -> None:
    api.records = some(10)
    api.faults = dict.fromkeys(range(3, 60), fault)
    shop = make({**CURSOR, "tries": 4})
    with pytest.raises(SourceUnavailable, match="does not answer, after 4 tries"):
        shop.pull()
    assert len(shop.hands.slept) == 3
    shop.house.discover()
    assert shop.house.states() == {}
    api.faults = {}
    assert shop.pull()[0].manifest.rows == 10


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", ["page", "offset"])
def test_s3_pages_that_shift_while_they_are_read_lose_nothing_and_give_nothing_twice(
    make: Make, api: Api, way: str, seed: int
) -> None:
    api.records = some(12)
    rng = random.Random(seed)

    def shift(number: int) -> None:
        if number > 9:
            return
        if rng.random() < 0.5:
            api.records = [*some(1, first=100 + number), *api.records]
        elif rng.random() < 0.7:
            api.records = api.records[1:]

    api.before = shift
    shop = make(WAYS[way])
    (landed,) = shop.pull()
    assert landed_in(shop, landed) == api.records
    assert any("records moved between pages" in note for note in landed.manifest.notes)


def test_s3_pages_that_never_stand_still_are_refused_and_appended_records_are_left_to_the_next_pull(
    make: Make, api: Api
) -> None:
    api.records = some(7)
    api.before = lambda number: api.records.append(some(1, first=100 + number)[0])
    shop = make(ITEMS)
    (landed,) = shop.pull()
    assert [one["order_id"] for one in landed_in(shop, landed)][:7] == [1, 2, 3, 4, 5, 6, 7]
    api.before = lambda _: api.records.insert(0, some(1, first=1_000)[0])
    with pytest.raises(SourceError, match="kept moving between pages"):
        shop.pull()


def test_pages_that_are_declared_steady_are_read_once(make: Make, api: Api) -> None:
    api.records = some(7)
    shop = make({**ITEMS, "paging": {**ITEMS["paging"], "steady": True, "more": "more"}, "total": "total"})
    (landed,) = shop.pull()
    assert (len(api.seen), landed.manifest.rows_reported) == (3, 7)
    assert "3 requests" in landed.manifest.notes


# --- windows


def test_s2_ten_thousand_rows_on_one_cursor_value_are_all_read_in_bounded_memory(make: Make, api: Api) -> None:
    same = "2026-11-05T06:00:00Z"
    api.records = [{**one, "updated_at": same} for one in some(10_000)]
    more = {**CURSOR, "params": {"since": "{from}", "size": 100}, "cursor": {"by": "updated_at"}}
    shop = make(more)
    tracemalloc.start()
    (landed,) = shop.pull()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert landed.manifest.rows == 10_000
    assert peak < 20_000_000  # the server's own ten thousand included
    assert shop.puller.position() == same
    api.records += [{**one, "updated_at": same} for one in some(5, first=20_000)]
    (landed,) = shop.pull()
    assert landed.manifest.rows == 10_005
    shop.ingest()
    assert len(shop.rows()) == 10_005


def test_s1_a_cursor_goes_back_by_its_lag(make: Make, api: Api) -> None:
    api.records = some(10)
    more = {**CURSOR, "params": {"since": "{from}", "until": "{to}"}, "cursor": {"by": "updated_at", "lag": 5}}
    shop = make(more)
    shop.pull()
    assert "since" not in api.seen[0]
    assert "until=2026-11-05T12%3A00%3A00Z" in api.seen[0]
    api.records += [{**some(1, first=99)[0], "updated_at": "2026-11-05T00:00:06Z"}]
    (landed,) = shop.pull()
    assert landed.manifest.start == "2026-11-05T00:00:05Z"
    assert landed.manifest.rows == 7
    shop.ingest()
    assert len(shop.rows()) == 11


def test_nothing_new_lands_nothing(make: Make, api: Api) -> None:
    shop = make({**CURSOR, "params": {"since": "{from}"}, "cursor": {"by": "updated_at", "start": "2026-11-01"}})
    assert shop.pull() == []
    assert "since=2026-11-01" in api.seen[0]


@pytest.mark.parametrize(
    ("form", "said"),
    [("", "2026-11-03T00:00:00+01:00"), ("%Y%m%d", "20261103"), ("unix", "1793660400"), ("unix_ms", "1793660400000")],
)
def test_a_day_is_asked_for_as_the_api_wants_it(make: Make, api: Api, form: str, said: str) -> None:
    more = {"path": "/plain", "records": "data.items", "params": {"from": "{from}", "day": "{date}"}, "time_format": form}
    shop = make({**more, "window": {"timezone": "Europe/Berlin"}}, mode="replace", key_scope="partition")
    (landed,) = shop.pull(dt.date(2026, 11, 3))
    assert landed.manifest.key == "orders/2026/11/03/2026-11-03.jsonl.zst"
    from urllib.parse import parse_qs, urlsplit

    assert parse_qs(urlsplit(api.seen[0]).query) == {"from": [said], "day": ["2026-11-03"]}


def test_parents_and_children(make: Make, api: Api) -> None:
    api.records = some(5)
    parent = {**ITEMS, "fields": {"order_id": "order_id", "sku": "sku"}}
    shop = make({"path": "/orders/{order_id}/lines", "parent": parent})
    (landed,) = shop.pull()
    assert landed_in(shop, landed) == [
        {"order_id": n, "sku": f"sku-{n % 7}", "line": line, "of": n} for n in range(1, 6) for line in range(n % 3)
    ]


# --- manners and credentials


def test_requests_keep_to_the_pace(make: Make, api: Api) -> None:
    api.records = some(9)
    shop = make({**CURSOR, "requests_per_second": 2})
    shop.pull()
    assert shop.hands.slept == [0.5, 0.5]


@pytest.mark.parametrize(
    ("auth", "wants"),
    [
        ({"type": "bearer", "token": {"env": "SECRET"}}, "Bearer hunter-2-hunter"),
        ({"type": "basic", "user": "me", "password": {"env": "SECRET"}}, "Basic bWU6aHVudGVyLTItaHVudGVy"),
        ({"type": "api_key", "key": {"env": "SECRET"}}, "hunter-2-hunter"),
    ],
)
def test_credentials_are_sent_and_never_told(make: Make, api: Api, auth: dict[str, Any], wants: str) -> None:
    api.records, api.wants = some(2), wants
    more = {"path": "/plain", "records": "data.items", "auth": auth, "params": {"trace": "${SECRET}"}}
    (landed,) = make(more, {"SECRET": "hunter-2-hunter"}).pull()
    assert "hunter" not in json.dumps(landed.manifest.to_json())
    with pytest.raises(SourceError, match="refuses the credentials") as caught:
        make(more, {"SECRET": "hunter-3-hunter"}).pull()
    assert "hunter" not in str(caught.value)
    with pytest.raises(SourceError, match="needs the environment variable SECRET"):
        make(more, {}).pull()


def test_a_key_in_the_query_is_not_told_when_the_api_is_away(make: Make, api: Api) -> None:
    auth = {"type": "api_key", "param": "key", "key": {"env": "SECRET"}}
    api.faults = dict.fromkeys(range(1, 9), 500)
    with pytest.raises(SourceUnavailable) as caught:
        make({"path": "/plain", "auth": auth, "tries": 2}, {"SECRET": "hunter-2-hunter"}).pull()
    assert "key=hunter-2-hunter" in api.seen[0]
    assert "hunter" not in str(caught.value)


def test_s3_tokens_that_expire_midway_are_renewed(make: Make, api: Api) -> None:
    api.records, api.wants = some(30), "token"
    auth = {"type": "oauth2", "token_url": f"{api.url}/token", "client_id": "me", "client_secret": {"env": "SECRET"}}
    api.refused_after = 7
    shop = make({**CURSOR, "auth": auth, "requests_per_second": 0.1}, {"SECRET": "s3cr3t-client"})
    (landed,) = shop.pull()
    assert landed_in(shop, landed) == api.records
    assert len(api.tokens) > 3
    api.faults = {len(api.seen) + 1: 503}
    assert shop.pull()[0].new is False
    with pytest.raises(SourceError, match=r"gives no token \(status 400\)"):
        make({**CURSOR, "auth": auth}, {"SECRET": "s3cr3t-wrong"}).pull()


def test_credentials_go_to_no_other_host(make: Make, api: Api) -> None:
    api.records = some(1)
    auth = {"type": "bearer", "token": {"env": "SECRET"}}
    with pytest.raises(SourceError, match="is not asked with its credentials"):
        make({"path": "/elsewhere", "auth": auth}, {"SECRET": "hunter-2"}).pull()
    assert make({"path": "/moved", "records": "data.items", "auth": auth}, {"SECRET": "hunter-2"}).pull()[0].manifest.rows == 1


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (
            {"path": "/circle", "records": "items", "paging": {"type": "cursor", "param": "cursor", "next": "next"}},
            "in a circle",
        ),
        ({"path": "/plain", "records": "data.rows"}, "the answer has no `data.rows`; set `records`"),
        ({"path": "/pages"}, "cannot be asked|does not answer"),
    ],
)
def test_answers_that_make_no_sense_are_refused(make: Make, api: Api, more: dict[str, Any], says: str) -> None:
    api.records = some(3)
    with pytest.raises(SourceError, match=says):
        make({**more, "tries": 2}).pull()


def test_a_search_by_post_has_its_parameters_in_the_body(make: Make, api: Api) -> None:
    api.records = some(5)
    shop = make({**CURSOR, "method": "POST", "params": {"size": 2, "open": True}})
    (landed,) = shop.pull()
    assert landed_in(shop, landed) == api.records
    assert all("?" not in one for one in api.seen)


# --- cutting answers


@pytest.mark.parametrize(
    ("text", "path", "lines"),
    [
        (b"[]", "", []),
        (b' [ 1 , "a,]" , {"b": [1]} ] ', "", ["1", '"a,]"', '{"b": [1]}']),
        (b'{"a": 1}', "", ['{"a": 1}']),
        (b'{"x": {"y": 0}, "a": {"b": [{"c":\n1}]}, "z": 2}', "a.b", ['{"c": 1}']),
        (b'{"a": [1], "a": [2]}', "a", ["2"]),
        (b'{"a": null}', "a", []),
        ('\ufeff[{"ü": "\\n"}]'.encode(), "", ['{"ü": "\\n"}']),
        ('[{"a": 1}]'.encode("utf-16"), "", ['{"a": 1}']),
    ],
)
def test_records_are_cut_out_as_they_stand(text: bytes, path: str, lines: list[str]) -> None:
    assert [record.line for record in parse(text, path).records] == lines


@pytest.mark.parametrize("text", [b"", b"[1, 2", b'{"a": [1,]}', b"<html>", b"\xff\xfe\x00", b"[" * 100_000, b'{"a": "\n"}'])
def test_what_is_no_json_is_broken(text: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        parse(text, "a")


@pytest.mark.parametrize(("text", "path"), [(b"[]", "a"), (b'{"b": 1}', "a"), (b'{"a": 1}', "a.b")])
def test_a_place_that_is_not_there_is_told(text: bytes, path: str) -> None:
    with pytest.raises(NoRecords, match="the answer has no"):
        parse(text, path)
