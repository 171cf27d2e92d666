"""A DynamoDB table: reads that are whole, writes that are all or nothing, and errors in our own words.

What belongs here: requests, pages, retries, the limits of one request, and the translation of errors. What does not: what any
item means (``dynamo_items``).

All reads are strongly consistent. Every request is repeated with growing, random pauses while the service throttles, fails or
does not answer, for up to ``PATIENCE_SECONDS``; a transaction keeps its token meanwhile, so one whose answer was lost is not
made twice.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from supply_lake.errors import SettingsError, StoreUnavailable

PATIENCE_SECONDS = 30.0
MOST_WRITES = 100  # of one transaction
MOST_BYTES = 3_500_000  # the service takes 4 MB, and counts more generously than we do
_MOST_KEYS, _MOST_PUTS = 100, 25
_THREADS = 8
_TRANSIENT = {
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "ThrottlingError",
    "TransactionConflict",
    "TransactionConflictException",
    "TransactionInProgressException",
}
_DENIED = {"AccessDeniedException", "AccessDenied"}
_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}
Key = tuple[str, str]
Item = dict[str, Any]
"""Attributes as text, whole numbers and bytes; ``pk`` and ``sk`` are its key. What is ``None`` is not stored."""
T = TypeVar("T")


class Lost(Exception):
    """Another writer was faster: a condition of the transaction does not hold any more. Nothing of it was written."""


class Denied(StoreUnavailable):
    """These credentials may read the table, and not write it, or the other way round."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a transaction: put the item, or delete what is under the key.

    ``rev``: the number that ``rev`` of what is there must have, 0 when nothing may be there; ``None`` when it does not matter.
    """

    key: Key
    item: Item | None
    rev: int | None = None


class Table:
    """One table. Safe to share between threads, and to use in a forked child."""

    def __init__(self, name: str, make_client: Callable[[], Any]) -> None:
        self.name = name
        self.patience = PATIENCE_SECONDS
        self._make, self._client, self._pid = make_client, make_client(), os.getpid()
        self.described = f"dynamodb://{name} in {self._client.meta.region_name}"

    @property
    def client(self) -> Any:
        """The boto3 client; connections of a parent process are not used by its child."""
        if self._pid != os.getpid():
            self._client, self._pid = self._make(), os.getpid()
        return self._client

    def close(self) -> None:
        """Give up connections; a later use opens new ones."""
        self._client.close()

    # --- reading

    def get(self, key: Key) -> Item | None:
        """One item, or ``None``."""
        answer = self.ask("get_item", TableName=self.name, Key=_key(key), ConsistentRead=True)
        return _plain(answer["Item"]) if "Item" in answer else None

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Those of the items that are there."""
        chunks = list(chunked(dict.fromkeys(keys), _MOST_KEYS))
        return {(one["pk"], one["sk"]): one for found in in_threads(self._get_chunk, chunks) for one in found}

    def _get_chunk(self, keys: Sequence[Key]) -> list[Item]:
        found: list[Item] = []
        left: list[dict[str, Any]] = [_key(one) for one in keys]
        pauses = _Pauses(self.patience)
        while left:
            answer = self.ask("batch_get_item", RequestItems={self.name: {"Keys": left, "ConsistentRead": True}})
            found += map(_plain, answer["Responses"].get(self.name, ()))
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if left and not answer["Responses"].get(self.name):
                pauses.take(self, "it throttles reads")
        return found

    def query(
        self,
        pk: str,
        *,
        prefix: str = "",
        low: str = "",
        high: str = "",
        newest_first: bool = False,
        at_most: int | None = None,
    ) -> Iterator[Item]:
        """The items of one partition in the order of their sort keys, page by page.

        :param prefix: of the sort key; or ``low`` and ``high``, its bounds, both inclusive
        :param at_most: as many as are wanted, so that pages are no longer
        """
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        for bound, text in (("begins_with(sk, :x)", prefix), ("sk >= :x", low), ("sk <= :x", high)):
            if text:
                condition, values = f"pk = :pk AND {bound}", {**values, ":x": {"S": text}}
        asked: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            "ScanIndexForward": not newest_first,
        }
        if at_most is not None:
            asked["Limit"] = max(1, at_most)
        while True:
            answer = self.ask("query", **asked)
            yield from map(_plain, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # --- writing

    def put_many(self, items: Iterable[Item]) -> None:
        """Put items of which it does not matter what is there: no two of one key, in any order, one by one."""
        self._write_many([{"PutRequest": {"Item": _typed(one)}} for one in items])

    def delete_many(self, keys: Iterable[Key]) -> None:
        """Delete items, in any order, one by one."""
        self._write_many([{"DeleteRequest": {"Key": _key(one)}} for one in keys])

    def _write_many(self, requests: list[dict[str, Any]]) -> None:
        list(in_threads(self._write_chunk, list(chunked(requests, _MOST_PUTS))))

    def _write_chunk(self, requests: list[dict[str, Any]]) -> None:
        pauses = _Pauses(self.patience)
        while requests:
            answer = self.ask("batch_write_item", RequestItems={self.name: requests})
            requests = answer.get("UnprocessedItems", {}).get(self.name, [])
            if requests:
                pauses.take(self, "it throttles writes")

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all of the writes, or none.

        :raises Lost: a condition does not hold
        """
        if writes:
            members = [self._member(one) for one in writes]
            self.ask("transact_write_items", TransactItems=members, ClientRequestToken=str(uuid.uuid4()))

    def _member(self, write: Write) -> dict[str, Any]:
        member: dict[str, Any] = {"TableName": self.name}
        if write.rev == 0:
            member["ConditionExpression"] = "attribute_not_exists(pk)"
        elif write.rev is not None:
            member["ConditionExpression"] = "rev = :rev"
            member["ExpressionAttributeValues"] = {":rev": {"N": str(write.rev)}}
        if write.item is None:
            return {"Delete": member | {"Key": _key(write.key)}}
        return {"Put": member | {"Item": _typed(write.item)}}

    # --- asking

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """One request, repeated while it is worth it.

        :raises Lost: a condition does not hold
        :raises Denied: these credentials may not do this
        :raises StoreUnavailable: the service does not answer, or takes no credentials of ours
        """
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        pauses = _Pauses(self.patience)
        while True:
            try:
                answer: dict[str, Any] = getattr(self.client, operation)(**arguments)
                return answer
            except ClientError as error:
                reasons = {one.get("Code") for one in error.response.get("CancellationReasons", ())}
                if "ConditionalCheckFailed" in reasons:
                    raise Lost from error
                code = str(error.response["Error"].get("Code"))
                failed = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= 500
                if not (failed or code in _TRANSIENT or reasons & _TRANSIENT):
                    raise self._refusal(code, error) from error
                pauses.take(self, f"{code}: {_sentence(error)}", error)
            except BotoCoreError as error:
                if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"):
                    raise StoreUnavailable(
                        f"the metadata store {self.described} cannot be asked without AWS credentials; set AWS_ACCESS_KEY_ID "
                        "and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give this machine a role"
                    ) from error
                pauses.take(self, _sentence(error), error)

    def _refusal(self, code: str, error: Exception) -> Exception:
        told = f"{code}: {_sentence(error)}"
        if code == "ResourceNotFoundException":
            return SettingsError(
                f"there is no DynamoDB table {self.name} ({self.described}); name another with SUPPLY_LAKE_METADATA, or have "
                f"it made with SUPPLY_LAKE_METADATA=dynamodb://{self.name}?create=true"
            )
        if code in _DENIED:
            return Denied(
                f"the metadata store {self.described} refuses ({told}); nothing is lost, give this user the permission"
            )
        if code in _CREDENTIALS:
            return StoreUnavailable(
                f"the metadata store {self.described} refuses the credentials ({told}); nothing is lost, renew them and run it "
                "again"
            )
        return StoreUnavailable(f"the metadata store {self.described} does not take a request ({told}); nothing is lost")


class _Pauses:
    """Growing, random pauses, until patience ends."""

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience
        self._longest = 0.025

    def take(self, table: Table, why: str, error: Exception | None = None) -> None:
        if time.monotonic() > self._end:
            raise StoreUnavailable(
                f"the metadata store {table.described} does not answer ({why}); nothing is lost, run it again when it is back"
            ) from error
        time.sleep(random.random() * self._longest)
        self._longest = min(2.0, 2 * self._longest)


def chunked(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of at most this size."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def in_threads(work: Callable[[T], Any], items: Sequence[T]) -> Iterator[Any]:
    """What the work makes of each item, in their order; several at a time where there are several."""
    if len(items) < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(min(_THREADS, len(items)), thread_name_prefix="dynamodb") as pool:
        yield from pool.map(work, items)


def weight(item: Item | None) -> int:
    """About how many bytes an item has."""
    return (
        sum(len(name) + (len(value) if isinstance(value, (bytes, str)) else 21) for name, value in (item or {}).items()) + 100
    )


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _typed(item: Item) -> dict[str, Any]:
    kinds = {str: "S", int: "N", bytes: "B"}
    return {
        name: {kinds[type(value)]: str(value) if type(value) is int else value}
        for name, value in item.items()
        if value is not None
    }


def _plain(item: dict[str, Any]) -> Item:
    return {name: _value(*typed.items()) for name, typed in item.items()}


def _value(typed: tuple[str, Any]) -> Any:
    kind, value = typed
    return int(value) if kind == "N" else value


def _sentence(error: Exception) -> str:
    """Its first line: what the service tells beyond that may repeat the request, with its token."""
    response = getattr(error, "response", None) or {}
    text = response.get("Error", {}).get("Message") or str(error)
    return str(text).strip().partition("\n")[0] or type(error).__name__
