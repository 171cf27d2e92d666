"""Control totals: what a file says of itself, and what that is compared with.

What belongs here: the fields of `expect_total`. What does not: finding and comparing the numbers (``curate.totals``).
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from supply_lake.datasets.column import Column
from supply_lake.datasets.format import Format
from supply_lake.datasets.model import Declared

ROWS_EXAMPLE = r"`footer: 'TRAILER\|(?P<rows>\d+)'` and `rows: rows`"


class ExpectTotal(Declared):
    """Numbers that every file has to carry and to live up to. A file that does not is set aside whole.

    A place is a named group of ``format.footer``, or for JSON the dotted path to a value outside the records.
    """

    rows: str = Field("", description="Where a file tells how many records it holds: a named group of `footer`, or a path.")
    sums: dict[str, str] = Field(
        default_factory=dict, description="Column → where a file tells the column's sum; integers and decimals only."
    )

    @property
    def places(self) -> tuple[str, ...]:
        """Every place in a file that is looked at."""
        return tuple(dict.fromkeys([*filter(None, [self.rows]), *self.sums.values()]))


def total_problems(total: ExpectTotal, form: Format, columns: tuple[Column, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What cannot be expected: (path below `expect_total`, what is wrong)."""
    if form.type not in ("csv", "json"):
        yield (), f"`expect_total` is for csv and json files, not for {form.type}; take it out"
        return
    if not total.places:
        yield (), f"`expect_total` expects nothing; name `rows` or `sums`, for example {ROWS_EXAMPLE}"
    kinds = {column.name: column.dtype for column in columns}
    for name in total.sums:
        if name not in kinds:
            yield ("sums", name), f"`expect_total.sums` names {name!r}, which is no declared column; declare it under `columns`"
        elif kinds[name].name != "decimal" and "int" not in kinds[name].name:
            text = f"`expect_total.sums` names {name!r}, which is {kinds[name]}; sums are exact for integers and decimals only"
            yield ("sums", name), text
    if form.type == "csv":
        for at, place in [(("rows",), total.rows), *((("sums", name), place) for name, place in total.sums.items())]:
            if place and place not in form.footer_groups:
                known = f"it has {', '.join(form.footer_groups)}" if form.footer_groups else f"write {ROWS_EXAMPLE}"
                yield at, f"`expect_total` names {place!r}, which is no named group of `format.footer`; {known}"
