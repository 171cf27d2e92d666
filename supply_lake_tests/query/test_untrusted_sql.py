"""SQL from anyone: it reads datasets and does nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from supply_lake.errors import QueryError
from supply_lake.query import engine, sandbox
from supply_lake_tests.query.made_lake import MadeLake

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
    with pytest.raises(QueryError) as caught:
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
