"""The watchdog: when the database is gone, somebody must hear of it, and what is extreme must go on being said.

It remembers who can be told and which extreme alerts nobody has taken, as of a second ago. While nothing can be read
it carries their steps on from memory, and afterwards writes down what it said. The desk then does its own steps, so a
notice may come twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from alerts import duty, notices, store
from alerts.alert import SERVICE, Alert
from alerts.channels import Channels
from alerts.duty import Recipient, who
from alerts.notices import Notice, Setting
from alerts.policies import Planned, next_time
from alerts.telling import policy_of
from core import audit
from core.campus import Campus
from core.clock import Clock
from core.database import Database
from core.errors import Unavailable

LOOK_S: Final = 1.0
PATIENCE: Final = timedelta(seconds=15)
"""A database that is away for less is no news."""
TOLD: Final = ("shift:on_duty", "role:admin")
_log = structlog.get_logger(__name__)


@dataclass
class Standing:
    """An extreme alert that nobody has taken, and the steps that wait."""

    alert: Alert
    steps: list[Planned]


@dataclass
class Said:
    """What was said from memory, to be written down later."""

    alert: Alert
    at: datetime
    step: int
    to: list[str] = field(default_factory=list)


class Watchdog:
    """Looks every second whether the database can be read, and speaks while it cannot."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Channels,
        campuses: Callable[[], Mapping[str, Campus]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._campuses = campuses
        self._standing: list[Standing] = []
        self._said: list[Said] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._has_spoken = False
        self.away_since: datetime | None = None
        """Since when the database cannot be read, or not be written; None: it can."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.look(self._clock.now())
            except Exception:  # noqa: BLE001 - who watches must not be the first to fall
                _log.exception("watchdog_failed")
            await self._clock.sleep(LOOK_S)

    async def look(self, now: datetime) -> None:
        """Remember what stands; where that cannot be read, or nothing be written, say what must be said."""
        try:
            await self._remember()
            await self._write_down(now)
        except Unavailable:
            self.away_since = self.away_since or now
            self._speak(now, self.away_since)
            return
        if self.away_since is not None and self._has_spoken:
            words = f"The database is back; it was away for {notices.duration(now - self.away_since)}"
            self._say_to_all(words, now)
        self.away_since, self._has_spoken = None, False

    async def _remember(self) -> None:
        if self._database.refused:
            # A full disk can still be read, and yet no courier can claim what is due.
            raise Unavailable(f"database: {self._database.refused}")
        async with self._database.reading() as session:
            alerts = await store.unanswered(session)
            waiting = await store.waiting_steps(session, [alert.id for alert in alerts])
            self._standing = [
                Standing(alert, [Planned(each.step, each.due_at, "notify", each.repeat) for each in steps])
                for alert in alerts
                if (steps := [each for each in waiting.get(alert.id, ()) if each.kind == "notify"])
            ]

    async def _write_down(self, now: datetime) -> None:
        """Put on record what was said while nothing could be written."""
        if not self._said:
            return
        async with self._database.transaction() as session:
            events = [
                {
                    "alert": each.alert.id,
                    "at": each.at,
                    "event": "notify",
                    "who": SERVICE,
                    "text": f"Step {each.step + 1}, said from memory: the database was away",
                    "data": {"step": each.step, "to": each.to, "from_memory": True},
                }
                for each in self._said
            ]
            await store.add_events(session, events)
            detail = {"said": len(self._said), "since": self.away_since.isoformat() if self.away_since else None}
            await audit.record(session, at=now, actor=SERVICE, action="database.away", subject="service", detail=detail)
        self._said = []

    def _speak(self, now: datetime, since: datetime) -> None:
        if not self._has_spoken and now - since >= PATIENCE:
            self._has_spoken = True
            self._say_to_all("The database is unavailable: alerts are not recorded, and answers do not count", now)
        for standing in self._standing:
            for planned in [each for each in standing.steps if each.due_at <= now]:
                standing.steps.remove(planned)
                self._carry_out(standing, planned, now)

    def _carry_out(self, standing: Standing, planned: Planned, now: datetime) -> None:
        alert, campus = standing.alert, self._campuses().get(standing.alert.campus)
        step = policy_of(alert).steps[planned.step]
        if step.repeat is not None:
            again = next_time(planned.due_at, step.repeat, now)
            standing.steps.append(Planned(planned.step, again, "notify", planned.repeat + 1))
        if campus is None:
            return
        found = [each for each in who(step.notify, campus, now, step.via) if each.tier == 0]
        setting = Setting(campus.campus.name, campus.zone_info, now)
        self._send(campus, found, lambda via: notices.word(alert, setting, kind="reminder", via=via))
        self._said.append(Said(alert, now, planned.step, [each.endpoint for each in found]))

    def _say_to_all(self, words: str, now: datetime) -> None:
        _log.warning("watchdog_speaks", words=words)
        for campus in self._campuses().values():
            at = campus.local_calendar.local(now)
            notice = Notice(f"SYSTEM · {campus.campus.name}", f"{words}. ({at:%H:%M})", "extreme")
            self._send(campus, who(TOLD, campus, now), partial(_same, notice))

    def _send(self, campus: Campus, recipients: Iterable[Recipient], word: Callable[[str], Notice]) -> None:
        for each in recipients:
            target = duty.endpoint(campus, each.person, each.endpoint)
            if target is not None:
                task = asyncio.create_task(self._channels.send(target.url, word(each.via), lane="critical"))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)


def _same(notice: Notice, _via: str) -> Notice:
    return notice
