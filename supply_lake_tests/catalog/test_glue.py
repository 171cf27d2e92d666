"""The Glue Data Catalog against emulators: what a commit shows there, whatever happened on the way."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from click.testing import CliRunner

from supply_lake.catalog import lag
from supply_lake.catalog.glue import GlueCatalog
from supply_lake.catalog.glue_api import GlueApi, Overtaken
from supply_lake.cli.app import app
from supply_lake.errors import CatalogError
from supply_lake.exports.exports import Exports
from supply_lake.exports.glue import Glue, Shown, repaired
from supply_lake.exports.glue import shown as shown_by
from supply_lake.ingest.revoke import revoke
from supply_lake.storage.connections import aws_client
from supply_lake.upkeep.gc import Collection, terms
from supply_lake.upkeep.reconcile import reconcile_files
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv
from supply_lake_tests.integration.catalog_reader import CatalogReader, SchemaMismatch


def repair(house: House) -> Shown:
    catalog = house.stores.catalog
    assert catalog is not None
    return repaired(catalog, house.stores.lake, house.stores.registry.get("orders"))


def shown(house: House) -> Shown:
    catalog = house.stores.catalog
    assert catalog is not None
    return shown_by(catalog, house.stores.lake, house.stores.registry.get("orders"))


pytestmark = pytest.mark.integration
Make = Callable[..., House]
NEXT = DAY + dt.timedelta(days=1)
REPLACED = {**ORDERS, "mode": "replace"}
LIVE = "SELECT order_id, quantity FROM orders ORDER BY order_id"


def database(house: House) -> str:
    return house.env["SUPPLY_LAKE_CATALOG_DATABASE"]


def reader(house: House, moto: Any) -> CatalogReader:
    return CatalogReader(moto.client, database(house), house.stores.lake)


def table(house: House, moto: Any, name: str = "orders") -> dict[str, Any]:
    found: dict[str, Any] = moto.client.get_table(DatabaseName=database(house), Name=name)["Table"]
    return found


def ids(house: House, moto: Any, name: str = "orders") -> list[str]:
    pages = moto.client.get_paginator("get_partitions").paginate(DatabaseName=database(house), TableName=name)
    return sorted(one["Values"][3] for page in pages for one in page["Partitions"])


def live_ids(house: House) -> list[str]:
    return sorted(one.id for one in house.live())


def files_tables(house: House, moto: Any) -> list[str]:
    names = [one["Name"] for one in moto.client.get_tables(DatabaseName=database(house))["TableList"]]
    return sorted(name for name in names if "__files_" in name)


def told(found: dict[str, Any]) -> dict[str, str]:
    return {name.removeprefix("supply_lake."): value for name, value in found["Parameters"].items()}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes calls to Glue fail, so many times each; returns the calls that came."""

    def fail(house: House, call: str, code: str, *, times: int, status: int = 400) -> list[str]:
        api = house.stores.catalog.api  # type: ignore[union-attr]
        came: list[str] = []

        def answer(**request: Any) -> AWSResponse | None:
            came.append(call)
            if len(came) > times:
                return None
            body = json.dumps({"__type": code, "message": "made up"}).encode()

            class Raw:
                def stream(self, *_: Any, **__: Any) -> Any:
                    yield body

            return AWSResponse("http://glue", status, {"content-type": "application/x-amz-json-1.1"}, Raw())

        monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
        api._client.meta.events.register(f"before-send.glue.{call}", answer)
        return came

    return fail


def test_a_commit_makes_a_table_with_what_the_contract_says(make_house: Make, moto: Any) -> None:
    spec = json.loads(json.dumps(ORDERS))
    spec["columns"][1] |= {"description": "Pieces ordered.", "unit": "pieces"}
    house = make_house(spec)
    house.land("a.csv", csv([("o1", 1, 1)]))
    (batch,) = house.ingest()
    found = table(house, moto)
    assert [one["Name"] for one in found["PartitionKeys"]] == ["year", "month", "day", "snapshot_id"]
    columns = {one["Name"]: (one["Type"], one.get("Comment", "")) for one in found["StorageDescriptor"]["Columns"]}
    assert columns["order_id"] == ("string", "")
    assert columns["quantity"] == ("bigint", "Pieces ordered. In pieces.")
    assert columns["_line"][0] == "bigint"
    values = told(found)
    assert values["owner"] == "team:planning"
    assert values["source_system"] == "shop"
    assert values["live_commit"] == "1"
    assert values["schema_version"] == "1"
    assert len(values["contract"]) == 16
    assert found["Description"] == ORDERS["description"]
    (part,) = moto.client.get_partitions(DatabaseName=database(house), TableName="orders")["Partitions"]
    assert part["Values"] == ["2026", "11", "01", batch.snapshots[0].id]
    assert part["StorageDescriptor"]["Location"] == f"{batch.snapshots[0].location}/"
    assert reader(house, moto).query(LIVE).to_pylist() == [{"order_id": "o1", "quantity": 1}]


def test_the_live_set_is_what_the_table_shows_and_what_was_superseded_is_kept_aside(make_house: Make, moto: Any) -> None:
    house = make_house(REPLACED)
    for number, day in ((1, DAY), (2, NEXT), (3, DAY)):
        house.land("a.csv", csv([(f"o{number}", number, 1)]), day=day)
        house.ingest()
    assert ids(house, moto) == live_ids(house)
    assert told(table(house, moto))["live_commit"] == "3"
    (kept,) = files_tables(house, moto)
    assert ids(house, moto, kept) == sorted(one.id for one in house.stores.metadata.snapshots("orders"))
    assert reader(house, moto).query(LIVE)["order_id"].to_pylist() == ["o2", "o3"]


def test_superseded_snapshots_are_not_kept_where_the_setting_says_so(make_house: Make, moto: Any) -> None:
    house = make_house(REPLACED, env={"SUPPLY_LAKE_CATALOG_SUPERSEDED": "remove"})
    for number in (1, 2):
        house.land("a.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    assert ids(house, moto) == live_ids(house)
    assert files_tables(house, moto) == []


def test_projected_tables_register_no_partition_and_are_read_by_their_paths(make_house: Make, moto: Any) -> None:
    house = make_house(REPLACED, env={"SUPPLY_LAKE_CATALOG_PARTITIONS": "projected"})
    for number in (1, 2):
        house.land("a.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    (kept,) = files_tables(house, moto)
    assert ids(house, moto, kept) == []
    (first,) = house.live(commit=1)
    where = f"year = '2026' AND month = '11' AND day = '01' AND snapshot_id IN ('{first.id}')"
    found = reader(house, moto)
    assert found.query(f"SELECT order_id FROM {kept} WHERE {where}")["order_id"].to_pylist() == ["o1"]
    assert found.read == [f"{first.location}/"]


def test_publishing_again_asks_once_and_writes_nothing(make_house: Make, moto: Any) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    catalog, spec = house.stores.catalog, house.stores.registry.get("orders")
    assert catalog is not None
    asked: list[str] = []
    catalog.api._client.meta.events.register(
        "before-send.glue.*", lambda request, **_: asked.append(request.headers["X-Amz-Target"])
    )
    assert not catalog.publish(spec).changed
    assert [str(one) for one in asked] == ["b'AWSGlue.GetTable'"] or len(asked) == 1


def test_many_partitions_are_made_a_hundred_at_a_time(make_house: Make, moto: Any) -> None:
    house = make_house(
        {**ORDERS, "partition_date": {"column": "day"}, "columns": [*ORDERS["columns"], {"name": "day", "type": "date"}]}
    )
    days = [DAY + dt.timedelta(days=at) for at in range(-104, 1)]
    came: list[int] = []
    api = house.stores.catalog.api  # type: ignore[union-attr]
    api._client.meta.events.register(
        "provide-client-params.glue.BatchCreatePartition", lambda params, **_: came.append(len(params["PartitionInputList"]))
    )
    house.land("a.csv", csv([(f"o{at}", 1, 1, day) for at, day in enumerate(days)], "order_id,quantity,version,day"))
    house.ingest()
    assert came == [100, 5, 100, 5]  # of the live table, and of all files
    assert len(ids(house, moto)) == 105


def test_old_partitions_stay_readable_after_their_column_was_widened(make_house: Make, moto: Any) -> None:
    """Each partition keeps the types of its files; the table has the type that holds all."""
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    columns = [dict(one) for one in ORDERS["columns"]]
    columns[1] = {"name": "quantity", "type": "decimal(24,3)"}
    house.mend(columns=columns)
    house.land("b.csv", csv([("o2", "2.125", 1)]), day=NEXT)
    house.ingest()
    kinds = {one["Name"]: one["Type"] for one in table(house, moto)["StorageDescriptor"]["Columns"]}
    assert kinds["quantity"] == "decimal(24,3)"
    parts = moto.client.get_partitions(DatabaseName=database(house), TableName="orders")["Partitions"]
    by_id = {one["Values"][3]: {c["Name"]: c["Type"] for c in one["StorageDescriptor"]["Columns"]} for one in parts}
    assert sorted(one["quantity"] for one in by_id.values()) == ["bigint", "decimal(24,3)"]
    assert len(files_tables(house, moto)) == 2
    found = reader(house, moto)
    for name in files_tables(house, moto):  # files, partitions and table are of one type: nothing is coerced
        assert found.query(f"SELECT count(*) AS n FROM {name}")["n"].to_pylist() == [1]


def test_types_that_cannot_be_coerced_are_told_apart_by_tables_of_files(make_house: Make, moto: Any) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    columns = [dict(one) for one in ORDERS["columns"]]
    columns[1] = {"name": "quantity", "type": "string"}
    house.mend(columns=columns)
    house.land("b.csv", csv([("o2", "two", 1)]), day=NEXT)
    house.ingest()
    found = reader(house, moto)
    with pytest.raises(SchemaMismatch):  # as on Athena: why queries of this lake read the tables of files
        found.query(LIVE)
    union = " UNION ALL ".join(f"SELECT CAST(quantity AS varchar) AS q FROM {name}" for name in files_tables(house, moto))
    assert sorted(found.query(union)["q"].to_pylist()) == ["1", "two"]


def test_nested_columns_and_decimals_are_declared_exactly(make_house: Make, moto: Any) -> None:
    kinds = {
        "price": "decimal(18,4)",
        "at": "timestamp",
        "lines": "list<struct<Sku:string,n:int16,w:decimal(9,3)>>",
        "raw": "json",
    }
    house = make_house(
        {**ORDERS, "format": {"type": "jsonl"}, "columns": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    )
    row = {"price": "1.2345", "at": "2026-11-01T00:00:00Z", "lines": [{"Sku": "a", "n": 2, "w": "1.5"}], "raw": {"a": [1]}}
    house.land("a.jsonl", json.dumps(row) + "\n")
    house.ingest()
    found = {one["Name"]: one["Type"] for one in table(house, moto)["StorageDescriptor"]["Columns"]}
    assert {name: found[name] for name in kinds} == {
        "price": "decimal(18,4)",
        "at": "timestamp",
        "lines": "array<struct<sku:string,n:smallint,w:decimal(9,3)>>",
        "raw": "string",
    }
    (answer,) = reader(house, moto).query("SELECT price, lines[1].sku AS sku FROM orders").to_pylist()
    assert (str(answer["price"]), answer["sku"]) == ("1.2345", "a")


def test_an_older_commit_never_takes_the_place_of_a_newer_one(make_house: Make, moto: Any) -> None:
    """Two processes publish: the one that read the older commit is late, and finds the newer one there."""
    house = make_house(REPLACED)
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    late, spec = house.stores.catalog, house.stores.registry.get("orders")
    assert late is not None
    stores, bring = house.stores, late.api.update_table
    tries: list[int] = []

    def overtaken(wanted: dict[str, Any], read: dict[str, Any]) -> None:
        tries.append(int(wanted["Parameters"]["supply_lake.live_commit"]))
        if len(tries) == 1:
            other = GlueCatalog(GlueApi(partial(aws_client, "glue"), database(house)), stores.metadata, stores.lake)
            object.__setattr__(stores, "exports", Exports((Glue(other, stores.lake),), other))
            house.land("a.csv", csv([("o3", 3, 1)]))
            house.ingest()
            raise Overtaken("orders")  # what Glue says when the version that was read is not the newest
        bring(wanted, read)

    house.land("a.csv", csv([("o2", 2, 1)]))
    late.api.update_table = overtaken  # type: ignore[method-assign]
    house.ingest()
    assert tries[0] == 2
    assert min(tries[1:]) == 3
    assert ids(house, moto) == live_ids(house)
    assert told(table(house, moto))["live_commit"] == "3"
    assert not late.repair(spec).changed


def test_glue_refuses_a_table_that_someone_else_has_changed(s3_server: Any, s3_location: str) -> None:
    """On the emulator that heeds ``VersionId``."""
    api = GlueApi(partial(aws_client, "glue"), "versions")
    api.ensure_database("", s3_location)
    wanted = {"Name": "t", "Parameters": {}, "StorageDescriptor": {"Columns": [], "Location": s3_location}}
    assert api.create_table(wanted)
    assert not api.create_table(wanted)
    read = api.table("t")
    assert read is not None
    api.update_table(wanted, read)
    with pytest.raises(Overtaken):
        api.update_table(wanted, read)


def test_a_catalog_that_fails_fails_no_commit_and_is_mended_by_the_next(
    make_house: Make, moto: Any, failing: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    failing(house, "GetTable", "AccessDeniedException", times=1)
    house.land("b.csv", csv([("o2", 2, 1)]))
    (batch,) = house.ingest()
    assert batch.commit == 2
    assert "does not show commit 2" in caplog.text
    noted = lag.noted(house.stores.lake, "orders")
    assert noted is not None
    assert (noted.commit, noted.failures) == (2, 1)
    assert "AccessDenied" in noted.reason
    state = shown(house)
    assert (state.shown, state.commit, state.current, state.lag) == (1, 2, False, noted)
    house.land("c.csv", csv([("o3", 3, 1)]))
    house.ingest()
    assert ids(house, moto) == live_ids(house)
    assert len(ids(house, moto, files_tables(house, moto)[0])) == 3
    assert lag.noted(house.stores.lake, "orders") is None


def test_throttling_is_waited_out(make_house: Make, moto: Any, failing: Callable[..., list[str]]) -> None:
    house = make_house()
    came = failing(house, "BatchCreatePartition", "ThrottlingException", times=2)
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    assert lag.noted(house.stores.lake, "orders") is None
    assert len(came) == 4  # two tables, and two refusals
    assert ids(house, moto) == live_ids(house)


def test_entries_of_a_batch_that_fail_are_tried_again_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)
    came: list[list[str]] = []

    class Client:
        def batch_create_partition(self, **call: Any) -> dict[str, Any]:
            some = [one["Values"][0] for one in call["PartitionInputList"]]
            came.append(some)
            fate = {"there": "AlreadyExistsException", "throttled": "ThrottlingException"} if len(came) < 3 else {}
            errors = [{"PartitionValues": [one], "ErrorDetail": {"ErrorCode": fate[one]}} for one in some if one in fate]
            return {"Errors": errors}

    GlueApi(Client, "d").create_partitions("t", [{"Values": [one]} for one in ("new", "there", "throttled")])
    assert came == [["new", "there", "throttled"], ["throttled"], ["throttled"]]


def test_a_batch_that_keeps_failing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)

    class Client:
        def batch_delete_partition(self, **call: Any) -> dict[str, Any]:
            detail = {"ErrorCode": "InternalServiceException", "ErrorMessage": "made up"}
            return {"Errors": [{"PartitionValues": one["Values"], "ErrorDetail": detail} for one in call["PartitionsToDelete"]]}

    with pytest.raises(CatalogError, match=r"1 partitions of d\.t: InternalServiceException: made up"):
        GlueApi(Client, "d").delete_partitions("t", [("one",)])


def test_repair_finds_what_is_missing_wrong_or_left_over(make_house: Make, moto: Any) -> None:
    house = make_house()
    for number in (1, 2):
        house.land(f"{number}.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    name = {"DatabaseName": database(house), "TableName": "orders"}
    first, second = moto.client.get_partitions(**name)["Partitions"]
    moto.client.delete_partition(**name, PartitionValues=first["Values"])
    wrong = {"Values": second["Values"], "StorageDescriptor": {**second["StorageDescriptor"], "Location": "s3://else/where/"}}
    moto.client.update_partition(**name, PartitionValueList=second["Values"], PartitionInput=wrong)
    left = ["2026", "11", "01", "left-over"]
    moto.client.create_partition(**name, PartitionInput={"Values": left, "StorageDescriptor": second["StorageDescriptor"]})
    done = repair(house)
    assert (done.created, done.updated, done.removed, done.current) == (1, 1, 1, True)
    assert reader(house, moto).query(LIVE)["order_id"].to_pylist() == ["o1", "o2"]
    done = repair(house)
    assert (done.created, done.updated, done.removed) == (0, 0, 0)


def test_a_catalog_that_was_never_told_is_made_whole_by_repair(make_house: Make, moto: Any) -> None:
    house = make_house(REPLACED)
    for number in (1, 2):
        house.land("a.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    moto.client.delete_database(Name=database(house))
    house.mend()  # opens the lake anew: nothing is remembered
    before = shown(house)
    assert (before.shown, before.current) == (None, False)
    done = repair(house)
    assert done.current
    assert ids(house, moto) == live_ids(house)
    assert len(ids(house, moto, files_tables(house, moto)[0])) == 2


def test_a_revocation_is_shown_as_any_commit_is(make_house: Make, moto: Any) -> None:
    house = make_house({**ORDERS, **KEYED, "mode": "upsert"})
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o1", 2, 2)]))
    house.ingest()
    revoke(house.stores, house.live()[0].id, why="wrong file")
    assert ids(house, moto) == live_ids(house)
    assert reader(house, moto).query(LIVE)["quantity"].to_pylist() == [1]


def test_another_lakes_table_is_left_alone(make_house: Make, moto: Any) -> None:
    house = make_house()
    for number in (1, 2):
        house.land(f"{number}.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    other = make_house(env={"SUPPLY_LAKE_CATALOG_DATABASE": database(house)})
    other.land("a.csv", csv([("x", 1, 1)]))
    other.ingest()
    noted = lag.noted(other.stores.lake, "orders")
    assert noted is not None
    assert "another lake writes to this database" in noted.reason
    assert ids(house, moto) == live_ids(house)


def test_the_verb_shows_and_repairs(make_house: Make, moto: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    moto.client.delete_table(DatabaseName=database(house), Name="orders")
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    behind = CliRunner().invoke(app, ["catalog", "--json"])
    assert json.loads(behind.stdout)[0]["current"] is False
    mended = CliRunner().invoke(app, ["catalog", "orders", "--repair", "--json"])
    assert mended.exit_code == 0
    assert json.loads(mended.stdout)[0] | {"lag": None} == {
        "dataset": "orders", "commit": 1, "shown": 1, "current": True, "created": 1, "updated": 0, "removed": 0, "lag": None, "error": "",
    }  # fmt: skip
    assert "commit 1" in CliRunner().invoke(app, ["catalog"]).stdout


def test_gc_tells_the_catalog_and_reconcile_mends_it(make_house: Make, moto: Any) -> None:
    house = make_house(REPLACED, env={"SUPPLY_LAKE_RETENTION_DAYS": "0"})
    for number in (1, 2):
        house.land("a.csv", csv([(f"o{number}", number, 1)]))
        house.ingest()
    Collection(house.stores, *terms(house.stores.settings)).run("orders")
    (kept,) = files_tables(house, moto)
    assert ids(house, moto, kept) == live_ids(house)  # gc tells the catalog
    removed = [one.id for one in house.stores.metadata.snapshots("orders") if one.removed_at is not None]
    moto.client.delete_table(DatabaseName=database(house), Name="orders")
    (told,) = reconcile_files(house.stores, "orders").exports
    assert "1 partitions made" in told
    assert reconcile_files(house.stores, "orders").exports == ()
    assert len(removed) == 1
    assert ids(house, moto, kept) == live_ids(house)
