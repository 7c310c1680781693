"""The life of a school, for weeks: a bell-shaped rush, lessons and recess, visitors with plans, custodians, evenings.

It keeps the school's own rules, as `simulators.day` does; what breaks them is an incident, and the truth says so.
Everything is made as it is needed, and depends on the seed, the school and the day alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from itertools import pairwise
from operator import itemgetter
from random import Random
from typing import Final

from core.calendar import local_instant
from core.campus import Campus, Door
from simulators.day import (
    BREAK_AT_MOST,
    all_heartbeats,
    deliveries,
    gatherings_on,
    main_door,
    one_by_one,
    staff_comes_and_goes,
    watched,
    window_rush,
)
from simulators.evenings import evening
from simulators.habits import Habits
from simulators.incidents import YOUNG, incidents_of
from simulators.sensors import Opening, Place, VisitPlan, door_opens, rush, visits
from simulators.sweeps import overdue, sweeps
from simulators.truth import Truth
from simulators.utterance import NO_TIME, Story, Utterance, merge, unfold

THROUGH_A_DOOR: Final = 3
"""So many students pass a door while it is open once."""
THROUGH_A_CORRIDOR: Final = 8
"""So often a door inside is opened between two lessons."""
LEAD: Final = timedelta(seconds=2)
"""A badge or a push bar speaks before the door."""
AFTER_CLOSING: Final = timedelta(hours=3, minutes=30)
"""So long after closing the custodians work."""
STATION: Final = "lobby"
FIRST: Final = ("Avery", "Blake", "Casey", "Devon", "Emery", "Frankie", "Harper", "Jordan", "Kai", "Logan", "Morgan")
LAST: Final = ("Abbott", "Bauer", "Castillo", "Dang", "Eriksen", "Flores", "Grant", "Haddad", "Ivanova", "Jensen")
ERRANDS: Final = (
    ("parent", "meeting with a teacher", 40),
    ("parent", "forgotten lunch", 10),
    ("parent", "early pick-up", 15),
    ("volunteer", "reading hour", 60),
    ("vendor", "delivery of supplies", 25),
    ("contractor", "repair of the heating", 240),
)


def lived_days(campus: Campus, place: Place, start: datetime, end: datetime, habits: Habits) -> Iterator[Utterance]:
    """Yield what the sensors of a school say in [start, end), in order of sending."""
    beats, careless = all_heartbeats(campus, place, start, end), habits.incidents > 0
    yield from merge(
        _alive(campus, place, beats, habits.incidents) if careless else beats,
        sweeps(campus, place, start, end, careless=careless),
        _day_by_day(campus, place, start, end, habits),
    )


def truths_of(campus: Campus, place: Place, start: datetime, end: datetime, habits: Habits) -> Iterator[Truth]:
    """Yield what truly holds in [start, end) that a rule should find."""
    for day in _dates(campus, start, end):
        _, truths = lived_day(campus, place, day, habits)
        yield from (each for each in truths if start <= each.at < end)
    yield from overdue(campus, place, start, end, careless=habits.incidents > 0)


def _alive(campus: Campus, place: Place, beats: Iterator[Utterance], incidents: int) -> Iterator[Utterance]:
    """Leave out the beats of devices that have died."""
    silent: dict[str, tuple[datetime, datetime]] = {}
    midnight: datetime | None = None
    for each in beats:
        if midnight is None or each.at >= midnight:
            day = campus.local_calendar.local(each.at).date()
            midnight = local_instant(day + timedelta(days=1), 0, campus.zone_info)
            today = incidents_of(campus, place, day, incidents)
            silent = {device: (since, until) for one in today for device, since, until in one.silences}
        since, until = silent.get(each.topic.rpartition("/")[2], (each.at, each.at))
        if not since <= each.at < until:
            yield each


def _dates(campus: Campus, start: datetime, end: datetime) -> Iterator[date]:
    day = campus.local_calendar.local(start).date()
    while local_instant(day, 0, campus.zone_info) < end:
        yield day
        day += timedelta(days=1)


def _day_by_day(campus: Campus, place: Place, start: datetime, end: datetime, habits: Habits) -> Iterator[Utterance]:
    for day in _dates(campus, start, end):
        stories, _ = lived_day(campus, place, day, habits)
        yield from (each for each in unfold(stories) if start <= each.sent_at < end)


def lived_day(campus: Campus, place: Place, day: date, habits: Habits) -> tuple[list[Story], list[Truth]]:
    """Return what happens on one local date, and what of it is truly wrong."""
    stories = [*_school(campus, place, day, habits), *_visitors(campus, place, day, habits)]
    stories += [*_teachers(campus, place, day), *_custodians(campus, place, day)]
    truths: list[Truth] = []
    for incident in incidents_of(campus, place, day, habits.incidents):
        stories += incident.stories
        truths += incident.truths
    for gathering in gatherings_on(campus, day):
        told = evening(campus, place, gathering, troubled=habits.incidents > 0)
        stories += told.stories
        truths += told.truths
    return stories, truths


def _school(campus: Campus, place: Place, day: date, habits: Habits) -> Iterator[Story]:
    midnight = local_instant(day, 0, campus.zone_info)
    for opens, _ in campus.local_calendar.spans("staffed", day)[:1]:
        if habits.staff:
            yield opens, partial(staff_comes_and_goes, campus, place, day, habits.staff)
        yield opens, partial(deliveries, campus, place, day)
    for (_, bell), (next_bell, _) in pairwise(campus.local_calendar.spans("class_time", day)):
        if timedelta(minutes=1) < next_bell - bell <= BREAK_AT_MOST:
            yield bell, partial(_between_bells, campus, place, bell, next_bell)
    for window in campus.local_calendar.day_type(day).windows:
        start, end = window.at.on(day, campus.zone_info)
        openings = max(1, habits.students // len(window.doors) // THROUGH_A_DOOR) if window.doors else 0
        for door in window.doors:
            rushed = partial(window_rush, place, campus.doors_by_id[door], start, end, openings)
            yield max(midnight, start), rushed


def _between_bells(campus: Campus, place: Place, bell: datetime, next_bell: datetime) -> Iterator[Utterance]:
    """Yield the doors inside between two lessons. A door with an exit button leads to no corridor."""
    chance = place.chance("passing", bell)
    moves: list[tuple[datetime, str, str]] = []
    for door in watched(campus):
        if not door.exterior and not door.has_rex:
            moments = rush(chance, THROUGH_A_CORRIDOR, bell, next_bell - timedelta(seconds=15))
            for at, open_for in one_by_one(moments, chance):
                moves += [(at, "door.opened", door.id), (at + open_for, "door.closed", door.id)]
    moves.sort(key=itemgetter(0))
    return (place.say(at, kind, door) for at, kind, door in moves)


def _visitors(campus: Campus, place: Place, day: date, habits: Habits) -> Iterator[Story]:
    door, spans = main_door(campus), campus.local_calendar.spans("school", day)
    for opens, closes in spans:
        chance = place.chance("visitors", day, opens)
        last = closes - timedelta(minutes=100)
        count = habits.visitors // len(spans) if last > opens else 0
        for number, at in enumerate(rush(chance, count, opens, last), 1):
            yield from _visitor(place, door, at, f"v-{day:%Y%m%d}-{number}", closes)


def _visitor(place: Place, door: Door | None, at: datetime, name: str, closes: datetime) -> Iterator[Story]:
    plan = _plan(place, at, name, closes)
    # The plan is made anew when it begins: a school has hundreds of stories to come, and little is kept of each.
    yield at - (plan.announced or NO_TIME), lambda: visits(place, STATION, at, _plan(place, at, name, closes))
    if door is not None and plan.stays is not None:
        chance = place.chance("way", name)
        yield _through(place, door.id, at - timedelta(seconds=40), chance, granted=True)
        out = at + plan.stays + timedelta(seconds=chance.uniform(20, 90))
        yield _through(place, door.id, out, chance, granted=not door.has_rex, exit_request=door.has_rex)


def _plan(place: Place, at: datetime, name: str, closes: datetime) -> VisitPlan:
    chance = place.chance("visitor", name)
    kind, purpose, minutes = chance.choice(ERRANDS)
    # Whoever says how long it takes is mostly right; nobody is still there when the school closes.
    expected = min(timedelta(minutes=minutes), closes - timedelta(minutes=15) - at)
    announced = timedelta(minutes=chance.uniform(30, 600)) if chance.random() < 0.4 else None
    return VisitPlan(
        id=name,
        name=f"{chance.choice(FIRST)} {chance.choice(LAST)}",
        type=kind,
        purpose=purpose,
        badge=f"b-{chance.randrange(1, 200)}",
        announced=announced,
        late=timedelta(minutes=min(25.0, max(-10.0, chance.gauss(4, 7)))) if announced else NO_TIME,
        expected=expected,
        stays=max(timedelta(minutes=3), expected + timedelta(minutes=min(9.0, chance.gauss(-3, 5)))),
        method=chance.choice(("station", "person")),
    )


def _through(
    place: Place, door: str, at: datetime, chance: Random, *, granted: bool = False, exit_request: bool = False
) -> Story:
    seconds = chance.uniform(4, 9)

    def opens() -> Iterator[Utterance]:
        how = Opening(open_for=timedelta(seconds=seconds), granted=granted, exit_request=exit_request)
        return door_opens(place, door, at, how)

    return at - LEAD, opens


def _teachers(campus: Campus, place: Place, day: date) -> Iterator[Story]:
    """Yield teachers who step outside for a moment, with their badges."""
    exits = [door for door in watched(campus) if door.door_class == "exit_only" and not YOUNG & set(door.tags)][::2]
    chance = place.chance("teachers", day)
    for start, end in campus.local_calendar.spans("class_time", day):
        if exits and end - start > timedelta(minutes=20):
            at = start + (end - start) * chance.uniform(0.1, 0.8)
            yield _through(place, chance.choice(exits).id, at, chance, granted=True)


def _custodians(campus: Campus, place: Place, day: date) -> Iterator[Story]:
    """Yield the round through the empty building, the rubbish, and the way home."""
    staffed, door = campus.local_calendar.spans("staffed", day), main_door(campus)
    inside = [each for each in watched(campus) if not each.exterior and not each.has_rex]
    if not staffed or door is None:
        return
    closes = staffed[-1][1]
    chance = place.chance("custodians", day)
    rounds = rush(chance, min(len(inside), 12), closes + timedelta(minutes=10), closes + AFTER_CLOSING)
    for at, room in zip(rounds, chance.sample(inside, len(inside)), strict=False):
        yield at, partial(_cleaned, place, room.id, at, chance.uniform(40, 150))
    yield _through(place, door.id, closes + timedelta(minutes=chance.uniform(60, 120)), chance, granted=True)
    leavings = [closes + AFTER_CLOSING + timedelta(minutes=chance.uniform(2, 12)) for _ in range(2)]
    for at, _ in one_by_one(sorted(leavings), chance):
        yield _through(place, door.id, at, chance, granted=True)


def _cleaned(place: Place, door: str, at: datetime, seconds: float) -> Iterator[Utterance]:
    return door_opens(place, door, at, Opening(open_for=timedelta(seconds=seconds)))
