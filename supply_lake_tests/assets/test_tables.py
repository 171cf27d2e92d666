"""Tables that any value fits into, and that can be read where they stand."""

from __future__ import annotations

import dagster as dg

from supply_lake.assets.tables import PAGE, WIDEST, table


def test_a_cell_holds_any_value() -> None:
    shown = table(["a|b"], [["x|y\nz `code` <b>"], [None], [1234], [True], ["w " * 500]])
    assert isinstance(shown, dg.TableMetadataValue)
    assert [column.name for column in shown.schema.columns] == ["a|b"]
    cells = [str(record.data["a|b"]) for record in shown.records]
    assert cells[:4] == ["x|y z `code` <b>", "", "1,234", "True"]
    assert len(cells[4]) == WIDEST
    assert cells[4].endswith("…")


def test_a_table_of_nothing_has_its_header() -> None:
    shown = table(["a", "b"], [])
    assert isinstance(shown, dg.TableMetadataValue)
    assert [column.name for column in shown.schema.columns] == ["a", "b"]


def test_a_table_that_is_wider_than_the_page_opens_in_a_window_of_its_own() -> None:
    header = [f"column_{number}" for number in range(PAGE // 10 + 1)]
    shown = table(header, [["x|y `c` <b>"] * len(header)])
    assert isinstance(shown, dg.MarkdownMetadataValue)
    lines = shown.md_str.splitlines()
    assert lines[0].startswith("| column_0 | column_1 ")
    assert lines[2].startswith("| x\\|y \\`c\\` &lt;b> |")


def test_words_wrap_and_do_not_make_a_table_wide() -> None:
    assert isinstance(table(["why"], [["a sentence of words " * 6]]), dg.TableMetadataValue)
    assert isinstance(table(["why"], [["w" * PAGE]]), dg.MarkdownMetadataValue)
