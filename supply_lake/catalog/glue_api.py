"""The few calls of AWS Glue that a catalog needs, in batches, repeated where Glue asks for patience.

What belongs here: requests, their limits and their errors. What does not: what is written (``glue_tables``) and when
(``glue``). Throttling, timeouts and faults of a whole request are retried by the AWS library; those of single entries of a
batch here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt, wait_random_exponential

from supply_lake.catalog.glue_tables import Values
from supply_lake.errors import CatalogError

CREATED_AT_ONCE, DELETED_AT_ONCE = 100, 25
"""Most partitions of one request, by Glue's limits."""
_TRIES = 6
_THERE_ALREADY, _NOT_THERE = "AlreadyExistsException", "EntityNotFoundException"
_CHANGED = ("ConcurrentModificationException", "VersionMismatchException")
_DONE = {_THERE_ALREADY, _NOT_THERE}
Table = dict[str, Any]
Entries = Sequence[dict[str, Any]]
T = TypeVar("T")


class Overtaken(Exception):
    """Someone else changed the table since it was read."""


class GlueApi:
    """One database of Glue.

    :param client: makes a client of the AWS library; it is asked for at the first call
    :param pause: longest wait in seconds before an entry of a batch is tried again
    """

    def __init__(self, client: Callable[[], Any], database: str, *, pause: float = 20.0) -> None:
        self._make, self.database, self._pause = client, database, pause
        self._made: Any = None

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._make()
        return self._made

    # --- tables

    def ensure_database(self, description: str, location: str) -> None:
        """Make the database if it is not there."""
        with self._told("make the database"):
            try:
                self._client.get_database(Name=self.database)
                return
            except self._client.exceptions.EntityNotFoundException:
                pass
            try:
                wanted = {"Name": self.database, "Description": description, "LocationUri": location}
                self._client.create_database(DatabaseInput=wanted)
            except self._client.exceptions.AlreadyExistsException:
                pass

    def table(self, name: str) -> Table | None:
        """The table as it stands, with its ``VersionId``."""
        with self._told(f"read table {name}"):
            try:
                found: Table = self._client.get_table(DatabaseName=self.database, Name=name)["Table"]
                return found
            except self._client.exceptions.EntityNotFoundException:
                return None

    def tables(self, beginning: str) -> list[Table]:
        """The tables whose names begin so."""
        with self._told("list tables"):
            pages = self._client.get_paginator("get_tables").paginate(DatabaseName=self.database)
            return [one for page in pages for one in page["TableList"] if one["Name"].startswith(beginning)]

    def create_table(self, wanted: Table) -> bool:
        """Make a table; ``False`` when there is one of this name."""
        with self._told(f"make table {wanted['Name']}"):
            try:
                self._client.create_table(DatabaseName=self.database, TableInput=wanted)
                return True
            except self._client.exceptions.AlreadyExistsException:
                return False

    def update_table(self, wanted: Table, read: Table) -> None:
        """Put a table in the place of what was read; Glue keeps the earlier version where columns differ.

        :raises Overtaken: it is no longer what was read
        """
        same = columns_of(wanted) == columns_of(read)
        guard = {"VersionId": read["VersionId"]} if "VersionId" in read else {}
        with self._told(f"update table {wanted['Name']}"):
            self._client.update_table(DatabaseName=self.database, TableInput=wanted, SkipArchive=same, **guard)

    def delete_table(self, name: str) -> None:
        """Remove a table and its partitions; one that is not there is no error."""
        with self._told(f"remove table {name}"), suppress(self._client.exceptions.EntityNotFoundException):
            self._client.delete_table(DatabaseName=self.database, Name=name)

    # --- partitions

    def partitions(self, table: str) -> dict[Values, dict[str, Any]]:
        """Every partition of a table by its values."""
        with self._told(f"list partitions of {table}"):
            pages = self._client.get_paginator("get_partitions").paginate(DatabaseName=self.database, TableName=table)
            return {tuple(one["Values"]): one for page in pages for one in page["Partitions"]}

    def create_partitions(self, table: str, wanted: Iterable[dict[str, Any]]) -> None:
        """Make partitions; those that are there are no error."""
        for some in _at_once(list(wanted), CREATED_AT_ONCE):
            self._patiently(table, some, self._create)

    def update_partitions(self, table: str, wanted: Iterable[dict[str, Any]]) -> None:
        """Put partitions in the place of those with the same values."""
        for some in _at_once(list(wanted), CREATED_AT_ONCE):
            self._patiently(table, some, self._update)

    def delete_partitions(self, table: str, values: Iterable[Values]) -> None:
        """Remove partitions; those that are not there are no error."""
        for some in _at_once(list(values), DELETED_AT_ONCE):
            self._patiently(table, [{"Values": list(one)} for one in some], self._delete)

    def _create(self, table: str, some: Entries) -> Any:
        return self._client.batch_create_partition(
            DatabaseName=self.database, TableName=table, PartitionInputList=list(some)
        ).get("Errors", ())

    def _update(self, table: str, some: Entries) -> Any:
        entries = [{"PartitionValueList": one["Values"], "PartitionInput": one} for one in some]
        found = self._client.batch_update_partition(DatabaseName=self.database, TableName=table, Entries=entries)
        return [{**one, "PartitionValues": one["PartitionValueList"]} for one in found.get("Errors", ())]

    def _delete(self, table: str, some: Entries) -> Any:
        return self._client.batch_delete_partition(
            DatabaseName=self.database, TableName=table, PartitionsToDelete=list(some)
        ).get("Errors", ())

    def _patiently(self, table: str, some: Entries, call: Callable[[str, Entries], Any]) -> None:
        """Make the call, and again for the entries that failed for a reason that passes."""
        left, errors = list(some), list[dict[str, Any]]()

        def once() -> bool:
            nonlocal left, errors
            with self._told(f"write partitions of {table}"):
                errors = [one for one in call(table, left) if one.get("ErrorDetail", {}).get("ErrorCode") not in _DONE]
            failed = {tuple(one["PartitionValues"]) for one in errors}
            left = [one for one in left if tuple(one["Values"]) in failed]
            return bool(left)

        pause = wait_random_exponential(multiplier=min(0.2, self._pause), max=self._pause)
        try:
            Retrying(retry=retry_if_result(bool), stop=stop_after_attempt(_TRIES), wait=pause)(once)
        except RetryError as error:
            why = errors[0].get("ErrorDetail", {})
            raise CatalogError(
                f"Glue did not take {len(left):,} partitions of {self.database}.{table}: "
                f"{why.get('ErrorCode')}: {why.get('ErrorMessage', '')}"
            ) from error

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Errors of the AWS library become one sentence."""
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _CHANGED:
                raise Overtaken(str(error)) from error
            raise CatalogError(f"Glue did not {doing} in database {self.database}: {error}") from error
        except BotoCoreError as error:
            raise CatalogError(f"Glue does not answer (to {doing} in database {self.database}): {error}") from error


def columns_of(table: Table) -> list[tuple[str, str, str]]:
    """Name, type and comment of a table's or a partition's columns."""
    found = table.get("StorageDescriptor", {}).get("Columns", [])
    return [(one["Name"], one.get("Type", ""), one.get("Comment", "")) for one in found]


def _at_once(those: list[T], most: int) -> Iterator[list[T]]:
    return (those[start : start + most] for start in range(0, len(those), most))
