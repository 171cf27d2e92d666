"""Waiting for commits: one look at the newest commits for all who wait in this process, however many they are.

What belongs here: that look, and waking whoever waits. What does not: what they then read (``routes_events``, ``deliveries``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from supply_lake.errors import StoreUnavailable, TooManyRequests
from supply_lake.service.opened import Opened

LOOK_SECONDS = 0.5
_MOST = 200
_log = logging.getLogger(__name__)


class Watch:
    """The newest commits as last seen. It looks only while somebody waits."""

    def __init__(self, opened: Opened, look_seconds: float = LOOK_SECONDS) -> None:
        self._opened = opened
        self._look_seconds = look_seconds
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None
        self._seen: dict[str, int] = {}
        self._moved = asyncio.Condition()

    @asynccontextmanager
    async def joined(self) -> AsyncIterator[None]:
        """Be one of those who wait.

        :raises TooManyRequests: there are as many as this process takes
        """
        if self._waiting >= _MOST:
            raise TooManyRequests("as many streams of events are open as this process takes; try again later", 10)
        self._waiting += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._waiting -= 1

    async def beyond(self, dataset: str, commit: int, seconds: float) -> bool:
        """Whether the dataset has a later commit; waits for one for so long."""
        try:
            async with asyncio.timeout(seconds), self._moved:
                await self._moved.wait_for(lambda: self._seen.get(dataset, 0) > commit)
        except TimeoutError:
            return False
        return True

    async def _look(self) -> None:
        while self._waiting:
            try:
                heads = await self._opened.in_thread(self._opened.pages.heads)
            except StoreUnavailable as error:
                _log.warning("cannot look for commits: %s", error)
            else:
                async with self._moved:
                    self._seen = {name: head.commit for name, head in heads.items()}
                    self._moved.notify_all()
            await asyncio.sleep(self._look_seconds)
