"""Queries behind the caller's back: one suite for the embedded engine and for Athena, and what Athena has besides."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import boto3
import pyarrow as pa
import pytest

from supply_lake import Lake
from supply_lake.catalog import lag
from supply_lake.errors import CatalogError, QueryError, QueryTimeout, UnknownQuery, UsageError
from supply_lake.ingest.stores import Stores
from supply_lake.query import athena_sql
from supply_lake.query.athena import AthenaJobs, cost
from supply_lake.query.aws_access import Access, Clients
from supply_lake.query.engine import Limits
from supply_lake.query.jobs import QueryState, State
from supply_lake.settings import Settings
from supply_lake.storage.connections import aws_client
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv
from supply_lake_tests.integration.catalog_reader import CatalogReader
from supply_lake_tests.integration.made_up_athena import MadeUpAthena

pytestmark = pytest.mark.integration
Make = Callable[..., House]
NEXT = DAY + dt.timedelta(days=1)
REPLACED = {**ORDERS, "mode": "replace"}
ALL = "SELECT order_id, quantity FROM orders ORDER BY order_id"


class Asking:
    """One lake, asked through one engine."""

    def __init__(self, house: House, engine: str, moto: Any, output: str) -> None:
        env = {**house.env, "SUPPLY_LAKE_QUERY": engine, "SUPPLY_LAKE_ATHENA_OUTPUT": output}
        self.lake = Lake(Stores.open(Settings.from_env(env)))
        self.engine, self.house = engine, house
        reader = CatalogReader(moto.client, house.env["SUPPLY_LAKE_CATALOG_DATABASE"], house.stores.lake)
        self.athena = MadeUpAthena(reader, aws_client("s3"))
        if engine == "athena":
            makes = {"athena": lambda **_: self.athena}
            clients = Clients(lambda service, **more: makes.get(service, lambda **rest: aws_client(service, **rest))(**more))
            self.lake._running = AthenaJobs(self.lake.stores, clients)

    def rows(self, sql: str, **how: Any) -> pa.Table:
        query_id = self.lake.start_query(sql, **how)
        state = self.wait(query_id)
        assert state.error == ""
        with self.lake.result(query_id) as reader:
            return reader.read_all()

    def wait(self, query_id: str) -> QueryState:
        end = time.monotonic() + 60
        while not (state := self.lake.get_query(query_id)).state.ended:
            assert time.monotonic() < end
        return state

    def ids(self, sql: str = "SELECT order_id FROM orders", **how: Any) -> list[str]:
        return sorted(self.rows(sql, **how)["order_id"].to_pylist())


@pytest.fixture
def ask(moto: Any, s3_location: str) -> Callable[[House, str], Asking]:
    return lambda house, engine="athena": Asking(house, engine, moto, f"{s3_location}/answers")


both = pytest.mark.parametrize("engine", ["duckdb", "athena"])


def landed(make_house: Make, spec: dict[str, Any] = REPLACED, days: int = 2, **more: Any) -> House:
    """A lake with a commit for each of the days."""
    house = make_house(spec, **more)
    for at in range(days):
        house.land("a.csv", csv([(f"o{at + 1}", at + 1, 1)]), day=DAY + dt.timedelta(days=at))
        house.ingest()
    return house


# --- the suite


@both
def test_rows_come_as_they_are_typed(make_house: Make, ask: Any, engine: str) -> None:
    kinds = {
        "id": "string",
        "n": "int16",
        "price": "decimal(18,4)",
        "at": "timestamp",
        "day": "date",
        "ok": "boolean",
        "x": "float64",
    }
    kinds |= {"lines": "list<struct<sku:string,n:int32>>"}
    house = make_house(
        {**ORDERS, "format": {"type": "jsonl"}, "columns": [{"name": name, "type": kind} for name, kind in kinds.items()]}
    )
    row = {"id": "a", "n": 2, "price": "1.2345", "at": "2026-11-01T01:02:03.004Z", "day": "2026-11-01", "ok": True, "x": 0.5}
    house.land("a.jsonl", json.dumps({**row, "lines": [{"sku": "s", "n": 1}]}) + "\n" + json.dumps({"id": "b"}) + "\n")
    house.ingest()
    rows = ask(house, engine).rows("SELECT * FROM orders")
    moment = dt.datetime(2026, 11, 1, 1, 2, 3, 4000, dt.UTC)
    found = rows.sort_by("id").to_pylist()
    assert found[0]["lines"] == [{"sku": "s", "n": 1}]
    assert (found[0]["at"], found[0]["day"], found[0]["ok"], found[0]["x"]) == (moment, DAY, True, 0.5)
    assert rows.schema.names == list(kinds)
    assert rows.schema.field("n").type == pa.int16()
    assert rows.schema.field("price").type == pa.decimal128(18, 4)
    assert rows.schema.field("at").type == pa.timestamp("us", "UTC")
    assert found[1] == {**dict.fromkeys(kinds), "id": "b"}


@both
def test_an_order_is_kept_and_an_answer_without_rows_has_its_columns(make_house: Make, ask: Any, engine: str) -> None:
    asking = ask(landed(make_house), engine)
    assert asking.rows("SELECT order_id FROM orders ORDER BY quantity DESC")["order_id"].to_pylist() == ["o2", "o1"]
    nothing = asking.rows("SELECT order_id, quantity FROM orders WHERE quantity > 9")
    assert nothing.num_rows == 0
    assert nothing.schema.field("quantity").type == pa.int64()


@both
def test_every_dataset_is_read_at_one_commit(make_house: Make, ask: Any, engine: str) -> None:
    house = landed(make_house)
    between = house.stores.metadata.commits("orders")[0].committed_at
    house.land("a.csv", csv([("o3", 3, 1)]))
    house.ingest()
    asking = ask(house, engine)
    assert asking.ids() == ["o2", "o3"]
    assert asking.ids(as_of=between) == ["o1"]
    assert asking.ids("SELECT order_id FROM orders@2") == ["o1", "o2"]
    pin = asking.lake.pin(as_of=between)
    assert asking.ids(pin=pin) == ["o1"]
    assert asking.wait(asking.lake.start_query("SELECT order_id FROM orders@3", pin=pin)).error.startswith(
        "orders@3 is of commit 3"
    )
    assert asking.ids("SELECT a.order_id FROM orders@1 AS a JOIN orders b ON a.order_id < b.order_id") == ["o1", "o1"]


@both
def test_lineage_is_there_to_be_asked_for(make_house: Make, ask: Any, engine: str) -> None:
    house = landed(make_house)
    (row,) = (
        ask(house, engine)
        .rows('SELECT "_partition_date", "_snapshot_id", "_line" FROM orders__rows WHERE quantity = 2')
        .to_pylist()
    )
    assert row == {"_partition_date": NEXT, "_snapshot_id": house.live()[1].id, "_line": 2}


@both
def test_deleted_rows_are_hidden(make_house: Make, ask: Any, engine: str) -> None:
    columns = [*ORDERS["columns"], {"name": "gone", "type": "boolean"}]
    house = make_house({**ORDERS, **KEYED, "mode": "upsert", "columns": columns, "tombstone": {"column": "gone"}})
    house.land("a.csv", csv([("o1", 1, 1, ""), ("o2", 2, 1, "true")], "order_id,quantity,version,gone"))
    house.ingest()
    assert ask(house, engine).ids() == ["o1"]


@both
def test_numbers_that_became_text_are_read_as_text(make_house: Make, ask: Any, engine: str) -> None:
    house = landed(make_house, ORDERS, days=1)
    columns = [dict(one) for one in ORDERS["columns"]]
    columns[1] = {"name": "quantity", "type": "string"}
    house.mend(columns=columns)
    house.land("b.csv", csv([("o2", "two", 1)]), day=NEXT)
    house.ingest()
    rows = ask(house, engine).rows("SELECT order_id, quantity FROM orders")
    assert sorted(rows["quantity"].to_pylist()) == ["1", "two"]


@both
def test_structs_that_gained_a_field_are_read_as_one(make_house: Make, ask: Any, engine: str) -> None:
    def columns(lines: str) -> list[dict[str, str]]:
        return [{"name": "order_id", "type": "string"}, {"name": "lines", "type": lines}]

    house = make_house({**ORDERS, "format": {"type": "jsonl"}, "columns": columns("list<struct<b:int32>>")})
    house.land("a.jsonl", json.dumps({"order_id": "o1", "lines": [{"b": 1}]}) + "\n")
    house.ingest()
    house.mend(columns=columns("list<struct<a:string,b:int64>>"))
    house.land("b.jsonl", json.dumps({"order_id": "o2", "lines": [{"a": "x", "b": 2}]}) + "\n", day=NEXT)
    house.ingest()
    rows = ask(house, engine).rows("SELECT order_id, lines FROM orders").sort_by("order_id")
    assert rows["lines"].to_pylist() == [[{"a": None, "b": 1}], [{"a": "x", "b": 2}]]


@both
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT * FROM nothing", "there is no table nothing; the datasets are orders"),
        ("SELECT FROM WHERE", "cannot be read"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("DROP TABLE orders", "this lake only answers"),
        ("INSERT INTO orders SELECT * FROM orders", "this lake only answers"),
        ("SELECT * FROM elsewhere.orders", "may not read elsewhere.orders"),
        ("SELECT * FROM orders@9", "no commit 9"),
    ],
)
def test_what_is_wrong_is_told_by_the_state(make_house: Make, ask: Any, engine: str, sql: str, told: str) -> None:
    asking = ask(landed(make_house, days=1), engine)
    state = asking.wait(asking.lake.start_query(sql))
    assert state.state is State.FAILED
    assert told in state.error
    with pytest.raises(QueryError):
        asking.lake.result(state.id).__enter__()
    assert asking.athena.sent == []


@both
def test_a_token_stands_for_one_query_and_ids_are_known_to_all(make_house: Make, ask: Any, engine: str) -> None:
    asking = ask(landed(make_house, days=1), engine)
    first = asking.lake.start_query(ALL, token="mine")
    assert asking.lake.start_query(ALL, token="mine") == first != asking.lake.start_query(ALL, token="yours")
    with pytest.raises(UsageError, match="stands for another query"):
        asking.lake.start_query("SELECT 1", token="mine")
    with pytest.raises(UnknownQuery):
        asking.lake.get_query("made-up")
    if engine == "athena":
        assert len(asking.athena.sent) == 2


@both
def test_a_query_past_its_limit_is_refused_before_it_reads(make_house: Make, ask: Any, engine: str) -> None:
    asking = ask(landed(make_house), engine)
    state = asking.wait(asking.lake.start_query(ALL, limits=Limits(bytes=10)))
    assert "more than the 10 that it is allowed" in state.error
    assert (state.state, state.scanned, state.cost_usd) == (State.FAILED, 0, 0.0)
    assert asking.athena.sent == []
    assert asking.wait(asking.lake.start_query(ALL, limits=Limits(bytes=10**9))).state is State.SUCCEEDED


# --- of Athena alone


def test_only_partitions_of_the_live_set_are_read(make_house: Make, ask: Any) -> None:
    house = landed(make_house)
    house.land("a.csv", csv([("o3", 3, 1)]))
    house.ingest()
    asking = ask(house)
    state = asking.wait(asking.lake.start_query(ALL))
    assert sorted(asking.athena.reader.read) == sorted(f"{one.location}/" for one in house.live())
    assert state.bytes == state.scanned == sum(one.bytes for one in house.live())
    assert state.cost_usd == cost(state.scanned) == pytest.approx(10 * 1024**2 / 1024**4 * 5)


def test_what_is_committed_meanwhile_is_not_seen(make_house: Make, ask: Any) -> None:
    house = landed(make_house, days=1)
    asking = ask(house)
    asking.athena.held = True
    query_id = asking.lake.start_query(ALL)
    house.land("a.csv", csv([("o2", 2, 1)]))
    house.ingest()
    sent = asking.athena.sent[0]["QueryString"]
    assert asking.athena.reader.query(sent)["order_id"].to_pylist() == ["o1"]
    with pytest.raises(QueryError, match="it has no rows yet"):
        asking.lake.result(query_id).__enter__()
    assert asking.lake.cancel(query_id).state is State.CANCELLED


def test_a_catalog_that_is_behind_is_brought_on_before_it_is_read(make_house: Make, moto: Any, ask: Any) -> None:
    house = landed(make_house, days=1)
    moto.client.delete_database(Name=house.env["SUPPLY_LAKE_CATALOG_DATABASE"])
    assert ask(house).ids() == ["o1"]
    assert lag.noted(house.stores.lake, "orders") is None


def test_names_are_told_apart_as_sql_does(make_house: Make, ask: Any) -> None:
    asking = ask(landed(make_house))
    assert asking.ids("WITH orders AS (SELECT 'mine' AS order_id) SELECT order_id FROM orders") == ["mine"]
    assert asking.ids(
        "WITH x AS (SELECT * FROM orders) SELECT order_id FROM x WHERE order_id IN (SELECT order_id FROM ORDERS@1)"
    ) == ["o1"]
    assert asking.ids("SELECT orders.order_id FROM orders UNION ALL SELECT 'orders' AS order_id") == ["o1", "o2", "orders"]
    assert asking.ids("SELECT t.order_id FROM orders t LEFT JOIN orders u ON t.order_id = u.order_id") == ["o1", "o2"]
    assert asking.ids("SELECT 'FROM orders' AS order_id -- FROM orders") == ["FROM orders"]


def test_rejects_and_functions_that_read_are_refused(make_house: Make, ask: Any) -> None:
    asking = ask(landed(make_house, days=1))
    for sql, told in (
        ("SELECT * FROM orders__rejects", "Athena does not read orders__rejects"),
        ("SELECT * FROM TABLE(system.query(query => 'x'))", ""),
        ("USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'f' SELECT f(1)", ""),
        ("UNLOAD (SELECT 1) TO 's3://b/' WITH (format = 'PARQUET')", ""),
        ("SELECT * FROM information_schema.tables", "may not read"),
    ):
        state = asking.wait(asking.lake.start_query(sql))
        assert state.state is State.FAILED
        assert told in state.error
    assert asking.athena.sent == []


def test_very_many_snapshots_still_make_a_statement(make_house: Make, moto: Any, ask: Any) -> None:
    house = landed(make_house, {**ORDERS, "mode": "append"}, days=3)
    asking = ask(house)
    with patch.object(athena_sql, "ROOM_FOR_IDS", 100):
        assert asking.ids() == ["o1", "o2", "o3"]
        assert asking.ids("SELECT order_id FROM orders@2") == ["o1", "o2"]
        assert asking.ids("SELECT order_id FROM orders@2") == ["o1", "o2"]
    assert "snapshot_id" not in asking.athena.sent[0]["QueryString"].lower().replace('"_snapshot_id"', "")
    database = house.env["SUPPLY_LAKE_CATALOG_DATABASE"]
    made = [one for one in moto.client.get_tables(DatabaseName=database)["TableList"] if "__chosen_" in one["Name"]]
    assert len(made) == 1  # two snapshots fit; three do not
    catalog = house.stores.catalog
    assert catalog is not None
    with patch("supply_lake.catalog.glue.CHOSEN_STAY", dt.timedelta(0)):
        catalog.repair(house.stores.registry.get("orders"))
    assert [one for one in moto.client.get_tables(DatabaseName=database)["TableList"] if "__chosen_" in one["Name"]] == []


def test_projected_partitions_are_asked_for_by_all_their_keys(make_house: Make, ask: Any) -> None:
    asking = ask(landed(make_house, days=2, env={"SUPPLY_LAKE_CATALOG_PARTITIONS": "projected"}))
    assert asking.ids() == ["o1", "o2"]
    for key in ("year IN", "month IN", "day IN", "snapshot_id IN"):
        assert key in asking.athena.sent[0]["QueryString"].replace('"', "")


def test_settings_and_arguments_reach_athena(make_house: Make, ask: Any) -> None:
    house = landed(make_house, days=1)
    house.env["SUPPLY_LAKE_ATHENA_REUSE_MINUTES"] = "5"
    asking = ask(house)
    asking.rows(ALL, workgroup="planning", output_location=f"{asking.lake.stores.settings.athena_output}/mine", format="csv")
    sent = asking.athena.sent[0]
    assert sent["WorkGroup"] == "planning"
    assert sent["ResultConfiguration"]["OutputLocation"].endswith("/answers/mine/")
    assert sent["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"] == {"Enabled": True, "MaxAgeInMinutes": 5}
    with pytest.raises(UsageError, match="parquet or csv"):
        asking.lake.start_query(ALL, format="json")


def test_long_answers_come_page_by_page(make_house: Make, ask: Any) -> None:
    house = make_house()
    house.land("a.csv", csv([(f"o{at:05}", at, 1) for at in range(2_500)]))
    house.ingest()
    asking = ask(house)
    rows = asking.rows("SELECT quantity FROM orders ORDER BY 1")
    assert rows["quantity"].to_pylist() == list(range(2_500))
    assert sorted(asking.rows("SELECT quantity FROM orders")["quantity"].to_pylist()) == list(range(2_500))


def test_a_query_that_is_waited_for_is_cancelled_when_its_time_is_over(make_house: Make, ask: Any) -> None:
    asking = ask(landed(make_house, days=1))
    assert asking.lake.query(ALL)["order_id"].to_pylist() == ["o1"]
    asking.athena.held = True
    with pytest.raises(QueryTimeout):
        asking.lake.query(ALL, limits=Limits(seconds=0.05))
    assert asking.athena.get_query_execution(QueryExecutionId="execution-2")["QueryExecution"]["Status"]["State"] == "CANCELLED"
    with pytest.raises(QueryError, match="there is no table nothing"):
        asking.lake.query("SELECT * FROM nothing")


def test_without_what_was_superseded_athena_has_nothing_to_read(make_house: Make, ask: Any) -> None:
    house = landed(make_house, days=1, env={"SUPPLY_LAKE_CATALOG_SUPERSEDED": "remove"})
    catalog, spec = house.stores.catalog, house.stores.registry.get("orders")
    assert catalog is not None
    with pytest.raises(CatalogError, match="SUPPLY_LAKE_CATALOG_SUPERSEDED=keep"):
        catalog.files_table(spec, catalog.files("orders", house.live())[0])


def test_the_embedded_engine_has_no_roles(make_house: Make, ask: Any) -> None:
    with pytest.raises(UsageError, match="neither roles nor workgroups"):
        ask(landed(make_house, days=1), "duckdb").lake.start_query("SELECT 1", workgroup="x")


def test_a_role_of_another_account_is_taken_on_once_with_its_external_id_and_tags(s3_server: Any, s3_location: str) -> None:
    asked: list[dict[str, Any]] = []

    def make(service: str, credentials: dict[str, str] | None = None) -> Any:
        client = aws_client(service, credentials=credentials)
        client.meta.events.register("provide-client-params.sts.AssumeRole", lambda params, **_: asked.append(dict(params)))
        return client

    clients = Clients(make)
    access = Access("arn:aws:iam::123456789012:role/reader", "planning-7", (("team", "planning"),))
    whose = [clients.client(service, access)._request_signer._credentials for service in ("athena", "s3")]
    assert whose[0].token
    assert whose[0].access_key == whose[1].access_key != "test"
    assert asked == [
        {
            "RoleArn": access.role_arn,
            "RoleSessionName": "supply_lake",
            "ExternalId": "planning-7",
            "Tags": [{"Key": "team", "Value": "planning"}],
            "TransitiveTagKeys": ["team"],
        }
    ]
    with pytest.raises(UsageError, match="is no role"):
        Access("reader")
    with pytest.raises(UsageError, match="belong to a role"):
        Access(external_id="x")


def test_over_http(make_house: Make, s3_server: Any, s3_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the emulator that runs queries: it reads all files below a table's location, so there is one commit only."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_GLUE")
    house = landed(make_house, ORDERS, days=1)
    env = {**house.env, "SUPPLY_LAKE_QUERY": "athena", "SUPPLY_LAKE_ATHENA_OUTPUT": f"{s3_location}/answers"}
    lake = Lake(Stores.open(Settings.from_env(env)))
    query_id = lake.start_query(
        ALL, role_arn="arn:aws:iam::000000000000:role/reader", external_id="planning-7", session_tags={"team": "p"}
    )
    jobs = lake._jobs
    assert isinstance(jobs, AthenaJobs)
    state = jobs.wait(query_id)
    assert state.error == ""
    assert state.state is State.SUCCEEDED
    with lake.result(query_id) as rows:
        assert rows.read_all().to_pylist() == [{"order_id": "o1", "quantity": 1}]
    assert lake.query(ALL).to_pylist() == [{"order_id": "o1", "quantity": 1}]
    failed = jobs.wait(lake.start_query("SELECT nothing FROM orders ORDER BY 1"))
    assert failed.state is State.FAILED
    assert "nothing" in failed.error
    lake.close()


def test_boto_takes_the_requests_as_they_are(make_house: Make, ask: Any) -> None:
    """What is sent fits the API's own model, which the made-up client doesn't look at."""
    asking = ask(landed(make_house, days=1))
    asking.rows("SELECT order_id FROM orders")
    client = boto3.client("athena", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    model = client.meta.service_model.operation_model("StartQueryExecution")
    from botocore.validate import ParamValidator

    assert not ParamValidator().validate(asking.athena.sent[0], model.input_shape).has_errors()
