"""Who is on duty, and by what they can be reached: shifts with their breaks and cover, roles, the on-call list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.calendar import WEEKDAYS
from core.campus import Campus, Endpoint, Person, Shift, Via

ANY = "any"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One endpoint of one person. `tier` 0 is used first, the next one where all of the tier before have failed."""

    person: str
    endpoint: str
    via: Via
    tier: int = 0


def who(notify: Iterable[str], campus: Campus, now: datetime, via: Sequence[str] = (ANY,)) -> tuple[Recipient, ...]:
    """Return the endpoints that a step would use at `now`, each once; empty where nobody can be reached.

    `via` is an order of preference: the endpoints of the first kind a person has are tier 0. `any` is all the rest
    at once.
    """
    found: dict[tuple[str, str], Recipient] = {}
    for person in people(notify, campus, now):
        for recipient in endpoints_of(person, via):
            found.setdefault((recipient.person, recipient.endpoint), recipient)
    return tuple(found.values())


def people(notify: Iterable[str], campus: Campus, now: datetime) -> tuple[Person, ...]:
    """Return the people that the words of a step mean at `now`, each once, in the order of the words."""
    found: dict[str, Person] = {}
    for word in notify:
        for person in _meant(word, campus, now):
            found.setdefault(person.id, person)
    return tuple(found.values())


def endpoints_of(person: Person, via: Sequence[str]) -> list[Recipient]:
    """Return a person's endpoints in the tiers that an order of preference gives."""
    left = list(person.endpoints)
    found: list[Recipient] = []
    tier = 0
    for kind in via:
        chosen = [each for each in left if kind in (ANY, each.via)]
        left = [each for each in left if each not in chosen]
        found += [Recipient(person.id, each.id, each.via, tier) for each in chosen]
        tier += bool(chosen)
    return found


def endpoint(campus: Campus, person: str, endpoint: str) -> Endpoint | None:
    """Return an endpoint as the campus has it now, or None if it is gone."""
    known = campus.people_by_id.get(person)
    return next((each for each in known.endpoints if each.id == endpoint), None) if known else None


def on_duty(campus: Campus, now: datetime) -> tuple[Person, ...]:
    """Return who is on duty. While nobody is on site, those on call are; on a closed day no weekday's shift holds."""
    found = [] if _is_day_off(campus, now) else [_holder(shift, campus, now) for shift in campus.shifts]
    if not campus.is_staffed(now):
        found = [*campus.on_call, *found]
    overrides = campus.overrides_at(now)
    away = {each.person for each in overrides}
    found = [each for each in found if each not in away] + [each.cover for each in overrides]
    return tuple(campus.people_by_id[each] for each in dict.fromkeys(found) if each is not None)


def shift_end(campus: Campus, person: str, now: datetime) -> datetime | None:
    """Return when the shift ends that a person is on now, a break in it included; None if they are on none.

    To be on call while nobody is on site is a shift, too: it ends when somebody is.
    """
    overrides = campus.overrides_at(now)
    if any(each.person == person for each in overrides):
        return None
    ends = [campus.instant(each.end) for each in overrides if each.cover == person]
    if person in campus.on_call and not campus.is_staffed(now):
        ends += [opens for opens in [next_staffed(campus, now)] if opens is not None]
    if not _is_day_off(campus, now):
        ends += [end for shift in campus.shifts if shift.person == person for end in _ends(shift, campus, now)]
    # Whoever is called away earlier than the shift ends goes then.
    calls = [campus.instant(each.start) for each in campus.overrides if each.person == person]
    return min([max(ends), *(each for each in calls if now < each)]) if ends else None


def next_staffed(campus: Campus, after: datetime) -> datetime | None:
    """Return when somebody is on site next, after an instant at which nobody is; None if not within two weeks."""
    calendar = campus.local_calendar
    today = calendar.local(after).date()
    starts = (start for ahead in range(15) for start, _ in calendar.spans("staffed", today + timedelta(days=ahead)))
    return min((start for start in starts if start > after), default=None)


def _meant(word: str, campus: Campus, now: datetime) -> Iterable[Person]:
    kind, _, name = word.partition(":")
    if kind == "role":
        return [person for person in campus.people if person.role == name]
    if kind == "person":
        person = campus.people_by_id.get(name)
        return [person] if person else []
    if word == "on_call":
        return [campus.people_by_id[each] for each in campus.on_call]
    present = on_duty(campus, now)
    if name == "on_duty":
        return present
    covers = {shift.cover for shift in campus.shifts} | {each.cover for each in campus.overrides_at(now)}
    return [person for person in present if person.role == name or person.id in covers]


def _is_day_off(campus: Campus, now: datetime) -> bool:
    calendar = campus.local_calendar
    today = calendar.local(now).date()
    return today in calendar.calendar.exceptions and not calendar.day_type(today).staffed


def _ends(shift: Shift, campus: Campus, now: datetime) -> list[datetime]:
    """Return the end of this shift if it is running."""
    today = campus.local_calendar.local(now).date()
    days = [day for day in (today - timedelta(days=1), today) if WEEKDAYS[day.weekday()] in shift.days]
    spans = [shift.at.on(day, campus.zone_info) for day in days]
    return [end for start, end in spans if start <= now < end]


def _holder(shift: Shift, campus: Campus, now: datetime) -> str | None:
    """Return who stands in this shift now: the person, the cover during a break, nobody outside of it."""
    zone = campus.zone_info
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        start, end = shift.at.on(day, zone)
        if WEEKDAYS[day.weekday()] not in shift.days or not start <= now < end:
            continue
        pauses = [pause.on(each, zone) for pause in shift.breaks for each in (day, day + timedelta(days=1))]
        return shift.cover if any(begin <= now < over for begin, over in pauses) else shift.person
    return None
