"""How the service is: the broker, the database, the auditor; for `/readyz`, the metrics and the board."""

from __future__ import annotations

from datetime import timedelta

import structlog
from sqlalchemy import text

from alerts.auditor import Auditor
from api.deps import Health, Part
from core.clock import Clock
from core.database import Database
from core.errors import Unavailable
from ingest.mqtt import Listener

log = structlog.get_logger("health")
SILENT_AFTER = timedelta(seconds=30)
"""An auditor that has not been round for so long is not well."""


class Watch:
    """Remembers since when each part has been as it is."""

    def __init__(self, database: Database, clock: Clock, auditor: Auditor, listener: Listener | None) -> None:
        self._database = database
        self._clock = clock
        self._auditor = auditor
        self._listener = listener
        self._reached = Part(ok=False, since=clock.now(), words="not reached yet")
        self.audits = True
        """Whether the auditor goes round in this process; where roles are split, it does so beside the courier."""

    async def ask_database(self) -> None:
        """Ask the database whether it is there; to be called every second or two."""
        try:
            async with self._database.reading() as session:
                await session.execute(text("SELECT 1"))
            # A full disk can still be read.
            why = self._database.refused
            words = f"cannot be written: {why}" if why else "answers"
            found = Part(ok=not why, since=self._clock.now(), words=words)
        except Unavailable as error:
            found = Part(ok=False, since=self._clock.now(), words=f"cannot be reached: {error}")
        if found.ok != self._reached.ok:
            log.info("database", ok=found.ok, words=found.words)
            self._reached = found

    def health(self) -> Health:
        """Return how every part is now."""
        return Health(broker=self._broker(), database=self._reached, auditor=self._rounds())

    def _broker(self) -> Part:
        if self._listener is None:
            return Part(ok=True, since=None, words="this process does not listen")
        status = self._listener.status
        return Part(ok=status.connected, since=status.since, words=status.reason or "connected")

    def _rounds(self) -> Part:
        if not self.audits:
            return Part(ok=True, since=None, words="this process does not look")
        found = self._auditor.findings
        last, now = found.looked_at, self._clock.now()
        if last is None or now - last > SILENT_AFTER:
            why = f": {found.trouble}" if found.trouble else ""
            return Part(ok=False, since=last, words=f"has not looked at the open alerts lately{why}")
        if found.late:
            return Part(ok=False, since=last, words=f"{found.late} alerts or deliveries stay late")
        return Part(ok=True, since=last, words="every open alert is on time")
