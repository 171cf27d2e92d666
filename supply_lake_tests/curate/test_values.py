"""Values: text stays text, numbers stay exact, dates are real, and what cannot be said exactly is rejected with its raw value."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supply_lake_tests.curate.curation import Curated, column, curate, dataset

UTC = dt.UTC


def curated(texts: list[str], kind: str, form: dict[str, Any] | None = None, **fields: Any) -> Curated:
    """One column of CSV, beside the number of its row."""
    form = {"type": "csv", **(form or {}), "delimiter": "|"}
    # Types that stay as they are: what they cannot say is rejected, and not what they become (test_evolution has that).
    spec = dataset("id", column("v", kind, **fields), format=form, error_threshold=1.0, evolution="discard")
    return curate(spec, "id|v\n" + "".join(f"{at}|{text}\n" for at, text in enumerate(texts)))


def cast(texts: list[str], kind: str, form: dict[str, Any] | None = None, **fields: Any) -> tuple[list[Any], list[str]]:
    """Published values, and the raw values that were rejected."""
    done = curated(texts, kind, form, **fields)
    assert all(reasons == [("v", value)] for _, reasons in done.set_aside() for value in [reasons[0][1]])
    return [row[1] for row in done.values], [reasons[0][1] for _, reasons in done.set_aside()]


CODES = ["007", "1e5", "NA", "N/A", "null", "-", "True", "123456789012345678901234567890", "1.0", "NaN", "0x1F", " x ", "None"]


def test_p7_text_stays_text() -> None:
    assert cast(CODES, "string") == (CODES, [])


def test_p7_only_declared_texts_are_null() -> None:
    assert cast(["", "NA", "-"], "string") == ([None, "NA", "-"], [])
    assert cast(["", "NA", "-"], "string", nulls=["NA", "-"]) == (["", None, None], [])
    assert cast(["", "NA", "7"], "int64", {"null_values": ["", "NA"]}) == ([None, None, 7], [])


def test_trim_is_declared() -> None:
    assert cast([" x ", "  "], "string", {"trim": True}) == (["x", None], [])
    assert cast([" 7 "], "int64", {"trim": True}) == ([7], [])
    assert cast([" 7"], "int64") == ([], [" 7"])


def test_p8_integers_are_exact_or_rejected() -> None:
    good = ["0", "-1", "+5", "007", "9223372036854775807", "-9223372036854775808", "9007199254740993"]
    bad = ["9223372036854775808", "1.0", "1e3", "1,000", "1_000", "x", "NaN", "٣", "--1", "0x10"]
    assert cast(good + bad, "int64") == ([int(one) for one in good], bad)
    assert cast(["127", "128", "-129"], "int8") == ([127], ["128", "-129"])
    assert cast(["255", "256", "-1"], "uint8") == ([255], ["256", "-1"])
    assert cast(["18446744073709551615", "18446744073709551616"], "uint64") == ([2**64 - 1], ["18446744073709551616"])


def test_p8_integers_written_as_floats_when_declared() -> None:
    spec = dataset(column("v", "int64", integral_floats=True), "x", evolution="discard")
    done = curate(spec, "v,x\n17850.0,\n5,\n7.,\n9007199254740993.0,\n7.5,\n.0,\nx.0,\n")
    assert [row[0] for row in done.values] == [17850, 5, 7, 9007199254740993]
    assert [reasons[0][1] for _, reasons in done.set_aside()] == ["7.5", ".0", "x.0"]
    assert any("floats" in note and "3 times" in note for note in done.notes)


def test_p8_decimals_are_exact_or_rejected() -> None:
    good = ["0", "1.2", "1.20", "1.2000", "-9999999999.99", ".5", "+7.", "0001.5"]
    bad = ["1.239", "1.201", "10000000000.00", "NaN", "1.2.3", "1,5", "-", "", "1.995", "x", "Infinity", "."]
    values, rejected = cast(good + [one for one in bad if one], "decimal(12,2)")
    assert values == [Decimal(one).quantize(Decimal("0.01")) for one in good]
    assert rejected == [one for one in bad if one]


@settings(max_examples=100)
@given(
    st.lists(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**6), max_value=10**6), min_size=1, max_size=9)
)
def test_p8_no_decimal_is_ever_rounded(numbers: list[Decimal]) -> None:
    texts = [f"{one:f}" for one in numbers]
    fits = [one for one in numbers if one == one.quantize(Decimal("0.001"))] if numbers else []
    assert cast(texts, "decimal(20,3)")[0] == fits


def test_p8_declared_marks() -> None:
    german = {"decimal_mark": ",", "thousands_mark": "."}
    assert cast(["1.234,56", "1234,5", "12.34,5", "1.2345,0", "1,5"], "decimal(12,2)", german) == (
        [Decimal("1234.56"), Decimal("1234.50"), Decimal("1.50")],
        ["12.34,5", "1.2345,0"],
    )
    assert cast(["1,234.56", "12,34", "1234"], "float64", {"thousands_mark": ","}) == ([1234.56, 1234.0], ["12,34"])
    assert cast(["1.234", "1,234"], "int64", german) == ([1234], ["1,234"])
    assert cast(["1.5", "1,5"], "float64", {"decimal_mark": ","}) == ([1.5], ["1.5"])
    assert cast(["1 234", "1 23"], "int64", {"thousands_mark": " "}) == ([1234], ["1 23"])


def test_p8_spaces_and_apostrophes_that_only_look_alike_are_marks_too() -> None:
    assert cast(["1\u00a0234", "1\u202f234", "1\u2009234"], "int64", {"thousands_mark": " "}) == ([1234, 1234], ["1\u2009234"])
    assert cast(["1'234.5", "1’234.5"], "float64", {"thousands_mark": "'"}) == ([1234.5, 1234.5], [])


def test_p8_accounting_forms_and_percents_are_no_numbers_unless_declared() -> None:
    forms = ["(12.5)", "12%", "$5", "5-"]
    assert cast(forms, "float64") == ([], forms)
    assert cast(forms, "float64", {"accounting": True}) == ([-12.5, -5.0], ["12%", "$5"])
    assert cast(forms, "float64", {"percent": True}) == ([0.12], ["(12.5)", "$5", "5-"])
    assert cast(forms, "float64", {"currency": ["$"]}) == ([5.0], ["(12.5)", "12%", "5-"])


def test_p8_negative_numbers_in_the_forms_of_accounting() -> None:
    form = {"accounting": True, "thousands_mark": ","}
    bad = ["(-5)", "-5-", "()", "-", "((5))", "(5", "5)", "5--"]
    good = ["(1,234.50)", "1,234.50-", "( 5 )", "5 -", "-5", "7"]
    assert cast(good + bad, "decimal(12,2)", form) == (
        [Decimal(one) for one in ("-1234.50", "-1234.50", "-5.00", "-5.00", "-5.00", "7.00")],
        bad,
    )
    assert cast(["(5)", "5-"], "int64", form) == ([-5, -5], [])


def test_p8_percents_are_hundredths_without_rounding() -> None:
    good = {"12.5%": "0.125", "5 %": "0.05", "-0.1%": "-0.001", "1234%": "12.34", ".5%": "0.005", "100.%": "1", "0.3": "0.3"}
    bad = ["%", "12.345%", "1e1%", "12%%", "x%"]
    values, rejected = cast([*good, *bad], "decimal(6,4)", {"percent": True})
    assert values == [Decimal(one).quantize(Decimal("0.0001")) for one in good.values()]
    assert rejected == bad
    german = {"percent": True, "decimal_mark": ",", "thousands_mark": ".", "accounting": True}
    assert cast(["(1.234,5%)", "7%-"], "decimal(8,4)", german) == ([Decimal("-12.3450"), Decimal("-0.0700")], [])
    assert cast(["200%"], "int64", {"percent": True}) == ([], ["200%"])


def test_p8_currencies_stand_before_or_after() -> None:
    form = {"currency": ["$", "US$", "EUR", "Fr."], "thousands_mark": ",", "accounting": True}
    good = ["$1,234.50", "US$ 5", "-$5", "$-5", "($5)", "(5 EUR)", "5 EUR", "EUR5", "Fr. 5.00", "5.00- EUR", "5"]
    bad = ["$", "$$5", "5 $ EUR", "EURO 5", "CHF 5", "5 EUR 5"]
    values, rejected = cast(good + bad, "decimal(12,2)", form)
    assert values == [Decimal(one) for one in ("1234.50", "5", "-5", "-5", "-5", "-5", "5", "5", "5", "-5", "5")]
    assert rejected == bad


def test_p8_integers_that_a_float_could_only_come_near_are_none() -> None:
    good = ["9007199254740992", "1" + "0" * 22, "123456789012345.678", "9007199254740993.5", "1e300"]
    bad = ["9007199254740993", "-9007199254740993.0", "1" * 40]
    done = curated(good + bad, "float64")
    assert [row[1] for row in done.values] == [float(one) for one in good]
    assert done.set_aside() == [(len(good) + 2 + at, [("v", one)]) for at, one in enumerate(bad)]
    assert all("too large for float64" in reason for reason in done.reasons())
    assert cast(["16777216", "16777217"], "float32") == ([16777216.0], ["16777217"])


def test_p8_decimals_with_an_exponent_are_written_out() -> None:
    assert cast(["1e2", "1.5E-1", "-2.5e+3", "1e-3", "1e999", "e5"], "decimal(12,2)") == (
        [Decimal("100.00"), Decimal("0.15"), Decimal("-2500.00")],
        ["1e-3", "1e999", "e5"],
    )


def test_p8_floats_are_finite() -> None:
    bad = ["NaN", "Infinity", "-inf", "1e400", "1_0", "x"]
    assert cast(["1.5", "1e-3", "-0.0", ".5", *bad], "float64") == ([1.5, 0.001, 0.0, 0.5], bad)
    assert cast(["1e39"], "float32") == ([], ["1e39"])


def test_a_text_that_is_no_boolean_is_told_which_are() -> None:
    spec = dataset("id", column("v", "boolean", true_values=["ja"], false_values=["nein", "-"]))
    done = curate(spec, "id,v\n1,yes\n2,ja\n")
    assert [one["reason"] for one in done.rejects["reasons"][0]] == ["is no boolean: it takes ja and nein, -"]


def test_booleans_by_declared_texts() -> None:
    assert cast(["true", "0", "Y", "No", "", "2"], "boolean") == ([True, False, True, False, None], ["2"])
    assert cast(["t", "Yes", "f", "NO", "ja"], "boolean") == ([True, True, False, False], ["ja"])
    assert cast(["ja", "nein", "true"], "boolean", true_values=["ja"], false_values=["nein"]) == ([True, False], ["true"])


def test_p9_dates_are_iso_unless_declared() -> None:
    good = ["2026-03-04", "0001-01-01", "9999-12-31", "2024-02-29"]
    bad = ["03/04/2026", "2026-02-30", "2025-02-29", "10000-01-01", "26-03-04", "2026-13-01", "yesterday"]
    assert cast(good + bad, "date") == ([dt.date.fromisoformat(one) for one in good], bad)


def test_p9_several_formats_in_one_column_in_order() -> None:
    formats = ["%d-%b-%y", "%m/%d/%Y"]
    values, bad = cast(["2-Jun-06", "12-Dec-15", "1/22/2020", "01/02/2020", "22/1/2020", "1/2/20"], "date", formats=formats)
    assert values == [dt.date(2006, 6, 2), dt.date(2015, 12, 12), dt.date(2020, 1, 22), dt.date(2020, 1, 2)]
    assert bad == ["22/1/2020", "1/2/20"]


def test_p9_a_date_that_two_declared_formats_read_differently_is_ambiguous() -> None:
    formats = ["%d/%m/%Y", "%m/%d/%Y"]
    done = curated(["03/04/2026", "04/04/2026", "25/12/2026", "12/25/2026"], "date", formats=formats)
    assert [row[1] for row in done.values] == [dt.date(2026, 4, 4), dt.date(2026, 12, 25), dt.date(2026, 12, 25)]
    assert done.set_aside() == [(2, [("v", "03/04/2026")])]
    assert done.reasons() == ["is ambiguous: the formats %d/%m/%Y and %m/%d/%Y read it differently"]
    times = [f"{one} %H:%M" for one in formats]
    assert cast(["03/04/2026 10:00", "25/12/2026 10:00"], "timestamp", formats=times) == (
        [dt.datetime(2026, 12, 25, 10, tzinfo=UTC)],
        ["03/04/2026 10:00"],
    )
    assert cast(["10:11", "11:11"], "time", formats=["%H:%M", "%M:%H"]) == ([dt.time(11, 11)], ["10:11"])


def test_p9_one_declared_format_leaves_nothing_ambiguous() -> None:
    assert cast(["03/04/2026"], "date", formats="%m/%d/%Y")[0] == [dt.date(2026, 3, 4)]
    assert cast(["03/04/2026"], "date", formats="%d/%m/%Y")[0] == [dt.date(2026, 4, 3)]


def test_p9_timestamps_are_utc() -> None:
    texts = {
        "2026-01-02T03:04:05": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "2026-01-02 03:04:05": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "2026-01-02 03:04:05.25": dt.datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC),
        "2026-01-02T03:04:05Z": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "2026-01-02T03:04:05+02:00": dt.datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC),
        "2026-01-02T03:04:05.5-0330": dt.datetime(2026, 1, 2, 6, 34, 5, 500_000, tzinfo=UTC),
        "2026-01-02T03:04": dt.datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "2026-01-02": dt.datetime(2026, 1, 2, tzinfo=UTC),
        "0001-01-01T00:00:00": dt.datetime(1, 1, 1, tzinfo=UTC),
        "9999-12-31T23:59:59": dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    }
    bad = ["2026-02-30T00:00:00", "2026-01-02T25:00:00", "noon"]
    assert cast([*texts, *bad], "timestamp") == (list(texts.values()), bad)
    assert cast(["1/22/2020 17:00", "1/2/2020 7:05"], "timestamp", formats="%m/%d/%Y %H:%M")[0] == [
        dt.datetime(2020, 1, 22, 17, tzinfo=UTC),
        dt.datetime(2020, 1, 2, 7, 5, tzinfo=UTC),
    ]


def test_p9_a_zone_without_the_hour_or_with_two_of_it_is_not_guessed() -> None:
    texts = ["2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-07-01T12:00:00", "2026-10-25T02:30:00+02:00"]
    values, bad = cast(texts, "timestamp", timezone="Europe/Paris")
    assert values == [dt.datetime(2026, 7, 1, 10, tzinfo=UTC), dt.datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]
    assert bad == texts[:2]


def test_p9_a_clock_change_is_told_as_such() -> None:
    texts = ["2026-03-29T02:30:00", "2026-10-25T02:30:00", "2026-13-01T00:00:00", "2026-07-01T12:00:00"]
    done = curated(texts, "timestamp", timezone="Europe/Paris")
    assert done.reasons() == [
        "is in an hour that the clock of Europe/Paris skips or shows twice",
        "is in an hour that the clock of Europe/Paris skips or shows twice",
        "is no timestamp",
    ]


def test_p9_no_moment_is_outside_the_years_that_every_engine_has() -> None:
    bad = ["0000-12-31T23:59:59", "-0044-03-15T00:00:00", "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-05:00"]
    assert cast(bad, "timestamp") == ([], bad)
    assert cast(["0000-01-01", "-0044-03-15", "0001-01-01", "9999-12-31"], "date") == (
        [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
        ["0000-01-01", "-0044-03-15"],
    )
    edges = ["0001-01-01T00:00:00", "9999-12-31T23:59:59"]
    assert cast(edges, "timestamp", timezone="Asia/Tokyo")[1] == edges[:1]
    assert cast(edges, "timestamp", timezone="America/New_York")[1] == edges[1:]


def test_p9_a_second_sixty_is_impossible_and_does_not_become_the_next_minute() -> None:
    texts = ["2016-12-31T23:59:60Z", "2026-01-02 03:04:60", "2026-01-02T03:04:60.5", "2026-01-02T03:05:00"]
    assert cast(texts, "timestamp") == ([dt.datetime(2026, 1, 2, 3, 5, tzinfo=UTC)], texts[:3])
    assert cast(["23:59:60", "00:00:00"], "time") == ([dt.time(0)], ["23:59:60"])


def test_p9_what_is_finer_than_a_microsecond_is_cut_off_and_counted() -> None:
    texts = ["2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05.123456000", "2026-01-02T03:04:05.000000001"]
    done = curated(texts, "timestamp")
    assert [row[1].microsecond for row in done.values] == [123456, 123456, 0]
    assert any("finer than a microsecond" in note and "2 times" in note for note in done.notes)
    frame = pl.DataFrame({"at": pl.Series([1_001, 2_000], dtype=pl.Int64).cast(pl.Datetime("ns"))})
    done = typed(frame, column("at", "timestamp"))
    assert [row[0].microsecond for row in done.values] == [1, 2]
    assert any("finer than a microsecond" in note for note in done.notes)


def test_p9_dates_of_two_digit_years_are_those_of_strptime() -> None:
    assert cast(["1-Feb-68", "1-Feb-69"], "date", formats="%d-%b-%y")[0] == [dt.date(2068, 2, 1), dt.date(1969, 2, 1)]


def test_times() -> None:
    values, bad = cast(["07:05:09", "07:05", "07:05:09.5", "25:00"], "time")
    assert values == [dt.time(7, 5, 9), dt.time(7, 5), dt.time(7, 5, 9, 500_000)]
    assert bad == ["25:00"]


def test_a_rejected_row_keeps_every_reason_and_its_raw_text() -> None:
    spec = dataset(
        "a", column("n", "int64", checks={"gt": 5}), column("m", "int64", checks={"isin": [1, 2]}), column("d", "date")
    )
    done = curate(spec, "a,n,m,d\nx,one,9,2026-02-30\ny,6,1,2026-01-01\n")
    assert done.values == [("y", 6, 1, dt.date(2026, 1, 1))]
    [(line, reasons)] = done.set_aside()
    assert line == 2
    assert sorted(reasons) == [("d", "2026-02-30"), ("m", "9"), ("n", "one")]
    assert '"n":"one"' in done.raws()[0]
    assert done.rows.rejected == 1


def test_a_value_that_cannot_be_cast_is_not_blamed_for_being_null_too() -> None:
    done = curate(dataset("a", column("n", "int64", nullable=False)), "a,n\nx,one\ny,\n")
    assert done.set_aside()[0] == (2, [("n", "one")])
    assert len(done.set_aside()) == 2


@pytest.mark.parametrize(
    ("kind", "checks", "good", "bad"),
    [
        ("int64", {"ge": 0, "lt": 10}, ["0", "9", ""], ["-1", "10"]),
        ("decimal(6,2)", {"gt": "0.10"}, ["0.11"], ["0.10"]),
        ("date", {"le": "2026-01-31"}, ["2026-01-31"], ["2026-02-01"]),
        ("timestamp", {"lt": "2026-01-31T12:00:00+01:00"}, ["2026-01-31T10:59:59"], ["2026-01-31T11:00:00"]),
        ("string", {"isin": ["x", "y"]}, ["x", ""], ["z"]),
        ("string", {"notin": ["x"]}, ["z"], ["x"]),
        ("string", {"matches": "a|bc"}, ["a", "bc"], ["ab", "abc", "bcd"]),
        ("string", {"min_length": 2, "max_length": 3}, ["ab", "äöü"], ["a", "abcd"]),
        ("string", {"min_length": 2}, ["ab"], ["a"]),
        ("float64", {"isin": [1, 2.5]}, ["1", "2.5"], ["3"]),
    ],
)
def test_checks_reject_what_breaks_them(kind: str, checks: dict[str, Any], good: list[str], bad: list[str]) -> None:
    values, rejected = cast(good + bad, kind, checks=checks)
    assert len(values) == len(good)
    assert rejected == bad


def positive(values: pl.Series) -> pl.Series:
    return values > 0


def ordered(rows: pl.DataFrame) -> pl.Series:
    return rows["lo"] <= rows["hi"]


def test_python_checks_of_columns_and_rows() -> None:
    here = __name__
    spec = dataset(
        column("lo", "int64", checks={"python": [f"{here}:positive"]}), column("hi", "int64"), row_checks=[f"{here}:ordered"]
    )
    done = curate(spec, "lo,hi\n1,2\n-1,2\n3,2\n,2\n1,x\n")
    assert done.values == [(1, 2), (None, 2)]
    assert [line for line, _ in done.set_aside()] == [3, 4, 6]


# --- typed values of Parquet


def typed(frame: pl.DataFrame, *columns: dict[str, Any] | str, **fields: Any) -> Curated:
    file = io.BytesIO()
    frame.write_parquet(file)
    return curate(dataset(*columns, format={"type": "parquet"}, **fields), file.getvalue())


def test_p6_widening_keeps_every_value() -> None:
    frame = pl.DataFrame({"i": pl.Series([1, None], dtype=pl.Int32), "f": pl.Series([1, 2], dtype=pl.Int8), "d": [1.25, 0.1]})
    done = typed(frame, column("i", "int64"), column("f", "float64"), column("d", "decimal(10,2)"))
    assert done.values == [(1, 1.0, Decimal("1.25")), (None, 2.0, Decimal("0.10"))]


def test_p6_narrowing_rejects_what_does_not_fit() -> None:
    frame = pl.DataFrame({"i": [1, 300], "n": [1.0, 1.5]})
    done = typed(frame, column("i", "int8"), column("n", "int64", integral_floats=True), evolution="discard")
    assert done.values == [(1, 1)]
    assert done.set_aside() == [(2, [("i", "300"), ("n", "1.5")])]


def test_p6_typed_values_become_text_and_moments() -> None:
    frame = pl.DataFrame(
        {
            "s": [7, 2**53 + 1],
            "day": [dt.datetime(2026, 1, 2), dt.datetime(2026, 1, 3)],
            "at": pl.Series([dt.datetime(2026, 1, 2, 3), None], dtype=pl.Datetime("ns")),
            "c": pl.Series(["x", "y"], dtype=pl.Categorical),
            "t": ["2026-01-02", "2026-01-03"],
        }
    )
    done = typed(frame, column("s"), column("day", "date"), column("at", "timestamp"), column("c"), column("t", "date"))
    day, at = dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert done.values[0] == ("7", day, at, "x", day)
    assert done.values[1][0] == "9007199254740993"
    assert done.values[1][2] is None


def test_p6_a_typed_local_time_is_placed_in_its_zone() -> None:
    frame = pl.DataFrame({"at": [dt.datetime(2026, 7, 1, 12)]})
    done = typed(frame, column("at", "timestamp", timezone="Europe/Paris"))
    assert done.values == [(dt.datetime(2026, 7, 1, 10, tzinfo=UTC),)]


def test_p6_a_typed_time_of_day_is_not_cut_off_to_make_a_date() -> None:
    done = typed(pl.DataFrame({"day": [dt.datetime(2026, 1, 2, 3)]}), column("day", "date"))
    assert done.rows.rejected == 1


def test_p6_null_column_becomes_typed() -> None:
    assert typed(pl.DataFrame({"a": [None, None]}), column("a", "decimal(5,1)")).values == [(None,), (None,)]


def test_p6_nested_parquet_keeps_its_form() -> None:
    frame = pl.DataFrame({"l": [["x", "y"], []], "s": [{"a": 1, "b": "q"}, {"a": 2, "b": None}]})
    done = typed(frame, column("l", "list<string>"), column("s", "struct<a:int64,b:string>"))
    assert done.values == [(["x", "y"], {"a": 1, "b": "q"}), ([], {"a": 2, "b": None})]


def test_p6_nested_parquet_becomes_what_is_declared_exactly_or_not_at_all() -> None:
    frame = pl.DataFrame({"l": [[1, 2], [300]], "s": [{"a": 1, "b": 2}, {"a": 3, "b": 4}], "w": [[1], [2]]})
    spec = (column("l", "list<int8>"), column("s", "struct<b:int64>"), column("w", "list<decimal(4,1)>"))
    done = typed(frame, *spec, evolution="discard")
    assert done.values == [([1, 2], {"b": 2}, [Decimal("1.0")])]
    assert done.set_aside() == [(2, [("l", "[300]")])]
    assert "field 'a' of 's' is not declared and was left out (2 times)" in done.notes


def test_p6_a_negative_number_is_none_of_an_unsigned_column_also_where_that_grew() -> None:
    spec = dataset(column("v", "uint64"), "x", error_threshold=1.0)
    done = curate(spec, "v,x\n7,\n1.5,\n-1,\n")
    assert done.frame["v"].to_list() == [Decimal("7.0"), Decimal("1.5")]
    assert done.set_aside() == [(4, [("v", "-1")])]
    assert curate(spec, "v,x\n7,\n1.5\n-1,\n").frame["v"].to_list() == [7]


def test_p6_a_typed_struct_where_a_list_is_declared_is_its_one_item() -> None:
    frame = pl.DataFrame({"s": [{"a": 1}, {"a": 2}], "n": [[1], [2]]})
    done = typed(frame, column("s", "list<struct<a:int64>>"), column("n", "list<string>"))
    assert done.values == [([{"a": 1}], ["1"]), ([{"a": 2}], ["2"])]


def test_p8_not_a_number_of_a_typed_source_is_null_and_counted() -> None:
    done = typed(
        pl.DataFrame({"f": [1.5, float("nan")], "t": [float("nan"), float("inf")]}), column("f", "float64"), column("t")
    )
    assert done.values == [(1.5, None), (None, "inf")]
    assert "NaN of 'f' was read as null" in done.notes
    assert typed(pl.DataFrame({"f": [float("inf")]}), column("f", "float64")).rows.rejected == 1


def test_p8_typed_numbers_reach_a_decimal_whatever_their_size() -> None:
    done = typed(pl.DataFrame({"d": [0.00000001, 12345.5, 1e15]}), column("d", "decimal(30,8)"))
    assert done.values == [(Decimal("0.00000001"),), (Decimal("12345.5"),), (Decimal(10**15),)]


def test_p6_typed_times_and_durations_are_no_dates() -> None:
    frame = pl.DataFrame(
        {"t": [dt.time(1)], "d": [dt.timedelta(hours=1)], "at": [dt.datetime(2026, 1, 1, 10)], "text": [dt.timedelta(days=1)]}
    )
    assert typed(frame, column("t", "date")).rows.rejected == 1
    assert typed(frame, column("d", "timestamp")).rows.rejected == 1
    assert typed(frame, column("at", "time")).rows.rejected == 1
    assert typed(frame, column("text")).frame["text"].to_list() == ["P1D"]


def test_p9_typed_moments_outside_the_years_are_set_aside() -> None:
    frame = pl.DataFrame(
        {
            "at": pl.Series([2**60, 0], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "day": pl.Series([0, 10**7], dtype=pl.Int32).cast(pl.Date),
        }
    )
    done = typed(frame, column("at", "timestamp"), column("day", "date"))
    assert done.rows.rejected == 2
    assert all("outside the years" in reason for reason in done.reasons())


def test_p9_typed_dates_that_no_calendar_has_are_set_aside_and_told_as_numbers() -> None:
    days = pl.Series([2**31 - 1, 0], dtype=pl.Int32).cast(pl.Date)
    frame = pl.DataFrame(
        {"day": days, "ms": pl.Series([2**62, 0], dtype=pl.Int64).cast(pl.Datetime("ms")), "l": [[days[1]], []]}
    )
    done = typed(frame, column("day", "date"), column("ms", "timestamp"), column("l"))
    assert done.rows.rejected == 1
    assert done.set_aside() == [(1, [("day", "2147483647 days since 1970-01-01"), ("ms", f"{2**62} ms since 1970-01-01")])]
    text = typed(frame, column("day"), column("ms"))
    assert text.frame["day"].to_list() == ["2147483647 days since 1970-01-01", "1970-01-01"]
    nested = frame.select(pl.concat_list("day").alias("l"))
    assert typed(nested, column("l")).frame["l"].to_list() == ["[2147483647]", "[0]"]
