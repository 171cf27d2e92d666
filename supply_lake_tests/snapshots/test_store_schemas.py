"""Schema versions, in every metadata store: numbered in the commit that brings them. One suite, run on each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supply_lake.curate.schema import Change, ChangeKind, SchemaColumn
from supply_lake.errors import CommitConflict
from supply_lake.snapshots.records import Batch
from supply_lake.snapshots.schema_versions import ProposedSchema
from supply_lake.snapshots.store import MetadataStore
from supply_lake_tests.snapshots.made_up import DAY, SECOND, Clock, proposal, proposed

ID, COUNT, WIDE = ("id", "string"), ("count", "int32"), ("count", "int64")


def publish(store: MetadataStore, *columns: tuple[str, str], dataset: str = "orders", **brought: str) -> Batch:
    newest = store.schema(dataset)
    schema = proposed(*columns, based_on=newest.number if newest else 0, brought=brought)
    return store.commit(proposal(DAY, dataset=dataset, schema=schema))


def test_p5_a_schema_is_numbered_with_time_commit_object_and_difference(store: MetadataStore, clock: Clock) -> None:
    assert store.schema("orders") is None
    assert store.schema_versions("orders") == []
    done = publish(store, ID)
    (first,) = store.schema_versions("orders")
    assert (first.number, first.commit, first.object) == (1, 1, "orders/2026/11/01/a.csv")
    assert first.committed_at == done.snapshots[0].committed_at == clock.now
    assert first.changes == (Change(ChangeKind.ADDED, "id", "", "string"),)
    clock.now += SECOND
    publish(store, ID, COUNT, count="orders/2026/11/01/b.csv")
    second = store.schema("orders")
    assert second is not None
    assert (second.number, second.commit, second.object) == (2, 2, "orders/2026/11/01/b.csv")
    assert second.changes == (Change(ChangeKind.ADDED, "count", "", "int32", "orders/2026/11/01/b.csv"),)
    assert second.schema == proposed(ID, COUNT).schema
    assert store.schema_versions("orders") == [first, second]


def test_p5_a_commit_that_publishes_the_same_schema_adds_no_version(store: MetadataStore) -> None:
    numbers = [publish(store, *columns).snapshots[0].schema_version for columns in ([ID], [ID], [ID, COUNT], [ID, COUNT], [ID])]
    assert numbers == [1, 1, 2, 2, 3]
    assert [(one.number, one.commit) for one in store.schema_versions("orders")] == [(1, 1), (2, 3), (3, 5)]
    assert [one.schema_version for one in store.snapshots("orders")] == numbers[::-1]


def test_p5_a_commit_without_a_schema_leaves_it_as_it_is(store: MetadataStore) -> None:
    assert store.commit(proposal(DAY)).snapshots[0].schema_version == 0
    publish(store, ID)
    assert store.commit(proposal(DAY)).snapshots[0].schema_version == 1
    assert len(store.schema_versions("orders")) == 1


def test_p5_the_schema_at_a_commit_stays_what_it_was(store: MetadataStore) -> None:
    for columns in ([ID], [ID], [ID, COUNT], [ID, WIDE]):
        publish(store, *columns)
    found = [store.schema("orders", commit) for commit in range(5)]
    assert [one and one.number for one in found] == [None, 1, 1, 2, 3]
    assert store.schema("orders") == found[4]


def test_p5_a_schema_that_was_built_on_another_version_conflicts_and_changes_nothing(store: MetadataStore) -> None:
    publish(store, ID)
    with pytest.raises(CommitConflict, match="schema of dataset orders is at version 1, not at 0"):
        store.commit(proposal(DAY, schema=proposed(ID, COUNT)))
    with pytest.raises(CommitConflict, match="not at 7"):
        store.commit(proposal(DAY, schema=proposed(ID, COUNT, based_on=7)))
    assert store.last_commit("orders") == len(store.schema_versions("orders")) == 1


def test_p5_versions_are_numbered_per_dataset(store: MetadataStore) -> None:
    publish(store, ID)
    publish(store, ID, COUNT)
    publish(store, ID, dataset="parts")
    assert [one.number for one in store.schema_versions("orders")] == [1, 2]
    assert [one.number for one in store.schema_versions("parts")] == [1]


def test_p6_a_widened_column_is_on_record_with_both_types(store: MetadataStore) -> None:
    publish(store, ID, COUNT)
    undeclared = SchemaColumn("note", "null", sources=("Note \0", "NÓTE"))
    schema = replace(proposed(ID).schema, columns=(undeclared, SchemaColumn("count", "int64", "int32", nullable=False)))
    wide = ProposedSchema(schema, 1, "x", {"count": "y"})
    store.commit(proposal(DAY, schema=wide))
    newest = store.schema("orders")
    assert newest is not None
    assert newest.schema == schema
    assert [str(one.kind) for one in newest.changes] == ["added", "contract", "removed"]
    store.commit(proposal(DAY, schema=ProposedSchema(replace(schema, columns=(undeclared,)), 2)))
    typed = ProposedSchema(replace(schema, columns=(replace(undeclared, type="date"),)), 3, "z", {"note": "n.parquet"})
    store.commit(proposal(DAY, schema=typed))
    assert store.schema_versions("orders")[-1].changes == (Change(ChangeKind.WIDENED, "note", "null", "date", "n.parquet"),)
