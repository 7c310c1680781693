"""The self-test from end to end: a sensor's message, an alert, a phone, a thumb; and how long each part took.

It takes the way of every alert (desk, outbox, courier, link), marked as a test, and tells the one endpoint it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import desk, store, telling
from alerts.alert import Alert
from alerts.book import Book
from alerts.duty import Recipient
from alerts.outbox import AttemptRow, DeliveryRow
from core.campus import Campus
from core.errors import NotFound
from core.findings import Finding

RULE: Final = "self-test"


@dataclass(frozen=True, slots=True)
class Timings:
    """How long each part of one self-test took, in seconds; None: not yet."""

    alert: int
    endpoint: str
    at: datetime
    known_s: float | None
    """From the message's receipt to the stored alert."""
    accepted_s: float | None
    """From there to the provider's having the notice."""
    answered_s: float | None
    """From there to the pressed button."""
    passed: bool


async def begin(
    session: AsyncSession, campus: Campus, endpoint: str, *, heard_at: datetime, who: str, now: datetime
) -> Alert:
    """Open the alert of a self-test and put its one notice into the outbox; NotFound if there is no such endpoint."""
    found = [(person, each) for person in campus.people for each in person.endpoints if each.id == endpoint]
    if not found:
        raise NotFound(f"there is no endpoint {endpoint!r}")
    person, target = found[0]
    finding = Finding(
        campus=campus.id,
        rule=RULE,
        key=endpoint,
        entity="endpoint",
        state="firing",
        at=heard_at,
        severity="moderate",
        exercise="test",
        title="A self-test",
        text="A self-test: press On it. Nothing has happened",
        because={"heard_at": heard_at.isoformat(), "endpoint": endpoint},
    )
    alert = await desk.handle(session, finding, campus=campus, now=now)
    assert alert is not None
    book = Book({campus.id: campus}, now)
    entry = (await book.load_alerts(session, [alert.id]))[alert.id]
    entry.new_round()
    telling.tell(book, entry, [Recipient(person.id, target.id, target.via)], kind="test")
    entry.posts = [{**post, "lane": "self-test"} for post in entry.posts]
    entry.event("self-test", f"A self-test tells {target.id}", at=now, who=who, to=[target.id])
    entry.deed(who, "alert.self_test", endpoint=target.id)
    await book.write(session)
    return entry.alert


async def timings(session: AsyncSession, campus: str, limit: int = 50) -> list[Timings]:
    """Return the latest self-tests of a campus, the newest first."""
    found = await store.find(session, campus=campus, rule=RULE, limit=limit)
    accepted = await _accepted(session, [alert.id for alert in found])
    return [_timings(alert, accepted) for alert in found]


async def _accepted(session: AsyncSession, alerts: list[int]) -> Mapping[int, datetime]:
    query = (
        select(DeliveryRow.alert, func.max(AttemptRow.at))
        .join(AttemptRow, AttemptRow.delivery == DeliveryRow.id)
        .where(DeliveryRow.alert.in_(alerts), AttemptRow.outcome == "accepted")
        .group_by(DeliveryRow.alert)
    )
    return {row[0]: row[1] for row in await session.execute(query)} if alerts else {}


def _timings(alert: Alert, accepted: Mapping[int, datetime]) -> Timings:
    heard = datetime.fromisoformat(alert.because["heard_at"])
    told, answered = accepted.get(alert.id), alert.acknowledged_at
    # What is run again while it is open is the same alert: its last round is the one that counts.
    known = alert.heard_at
    return Timings(
        alert=alert.id,
        endpoint=alert.key,
        at=heard,
        known_s=(known - heard).total_seconds(),
        accepted_s=(told - known).total_seconds() if told and told >= known else None,
        answered_s=(answered - told).total_seconds() if told and answered else None,
        passed=answered is not None,
    )
