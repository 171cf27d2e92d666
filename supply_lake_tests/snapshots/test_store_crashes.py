"""The store when things go wrong: killed writers, a full disk, a server that is away."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from supply_lake.errors import SettingsError, StoreUnavailable
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.dynamo_items import LAKE
from supply_lake.snapshots.dynamo_store import DynamoStore
from supply_lake.snapshots.sql_schema import lake_schema
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots import writers
from supply_lake_tests.snapshots.conftest import every_way
from supply_lake_tests.snapshots.made_up import DAY, SECOND, Clock, entry, proposal, version
from supply_lake_tests.snapshots.opening import PLANNED, open_now, run_writers

ROOT = Path(__file__).parents[2]

STATEMENTS = {
    "publish": (
        "INSERT INTO commits",
        "INSERT INTO schema_versions",
        "INSERT INTO snapshots",
        "UPDATE objects",
        "UPDATE datasets",
        "COMMIT",
    ),
    "mend": ("UPDATE snapshots", "UPDATE objects", "COMMIT"),
}


def killed(url: str, work: str) -> int:
    """How many moments of the work its writers were killed at, one after another; none of those that count is missing."""
    told = run_writers("kill", url, work)
    moments = int(told[-1].removeprefix("survived "))
    assert len(told) == moments + 1
    wanted = [f"{when} {one}" for one in STATEMENTS[work] for when in ("before", "after")]
    if url.startswith("dynamodb"):
        planned = ["after BatchWriteItem"] if url.endswith(PLANNED) else []
        wanted = ["before the first request", "after TransactWriteItems", *planned]
    for one in wanted:
        assert any(line.startswith(f"killed {one}") for line in told), one
    return moments


@every_way
def test_m2_killed_at_every_moment_of_the_commit_sequence(store_url: str) -> None:
    moments = killed(store_url, "publish")
    store = open_now(store_url, Clock())
    for moment in range(moments + 1):
        recount(store, f"d{moment}")
        writers.publish(store_url, f"d{moment}")
        recount(store, f"d{moment}", done=True)
    store.close()


def recount(store: MetadataStore, dataset: str, done: bool = False) -> None:
    """Everything that was written is whole: commit, snapshot, batch and ledger agree."""
    ledger = {one.object.key.rpartition("/")[2]: one for one in store.objects(dataset)}
    commits, live, batches = store.commits(dataset), store.live(dataset), store.batches(dataset)
    assert len(commits) == len(live) == store.last_commit(dataset) == len(store.published_content(dataset, DAY))
    assert [one.commit for one in live] == [one.number for one in commits]
    assert len(store.snapshots(dataset)) == len(batches)
    assert [one.commit for one in store.schema_versions(dataset)] == [one.number for one in commits]
    settled = {key: one.batch_id for key, one in ledger.items() if one.state == ObjectState.DONE}
    assert sorted(settled.values()) == sorted(one.id for one in batches)
    assert ("good.csv" in settled) == (len(commits) == 1)
    assert all(one.state in (ObjectState.DONE, ObjectState.PENDING) for one in ledger.values())
    assert set(ledger) in (set(), {"good.csv", "bad.csv"})
    if done:
        assert set(settled) == {"good.csv", "bad.csv"}


@every_way
def test_m2_killed_at_every_moment_of_a_replay_and_of_a_revocation(store_url: str) -> None:
    moments = killed(store_url, "mend")
    store = open_now(store_url, Clock())
    seen = set()
    for moment in range(moments + 1):
        seen.add(mended(store, f"d{moment}"))
        writers.mend(store_url, f"d{moment}")
        assert mended(store, f"d{moment}") == 3
    assert seen == {1, 2, 3}
    store.close()


def mended(store: MetadataStore, dataset: str) -> int:
    """How many commits there are: every one is whole in commits, snapshots, batches and ledger, or not there at all."""
    last = store.last_commit(dataset)
    assert [one.number for one in store.commits(dataset)] == list(range(1, last + 1))
    kinds = [one.kind for one in reversed(store.snapshots(dataset)) if one.commit]
    assert kinds == ["ingest", "replay", "revoke"][:last]
    (bad,) = store.versions([f"{dataset}/2026/11/01/bad.csv"]).values()
    replayed = next((one for one in store.snapshots(dataset) if one.kind == "replay"), None)
    assert (replayed is not None) == (last > 1)
    assert len(store.published_content(dataset, DAY)) == min(last, 2)
    assert bad[-1].state == ("revoked" if last == 3 else "done")
    assert (replayed.revoked_by if replayed else None) == (3 if last == 3 else None)
    assert [one.revoked for one in store.commits(dataset)][2:] == ([(replayed.id,)] if replayed and last == 3 else [])
    assert len(store.live(dataset)) == {1: 1, 2: 2, 3: 2}[last]
    return last


def test_a_file_that_is_no_database_is_told_apart_from_one_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id,quantity\n" * 100)
    with pytest.raises(StoreUnavailable, match="no SQLite file: name another with SUPPLY_LAKE_METADATA"):
        SqlStore.open(f"sqlite:///{tmp_path}/orders.csv")
    with pytest.raises(StoreUnavailable, match="make sure that it is a file that this user may write"):
        SqlStore.open(f"sqlite:///{tmp_path}")


def test_m5_a_full_disk_is_a_clear_error_and_nothing_is_lost(tmp_path: Path) -> None:
    store = SqlStore.open(f"sqlite:///{tmp_path}/metadata.sqlite")
    one = version()
    store.register([entry(one)])
    asked = proposal(DAY, objects=[one])
    _limit_pages(store, grow=False)
    with pytest.raises(StoreUnavailable, match=r"metadata\.sqlite does not answer .*full.*nothing is lost"):
        store.register(entry(version(f"{n}" * 900)) for n in range(100))
    with pytest.raises(StoreUnavailable, match="full"):
        commit_until_it_fails(store)
    number = store.last_commit("orders")
    assert [commit.number for commit in store.commits("orders")] == list(range(1, number + 1))
    assert [found.object for found in store.objects()] == [one]
    _limit_pages(store, grow=True)
    assert store.commit(asked).commit == number + 1
    assert store.pending() == []
    store.close()


def commit_until_it_fails(store: MetadataStore) -> None:
    for _ in range(100):
        store.commit(proposal(DAY, DAY + dt.timedelta(days=1)))


def _limit_pages(store: SqlStore, grow: bool) -> None:
    """Fill the disk, or free it: the store's one connection may not let its file grow beyond what it is."""
    with store._database.engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={2**30 if grow else 1}")


@pytest.mark.integration
def test_m5_a_server_that_is_away_is_a_clear_error_and_work_goes_on_when_it_is_back(
    own_postgres: object, tmp_path: Path
) -> None:
    url = own_postgres.new_database().replace("postgres:@", "postgres:s3cret@")  # type: ignore[attr-defined]
    store = SqlStore.open(url)
    one = version()
    store.register([entry(one)])
    first = store.commit(proposal(DAY, objects=[one]))
    own_postgres.stop()  # type: ignore[attr-defined]
    for use in (
        lambda: store.commit(proposal(DAY)),
        lambda: store.live("orders"),
        lambda: store.register([entry(version("b.csv"))]),
        lambda: list(store.objects()),
        lambda: SqlStore.open(url),
    ):
        with pytest.raises(StoreUnavailable, match="nothing is lost") as refusal:
            use()
        assert "s3cret" not in str(refusal.value)
        assert "***@" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    own_postgres.start()  # type: ignore[attr-defined]
    assert store.live("orders") == list(first.snapshots)
    assert store.commit(proposal(DAY)).commit == 2
    store.close()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[object]:
    """A server that the test may stop."""
    from supply_lake_tests.integration.postgres import Postgres

    server = Postgres(tmp_path / "pg")
    yield server
    server.close()


def test_m5_a_connection_that_broke_off_is_made_again(open_store: Callable[[], MetadataStore], store_url: str) -> None:
    store = open_store()
    store.commit(proposal(DAY))
    if store_url.startswith("postgresql"):
        with psycopg.connect(store_url.replace("+psycopg", "")) as other:
            others = "datname = current_database() and pid <> pg_backend_pid()"
            other.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {others}")
    assert store.commit(proposal(DAY)).commit == 2


def test_m5_a_store_whose_place_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        SqlStore.open(f"sqlite:///{tmp_path}/file/metadata.sqlite")
    (tmp_path / "text.sqlite").write_text("no database" * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        SqlStore.open(f"sqlite:///{tmp_path}/text.sqlite")
    (tmp_path / "folder.sqlite").mkdir()
    with pytest.raises(StoreUnavailable, match="unable to open"):
        SqlStore.open(f"sqlite:///{tmp_path}/folder.sqlite")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "no url", "mysql+nothing://x/y"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="metadata store"):
        SqlStore.open(url)


def test_a_store_of_another_version_is_refused(open_store: Callable[[], MetadataStore]) -> None:
    store = open_store()
    if isinstance(store, SqlStore):
        store._database.write(lambda connection: connection.execute(sa.update(lake_schema).values(version=99)))
    if isinstance(store, DynamoStore):
        store.table.put_many([{"pk": LAKE[0], "sk": LAKE[1], "design": 99}])
    with pytest.raises(SettingsError, match=r"has (schema version|key design) 99, this supply_lake takes \d"):
        open_store()


def test_a_forked_child_does_not_use_its_parents_connections(open_store: Callable[[], MetadataStore]) -> None:
    store = open_store()
    store.commit(proposal(DAY))
    if isinstance(store, DynamoStore):
        client = store.table.client
        store.table._pid = os.getpid() + 1  # as a child sees it
        store.commit(proposal(DAY))
        assert store.table.client is not client
        client.close()
        return
    assert isinstance(store, SqlStore)
    held = store._database.engine.pool
    store._database._pid = os.getpid() + 1  # as a child sees it
    store.commit(proposal(DAY))
    assert store._database.engine.pool is not held
    assert store._database._pid == os.getpid()
    held.dispose()


def test_times_are_kept_to_the_microsecond(store: MetadataStore, clock: Clock) -> None:
    clock.now = dt.datetime(2039, 12, 31, 23, 59, 59, 999999, tzinfo=dt.timezone(dt.timedelta(hours=-7)))
    done = store.commit(proposal(DAY))
    assert done.snapshots[0].committed_at == clock.now
    assert store.commits("orders")[0].committed_at == clock.now
    assert store.commit_at("orders", clock.now - SECOND) == 0
