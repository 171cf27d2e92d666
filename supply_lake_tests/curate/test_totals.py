"""Control totals: a file that falls short of what it says of itself is set aside whole, and its neighbours go on."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from supply_lake_tests.curate.archives import zipped
from supply_lake_tests.curate.curation import AB, Curated, at_every_chunk, column, curate, dataset

FOOTER = r"T\|(?P<rows>[\d,]+)(?:\|(?P<amount>.*))?"
ROWS = {"rows": "rows"}
BOTH = {"rows": "rows", "sums": {"amount": "amount"}}


def spec(expect: dict[str, Any], kind: str = "decimal(6,2)", **fields: Any) -> Any:
    form = {"type": "csv", "footer": FOOTER, "thousands_mark": ",", **fields.pop("format", {})}
    return dataset("id", column("amount", kind), format=form, expect_total=expect, error_threshold=1.0, **fields)


def outcome(done: Curated, at: int = 0) -> tuple[str, str]:
    return done.outcomes[at].outcome, done.outcomes[at].reason


def test_a_file_that_holds_what_its_footer_tells_is_published_with_its_figures() -> None:
    done = at_every_chunk("id,amount\na,1.10\nb,2.20\nT|2|3.3\n", spec(BOTH))
    assert done.values == [("a", Decimal("1.10")), ("b", Decimal("2.20"))]
    assert "control totals hold in 1 file: 2 rows" in done.notes
    assert "control totals hold in 1 file: a sum of 3.30 in 'amount'" in done.notes


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("id,amount\na,1\nT|2|1\n", "tells 2 rows as its control total; what was read comes to 1"),
        ("id,amount\na,1\nT|1|1.01\n", "tells a sum of 1.01 in 'amount' as its control total; what was read comes to 1.00"),
        ("id,amount\na,1\n", "tells no control total 'rows'; it may have been cut off"),
        ("id,amount\na,1\nT|1\n", "tells no control total 'amount'; it may have been cut off"),
        ("id,amount\na,1\nT|1|one\n", "tells a sum of one in 'amount' as its control total; what was read comes to 1.00"),
        ("id,amount\na,1\nT|1|1\nT|2|1\n", "tells 2 rows as its control total; what was read comes to 1"),
        ("id,amount\nT|1|0\n", "tells 1 rows as its control total; what was read comes to 0"),
        ("T|1|0\n", "tells 1 rows as its control total; what was read comes to 0"),
        ("", "tells no control total 'rows'; it may have been cut off"),
    ],
)
def test_a_file_that_falls_short_is_set_aside_whole_with_both_numbers(data: str, reason: str) -> None:
    done = at_every_chunk(data, spec(BOTH))
    assert outcome(done) == ("unreadable", reason)
    assert (done.rows.landed, done.rows.rejected) == (1, 1)
    assert done.reasons() == [reason]


def test_its_neighbours_go_on() -> None:
    good, short = "id,amount\na,1\nT|1|1\n", "id,amount\nb,1\nT|2|1\n"
    done = curate(spec(BOTH), good, short, good.replace("a,1", "c,1"))
    assert [row[0] for row in done.values] == ["a", "c"]
    assert [one.outcome for one in done.outcomes] == ["read", "unreadable", "read"]
    assert "control totals hold in 2 files: 2 rows" in done.notes


def test_an_archive_without_members_falls_short_too() -> None:
    assert outcome(curate(spec(BOTH), zipped({})))[0] == "unreadable"


def test_an_empty_file_that_says_so_is_empty() -> None:
    assert outcome(curate(spec(BOTH), "id,amount\nT|0|0\n")) == ("empty", "header only")


def test_rejected_rows_count_as_rows_and_their_amounts_as_amounts() -> None:
    rules = dataset(
        column("id", checks={"matches": "[a-z]"}),
        column("amount", "int64"),
        format={"type": "csv", "footer": FOOTER},
        expect_total=BOTH,
        error_threshold=1.0,
    )
    done = at_every_chunk("id,amount\na,1\n7,2\nb,3\nragged\nT|4|6\n", rules)
    assert [row[0] for row in done.values] == ["a", "b"]
    assert done.rows.rejected == 2
    assert outcome(curate(rules, "id,amount\na,1\nb,two\nT|2|3\n"))[1].endswith("what was read comes to 1")


def test_sums_are_exact_beyond_what_the_column_and_64_bits_hold() -> None:
    many = "".join(f"{n},{2**63 - 1}\n" for n in range(3))
    whole = spec({"sums": {"amount": "amount"}}, "int64", format={"thousands_mark": ""})
    assert outcome(curate(whole, f"id,amount\n{many}T|3|{3 * (2**63 - 1)}\n"))[0] == "read"
    assert outcome(curate(whole, f"id,amount\n{many}T|3|{3 * (2**63 - 1) + 1}\n"))[0] == "unreadable"
    money = spec({"sums": {"amount": "amount"}}, "decimal(4,2)")
    assert outcome(curate(money, "id,amount\n" + "a,99.99\n" * 200 + "T|200|19,998.00\n"))[0] == "read"


def test_o5_every_member_of_an_archive_has_its_own_totals() -> None:
    good, short = "id,amount\na,1\nT|1|1\n", "id,amount\nb,1\nT|2|1\n"
    done = curate(spec(BOTH), zipped({"one.csv": good, "two.csv": short}), good)
    assert outcome(done) == (
        "unreadable",
        "its member 'two.csv' tells 2 rows as its control total; what was read comes to 1",
    )
    assert done.rows.published == 1
    both = curate(spec(BOTH), zipped({"one.csv": good, "two.csv": good}))
    assert both.rows.published == 2


JSON = dataset(
    "id",
    column("amount", "int64"),
    format={"type": "json", "records_path": "d.items"},
    expect_total={"rows": "meta.n", "sums": {"amount": "sum"}},
)


@pytest.mark.parametrize("first", [True, False])
def test_p10_a_document_tells_its_totals_before_or_after_its_records(first: bool) -> None:
    def text(n: Any, total: Any) -> str:
        around = {"meta": {"n": n}, "sum": total}
        records = {"d": {"items": [{"id": "a", "amount": 1, "n": 9}, {"id": "b", "amount": 2}]}}
        return json.dumps({**around, **records} if first else {**records, **around})

    done = curate(JSON, text(2, "3"))
    assert done.values[0][:2] == ("a", 1)
    assert "control totals hold in 1 file: 2 rows" in done.notes
    assert outcome(curate(JSON, text(3, 3)))[1] == "tells 3 rows as its control total; what was read comes to 2"
    assert outcome(curate(JSON, text([2], 3)))[1] == "tells no control total 'meta.n'; it may have been cut off"
    assert outcome(curate(JSON, '{"meta":{"n":0},"sum":0,"d":{"items":[]}}')) == ("empty", "header only")
    assert outcome(curate(JSON, '{"meta":{"n":1},"sum":0,"d":{"items":[]}}'))[0] == "unreadable"


@pytest.mark.parametrize(
    ("expect", "fields", "problem"),
    [
        (ROWS, {}, "no named group"),
        ({"rows": "lines"}, {"format": {"type": "csv", "footer": FOOTER}}, "it has rows, amount"),
        ({}, {"format": {"type": "csv", "footer": FOOTER}}, "expects nothing"),
        ({"sums": {"x": "amount"}}, {"format": {"type": "csv", "footer": FOOTER}}, "no declared column"),
        ({"sums": {"a": "amount"}}, {"format": {"type": "csv", "footer": FOOTER}}, "integers and decimals only"),
        (ROWS, {"format": {"type": "jsonl"}}, "not for jsonl"),
    ],
)
def test_what_cannot_be_expected_is_a_fault_of_the_declaration(expect: Any, fields: Any, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        dataset("a", "b", expect_total=expect, **fields)


def test_without_an_expectation_a_footer_is_no_more_than_passed_over() -> None:
    done = at_every_chunk("a,b\nx,1\nT|7\n", dataset("a", "b", format={"type": "csv", "footer": FOOTER}))
    assert done.values == [("x", "1")]
    assert AB.expect_total is None
