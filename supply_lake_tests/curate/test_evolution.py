"""Files that differ from the contract: columns and types come, go and grow, in the four ways to meet it."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from supply_lake.curate.schema import Schema, difference
from supply_lake_tests.curate.curation import AB, Curated, column, curate, dataset

MODES = ("evolve", "rescue", "discard", "freeze")
TYPED = {"format": {"type": "parquet"}}


def numbers(kind: str, mode: str = "evolve", **fields: Any) -> Any:
    return dataset("id", column("n", kind), evolution=mode, **{"error_threshold": 1.0, **fields})


def csv(*values: str, name: str = "n") -> str:
    return f"id,{name}\n" + "".join(f"r{at},{value}\n" for at, value in enumerate(values))


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def told(done: Curated, before: Schema | None = None) -> list[str]:
    """The changes that a commit of this would record."""
    return [str(change) for change in difference(before, done.schema, done.evolved.brought)]


def has(done: Curated, *words: str) -> bool:
    """Whether some note has all these words."""
    return any(all(word in note for word in words) for note in done.notes)


# --- P5: columns are added


def test_p5_evolve_an_added_column_appears_with_the_object_that_brought_it() -> None:
    done = curate(AB, "a,b\nx,1\n", "a,b,New Col\ny,2,3\n")
    assert done.frame.select("a", "new_col").rows() == [("x", None), ("y", "3")]
    assert told(done)[-1] == "column 'new_col' was added as string, brought by 1.dat"
    assert has(done, "'New Col' is not declared", "'new_col'")
    assert done.schema.columns[-1].sources == ("New Col",)


def test_p5_evolve_an_added_column_stays_when_a_later_file_has_it_no_more() -> None:
    first = curate(AB, "a,b,c\nx,1,2\n")
    second = curate(AB, "a,b\ny,3\n", published=first.schema)
    assert second.frame.select("a", "b", "c").rows() == [("y", "3", None)]
    assert told(second, first.schema) == []


def test_p5_evolve_text_of_an_undeclared_column_is_null_where_the_format_says_null() -> None:
    spec = dataset("a", format={"type": "csv", "null_values": ["", "-"], "trim": True})
    assert curate(spec, "a,c\nx,\ny,-\nz, q \n").frame["c"].to_list() == [None, None, "q"]


def test_p5_rescue_unknown_columns_go_to_a_map_and_reject_nothing() -> None:
    spec = dataset("a", "b", evolution="rescue")
    done = curate(spec, "a,b\nx,1\n", "a,b,New Col,Other\ny,2,3,\n")
    assert done.types == {"a": "string", "b": "string", "_rescued": "map<string,string>"}
    assert done.frame["_rescued"].to_list() == [None, {"New Col": "3"}]
    assert done.rows.rejected == 0
    assert has(done, "'New Col' is not declared; its values are in '_rescued'")


def test_p5_discard_unknown_columns_are_dropped_and_their_values_counted() -> None:
    done = curate(dataset("a", evolution="discard"), "a,c,d\nx,1,\ny,2,\n", "a,c\nz,3\n")
    assert done.types == {"a": "string"}
    assert done.rows.published == 3
    assert "column 'c' is not declared; its values were discarded (3 times)" in done.notes


def test_p5_freeze_an_unknown_column_refuses_the_batch() -> None:
    done = curate(dataset("a", evolution="freeze"), "a\nx\n", "a,c\ny,1\n")
    assert "column 'c' is not declared" in done.problem
    assert curate(dataset("a", evolution="freeze"), "a\nx\n").problem == ""


# --- P5: columns are missing


@pytest.mark.parametrize("mode", ["evolve", "rescue", "discard"])
def test_p5_a_missing_column_is_null_and_noted(mode: str) -> None:
    done = curate(dataset("a", "b", evolution=mode), "a\nx\n", "b,a\n1,y\n", "a\nz\n")
    assert done.values == [("x", None), ("y", "1"), ("z", None)]
    assert "column 'b' is missing, so it is null (2 times)" in done.notes


def test_p5_freeze_a_missing_column_refuses_the_batch_nullable_or_not() -> None:
    done = curate(dataset("a", "b", evolution="freeze"), "a\nx\n")
    assert "column 'b' is missing" in done.problem


def test_p5_freeze_a_field_that_a_json_record_leaves_out_is_no_difference() -> None:
    spec = dataset("a", "b", evolution="freeze", format={"type": "jsonl"})
    assert curate(spec, '{"a":"x"}\n{"a":"y","b":"z"}\n').problem == ""


@pytest.mark.parametrize("mode", ["evolve", "rescue", "discard"])
def test_p5_a_missing_required_column_rejects_the_rows_of_its_file_alone(mode: str) -> None:
    spec = dataset("a", column("b", nullable=False), evolution=mode)
    done = curate(spec, "a\nx\n", "a,b\ny,2\n")
    assert done.values == [("y", "2")]
    assert "'b' is missing" in done.reasons()[0]


# --- P5: columns are renamed; by name, never by position


def test_p5_aliases_unify_renamed_headers() -> None:
    spec = dataset(column("province", source=["Province/State", "Province_State"]), "n")
    done = curate(spec, "Province/State,n\nx,1\n", "n,Province_State\n2,y\n", " province_STATE ,N\nz,3\n")
    assert done.values == [("x", "1"), ("y", "2"), ("z", "3")]
    assert done.types == {"province": "string", "n": "string"}


def test_p5_of_two_names_of_one_column_in_a_file_the_first_declared_one_counts_and_the_other_is_not_lost() -> None:
    spec = dataset(column("p", source=["one", "two"]))
    assert curate(spec, "two,one\nB,A\n").frame.select("p", "two").rows() == [("A", "B")]
    rescued = curate(dataset(column("p", source=["one", "two"]), evolution="rescue"), "two,one\nB,A\n")
    assert rescued.frame.select("p", "_rescued").rows() == [("A", {"two": "B"})]


def test_p5_an_undeclared_column_keeps_its_name_whatever_stands_beside_it() -> None:
    spec = dataset("a")
    first = curate(spec, "a,New Col\nx,1\n")
    second = curate(spec, "new-col,New Col,a\n2,3,y\n", published=first.schema)
    assert second.frame.select("new_col", "new_col_2").rows() == [("3", "2")]
    third = curate(spec, "a,new-col\nz,4\n", published=second.schema)
    assert third.frame.select("new_col", "new_col_2").rows() == [(None, "4")]


def test_p5_one_batch_names_undeclared_columns_the_same_in_whatever_order_its_files_come() -> None:
    one, two = "a,New Col\nx,1\n", "new-col,New Col,a\n2,3,y\n"
    for files in ([one, two], [two, one]):
        done = curate(dataset("a"), *files)
        assert set(done.frame.select("a", "new_col", "new_col_2").rows()) == {("x", "1", None), ("y", "3", "2")}


def test_p4_undeclared_columns_that_differ_in_case_alone_are_one_over_files_and_two_in_one() -> None:
    done = curate(dataset("a"), "a,Note\nx,1\n", "a,NOTE\ny,2\n")
    assert done.frame.select("a", "note").rows() == [("x", "1"), ("y", "2")]
    both = curate(dataset("a"), "a,Note,NOTE\nx,1,2\n")
    assert sorted(both.frame.select("note", "note_2").row(0)) == ["1", "2"]


def test_p5_a_declared_column_takes_over_from_an_undeclared_one_of_its_file_name() -> None:
    first = curate(dataset("a"), "a,co2_kg\nx,7.5\n")
    adopted = dataset("a", column("co2", "decimal(9,2)", source="co2_kg"))
    second = curate(adopted, "a,co2_kg\ny,8.25\n", published=first.schema)
    assert second.frame.select("a", "co2").rows() == [("y", Decimal("8.25"))]
    assert told(second, first.schema) == [
        "column 'co2' was added as decimal(9,2)",
        "column 'co2_kg' (string) was removed",
    ]


def test_p5_an_undeclared_column_that_is_declared_under_its_own_name_is_a_change_of_the_contract() -> None:
    first = curate(dataset("a"), "a,co2_kg\nx,7.5\n")
    second = curate(dataset("a", column("co2_kg", "decimal(9,2)")), "a,co2_kg\ny,8.25\n", published=first.schema)
    assert told(second, first.schema) == ["the contract of column 'co2_kg' changed from string, not declared to decimal(9,2)"]


# --- P5: two schemas in one batch


def test_p5_two_schemas_in_one_batch_in_every_mode() -> None:
    files = ("a,b\nx,1\n", "c,a\n2,y\n")
    assert curate(dataset("a", "b"), *files).frame.select("a", "b", "c").rows() == [("x", "1", None), ("y", None, "2")]
    rescued = curate(dataset("a", "b", evolution="rescue"), *files).frame.select("a", "b", "_rescued").rows()
    assert rescued == [("x", "1", None), ("y", None, {"c": "2"})]
    assert curate(dataset("a", "b", evolution="discard"), *files).values == [("x", "1"), ("y", None)]
    assert curate(dataset("a", "b", evolution="freeze"), *files).problem


def test_p5_what_an_object_brought_that_broke_off_changes_nothing() -> None:
    def broken() -> Any:
        return io.BytesIO(b"\x1f\x8b" + b"not gzip")

    good, torn = "a,n\nx,1\n", parquet(pl.DataFrame({"a": ["y"], "n": [1]}))[:-9]
    done = curate(dataset("a", column("n", "int32")), good, broken)
    assert [one.outcome for one in done.outcomes] == ["read", "unreadable"]
    typed = dataset("a", evolution="freeze", **TYPED)
    assert curate(typed, parquet(pl.DataFrame({"a": ["x"]})), torn).problem == ""
    assert done.types == {"a": "string", "n": "int32"}


def test_p5_a_column_that_only_rejected_rows_have_is_not_published() -> None:
    spec = dataset("a", column("n", "int64"), error_threshold=1.0)
    done = curate(spec, "a,n\nx,1\n", "a,n,more\ny,bad,2\n")
    assert done.types == {"a": "string", "n": "int64"}


# --- P6: widening


@pytest.mark.parametrize(
    ("declared", "texts", "grown", "values"),
    [
        ("int32", ["1", "3000000000"], "int64", [1, 3_000_000_000]),
        ("int8", ["1", "-129"], "int16", [1, -129]),
        ("uint8", ["1", "256"], "uint16", [1, 256]),
        ("int64", ["1", "9223372036854775808"], "decimal(19,0)", [Decimal(1), Decimal(2**63)]),
        ("int64", ["1", "12.5"], "decimal(20,1)", [Decimal("1.0"), Decimal("12.5")]),
        ("int32", ["3000000000", "12.25"], "decimal(21,2)", [Decimal("3000000000"), Decimal("12.25")]),
        ("int64", ["1", "17850.0"], "decimal(20,1)", [Decimal("1"), Decimal("17850")]),
        ("decimal(4,2)", ["1.5", "1234.5"], "decimal(6,2)", [Decimal("1.5"), Decimal("1234.5")]),
        ("float32", ["1.5", "1e39"], "float64", [1.5, 1e39]),
        ("uint64", ["18446744073709551616"], "decimal(20,0)", [Decimal(2**64)]),
    ],
)
def test_p6_evolve_a_number_that_the_type_cannot_hold_widens_it(
    declared: str, texts: list[str], grown: str, values: list[Any]
) -> None:
    done = curate(numbers(declared), csv(*texts))
    assert done.rows.rejected == 0
    assert done.types["n"] == grown
    assert done.frame["n"].to_list() == values
    assert has(done, f"{declared} cannot hold", grown)


@pytest.mark.parametrize(
    ("declared", "texts"),
    [
        ("int64", ["x", "1e5", "NaN", "-", "1,5"]),
        ("uint8", ["-1"]),
        ("decimal(12,2)", ["1.239", "x"]),  # how fine a decimal is, is a rule: whole cents
        ("int64", ["1" * 39]),
        ("float64", ["x", "1e400", "Infinity"]),
        ("date", ["20260101", "1"]),
        ("boolean", ["2"]),
    ],
)
def test_p6_evolve_what_is_no_number_rejects_its_row_with_the_raw_value_kept(declared: str, texts: list[str]) -> None:
    done = curate(numbers(declared), csv(*texts).replace("1,5", '"1,5"'))
    assert [reasons for _, reasons in done.set_aside()] == [[("n", text)] for text in texts]
    assert done.types["n"] == declared


def test_p6_evolve_text_in_a_number_beside_a_number_that_widens() -> None:
    done = curate(numbers("int32"), csv("1", "many", "3000000000"))
    assert done.frame["n"].to_list() == [1, 3_000_000_000]
    assert done.set_aside() == [(3, [("n", "many")])]


def test_p6_evolve_only_rows_that_are_published_widen_a_type() -> None:
    spec = dataset("id", column("n", "int32", checks={"le": 100}), error_threshold=1.0)
    done = curate(spec, csv("1", "3000000000"))
    assert (done.types["n"], done.rows.rejected) == ("int32", 1)
    assert done.frame["n"].dtype == pl.Int32


def test_p6_evolve_checks_hold_for_the_wider_type() -> None:
    spec = dataset("id", column("n", "int32", checks={"ge": 0, "notin": [7]}), error_threshold=1.0)
    done = curate(spec, csv("3000000000.5", "-1", "7"))
    assert done.frame["n"].to_list() == [Decimal("3000000000.5")]
    assert [line for line, _ in done.set_aside()] == [3, 4]


def test_p6_evolve_the_wider_type_stays_for_later_batches() -> None:
    spec = numbers("int32")
    first = curate(spec, csv("3000000000"))
    second = curate(spec, csv("1"), published=first.schema)
    assert (second.types["n"], second.frame["n"].dtype) == ("int64", pl.Int64)
    assert told(second, first.schema) == []
    third = curate(spec, csv("2.5"), published=second.schema)
    assert told(third, second.schema) == ["column 'n' was widened from int64 to decimal(20,1), brought by 0.dat"]


def test_p6_evolve_the_object_that_needs_it_first_is_told() -> None:
    done = curate(numbers("int32"), csv("1"), csv("2"), csv("3000000000"), csv("4000000000"))
    assert done.evolved.brought["n"] == "2.dat"


@pytest.mark.parametrize("chunk", [7, 20, 4096])
def test_p6_evolve_widening_does_not_depend_on_chunks(chunk: int) -> None:
    done = curate(numbers("int8"), csv("1", "300", "x", "70000", "1.5", "2"), csv_chunk=chunk)
    assert done.types["n"] == "decimal(11,1)"
    assert done.frame["n"].to_list() == [Decimal(one) for one in ("1", "300", "70000", "1.5", "2")]
    assert done.set_aside() == [(4, [("n", "x")])]


def test_p6_evolve_numbers_that_no_type_holds_together_refuse_the_batch() -> None:
    done = curate(numbers("int64"), csv("9" * 30), csv("0." + "1" * 15))
    assert "no decimal of 38 digits holds together" in done.problem


def test_p6_evolve_marks_of_the_format_are_read_before_a_number_widens_its_column() -> None:
    form = {"type": "csv", "decimal_mark": ",", "thousands_mark": ".", "delimiter": ";"}
    done = curate(numbers("int32", format=form), "id;n\nx;3.000.000.000\ny;1,5\n")
    assert done.frame["n"].to_list() == [Decimal(3_000_000_000), Decimal("1.5")]


def test_p6_evolve_the_column_that_marks_deletes_keeps_its_type() -> None:
    spec = dataset(
        "k", column("gone", "int8"), primary_key="k", tombstone={"column": "gone", "values": ["1"]}, error_threshold=1.0
    )
    done = curate(spec, "k,gone\nx,1\ny,300\n")
    assert done.types["gone"] == "int8"
    assert done.rows.rejected == 1


def test_p6_evolve_json_numbers_widen_by_their_digits() -> None:
    spec = dataset("id", column("n", "int32"), format={"type": "jsonl"})
    done = curate(spec, '{"id":"a","n":1}\n{"id":"b","n":12.50}\n{"id":"c","n":3000000000}\n')
    assert done.frame["n"].to_list() == [Decimal("1.0"), Decimal("12.5"), Decimal("3000000000")]


def typed(frame: pl.DataFrame, *columns: Any, published: Schema | None = None, **fields: Any) -> Curated:
    return curate(dataset(*columns, **TYPED, **{"error_threshold": 1.0, **fields}), parquet(frame), published=published)


def test_p6_evolve_typed_sources_widen_by_their_types() -> None:
    frame = pl.DataFrame({"i": [1, 2**40], "f": [1.5, 2.0], "d": [0.25, 1.5]})
    done = typed(frame, column("i", "int32"), column("f", "int32"), column("d", "decimal(4,2)"))
    assert done.types == {"i": "int64", "f": "float64", "d": "decimal(4,2)"}
    assert done.values == [(1, 1.5, Decimal("0.25")), (2**40, 2.0, Decimal("1.5"))]


def test_p6_evolve_a_float_meets_large_integers_as_a_float_while_it_says_them_exactly() -> None:
    spec = dataset("id", column("n", "int64"), **TYPED)
    ints = parquet(pl.DataFrame({"id": ["a"], "n": [2**53]}))
    floats = parquet(pl.DataFrame({"id": ["b"], "n": [0.5]}))
    done = curate(spec, ints, floats)
    assert (done.types["n"], done.frame["n"].to_list()) == ("float64", [2.0**53, 0.5])
    larger = parquet(pl.DataFrame({"id": ["a"], "n": [2**53 + 1]}))
    assert "cannot say exactly" in curate(spec, larger, floats).problem


def test_p6_evolve_float_to_decimal_where_exact() -> None:
    done = typed(pl.DataFrame({"d": [0.1, 12345.5, 0.125, 1e300]}), column("d", "decimal(5,2)"))
    assert (done.types["d"], done.frame["d"].to_list()) == ("decimal(7,2)", [Decimal("0.10"), Decimal("12345.50")])
    assert [reasons for _, reasons in done.set_aside()] == [[("d", "0.125")], [("d", "1e+300")]]


def test_p6_evolve_a_double_in_a_float32_is_not_rounded() -> None:
    done = typed(pl.DataFrame({"f": [0.5, 0.1]}), column("f", "float32"))
    assert (done.types["f"], done.frame["f"].to_list()) == ("float64", [0.5, 0.1])
    assert typed(pl.DataFrame({"f": [0.5]}), column("f", "float32")).types["f"] == "float32"


def test_p6_evolve_narrowing_by_a_file_is_refused_the_column_stays_wide() -> None:
    first = typed(pl.DataFrame({"n": [2**40]}), column("n", "int64"))
    second = typed(pl.DataFrame({"n": pl.Series([1], dtype=pl.Int8)}), column("n", "int64"), published=first.schema)
    assert (second.types["n"], second.frame["n"].dtype) == ("int64", pl.Int64)
    assert told(second, first.schema) == []


def test_p6_evolve_narrowing_by_the_contract_is_refused_and_told() -> None:
    first = curate(numbers("int64"), csv("1"))
    second = curate(numbers("int32"), csv("2"), published=first.schema)
    assert second.frame["n"].dtype == pl.Int64
    assert told(second, first.schema) == ["the contract of column 'n' changed from int64 to int64, declared int32"]
    assert told(curate(numbers("int32"), csv("3"), published=second.schema), second.schema) == []


@pytest.mark.parametrize(
    ("before", "after"), [("int64", "float64"), ("float64", "decimal(12,2)"), ("string", "int64"), ("int64", "string")]
)
def test_p6_a_contract_that_says_another_type_is_followed_and_told(before: str, after: str) -> None:
    first = curate(numbers(before), csv("1"))
    second = curate(numbers(after), csv("2"), published=first.schema)
    assert second.types["n"] == after
    assert told(second, first.schema) == [f"the contract of column 'n' changed from {before} to {after}"]


def test_p6_other_modes_publish_what_is_declared_whatever_was_published_before() -> None:
    grown = curate(numbers("int32"), csv("3000000000"))
    second = curate(numbers("int32", "discard"), csv("1"), published=grown.schema)
    assert second.types == {"id": "string", "n": "int32"}
    assert told(second, grown.schema) == [
        "the contract of column 'n' changed from int64, declared int32 to int32",
        "the contract of the dataset changed from evolution evolve to evolution discard",
    ]


# --- P6: undeclared columns of typed sources keep their types, and widen


def test_p6_undeclared_columns_of_typed_sources_keep_their_types() -> None:
    moment = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
    frame = pl.DataFrame({"a": ["x"], "i": [7], "d": [Decimal("1.50")], "t": [moment], "s": [{"k": [1]}]})
    done = typed(frame, "a")
    assert done.types == {"a": "string", "d": "decimal(38,2)", "i": "int64", "s": "struct<k:list<int64>>", "t": "timestamp"}
    assert done.frame.select("i", "d", "t", "s").row(0) == (7, Decimal("1.50"), moment, {"k": [1]})


def extra(first: pl.Series, second: pl.Series) -> tuple[str, list[Any]]:
    """The type of an undeclared column and its values, in one batch; a second batch has to come to the same type."""
    files = [parquet(pl.DataFrame({"a": ["x"] * len(one), "e": one})) for one in (first, second)]
    spec = dataset("a", **TYPED)
    done = curate(spec, *files)
    after = curate(spec, files[1], published=curate(spec, files[0]).schema)
    assert after.types == done.types == curate(spec, *reversed(files)).types
    return done.types["e"], done.frame["e"].to_list()


def test_p6_undeclared_columns_widen() -> None:
    assert extra(pl.Series([1], dtype=pl.Int32), pl.Series([2**40])) == ("int64", [1, 2**40])
    assert extra(pl.Series([1], dtype=pl.Int32), pl.Series([0.5])) == ("float64", [1.0, 0.5])
    assert extra(pl.Series([1]), pl.Series([Decimal("0.25")])) == ("decimal(38,2)", [Decimal(1), Decimal("0.25")])
    assert extra(pl.Series([dt.date(2026, 1, 2)]), pl.Series([dt.datetime(2026, 1, 3, 4)])) == (
        "timestamp",
        [dt.datetime(2026, 1, 2, tzinfo=dt.UTC), dt.datetime(2026, 1, 3, 4, tzinfo=dt.UTC)],
    )
    kind, values = extra(pl.Series([{"k": 1}]), pl.Series([{"k": 2**40, "l": "x"}]))
    assert (kind, values) == ("struct<k:int64,l:string>", [{"k": 1, "l": None}, {"k": 2**40, "l": "x"}])


def test_p6_undeclared_columns_null_to_typed_is_recorded() -> None:
    first = typed(pl.DataFrame({"a": ["x"], "e": pl.Series([None], dtype=pl.Null)}), "a")
    assert (first.types["e"], first.frame["e"].to_list()) == ("null", [None])
    second = typed(pl.DataFrame({"a": ["y"], "e": [7]}), "a", published=first.schema)
    assert told(second, first.schema) == ["column 'e' was widened from null to int64, brought by 0.dat"]
    assert second.frame["e"].to_list() == [7]


def test_p6_undeclared_columns_of_types_that_have_nothing_in_common_become_text() -> None:
    assert extra(pl.Series([7]), pl.Series(["x"])) == ("string", ["7", "x"])
    assert extra(pl.Series([[1, 2]]), pl.Series([dt.date(2026, 1, 2)])) == ("string", ["[1, 2]", "2026-01-02"])
    large = [parquet(pl.DataFrame({"a": ["x"], "e": [one]})) for one in (2**53 + 1, 0.5)]
    assert curate(dataset("a", **TYPED), *large).frame["e"].to_list() == ["9007199254740993", "0.5"]
    moment = pl.Series([dt.datetime(2026, 1, 2, 3, 4, 5)])
    assert extra(moment, pl.Series([True])) == ("string", ["2026-01-02T03:04:05.000000Z", "true"])


# --- P6: nested values


def test_p6_evolve_a_struct_takes_in_fields_that_it_does_not_declare() -> None:
    spec = dataset("id", column("s", "struct<a:int64>"), format={"type": "jsonl"})
    done = curate(spec, '{"id":"x","s":{"a":1}}\n{"id":"y","s":{"a":2,"b c":[3]}}\n')
    assert done.types["s"] == 'struct<a:int64,"b c":string>'
    assert done.frame["s"].to_list() == [{"a": 1, "b c": None}, {"a": 2, "b c": "[3]"}]
    again = curate(spec, '{"id":"z","s":{"a":4}}\n', published=done.schema)
    assert again.frame["s"].to_list() == [{"a": 4, "b c": None}]
    assert told(again, done.schema) == []


def test_p6_evolve_a_struct_of_a_typed_source_takes_in_fields_in_their_own_types() -> None:
    frame = pl.DataFrame({"s": [{"a": 2**40, "b": 1.5}]})
    done = typed(frame, column("s", "struct<a:int32>"))
    assert (done.types["s"], done.frame["s"].to_list()) == ("struct<a:int64,b:float64>", [{"a": 2**40, "b": 1.5}])


def test_p6_other_modes_and_fields_that_a_struct_does_not_declare() -> None:
    columns, line = ("id", column("s", "struct<a:int64>")), '{"id":"x","s":{"a":1,"b":2}}\n'
    form = {"type": "jsonl"}
    discarded = curate(dataset(*columns, format=form, evolution="discard"), line)
    assert discarded.values == [("x", {"a": 1})]
    assert has(discarded, "field 'b' of 's'", "left out")
    rescued = curate(dataset(*columns, format=form, evolution="rescue"), line)
    assert rescued.frame.select("s", "_rescued").row(0) == ({"a": 1}, {"s": '{"a":1,"b":2}'})
    assert "fields that are not declared" in curate(dataset(*columns, format=form, evolution="freeze"), line).problem


# --- P6: rescue


def test_p6_rescue_a_value_that_cannot_be_cast_is_null_and_its_raw_text_is_kept() -> None:
    spec = dataset("id", column("n", "int32"), column("d", "date"), evolution="rescue")
    done = curate(spec, "id,n,d,x\na,1,2026-01-01,\nb, 3000000000 ,soon,7\nc,1.5,,\n")
    assert done.rows.rejected == 0
    assert done.frame.select("id", "n", "d").rows() == [("a", 1, dt.date(2026, 1, 1)), ("b", None, None), ("c", None, None)]
    assert done.frame["_rescued"].to_list() == [None, {"n": " 3000000000 ", "d": "soon", "x": "7"}, {"n": "1.5"}]
    assert "values of 'n' are no int32; they are null, and in '_rescued' (2 times)" in done.notes


@pytest.mark.parametrize(
    "rule",
    [
        {"columns": column("n", "int64", nullable=False)},
        {"columns": column("n", "int64"), "primary_key": "n"},
        {"columns": column("n", "date"), "partition_date": {"column": "n"}},
        {"columns": column("n", "boolean"), "primary_key": "id", "tombstone": {"column": "n"}},
    ],
    ids=["required", "key", "partition date", "tombstone"],
)
def test_p6_rescue_a_value_without_which_a_row_cannot_be_taken_rejects_it_with_the_raw_value(rule: dict[str, Any]) -> None:
    fields = {name: value for name, value in rule.items() if name != "columns"}
    spec = dataset("id", rule["columns"], evolution="rescue", error_threshold=1.0, **fields)
    done = curate(spec, "id,n\nx,what\n")
    assert [reasons[0] for _, reasons in done.set_aside()] == [("n", "what")]


def test_p6_rescue_rules_of_values_hold_and_reject() -> None:
    spec = dataset("id", column("n", "int64", checks={"ge": 0}), evolution="rescue", error_threshold=1.0)
    done = curate(spec, csv("-1", "x", "1"))
    assert done.frame.select("n", "_rescued").rows() == [(None, {"n": "x"}), (1, None)]
    assert done.set_aside() == [(2, [("n", "-1")])]


def test_p6_rescue_several_reasons_of_one_column_lose_nothing() -> None:
    spec = dataset("id", column("n", "float64"), evolution="rescue")
    done = curate(spec, csv("x", "9007199254740993", "1.5"))
    assert done.frame["_rescued"].to_list() == [{"n": "x"}, {"n": "9007199254740993"}, None]


def test_p6_rescue_an_unknown_column_with_the_name_of_a_declared_one_is_told_apart() -> None:
    spec = dataset("id", column("n", "int64", source="number"), evolution="rescue")
    done = curate(spec, "id,number,n\nx,bad,other\n")
    assert done.frame["_rescued"].to_list() == [{"n": "bad", "n_2": "other"}]


def test_p6_rescue_typed_sources_too() -> None:
    frame = pl.DataFrame({"id": ["x"], "n": [2**40], "more": [{"k": 1}], "at": [dt.datetime(2026, 1, 2, 3)]})
    done = typed(frame, "id", column("n", "int32"), evolution="rescue")
    assert done.frame["_rescued"].to_list() == [
        {"n": "1099511627776", "more": '{"k": 1}', "at": "2026-01-02T03:04:05.000000Z".replace("04:05", "00:00")}
    ]


def test_p6_rescue_what_was_rescued_takes_part_in_telling_rows_apart_and_in_rejects() -> None:
    spec = dataset("id", column("n", "int64"), evolution="rescue", deduplicate="row")
    done = curate(spec, csv("x", "y").replace("r1", "r0") + "r0,x\n")
    assert (done.rows.published, done.rows.deduplicated) == (2, 1)
    assert "_rescued" in done.raws()[0]


# --- P6: discard and freeze


def test_p6_discard_a_value_that_does_not_fit_rejects_its_row() -> None:
    done = curate(numbers("int32", "discard"), csv("1", "3000000000", "x"))
    assert done.frame["n"].to_list() == [1]
    assert [reasons for _, reasons in done.set_aside()] == [[("n", "3000000000")], [("n", "x")]]


def test_p6_freeze_a_value_that_only_a_wider_type_holds_refuses_the_batch() -> None:
    done = curate(numbers("int32", "freeze"), csv("1"), csv("3000000000"))
    assert "holds 3000000000, which int32 cannot hold and int64 does" in done.problem


def test_p6_freeze_a_value_that_is_no_number_is_dirt_and_rejects_its_row() -> None:
    done = curate(numbers("int32", "freeze"), csv("1", "x", "2"))
    assert done.problem == ""
    assert done.set_aside() == [(3, [("n", "x")])]


@pytest.mark.parametrize("chunk", [9, 4096])
def test_p6_freeze_a_column_of_which_nothing_can_be_read_is_retyped_and_refuses_the_batch(chunk: int) -> None:
    done = curate(numbers("int32", "freeze"), csv("1", "2"), csv("one", "two", ""), csv_chunk=chunk)
    assert "no value of column 'n' can be read" in done.problem


def test_p6_freeze_a_typed_column_of_another_type_refuses_the_batch() -> None:
    frame = pl.DataFrame({"n": [1]})
    assert (
        "'n' is int64 in the file and int32 in the contract" in typed(frame, column("n", "int32"), evolution="freeze").problem
    )
    assert typed(frame, column("n", "int64"), evolution="freeze").problem == ""
    text = pl.DataFrame({"d": ["2/1/2026"]})
    assert typed(text, column("d", "date", formats="%d/%m/%Y"), evolution="freeze").problem == ""
    assert "is string in the file" in typed(text, column("d", "int64"), evolution="freeze").problem


# --- upsert: live rows of an older schema


def keyed(kind: str, **fields: Any) -> Any:
    return dataset("k", column("v", kind), primary_key="k", mode="upsert", **fields)


def live(values: pl.Series, **more: Any) -> pl.DataFrame:
    return pl.DataFrame({"k": [f"k{n}" for n in range(len(values))], "v": values, **more})


def test_p6_upsert_merges_live_rows_of_a_narrower_type() -> None:
    before = live(pl.Series([1, 2], dtype=pl.Int32))
    done = curate(keyed("int32"), "k,v\nk1,3000000000\n", live=[before])
    assert sorted(done.values) == [("k0", 1), ("k1", 3_000_000_000)]


def test_p6_upsert_merges_live_rows_of_text_and_new_rows_of_numbers_as_text() -> None:
    done = curate(keyed("int64"), "k,v\nk1,2\n", live=[live(pl.Series(["many", "some"]))])
    assert sorted(done.values) == [("k0", "many"), ("k1", "2")]
    empty = curate(keyed("int64"), "k,v\nk1,2\n", live=[live(pl.Series([None, None], dtype=pl.String))])
    assert sorted(empty.values) == [("k0", None), ("k1", 2)]


def test_p6_upsert_large_integers_and_floats_keep_every_digit() -> None:
    files = parquet(pl.DataFrame({"k": ["k1"], "v": [0.5]}))
    small = curate(keyed("float64", **TYPED), files, live=[live(pl.Series([10**15 - 1, 1]))])
    assert sorted(small.values) == [("k0", 1e15 - 1), ("k1", 0.5)]
    large = curate(keyed("float64", **TYPED), files, live=[live(pl.Series([2**53 + 1, 1]))])
    assert sorted(large.values) == [("k0", "9007199254740993"), ("k1", "0.5")]


def test_p6_upsert_a_struct_that_gained_a_field_merges_with_live_rows_without_it() -> None:
    spec = dataset("k", column("v", "struct<a:int64,b:string>"), primary_key="k", mode="upsert", format={"type": "jsonl"})
    done = curate(spec, '{"k":"k1","v":{"a":2,"b":"x"}}\n', live=[live(pl.Series([{"a": 1}, {"a": 9}]))])
    assert sorted(done.values, key=str) == [("k0", {"a": 1, "b": None}), ("k1", {"a": 2, "b": "x"})]


def test_p5_upsert_a_column_whose_name_changed_its_case_is_the_same_column() -> None:
    before = pl.DataFrame({"k": ["k0"], "V": ["old"]})
    done = curate(dataset("k", "v", primary_key="k", mode="upsert"), "k,v\nk1,new\n", live=[before])
    assert sorted(done.values) == [("k0", "old"), ("k1", "new")]


def test_p6_upsert_what_was_rescued_is_carried_over_whatever_the_mode_is_now() -> None:
    rescued = curate(keyed("int64", evolution="rescue"), "k,v\nk0,x\n").frame.select("k", "v", "_rescued")
    done = curate(keyed("int64"), "k,v\nk1,1\n", live=[rescued])
    assert sorted(done.frame.select("k", "v", "_rescued").rows(), key=str) == [("k0", None, {"v": "x"}), ("k1", 1, None)]


def test_p6_upsert_an_order_that_was_text_and_is_a_number_now_counts_as_a_number() -> None:
    spec = dataset("k", column("v", "int64"), primary_key="k", order_by="v", mode="upsert")
    before = live(pl.Series(["9", "unknown"]))
    done = curate(spec, "k,v\nk0,10\nk1,1\n", live=[before])
    assert sorted(done.values) == [("k0", "10"), ("k1", "1")]


def test_p6_a_key_that_widens_is_the_same_key() -> None:
    spec = dataset(column("k", "int32"), "v", primary_key="k", mode="upsert")
    before = pl.DataFrame({"k": pl.Series([1, 2], dtype=pl.Int32), "v": ["a", "b"]})
    done = curate(spec, "k,v\n2,c\n3000000000,d\n", live=[before])
    assert sorted(done.values) == [(1, "a"), (2, "c"), (3_000_000_000, "d")]
