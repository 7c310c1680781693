"""Handing over: whoever goes off shift with an extreme alert in their hands gives it to somebody who is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from alerts import alert as moves
from alerts import escalation, store, telling
from alerts.alert import Alert
from alerts.answers import Answer
from alerts.book import Book
from alerts.duty import endpoints_of
from alerts.notices import name_of
from core.campus import Campus, Person, nearest
from core.database import in_turn
from core.errors import BadInput, Conflict, NotFound, Problem


async def hand_over(
    session: AsyncSession, number: int, *, who: str, to: str, campuses: Mapping[str, Campus], now: datetime
) -> Answer:
    """Give an alert that somebody has to another person, who is told on every endpoint."""
    await in_turn(session)
    book = Book(campuses, now)
    entry = (await book.load_alerts(session, [number])).get(number)
    if entry is None:
        raise NotFound(f"there is no alert {number}")
    person = _person(campuses.get(entry.alert.campus), to)
    was = entry.alert.acknowledged_by
    entry.set(moves.handed_over(entry.alert, to=f"person:{to}", now=now))
    entry.event("handover", f"{name_of(was)} handed it over to {person.name}", at=now, who=who, was=was, to=to)
    entry.deed(who, "alert.hand_over", was=was, to=to)
    entry.new_round()
    telling.tell(book, entry, endpoints_of(person, ("any",)), until="on_scene")
    escalation.remind_later(book, entry)
    escalation.mind_shift(book, entry)
    await book.write(session)
    return Answer(entry.alert, True, f"{entry.alert.code} is in the hands of {person.name}")


async def go_off(
    session: AsyncSession,
    person: str,
    *,
    campus: Campus,
    who: str,
    to: str | None,
    now: datetime,
) -> list[Alert]:
    """Hand over what a person has who goes off shift; Conflict where that is something extreme and nobody is named."""
    _person(campus, person)
    held = await store.held_by(session, campus.id, [f"{kind}:{person}" for kind in ("person", "user", "token")])
    if held and to is None:
        codes = ", ".join(each.code for each in held)
        raise Conflict(f"{person} has {codes}, extreme and open: say who takes over (to)")
    if to == person:
        raise BadInput([Problem("must be somebody else", "to")])
    given = []
    for each in held:
        answer = await hand_over(session, each.id, who=who, to=to or "", campuses={campus.id: campus}, now=now)
        given.append(answer.alert)
    return given


def _person(campus: Campus | None, person: str) -> Person:
    known = campus.people_by_id if campus else {}
    if person not in known:
        raise BadInput([Problem(f"no person {person!r}{nearest(person, set(known))}", "to")])
    if not known[person].endpoints:
        raise BadInput([Problem(f"{known[person].name} has no endpoint: they would not hear of it", "to")])
    return known[person]
