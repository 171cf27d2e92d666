"""Proof from the files: what the records of a dataset claim, counted again.

What belongs here: the sequence, and the report. What does not: counting files (``verify_files``) and comparing records with
each other (``verify_records``). Nothing is repaired here, and nothing is believed: a file counts for what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from supply_lake.datasets.spec import DatasetSpec
from supply_lake.errors import VerificationError
from supply_lake.ingest.stores import Stores
from supply_lake.query import verify_files, verify_records
from supply_lake.query.verify_files import Counted
from supply_lake.snapshots import standing
from supply_lake.snapshots.records import Batch, Commit, Rows, Snapshot, rows_json
from supply_lake.snapshots.schema_versions import SchemaVersion
from supply_lake.snapshots.store import MetadataStore
from supply_lake.storage.object_store import ObjectStore

_THREADS = 2
OnFile = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What the proof of one dataset came to.

    ``rows`` is the sum over all batches as counted from the files. ``standing`` counts every row that landed once, where it is
    now: rows that were rejected and later published by a replay are published. ``problems`` are sentences on what disagrees,
    ``information`` on what is no fault: files that nothing reaches, landed objects that are not there any more.
    """

    dataset: str
    commits: int
    snapshots: int
    files: int
    bytes: int
    rows: Rows
    standing: Rows
    problems: tuple[str, ...]
    information: tuple[str, ...]

    @property
    def proven(self) -> bool:
        """Whether files and records agree."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """The report as public JSON."""
        return {
            "dataset": self.dataset,
            "proven": self.proven,
            "commits": self.commits,
            "snapshots": self.snapshots,
            "files": self.files,
            "bytes": self.bytes,
            "rows": rows_json(self.rows),
            "standing": rows_json(self.standing),
            "problems": list(self.problems),
            "information": list(self.information),
        }


def verify(stores: Stores, spec: DatasetSpec, *, landing: bool = False, on_file: OnFile | None = None) -> Report:
    """Prove one dataset: records against each other, every file against its record, every count against the rows.

    :param landing: read landed object versions that are still there again, and compare their records with what is counted
    :param on_file: called with the bytes of each file that was read
    """
    try:
        records = _Records.of(stores.metadata, spec.name)
    except (LookupError, TypeError, ValueError) as error:
        problem = f"the metadata store's records of {spec.name} are damaged and cannot be read ({error!r})"
        return Report(spec.name, 0, 0, 0, 0, Rows(), Rows(), (problem,), ())
    snapshots = records.snapshots
    dealings = standing.dealings(snapshots)
    problems = [
        *verify_records.history(records.commits, snapshots, records.live),
        *verify_records.batches(records.batches, snapshots),
        *verify_records.schemas(records.schemas, records.commits, snapshots),
        *verify_records.replays(snapshots, dealings),
        *verify_records.holders(snapshots),
    ]
    counted = list(_counted(stores, snapshots, on_file or (lambda _: None)))
    known = {snapshot.id for snapshot in snapshots}
    for snapshot, found in zip(snapshots, counted, strict=True):
        problems += verify_files.compare(snapshot, found, known)
    information = [
        *_removed(snapshots),
        *_orphans(stores.lake, spec.name, (path for one in snapshots for path in one.paths), "lake"),
        *_orphans(stores.rejects, spec.name, (file.path for one in snapshots for file in one.rejects), "rejects"),
    ]
    if landing:
        from supply_lake.query import verify_landing  # it reads as curation does, and brings Polars and pandera

        recount = verify_landing.recount(stores, spec, records.batches)
        problems += recount.problems
        information += recount.information
    return Report(
        dataset=spec.name,
        commits=len(records.commits),
        snapshots=len(snapshots),
        files=sum(found.files for found in counted),
        bytes=sum(found.bytes for found in counted),
        rows=sum((found.rows for found in counted), Rows()),
        standing=standing.books(dealings.values()),
        problems=tuple(problems),
        information=tuple(information),
    )


def require(reports: Sequence[Report]) -> None:
    """Nothing, if every report is proven.

    :raises VerificationError: with the first problem, and how many there are
    """
    problems = [problem for report in reports for problem in report.problems]
    if problems:
        rest = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise VerificationError(f"files and records disagree: {problems[0]}{rest}")


@dataclass(frozen=True, slots=True)
class _Records:
    """Records that belong together: what is committed while they are read is left out."""

    commits: Sequence[Commit]
    batches: Sequence[Batch]
    snapshots: Sequence[Snapshot]
    live: Sequence[Snapshot]
    schemas: Sequence[SchemaVersion]

    @staticmethod
    def of(metadata: MetadataStore, dataset: str) -> _Records:
        commits = metadata.commits(dataset)
        last = max((commit.number for commit in commits), default=0)
        return _Records(
            commits=commits,
            batches=[one for one in metadata.batches(dataset) if (one.commit or 0) <= last],
            snapshots=[
                replace(one, superseded_by=_until(one.superseded_by, last), revoked_by=_until(one.revoked_by, last))
                for one in metadata.snapshots(dataset)
                if (one.commit or 0) <= last
            ],
            live=metadata.live(dataset, last),
            schemas=[one for one in metadata.schema_versions(dataset) if one.commit <= last],
        )


def _until(number: int | None, last: int) -> int | None:
    return None if (number or 0) > last else number


def _counted(stores: Stores, snapshots: Sequence[Snapshot], on_file: OnFile) -> Iterator[Counted]:
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda one: verify_files.count(stores.lake, stores.rejects, one, on_file), snapshots)


def _removed(snapshots: Sequence[Snapshot]) -> list[str]:
    gone = [one.removed_at for one in snapshots if one.removed_at is not None]
    if not gone:
        return []
    number = "1 snapshot" if len(gone) == 1 else f"{len(gone):,} snapshots"
    return [f"gc removed the files of {number}, last on {max(gone):%Y-%m-%d}; their published rows count as their records say"]


def _orphans(store: ObjectStore, dataset: str, reached: Iterable[str], root: str) -> list[str]:
    """Files below the dataset's folder that no snapshot names: left by a killed run, or being written right now."""
    known = set(reached)
    count = size = 0
    example = ""
    for batch in store.list(f"dataset={dataset}/"):
        for key, bytes_ in zip(batch.column("key").to_pylist(), batch.column("size").to_pylist(), strict=True):
            if key not in known:
                count, size, example = count + 1, size + bytes_, min(example or key, key)
    if not count:
        return []
    files = "1 file" if count == 1 else f"{count:,} files"
    return [f"{files} ({size:,} bytes) below the {root} root belong to no snapshot, such as {example}"]
