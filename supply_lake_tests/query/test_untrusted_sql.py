"""SQL from anyone: it reads datasets and does nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from supply_lake.errors import QueryCancelled, QueryError, QueryTimeout, UsageError
from supply_lake.query import engine, sandbox
from supply_lake.query.statement import HARMFUL_FUNCTIONS
from supply_lake.query.worker import Worker
from supply_lake_tests.query.made_lake import ORDERS, MadeLake, named

ENDLESS = "SELECT sum(hash(range)) FROM range(100000000000)"
NOT_FOR_READING = [
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "INSERT INTO orders VALUES ('x', 1, 1)",
    "UPDATE orders SET quantity = 0",
    "DELETE FROM orders",
    "DROP VIEW orders",
    "ATTACH '{secret}' AS other",
    "COPY orders TO '{target}'",
    "COPY (SELECT 1) TO '{live}' (FORMAT parquet)",
    "EXPLAIN ANALYZE COPY orders TO '{target}'",
    "EXPLAIN /* */ ANALYZE COPY orders TO '{target}'",
    "EXPORT DATABASE '{target}'",
    "IMPORT DATABASE '{target}'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD json",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA database_list",
    "CALL enable_logging(storage = 'file', storage_path = '{target}')",
    "CALL pragma_version()",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "CHECKPOINT",
    "VACUUM",
    "USE memory",
    "SET VARIABLE x = 1",
    "BEGIN",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW orders",
]
READS_ELSEWHERE = [
    "FROM read_text('/etc/passwd')",
    "FROM '{secret}'",
    "FROM read_csv('{secret}')",
    "FROM read_parquet('{live}')",
    "FROM parquet_metadata('{live}')",
    "FROM read_blob('/proc/self/environ')",
    "FROM glob('/etc/*')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM read_json('/etc/passwd')",
    "FROM read_duckdb('{secret}')",
    "FROM 'https://127.0.0.1:1/x.parquet'",
    "FROM read_parquet('http://127.0.0.1:1/x')",
    "FROM read_csv('s3://bucket/key')",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT * FROM orders WHERE EXISTS (FROM glob('/etc/*'))",
    "WITH a AS MATERIALIZED (FROM read_text('/etc/passwd')) FROM a",
    "DESCRIBE SELECT * FROM read_csv('/etc/passwd')",
    "SUMMARIZE SELECT * FROM read_csv('/etc/passwd')",
    "EXPLAIN ANALYZE FROM read_text('/etc/passwd')",
    "FROM query('FROM read_text(''/etc/passwd'')')",
    "FROM query_table('{secret}')",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''/etc/passwd'')'))",
    "SELECT * FROM orders LIMIT (SELECT count(*) FROM glob('/etc/*'))",
    "SELECT getenv('HOME')",
    "FROM duckdb_settings()",
    "FROM duckdb_secrets()",
    "FROM which_secret('s3://a', 's3')",
    "FROM enable_logging(storage = 'file', storage_path = '{target}')",
    "FROM enable_profiling(save_location = '{target}')",
    "FROM pandas_scan(1)",
    "FROM arrow_scan(1, 2, 3)",
    "FROM python_map_function(1)",
    "FROM a_python_variable",
    'FROM "{live}"',
    "FROM orders JOIN '{live}' ON true",
    "FROM (WITH \"{secret}\" AS (SELECT 1) FROM orders) AS x, '{secret}'",
    "FROM pg_catalog.pg_settings",
    "FROM system.pg_catalog.pg_settings",
    "FROM duckdb_views()",
    "FROM duckdb_temporary_files()",
    "FROM information_schema.views",
    "FROM orders AT (VERSION => 1)",
    "SELECT current_setting('temp_directory')",
    "SELECT 'allowed_paths'.current_setting()",
    "SELECT getvariable('x')",
    "SELECT json_serialize_plan('FROM read_text(''/etc/passwd'')')",
    "SELECT write_log('x')",
    "SELECT list_transform([1], lambda x: current_setting('temp_directory'))",
    "SELECT sleep_ms(1)",
    "FROM orders@'{secret}'",
    "SELECT sum(getenv('HOME')) OVER () FROM orders",
]


@pytest.fixture
def places(lake: MadeLake, tmp_path: Path) -> dict[str, str]:
    snapshot = lake.commit([("o1", 1, Decimal("1.50"))])
    secret = tmp_path / "secret.csv"
    secret.write_text("user,password\nroot,hunter2\n")
    return {
        "secret": str(secret),
        "target": str(tmp_path / "written"),
        "live": lake.stores.lake.uri(snapshot.files[0].path),
    }


@pytest.fixture(autouse=True)
def _nothing_changes(lake: MadeLake, places: dict[str, str]) -> Iterator[None]:
    before = _files(lake)
    yield
    assert _files(lake) == before
    assert not Path(places["target"]).exists()


def _files(lake: MadeLake) -> dict[str, bytes]:
    root = Path(lake.stores.lake.location)
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("sql", NOT_FOR_READING)
def test_statements_that_do_more_than_read_are_refused(lake: MadeLake, places: dict[str, str], sql: str) -> None:
    with pytest.raises(QueryError, match=r"a query is one statement that reads|holds 2 statements|cannot be read"):
        _run(lake, sql.format(**places))


@pytest.mark.parametrize("sql", READS_ELSEWHERE)
def test_nothing_but_datasets_can_be_read(lake: MadeLake, places: dict[str, str], sql: str) -> None:
    a_python_variable = {"a": [1]}
    assert a_python_variable
    with pytest.raises((QueryError, UsageError)) as caught:
        _run(lake, sql.format(**places))
    said = str(caught.value)
    assert "\n" not in said
    assert "root:" not in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_text('/etc/passwd')",
        "FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '{target}'",
        "COPY (SELECT 1 AS a) TO '{live}' (FORMAT parquet)",
        "ATTACH '{target}'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
    ],
)
def test_the_engine_is_walled_in_even_if_a_statement_slips_through(places: dict[str, str], tmp_path: Path, sql: str) -> None:
    connection = sandbox.connect(memory_bytes=2**28, threads=1, temp_directory=tmp_path / "spill")
    sandbox.lock(connection, [places["live"]])
    with pytest.raises(duckdb.Error):
        connection.execute(sql.format(**places))
    connection.close()


def test_every_function_that_sounds_like_more_than_computing_is_refused_or_was_looked_at() -> None:
    suspicious = re.compile(
        r"read|write|file|path|glob|env|http|url|setting|secret|query|execut|serializ|sleep|log|scan|variable|load"
    )
    looked_at = {
        "current_catalog", "current_query", "current_query_id", "in_search_path", "json_deserialize_sql", "json_serialize_sql", "json_extract_path",
        "json_extract_path_text", "log", "log10", "log2", "parse_dirname", "parse_dirpath", "parse_duckdb_log_message",
        "parse_filename", "parse_path", "pg_conf_load_time", "url_decode", "url_encode", "spread",
    }  # fmt: skip
    with duckdb.connect() as connection:
        sql = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro', 'aggregate')"
        names = {str(row[0]) for row in connection.execute(sql).fetchall()}
    assert {one for one in names if suspicious.search(one)} - HARMFUL_FUNCTIONS - looked_at == set()


def test_what_a_query_does_not_see_is_not_there(make_lake: Callable[..., MadeLake]) -> None:
    lake = make_lake(ORDERS, named("parts"))
    limits = engine.Limits(datasets=["parts"])
    with engine.run(lake.stores, "SHOW TABLES", limits=limits) as answer:
        assert {one[:5] for one in answer.table().column(0).to_pylist()} == {"parts"}
    for table in ("orders", "orders__rows", "orders__history", "orders@0", 'main."ORDERS"'):
        with (
            pytest.raises(QueryError, match=r"there is no table \w+; the datasets are parts$"),
            engine.run(lake.stores, f"FROM {table}", limits=limits),
        ):
            pass


def test_a_deeply_nested_statement_is_refused(lake: MadeLake) -> None:
    with pytest.raises(QueryError):
        _run(lake, "SELECT " + " + ".join(["1"] * 5_000))


def test_a_query_that_reads_too_much_is_refused_before_it_runs(lake: MadeLake) -> None:
    with (
        pytest.raises(QueryError, match=r"may read [\d,]+ bytes of files, more than the 10"),
        engine.run(lake.stores, "FROM orders", limits=engine.Limits(bytes=10)),
    ):
        pass


def test_time_is_limited(lake: MadeLake) -> None:
    with (
        pytest.raises(QueryTimeout, match=r"took longer than 0 s; .* SUPPLY_LAKE_QUERY_SECONDS"),
        engine.run(lake.stores, ENDLESS, limits=engine.Limits(seconds=0.2)),
    ):
        pass


def test_the_time_in_which_nobody_takes_rows_is_not_counted(lake: MadeLake) -> None:
    with engine.run(lake.stores, "FROM range(1000000)", limits=engine.Limits(seconds=60)) as answer:
        worker = answer._worker
        left, batches = worker._left, answer.batches()
        next(batches)
        assert 0 < left - worker._left < 60


def test_another_thread_cancels_a_query(lake: MadeLake) -> None:
    def cancel_soon(worker: Worker) -> None:
        threading.Timer(0.2, worker.cancel).start()

    with pytest.raises(QueryCancelled), engine.run(lake.stores, ENDLESS, started=cancel_soon):
        pass


def test_an_answer_is_cancelled_between_two_batches(lake: MadeLake) -> None:
    with engine.run(lake.stores, "FROM range(1000000)") as answer:
        batches = answer.batches()
        next(batches)
        answer.cancel()
        with pytest.raises(QueryCancelled):
            next(batches)


def test_memory_is_limited(lake: MadeLake, tmp_path: Path) -> None:
    connection = sandbox.connect(memory_bytes=2**25, threads=1, temp_directory=tmp_path / "spill")
    assert connection.execute("SELECT current_setting('memory_limit'), current_setting('threads')").fetchone() == (
        "32.0 MiB",
        1,
    )
    connection.close()


def _run(lake: MadeLake, sql: str) -> None:
    with engine.run(lake.stores, sql) as answer:
        answer.table()
