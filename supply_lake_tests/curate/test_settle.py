"""Keys: who stays, who gives way, and that the numbers say so; against live rows, over dates, and with deletes."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake.curate import duels
from supply_lake_tests.curate.curation import Curated, column, curate, dataset

K, V, O = column("k"), column("v", "int64"), column("o", "int64")  # noqa: E741
KEYED = dataset(K, V, O, primary_key="k", order_by="o", error_threshold=1.0)
UPSERT = dataset(K, V, O, primary_key="k", order_by="o", mode="upsert", error_threshold=1.0)
OTHER_DAY = dt.date(2026, 10, 31)


def csv(rows: list[tuple[Any, ...]], header: str = "k,v,o") -> str:
    return "\n".join([header, *(",".join("" if v is None else str(v) for v in row) for row in rows), ""])


def test_p11_a_null_or_blank_key_is_set_aside() -> None:
    done = curate(KEYED, csv([("x", 1, 1), ("", 2, 1), ("  ", 3, 1), ("y", 4, 1)]))
    assert [row[0] for row in done.values] == ["x", "y"]
    assert [line for line, _ in done.set_aside()] == [3, 4]
    assert len(done.reasons()) == 2


def test_p11_part_of_a_composite_key_may_be_null_when_declared_but_not_all_of_it() -> None:
    spec = dataset(column("a", nullable=True), column("b", nullable=True), "v", primary_key=["a", "b"])
    done = curate(spec, "a,b,v\nx,,1\n,y,2\n,,3\nx,,4\n")
    assert sorted(row[2] for row in done.values) == ["2", "4"]
    assert [line for line, _ in done.set_aside()] == [4]
    assert done.rows.deduplicated == 1


def test_p11_the_greatest_order_wins_and_null_is_lowest() -> None:
    done = curate(KEYED, csv([("x", 1, 5), ("x", 2, 9), ("x", 3, None), ("x", 4, 7), ("y", 5, None), ("y", 6, 0)]))
    assert done.values == [("x", 2, 9), ("y", 6, 0)]
    assert [line for line, _ in done.set_aside("deduplicated")] == [2, 4, 5, 6]
    assert "line 3 of 0.dat" in done.reasons("deduplicated")[0]


def test_p11_equal_orders_are_broken_by_the_order_of_delivery() -> None:
    done = curate(KEYED, csv([("x", 1, 5), ("x", 2, 5)]), csv([("x", 3, 5), ("y", 4, 5)]), csv([("y", 5, 5), ("y", 6, 4)]))
    assert sorted(done.values) == [("x", 3, 5), ("y", 5, 5)]
    assert done.by_source["0.dat"].deduplicated == 2
    assert "line 2 of 1.dat" in done.reasons("deduplicated")[0]


def test_p12_a_bad_row_never_wins_whichever_is_newer() -> None:
    done = curate(KEYED, "k,v,o\nx,1,1\nx,bad,9\ny,bad,1\ny,2,9\n")
    assert done.values == [("x", 1, 1), ("y", 2, 9)]
    assert done.rows.rejected == 2
    assert done.rows.deduplicated == 0


def test_keys_are_compared_in_full_not_by_their_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.DataFrame, "hash_rows", lambda self, *_, **__: pl.Series("h", [7] * self.height, pl.UInt64))
    done = curate(KEYED, csv([("x", 1, 1), ("y", 2, 1), ("x", 3, 2)]))
    assert sorted(done.values) == [("x", 3, 2), ("y", 2, 1)]


def test_exact_repeats_of_rows_without_a_key() -> None:
    spec = dataset("a", column("n", "float64"), deduplicate="row")
    done = curate(spec, "a,n\nx,1\nx,1.0\nx,\n,1\nx,\n", "a,n\nx,1\ny,-0.0\ny,0.0\n")
    assert done.rows.published == 4
    assert done.rows.deduplicated == 4


def test_repeats_among_files_of_different_columns() -> None:
    spec = dataset("a", "b", deduplicate="row")
    done = curate(spec, *("a,b,c\nx,1,2\n", "b,a\n1,x\n", "a,b\nx,1\n"))
    assert (done.rows.published, done.rows.deduplicated) == (2, 1)


def test_no_deduplication_keeps_all() -> None:
    spec = dataset(K, V, O, primary_key="k", deduplicate="none")
    assert len(curate(spec, csv([("x", 1, 1), ("x", 1, 1)])).values) == 2


BUSINESS = dataset(K, column("d", "date"), V, primary_key="k", partition_date={"column": "d"}, error_threshold=1.0)


def test_o6_a_business_date_splits_a_batch_and_needs_a_value() -> None:
    done = curate(BUSINESS, "k,d,v\nx,2026-01-02,1\nx,2026-01-01,2\ny,,3\nx,2026-01-02,4\nz,2026-01-01,5\n")
    assert done.changed == (dt.date(2026, 1, 1), dt.date(2026, 1, 2))
    assert {date: frame["v"].to_list() for date, frame in done.published.items()} == {
        dt.date(2026, 1, 1): [2, 5],
        dt.date(2026, 1, 2): [4],
    }
    assert [line for line, _ in done.set_aside()] == [4]
    assert done.rows.deduplicated == 1


# --- against live rows


def live(rows: list[tuple[Any, ...]], deleted: list[bool] | None = None) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema={"k": pl.String, "v": pl.Int64, "o": pl.Int64}, orient="row")
    return frame if deleted is None else frame.with_columns(pl.Series("_deleted", deleted))


def test_upsert_merges_with_what_is_live() -> None:
    done = curate(
        UPSERT,
        csv([("x", 1, 5), ("new", 2, 1), ("old", 3, 1), ("same", 4, 7)]),
        live=[live([("x", 10, 4), ("old", 30, 2), ("same", 40, 7), ("kept", 50, 1)])],
    )
    assert {row[0]: row[1] for row in done.values} == {"x": 1, "new": 2, "old": 30, "same": 4, "kept": 50}
    assert (done.rows.published, done.rows.deduplicated) == (3, 1)
    assert done.frame.filter(pl.col("_snapshot_id").is_not_null())["k"].to_list() == ["old", "kept"]
    assert done.frame.filter(k="old")["_source"].to_list() == ["old.dat"]
    [reason] = done.reasons("deduplicated")
    assert "live" in reason


def test_upsert_that_changes_nothing_changes_no_partition() -> None:
    done = curate(UPSERT, csv([("x", 1, 1)]), live=[live([("x", 10, 4)])])
    assert done.changed == ()
    assert done.rows.deduplicated == 1


def test_upsert_carries_over_columns_that_the_new_rows_do_not_have_and_widens_types() -> None:
    before = pl.DataFrame({"k": ["a", "b"], "v": pl.Series([1, 2], dtype=pl.Int32), "o": [1, 1], "extra": ["q", "r"]})
    done = curate(UPSERT, csv([("a", 3, 2, "new")], "k,v,o,other"), live=[before])
    assert done.frame.filter(k="b").select("v", "other").rows() == [(2, None)]
    assert done.frame.schema["v"] == pl.Int64
    assert done.frame.filter(k="b")["extra"].to_list() == ["r"]


DATASET = dataset(
    K, column("d", "date"), V, O, primary_key="k", order_by="o", mode="upsert", key_scope="dataset",
    partition_date={"column": "d"}, error_threshold=1.0,
)  # fmt: skip


def test_a_key_that_moves_to_another_date_leaves_the_old_one() -> None:
    first, second = dt.date(2026, 1, 1), dt.date(2026, 1, 2)
    before = live([("x", 10, 1), ("y", 20, 1)]).with_columns(d=pl.lit(first))
    other = live([("z", 30, 1)]).with_columns(d=pl.lit(second))
    done = curate(DATASET, "k,d,v,o\nx,2026-01-02,1,2\n", live=[(first, before), (second, other)])
    assert done.changed == (first, second)
    assert done.published[first]["k"].to_list() == ["y"]
    assert sorted(done.published[second]["k"]) == ["x", "z"]


def test_a_partition_may_lose_its_last_key() -> None:
    first = dt.date(2026, 1, 1)
    done = curate(DATASET, "k,d,v,o\nx,2026-01-02,1,2\n", live=[(first, live([("x", 10, 1)]).with_columns(d=pl.lit(first)))])
    assert done.changed == (first, dt.date(2026, 1, 2))
    assert first not in done.published


def test_an_older_row_does_not_move_a_key() -> None:
    first = dt.date(2026, 1, 1)
    done = curate(DATASET, "k,d,v,o\nx,2026-01-02,1,1\n", live=[(first, live([("x", 10, 2)]).with_columns(d=pl.lit(first)))])
    assert done.changed == ()
    assert done.rows.deduplicated == 1


DELETING = dataset(
    K, V, O, column("gone", "boolean"), primary_key="k", order_by="o", mode="upsert",
    tombstone={"column": "gone", "values": ["true"]}, error_threshold=1.0,
)  # fmt: skip


def test_deletes_are_rows_and_an_older_update_does_not_bring_a_key_back() -> None:
    done = curate(DELETING, csv([("x", 1, 5, "true"), ("y", 2, 5, "")], "k,v,o,gone"))
    assert done.frame.select("k", "_deleted").rows() == [("x", True), ("y", False)]
    assert done.rows.published == 2
    before = live([("x", 1, 5)], [True]).with_columns(gone=pl.lit(True))
    assert curate(DELETING, csv([("x", 9, 4, "false")], "k,v,o,gone"), live=[before]).changed == ()
    back = curate(DELETING, csv([("x", 9, 6, "false")], "k,v,o,gone"), live=[before])
    assert back.frame.select("k", "_deleted").rows() == [("x", False)]


# --- against a naive model

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", ""]),
        st.one_of(st.integers(0, 3), st.just("bad")),
        st.one_of(st.none(), st.integers(0, 3)),
    ),
    max_size=8,
)
LIVE = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]), st.tuples(st.integers(10, 13), st.one_of(st.none(), st.integers(0, 3)))
)


def naive(files: list[list[tuple[Any, ...]]], before: dict[str, tuple[int, int | None]]) -> dict[str, tuple[Any, Any]]:
    """Row by row: a later good row takes the place of one that is not greater."""
    newest: dict[str, tuple[Any, Any]] = dict(before)
    for key, value, order in (row for rows in files for row in rows):
        if key == "" or value == "bad":
            continue
        rank = -1 if order is None else order
        held = newest.get(key)
        if held is None or rank >= (-1 if held[1] is None else held[1]):
            newest[key] = (value, order)
    return newest


@pytest.mark.parametrize("at_once", [1, 4_000_000])
@settings(max_examples=60)
@given(files=st.lists(ROWS, min_size=1, max_size=4), before=LIVE, chunk=st.sampled_from([7, 4096]))
def test_settling_equals_a_naive_model(at_once: int, files: list[Any], before: dict[str, Any], chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duels, "ROWS_AT_ONCE", at_once)
        parts = [live([(key, *row) for key, row in before.items()])] if before else []
        done = curate(UPSERT, *map(csv, files), live=parts, csv_chunk=chunk, memory=1 if at_once == 1 else 1024**3)
    wanted = naive(files, before)
    if done.changed:
        assert {row[0]: row[1:] for row in done.values} == wanted
        assert len(done.values) == len(wanted)
    else:
        assert wanted == before
    landed = [row for rows in files for row in rows]
    assert done.rows.landed == len(landed)
    assert done.rows.rejected == sum(1 for key, value, _ in landed if key == "" or value == "bad")


def test_refusing_a_batch_sets_every_row_aside() -> None:
    done = curate(KEYED, csv([("x", 1, 1), ("x", 2, 2), ("", 3, 3)]), refused="too many bad rows")
    assert (done.rows.landed, done.rows.rejected, done.changed) == (3, 3, ())
    assert set(done.rejects["outcome"]) == {"rejected"}
    assert done.reasons()[:2] == ["the batch is rejected: too many bad rows"] * 2


def test_check_figures_count_rows_by_rule() -> None:
    spec = dataset("a", column("n", "int64", checks={"ge": 0}), error_threshold=1.0)
    done: Curated = curate(spec, "a,n\nx,-1\ny,-2\nz,q\nw,1\nragged\n")
    assert sum(done.figures.values()) == 4
    assert done.figures["n: is below 0"] == 2
