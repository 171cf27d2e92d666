"""Webhooks in the database of tokens, and whose turn it is to tell them.

What belongs here: their table and the statements over it. What does not: what a webhook is (``webhooks``). A process that
tells one claims it for a while, so that two do not tell it at once; one that dies is waited for no longer than that.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from supply_lake.errors import UnknownWebhook
from supply_lake.service.access_store import tables
from supply_lake.service.webhooks import MOST_ATTEMPTS, State, Webhook, pause
from supply_lake.snapshots.micros import from_micros, to_micros
from supply_lake.snapshots.sql_database import Database

CLAIM = dt.timedelta(minutes=5)
_webhooks = sa.Table(
    "access_webhooks",
    tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # what is signed with it has to be signed anew each time: no digest would do
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("made_at", sa.BigInteger, nullable=False),
    sa.Column("told", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", sa.BigInteger),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("claimed_until", sa.BigInteger, nullable=False, default=0),
)
_W = _webhooks.c


class WebhookStore:
    """The webhooks of one lake. Threads and processes may share it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, webhook: Webhook) -> None:
        """Keep a new one."""
        row = {
            name: getattr(webhook, name) for name in ("id", "dataset", "url", "secret", "made_by", "told", "state", "reason")
        }
        row |= {"made_at": to_micros(webhook.made_at), "attempts": webhook.attempts, "next_try_at": None}
        self._database.write(lambda connection: connection.execute(sa.insert(_webhooks).values(**row)))

    def of(self, dataset: str) -> list[Webhook]:
        """Those of a dataset, the oldest first."""
        return self._found(sa.select(_webhooks).where(_W.dataset == dataset).order_by(_W.made_at, _W.id))

    def active(self) -> list[Webhook]:
        """All that are to be told of commits."""
        return self._found(sa.select(_webhooks).where(_W.state == State.ACTIVE).order_by(_W.id))

    def get(self, dataset: str, webhook_id: str) -> Webhook:
        """One of a dataset.

        :raises UnknownWebhook: it has none of this id
        """
        found = self._found(sa.select(_webhooks).where(_W.id == webhook_id, _W.dataset == dataset))
        if not found:
            raise UnknownWebhook(
                f"dataset {dataset} has no webhook {webhook_id}; GET /v1/datasets/{dataset}/webhooks lists them"
            )
        return found[0]

    def remove(self, dataset: str, webhook_id: str) -> None:
        """Tell it no more.

        :raises UnknownWebhook: the dataset has none of this id
        """
        self.get(dataset, webhook_id)
        delete = sa.delete(_webhooks).where(_W.id == webhook_id, _W.dataset == dataset)
        self._database.write(lambda connection: connection.execute(delete))

    def claim(self, webhook_id: str, now: dt.datetime) -> bool:
        """Whether it is this caller's turn to tell it; nobody else's for a while, then."""
        update = sa.update(_webhooks).where(_W.id == webhook_id, _W.state == State.ACTIVE, _W.claimed_until <= to_micros(now))
        update = update.values(claimed_until=to_micros(now + CLAIM))
        return self._database.write(lambda connection: connection.execute(update).rowcount) == 1

    def took(self, webhook_id: str, commit: int) -> None:
        """It took the message about this commit."""
        self._settle(webhook_id, told=commit, attempts=0, next_try_at=None, reason="")

    def failed(self, webhook: Webhook, reason: str, now: dt.datetime) -> None:
        """It did not; it is tried again later, or stopped after too many times."""
        attempts = webhook.attempts + 1
        state = State.STOPPED if attempts >= MOST_ATTEMPTS else State.ACTIVE
        again = to_micros(now + pause(attempts))
        self._settle(webhook.id, attempts=attempts, next_try_at=again, reason=reason, state=state)

    def release(self, webhook_id: str) -> None:
        """The caller's turn is over."""
        self._settle(webhook_id, claimed_until=0)

    def _settle(self, webhook_id: str, **values: Any) -> None:
        update = sa.update(_webhooks).where(_W.id == webhook_id).values(**values)
        self._database.write(lambda connection: connection.execute(update))

    def _found(self, query: sa.Select[Any]) -> list[Webhook]:
        with self._database.read() as connection:
            return [_webhook(row) for row in connection.execute(query)]


def _webhook(row: sa.Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        dataset=row.dataset,
        url=row.url,
        secret=row.secret,
        made_by=row.made_by,
        made_at=from_micros(row.made_at),
        told=row.told,
        state=State(row.state),
        attempts=row.attempts,
        next_try_at=None if row.next_try_at is None else from_micros(row.next_try_at),
        reason=row.reason,
    )
