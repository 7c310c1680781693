"""What the tests of the alerts share: findings made by hand, and short ways to the desk and its tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import desk, outbox, store
from alerts.alert import Alert
from alerts.outbox import DeliveryRow
from core.campus import Campus
from core.database import Database
from core.findings import Advice, Finding
from tests.conftest import START
from tests.servers import Receiver


def finding(**changes: Any) -> Finding:
    """The gym's east door has been open too long: severe, at the start of the test."""
    said: dict[str, Any] = {
        "campus": "lincoln",
        "rule": "door-held-open",
        "key": "gym-east",
        "entity": "door",
        "state": "firing",
        "at": START,
        "severity": "severe",
        "title": "An exterior door stays open too long",
        "text": "Door 7 (Gym east) is open",
        "because": {"hold": 60},
    }
    return Finding(**{**said, **changes})


def over(at: datetime, **changes: Any) -> Finding:
    """The same, resolved."""
    return finding(state="resolved", at=at, **changes)


def extreme(**changes: Any) -> Finding:
    """Somebody forced the gym's east door."""
    said = {"rule": "door-forced", "severity": "extreme", "text": "Door 7 (Gym east) was forced"}
    return finding(**{**said, **changes})


def advice(**said: Any) -> Advice:
    return Advice(**said)


def later(seconds: float = 0, *, minutes: float = 0) -> datetime:
    """An instant after the start of the test."""
    return START + timedelta(seconds=seconds, minutes=minutes)


async def take(database: Database, campus: Campus, *findings: Finding, now: datetime = START) -> Alert:
    """Hand findings to the desk in one transaction; return the alert of the last one."""
    async with database.transaction() as session:
        found = await desk.handle_all(session, findings, {campus.id: campus}, now=now)
    assert found[-1] is not None
    return found[-1]


async def step(database: Database, campus: Campus, now: datetime) -> int:
    """Let the clock's steps be carried out."""
    async with database.transaction() as session:
        return await desk.steps_due(session, {campus.id: campus}, now)


async def look(database: Database, number: int) -> Alert:
    async with database.reading() as session:
        return await store.get(session, number)


async def deliveries(database: Database, *numbers: int) -> list[DeliveryRow]:
    async with database.reading() as session:
        return await outbox.of_alerts(session, numbers)


async def told(database: Database, number: int) -> list[str]:
    """The endpoints in the outbox of an alert, in their order."""
    return [each.endpoint for each in await deliveries(database, number)]


async def happened(database: Database, number: int) -> list[str]:
    """The events of an alert's timeline, in their order."""
    async with database.reading() as session:
        return [each.event for each in await store.timeline(session, number)]


async def mark_sent(session: AsyncSession, database_rows: list[DeliveryRow], state: outbox.State = "accepted") -> None:
    results = [outbox.Result(row.id, row.attempts, START, state, "") for row in database_rows]
    await outbox.record(session, results)


def paths(receiver: Receiver) -> list[str]:
    """Where the pushes went, in their order."""
    return [each.path for each in receiver.received]
