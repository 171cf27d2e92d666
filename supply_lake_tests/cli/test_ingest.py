"""``supply-lake ingest``, through Dagster."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from supply_lake.cli.ingest import NotAllPublished, refuse_silence
from supply_lake.errors import StoreUnavailable
from supply_lake.snapshots.records import Batch, Rows, Status
from supply_lake_tests.cli.conftest import Cli
from supply_lake_tests.query.made_lake import DAY, ORDERS, MadeLake, named

HEADER = "order_id,quantity,price\n"


def test_ingest_publishes_what_is_good_reports_every_batch_and_fails_for_what_is_not(
    make_lake: Callable[..., MadeLake], cli: Cli
) -> None:
    lake = make_lake({**ORDERS, "error_threshold": 0.5}, named("parts", start_date="2025-06-01"))
    lake.stores.landing.put("orders/2026/11/01/good.csv", f"{HEADER}o1,1,1.50\no2,many,1\n".encode())
    lake.stores.landing.put("parts/2026/11/02/bad.csv", f"{HEADER}o1,many,1.50\n".encode())
    done = cli("ingest", "--json")
    batches = {one["dataset"]: one for one in json.loads(done.out)}
    assert {name: one["status"] for name, one in batches.items()} == {"orders": "committed", "parts": "rejected"}
    assert batches["orders"]["rows"] == {"landed": 2, "published": 1, "rejected": 1, "deduplicated": 0}
    assert done.status == 1
    assert done.err.startswith("supply-lake: parts 2026-11-02 was rejected: 1 of 1 rows break the contract")
    assert len(done.err.splitlines()) == 1
    assert json.loads(cli("query", "SELECT order_id, price FROM orders", "--json").out) == [{"order_id": "o1", "price": 1.5}]
    assert [one["value"] for one in json.loads(cli("rejects", "parts", "--json").out)] == ["many"]
    assert cli("verify").status == 0
    again = cli("ingest")
    assert (again.status, again.out) == (0, "Nothing was pending.\n")


def test_ingest_of_one_dataset_leaves_the_others_waiting(make_lake: Callable[..., MadeLake], cli: Cli) -> None:
    lake = make_lake(ORDERS, named("parts"))
    for name in ("orders", "parts"):
        lake.stores.landing.put(f"{name}/2026/11/01/a.csv", f"{HEADER}o1,1,1.50\n".encode())
    done = cli("ingest", "parts")
    assert done.status == 0
    assert done.out.splitlines()[1].split() == ["parts", "2026-11-01", "committed", "1", "1", "1", "1", "0", "0"]
    assert [one["pending"] for one in json.loads(cli("datasets", "--json").out)] == [1, 0]


def test_what_rules_found_is_told_and_shown(make_lake: Callable[..., MadeLake], cli: Cli) -> None:
    rules = [
        {"name": "few", "severity": "warn", "row": "quantity < 9"},
        {"name": "cheap", "sum": {"column": "price", "at_most": 100}},
    ]
    lake = make_lake({**ORDERS, "quality": rules})
    lake.stores.landing.put("orders/2026/11/01/a.csv", f"{HEADER}o1,1,1.50\no2,10,2.50\n".encode())
    done = cli("ingest")
    assert done.status == 0
    assert (
        "orders 2026-11-01: warning of rule few: 1 of 2 rows break it (50.0%, where none may); the first is "
        "orders/2026/11/01/a.csv:3\n"
    ) in done.out
    (snapshot,) = json.loads(cli("snapshots", "orders", "--json").out)
    assert [(one["rule"], one["passed"], one["observed"]) for one in snapshot["quality"]] == [
        ("few", False, 0.5),
        ("cheap", True, 4.0),
    ]
    shown = " ".join(cli("show", snapshot["snapshot_id"]).out.split())
    assert "few warn NO 1 of 2 rows break it" in shown
    assert "cheap reject yes the sum of price on 2026-11-01 is 4.00, where at most 100 is allowed" in shown
    lake.stores.landing.put("orders/2026/11/02/a.csv", f"{HEADER}o1,1,101\n".encode())
    refused = cli("ingest")
    assert refused.status == 1
    assert "was rejected: rule cheap: the sum of price on 2026-11-02 is 101.00" in refused.err


def test_what_holds_for_many_dates_is_said_once(make_lake: Callable[..., MadeLake], cli: Cli) -> None:
    columns = [*ORDERS["columns"], {"name": "note", "type": "string"}]
    columns[1] = {**columns[1], "integral_floats": True}
    lake = make_lake({**ORDERS, "columns": columns})
    for day, rows in ((1, "o1,1.0,2\no2,2.0,2\n"), (2, "o3,1,2\n"), (4, "o4,1.0,2\n")):
        lake.stores.landing.put(f"orders/2026/11/0{day}/a.csv", f"{HEADER}{rows}".encode())
    said = cli("ingest").out.splitlines()[4:]
    assert said == [
        "orders 2026-11-01 to 2026-11-04, 3 batches: column 'note' is missing, so it is null",
        "orders 2026-11-01 to 2026-11-04, 2 batches: values of 'quantity' were written as floats and read as int64 (3 times)",
    ]


def test_m5_what_was_published_before_a_store_went_away_is_reported(
    make_lake: Callable[..., MadeLake], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = make_lake()
    lake.commit([("o1", 1, Decimal("1.50"))])

    def breaks_off(_: object, __: object, on_batch: Callable[[Batch], None], ___: object) -> None:
        on_batch(lake.stores.metadata.batches("orders")[0])
        raise StoreUnavailable("the metadata store is away; run it again when it is back")

    monkeypatch.setattr("supply_lake.sensors.once.run_everything", breaks_off)
    done = cli("ingest", "--json")
    assert (done.status, done.err) == (1, "supply-lake: the metadata store is away; run it again when it is back\n")
    assert [one["commit"] for one in json.loads(done.out)] == [1]
    assert "committed" in cli("ingest").out


def test_what_landed_and_was_not_run_is_told(lake: MadeLake, cli: Cli) -> None:
    lake.stores.landing.put("order/a.csv", HEADER.encode())
    done = cli("ingest")
    assert done.status == 0
    assert done.out.startswith("order/a.csv is refused: no dataset takes this key")
    assert cli("ingest").out == "Nothing was pending.\n"


def test_the_reason_of_a_store_that_is_away_comes_before_those_of_bad_batches() -> None:
    bad = Batch("b1", "orders", DAY, Status.REJECTED, Rows(1, 0, 1, 0), reason="too many")
    with pytest.raises(NotAllPublished, match=r"^the lake is full; make room \(and 1 more\)$"):
        refuse_silence([bad], ["orders 2026-11-01: rejected: too many\nthe lake is full; make room"])
