"""What the pages about people show: who they are, whether they are on duty, and how each way to reach them behaves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import duty, outbox, preflight
from alerts.outbox import EndpointRow
from alerts.preflight import CheckRow
from api.console.truth import mark
from api.private import HIDDEN
from core.calendar import WEEKDAYS, Span
from core.campus import Campus, Endpoint, Person, PersonRole, Shift, Via

CHECKS_READ: Final = 300
ROLES: Final[Mapping[PersonRole, str]] = {
    "sro": "School resource officer",
    "admin": "Administrator",
    "principal": "Principal",
    "office": "Office",
    "event_supervisor": "Event supervisor",
    "maintenance": "Maintenance",
}
VIAS: Final[Mapping[Via, str]] = {"push": "Push", "sms": "SMS", "email": "E-mail", "call": "Call"}
DAYS: Final = tuple(zip(WEEKDAYS, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))
_OUTCOMES: Final = {"accepted": "taken by its provider", "unknown": "perhaps arrived", "refused": "refused"}


@dataclass(frozen=True, slots=True)
class Way:
    """One endpoint of a person, and how it behaves."""

    id: str
    via: str
    """The word that is stored."""
    words: str
    masked: str
    how: str
    """`good`, `bad` or `doubtful`."""
    state: str
    since: datetime | None
    detail: str
    checks: Sequence[str]
    """What the last check of the night and of a shift's start said."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One shift of a person; `place` is its place among all shifts."""

    place: int
    days: Sequence[str]
    days_words: str
    start: str
    end: str
    breaks: str
    cover: str
    words: str


@dataclass(frozen=True, slots=True)
class Member:
    """One person."""

    id: str
    name: str
    role: str
    role_words: str
    phone: str
    on_duty: bool
    duty: str
    until: datetime | None
    ways: Sequence[Way]
    turns: Sequence[Turn]

    @property
    def mark(self) -> str:
        """A word that changes when what is shown of them does."""
        return mark(str(self))

    @property
    def trouble(self) -> str:
        """Why they may not hear of anything; empty where they do."""
        if not self.ways:
            return "No endpoint: nothing ever reaches them"
        if all(way.how == "bad" for way in self.ways):
            return "Every endpoint failed the last time"
        return ""


async def read(session: AsyncSession, campus: Campus, now: datetime) -> list[Member]:
    """Return the people of a campus, those on duty first."""
    rows = {(row.person, row.endpoint): row for row in await outbox.endpoints(session, campus.id)}
    checks: dict[tuple[str, str, str], CheckRow] = {}
    for check in await preflight.find(session, campus=campus.id, limit=CHECKS_READ):
        checks.setdefault((check.person, check.endpoint, check.kind), check)
    present = {person.id for person in duty.on_duty(campus, now)}
    found = [_member(person, campus, rows, checks, person.id in present, now) for person in campus.people]
    return sorted(found, key=lambda member: not member.on_duty)


def document_of(person: Person) -> dict[str, Any]:
    """Return a person as a campus file has them, with every URL masked: so it is left as it is when it comes back."""
    plain: dict[str, Any] = person.model_dump(mode="json", exclude_defaults=True)
    for endpoint, kept in zip(plain.get("endpoints", ()), person.endpoints, strict=True):
        endpoint["url"] = _masked(kept)
    return plain


def shifts_of(campus: Campus) -> list[dict[str, Any]]:
    """Return the shifts as a campus file has them."""
    return [shift.model_dump(mode="json", exclude_defaults=True) for shift in campus.shifts]


def id_for(name: str, taken: Mapping[str, object]) -> str:
    """Return an id for somebody new that is made of their name, and that nobody has yet."""
    word = re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")[:60] or "person"
    return next(each for each in (word, *(f"{word}-{n}" for n in range(2, 10_000))) if each not in taken)


def _member(
    person: Person,
    campus: Campus,
    rows: Mapping[tuple[str, str], EndpointRow],
    checks: Mapping[tuple[str, str, str], CheckRow],
    on_duty: bool,
    now: datetime,
) -> Member:
    words, until = _duty(person, campus, on_duty, now)
    return Member(
        id=person.id,
        name=person.name,
        role=person.role,
        role_words=ROLES[person.role],
        phone=person.phone or "",
        on_duty=on_duty,
        duty=words,
        until=until,
        ways=[_way(each, person, rows.get((person.id, each.id)), checks, campus) for each in person.endpoints],
        turns=[_turn(place, shift, campus) for place, shift in enumerate(campus.shifts) if shift.person == person.id],
    )


def _duty(person: Person, campus: Campus, on_duty: bool, now: datetime) -> tuple[str, datetime | None]:
    away = [each for each in campus.overrides_at(now) if each.person == person.id]
    if away:
        covers = [campus.people_by_id[each.cover].name for each in away if each.cover in campus.people_by_id]
        instead = f"; {covers[0]} stands in" if covers else "; nobody stands in"
        return f"Away{instead}, until", max(campus.instant(each.end) for each in away)
    ends = duty.shift_end(campus, person.id, now)
    if not on_duty:
        return ("In a break of the shift that lasts until", ends) if ends is not None else ("Not on duty", None)
    if not campus.is_staffed(now) and person.id in campus.on_call:
        return ("On call until", ends) if ends else ("On call", None)
    return ("On duty until", ends) if ends else ("On duty: stands in for somebody", None)


def _way(
    each: Endpoint,
    person: Person,
    row: EndpointRow | None,
    checks: Mapping[tuple[str, str, str], CheckRow],
    campus: Campus,
) -> Way:
    state = "never tried" if row is None else "works" if row.state == "ok" else "failed the last time"
    told = [checks.get((person.id, each.id, kind)) for kind in ("nightly", "shift")]
    return Way(
        id=each.id,
        via=each.via,
        words=VIAS[each.via],
        masked=_masked(each),
        how="doubtful" if row is None else "good" if row.state == "ok" else "bad",
        state=state,
        since=row.since if row else None,
        detail=row.detail or "" if row and row.state != "ok" else "",
        checks=[_check(check, campus) for check in told if check is not None],
    )


def _check(check: CheckRow, campus: Campus) -> str:
    at = check.at.astimezone(campus.zone_info)
    when = f"{at:%a} {at.day} {at:%b %H:%M}"
    if check.kind == "shift":
        answer = "answered" if check.answered_at else f"not answered ({check.state})"
        return f"Asked as the shift began, {when}: {answer}"
    return f"Checked in the night, {when}: {_OUTCOMES.get(check.outcome or '', check.outcome or 'no outcome yet')}"


def _turn(place: int, shift: Shift, campus: Campus) -> Turn:
    names = dict(DAYS)
    cover = campus.people_by_id[shift.cover].name if shift.cover in campus.people_by_id else ""
    breaks = ", ".join(map(str, shift.breaks))
    pause = f", break {breaks}: {f'{cover} stands in' if cover else 'nobody stands in'}" if breaks else ""
    days = " ".join(names[day] for day in shift.days)
    start, end = str(shift.at).split("-")
    return Turn(
        place=place,
        days=shift.days,
        days_words=days,
        start=start,
        end=end,
        breaks=breaks,
        cover=shift.cover or "",
        words=f"{days} {shift.at}{pause}{_overnight(shift.at)}",
    )


def _overnight(span: Span) -> str:
    return ", past midnight" if timedelta(minutes=span.end) > timedelta(days=1) else ""


def _masked(endpoint: Endpoint) -> str:
    return f"{endpoint.url.partition('://')[0]}://{HIDDEN}"
