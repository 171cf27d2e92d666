"""The proof from the files: what is right is proven, and whatever was tampered with is caught."""

from __future__ import annotations

import datetime as dt
import io
import json
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from supply_lake.curate.schema import Schema, SchemaColumn
from supply_lake.errors import VerificationError
from supply_lake.query.verify import Report, require, verify
from supply_lake.snapshots.records import Rows, Snapshot
from supply_lake.snapshots.schema_versions import ProposedSchema
from supply_lake_tests.query.made_lake import DAY, MadeLake, write

ONE = ("o1", 1, Decimal("1.50"))
TWO = ("o2", 2, Decimal("2.50"))


@pytest.fixture
def full(lake: MadeLake) -> MadeLake:
    """Two commits, the second of which carries a row over, and a refused batch."""
    first = lake.commit([ONE, TWO], rejected=[(4, "quantity", "many", "no int64")], deduplicated=[5])
    lake.commit([ONE, ("o3", 3, None)], supersede=True, carried=[first.id, None], file="b.csv")
    lake.refuse("too many", [(2, "quantity", "x", "no int64")])
    return lake


def prove(lake: MadeLake) -> Report:
    return verify(lake.stores, lake.stores.registry.get("orders"))


def newest(lake: MadeLake) -> Snapshot:
    return lake.stores.metadata.live("orders")[-1]


def edit(lake: MadeLake, change: Callable[[dict[str, Any]], None], where: str = "snapshots", nth: int = 0) -> None:
    """Change a stored record behind the store's back."""
    path = str(lake.stores.settings.home / "metadata.sqlite")
    connection = sqlite3.connect(path)
    row, text = connection.execute(f"SELECT rowid, record FROM {where} ORDER BY id LIMIT 1 OFFSET {nth}").fetchone()
    record = json.loads(text)
    change(record)
    connection.execute(f"UPDATE {where} SET record = ? WHERE rowid = ?", [json.dumps(record), row])
    connection.commit()
    connection.close()


def test_an_untouched_lake_is_proven(full: MadeLake) -> None:
    report = prove(full)
    assert report.problems == ()
    assert report.proven
    assert report.information == ()
    assert (report.commits, report.snapshots, report.files) == (2, 3, 4)
    assert report.rows == Rows(landed=6, published=3, rejected=2, deduplicated=1)
    require([report])


def test_an_empty_dataset_is_proven(lake: MadeLake) -> None:
    assert prove(lake).proven


def test_a_deleted_file_is_caught(full: MadeLake) -> None:
    full.stores.lake.delete([newest(full).files[0].path])
    (problem,) = prove(full).problems
    assert newest(full).id in problem
    assert "is missing" in problem


def test_deleted_rejects_are_caught(full: MadeLake) -> None:
    rejects = next(one for one in full.stores.metadata.snapshots("orders") if one.rejects)
    full.stores.rejects.delete([rejects.rejects[0].path])
    assert "is missing" in prove(full).problems[0]


@pytest.mark.parametrize("place", [0, 4, -1, -40, 200])
def test_a_flipped_byte_is_caught(full: MadeLake, place: int) -> None:
    path = Path(full.stores.lake.uri(newest(full).files[0].path))
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    (problem,) = prove(full).problems
    assert "is not the file that was written" in problem


def test_dropped_rows_are_caught_even_where_the_record_of_the_file_is_edited_to_match(full: MadeLake) -> None:
    file = newest(full).files[0]
    table = pq.read_table(io.BytesIO(Path(full.stores.lake.uri(file.path)).read_bytes()))
    changed = write(full.stores.lake, file.path, table.slice(0, 1))

    def match(record: dict[str, Any]) -> None:
        record["files"][0] |= {"rows": 1, "bytes": changed.bytes, "sha256": changed.sha256}
        record |= {"bytes": changed.bytes, "rows_total": 1}

    edit(full, match, nth=1)
    problems = prove(full).problems
    assert any("its record counts 1 landed = 1 published" in one and "hold 0 landed" in one for one in problems)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record["rows"].update(published=3), "accounted for"),
        (lambda record: record["rows"].update(landed=5, published=3), "its record counts 5 landed = 3 published"),
        (lambda record: record["rows"].update(rejected=0, deduplicated=2), "1 rejected + 1 deduplicated"),
        (lambda record: record["sources"][0]["rows"].update(landed=9), "sources do not add up"),
        (lambda record: record.update(rows_total=7), "7 rows in all"),
        (lambda record: record.update(bytes=7), "bytes of its files do not add up"),
        (lambda record: record["files"][0].update(sha256="f00d"), "is not the file that was written"),
        (lambda record: record["files"].pop(), "its files hold"),
        (lambda record: record["sources"][0].update(key="other.csv"), "none of its sources"),
    ],
)
def test_an_edited_record_is_caught(full: MadeLake, change: Callable[[dict[str, Any]], None], said: str) -> None:
    edit(full, change)
    problems = prove(full).problems
    assert any(said in problem for problem in problems), problems


def test_an_edited_batch_is_caught(full: MadeLake) -> None:
    edit(full, lambda record: record["rows"].update(landed=5, published=3), where="batches")
    assert any("batch" in one and "snapshots do not add up" in one for one in prove(full).problems)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM commits WHERE number = 1", "numbers from 1 to 2 have gaps"),
        ("UPDATE commits SET committed_at = 0 WHERE number = 2", "commit 2 is dated"),
        ("UPDATE snapshots SET superseded_by = NULL", "is superseded by commit 2, its record says None"),
        ("UPDATE snapshots SET superseded_by = 2 WHERE commit_number = 2", "which does not name it"),
        ("DELETE FROM snapshots WHERE commit_number = 1", "are damaged and cannot be read"),
    ],
)
def test_edited_history_is_caught(full: MadeLake, sql: str, said: str) -> None:
    with sqlite3.connect(str(full.stores.settings.home / "metadata.sqlite")) as connection:
        connection.execute(sql)
    connection.close()
    problems = prove(full).problems
    assert any(said in problem for problem in problems), problems


def test_an_object_that_was_published_twice_is_caught(lake: MadeLake) -> None:
    lake.commit([ONE], etag="e1")
    lake.commit([ONE], etag="e1")
    assert any("was published 2 times" in problem for problem in prove(lake).problems)


def test_files_that_nothing_reaches_are_information(full: MadeLake) -> None:
    full.stores.lake.put(f"dataset=orders/year={DAY:%Y}/month=11/day=01/snapshot_id=killed/part-00000.parquet", b"half")
    report = prove(full)
    assert report.proven
    assert report.information == (
        "1 file (4 bytes) below the lake root belong to no snapshot, such as "
        "dataset=orders/year=2026/month=11/day=01/snapshot_id=killed/part-00000.parquet",
    )


def test_require_says_the_first_problem_and_how_many(full: MadeLake) -> None:
    for snapshot in full.stores.metadata.snapshots("orders"):
        full.stores.lake.delete([file.path for file in snapshot.files])
    with pytest.raises(VerificationError, match=r"^files and records disagree: snapshot .* is missing \(and 1 more\)$"):
        require([prove(full)])


def test_a_commit_that_lands_while_the_proof_runs_is_left_out(lake: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.commit([ONE])
    commits = lake.stores.metadata.commits("orders")
    lake.commit([TWO], supersede=True, day=DAY + dt.timedelta(days=0))
    monkeypatch.setattr(type(lake.stores.metadata), "commits", lambda self, name: commits)
    assert prove(lake).problems == ()


# --- schema versions


@pytest.fixture
def versioned(lake: MadeLake) -> MadeLake:
    """Two commits that published a schema each."""
    narrow = Schema((SchemaColumn("order_id", "string", "string"),), (), "evolve")
    lake.commit([ONE], publishes=ProposedSchema(narrow, 0, "a.csv"))
    wide = Schema((*narrow.columns, SchemaColumn("gift", "string", sources=("Gift",))), (), "evolve")
    lake.commit([TWO], publishes=ProposedSchema(wide, 1, "b.csv", {"gift": "b.csv"}), file="b.csv")
    assert prove(lake).problems == ()
    return lake


def test_a_schema_version_that_is_gone_is_caught(versioned: MadeLake) -> None:
    run(versioned, "DELETE FROM schema_versions WHERE number = 1")
    assert any("not numbered" in one for one in prove(versioned).problems)


def test_a_difference_that_is_not_the_one_on_record_is_caught(versioned: MadeLake) -> None:
    run(versioned, 'UPDATE schema_versions SET record = replace(record, \'"to":"string"\', \'"to":"date"\') WHERE number = 2')
    assert any("version 2 does not differ" in one for one in prove(versioned).problems)


def test_a_snapshot_of_another_schema_version_is_caught(versioned: MadeLake) -> None:
    edit(versioned, lambda record: record.update(schema_version=2))
    assert any("says schema version 2; at its commit it was 1" in one for one in prove(versioned).problems)


def run(lake: MadeLake, sql: str) -> None:
    connection = sqlite3.connect(str(lake.stores.settings.home / "metadata.sqlite"))
    connection.execute(sql)
    connection.commit()
    connection.close()
