"""Keys, modes, order and checks."""

from __future__ import annotations

from typing import Any

import pytest

from supply_lake.errors import UsageError
from supply_lake.onboard.draft import Draft
from supply_lake.onboard.known import Known
from supply_lake_tests.onboard.made import column, curated, draft, one_column, spec

MANY = 60


def table(header: str, *rows: str) -> Draft:
    return draft("\n".join([header, *rows]) + "\n")


def test_a_single_key_by_its_name() -> None:
    made = table("name,ID,amount", *(f"n{at},{at},{at}.5" for at in range(MANY)))
    assert made.policy.key == ("id",)
    assert spec(made).mode == "upsert"
    assert spec(made).key_scope == "dataset"


def test_the_smallest_composite_key() -> None:
    made = table("product_id,location_id,shelf,quantity", *(f"{p},{w},A{p},{p * w}" for p in range(10) for w in range(6)))
    assert made.policy.key == ("product_id", "location_id")


def test_amounts_and_times_are_no_keys() -> None:
    made = table("category,amount,quantity", *(f"c{at % 3},{at}.25,{at}" for at in range(MANY)))
    assert made.policy.key == ()
    assert made.policy.fields["mode"] == "append"
    assert any("no primary key was found; nearest comes" in doubt or "no primary key" in doubt for doubt in made.policy.doubts)


def test_rows_that_repeat_whole_leave_no_key() -> None:
    made = table("id,name", *(f"{at},n{at}" for at in range(MANY)), "5,n5")
    assert made.policy.key == ()
    assert any("1 row repeat another one in every column" in doubt for doubt in made.policy.doubts)
    assert made.policy.offers[0][0] == {"deduplicate": "row"}
    assert any("nearest comes id, where 1 row share it" in doubt for doubt in made.policy.doubts)


def test_a_key_with_parts_that_may_be_empty() -> None:
    made = table("code,region,name", *(f"{at % 20},{'' if at < 20 else 'ab'[at % 40 // 20]},x" for at in range(60)))
    assert made.policy.key == ("code", "region")
    assert spec(made).column("region").nullable is True
    assert made.proof is not None
    assert made.proof.rows.published == MANY


def test_a_key_of_one_file_date() -> None:
    files = {f"2026-01-{day:02}.csv": "sku,stock\n" + "".join(f"{sku:03},{day}\n" for sku in range(40)) for day in (1, 2, 3)}
    made = draft(files)
    assert (made.policy.key, made.policy.fields["mode"]) == (("sku",), "replace")
    assert "of one file date" in made.policy.why["primary_key"]


def test_several_files_of_one_date_are_merged_by_key() -> None:
    files = {f"{shop}_2026-01-01.csv": "shop,sku\n" + "".join(f"{shop},{at}\n" for at in range(40)) for shop in ("a", "b")}
    made = draft(files)
    assert (set(made.policy.key), made.policy.fields["mode"]) == ({"shop", "sku"}, "upsert")


def test_a_small_sample_proves_little() -> None:
    assert any("unique in 3 rows, which proves little" in doubt for doubt in table("id,v", "1,2", "2,3", "3,4").policy.doubts)


@pytest.mark.parametrize("name", ["updated_at", "modifieddate", "LastModified", "changedon", "as_of"])
def test_the_time_of_the_last_change_orders(name: str) -> None:
    made = table(f"id,{name}", *(f"{at},2026-01-01T00:00:{at:02}Z" for at in range(50)))
    assert spec(made).order_by == spec(made).columns[1].name


def test_wishes_go_before_guesses() -> None:
    text = "ID,Line No,At\n" + "".join(f"{at % 5},{at % 7},2026-01-01 00:00:{at:02}\n" for at in range(50))
    made = draft(text, key=("ID", "line no"), mode="upsert", order_by="At", owner="team:x")
    declared = spec(made)
    assert (declared.primary_key, declared.mode, declared.order_by, declared.owner) == (
        ("id", "line_no"),
        "upsert",
        "at",
        "team:x",
    )
    assert "15 of 50 rows share it" in made.policy.why["primary_key"]
    assert made.proof is not None
    assert made.proof.rows.deduplicated == 15
    assert "15 rows of the sample give way to others of the same key" in made.doubts


def test_a_wish_for_a_column_that_is_not_there() -> None:
    with pytest.raises(UsageError, match=r"there is no column 'nr'; the sample has id, v"):
        draft("id,v\n1,2\n", key=("nr",))


def test_what_a_database_says_is_not_guessed() -> None:
    known = Known(
        types={"id": "int32", "v": "decimal(10,3)"}, key=("id",), required=("v",), remarks={"v": "Weight."}, remark="Parts.",
        source={"system": "erp"},
    )  # fmt: skip
    made = draft("id,v\n1,2.5\n2,3.5\n", known=known)
    declared = spec(made)
    assert [(one.name, one.type, one.nullable, one.description) for one in declared.columns] == [
        ("id", "int32", None, ""), ("v", "decimal(10,3)", False, "Weight."),
    ]  # fmt: skip
    assert (declared.primary_key, declared.description, declared.source.system) == (("id",), "Parts.", "erp")


# --- checks


@pytest.mark.parametrize(
    ("values", "name", "checks"),
    [
        ([str(at) for at in range(60)], "quantity", {"ge": 0}),
        ([str(at) for at in range(-5, 60)], "quantity", {}),
        ([str(at) for at in range(60)], "customer_id", {}),
        ([f"{at}.5" for at in range(60)], "latitude", {"ge": -90, "le": 90}),
        (["a", "b", "c"] * 30, "kind", {"isin": ["a", "b", "c"]}),
        (["a", "b", "c"] * 30, "shop", {}),
        (["a", "b"] * 60, "shop", {"isin": ["a", "b"]}),
        (["a", "b"], "kind", {}),
        ([f"free text {at}" for at in range(60)], "comment", {}),
    ],
)  # fmt: skip
def test_checks_that_the_sample_keeps(values: list[str], name: str, checks: dict[str, Any]) -> None:
    assert dict(one_column(values, name).checks) == checks


@pytest.mark.parametrize(
    ("values", "name", "pattern"),
    [
        ([f"DN-{at}" for at in range(60)], "dn_number", "DN-[0-9]+"),
        ([f"{at:05}" for at in range(60)], "article_no", "[0-9]{5}"),
        ([f"5{at:03}-{at}" for at in range(30)] + [f"A.{at}" for at in range(30)], "ndc_code", r"[0-9]+-[0-9]+|A\.[0-9]+"),
    ],
)
def test_how_codes_are_made(values: list[str], name: str, pattern: str) -> None:
    """The pattern of a key is a check; that of another code is a rule that warns."""
    made = table(f"row_id,{name}", *(f"r{at},{value}" for at, value in enumerate(values)))
    (rule,) = (rule for rule in made.quality if rule.fields["name"].startswith(name))
    assert rule.fields == {
        "name": f"{name}_made_as_usual",
        "severity": "warn",
        "row": f"regexp_full_match({name}, '{pattern}')",
    }
    assert dict(table(name, *values).columns[0].checks) == {"matches": pattern}


def test_the_draft_lets_its_own_sample_pass() -> None:
    rows = [*(f"{at},2026-01-{at % 28 + 1:02}" for at in range(1000)), *(f"{at},soon" for at in range(1000, 1008))]
    text = "\n".join(["id,day", *rows]) + "\n"
    made = draft(text)
    assert made.proof is not None
    assert (made.proof.rows.rejected, dict(made.proof.rules)) == (8, {"day: is no date": 8})
    assert made.proof.examples[0].startswith("things.dat:1002: day = 'soon'")
    assert 8 / 1008 < made.error_threshold < 0.05
    assert curated(made, text.encode()).rows == made.proof.rows


def test_a_set_that_may_grow_is_a_rule_that_warns() -> None:
    made = table("row_id,shop", *(f"r{at},s'{at % 3}" for at in range(90)))
    (rule,) = made.quality
    assert rule.fields == {"name": "shop_known", "severity": "warn", "row": "shop IN ('s''0', 's''1', 's''2')"}
    assert spec(made).quality[0].name == "shop_known"


def test_what_days_are_held_to() -> None:
    def day(number: int, rows: int) -> str:
        return "place,cases\n" + "".join(f"p{at},{number * 10 + at}\n" for at in range(rows))

    made = draft({f"2026-01-{number:02}.csv": day(number, 20 if number != 9 else 4) for number in range(1, 21)})
    assert [rule.fields for rule in made.quality] == [
        {"name": "about_as_many_rows", "severity": "warn", "row_count": {"history": {}}},
        {"name": "not_the_day_before", "severity": "warn", "unlike_previous": {}},
        {"name": "cases_never_falls", "severity": "warn", "monotone": {"column": "cases"}},
    ]
    assert [rule.name for rule in spec(made).quality] == [rule.fields["name"] for rule in made.quality]


def test_the_same_sample_gives_the_same_draft() -> None:
    from supply_lake.onboard.drafting import dataset_text
    from supply_lake.onboard.page import page_text

    text = "id,kind,at\n" + "".join(f"{at},{'xyz'[at % 3]},2026-01-0{at % 9 + 1}\n" for at in range(200))
    one, two = draft(text), draft(text)
    assert dataset_text(one, page="p", schema=False) == dataset_text(two, page="p", schema=False)
    assert page_text(one) == page_text(two)
    assert column(one, "kind").checks == {"isin": ["x", "y", "z"]}
