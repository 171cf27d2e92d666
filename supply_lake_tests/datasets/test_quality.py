"""Rules as they are declared: what can be written, what is refused with line and remedy, and what a condition may not do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from supply_lake.datasets import condition
from supply_lake.datasets.quality import RESERVED, Severity
from supply_lake.datasets.registry import load_registry, load_spec
from supply_lake.datasets.types import parse_type
from supply_lake.errors import SpecError
from supply_lake_tests.datasets.conftest import GOOD

Write = Callable[..., Path]
TYPES = condition.types_of(
    {
        "quantity": parse_type("int64"),
        "note": parse_type("string"),
        "price": parse_type("decimal(12,2)"),
        "shipped_on": parse_type("date"),
        "updated_at": parse_type("timestamp"),
        "lines": parse_type("list<struct<sku:string,quantity:int64>>"),
        "Province/State": parse_type("string"),
    }
)


def ruled(rules: str) -> str:
    return f"{GOOD}quality:\n{rules}"


def faults(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_every_kind_of_rule_loads_with_its_defaults(write: Write) -> None:
    spec = load_spec(
        write(
            ruled(
                "  - {name: a, row: quantity < 10}\n"
                "  - {name: b, severity: warn, unique: {columns: quantity}}\n"
                "  - {name: c, threshold: 0.2, references: {columns: quantity, dataset: parts, their: number}}\n"
                "  - {name: d, row_count: {history: {}}}\n"
                "  - {name: e, sum: {column: quantity, at_least: 1, over: batch}}\n"
                "  - {name: f, monotone: {column: quantity, by: max}}\n"
                "  - {name: g, unlike_previous: {ignore: ordered_at}}\n"
            )
        )
    )
    kinds = ["row", "unique", "references", "row_count", "sum", "monotone", "unlike_previous"]
    assert [rule.kind for rule in spec.quality] == kinds
    assert [rule.severity for rule in spec.quality[:2]] == [Severity.REJECT, Severity.WARN]
    assert [rule.allows(spec.error_threshold) for rule in spec.quality[:3]] == [spec.error_threshold, 0.0, 0.2]
    history = spec.quality[3].row_count.history  # type: ignore[union-attr]
    assert (history.at_least, history.at_most, history.last, history.needs) == (0.5, 2.0, 7, 3)  # type: ignore[union-attr]
    assert spec.quality[2].references.pairs == (("quantity", "number"),)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "name: a, row: quantty < 10",
            "15: the condition of rule 'a' cannot be used: it names 'quantty', which is no declared",
        ),
        ("name: a, row: quantty < 10", "did you mean `quantity`?"),
        ("name: a, row: quantity <", "15: the condition of rule 'a' cannot be used: it cannot be read as SQL"),
        ("name: a, row: quantity + 1", "its value is INTEGER, and a condition is true or false"),
        ("name: a, row: 12", '`quality[0].row` is text, and 12 is not; write it in quotes: "12"'),
        ("name: a", "a rule says nothing; give it one of row, unique"),
        ("name: a, row: quantity < 1, monotone: {column: quantity}", "a rule has row and monotone; give it one of"),
        ("name: a, severity: fail, row: quantity < 1", "`quality[0].severity` is 'fail'; it takes 'warn' or 'reject'"),
        ("name: a, threshold: 0.1, monotone: {column: quantity}", "`threshold` is for rules on rows"),
        ("name: contract, row: quantity < 1", "every dataset has a check 'contract' of its own"),
        ("name: A b, row: quantity < 1", "`quality[0].name` is 'A b'; it has to match"),
        ("name: a, unique: {columns: [quantity, qty]}", "`unique` names 'qty', which is no declared column"),
        ("name: a, references: {columns: quantity, dataset: d, their: [x, y]}", "`their` names another number of columns"),
        ("name: a, row_count: {}", "bounds nothing; give it `at_least`, `at_most` or `history: {}`"),
        ("name: a, row_count: {minimum: 3}", "`minimum` is no field of `quality[0].row_count`"),
        ("name: a, sum: {column: order_id, history: {}}", "column 'order_id' is string; `sum` takes a column of numbers"),
        ("name: a, unlike_previous: {ignore: [order_id, quantity, ordered_at]}", "no column is left to compare"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_told_with_its_line_and_a_remedy(write: Write, rule: str, says: str) -> None:
    told = faults(write(ruled(f"  - {{{rule}}}\n")))
    assert any(says in one for one in told), told
    assert all(one.startswith("15:") for one in told), told


def test_a_name_tells_one_rule(write: Write) -> None:
    (told,) = faults(write(ruled("  - {name: a, row: quantity < 1}\n  - {name: a, row: quantity < 2}\n")))
    assert told.startswith("16:")
    assert "declared twice" in told


def test_rules_take_no_name_of_a_check_that_every_dataset_has() -> None:
    from supply_lake.assets.naming import CONSERVATION, CONTRACT

    assert set(RESERVED) == {CONTRACT, CONSERVATION}


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("{columns: quantity, dataset: part}", "no dataset is called 'part'; did you mean parts?"),
        ("{columns: quantity, dataset: parts}", "dataset parts has no column 'quantity'; name its columns under `their`"),
        ("{columns: quantity, dataset: parts, their: name}", "column 'quantity' is int32 and parts's 'name' is string"),
        ("{columns: order_id, dataset: orders}", "looks into another dataset, not into its own"),
    ],
)
def test_a_reference_leads_to_a_column_of_another_dataset(write: Write, tmp_path: Path, reference: str, says: str) -> None:
    path = write(ruled(f"  - {{name: a, references: {reference}}}\n"))
    _parts(write)
    with pytest.raises(SpecError) as caught:
        load_registry(tmp_path)
    assert str(caught.value).startswith(f"{path}:15: ")
    assert says in str(caught.value)


def test_a_reference_into_a_broken_file_is_no_fault_of_its_own(write: Write, tmp_path: Path) -> None:
    write(ruled("  - {name: a, references: {columns: quantity, dataset: parts, their: number}}\n"))
    _parts(write, owner="Bob")
    with pytest.raises(SpecError) as caught:
        load_registry(tmp_path)
    assert "orders.yaml" not in str(caught.value)


def test_numbers_of_any_width_can_be_compared(write: Write, tmp_path: Path) -> None:
    write(ruled("  - {name: a, references: {columns: quantity, dataset: parts, their: number}}\n"))
    _parts(write)
    registry = load_registry(tmp_path)
    assert (registry.depth("parts"), registry.depth("orders"), registry.depth("nothing")) == (0, 1, 0)


def test_references_in_a_circle_have_a_depth(write: Write, tmp_path: Path) -> None:
    write(ruled("  - {name: a, references: {columns: quantity, dataset: parts, their: number}}\n"))
    _parts(write, more="quality:\n  - {name: b, references: {columns: number, dataset: orders, their: quantity}}\n")
    registry = load_registry(tmp_path)
    assert {registry.depth("orders"), registry.depth("parts")} == {1}


def _parts(write: Write, owner: str = "team:parts", more: str = "") -> None:
    columns = "columns:\n  - {name: number, type: int64}\n  - {name: name, type: string}\n"
    head = f"name: parts\ndescription: Parts\nowner: {owner}\nsource: {{system: pdm}}\nformat: {{type: csv}}\n"
    write(f"{head}{columns}{more}", "parts")


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("quantity > 0 AND price * quantity < 1000000", ("quantity", "price")),
        ("QUANTITY > 0", ("quantity",)),
        ("shipped_on IS NULL OR updated_at::date >= shipped_on", ("shipped_on", "updated_at")),
        ("updated_at >= shipped_on + INTERVAL 1 DAY", ("shipped_on", "updated_at")),
        ("extract(year FROM shipped_on) = 2026", ("shipped_on",)),
        ("note IN ('a', 'b') OR note LIKE 'x%' OR note ~ '[0-9]+'", ("note",)),
        ("note.lower() = note", ("note",)),
        ("CASE WHEN quantity = 0 THEN price IS NULL ELSE price > 0 END", ("quantity", "price")),
        ("len(list_filter(lines, one -> one.quantity > 0)) = len(lines)", ("lines",)),
        ('"Province/State" IS NOT NULL -- always', ("Province/State",)),
        ("TRY_CAST(note AS integer) > quantity", ("quantity", "note")),
        ("nullif(note, '') IS NOT NULL", ("note",)),
        ("_partition_date >= shipped_on", ("shipped_on", "_partition_date")),
        ("quantity IS NOT DISTINCT FROM price", ("quantity", "price")),
    ],
)
def test_a_condition_is_any_sql_on_the_rows_own_values(sql: str, names: tuple[str, ...]) -> None:
    assert condition.problem(sql, TYPES) == ""
    assert condition.named(sql, TYPES) == names


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("quantity IN (SELECT 1)", "asks a query of its own"),
        ("EXISTS (FROM read_csv('/etc/passwd'))", "asks a query of its own"),
        ("quantity > (VALUES (1))", "asks a query of its own"),
        ("read_text('/etc/passwd') IS NOT NULL", "calls read_text()"),
        ("getenv('HOME') = note", "calls getenv()"),
        ("sum(quantity) > 0", "calls sum()"),
        ("row_number() OVER () > 1", "looks at other rows"),
        ("lag(quantity) OVER () > 1", "looks at other rows"),
        ("shipped_on <= current_date", "names 'current_date'"),
        ("updated_at < now()", "calls now()"),
        ("age(updated_at) > INTERVAL 1 DAY", "calls age()"),
        ("random() < 0.5 OR quantity > 0", "calls random()"),
        ("uuid()::text > note", "calls uuid()"),
        ("nextval('s') > quantity", "calls nextval()"),
        ("current_setting('threads') = note", "calls current_setting()"),
        ("pg_sleep(10) IS NULL", "calls pg_sleep()"),
        ("error('x') = note", "calls error()"),
        ("len(range(quantity * 1000000000)) > 0", "calls range()"),
        ("query('FROM x') = note", "calls query()"),
        ("nothing.lower() = note", "names 'nothing'"),
        ('note = "text"', "names 'text', which is no declared column"),
        ("unnest([quantity]) > 1", "calls unnest()"),
        ("quantity) OR (true", "cannot be read as SQL"),
        ("quantity > 1; DROP TABLE rows", "cannot be read as SQL"),
        ("quantity > 1, note", "no single condition"),
        ("quantity > 1 LIMIT 1", "cannot be read as SQL"),
        ("quantity > 1 FROM rows", "cannot be read as SQL"),
        ("quantity /* > 1", "cannot be read as SQL"),
        ("COLUMNS(*) > 1", "names all columns at once"),
        ("quantity > $1", "has a parameter"),
        ("#1", "names a column by its place"),
        ("1 = 1", "names no column"),
        ("", "is empty"),
        ("note > shipped_on", "cannot be computed"),
        ("quantity", "its value is BIGINT"),
    ],
)
def test_a_condition_sees_its_row_and_nothing_else(sql: str, says: str) -> None:
    assert says in condition.problem(sql, TYPES)


def test_the_engine_of_conditions_opens_no_file_even_if_it_were_asked_to(tmp_path: Path) -> None:
    import duckdb

    (tmp_path / "secret.csv").write_text("a\n1\n")
    engine = condition.engine()
    with pytest.raises(duckdb.Error):
        engine.execute(f"SELECT * FROM '{tmp_path}/secret.csv'")
    with pytest.raises(duckdb.Error):
        engine.execute("SET enable_external_access = true")
