"""Frames that wait: in order, whatever is dropped or replaced, in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supply_lake.curate.spool import Spool

STEPS = st.lists(st.tuples(st.sampled_from(["append", "drop", "replace"]), st.integers(0, 9)), max_size=30)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, budget=st.sampled_from([0, 40, 10**6]))
def test_a_spool_is_a_list(tmp_path: Path, steps: list[tuple[str, int]], budget: int) -> None:
    spool, model = Spool(tmp_path, "x", budget), []
    for number, (step, at) in enumerate(steps):
        frame = pl.DataFrame({"n": [number]})
        if step == "append":
            spool.append(frame)
            model.append(number)
        elif at < len(model) and step == "drop":
            spool.drop([at])
            del model[at]
        elif at < len(model):
            spool.replace(at, frame)
            model[at] = number
        assert [one["n"][0] for one in spool] == model
    spool.drop(range(len(spool)))
    assert list(tmp_path.iterdir()) == []


def test_some_columns_of_a_frame(tmp_path: Path) -> None:
    for budget in (0, 10**6):
        spool = Spool(tmp_path, f"b{budget}", budget)
        spool.append(pl.DataFrame({"a": [1], "b": [2]}))
        assert spool.get(0, ["b"]).rows() == [(2,)]
        column = spool.column(0, "b")
        assert column is not None
        assert column.to_list() == [2]
        assert spool.column(0, "c") is None
