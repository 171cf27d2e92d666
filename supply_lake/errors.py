"""Every error that supply_lake raises on purpose, in one tree.

::

    SupplyLakeError                 something a person can mend; one sentence says what, where and how
    ├── UsageError                  the call itself is wrong (exit status 2)
    ├── SettingsError               an environment variable has a value that cannot be used
    ├── SpecError                   a dataset file is wrong; names file and line
    ├── NotFound                    no such thing in this lake
    │   ├── UnknownDataset
    │   ├── UnknownSnapshot
    │   ├── UnknownCommit
    │   ├── UnknownToken
    │   ├── UnknownWebhook
    │   ├── UnknownPin
    │   ├── UnknownQuery
    │   └── VersionRemoved          it was there, and `gc` removed its files
    ├── AccessError                 the service lets nobody by who may not, asks too much, or is too slow
    │   ├── Unauthenticated         no token came, or one that opens nothing
    │   ├── Forbidden               the token grants something else
    │   ├── TooManyRequests         more than the token's share; wait, and ask again
    │   ├── TooLarge                the request is larger than the service takes
    │   └── TooSlow                 the request did not come in time
    ├── ObjectError                 one landed object cannot be used; its neighbours go on
    │   ├── ObjectGone              it vanished between discovery and reading
    │   ├── ObjectChanged           other bytes stand under its key now
    │   └── UnreadableObject        corrupt, truncated, encrypted, or not of the declared format
    ├── ContractError               the batch as a whole breaks its contract (schema, threshold)
    ├── CommitConflict              another writer moved the live set that this commit was built on
    ├── AlreadyPublished            an object version of this commit is published already
    ├── NotRevocable                nothing of this snapshot is live, or something else has to be revoked first
    ├── SourceError                 a source that is pulled refuses, or answers what makes no sense; nothing landed
    │   └── SourceUnavailable       it does not answer, however often it was asked
    ├── StoreUnavailable            an object store or the metadata store does not answer; nothing is lost
    ├── CatalogError                an external catalog refuses or does not answer; the lake itself is whole
    ├── QueryError                  a query was refused or failed
    │   ├── QueryCancelled          someone gave it up
    │   └── QueryTimeout            it took longer than it may
    └── VerificationError           files and records disagree, or a pin and what it names

What belongs here: the tree, and its one mapping to exit status and HTTP status. What does not: texts of messages (they are
written where the fact is known) and any import of another room.
"""

from __future__ import annotations

import re


class SupplyLakeError(Exception):
    """Base of everything raised on purpose. ``str(error)`` is one sentence fit for a person."""

    exit_status = 1
    http_status = 500

    @classmethod
    def kind(cls) -> str:
        """Its name as problems over HTTP have it: ``unknown-snapshot``."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()


class UsageError(SupplyLakeError):
    """The caller asked for something that makes no sense, whatever the state of the lake."""

    exit_status = 2
    http_status = 400


class SettingsError(SupplyLakeError):
    """A ``SUPPLY_LAKE_*`` variable holds a value that cannot be used."""


class SpecError(SupplyLakeError):
    """A dataset file is wrong. The message reads ``file:line: what; remedy``."""

    http_status = 422


class NotFound(SupplyLakeError):
    """Something was named that this lake does not have."""

    http_status = 404


class UnknownDataset(NotFound):
    """No dataset file declares this name."""


class UnknownSnapshot(NotFound):
    """No record has this snapshot id."""


class UnknownCommit(NotFound):
    """The dataset has no such commit."""


class UnknownToken(NotFound):
    """No token has this id."""


class UnknownWebhook(NotFound):
    """The dataset has no webhook of this id."""


class UnknownPin(NotFound):
    """No registered pin has this id."""


class UnknownQuery(NotFound):
    """No query has this id, or its answer is not kept any more."""


class VersionRemoved(NotFound):
    """The version was there once; its files were superseded for longer than the retention, and removed."""

    http_status = 410


class AccessError(SupplyLakeError):
    """The service does not let this request by."""

    http_status = 403


class Unauthenticated(AccessError):
    """No token came with the request, or one that opens nothing."""

    http_status = 401


class Forbidden(AccessError):
    """Whoever asks is known, and may not do this."""


class TooManyRequests(AccessError):
    """More requests than one token, or one address, may make. ``wait`` is in seconds."""

    http_status = 429

    def __init__(self, sentence: str, wait: float = 1.0) -> None:
        super().__init__(sentence)
        self.wait = wait


class TooLarge(AccessError):
    """The request's body is larger than the service takes."""

    http_status = 413


class TooSlow(AccessError):
    """The request's body did not come in time."""

    http_status = 408


class ObjectError(SupplyLakeError):
    """One landed object cannot be used. The batch goes on without it."""


class ObjectGone(ObjectError):
    """The object was deleted between discovery and reading."""


class ObjectChanged(ObjectError):
    """The object's bytes are no longer those that were discovered."""


class UnreadableObject(ObjectError):
    """The object is corrupt, truncated, encrypted, or not of the declared format."""


class ContractError(SupplyLakeError):
    """The batch as a whole breaks the dataset's contract."""

    http_status = 422


class CommitConflict(SupplyLakeError):
    """The live set that this commit was built on has moved; build it again and retry."""

    http_status = 409


class AlreadyPublished(SupplyLakeError):
    """At least one object version of this commit is published already."""

    http_status = 409


class NotRevocable(SupplyLakeError):
    """The snapshot cannot be revoked as things stand."""

    http_status = 409


class SourceError(SupplyLakeError):
    """A source that is pulled refuses, or answers what makes no sense. Nothing of the window landed."""

    http_status = 502


class SourceUnavailable(SourceError):
    """A source does not answer, however often it was asked. Nothing of the window landed; pull it again."""

    http_status = 503


class StoreUnavailable(SupplyLakeError):
    """A store does not answer. Nothing is lost; the work goes on when it is back."""

    http_status = 503


class CatalogError(SupplyLakeError):
    """An external catalog refuses or does not answer. The lake itself is whole; the catalog is repaired later."""

    http_status = 502


class QueryError(SupplyLakeError):
    """A query was refused or failed."""

    http_status = 400


class QueryCancelled(QueryError):
    """A query was given up by whoever asked it."""

    http_status = 409


class QueryTimeout(QueryError):
    """A query took longer than it may."""

    http_status = 504


class VerificationError(SupplyLakeError):
    """Files and records disagree."""
