"""Forgets in time: what is older than the settings allow goes every night, in pieces that hold nobody up.

The quarantine is looked at every few seconds besides: it is the one place that a stranger can fill.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import links, preflight, store, weekly
from app.metrics import Metrics
from core import state
from core.calendar import resolve_local
from core.campus import Campus
from core.clock import Clock
from core.database import Base, Database
from core.feed import FeedRow
from core.journal import MessageRow
from core.settings import Settings
from ingest import health, quarantine

log = structlog.get_logger("retention")
HOUR: Final = time(3)
"""At night, when there is least to hear: in the zone of the first campus."""
QUARANTINE: Final = timedelta(days=30)
"""How long a payload that could not be read is kept, or as long as messages are if that is less."""
QUARANTINE_ROWS: Final = 100_000
QUARANTINE_BYTES: Final = 256 * 1024 * 1024
FIRST: Final = timedelta(minutes=10)
"""How long after the start it is purged for the first time."""
FEED: Final = timedelta(days=7)
"""How long a page may be away and still be told what it missed."""
CHUNK: Final = 500
"""So many rows go in one transaction."""
PAUSE_S: Final = 0.02
"""Real seconds between two transactions: in them, what is heard has its turn."""

Piece = Callable[[AsyncSession, datetime], Awaitable[int]]


class Retention:
    """Forgets what is due. Nothing is written down of it: what a stop cut short is done soon after the next start."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        *,
        campuses: Callable[[], Mapping[str, Campus]],
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._campuses = campuses
        self._metrics = metrics
        # A machine that is switched off at night must forget, too.
        self._next = clock.now() + FIRST
        self._newest = 0

    async def look(self) -> None:
        """Keep the quarantine within its bounds; and once a night, purge. To be called every few seconds."""
        await self._bound_quarantine()
        now = self._clock.now()
        if now >= self._next:
            await self.purge(now)
            self._next = next_night(now, self._campuses())

    async def purge(self, now: datetime) -> dict[str, int]:
        """Forget all that is older than the settings allow; return how many rows went, by what they were."""
        keep = self._settings
        messages = now - keep.retention_messages
        gone = {
            "messages": await self._forget(_rows(MessageRow, MessageRow.id, MessageRow.received_at), messages),
            "quarantine": await self._forget(_quarantined, now - min(QUARANTINE, keep.retention_messages)),
            "visits": await self._forget(_visits, now - keep.retention_visits),
            "alerts": await self._forget(_alerts, now - keep.retention_alerts),
            "feed": await self._forget(_rows(FeedRow, FeedRow.id, FeedRow.at), now - FEED),
        }
        async with self._database.transaction() as session:
            await links.purge(session, now)
            await preflight.purge(session, now)
            await weekly.purge(session, now)
            await health.forget(session, messages)
        log.info("purged", **gone)
        for what, rows in gone.items():
            self._metrics.purged(what, rows)
        return gone

    async def _bound_quarantine(self) -> None:
        async with self._database.reading() as session:
            newest = await quarantine.newest(session)
            if newest == self._newest:
                return
            self._newest = newest
            up_to = await quarantine.overflow(session, max_rows=QUARANTINE_ROWS, max_bytes=QUARANTINE_BYTES)
        if not up_to:
            return
        oldest = self._clock.now() - QUARANTINE
        rows = await self._forget(
            lambda session, before: quarantine.purge(session, before, up_to=up_to, limit=CHUNK), oldest
        )
        log.warning("quarantine is full; the oldest went", rows=rows)
        self._metrics.purged("quarantine", rows)

    async def _forget(self, piece: Piece, before: datetime) -> int:
        rows = 0
        while True:
            async with self._database.transaction() as session:
                gone = await piece(session, before)
            rows += gone
            if gone < CHUNK:
                return rows
            await asyncio.sleep(PAUSE_S)


def next_night(now: datetime, campuses: Mapping[str, Campus]) -> datetime:
    """Return the next instant after `now` at which it is three in the morning at the first campus (or in UTC)."""
    zone = campuses[min(campuses)].zone_info if campuses else None
    day = now.astimezone(zone or UTC).date()
    while True:
        local = datetime.combine(day, HOUR)
        instant = resolve_local(local, zone) if zone else local.replace(tzinfo=UTC)
        if instant > now:
            return instant
        day += timedelta(days=1)


def _rows(row: type[Base], key: Any, at: Any) -> Piece:
    async def forget(session: AsyncSession, before: datetime) -> int:
        old: ColumnElement[bool] = at < before
        chosen = select(key).where(old).order_by(at).limit(CHUNK)
        result = await session.execute(delete(row).where(key.in_(chosen)))
        return int(getattr(result, "rowcount", 0))

    return forget


async def _quarantined(session: AsyncSession, before: datetime) -> int:
    return await quarantine.purge(session, before, limit=CHUNK)


async def _visits(session: AsyncSession, before: datetime) -> int:
    return await state.purge(session, "visit", before, limit=CHUNK)


async def _alerts(session: AsyncSession, before: datetime) -> int:
    return await store.purge(session, before, limit=CHUNK)
