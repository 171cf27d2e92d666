"""Compaction: fewer files, the same rows; and whatever happens afterwards happens as if it had never been."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from supply_lake.errors import NotRevocable, UsageError, VerificationError
from supply_lake.ingest.recurate import recurate
from supply_lake.ingest.replay import replay
from supply_lake.ingest.revoke import revoke
from supply_lake.lake import Lake
from supply_lake.snapshots.records import Kind, Rows, Snapshot
from supply_lake.snapshots.store import Proposal
from supply_lake.upkeep.compact import Compaction, compact
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

Make = Callable[..., House]
NEXT = DAY + dt.timedelta(days=1)


def fill(house: House, files: int = 4, day: dt.date = DAY) -> list[str]:
    """One commit per file, of two rows each; returns the snapshots' ids."""
    for number in range(files):
        house.land(f"{day}-{number}.csv", csv([(f"o{number}", number, 1), (f"p{number}", number, 1)]), day=day)
        house.ingest()
    return [one.id for one in house.live() if one.partition == day]


def only(house: House) -> Snapshot:
    (found,) = house.live()
    return found


def lineage(house: House) -> list[tuple[Any, ...]]:
    return sorted(house.frame(lineage=True).rows(), key=repr)


def test_o7_small_files_become_one_and_no_row_changes(make_house: Make) -> None:
    house = make_house()
    ids = fill(house)
    before, rows = lineage(house), house.rows()
    (done,) = compact(house.stores, "orders")
    assert (done.snapshots, done.files_before, done.files_after) == (4, 4, 1)
    found = only(house)
    assert (found.kind, found.commit, found.holds, found.rows) == (Kind.COMPACT, 5, tuple(ids), Rows())
    assert set(found.supersedes) == set(ids)
    assert lineage(house) == before
    assert house.rows(commit=4) == rows
    assert len(house.live(commit=4)) == 4
    house.prove()
    house.recount()


def test_what_is_compact_already_is_left_alone(make_house: Make) -> None:
    house = make_house()
    fill(house, 1)
    assert compact(house.stores, "orders") == []
    fill(house, 3)
    assert len(compact(house.stores, "orders")) == 1
    assert compact(house.stores, "orders") == []
    assert house.stores.metadata.last_commit("orders") == 4  # the first file's bytes came twice


def test_each_date_is_a_commit_and_one_date_can_be_asked_for(make_house: Make) -> None:
    house = make_house()
    fill(house)
    fill(house, day=NEXT)
    (done,) = compact(house.stores, "orders", NEXT)
    assert done.partition == NEXT
    (done,) = compact(house.stores, "orders")
    assert (done.partition, done.batch.commit if done.batch else None) == (DAY, 10)
    with pytest.raises(UsageError, match="nothing of dataset orders is live on 2026-12-01"):
        compact(house.stores, "orders", dt.date(2026, 12, 1))


def test_a_rehearsal_tells_and_writes_nothing(make_house: Make) -> None:
    house = make_house()
    fill(house)
    (told,) = compact(house.stores, "orders", rehearsal=True)
    assert (told.files_before, told.files_after, told.batch) == (4, 1, None)
    assert house.stores.metadata.last_commit("orders") == 4
    (done,) = compact(house.stores, "orders")
    assert done.files_after == told.files_after


def test_a_compaction_of_a_compaction_holds_what_both_held(make_house: Make) -> None:
    house = make_house()
    fill(house, 3)
    compact(house.stores, "orders")
    house.land("late.csv", csv([("q", 1, 1)]))
    house.ingest()
    compact(house.stores, "orders")
    assert len(only(house).holds) == 4
    house.prove()


def test_files_of_several_schemas_stay_apart(make_house: Make) -> None:
    house = make_house()
    fill(house, 2)
    house.mend(columns=[*ORDERS["columns"], {"name": "note", "type": "string"}])
    for number in range(2):
        house.land(f"n{number}.csv", csv([(f"n{number}", 1, 1, "x")], "order_id,quantity,version,note"))
        house.ingest()
    rows = house.rows()
    (done,) = compact(house.stores, "orders")
    assert done.batch
    assert [one.schema_version for one in done.batch.snapshots] == [1, 2]
    assert house.rows() == rows
    house.prove()


def test_an_upsert_keeps_the_origin_of_every_row(make_house: Make) -> None:
    house = make_house({**ORDERS, **KEYED, "mode": "upsert"}, {**ORDERS, "name": "other"})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o2", 9, 2)]))
    house.ingest()
    assert compact(house.stores, "orders") == []  # an upsert writes a date whole


def test_rows_that_many_wrote_in_parts_are_streamed(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from supply_lake.ingest import regroup
    from supply_lake.snapshots import parquet

    house = make_house()
    fill(house, 5)
    before = lineage(house)
    monkeypatch.setattr(parquet, "VALUES_PER_GROUP", 28)
    monkeypatch.setattr(parquet, "GROUPS_PER_PART", 1)
    monkeypatch.setattr(regroup, "_IN_MEMORY", 0)
    (done,) = compact(house.stores, "orders")
    assert (done.files_before, done.files_after) == (5, 3)
    assert lineage(house) == before
    assert compact(house.stores, "orders") == []
    house.prove()


def test_a_damaged_file_is_not_given_a_fresh_checksum(make_house: Make) -> None:
    house = make_house()
    fill(house)
    path = Path(house.stores.lake.uri(house.live()[1].files[0].path))
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    with pytest.raises(VerificationError, match="is not the file that was written; it is left as it is"):
        compact(house.stores, "orders")
    assert house.stores.metadata.last_commit("orders") == 4
    stored = [key for batch in house.stores.lake.list("dataset=orders/") for key in batch.column("key").to_pylist()]
    assert len(stored) == 4


# --- what comes after


def test_the_same_bytes_under_another_name_are_still_known(make_house: Make) -> None:
    house = make_house()
    fill(house, 2)
    compact(house.stores, "orders")
    house.land("again.csv", csv([("o1", 1, 1), ("p1", 1, 1)]))
    (batch,) = house.ingest()
    assert "same bytes as" in batch.reason
    assert len(house.rows()) == 4


def test_rejects_of_live_rows_stand_as_before(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "x", 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", 1, 1), ("o2", 2, 1), ("o3", "y", 1)]))
    house.ingest()
    stood = house.standing()
    assert len(stood) == 2
    compact(house.stores, "orders")
    assert house.standing() == stood


def test_what_was_put_together_can_be_revoked_and_given_back(make_house: Make) -> None:
    house = make_house()
    ids = fill(house)
    rows = house.rows()
    compact(house.stores, "orders")
    batch = revoke(house.stores, ids[1], why="false")
    left = [row for row in rows if row[0] not in ("o1", "p1")]
    assert house.rows() == left
    assert house.rows(commit=(batch.commit or 0) - 1) == rows
    assert house.states()["orders/2026/11/01/2026-11-01-1.csv"] == ["revoked"]
    house.prove()
    compact(house.stores, "orders")
    revoke(house.stores, batch.snapshots[0].id, why="it was right")
    assert house.rows() == rows
    compact(house.stores, "orders")
    assert set(only(house).holds) == set(ids)
    revoke(house.stores, ids[1], why="false after all")
    assert house.rows() == left
    house.prove()
    house.recount()


def test_a_compaction_itself_cannot_be_revoked(make_house: Make) -> None:
    house = make_house()
    fill(house)
    compact(house.stores, "orders")
    with pytest.raises(NotRevocable, match="was written by a compaction and brought no row; revoke the snapshot that brought"):
        revoke(house.stores, only(house).id, why="false")


def test_a_replaced_date_comes_back_when_what_replaced_it_is_revoked(make_house: Make) -> None:
    house = make_house({**ORDERS, "mode": "replace"})
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.ingest()
    house.land("b.csv", csv([("o2", 2, 1)]))
    house.ingest()
    assert compact(house.stores, "orders") == []  # one snapshot of one file
    revoke(house.stores, only(house).id, why="false")
    assert house.rows() == [("o1", 1, 1)]


def test_a_replay_after_a_compaction_meets_the_rows_of_its_own_delivery_only(make_house: Make) -> None:
    """`append` keeps one row of a key within a delivery; a row of the same key in another delivery stays beside it."""
    house = make_house({**ORDERS, **KEYED})
    house.land("a.csv", csv([("o1", 1, 1), ("o2", "x", 1), ("o1", "x", 2)]))
    house.mend(error_threshold=0.9)
    house.ingest()
    house.land("b.csv", csv([("o1", 7, 9), ("o2", 8, 9)]))
    house.ingest()
    compact(house.stores, "orders")
    house.mend(columns=[ORDERS["columns"][0], {"name": "quantity", "type": "int64", "nulls": ["x"]}, ORDERS["columns"][2]])
    replay(house.stores, "orders")
    assert house.rows() == [("o1", 7, 9), ("o1", None, 2), ("o2", 8, 9), ("o2", None, 1)]
    house.prove()
    house.recount()


def test_a_backfill_after_a_compaction_takes_the_place_of_its_own_rows_only(make_house: Make) -> None:
    house = make_house()
    fill(house, 2)
    fill(house, 1, day=NEXT)
    rows = lineage(house)
    compact(house.stores, "orders")
    done = recurate(house.stores, "orders", DAY)
    assert [one.rows.published for one in done] == [2, 2]
    assert [row[:3] for row in lineage(house)] == [row[:3] for row in rows]
    house.prove()


def test_lateness_and_rows_of_a_landing_date_are_those_of_before(make_house: Make) -> None:
    house = make_house({**ORDERS, "freshness": {"max_age_hours": 1}})
    fill(house)
    with Lake(house.stores) as lake:
        before = lake.datasets()["orders"]
        compact(house.stores, "orders")
        after = lake.datasets()["orders"]
        assert (after.committed_at, after.rows) == (before.committed_at, before.rows)
        assert sum(one.rows_total for one in house.stores.metadata.batch_snapshots("orders", DAY)) == 8


# --- other writers


class Racing:
    """A metadata store before whose commits something else happens, a number of times."""

    def __init__(self, house: House, act: Callable[[], None], times: int) -> None:
        self._metadata, self._act, self.times = house.stores.metadata, act, times

    def commit(self, proposal: Proposal) -> Any:
        if self.times and proposal.batch.kind is Kind.COMPACT:
            self.times -= 1
            self._act()
        return self._metadata.commit(proposal)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._metadata, name)


def racing(house: House, act: Callable[[], None], times: int) -> Compaction:
    from dataclasses import replace

    stores = replace(house.stores, metadata=Racing(house, act, times))  # type: ignore[arg-type]
    return Compaction(stores, house.stores.registry.get("orders"))


def test_another_writer_comes_first_and_the_compaction_is_built_again(make_house: Make) -> None:
    house = make_house({**ORDERS, "mode": "append"})
    ids = fill(house)
    (done,) = racing(house, lambda: revoke(house.stores, ids[0], why="false") and None, 1).run()
    assert done.batch
    assert set(only(house).holds) == set(ids[1:])
    assert len(house.rows()) == 6
    house.prove()


def test_a_new_file_of_the_date_is_not_lost_and_waits_for_the_next_compaction(make_house: Make) -> None:
    house = make_house()
    fill(house)

    def land() -> None:
        house.land("new.csv", csv([("new", 1, 1)]))
        house.ingest()

    list(racing(house, land, 1).run())
    assert len(house.live()) == 2
    assert len(house.rows()) == 9
    compact(house.stores, "orders")
    assert len(only(house).holds) == 5


def test_after_many_lost_races_it_gives_way_and_leaves_nothing_behind(make_house: Make) -> None:
    house = make_house()
    ids = iter(fill(house, 8))
    (done,) = racing(house, lambda: revoke(house.stores, next(ids), why="false") and None, 99).run()
    assert done.gave_way
    assert len(house.rows()) == 6
    assert house.prove().information == ()


def test_a_date_that_is_replaced_meanwhile_stays_replaced(make_house: Make) -> None:
    house = make_house()
    fill(house)
    house.mend(mode="replace")

    def land() -> None:
        house.land("new.csv", csv([("new", 1, 1)]))
        house.ingest()

    assert compact(house.stores, "orders") == []  # several deliveries are not put together where the last one replaces
    house.mend(mode="append")
    compaction = racing(house, land, 1)
    house.mend(mode="replace")
    assert list(compaction.run()) == []
    assert house.rows() == [("new", 1, 1)]
    house.prove()


def test_polars_and_arrow_write_the_same_types_again(make_house: Make) -> None:
    columns = [
        {"name": "id", "type": "string"},
        {"name": "price", "type": "decimal(12,2)"},
        {"name": "at", "type": "timestamp"},
        {"name": "day", "type": "date"},
        {"name": "tags", "type": "list<string>"},
        {"name": "ok", "type": "boolean"},
    ]
    house = make_house({**ORDERS, "format": {"type": "jsonl"}, "columns": columns})
    for number in range(3):
        row = f'{{"id": "{number}", "price": "1.5", "at": "2026-11-01T00:00:00Z", "day": "2026-11-01", "tags": ["a"], "ok": true}}'
        house.land(f"{number}.jsonl", row)
        house.ingest()
    before = {str(pl.read_parquet_schema(house.stores.lake.uri(one.files[0].path))) for one in house.live()}
    compact(house.stores, "orders")
    assert {str(pl.read_parquet_schema(house.stores.lake.uri(one.files[0].path))) for one in house.live()} == before
    house.prove()
