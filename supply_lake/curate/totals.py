"""Control totals: what files say of themselves, held against what was read of them.

What belongs here: reading the numbers that a file tells, comparing them, and wording both. What does not: finding them in the
file (``margins``, ``json_items``) and what becomes of an object that disagrees (``stage``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import polars as pl

from supply_lake.curate.cast import cast_column
from supply_lake.curate.kinds import data_type
from supply_lake.datasets.column import Column
from supply_lake.datasets.spec import DatasetSpec

Sum = tuple[int, str, Decimal]
"""Part, column, and the sum of the column over the part's rows."""


def sums_of(spec: DatasetSpec, typed: pl.DataFrame, src: pl.Series) -> list[Sum]:
    """The sums that control totals are told of, over all rows whose value could be read, whatever else is wrong with them."""
    names = list(spec.expect_total.sums) if spec.expect_total else []
    if not names or not typed.height:
        return []
    exact = [pl.col(name).cast(pl.Decimal(38, data_type(typed.schema[name]).scale)).sum() for name in names]
    by_part = typed.with_columns(src.alias("_src")).group_by("_src").agg(exact)
    return [(row["_src"], name, row[name]) for row in by_part.iter_rows(named=True) for name in names]


class Reconciliation:
    """Holds files to their control totals, one by one.

    ``columns`` have a control total of their sum; ``notes`` are the figures of the files that live up to theirs.
    """

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec, self._expected = spec, spec.expect_total
        self._files: Counter[str] = Counter()
        self._figures: dict[str, Decimal] = {}
        self.columns = tuple(self._expected.sums) if self._expected else ()

    @property
    def notes(self) -> Iterator[str]:
        """What was told and found, in one sentence each."""
        for what, files in self._files.items():
            where = f"{files:,} files" if files > 1 else "1 file"
            yield f"control totals hold in {where}: {what.format(f'{self._figures[what]:,f}')}"

    def problem(self, told: Sequence[tuple[str, str]], rows: int, sums: Mapping[str, Decimal]) -> str:
        """How a file falls short of its own control totals; empty when it does not.

        :param told: (place, text) of every number that the file tells
        :param rows: its records, those that break the contract included
        :param sums: of the columns that have a control total
        """
        if self._expected is None:
            return ""
        found = {"{} rows": (self._expected.rows, Decimal(rows))} if self._expected.rows else {}
        sums = {name: sums.get(name, Decimal(0)) for name in self.columns}
        found |= {f"a sum of {{}} in {name!r}": (place, sums[name]) for name, place in self._expected.sums.items()}
        for what, (place, number) in found.items():
            texts = [text for at, text in told if at == place]
            if not texts:
                return f"tells no control total {place!r}; it may have been cut off"
            wrong = next((text for text in texts if self._number(text) != number), None)
            if wrong is not None:
                return f"tells {what.format(wrong)} as its control total; what was read comes to {number:,f}"
        for what, (_, number) in found.items():
            self._files[what] += 1
            self._figures[what] = self._figures.get(what, Decimal(0)) + number
        return ""

    def _number(self, text: str) -> Decimal | None:
        column = Column(name="total", type="decimal(38,12)", nulls=())
        number: Decimal | None = cast_column(pl.Series([text.strip()]), column, self._spec).values[0]
        return number
