"""The auditor: looks over the courier's shoulder. No open alert may wait for a step whose time has come.

It restarts what was left lying and counts it; and while nothing stays late it says so to a heartbeat address outside,
whose silence is how people learn that all of this has stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx
import structlog

from alerts import desk, outbox, store
from alerts.courier import Courier
from core.campus import Campus
from core.clock import Clock
from core.database import Database
from core.errors import Unavailable

LATE: Final = timedelta(seconds=2)
SILENT: Final = timedelta(seconds=10)
"""A courier that has not looked into the outbox for so long has stopped."""
LOOK_S: Final = 1.0
BEAT: Final = timedelta(seconds=30)
_log = structlog.get_logger(__name__)


@dataclass
class Findings:
    """What the auditor found last, and since the start."""

    looked_at: datetime | None = None
    late: int = 0
    """Alerts whose next step stays late at the last look, and what a courier that stands still has left lying."""
    restarted: int = 0
    """Alerts taken up again since the start."""
    beat_at: datetime | None = None
    """When the heartbeat was last taken by the other side."""
    trouble: str = ""


class Auditor:
    """Looks every second; pings the heartbeat URL only while nothing is late."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        courier: Courier,
        campuses: Callable[[], Mapping[str, Campus]],
        *,
        heartbeat_url: str | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._courier = courier
        self._campuses = campuses
        self._heartbeat_url = heartbeat_url
        self._tried_at: datetime | None = None
        self._since: datetime | None = None
        self.findings = Findings()

    async def run(self) -> None:
        """Work until cancelled."""
        async with httpx.AsyncClient(timeout=10.0) as client:
            while True:
                try:
                    await self.look(self._clock.now())
                    await self._beat(client, self._clock.now())
                except Unavailable as error:
                    self.findings.trouble = str(error)
                except Exception as error:  # noqa: BLE001 - who watches must not be the first to fall
                    _log.exception("auditor_failed")
                    self.findings.trouble = f"failed ({type(error).__name__})"
                await self._clock.sleep(LOOK_S)

    async def look(self, now: datetime) -> int:
        """Restart what is late; return how much stays late all the same."""
        late = await self._late(now)
        if late:
            async with self._database.transaction() as session:
                await desk.restart(session, late, self._campuses(), now)
            self.findings.restarted += len(late)
            _log.warning("steps_were_late", alerts=len(late))
            self._courier.nudge()
            late = await self._late(now)
        self.findings.late = len(late) + await self._left_lying(now)
        self.findings.looked_at, self.findings.trouble = now, ""
        return self.findings.late

    async def _late(self, now: datetime) -> list[int]:
        async with self._database.reading() as session:
            found = await store.late(session, now - LATE)
            return found + await store.forgotten(session, now - LATE)

    async def _left_lying(self, now: datetime) -> int:
        """Return how much could go out and does not, because the courier stands still.

        What waits because an endpoint does not answer is its own matter.
        """
        self._since = self._since or now
        if now - (self._courier.status.looked_at or self._since) < SILENT:
            return 0
        async with self._database.reading() as session:
            return (await outbox.depth(session, now - SILENT)).overdue

    async def _beat(self, client: httpx.AsyncClient, now: datetime) -> None:
        if self._heartbeat_url is None or self.findings.late:
            return
        if self._tried_at is not None and now - self._tried_at < BEAT:
            return
        self._tried_at = now
        try:
            answer = await client.get(self._heartbeat_url)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            _log.warning("heartbeat_not_taken", problem=type(error).__name__)
            return
        self.findings.beat_at = now
