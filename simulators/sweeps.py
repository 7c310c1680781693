"""The walk around the exterior doors that a school makes every week, and the weeks in which nobody thinks of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from core.calendar import local_instant
from core.campus import Campus
from simulators.sensors import Place
from simulators.truth import Truth
from simulators.utterance import Utterance

DAY: Final = timedelta(days=1)
WALKED_ON: Final = (0, 3)
"""Mondays and Thursdays, before the first lesson; and the first day after a long weekend."""
LONG_WEEKEND: Final = timedelta(days=3)
FORGOTTEN: Final = 0.2
"""In so many weeks nobody walks before Friday noon, where things go wrong at all."""
EVERY: Final = timedelta(days=7)
SWEEP: Final = "sweep"
"""The last level of the topic on which it is logged."""
SLACK: Final = timedelta(seconds=30)


def sweeps(campus: Campus, place: Place, start: datetime, end: datetime, *, careless: bool) -> Iterator[Utterance]:
    """Yield the sweeps that are logged in [start, end); `careless` lets some be forgotten."""
    for at in _moments(campus, place, start, end, careless=careless):
        yield place.say(at, "sweep.logged", SWEEP)


def overdue(campus: Campus, place: Place, start: datetime, end: datetime, *, careless: bool) -> Iterator[Truth]:
    """Yield when a sweep is overdue in [start, end): a week after the last one, as soon as the school is in session."""
    last: datetime | None = None
    for at in (*_moments(campus, place, start, end, careless=careless), end):
        due = _in_session(campus, last + EVERY, at) if last is not None else None
        if due is not None:
            what = "nobody has walked around the doors for a week"
            yield Truth(
                campus=place.campus, rule="door-sweep-overdue", key=place.campus, at=due, until=due + SLACK, what=what
            )
        last = at


def _moments(campus: Campus, place: Place, start: datetime, end: datetime, *, careless: bool) -> Iterator[datetime]:
    day = campus.local_calendar.local(start).date()
    while local_instant(day, 0, campus.zone_info) < end:
        at = _on(campus, place, day, careless=careless)
        if at is not None and start <= at < end:
            yield at
        day += DAY


def _on(campus: Campus, place: Place, day: date, *, careless: bool) -> datetime | None:
    staffed, school = (campus.local_calendar.spans(name, day) for name in ("staffed", "school"))
    if not staffed or not school:
        return None
    chance = place.chance("sweep", day)
    year, week, _ = day.isocalendar()
    if careless and place.chance("sweep-forgotten", year, week).random() < FORGOTTEN:
        late = school[0][0] + timedelta(hours=chance.uniform(2, 3))
        return late if day.weekday() == 4 else None
    was_away = not any(campus.local_calendar.spans("school", day - n * DAY) for n in range(1, LONG_WEEKEND.days + 1))
    if day.weekday() in WALKED_ON or was_away:
        return staffed[0][0] + timedelta(minutes=chance.uniform(15, 40))
    return None


def _in_session(campus: Campus, since: datetime, until: datetime) -> datetime | None:
    """Return the first moment in [since, until) at which the school is in session."""
    day = campus.local_calendar.local(since).date()
    while local_instant(day, 0, campus.zone_info) < until:
        for opens, closes in campus.local_calendar.spans("school", day):
            at = max(since, opens)
            if at < min(closes, until):
                return at
        day += DAY
    return None
