"""A whole lake in S3: landed, ingested, read and proven there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from supply_lake import Lake
from supply_lake.errors import QueryError
from supply_lake_tests.ingest.house import DAY, ORDERS, House, csv

pytestmark = pytest.mark.integration


def test_a_lake_in_s3_is_ingested_read_and_proven_there(tmp_path: Path, s3_location: str) -> None:
    names = ("LANDING", "LAKE", "REJECTS")
    house = House(
        tmp_path, {**ORDERS, "mode": "replace"}, env={f"SUPPLY_LAKE_{name}": f"{s3_location}/{name.lower()}" for name in names}
    )
    lake = Lake(house.stores)
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "many", 1)]))
    house.land("b.csv", csv([("o3", 3, 1)]), day=DAY + dt.timedelta(days=1))
    house.ingest()
    house.land("a.csv", csv([("o4", 4, 1)]))
    house.ingest()
    rows = lake.query("SELECT order_id, _partition_date FROM orders__rows ORDER BY 1").to_pylist()
    assert rows == [
        {"order_id": "o3", "_partition_date": DAY + dt.timedelta(days=1)},
        {"order_id": "o4", "_partition_date": DAY},
    ]
    assert sorted(lake.read("orders", commit=2, where="quantity < 3").column("order_id").to_pylist()) == ["o1"]
    assert lake.rejects("orders").num_rows == 0  # what they were rejected from was overwritten
    (first,) = lake.live("orders", commit=1)
    assert lake.rejects("orders", snapshot_id=first.id).column("value").to_pylist() == ["many"]
    (report,) = lake.verify(landing=True)
    assert report.problems == ()
    assert report.rows.landed == 4
    with pytest.raises(QueryError, match="there is no table s3://"):
        lake.query(f"FROM '{house.stores.lake.uri(lake.live('orders')[0].files[0].path)}'")
    house.close()


def test_o7_a_lake_in_s3_is_compacted_collected_and_published_there(tmp_path: Path, s3_location: str) -> None:
    pytest.importorskip("pyiceberg")
    from supply_lake.exports.iceberg import Iceberg
    from supply_lake.upkeep.gc import Collection

    places = {f"SUPPLY_LAKE_{name}": f"{s3_location}/{name.lower()}" for name in ("LANDING", "LAKE", "REJECTS")}
    house = House(tmp_path, ORDERS, env={**places, "SUPPLY_LAKE_ICEBERG": "on"})
    lake = Lake(house.stores)
    for at in range(3):
        house.land(f"{at}.csv", csv([(f"o{at}", at, 1)]))
        house.ingest()
    (done,) = lake.compact("orders")
    assert (done.files_before, done.files_after) == (3, 1)
    removal = Collection(house.stores, dt.timedelta(), dt.timedelta(hours=1)).run("orders")
    assert len(removal.snapshots) == 3
    assert sum(batch.num_rows for batch in house.stores.lake.list("dataset=orders/")) == 1
    (export,) = house.stores.exports.each
    assert isinstance(export, Iceberg)
    table = export.table("orders")
    assert table.location() == f"{s3_location}/iceberg/orders"
    assert sorted(table.scan().to_arrow()["order_id"].to_pylist()) == ["o0", "o1", "o2"]
    assert lake.reconcile()[1][0].exports == ()
    assert lake.verify()[0].problems == ()
    house.close()
