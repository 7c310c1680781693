"""A day on duty, in a test: the whole service on a clock of its own, with a phone that keeps what it was sent.

Everything between the message and the phone is real: decoder, journal, rules, desk, outbox, courier, database.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from alerts import desk, outbox, store
from alerts.alert import Alert
from api.deps import Receipt
from app.wiring import Service, build
from core import registry
from core.campus import Campus
from core.clock import ManualClock
from core.findings import Finding
from core.messages import Heard
from core.settings import Settings
from tests.fakes import FakePhone, Push
from tests.servers import SECRET_KEY

STEP = timedelta(seconds=0.25)


@dataclass
class Duty:
    """One watch over the campus."""

    service: Service
    clock: ManualClock
    phone: FakePhone
    campus: Campus
    folder: Path
    _number: int = 0
    _seen: int = field(default=0)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def hear(self, topic: str, said: dict[str, Any] | str | bytes, **how: Any) -> Receipt:
        """Something is said on a topic behind prefix and campus, as it would come over MQTT."""
        return await self.hear_raw(f"campus/{self.campus.id}/{topic}", said, **how)

    async def hear_raw(self, topic: str, said: dict[str, Any] | str | bytes, **how: Any) -> Receipt:
        self._number += 1
        if isinstance(said, dict):
            said = msgspec.json.encode({"id": f"story-{self._number}", "at": self.now.isoformat(), **said})
        payload = said.encode() if isinstance(said, str) else said
        receipt = await self.service.pipeline.on_messages([Heard(topic, payload, **how)])
        await self.service.courier.send_due(self.now)
        return receipt

    async def door(self, door: str, position: str, **more: Any) -> None:
        receipt = await self.hear(f"door/{door}", {"position": position, **more})
        assert not receipt.quarantined, receipt.quarantined

    async def wait(self, duration: float | timedelta) -> None:
        """Time passes, and the loops do what they do, each at its moment."""
        length = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        end = self.now + length
        while self.now < end:
            following = await self._next_moment() or end
            if following <= self.now:
                following = self.now + STEP
            self.clock.jump(min(following, end) - self.now)
            await self.service.pipeline.on_tick()
            await self.service.courier.send_due(self.now)

    async def _next_moment(self) -> datetime | None:
        async with self.service.database.reading() as session:
            moments = [await outbox.next_due(session), await store.next_step_at(session)]
        moments.append(self.service.pipeline.next_due)
        return min((each for each in moments if each is not None), default=None)

    def pushes(self) -> list[Push]:
        """What the phones got since this was last asked."""
        new = self.phone.sent[self._seen :]
        self._seen = len(self.phone.sent)
        return new

    async def alerts(self, rule: str | None = None) -> list[Alert]:
        async with self.service.database.reading() as session:
            return [each for each in await store.find(session, limit=100) if rule in (None, each.rule)]

    async def alert(self, rule: str) -> Alert:
        found = await self.alerts(rule)
        assert len(found) == 1, f"{len(found)} alerts of {rule}"
        return found[0]

    async def acknowledge(self, alert: Alert, who: str = "person:reyes") -> desk.Answer:
        async with self.service.database.transaction() as session:
            return await desk.acknowledge(session, alert.id, who=who, now=self.now)

    async def find(self, *findings: Finding) -> None:
        """A rule finds something."""
        async with self.service.database.transaction() as session:
            await desk.handle_all(session, findings, {self.campus.id: self.campus}, now=self.now)
        await self.service.courier.send_due(self.now)

    async def timeline(self, alert: Alert) -> list[store.EventRow]:
        async with self.service.database.reading() as session:
            return await store.timeline(session, alert.id)

    async def deliveries(self, alert: Alert) -> list[outbox.DeliveryRow]:
        async with self.service.database.reading() as session:
            return await outbox.of_alerts(session, [alert.id])

    async def power_cut(self, seconds: float) -> None:
        """The process dies and another one starts later, on the same database; nothing else is carried over."""
        await self.service.close()
        self.clock.jump(seconds)
        self.service = _build(self.folder, self.clock, self.phone)
        await self.service.prepare()
        self.service.pipeline.catching_up = False


def _build(folder: Path, clock: ManualClock, phone: FakePhone) -> Service:
    settings = Settings(
        database_url=f"sqlite:///{folder}/story.db",
        secret_key=SECRET_KEY,
        allow_private_endpoints=True,
        public_url="https://hallwatch.example.org",
    )
    return build(settings, clock, listen=False, channels=phone)


@contextlib.asynccontextmanager
async def duty(folder: Path, clock: ManualClock, campus: Campus) -> AsyncIterator[Duty]:
    """Start a watch over a campus, with the shipped protocols."""
    phone = FakePhone()
    service = _build(folder, clock, phone)
    await service.prepare()
    async with service.database.transaction() as session:
        await registry.save(session, service.vault, campus, now=clock.now(), by="test")
    await service.pipeline.refresh()
    service.pipeline.catching_up = False
    watch = Duty(service, clock, phone, campus, folder)
    try:
        yield watch
    finally:
        await watch.service.close()
