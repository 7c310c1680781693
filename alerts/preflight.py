"""Pre-flight: whether people can be reached is looked at before it matters.

Every night each endpoint is tried without a sound, and at the start of each shift whoever begins is asked to press a
button. What does not work, or stays unanswered, is an alert like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final, Literal

import structlog
from sqlalchemy import Text, UniqueConstraint, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from alerts import desk, links, notices, outbox
from alerts.channels import Channels, Outcome, is_silent
from alerts.duty import on_duty
from alerts.links import Link
from core.calendar import WEEKDAYS, resolve_local
from core.campus import Campus, Endpoint, Person
from core.clock import Clock
from core.database import Base, BigId, Database, insert
from core.errors import NotFound
from core.findings import Finding

Kind = Literal["nightly", "shift"]
NIGHT: Final = time(3, 30)
"""When the nightly round begins, by the campus's own clock."""
ROUND: Final = timedelta(hours=2)
"""A service that starts so long after that still makes the round."""
LOOK_BACK: Final = timedelta(minutes=10)
"""A shift that began so long ago while nobody ran is still asked."""
PATIENCE: Final = timedelta(minutes=10)
"""Not answered within this, the start of a shift is an alert."""
KEEP: Final = timedelta(days=400)
AGAIN_S: Final = 5.0
_log = structlog.get_logger(__name__)


class CheckRow(Base):
    """One check of one endpoint, and what came of it."""

    __tablename__ = "checks"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    campus: Mapped[str]
    kind: Mapped[str]
    person: Mapped[str]
    endpoint: Mapped[str]
    at: Mapped[datetime]
    """When it was due: the same check is never made twice."""
    outcome: Mapped[str | None]
    detail: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str]
    """`sent` waits for nothing; `waiting`, `unanswered` and `answered` are those of a shift."""
    answered_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("campus", "kind", "person", "endpoint", "at"),)


@dataclass(frozen=True, slots=True)
class Due:
    """A check that is to be made."""

    campus: Campus
    kind: Kind
    person: Person
    endpoint: Endpoint
    at: datetime


class Preflight:
    """Makes the checks when they are due. What was made is in the rows, so a restart repeats and forgets none."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Channels,
        campuses: Callable[[], Mapping[str, Campus]],
        *,
        public_url: str | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._campuses = campuses
        self._public_url = public_url.rstrip("/") if public_url else None

    async def look(self) -> None:
        """Make what is due, and see which shifts have not answered. To be called every few seconds."""
        now, campuses = self._clock.now(), self._campuses()
        due = [each for campus in campuses.values() for each in (*nightly_due(campus, now), *shifts_due(campus, now))]
        made = await self._begin(due, now)
        outcomes = await asyncio.gather(*(self._make(*each) for each in made))
        await self._write_down(made, outcomes)
        await self._follow_up(now)

    async def _begin(self, due: Sequence[Due], now: datetime) -> list[tuple[Due, int, str | None]]:
        """Write down that checks are made; return those that were not made before, each with its link."""
        async with self._database.reading() as session:
            known = await _made(session, {each.at for each in due})
        due = [each for each in due if _mark(each) not in known]
        if not due:
            return []
        async with self._database.transaction() as session:
            statement = insert(session, CheckRow).on_conflict_do_nothing().returning(CheckRow)
            added = (await session.execute(statement, [self._row(each) for each in due])).mappings()
            numbers = {
                (row["campus"], row["kind"], row["person"], row["endpoint"], row["at"]): row["id"] for row in added
            }
            made = [(each, numbers[_mark(each)]) for each in due if _mark(each) in numbers]
            asked = [(each, number) for each, number in made if each.kind == "shift"] if self._public_url else []
            tokens = await links.make_all(
                session,
                [Link(0, each.person.id, each.endpoint.id, 0, now + links.GOOD_FOR, check=n) for each, n in asked],
            )
        address = {n: f"{self._public_url}/a/{token}" for (_, n), token in zip(asked, tokens, strict=True)}
        return [(each, number, address.get(number)) for each, number in made]

    def _row(self, due: Due) -> dict[str, Any]:
        waits = due.kind == "shift" and self._public_url is not None
        return {
            "campus": due.campus.id,
            "kind": due.kind,
            "person": due.person.id,
            "endpoint": due.endpoint.id,
            "at": due.at,
            "outcome": None,
            "detail": "",
            "state": "waiting" if waits else "sent",
            "answered_at": None,
        }

    async def _make(self, due: Due, _number: int, link: str | None) -> Outcome:
        outcome = await self._try(due, link)
        if outcome.state == "failed":
            await self._clock.sleep(AGAIN_S)
            outcome = await self._try(due, link)
        return outcome

    async def _try(self, due: Due, link: str | None) -> Outcome:
        url, by_night = due.endpoint.url, due.kind == "nightly"
        if by_night and (due.endpoint.via in ("sms", "call") or not is_silent(url)):
            return await self._channels.knock(url)
        notice = notices.word_check(due.campus.campus.name, due.person.name, due.kind, link)
        return await self._channels.send(url, notice, lane="self-test", quiet=by_night)

    async def _write_down(self, made: Sequence[tuple[Due, int, str | None]], outcomes: Sequence[Outcome]) -> None:
        if not made:
            return
        now = self._clock.now()
        findings: list[Finding] = []
        health: list[dict[str, Any]] = []
        async with self._database.transaction() as session:
            for (due, number, _), outcome in zip(made, outcomes, strict=True):
                result = update(CheckRow).where(CheckRow.id == number)
                await session.execute(result.values(outcome=outcome.state, detail=outcome.detail))
                if outcome.state == "unknown":
                    continue
                works = outcome.state == "accepted"
                place = {"campus": due.campus.id, "person": due.person.id, "endpoint": due.endpoint.id}
                health.append({**place, "state": "ok" if works else "red", "since": now, "detail": outcome.detail})
                findings.append(_endpoint_finding(due, outcome, now))
            await outbox.mark_endpoints(session, health)
            await desk.handle_all(session, findings, self._campuses(), now=now)
        broken = sum(each["state"] == "red" for each in health)
        _log.info("preflight", checks=len(made), broken=broken)

    async def _follow_up(self, now: datetime) -> None:
        """Make an alert of shifts that have not answered, and end it once they have."""
        async with self._database.reading() as session:
            found = await _open_shifts(session, now - PATIENCE)
        if not found:
            return
        async with self._database.transaction() as session:
            findings: list[Finding] = []
            for row in found:
                answered = row.answered_at is not None
                state = "answered" if answered else "unanswered"
                await session.execute(update(CheckRow).where(CheckRow.id == row.id).values(state=state))
                if campus := self._campuses().get(row.campus):
                    findings.append(_shift_finding(row, campus, answered=answered, now=now))
            await desk.handle_all(session, findings, self._campuses(), now=now)


def nightly_due(campus: Campus, now: datetime) -> Iterable[Due]:
    """Return a check for every endpoint, if the night's round is on."""
    night = resolve_local(datetime.combine(now.astimezone(campus.zone_info).date(), NIGHT), campus.zone_info)
    if night <= now < night + ROUND:
        for person in campus.people:
            yield from (Due(campus, "nightly", person, endpoint, night) for endpoint in person.endpoints)


def shifts_due(campus: Campus, now: datetime) -> Iterable[Due]:
    """Return a check for the first endpoint of everybody whose shift has just begun."""
    today = now.astimezone(campus.zone_info).date()
    for shift in campus.shifts:
        for day in (today - timedelta(days=1), today):
            start, _ = shift.at.on(day, campus.zone_info)
            person = campus.people_by_id[shift.person]
            begins = WEEKDAYS[day.weekday()] in shift.days and start <= now < start + LOOK_BACK
            if begins and person.endpoints and person in on_duty(campus, start):
                yield Due(campus, "shift", person, person.endpoints[0], start)


async def get(session: AsyncSession, number: int) -> CheckRow:
    """Return a check; NotFound if there is none of that number."""
    row = await session.get(CheckRow, number, populate_existing=True)
    if row is None:
        raise NotFound("this check is no longer kept")
    return row


async def answered(session: AsyncSession, number: int, now: datetime) -> None:
    """Note that somebody has said that a check reached them; the first time counts."""
    first = update(CheckRow).where(CheckRow.id == number, CheckRow.answered_at.is_(None))
    await session.execute(first.values(answered_at=now).execution_options(synchronize_session=False))


async def find(
    session: AsyncSession, *, campus: str, kind: str | None = None, before_id: int | None = None, limit: int = 100
) -> list[CheckRow]:
    """Return checks, the newest first."""
    query = select(CheckRow).where(CheckRow.campus == campus).order_by(CheckRow.id.desc()).limit(limit)
    if kind:
        query = query.where(CheckRow.kind == kind)
    if before_id is not None:
        query = query.where(CheckRow.id < before_id)
    return list((await session.execute(query.execution_options(populate_existing=True))).scalars())


async def purge(session: AsyncSession, now: datetime) -> None:
    """Forget checks of long ago."""
    await session.execute(delete(CheckRow).where(CheckRow.at < now - KEEP))


async def _made(session: AsyncSession, instants: set[datetime]) -> set[tuple[Any, ...]]:
    if not instants:
        return set()
    columns = (CheckRow.campus, CheckRow.kind, CheckRow.person, CheckRow.endpoint, CheckRow.at)
    return {tuple(row) for row in await session.execute(select(*columns).where(CheckRow.at.in_(instants)))}


async def _open_shifts(session: AsyncSession, before: datetime) -> list[CheckRow]:
    """Return the shifts whose answer has come, or whose time to answer is over, and nobody has said so yet."""
    over = (CheckRow.state == "waiting") & (CheckRow.at <= before)
    come = CheckRow.state.in_(("waiting", "unanswered")) & CheckRow.answered_at.is_not(None)
    query = select(CheckRow).where(CheckRow.kind == "shift", or_(over, come)).order_by(CheckRow.id)
    return list((await session.execute(query)).scalars())


def _mark(due: Due) -> tuple[str, str, str, str, datetime]:
    return (due.campus.id, due.kind, due.person.id, due.endpoint.id, due.at)


def _endpoint_finding(due: Due, outcome: Outcome, now: datetime) -> Finding:
    return Finding(
        campus=due.campus.id,
        rule="endpoint-unreachable",
        key=due.endpoint.id,
        entity="endpoint",
        state="resolved" if outcome.state == "accepted" else "firing",
        at=now,
        severity="moderate",
        title="An endpoint does not work",
        text=f"{due.endpoint.id} of {due.person.name} does not work: {outcome.detail}",
        because={"check": due.kind, "outcome": outcome.state, "detail": outcome.detail},
    )


def _shift_finding(row: CheckRow, campus: Campus, *, answered: bool, now: datetime) -> Finding:
    person = campus.people_by_id.get(row.person)
    return Finding(
        campus=row.campus,
        rule="shift-unanswered",
        key=row.person,
        entity="person",
        state="resolved" if answered else "firing",
        at=now,
        severity="moderate",
        title="Somebody has not answered at the start of the shift",
        text=f"{person.name if person else row.person} has not answered at the start of the shift",
        because={"check": row.id, "endpoint": row.endpoint, "outcome": row.outcome},
    )
