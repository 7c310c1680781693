"""News for browsers, as it happens: one reader of the feed for all listeners of this process.

A listener is a position in the feed, nothing more: whoever is slow, or was away, reads on from its own last number,
out of memory if it is close behind and out of the database if it is not. So nothing is queued for anybody, and a
restart loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from core import feed
from core.clock import stopwatch
from core.database import Database
from core.errors import Unavailable

log = structlog.get_logger("live")
POLL_S: Final = 1.0
"""Seconds between looks at the feed when nobody nudges: another process may have written."""
KEPT: Final = 1000
"""How many of the latest rows are held in memory."""
LASTS_S: Final = 15 * 60.0
"""Seconds a listener may stay before it must come back, and prove again that it may listen."""
RESET: Final = '{"what":"reset","words":"more was missed than is kept; read everything anew"}'
"""Told to a listener whose last number the feed does not know (any more)."""


@dataclass(frozen=True, slots=True)
class Told:
    """One row of the feed, ready to be sent."""

    id: int
    campus: str
    topic: str
    data: str


class Live:
    """Reads the feed once and wakes everybody who listens."""

    def __init__(self, database: Database, news: asyncio.Event, closing: asyncio.Event) -> None:
        self._database = database
        self._news = news
        self._closing = closing
        self._recent: deque[Told] = deque(maxlen=KEPT)
        self._floor = 0
        """Every row with a greater number, up to the newest, is in `_recent`."""
        self._newest = 0
        self._moved = asyncio.Event()
        self._listeners = 0
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def newest(self) -> int:
        """Return the number of the latest row; Unavailable where the database cannot be reached."""
        async with self._database.reading() as session:
            return await feed.last_id(session)

    async def listen(self, last_id: int) -> AsyncGenerator[Told, None]:
        """Yield what comes after the row numbered `last_id`, until the service ends or the time is up."""
        started = stopwatch()
        self._listeners += 1
        try:
            while not self._closing.is_set() and stopwatch() - started < LASTS_S:
                moved = self._moved
                for told in await self._next(last_id):
                    yield told
                    last_id = told.id
                if last_id == self._newest:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(moved.wait(), POLL_S)
        finally:
            self._listeners -= 1

    async def close(self) -> None:
        """End the reader."""
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
            self._reader = None

    async def _next(self, last_id: int) -> Sequence[Told]:
        try:
            await self._have_reader()
            if self._floor <= last_id <= self._newest:
                return [told for told in self._recent if told.id > last_id] if last_id < self._newest else ()
            async with self._database.reading() as session:
                oldest = await feed.after(session, 0, 1)
                if last_id > self._newest or (oldest and last_id < oldest[0].id - 1):
                    return (Told(self._newest, "", "system", RESET),)
                return [_told(row) for row in await feed.after(session, last_id)]
        except Unavailable:
            await asyncio.sleep(POLL_S)
            return ()

    async def _have_reader(self) -> None:
        async with self._starting:
            if self._reader is None or self._reader.done():
                self._start_at(await self.newest())
                self._reader = asyncio.create_task(self._read(), name="live")

    def _start_at(self, newest: int) -> None:
        self._newest = self._floor = newest
        self._recent.clear()

    async def _read(self) -> None:
        """Follow the feed for as long as anybody listens."""
        reachable = True
        while self._listeners and not self._closing.is_set():
            self._news.clear()
            try:
                more = await self._look()
                reachable = True
                if more:
                    continue
            except Unavailable as error:
                if reachable:
                    log.warning("feed unavailable", error=str(error))
                reachable = False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), POLL_S)
        self._wake()

    async def _look(self) -> bool:
        """Take in what is new; return whether there may be more."""
        async with self._database.reading() as session:
            newest = await feed.last_id(session)
            if newest == self._newest:
                return False
            if newest < self._newest:
                # The numbers began anew: the database was restored, or emptied.
                self._start_at(newest)
            for row in await feed.after(session, self._newest):
                if len(self._recent) == KEPT:
                    self._floor = self._recent[0].id
                self._recent.append(_told(row))
                self._newest = row.id
        self._wake()
        return self._newest < newest

    def _wake(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()


def _told(row: feed.FeedRow) -> Told:
    said = {"campus": row.campus, "at": row.at} | msgspec.json.decode(row.data)
    return Told(row.id, row.campus, row.topic, msgspec.json.encode(said).decode())
