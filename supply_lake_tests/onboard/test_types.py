"""What type a column of texts is given, and what is said when that is in doubt."""

from __future__ import annotations

import pytest

from supply_lake_tests.onboard.made import column, draft, one_column, types

ISO = [f"2026-01-{day:02}" for day in range(1, 32)]


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["1", "20", "-300"], "int64"),
        (["0", "7", "+5"], "int64"),
        (["1.5", "20", "-3.25"], "decimal(12,2)"),
        ([".0000", "12.0278"], "decimal(12,4)"),
        (["12345678901.25", "1"], "decimal(18,2)"),
        (["34.22333378", "1.5"], "float64"),
        (["1.5e-05", "2.25"], "float64"),
        (["true", "false"], "boolean"),
        (["Yes", "No"], "boolean"),
        (ISO, "date"),
        (["2026-01-01T10:00:00Z", "2026-01-02 11:30:00.250+02:00"], "timestamp"),
        (["10:30", "23:59:59"], "time"),
        (["a", "b"], "string"),
    ],
)
def test_values_that_are_of_one_kind(values: list[str], type: str) -> None:
    assert one_column(values).guess.type == type


@pytest.mark.parametrize(
    ("values", "name", "why"),
    [
        (["007", "12", "150"], "value", "leading zeros"),
        (["00:", "1"], "value", "text"),
        (["4006381333931", "4006381333948"], "value", "13 digits"),
        (["123456789012345678901", "5"], "value", "21 are an identifier"),
        (["+4917012345678", "+4417012345678"], "value", "telephone"),
        (["90210", "10115"], "zip_code", "by its name"),
        (["1e5", "2e7"], "value", "text"),
        (["12", "15044B", "17"], "value", "text"),
        (["S", "M", "38", "40", "42", "44", "46", "48", "50", "52"], "size", "text"),
    ],
)
def test_p7_text_stays_text(values: list[str], name: str, why: str) -> None:
    found = one_column(values, name, times=6)
    assert found.guess.type == "string"
    assert why in found.guess.why


def test_the_whole_sample_counts_and_not_its_first_rows() -> None:
    rows = [str(at) for at in range(20_000)]
    assert one_column(rows).guess.type == "int64"
    assert one_column([*rows, *["n3"] * 300]).guess.type == "string"
    assert one_column([*rows, "0.5"]).guess.type == "decimal(12,2)"
    assert one_column([*rows, "007"]).guess.type == "string"


def test_whole_numbers_that_were_written_as_floats() -> None:
    found = one_column(["17850.0", "13047.0", "", "12583.0"], "CustomerID")
    assert (found.guess.type, found.guess.fields["integral_floats"]) == ("int64", True)
    assert "would be rejected" in found.doubts[0]
    assert one_column(["5.0", "3.0"], "unit_price").guess.type == "decimal(12,2)"
    assert one_column(["5.00", "3.00"]).guess.type == "decimal(12,2)"


# --- dates


@pytest.mark.parametrize(
    ("values", "formats"),
    [
        (["3/4/2026", "12/31/2026"], ["%m/%d/%Y"]),
        (["3/4/2026", "31/12/2026"], ["%d/%m/%Y"]),
        (["03.04.2026", "25.04.2026"], ["%d.%m.%Y"]),
        (["4-Aug-09", "15-May-15"], ["%d-%b-%y"]),
        (["August 4, 2009", "May 15, 2015"], ["%B %d, %Y"]),
        (["1/22/2026 17:00", "1/2/2026 9:05"], ["%m/%d/%Y %H:%M"]),
        (["01/22/2026 05:00 PM", "01/02/2026 09:05 AM"], ["%m/%d/%Y %I:%M %p"]),
        (["31/12/2026 05:00:01.5", "1/1/2026 05:00:01.25"], ["%d/%m/%Y %H:%M:%S%.f"]),
    ],
)
def test_p9_a_format_that_the_values_prove(values: list[str], formats: list[str]) -> None:
    found = one_column(values)
    assert found.guess.fields["formats"] == formats
    assert found.guess.type == ("timestamp" if "%H" in formats[0] or "%I" in formats[0] else "date")


def test_p9_day_or_month_is_not_guessed() -> None:
    found = one_column(["03/04/2026", "05/06/2026"])
    assert found.guess.type == "string"
    assert "%d/%m/%Y as well as %m/%d/%Y" in found.doubts[0]
    assert [offer.fields for offer in found.guess.offers] == [
        {"type": "date", "formats": "%d/%m/%Y"},
        {"type": "date", "formats": "%m/%d/%Y"},
    ]


def test_p9_what_one_column_proves_helps_another() -> None:
    made = draft("a,b\n03/04/2026,25/04/2026\n05/06/2026,26/04/2026\n")
    assert types(made) == {"a": "date", "b": "date"}
    assert column(made, "a").guess.fields["formats"] == ["%d/%m/%Y"]
    assert any("that of another column" in doubt for doubt in column(made, "a").doubts)
    assert column(made, "b").doubts == ()


def test_p9_several_formats_in_one_column() -> None:
    found = one_column(["1/22/2026 17:00", "2026-02-03T10:13:19", "2026-03-24 23:19:34"])
    assert found.guess.type == "timestamp"
    assert set(found.guess.fields["formats"]) == {"%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"}


def test_p9_an_impossible_date_is_rejected_and_told() -> None:
    found = one_column([f"{month}/{day}/2026" for month in range(1, 13) for day in range(1, 29)] + ["2/30/2026"])
    assert (found.guess.type, found.guess.stray_rows) == ("date", 1)
    assert "'2/30/2026' will be rejected" in found.doubts[0]


def test_p9_times_without_a_zone_are_a_doubt() -> None:
    assert any("no zone" in doubt for doubt in one_column(["2026-01-01 10:00:00"]).doubts)
    assert not one_column(["2026-01-01T10:00:00Z"]).doubts
    assert any("midnight" in doubt for doubt in one_column(["2026-01-01 00:00:00.000"]).doubts)


def test_eight_digits_are_dates_by_name_or_by_number() -> None:
    assert one_column(["20260101", "20260102"], "order_date").guess.type == "date"
    assert one_column(["20260101", "20260102"], "amount").guess.type == "int64"
    assert one_column([f"202601{day:02}" for day in range(1, 29)]).guess.type == "date"
    assert one_column([f"202699{day:02}" for day in range(1, 29)]).guess.type == "int64"


def test_versions_are_no_dates() -> None:
    assert one_column(["1.2.10", "1.13.4"]).guess.type == "string"


# --- sentinels


def test_texts_that_stand_for_none_in_typed_columns_become_nulls() -> None:
    dates = [f"{month}/{day}/2026" for month in range(1, 13) for day in range(1, 29)]
    found = one_column([*dates, *["Pre-PQ Process"] * 50, *["N/A"] * 3])
    assert found.guess.type == "date"
    assert found.guess.fields["nulls"] == ["", "Pre-PQ Process", "N/A"]
    assert [(one.text, one.rows) for one in found.guess.nulls] == [("Pre-PQ Process", 50), ("N/A", 3)]


def test_references_among_numbers_keep_the_column_text() -> None:
    numbers = [str(at * 3) for at in range(200)]
    found = one_column([*numbers, *(f"See DN-{at}" for at in range(100))])
    assert found.guess.type == "string"
    assert "200 of 300 values (66.7%) are numbers" in found.doubts[0]
    assert "100 like 'See DN-0'" in found.doubts[0]


def test_a_few_strays_are_rejected() -> None:
    found = one_column([*[str(at) for at in range(1000)], "about 7"])
    assert (found.guess.type, found.guess.stray_rows) == ("int64", 1)
    assert "'about 7' will be rejected" in found.doubts[0]


def test_p7_a_few_codes_among_numbers_are_codes_all() -> None:
    assert one_column([*[str(536365 + at) for at in range(1000)], "C536548"], "invoice").guess.type == "string"
    assert one_column([*[str(536365 + at) for at in range(1000)], "cancelled"], "InvoiceNo").guess.type == "string"


def test_unknown_among_texts_is_offered_and_not_read_as_null() -> None:
    found = one_column(["yes", "no", "unknown"], times=50)
    assert (found.guess.type, dict(found.guess.fields)) == ("string", {})
    assert "'unknown' (50 rows)" in found.doubts[0]
    assert found.guess.offers[0].fields == {"nulls": ["", "unknown"]}


def test_a_number_far_from_all_others_is_a_doubt() -> None:
    found = one_column([*[str(at) for at in range(20)], *["999"] * 50], "days")
    assert found.guess.type == "int64"
    assert "999 stands far from all other values in 50 rows" in found.doubts[0]
    assert found.guess.offers[0].fields == {"nulls": ["", "999"]}
    assert one_column([str(at) for at in range(990, 1000)], "days").doubts == ()


def test_a_date_for_never_is_a_doubt() -> None:
    found = one_column([*ISO, *["9999-12-31"] * 5])
    assert any("9999-12-31 comes back in 5 rows" in doubt for doubt in found.doubts)


def test_a_mark_of_database_dumps_is_null_everywhere() -> None:
    made = draft("id,name,size\n1,\\N,5\n2,bolt,\\N\n")
    assert made.format["null_values"] == ("", "\\N")
    assert types(made) == {"id": "int64", "name": "string", "size": "int64"}


# --- how numbers are written


@pytest.mark.parametrize(
    ("values", "fields", "type"),
    [
        (["1,5", "2,75"], {"decimal_mark": ","}, "decimal(12,2)"),
        (["1,234.56", "12.00"], {"thousands_mark": ","}, "decimal(12,2)"),
        (["1.234,56", "12,00"], {"decimal_mark": ",", "thousands_mark": "."}, "decimal(12,2)"),
        (["1,234,567", "12"], {"thousands_mark": ","}, "int64"),
        (["1 234,56", "12,00"], {"decimal_mark": ",", "thousands_mark": " "}, "decimal(12,2)"),
        (["(12.50)", "3.25"], {"accounting": True}, "decimal(12,2)"),
        (["12.5%", "7%"], {"percent": True}, "decimal(12,3)"),
        (["$12.50", "$3.00"], {"currency": ("$",)}, "decimal(12,2)"),
    ],
)
def test_p8_numbers_in_the_notation_of_the_file(values: list[str], fields: dict[str, object], type: str) -> None:
    made = draft("id;amount\n" + "".join(f"a{at};{value}\n" for at, value in enumerate(values)))
    assert {name: made.format.get(name) for name in fields} == fields
    assert types(made)["amount"] == type
    assert made.proof is not None
    assert made.proof.rows.published == len(values)


def test_p8_one_group_of_three_says_nothing_of_marks() -> None:
    made = draft("id;amount\na;1,234\nb;5,678\n")
    assert types(made)["amount"] == "string"
    assert "decimal_mark" not in made.format


def test_white_space_around_numbers_is_trimmed_and_told() -> None:
    made = draft("id,name,size\n1, bolt , 5\n2,nut,7 \n")
    assert made.format["trim"] is True
    assert types(made)["size"] == "int64"
    assert any("takes white space off 1 value" in doubt for doubt in made.doubts)


def test_white_space_around_texts_is_kept_and_told() -> None:
    made = draft("id,name,size\n1, bolt ,5\n2,nut,7\n")
    assert "trim" not in made.format
    assert any("white space" in doubt for doubt in column(made, "name").doubts)


# --- typed sources


def test_json_says_what_is_text_and_what_is_a_number() -> None:
    made = draft('[{"a": "1", "b": 1, "c": "12.50", "d": true, "e": 1.5}, {"a": "2", "b": 2, "c": "3.25", "d": false, "e": 2}]')
    assert types(made) == {"a": "string", "b": "int64", "c": "decimal(12,2)", "d": "boolean", "e": "decimal(12,2)"}
    assert "writes these digits as text" in column(made, "a").guess.why


def test_p10_nested_records_become_structs_and_lists() -> None:
    rows = ['{"id": "a", "to": {"lat": 1.5, "tags": ["x"]}, "n": [1, 2]}', '{"id": "b", "to": {"zip": "01"}, "n": 3}']
    made = draft("\n".join(rows))
    assert types(made)["to"] == "struct<lat:decimal(12,2),tags:list<string>,zip:string>"
    assert types(made)["n"] == "list<int64>"


def test_p10_objects_whose_names_are_data_stay_json() -> None:
    rows = [f'{{"id": {at}, "by_day": {{"2026-01-{at:02}": 1}}}}' for at in range(1, 31)]
    assert types(draft("\n".join(rows)))["by_day"] == "json"


def test_json_in_a_column_of_text_is_json() -> None:
    made = draft('id,doc\n1,"{""a"": 1}"\n2,"{""b"": [2]}"\n')
    assert types(made)["doc"] == "json"


# --- what is said of text


def test_misspelt_categories_are_told_and_no_set_is_proposed() -> None:
    found = one_column([*["Available"] * 60, *["Unavailable"] * 40, "Avaliable"])
    assert found.checks == {}
    assert any("'Avaliable' (1 row) looks like a misspelt 'Available'" in doubt for doubt in found.doubts)


def test_a_name_that_is_a_word_of_sql_is_told() -> None:
    assert any("double quotes" in doubt for doubt in one_column(["a", "b"], "default").doubts)


def test_a_column_without_values_is_text_in_doubt() -> None:
    found = one_column(["", ""])
    assert (found.guess.type, found.doubts) == ("string", ("the sample has no value of it; its type is not known",))
