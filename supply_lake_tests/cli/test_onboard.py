"""``supply-lake onboard``: from a file to rows, and what is said on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from supply_lake.lake import Lake
from supply_lake_tests.cli.conftest import Cli

ROWS = "Order No,Day,Amount\n" + "".join(f"{at:04},{at % 28 + 1}/12/2026,{at}.50\n" for at in range(60))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUPPLY_LAKE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SUPPLY_LAKE_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.setenv("SUPPLY_LAKE_SETTLE_SECONDS", "0")
    return tmp_path


def test_from_a_file_to_rows(home: Path, cli: Cli) -> None:
    (home / "orders.csv").write_text(ROWS)
    done = cli("onboard", "orders", "--from", str(home / "orders.csv"), "--owner", "team:sales")
    assert done.status == 0, done.err
    assert "1 file, 60 rows; key: order_no; mode: upsert" in done.out
    assert "Tried on the sample: 60 rows published, 0 rejected, 0 deduplicated" in done.out
    assert "Next: supply-lake land orders FILE…, then supply-lake ingest orders" in done.out
    assert cli("land", "orders", str(home / "orders.csv")).status == 0
    assert cli("ingest", "orders").status == 0
    with Lake.open() as lake:
        found = lake.query("SELECT count(*) AS n, sum(amount) AS total, min(order_no) AS first, max(day) AS last FROM orders")
    (row,) = found.to_pylist()
    assert (row["n"], str(row["total"]), row["first"], str(row["last"])) == (60, "1800.00", "0000", "2026-12-28")
    assert cli("verify", "orders").status == 0


def test_as_json(home: Path, cli: Cli) -> None:
    (home / "orders.csv").write_text(ROWS)
    report = json.loads(cli("onboard", "orders", "--from", str(home / "orders.csv"), "--json").out)
    assert report["file"] == str(home / "datasets" / "orders.yaml")
    assert (report["landed"], report["trial"]["published"], len(report["columns"])) == ([], 60, 3)


@pytest.mark.integration
def test_a_table_is_landed_and_its_password_is_nowhere(home: Path, cli: Cli, postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE parts (id INTEGER PRIMARY KEY, price DECIMAL(12,2) NOT NULL)"))
        connection.execute(sa.text("INSERT INTO parts VALUES (1, 2.5), (2, 3.5)"))
    engine.dispose()
    url = sa.make_url(postgres_url).set(password="hunter2").render_as_string(hide_password=False)
    done = cli("onboard", "parts", "--from", f"{url}#parts")
    assert done.status == 0, done.err
    written = [path.read_text() for path in (home / "datasets").iterdir()]
    assert not any("hunter2" in text for text in [done.out, done.err, *written])
    assert len(list((home / "home" / "landing" / "parts").rglob("*.parquet"))) == 1
    assert cli("ingest", "parts").status == 0
    with Lake.open() as lake:
        assert lake.read("parts", columns=["id"]).to_pydict() == {"id": [1, 2]}


def test_a_name_that_is_taken_is_refused_before_anything_is_read(home: Path, cli: Cli) -> None:
    (home / "orders.csv").write_text(ROWS)
    assert cli("onboard", "orders", "--from", str(home / "orders.csv")).status == 0
    again = cli("onboard", "orders", "--from", "s3://nowhere/at-all.csv")
    assert (again.status, "is there already; --force writes it anew" in again.err) == (2, True)
    assert cli("onboard", "orders", "--from", str(home / "orders.csv"), "--force").status == 0


def test_names_for_columns_and_a_sample_that_is_landed(home: Path, cli: Cli) -> None:
    (home / "parts.csv").write_text("007|12.5\n008|13.5\n")
    done = cli(
        "onboard", "parts", "--from", str(home / "parts.csv"), "--columns", "Article,Price", "--land", "--key", "Article"
    )
    assert done.status == 0, done.err
    assert "Landed " in done.out
    assert "article: " not in done.out
    assert "{name: article, type: string" in (home / "datasets" / "parts.yaml").read_text()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--from", "nowhere.csv"], "nowhere.csv is no file or folder here"),
        (["--from", "empty.csv"], "empty.csv is empty"),
        (["--from", "orders.csv", "--key", "nr"], "there is no column 'nr'"),
        (["--from", "orders.csv", "--mode", "upsert", "--key", "day"], ""),
    ],
)
def test_what_cannot_be_drafted_is_one_sentence(
    args: list[str], sentence: str, home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    (home / "orders.csv").write_text(ROWS)
    (home / "empty.csv").write_text("")
    done = cli("onboard", "orders", *args)
    assert (done.status != 0) is bool(sentence)
    assert sentence in done.err
    assert len(done.err.splitlines()) == (1 if sentence else 0)
