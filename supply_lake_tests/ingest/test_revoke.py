"""Revocations: what was falsely accepted leaves the live set, by a commit like any other."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable
from typing import Any

import pytest

from supply_lake.errors import NotRevocable, UnknownSnapshot, UsageError
from supply_lake.ingest import revoke as room
from supply_lake.ingest.recurate import recurate
from supply_lake.ingest.replay import replay
from supply_lake.ingest.revoke import revoke
from supply_lake.snapshots.records import Batch, Outcome, Rows, Snapshot
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake_tests.ingest.house import DAY, KEYED, ORDERS, House, csv

Make = Callable[..., House]
REPLACE: dict[str, Any] = {**ORDERS, "mode": "replace"}
UPSERT: dict[str, Any] = {**ORDERS, **KEYED, "mode": "upsert"}
MIRROR: dict[str, Any] = {**UPSERT, "key_scope": "dataset"}
ANY_QUANTITY = [ORDERS["columns"][0], {"name": "quantity", "type": "int64"}, ORDERS["columns"][2]]
LATER = DAY + dt.timedelta(days=1)


def publish(house: House, file: str, *rows: tuple[Any, ...], day: dt.date = DAY) -> Snapshot:
    """Land a file and ingest it; its first snapshot."""
    house.land(file, csv(rows), day=day)
    (batch,) = house.ingest()
    return batch.snapshots[0]


def take_out(house: House, snapshot: Snapshot) -> Batch:
    """Revoke, and see that every commit before it reads as it did."""
    last = house.stores.metadata.last_commit("orders")
    before = [house.rows(commit=number) for number in range(last + 1)]
    done = revoke(house.stores, snapshot.id, why="  the file\nwas a test  ", by="ada")
    assert [house.rows(commit=number) for number in range(last + 1)] == before
    assert (done.commit, done.kind, done.by, done.reason) == (last + 1, "revoke", "ada", "the file was a test")
    assert all(one.revokes for one in done.snapshots)
    house.recount()
    house.prove()
    return done


# --- append


def test_revoked_rows_of_an_append_dataset_are_gone_and_the_rest_stays(make_house: Make) -> None:
    house = make_house()
    first = publish(house, "a.csv", ("o1", 1, 1))
    second = publish(house, "b.csv", ("o2", 2, 1), ("o3", "x", 1))
    done = take_out(house, second)
    assert house.rows() == [("o1", 1, 1)]
    assert house.stores.metadata.latest("orders") == first
    assert [one.id for one in house.live()] == [first.id]
    found = house.stores.metadata.snapshot(second.id)
    assert (found.revoked_by, found.live) == (3, False)
    assert (done.snapshots[0].revokes, done.snapshots[0].live) == ((second.id,), False)
    commit = house.stores.metadata.commits("orders")[-1]
    assert (commit.reason, commit.by, commit.revoked) == ("the file was a test", "ada", (second.id,))


def test_revoked_bytes_are_not_published_again_and_a_corrected_file_is(make_house: Make) -> None:
    house = make_house()
    snapshot = publish(house, "a.csv", ("o1", 1, 1), ("o2", -2, 1))
    take_out(house, snapshot)
    assert house.states() == {"orders/2026/11/01/a.csv": ["revoked"]}
    assert house.ingest() == []
    house.land("a.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    house.land("copy.csv", csv([("o1", 1, 1), ("o2", -2, 1)]))
    (again,) = house.ingest()
    assert {(one.outcome, one.reason) for one in again.sources} == {
        (Outcome.SAME_CONTENT, "same bytes as orders/2026/11/01/a.csv, which was revoked")
    }
    house.mend(columns=ANY_QUANTITY)
    assert [one.left for one in replay(house.stores, "orders")] == [
        {"orders/2026/11/01/a.csv": "it was revoked: the file was a test"}
    ]
    recurate(house.stores, "orders", DAY)
    assert house.rows() == []
    publish(house, "a.csv", ("o1", 10, 1))
    assert house.rows() == [("o1", 10, 1)]
    house.prove()


def test_rejected_rows_of_a_revoked_object_are_not_replayed(make_house: Make) -> None:
    house = make_house()
    take_out(house, publish(house, "a.csv", ("o1", 1, 1), ("o2", -2, 1)))
    house.mend(columns=ANY_QUANTITY)
    (done,) = replay(house.stores, "orders")
    assert done.left == {"orders/2026/11/01/a.csv": "it was revoked: the file was a test"}
    assert house.rows() == []


# --- replace


def test_what_a_revoked_snapshot_took_the_place_of_is_live_again(make_house: Make) -> None:
    house = make_house(REPLACE)
    first = publish(house, "a.csv", ("o1", 1, 1), ("o2", 2, 1))
    second = publish(house, "b.csv", ("o9", 9, 1))
    done = take_out(house, second)
    (restored,) = done.snapshots
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1)]
    assert (restored.restores, restored.supersedes, restored.rows, restored.rows_total) == (first.id, (second.id,), Rows(), 2)
    assert {file.path for file in restored.files}.isdisjoint(file.path for file in first.files)
    assert house.frame(lineage=True)["_snapshot_id"].unique().to_list() == [first.id]
    assert house.stores.metadata.latest("orders") == restored


def test_one_revocation_after_another_goes_back_step_by_step(make_house: Make) -> None:
    house = make_house(REPLACE)
    snapshots = [publish(house, f"{n}.csv", (f"o{n}", n, 1)) for n in range(3)]
    for snapshot, left in ((snapshots[2], [("o1", 1, 1)]), (snapshots[1], [("o0", 0, 1)]), (snapshots[0], [])):
        take_out(house, snapshot)
        assert house.rows() == left


def test_what_something_else_took_the_place_of_cannot_be_revoked(make_house: Make) -> None:
    house = make_house(REPLACE)
    first = publish(house, "a.csv", ("o1", 1, 1))
    publish(house, "b.csv", ("o2", 2, 1))
    with pytest.raises(NotRevocable, match="is not live: commit 2 took its place; only reads of the past show it"):
        revoke(house.stores, first.id, why="false")


def test_a_snapshot_that_a_replay_carried_on_is_revoked_after_the_replay(make_house: Make) -> None:
    house = make_house(REPLACE)
    before = publish(house, "a.csv", ("o0", 0, 1))
    first = publish(house, "b.csv", ("o1", 1, 1), ("o2", -2, 1))
    house.mend(columns=ANY_QUANTITY)
    (replayed,) = replay(house.stores, "orders")
    merged = replayed.batch.snapshots[0]
    with pytest.raises(NotRevocable, match=f"snapshot {merged.id} holds its rows now; revoke that one first"):
        revoke(house.stores, first.id, why="false")
    take_out(house, merged)
    assert house.rows() == [("o1", 1, 1)]
    take_out(house, first)
    assert house.rows() == [("o0", 0, 1)]
    assert house.stores.metadata.latest("orders").restores == before.id  # type: ignore[union-attr]


# --- upsert


def test_keys_of_a_revoked_upsert_have_the_rows_that_they_had_before(make_house: Make) -> None:
    house = make_house(UPSERT)
    publish(house, "a.csv", ("o1", 1, 1), ("o2", 2, 1))
    second = publish(house, "b.csv", ("o2", 22, 2), ("o3", 33, 1))
    take_out(house, second)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1)]
    assert house.live()[0].supersedes == (second.id,)


def test_rows_that_later_snapshots_carried_on_are_taken_out_of_them(make_house: Make) -> None:
    house = make_house(UPSERT)
    publish(house, "a.csv", ("o1", 1, 1), ("o2", 2, 1))
    second = publish(house, "b.csv", ("o1", 11, 2), ("o2", 22, 2), ("o3", 33, 1))
    publish(house, "c.csv", ("o2", 222, 3), ("o4", 4, 1))
    take_out(house, second)
    assert house.rows() == [("o1", 1, 1), ("o2", 222, 3), ("o4", 4, 1)]


def test_a_row_does_not_come_back_that_was_revoked_itself(make_house: Make) -> None:
    house = make_house(UPSERT)
    publish(house, "a.csv", ("o1", 1, 1))
    second = publish(house, "b.csv", ("o1", 11, 2), ("o5", 5, 1))
    third = publish(house, "c.csv", ("o1", 111, 3))
    take_out(house, second)
    assert house.rows() == [("o1", 111, 3)]
    take_out(house, third)
    assert house.rows() == [("o1", 1, 1)]


def test_an_upsert_of_which_nothing_is_left_cannot_be_revoked(make_house: Make) -> None:
    house = make_house(UPSERT)
    first = publish(house, "a.csv", ("o1", 1, 1))
    publish(house, "b.csv", ("o1", 2, 2))
    with pytest.raises(NotRevocable, match=f"no row of snapshot {first.id} of orders is live any more"):
        revoke(house.stores, first.id, why="false")
    assert house.prove().information == ()


def test_rows_that_lost_against_revoked_ones_are_told_of_and_a_backfill_lets_them_win(make_house: Make) -> None:
    house = make_house(UPSERT)
    publish(house, "a.csv", ("o1", 1, 1))
    wrong = publish(house, "b.csv", ("o1", 999, 999))
    publish(house, "c.csv", ("o1", 5, 5), ("o2", 2, 1))
    house.land("d.csv", csv([("o1", 6, 6)]))
    house.ingest()
    done = take_out(house, wrong)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1)]
    assert "2 rows that came later lost" in done.notes[0]
    assert "backfill 2026-11-01" in done.notes[0]
    recurate(house.stores, "orders", DAY)
    assert house.rows() == [("o1", 6, 6), ("o2", 2, 1)]
    house.prove()


def test_a_key_that_moved_to_another_date_goes_back_to_where_it_was(make_house: Make) -> None:
    house = make_house(MIRROR)
    publish(house, "a.csv", ("o1", 1, 1), ("o2", 2, 1))
    house.land("b.csv", csv([("o1", 11, 2), ("o3", 3, 1)]), day=LATER)
    (moved,) = house.ingest()
    second = next(one for one in moved.snapshots if one.partition == LATER)
    publish(house, "c.csv", ("o4", 4, 1), day=LATER)
    take_out(house, second)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1), ("o4", 4, 1)]
    assert house.frame(lineage=True).height == 3


def test_columns_that_only_an_earlier_snapshot_has_come_back_with_its_rows(make_house: Make) -> None:
    house = make_house(UPSERT)
    house.land("a.csv", csv([("o1", 1, 1, "x"), ("o2", 2, 1, "y")], "order_id,quantity,version,remark"))
    house.ingest()
    wrong = publish(house, "b.csv", ("o1", 11, 2))
    house.mend(evolution="discard")
    take_out(house, wrong)
    assert house.frame().sort("order_id")["remark"].to_list() == ["x", "y"]


# --- replays, re-curations and revocations


@pytest.mark.parametrize("spec", [ORDERS, REPLACE, UPSERT], ids=["append", "replace", "upsert"])
def test_rows_of_a_revoked_replay_stand_as_rejected_again_and_can_be_replayed(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    publish(house, "a.csv", ("o1", 1, 1), ("o2", -2, 1), ("o3", -30, 1), ("o4", 4, 1))
    before = house.standing()
    house.mend(columns=ANY_QUANTITY)
    (first,) = replay(house.stores, "orders")
    take_out(house, first.batch.snapshots[0])
    assert house.rows() == [("o1", 1, 1), ("o4", 4, 1)]
    assert house.standing() == before
    stricter = {"name": "quantity", "type": "int64", "checks": {"ge": -9}}
    house.mend(columns=[ORDERS["columns"][0], stricter, ORDERS["columns"][2]])
    (second,) = replay(house.stores, "orders")
    assert second.batch.rows == Rows(landed=2, published=1, rejected=1)
    assert house.rows() == [("o1", 1, 1), ("o2", -2, 1), ("o4", 4, 1)]
    assert house.standing() == [("a.csv", 4, "is below -9")]
    assert house.prove().standing == Rows(landed=4, published=3, rejected=1)


@pytest.mark.parametrize("spec", [ORDERS, REPLACE, UPSERT], ids=["append", "replace", "upsert"])
def test_a_batch_whose_replay_is_revoked_is_rejected_again(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    house.land("a.csv", csv([("o1", -1, 1), ("o2", -2, 1)]))
    house.ingest()
    house.mend(columns=ANY_QUANTITY)
    (first,) = replay(house.stores, "orders")
    take_out(house, first.batch.snapshots[0])
    assert (house.rows(), len(house.standing())) == ([], 2)
    (second,) = replay(house.stores, "orders")
    assert second.batch.rows == Rows(landed=2, published=2)
    assert house.prove().standing == Rows(landed=2, published=2)


@pytest.mark.parametrize("spec", [ORDERS, REPLACE, UPSERT], ids=["append", "replace", "upsert"])
def test_a_revoked_recuration_gives_back_what_it_took_the_place_of(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    publish(house, "a.csv", ("o1", 1, 1), ("o2", -2, 1))
    house.mend(columns=ANY_QUANTITY)
    (again,) = recurate(house.stores, "orders", DAY)
    take_out(house, again.snapshots[0])
    assert house.rows() == [("o1", 1, 1)]
    assert house.standing() == [("a.csv", 3, "is below 0")]
    recurate(house.stores, "orders", DAY)
    assert house.rows() == [("o1", 1, 1), ("o2", -2, 1)]
    house.prove()


@pytest.mark.parametrize("spec", [ORDERS, REPLACE, UPSERT, MIRROR], ids=["append", "replace", "upsert", "mirror"])
def test_a_revocation_is_taken_back_by_revoking_it(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    publish(house, "a.csv", ("o1", 1, 1), ("o2", 2, 1))
    wrong = publish(house, "b.csv", ("o2", 22, 2), ("o3", 3, 1))
    before = house.rows()
    revocation = take_out(house, wrong).snapshots[0]
    with pytest.raises(NotRevocable, match=r"was revoked by commit 3 already"):
        revoke(house.stores, wrong.id, why="again")
    take_out(house, revocation)
    assert house.rows() == before
    assert house.stores.metadata.snapshot(wrong.id).revoked_by is None
    assert set(house.states()["orders/2026/11/01/b.csv"]) == {"done"}
    take_out(house, wrong)
    assert house.rows() == [("o1", 1, 1), ("o2", 2, 1)]


@pytest.mark.parametrize("spec", [REPLACE, UPSERT], ids=["replace", "upsert"])
def test_a_revocation_is_not_taken_back_over_rows_that_came_since(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    revocation = take_out(house, publish(house, "a.csv", ("o1", 1, 1))).snapshots[0]
    since = publish(house, "b.csv", ("o1", 2, 2))
    with pytest.raises(NotRevocable, match=f"snapshot {since.id} of 2026-11-01 is live by now"):
        revoke(house.stores, revocation.id, why="false")
    take_out(house, since)
    take_out(house, revocation)
    assert house.rows() == [("o1", 1, 1)]


def test_a_replay_is_not_revoked_before_another_that_took_up_what_it_left(make_house: Make) -> None:
    house = make_house()
    publish(house, "a.csv", ("o1", 1, 1), ("o2", -2, 1), ("o3", -30, 1), ("o4", 4, 1))
    house.mend(
        columns=[ORDERS["columns"][0], {"name": "quantity", "type": "int64", "checks": {"ge": -9}}, ORDERS["columns"][2]]
    )
    (first,) = replay(house.stores, "orders")
    house.mend(columns=ANY_QUANTITY)
    (second,) = replay(house.stores, "orders")
    with pytest.raises(NotRevocable, match=f"snapshot {second.batch.snapshots[0].id} dealt with its rows after it"):
        revoke(house.stores, first.batch.snapshots[0].id, why="false")
    take_out(house, second.batch.snapshots[0])
    take_out(house, first.batch.snapshots[0])
    assert [line for _, line, _ in house.standing()] == [3, 4]


def test_rows_that_a_replay_published_of_the_same_file_are_told_of(make_house: Make) -> None:
    house = make_house()
    first = publish(house, "a.csv", ("o1", 1, 1), ("o2", -2, 1))
    house.mend(columns=ANY_QUANTITY)
    (replayed,) = replay(house.stores, "orders")
    done = take_out(house, first)
    assert house.rows() == [("o2", -2, 1)]
    assert f"snapshot {replayed.batch.snapshots[0].id} holds rows of the same files" in done.notes[0]


def test_a_replay_that_took_rows_of_several_dates_is_revoked_whole(make_house: Make) -> None:
    columns = [*ORDERS["columns"], {"name": "day", "type": "date", "nullable": False}]
    house = make_house({**ORDERS, "partition_date": {"column": "day"}, "columns": columns})
    rows = [("o1", 1, 1, "2026-10-30"), ("o2", -2, 1, "2026-10-31"), ("o3", -3, 1, "2026-10-29"), ("o4", 1, 1, "2026-10-30")]
    house.land("a.csv", csv(rows, "order_id,quantity,version,day"))
    house.ingest()
    house.mend(columns=[*ANY_QUANTITY, columns[-1]])
    (done,) = replay(house.stores, "orders")
    assert len(done.batch.snapshots) == 2
    take_out(house, done.batch.snapshots[1])
    assert [row[0] for row in house.rows()] == ["o1", "o4"]
    assert len(house.standing()) == 2


def test_one_date_of_a_batch_is_revoked_alone(make_house: Make) -> None:
    columns = [*ORDERS["columns"], {"name": "day", "type": "date", "nullable": False}]
    house = make_house({**ORDERS, "partition_date": {"column": "day"}, "columns": columns})
    rows = [("o1", 1, 1, "2026-10-30"), ("o2", 2, 1, "2026-10-31")]
    house.land("a.csv", csv(rows, "order_id,quantity,version,day"))
    (batch,) = house.ingest()
    take_out(house, batch.snapshots[0])
    assert [row[0] for row in house.rows()] == ["o2"]


# --- what cannot be revoked, and what goes wrong


def test_what_was_never_published_cannot_be_revoked(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", "x", 1)]))
    (refused,) = house.ingest()
    with pytest.raises(NotRevocable, match="is rejected; it was never published"):
        revoke(house.stores, refused.snapshots[0].id, why="false")
    with pytest.raises(UnknownSnapshot):
        revoke(house.stores, "nothing", why="false")


@pytest.mark.parametrize("why", ["", " \n "])
def test_a_revocation_without_a_reason_is_refused(make_house: Make, why: str) -> None:
    house = make_house()
    snapshot = publish(house, "a.csv", ("o1", 1, 1))
    with pytest.raises(UsageError, match="needs a reason"):
        revoke(house.stores, snapshot.id, why=why)
    assert revoke(house.stores, snapshot.id, why="false").by == getpass.getuser()


def test_a_revocation_that_another_commit_overtakes_is_built_again(make_house: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(UPSERT)
    publish(house, "a.csv", ("o1", 1, 1))
    wrong = publish(house, "b.csv", ("o1", 11, 2), ("o2", 22, 1))
    real, overtaken = SqlStore.commit, []

    def commit(self: SqlStore, proposal: Any) -> Batch:
        if proposal.revokes and not overtaken:
            overtaken.append(True)
            publish(house, "c.csv", ("o3", 3, 1))
        return real(self, proposal)

    monkeypatch.setattr(SqlStore, "commit", commit)
    done = revoke(house.stores, wrong.id, why="false")
    assert done.commit == 4
    assert house.rows() == [("o1", 1, 1), ("o3", 3, 1)]
    assert house.prove().information == ()


def test_files_that_are_needed_and_gone_are_told_and_nothing_changes(make_house: Make) -> None:
    for number, spec in enumerate((REPLACE, UPSERT)):
        house = make_house(spec, at=str(number))
        first = publish(house, "a.csv", ("o1", 1, 1))
        wrong = publish(house, "b.csv", ("o1", 11, 2))
        house.stores.lake.delete([file.path for file in first.files])
        with pytest.raises(NotRevocable, match="cannot come back"):
            revoke(house.stores, wrong.id, why="false")
        assert house.stores.metadata.last_commit("orders") == 2
        assert room.COMMIT_TRIES > 1


# --- what to know of files that were overwritten


def test_o1_the_rows_of_overwritten_bytes_stay_live_in_an_append_dataset_and_that_is_told(make_house: Make) -> None:
    house = make_house()
    first = publish(house, "a.csv", ("o1", 1, 1))
    house.land("a.csv", csv([("o1", 10, 2)]))
    (batch,) = house.ingest()
    assert house.rows() == [("o1", 1, 1), ("o1", 10, 2)]
    (note,) = batch.notes
    assert note == batch.snapshots[0].notes[0]
    assert note.startswith(
        "orders/2026/11/01/a.csv was overwritten, and `mode: append` keeps the rows of its earlier bytes live"
    )
    assert f"`supply-lake revoke {first.id} --why TEXT`" in note
    take_out(house, first)
    assert house.rows() == [("o1", 10, 2)]
    assert publish(house, "a.csv", ("o1", 100, 3)).notes[0].count("supply-lake revoke") == 1


def test_o1_a_snapshot_that_holds_other_files_too_is_told_as_such(make_house: Make) -> None:
    house = make_house()
    house.land("a.csv", csv([("o1", 1, 1)]))
    house.land("b.csv", csv([("o2", 2, 1)]))
    house.ingest()
    house.land("a.csv", csv([("o1", 10, 2)]))
    (batch,) = house.ingest()
    assert "(it holds rows of 1 other files, too)" in batch.notes[0]


@pytest.mark.parametrize("spec", [REPLACE, UPSERT], ids=["replace", "upsert"])
def test_o1_no_such_note_where_newer_rows_take_the_place_of_older_ones(make_house: Make, spec: dict[str, Any]) -> None:
    house = make_house(spec)
    publish(house, "a.csv", ("o1", 1, 1))
    assert publish(house, "a.csv", ("o1", 10, 2)).notes == ()
