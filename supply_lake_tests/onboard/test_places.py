"""Where samples are found: files, folders, globs, landing, buckets, the web, databases; and what is never told of a place."""

from __future__ import annotations

import dataclasses
import http.server
import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from supply_lake.errors import StoreUnavailable, UsageError
from supply_lake.onboard.column_names import read_names
from supply_lake.onboard.places import find, shown
from supply_lake.onboard.sample import Sample, SampleFile
from supply_lake.onboard.tables import _with_reference, read_table, split
from supply_lake.onboard.web import fetch
from supply_lake.storage.object_store import ObjectStore
from supply_lake_tests.onboard.made import draft, spec

SECRET = "hunter2"


def looked_for(place: str, tmp_path: Path) -> Sample:
    return find(place, lambda: ObjectStore.open(str(tmp_path / "landing")), tmp_path / "scratch")


def names(sample: Sample) -> list[str]:
    return [one.name for one in sample.files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("in/a.csv", "in/deep/b.csv", "in/c.txt", "in/.hidden", "in/_SUCCESS", "in/d.csv.tmp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("id,v\n1,2\n")
    return tmp_path / "in"


def test_a_file(folder: Path, tmp_path: Path) -> None:
    assert names(looked_for(str(folder / "a.csv"), tmp_path)) == ["a.csv"]
    assert names(looked_for(f"file://{folder}/a.csv", tmp_path)) == ["a.csv"]


def test_a_folder_without_markers_and_temporary_files(folder: Path, tmp_path: Path) -> None:
    found = looked_for(str(folder), tmp_path)
    assert names(found) == ["a.csv", "c.txt", "deep/b.csv"]
    assert dict(found.left_out)["d.csv.tmp"] == "temporary name"


def test_a_glob(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(looked_for(f"{folder}/*.csv", tmp_path)) == ["a.csv"]
    assert names(looked_for(f"{folder}/**/*.csv", tmp_path)) == ["a.csv", "deep/b.csv"]
    monkeypatch.chdir(folder.parent)
    assert names(looked_for("in/*.txt", tmp_path)) == ["c.txt"]


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        ("raw/a.csv", ["raw/a.csv"]),
        ("raw", ["raw/a.csv", "raw/deep/b.csv"]),
        ("raw/*.csv", ["raw/a.csv"]),
        ("raw/**/*.csv", ["raw/a.csv", "raw/deep/b.csv"]),
    ],
)
def test_keys_in_landing(place: str, keys: list[str], tmp_path: Path) -> None:
    landing = ObjectStore.open(str(tmp_path / "landing"))
    for key in ("raw/a.csv", "raw/deep/b.csv", "raw2/c.csv"):
        landing.put(key, b"id,v\n1,2\n")
    found = looked_for(place, tmp_path)
    assert (names(found), found.in_landing) == (keys, True)
    with found.files[0].open() as file:
        assert file.read() == b"id,v\n1,2\n"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere.csv is no file or folder here, and no key in landing"):
        looked_for("nowhere.csv", tmp_path)
    with pytest.raises(UsageError, match="ftp://host/x is no place for files"):
        looked_for(f"ftp://me:{SECRET}@host/x", tmp_path)
    with pytest.raises(UsageError, match="carries credentials") as caught:
        looked_for(f"s3://me:{SECRET}@bucket/x", tmp_path)
    assert SECRET not in str(caught.value)


def test_a_large_sample_is_thinned_evenly() -> None:
    files = tuple(SampleFile(f"{at:03}", 10, None, None) for at in range(100))  # type: ignore[arg-type]
    found = Sample("here", files).bounded(most=300)
    assert names(found) == [f"{at:03}" for at in range(0, 100, 4)]
    assert len(found.left_out) == 75


@pytest.mark.integration
def test_a_bucket(s3_location: str, tmp_path: Path) -> None:
    store = ObjectStore.open(s3_location)
    for name in ("a.csv", "b.csv", "c.json"):
        store.put(f"x/{name}", b"id,v\n1,2\n")
    found = looked_for(f"{s3_location}/x/*.csv", tmp_path)
    assert [one.file for one in found.files] == ["a.csv", "b.csv"]
    assert not found.in_landing
    store.delete(["x/a.csv"])
    with pytest.raises(UsageError, match="there is no object under"):
        looked_for(f"{s3_location}/x/a.csv", tmp_path)


# --- the web


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        login = self.headers.get("Authorization", "").removeprefix("Basic ")
        found = self.path.startswith("/data") and b64decode(login) in (b"", f"me:{SECRET}".encode())
        self.send_response(200 if found else 403)
        self.send_header("Content-Type", "text/csv")
        self.end_headers()
        self.wfile.write(b"id,v\n1,2\n" if found else b"no")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_url_is_fetched_once(server: str, tmp_path: Path) -> None:
    found, known = fetch(f"http://me:{SECRET}@{server}/data?token={SECRET}", "things", tmp_path)
    assert known.source == {"system": server}
    assert names(found) == ["data.csv"]
    assert found.origin == f"http://{server}/data"
    with found.files[0].open() as file:
        assert file.read() == b"id,v\n1,2\n"


def test_a_url_without_secrets_is_a_source_to_pull(server: str, tmp_path: Path) -> None:
    _, known = fetch(f"http://me:{SECRET}@{server}/data/orders_2026-01-31.csv", "things", tmp_path)
    assert known.source == {
        "system": server,
        "files": {
            "url": f"http://{server}/data", "pattern": "orders_{yyyy}-{mm}-{dd}.csv",
            "auth": {"type": "basic", "user": "me", "password": {"env": "THINGS_PASSWORD"}},
        },
    }  # fmt: skip
    made = draft("id,v\n1,2\n2,3\n", known=known)
    assert spec(made).source.files is not None
    assert made.dating.pattern == ""


def test_a_url_that_gives_nothing(server: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"/no answers 403") as caught:
        fetch(f"http://{server}/no?token={SECRET}", "things", tmp_path)
    assert SECRET not in str(caught.value)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        fetch("http://127.0.0.1:1/x", "things", tmp_path)


def test_what_is_told_of_a_url() -> None:
    assert shown(f"https://me:{SECRET}@host:8080/a/b.csv?sig={SECRET}#{SECRET}") == "https://host:8080/a/b.csv"


# --- databases


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "erp.sqlite"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE TABLE parts (id BIGINT NOT NULL, plant VARCHAR(4) NOT NULL, price DECIMAL(12,4) NOT NULL, note TEXT, "
                "made DATE, changed TIMESTAMP, ok BOOLEAN, PRIMARY KEY (id, plant))"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO parts VALUES (2, 'A', 1.5, NULL, '2026-01-02', '2026-01-02 10:00:00', 1), (1, 'A', 2.25, 'x', NULL, NULL, 0)"
            )
        )
    engine.dispose()
    return f"sqlite:///{path}"


def test_a_table_brings_its_contract_and_its_rows(database: str, tmp_path: Path) -> None:
    read = read_table(f"{database}#parts", "things", tmp_path)
    assert read.known.types == {
        "id": "int64", "plant": "string", "price": "decimal(12,4)", "note": "string", "made": "date", "changed": "timestamp",
        "ok": "boolean",
    }  # fmt: skip
    assert (read.known.key, read.known.required, read.whole) == (("id", "plant"), ("id", "plant", "price"), True)
    with read.sample.files[0].open() as file:
        rows = pq.read_table(file).to_pylist()
    assert [(row["id"], str(row["price"]), row["ok"]) for row in rows] == [(1, "2.2500", False), (2, "1.5000", True)]
    assert read.known.source == {"system": "sqlite", "sql": {"url": database, "table": "parts"}}
    assert read_table(f"{database}?table=parts", "things", tmp_path).known == read.known


def test_a_table_is_a_source_to_pull(database: str, tmp_path: Path) -> None:
    read = read_table(f"{database}#parts", "things", tmp_path)
    with read.sample.files[0].open() as file:
        made = draft(file.read(), known=read.known)
    declared = spec(made)
    assert (declared.source.transport, declared.mode, declared.key_scope, declared.order_by) == (
        "sql",
        "upsert",
        "dataset",
        "changed",
    )
    assert made.policy.offers[0][0] == {"source": {"sql": {"cursor": {"by": "changed", "lag": 900}}}}
    without = dataclasses.replace(read.known, key=())
    with read.sample.files[0].open() as file:
        data = file.read()
    assert spec(draft(data, known=without, mode="replace")).mode == "replace"
    with pytest.raises(UsageError, match="what was asked for does not go together: a pull that is run again"):
        draft(data, known=read.known, mode="append")


def test_the_password_of_a_source_is_a_reference() -> None:
    url, _ = split(f"postgresql://reader:{SECRET}@erp:5432/sales?sslmode=require&sslpassword={SECRET}#public.parts")
    assert _with_reference(url, "parts") == "postgresql://reader:${PARTS_PASSWORD}@erp:5432/sales?sslmode=require"


def test_a_database_without_such_a_table(database: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no table orders; it has parts"):
        read_table(f"{database}#orders", "things", tmp_path)
    with pytest.raises(UsageError, match="needs the table behind it"):
        read_table(database, "things", tmp_path)


def test_a_database_that_does_not_answer_and_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        read_table(f"postgresql://reader:{SECRET}@127.0.0.1:1/erp?application_name={SECRET}#public.parts", "things", tmp_path)
    assert "postgresql+psycopg://reader:***@127.0.0.1:1/erp does not answer" in str(caught.value)
    assert SECRET not in str(caught.value)
    with pytest.raises(UsageError) as refused:
        read_table(f"nosuch://me:{SECRET}@host/db#t", "things", tmp_path)
    assert SECRET not in str(refused.value)


@pytest.mark.integration
def test_a_table_of_postgresql(postgres_url: str, tmp_path: Path) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SCHEMA erp"))
        connection.execute(
            sa.text(
                "CREATE TABLE erp.parts (id bigint PRIMARY KEY, price numeric(12,4) NOT NULL, tags text[], doc jsonb, at timestamptz, local timestamp, "
                "key uuid)"
            )
        )
        connection.execute(sa.text("COMMENT ON TABLE erp.parts IS 'Parts that we sell.'"))
        connection.execute(sa.text("COMMENT ON COLUMN erp.parts.price IS 'List price.'"))
        connection.execute(
            sa.text(
                "INSERT INTO erp.parts VALUES (1, 2.5, '{a,b}', '{\"x\": 1}', '2026-01-01 10:00+02', '2026-01-01 10:00', "
                "'6be756d9-d7be-4463-8f2c-ae60c710d606')"
            )
        )
    engine.dispose()
    read = read_table(f"{postgres_url}#erp.parts", "things", tmp_path)
    assert read.known.types == {
        "id": "int64", "price": "decimal(12,4)", "tags": "list<string>", "doc": "json", "at": "timestamp", "local": "timestamp",
        "key": "string",
    }  # fmt: skip
    assert (read.known.remark, read.known.remarks) == ("Parts that we sell.", {"price": "List price."})
    with read.sample.files[0].open() as file:
        (row,) = pq.read_table(file).to_pylist()
    assert (row["tags"], row["doc"], row["at"].isoformat()) == (["a", "b"], '{"x": 1}', "2026-01-01T08:00:00+00:00")


# --- names of columns


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb c\n\nd\n", ("a", "b c", "d")),
        ("a,b,c\n", ("a", "b", "c")),
        ("a;b;c", ("a", "b", "c")),
        ("table,ordinal,column\nparts,2,Name\nparts,1,ID\nother,1,X\n", ("ID", "Name")),
        ("TABLE_NAME,COLUMN_NAME\nPARTS,ID\nPARTS,Name\n", ("ID", "Name")),
        ("column,type\nID,int\nName,text\n", ("ID", "Name")),
    ],
)
def test_names_from_a_file(text: str, found: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(text)
    assert read_names(str(path), ["things", "Parts"]) == found
    assert read_names("a, b", []) == ("a", "b")


def test_a_list_that_has_no_such_table(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("table,column\nparts,ID\n")
    with pytest.raises(UsageError, match="lists no columns of orders"):
        read_names(str(path), ["orders"])
