"""Sends the report of the week, once. What was sent is in the rows: a restart repeats none and drops none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any, Final

import structlog
from sqlalchemy import Text, UniqueConstraint, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from alerts import duty, outbox, policies, week, week_words
from alerts.alert import SERVICE
from alerts.duty import Recipient
from alerts.outbox import NO_ALERT, DeliveryRow
from alerts.policies import WEEKLY_REPORT, Policy
from alerts.shapes import delivery_json
from core import audit, feed
from core.campus import Campus
from core.clock import Clock
from core.database import Base, BigId, Database, in_turn, insert
from core.errors import BadInput, Unavailable
from core.feed import News

LATE: Final = timedelta(hours=1)
"""A report that comes so long after its time says so."""
MOST_MISSED: Final = 8
"""So many weeks without a report are named, the latest ones."""
REMEMBERED: Final = 60
KEEP: Final = timedelta(days=400)
_TOLD: Final = ("sent", "first")
_log = structlog.get_logger(__name__)


class ReportRow(Base):
    """What became of the report of one week of one campus."""

    __tablename__ = "weekly_reports"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    monday: Mapped[str]
    """The first day of the week (`2026-11-16`)."""
    due_at: Mapped[datetime]
    at: Mapped[datetime]
    state: Mapped[str]
    """`sent`; `skipped`: nothing was running when it was due; `unreached`: there was nobody to send it to; `first`:
    the reports begin with the week after."""
    detail: Mapped[str] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("campus", "monday"),)


@dataclass(frozen=True, slots=True)
class Due:
    """A report whose time has come."""

    campus: Campus
    policy: Policy
    monday: date
    at: datetime


class Weekly:
    """Looks whether a report is due, and puts it into the outbox."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        campuses: Callable[[], Mapping[str, Campus]],
        *,
        nudge: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._campuses = campuses
        self._nudge = nudge
        self._done: dict[str, date] = {}
        """The latest week that was dealt with, by campus: no need to ask the database again."""

    async def look(self) -> None:
        """Send the reports that are due. To be called every few seconds; one campus holds up no other."""
        now, trouble = self._clock.now(), None
        for campus in list(self._campuses().values()):
            try:
                await self._look_at(campus, now)
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - raised below, once the others had their turn
                trouble = error
        if trouble is not None:
            raise trouble

    async def _look_at(self, campus: Campus, now: datetime) -> None:
        due = last_due(campus, now)
        if due is None or self._done.get(campus.id, date.min) >= due.monday:
            return
        async with self._database.transaction() as session:
            state = await send(session, due, now)
        self._done[campus.id] = due.monday
        if state is not None:
            _log.info("weekly_report", campus=campus.id, week=str(due.monday), state=state)
            self._nudge()


def last_due(campus: Campus, now: datetime) -> Due | None:
    """Return the report whose time was last; None where the campus wants none."""
    try:
        policy = policies.policies_of(campus)[WEEKLY_REPORT]
    except BadInput:
        policy = policies.default_policies()[WEEKLY_REPORT]
    if policy.weekly is None:
        return None
    day, at = policy.weekly.before(now, campus.zone_info)
    return Due(campus, policy, week.monday_of(day) - timedelta(weeks=1), at)


async def send(session: AsyncSession, due: Due, now: datetime) -> str | None:
    """Put a report into the outbox, unless that was done before; return what became of it, None: nothing to do.

    Of a campus that never had one, the reports begin with the next week.
    """
    await in_turn(session)
    before = await _before(session, due.campus.id)
    if not before:
        await _write(session, due, due.monday, now, "first", "reports begin with the week after")
        return "first"
    latest = before[0][0]
    if latest >= due.monday:
        return None
    skipped = [latest + timedelta(weeks=n) for n in range(1, (due.monday - latest).days // 7)]
    for monday in skipped:
        await _write(session, due, monday, now, "skipped", "nothing was running when it was due, or it was off")
    recipients = await _recipients(session, due, now)
    if not recipients:
        detail = f"nobody can be reached: {', '.join(due.policy.steps[0].notify)}"
        await _write(session, due, due.monday, now, "unreached", detail)
        await _record(session, due, now, state="unreached", detail=detail)
        return "unreached"
    number = await _write(session, due, due.monday, now, "sent", "")
    missed = [each for each, _ in reversed(list(takewhile(lambda row: row[1] not in _TOLD, before)))] + skipped
    await _post(session, due, now, number, recipients, missed)
    people = list(dict.fromkeys(each.person for each in recipients))
    await _record(session, due, now, state="sent", people=people, missed=[str(each) for each in missed])
    return "sent"


async def purge(session: AsyncSession, now: datetime) -> None:
    """Forget reports of long ago, and their deliveries."""
    old = DeliveryRow.created_at < now - KEEP
    await session.execute(delete(DeliveryRow).where(DeliveryRow.alert == NO_ALERT, old))
    await session.execute(delete(ReportRow).where(ReportRow.at < now - KEEP))


async def _before(session: AsyncSession, campus: str) -> list[tuple[date, str]]:
    """Return the weeks that were dealt with and what became of their reports, the latest first."""
    query = select(ReportRow.monday, ReportRow.state).where(ReportRow.campus == campus)
    rows = await session.execute(query.order_by(ReportRow.monday.desc()).limit(REMEMBERED))
    return [(date.fromisoformat(monday), state) for monday, state in rows]


async def _write(session: AsyncSession, due: Due, monday: date, now: datetime, state: str, detail: str) -> int:
    row = {
        "campus": due.campus.id,
        "monday": monday.isoformat(),
        "due_at": _due_at(due, monday),
        "at": now,
        "state": state,
        "detail": detail,
    }
    return int((await session.execute(insert(session, ReportRow).returning(ReportRow.id), [row])).scalar_one())


def _due_at(due: Due, monday: date) -> datetime:
    assert due.policy.weekly is not None
    # Half a day more: the clocks may have changed in between.
    return due.policy.weekly.before(due.at - (due.monday - monday) + timedelta(hours=12), due.campus.zone_info)[1]


async def _recipients(session: AsyncSession, due: Due, now: datetime) -> list[Recipient]:
    """Return one kind of endpoint for each person: the first in the policy's order that is not known to be dead."""
    step = due.policy.steps[0]
    red = {
        (each.person, each.endpoint) for each in await outbox.endpoints(session, due.campus.id) if each.state == "red"
    }
    found: list[Recipient] = []
    for person in duty.people(step.notify, due.campus, now):
        mine = duty.endpoints_of(person, step.via)
        well = [each for each in mine if (each.person, each.endpoint) not in red] or mine
        found += [each for each in well if each.tier == well[0].tier]
    return found


async def _post(
    session: AsyncSession, due: Due, now: datetime, number: int, recipients: Sequence[Recipient], missed: Sequence[date]
) -> None:
    report = await week.read(session, due.campus, due.monday, now)
    late = due.at if now - due.at >= LATE else None
    text = week_words.tell(report, due.campus.zone_info, missed=missed[-MOST_MISSED:], due_at=late)
    rows = [_row(due, each, number, text, now) for each in recipients]
    posted = await outbox.post(session, rows)
    news = [News(campus=each.campus, topic="delivery", data=delivery_json(each)) for each in posted]
    await feed.publish(session, news, now)


def _row(due: Due, to: Recipient, number: int, text: str, now: datetime) -> dict[str, Any]:
    return {
        "alert": NO_ALERT,
        "campus": due.campus.id,
        "generation": number,
        "step": 0,
        "tier": to.tier,
        "person": to.person,
        "endpoint": to.endpoint,
        "via": to.via,
        "lane": "bulk",
        "kind": "report",
        "priority": 0,
        "until": "always",
        "msg_type": "Alert",
        "text": text,
        "due_at": now,
        "expires_at": now + due.policy.expires,
        "created_at": now,
    }


async def _record(session: AsyncSession, due: Due, now: datetime, **detail: Any) -> None:
    subject = f"report:{due.campus.id}/{due.monday}"
    await audit.record(session, at=now, actor=SERVICE, action="report.send", subject=subject, detail=detail)
