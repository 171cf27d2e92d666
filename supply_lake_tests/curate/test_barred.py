"""Good rows that are barred after reading: they never win, they are counted as rejected, and they keep their own reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from supply_lake.curate.barred import NONE, PLACES, Bar, Barred
from supply_lake.curate.counts import Rows
from supply_lake.curate.curate import Settled, stage
from supply_lake_tests.curate.curation import DAY, _live_part, _source, column, dataset

SPEC = dataset(column("k"), column("v", "int64"), column("o", "int64"), primary_key="k", order_by="o", error_threshold=1.0)
FILES = ("k,v,o\nx,1,1\nx,2,9\ny,3,1\n", "k,v,o\nz,4,1\nz,5,2\nw,bad,1\n")


def bar(*ordinals: int, src: int = 0, why: str = "no such v", start: Barred = NONE) -> Barred:
    places = pl.DataFrame({"_ordinal": list(ordinals), "_src": [src] * len(ordinals), "_date": [DAY] * len(ordinals)}, PLACES)
    return start.plus(places, Bar(("v",), why))


def rejects(settled: Settled) -> list[tuple[str, int, list[tuple[str, str]]]]:
    rows = pl.concat(settled.rejects()).sort("outcome", "source", "line").to_dicts()
    return [(row["outcome"], row["line"], [(one["value"], one["reason"]) for one in row["reasons"]]) for row in rows]


@pytest.fixture
def staged(tmp_path: Path) -> Any:
    sources = [_source(at, file) for at, file in enumerate(FILES)]
    with stage(SPEC, sources, landing_date=DAY, scratch=tmp_path / "scratch") as one:
        yield one


def test_p12_a_barred_row_never_wins_whichever_is_newer(staged: Any) -> None:
    settled = staged.settle([], barred=bar(1))
    assert settled.rows == Rows(landed=6, published=3, rejected=2, deduplicated=1)
    assert pl.concat(settled.tables(DAY))["v"].to_list() == [1, 3, 5]
    assert ("rejected", 3, [("2", "no such v")]) in rejects(settled)


def test_a_row_keeps_every_reason_and_counts_once(staged: Any) -> None:
    settled = staged.settle([], barred=bar(2, why="second", start=bar(2, 1, why="first")))
    assert settled.rows == Rows(landed=6, published=2, rejected=3, deduplicated=1)
    assert settled.by_source["0.dat"] == Rows(landed=3, published=1, rejected=2)
    assert ("rejected", 4, [("3", "first"), ("3", "second")]) in rejects(settled)


def test_barred_rows_of_a_refused_batch_are_told_by_their_own_reasons(staged: Any) -> None:
    settled = staged.refuse("too many", bar(0))
    assert settled.rows == Rows(landed=6, rejected=6)
    told = {line: reasons for outcome, line, reasons in rejects(settled) if outcome == "rejected" and reasons[0][0] != "bad"}
    assert told[2] in ([("1", "no such v")], [(None, "the batch is rejected: too many")])
    assert sum(reason == [("1", "no such v")] for _, _, reason in rejects(settled)) == 1
    assert sum(reason == [(None, "the batch is rejected: too many")] for _, _, reason in rejects(settled)) == 4


def test_what_stands_is_told_with_its_places_and_without_what_is_barred_or_hidden(tmp_path: Path) -> None:
    spec = dataset(
        column("k"),
        column("v", "int64"),
        column("op"),
        primary_key="k",
        mode="upsert",
        tombstone={"column": "op", "values": ["D"]},
    )
    live = pl.DataFrame({"k": ["a", "b", "c"], "v": [1, 2, 3], "op": ["U", "U", "D"], "_deleted": [False, False, True]})
    files = "k,v,op\na,9,U\nd,4,U\ne,5,D\nf,6,U\n"
    with stage(spec, [_source(0, files)], landing_date=DAY, scratch=tmp_path / "scratch") as one:
        settled = one.settle([_live_part(live)], barred=bar(3))
        everything = pl.concat(settled.standing(["v"])).sort("v")
        assert everything["v"].to_list() == [2, 4, 9]
        assert (everything["_ordinal"] < 0).to_list() == [True, False, False]
        assert pl.concat(settled.standing(["v"], date=DAY, new=True))["_line"].to_list() == [2, 3]
        assert settled.by_partition[DAY].rows_total == 5
