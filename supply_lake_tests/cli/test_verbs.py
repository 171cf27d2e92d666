"""What each verb prints, and how it ends."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.records import snapshot_json
from supply_lake_tests.cli.conftest import Cli
from supply_lake_tests.ingest.house import ORDERS as HOUSE_ORDERS
from supply_lake_tests.ingest.house import House
from supply_lake_tests.query.made_lake import ORDERS, MadeLake, named

ONE = ("o1", 1, Decimal("1.50"))
TWO = ("o2", 2, Decimal("2.50"))
BAD = (3, "quantity", "many", "is no int64")
NEXT_DAY = dt.date(2026, 11, 2)
TOMORROW = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()


def test_land_puts_files_under_the_datasets_keys(lake: MadeLake, cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("order_id,quantity,price\n")
    done = cli("land", "orders", str(file), "--date", "2026-11-03", "--json")
    assert done.status == 0
    (landed,) = json.loads(done.out)
    assert landed["key"] == "orders/2026/11/03/new.csv"
    assert Path(landed["uri"]).read_bytes() == file.read_bytes()
    assert (landed["dataset"], landed["size"]) == ("orders", 24)
    assert landed["uri"] in cli("land", "orders", str(file)).out.replace(f"{dt.datetime.now(dt.UTC):%Y/%m/%d}", "2026/11/03")


def test_datasets_with_what_is_live_and_what_waits(make_lake: Callable[..., MadeLake], cli: Cli) -> None:
    lake = make_lake(ORDERS, named("parts"))
    snapshot = lake.commit([ONE, TWO])
    lake.land("orders/2026/11/01/waiting.csv", b"x")
    orders, parts = json.loads(cli("datasets", "--json").out)
    assert orders["dataset"] == "orders"
    assert orders["committed_at"] == snapshot.committed_at.isoformat() if snapshot.committed_at else False
    assert {key: orders[key] for key in ("commit", "rows", "snapshots", "partitions", "pending", "mode", "owner")} == {
        "commit": 1, "rows": 2, "snapshots": 1, "partitions": 1, "pending": 1, "mode": "append", "owner": "team:planning",
    }  # fmt: skip
    assert (parts["commit"], parts["committed_at"], parts["rows"]) == (0, None, 0)
    assert cli("datasets").out.splitlines()[1].split()[:3] == ["orders", "append", "1"]


@pytest.mark.parametrize(
    ("late", "says"), [(dt.timedelta(minutes=5), "5 min"), (dt.timedelta(hours=5), "5 h"), (dt.timedelta(hours=61), "3 days")]
)
def test_a_late_dataset_is_told_with_how_late_it_is(
    make_lake: Callable[..., MadeLake], cli: Cli, monkeypatch: pytest.MonkeyPatch, late: dt.timedelta, says: str
) -> None:
    lake = make_lake({**ORDERS, "freshness": {"max_age_hours": 2}})
    lake.commit([ONE])
    assert json.loads(cli("datasets", "--json").out)[0]["late_hours"] is None
    monkeypatch.setattr("supply_lake.lake.late_by", lambda *_: late)
    (orders,) = json.loads(cli("datasets", "--json").out)
    assert (orders["max_age_hours"], orders["late_hours"]) == (2.0, round(late.total_seconds() / 3600, 2))
    assert says in cli("datasets").out.splitlines()[1]


def test_snapshots_newest_first_as_public_json(lake: MadeLake, cli: Cli) -> None:
    first = lake.commit([ONE])
    second = lake.commit([TWO], supersede=True)
    refused = lake.refuse("too many", [BAD])
    found = json.loads(cli("snapshots", "orders", "--json").out)
    assert [one["snapshot_id"] for one in found] == [refused.id, second.id, first.id]
    assert found == [snapshot_json(one) for one in lake.stores.metadata.snapshots("orders")]
    assert [one["live"] for one in found] == [False, True, False]
    assert found[1]["supersedes"] == [first.id]
    assert found[0]["status"] == "rejected"
    assert [one["snapshot_id"] for one in json.loads(cli("snapshots", "orders", "--live", "--json").out)] == [second.id]
    assert len(json.loads(cli("snapshots", "orders", "--limit", "1", "--json").out)) == 1
    assert len(cli("snapshots", "orders").out.splitlines()) == 4


def test_show_tells_all_of_one_snapshot(lake: MadeLake, cli: Cli) -> None:
    snapshot = lake.commit([ONE], rejected=[BAD])
    assert json.loads(cli("show", snapshot.id, "--json").out) == snapshot_json(snapshot)
    told = cli("show", snapshot.id).out
    assert "2 landed = 1 published + 1 rejected + 0 deduplicated" in told
    assert "orders/2026/11/01/a.csv" in told


def test_objects_and_what_became_of_them(lake: MadeLake, cli: Cli) -> None:
    lake.land("orders/2026/11/01/a.csv", b"x")
    lake.land("stray/2026/11/01/b.csv", b"x", ObjectState.REFUSED, "no dataset takes this key")
    refused = json.loads(cli("objects", "--state", "refused", "--json").out)
    assert [(one["key"], one["reason"]) for one in refused] == [("stray/2026/11/01/b.csv", "no dataset takes this key")]
    assert [one["key"] for one in json.loads(cli("objects", "orders", "--json").out)] == ["orders/2026/11/01/a.csv"]
    assert len(cli("objects").out.splitlines()) == 3


# --- query


def test_query_as_json_keeps_every_digit(lake: MadeLake, cli: Cli) -> None:
    lake.commit([('ö,"1"\n', 2**60, Decimal("1234567890.10")), ("", None, None)])
    done = cli("query", "SELECT *, 'NaN'::DOUBLE AS nan FROM orders ORDER BY quantity", "--format", "json")
    assert '"price": 1234567890.10' in done.out
    assert json.loads(done.out, parse_float=Decimal) == [
        {"order_id": 'ö,"1"\n', "quantity": 2**60, "price": Decimal("1234567890.10"), "nan": None},
        {"order_id": "", "quantity": None, "price": None, "nan": None},
    ]
    assert json.loads(cli("query", "FROM orders WHERE false", "--json").out) == []


def test_query_as_csv_tells_null_from_empty_text(lake: MadeLake, cli: Cli) -> None:
    lake.commit([('a,"b"\n', 1, Decimal("1.50")), ("", None, None)])
    done = cli("query", "SELECT * FROM orders ORDER BY quantity", "--format", "csv")
    assert done.out == 'order_id,quantity,price\n"a,""b""\n",1,1.50\n"",,\n'


def test_query_as_a_table_for_people(lake: MadeLake, cli: Cli) -> None:
    lake.commit([ONE, ("o22", 20, None)])
    assert cli("query", "FROM orders ORDER BY 1").out.splitlines() == [
        "order_id  quantity  price",
        "o1               1  1.50",
        "o22             20",
    ]


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_query_into_a_file_whole_or_not_at_all(lake: MadeLake, cli: Cli, tmp_path: Path, form: str) -> None:
    lake.commit([ONE, TWO])
    target = tmp_path / "made" / f"answer.{form}"
    done = cli("query", "FROM orders ORDER BY 1", "--output", str(target))
    assert (done.status, done.out) == (0, "")
    if form == "parquet":
        assert pq.read_table(target).column("price").to_pylist() == [Decimal("1.50"), Decimal("2.50")]
    else:
        assert target.read_text() == cli("query", "FROM orders ORDER BY 1", "--format", form).out
    before = target.read_bytes()
    failing = "SELECT error('late') FROM range(200000) WHERE range = 199999"
    assert cli("query", failing, "--output", str(target)).status == 1
    assert target.read_bytes() == before
    assert [one.name for one in target.parent.iterdir()] == [target.name]


def test_query_of_parquet_into_a_pipe(lake: MadeLake, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    from supply_lake.cli.app import run

    lake.commit([ONE])
    assert run(["query", "FROM orders", "--format", "parquet"]) == 0
    (tmp_path / "piped").write_bytes(capfdbinary.readouterr().out)
    assert pq.read_table(tmp_path / "piped").num_rows == 1


def test_o1_query_as_of_a_time_before_an_overwrite_gives_the_old_rows(lake: MadeLake, cli: Cli) -> None:
    first = lake.commit([ONE])
    lake.commit([TWO], supersede=True)
    assert first.committed_at is not None
    at = first.committed_at.isoformat()
    assert json.loads(cli("query", "SELECT order_id FROM orders", "--as-of", at, "--json").out) == [{"order_id": "o1"}]
    assert json.loads(cli("query", "SELECT order_id FROM orders", "--json").out) == [{"order_id": "o2"}]


def test_query_from_standard_input(lake: MadeLake, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS one"))
    assert json.loads(cli("query", "-", "--json").out) == [{"one": 1}]


# --- rejects


def test_rejects_as_json_one_element_per_reason(lake: MadeLake, cli: Cli) -> None:
    snapshot = lake.commit([ONE], rejected=[BAD], deduplicated=[4])
    (found,) = json.loads(cli("rejects", "orders", "--json").out)
    assert found == {
        "source": "orders/2026/11/01/a.csv",
        "line": 3,
        "column": "quantity",
        "value": "many",
        "reason": "is no int64",
        "raw": '{"quantity": "many"}',
        "outcome": "rejected",
        "snapshot_id": snapshot.id,
    }
    both = json.loads(cli("rejects", "orders", "--outcome", "all", "--json").out)
    assert [one["outcome"] for one in both] == ["rejected", "deduplicated"]
    assert [one["line"] for one in json.loads(cli("rejects", "orders", "--outcome", "deduplicated", "--json").out)] == [4]


def test_rejects_of_one_snapshot(lake: MadeLake, cli: Cli) -> None:
    lake.commit([ONE], rejected=[BAD])
    refused = lake.refuse("too many", [(7, "price", "x", "is no decimal(12,2)")])
    found = json.loads(cli("rejects", "orders", "--snapshot", refused.id, "--json").out)
    assert [one["line"] for one in found] == [7]
    assert len(json.loads(cli("rejects", "orders", "--json").out)) == 2
    assert len(json.loads(cli("rejects", "orders", "--limit", "1", "--json").out)) == 1


def test_rejects_for_people_are_grouped_by_rule(lake: MadeLake, cli: Cli) -> None:
    lake.commit([ONE], rejected=[BAD, (4, "quantity", "lots", "is no int64"), (5, "price", "-", "is no decimal(12,2)")])
    lines = cli("rejects", "orders").out.splitlines()
    assert lines[2].split() == ["rejected", "quantity", "is", "no", "int64", "2", "1", "many", "orders/2026/11/01/a.csv:3"]
    assert "is no decimal(12,2)" in lines[3]
    assert lines[7].split()[:4] == ["rejected", "orders/2026/11/01/a.csv", "3", "2"]
    assert len([line for line in lines if "is no int64" in line]) == 4  # by rule, by source, and twice by row
    assert cli("rejects", "orders", "--summary").out.splitlines() == lines[:8]


def test_a_summary_of_rejects_as_json(lake: MadeLake, cli: Cli) -> None:
    first = lake.commit([ONE], rejected=[BAD, (4, "quantity", "lots", "is no int64")])
    second = lake.commit([TWO], rejected=[(9, "quantity", "x", "is no int64")], day=NEXT_DAY, file="b.csv")
    told = json.loads(cli("rejects", "orders", "--summary", "--json").out)
    assert told["dataset"] == "orders"
    assert told["rules"] == [
        {
            "outcome": "rejected", "column": "quantity", "rule": "is no int64", "rows": 3, "sources": 2,
            "example": "many", "source": "orders/2026/11/01/a.csv", "line": 3,
        }
    ]  # fmt: skip
    assert [(one["source"], one["rows"], one["most_often"], one["snapshot_id"]) for one in told["sources"]] == [
        ("orders/2026/11/01/a.csv", 2, "quantity: is no int64", first.id),
        ("orders/2026/11/02/b.csv", 1, "quantity: is no int64", second.id),
    ]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        (["--rule", "IS NO int64"], [3]),
        (["--rule", "price"], [5, 6]),
        (["--rule", "is no decimal(…,2)"], [5]),
        (["--rule", "100% of_"], [6]),
        (["--rule", "100"], [6]),
        (["--rule", "'; DROP"], []),
        (["--source", "a.csv"], [3, 5, 6]),
        (["--source", "orders/2026/11/01/a.csv"], [3, 5, 6]),
        (["--source", "orders/2026/12/*"], []),
        (["--source", "csv"], []),
        (["--limit", "1", "--offset", "1"], [5]),
        (["--offset", "2"], [6]),
    ],
)
def test_rejects_by_rule_by_source_and_page_by_page(lake: MadeLake, cli: Cli, options: list[str], lines: list[int]) -> None:
    lake.commit([ONE], rejected=[BAD, (5, "price", "-", "is no decimal(12,2)"), (6, "price", "9", "is not 100% of_it")])
    assert [one["line"] for one in json.loads(cli("rejects", "orders", *options, "--json").out)] == lines


def test_rejects_that_are_told_apart_by_line_alone_are_one_rule(lake: MadeLake, cli: Cli) -> None:
    reasons = [(n, "", "", f"same key as line {n + 10} of file {n}.csv, which stays") for n in (2, 3)]
    lake.commit([ONE], rejected=reasons)
    assert "same key as line … of …, which stays" in cli("rejects", "orders").out


def test_no_rejects_is_said_in_words(lake: MadeLake, cli: Cli) -> None:
    assert cli("rejects", "orders").out == "No rejected rows of orders stand.\n"
    assert json.loads(cli("rejects", "orders", "--json").out) == []


# --- verify


def test_verify_holds(lake: MadeLake, cli: Cli) -> None:
    lake.commit([ONE], rejected=[BAD])
    done = cli("verify", "--json")
    assert done.status == 0
    (report,) = json.loads(done.out)
    assert report["proven"] is True
    assert report["rows"] == {"landed": 2, "published": 1, "rejected": 1, "deduplicated": 0}
    assert "holds" in cli("verify", "orders").out


def test_verify_fails_with_one_line_and_still_reports(lake: MadeLake, cli: Cli) -> None:
    snapshot = lake.commit([ONE])
    lake.stores.lake.delete([snapshot.files[0].path])
    done = cli("verify", "--json")
    assert done.status == 1
    assert json.loads(done.out)[0]["proven"] is False
    assert done.err.startswith("supply-lake: files and records disagree: snapshot")
    assert len(done.err.splitlines()) == 1


# --- how it ends


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["snapshots", "nope"], 1, "no dataset is called 'nope'"),
        (["show", "nope"], 1, "nope"),
        (["rejects", "orders", "--snapshot", "nope"], 1, "nope"),
        (["query", "SELEC"], 1, "the SQL cannot be read"),
        (["query", "FROM nope"], 1, "there is no table nope; the datasets are orders"),
        (["query", "FROM read_text('/etc/passwd')"], 1, "may not call read_text()"),
        (["query", "FROM orders", "--as-of", TOMORROW], 2, "is yet to come"),
        (["query", "FROM orders", "--as-of", "soon"], 2, "'soon' is no time"),
        (["query", "FROM orders", "--json", "--format", "csv"], 2, "contradict"),
        (["query", "FROM orders", "--format", "table", "-o", "x.txt"], 2, "a table is for reading"),
        (["land", "orders", "nowhere.csv"], 2, "does not exist"),
        (["land", "orders", __file__, "--date", "2026-13-01"], 2, "is no date"),
        (["land", "nope", __file__], 1, "no dataset is called 'nope'"),
        (["ingest", "nope"], 1, "no dataset is called 'nope'"),
        (["verify", "nope"], 1, "no dataset is called 'nope'"),
        (["objects", "nope"], 1, "no dataset is called 'nope'"),
        (["nope"], 2, "No such command"),
        (["query"], 2, "Missing argument"),
    ],
)
def test_failures_are_one_sentence_on_stderr(lake: MadeLake, cli: Cli, args: list[str], status: int, said: str) -> None:
    done = cli(*args)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert "Traceback" not in done.err
    if status == 1:
        assert done.err.startswith("supply-lake: ")
        assert len(done.err.splitlines()) == 1


def test_a_wrong_setting_is_one_sentence(lake: MadeLake, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPLY_LAKE_METADATA", "mongodb://x")
    done = cli("datasets")
    assert done.status == 1
    assert "SUPPLY_LAKE_METADATA" in done.err


def test_schema_shows_the_contract_the_published_columns_and_their_history(
    make_house: Callable[..., House], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house({**HOUSE_ORDERS, "evolution": "evolve"})
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    assert "orders: nothing is published yet; evolution evolve" in cli("schema", "orders").out
    for file, text in (
        ("a.csv", "order_id,quantity,version\no1,1,1\n"),
        ("b.csv", "order_id,quantity,version,Gift Note\no2,2.5,1,x\n"),
    ):
        house.land(file, text)
        house.ingest()
    found = json.loads(cli("schema", "orders", "--json").out)
    assert (found["dataset"], found["version"], found["evolution"]) == ("orders", 2, "evolve")
    columns = {one["name"]: (one["type"], one["declared"], one["discovered"], one["version"]) for one in found["columns"]}
    assert columns == {
        "order_id": ("string", "string", False, 1),
        "quantity": ("decimal(20,1)", "int64", False, 2),
        "version": ("int64", "int64", False, 1),
        "gift_note": ("string", None, True, 2),
    }
    assert found["columns"][-1]["sources"] == ["Gift Note"]
    first, second = found["versions"]
    assert (first["version"], first["commit"], first["object"]) == (1, 1, "orders/2026/11/01/a.csv")
    assert second["committed_at"] > first["committed_at"]
    assert second["difference"] == [
        {
            "change": "widened",
            "column": "quantity",
            "from": "int64",
            "to": "decimal(20,1)",
            "object": "orders/2026/11/01/b.csv",
        },
        {"change": "added", "column": "gift_note", "from": None, "to": "string", "object": "orders/2026/11/01/b.csv"},
    ]
    told = cli("schema", "orders").out
    assert "orders: version 2, since commit 2; evolution evolve" in told
    assert any(line.split()[:3] == ["quantity", "decimal(20,1)", "int64"] for line in told.splitlines())
    assert "order_id, quantity, version" in told


def test_schema_of_a_dataset_that_is_not_there(lake: MadeLake, cli: Cli) -> None:
    done = cli("schema", "nope")
    assert done.status == 1
    assert "no dataset is called 'nope'" in done.err


def test_a_pin_is_written_listed_proved_and_let_go(lake: MadeLake, cli: Cli, tmp_path: Path) -> None:
    lake.commit([ONE])
    path = str(tmp_path / "a.pin.json")
    made = json.loads(cli("pin", "orders", "-o", path, "--name", "november", "--json").out)
    assert (made["name"], made["datasets"][0]["commit"]) == ("november", 1)
    assert "registered" in cli("pin", "-o", str(tmp_path / "b.pin.json"), "--no-register").err
    lake.commit([TWO], supersede=True)
    count = "SELECT order_id FROM orders"
    assert json.loads(cli("query", count, "--pin", path, "--json").out) == [{"order_id": ONE[0]}]
    assert json.loads(cli("query", "SELECT order_id FROM orders@1", "--json").out) == [{"order_id": ONE[0]}]
    assert [one["id"] for one in json.loads(cli("pins", "--json").out)] == [made["id"]]
    assert "orders@1" in cli("pins").out
    assert "holds" in cli("pins", "--verify", path).out
    lake.stores.lake.delete([lake.stores.metadata.live("orders", 1)[0].files[0].path])
    broken = cli("pins", "--verify", path)
    assert (broken.status, "is missing" in broken.out) == (1, True)
    assert cli("unpin", made["id"]).status == 0
    assert json.loads(cli("pins", "--json").out) == []
    assert cli("unpin", made["id"]).status == 1


def test_a_backtest_asks_as_of_each_time(lake: MadeLake, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lake.commit([ONE]).committed_at
    lake.commit([TWO])
    assert first is not None
    times = ["--at", "2020-01-01", "--at", first.isoformat()]
    assert [one["n"] for one in json.loads(cli("backtest", "SELECT count(*) AS n FROM orders", *times, "--json").out)] == [0, 1]
    (tmp_path / "reorder_model.py").write_text("def rows(reader):\n    return reader.read('orders').num_rows\nnone = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    out = str(tmp_path / "runs.csv")
    assert cli("backtest", "--call", "reorder_model:rows", *times, "--parallel", "2", "-o", out).status == 0
    assert Path(out).read_text().splitlines()[0] == "as_of,result"
    series = cli("backtest", "SELECT 1 AS a", "--from", "2026-11-01", "--to", "2026-11-03", "--json")
    assert len(json.loads(series.out)) == 3
    for wrong in (["SELECT 1"], [*times], ["--call", "reorder_model:none", *times], ["--call", "nothing:x", *times]):
        assert cli("backtest", *wrong).status == 2


def test_a_difference_as_table_json_and_file(make_lake: Callable[..., MadeLake], cli: Cli, tmp_path: Path) -> None:
    lake = make_lake(named("orders", primary_key=["order_id"], mode="upsert", key_scope="dataset", order_by="quantity"))
    lake.commit([ONE, TWO])
    lake.commit([(ONE[0], 9, ONE[2]), ("o3", 3, Decimal(3))], supersede=True)
    told = json.loads(cli("diff", "orders", "1", "2", "--json").out)
    assert (told["added"], told["removed"], told["changed"]) == (1, 1, 1)
    assert told["cells"] == [{"key": {"order_id": "o1"}, "column": "quantity", "before": 1, "after": 9}]
    assert "cells" not in json.loads(cli("diff", "orders", "1", "2", "--json", "--summary").out)
    text = cli("diff", "orders", "1", "2").out
    assert "1 added, 1 removed, 1 changed by order_id" in text
    assert "quantity" in text
    assert "o3" in text
    assert "o3" not in cli("diff", "orders", "1", "2", "--summary").out
    path = tmp_path / "changes.parquet"
    assert cli("diff", "orders", "1", "2", "-o", str(path)).status == 0
    assert pq.read_table(path).column("change").to_pylist() == ["changed", "removed", "added"]
    cells = cli("diff", "orders", "1", "2", "--cells", "--format", "csv").out.splitlines()
    assert cells == ["key,column,before,after", '"{""order_id"": ""o1""}",quantity,1,9']
    assert "compared as whole rows" not in cli("diff", "orders", "2", "2", "-k", "order_id").out
    assert cli("diff", "orders", "1", "9").status == 1
    assert cli("diff", "orders", "1", "yesterday").status == 2


def test_the_feed_of_changes(lake: MadeLake, cli: Cli) -> None:
    lake.commit([ONE])
    lake.commit([TWO], supersede=True)
    told = json.loads(cli("changes", "orders", "--since", "1", "--json").out)
    assert [(one["commit"], one["change"]) for one in told] == [(2, "removed"), (2, "added")]
    assert json.loads(cli("changes", "orders", "--since", "2", "--json").out) == []
    assert len(json.loads(cli("changes", "orders", "--since", "0", "--until", "1", "--json").out)) == 1
