"""Telling webhooks: whatever they have not taken yet, in order, one at a time, again until they take it.

What belongs here: the round and the sending. What does not: whose turn it is (``webhook_store``) and what is sent
(``webhooks``). At least once: a receiver whose answer is lost is told again, with the same delivery id. Redirects are not
followed: an address is the one that was checked.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from functools import partial

import httpx

from supply_lake.errors import SupplyLakeError
from supply_lake.service.models import CommitEntry
from supply_lake.service.opened import Opened
from supply_lake.service.webhook_store import WebhookStore
from supply_lake.service.webhooks import DELIVERY, SIGNATURE, Webhook, message, signature

ROUND_SECONDS = 1.0
_SEND_SECONDS = 10.0
_MANY = 20
_log = logging.getLogger(__name__)


class Deliveries:
    """The part of a process that tells webhooks. Any number of processes may do so."""

    def __init__(self, opened: Opened, store: WebhookStore, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._opened = opened
        self._store = store
        self._transport = transport

    async def run(self) -> None:
        """Tell them until cancelled."""
        while True:
            try:
                await self.round()
            except SupplyLakeError as error:
                _log.warning("webhooks are not told for now: %s", error)
            except Exception:
                _log.exception("a round of telling webhooks failed")
            await asyncio.sleep(ROUND_SECONDS)

    async def round(self) -> int:
        """Tell each that has something to be told; returns how many messages were taken."""
        waiting = await self._opened.in_thread(self._store.active)
        if not waiting:
            return 0
        heads = await self._opened.in_thread(self._opened.pages.heads)
        now = dt.datetime.now(dt.UTC)
        due = [one for one in waiting if one.dataset in heads and one.told < heads[one.dataset].commit]
        due = [one for one in due if one.next_try_at is None or one.next_try_at <= now]
        async with httpx.AsyncClient(timeout=_SEND_SECONDS, transport=self._transport, follow_redirects=False) as client:
            return sum(await asyncio.gather(*(self._turn(client, one) for one in due)))

    async def _turn(self, client: httpx.AsyncClient, webhook: Webhook) -> int:
        """Tell one what it has missed, as far as it takes it."""
        if not await self._opened.in_thread(lambda: self._store.claim(webhook.id, dt.datetime.now(dt.UTC))):
            return 0
        taken = 0
        try:
            webhook = await self._opened.in_thread(partial(self._store.get, webhook.dataset, webhook.id))  # as it is by now
            ask = partial(self._opened.pages.commits, webhook.dataset, after=webhook.told, limit=_MANY)
            for one in await self._opened.in_thread(ask):
                if not await self._send(client, webhook, CommitEntry.of(one)):
                    break
                taken += 1
        finally:
            await self._opened.in_thread(lambda: self._store.release(webhook.id))
        return taken

    async def _send(self, client: httpx.AsyncClient, webhook: Webhook, entry: CommitEntry) -> bool:
        now, body = dt.datetime.now(dt.UTC), message(entry)
        headers = {
            "content-type": "application/json",
            DELIVERY: f"{webhook.id}-{entry.commit}",
            SIGNATURE: signature(webhook.secret, body, now),
        }
        try:
            response = await client.post(webhook.url, content=body, headers=headers)
            reason = "" if response.is_success else f"it answered {response.status_code}"
        except httpx.HTTPError as error:
            reason = f"it could not be reached ({type(error).__name__})"
        if reason:
            _log.warning("webhook %s of %s did not take commit %s: %s", webhook.id, webhook.dataset, entry.commit, reason)
            await self._opened.in_thread(lambda: self._store.failed(webhook, reason, now))
            return False
        await self._opened.in_thread(lambda: self._store.took(webhook.id, entry.commit))
        return True
