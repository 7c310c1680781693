"""A school's ordinary day, as its sensors tell it: believable, and quiet. Incidents are what a scenario adds.

Everything comes from the campus file: who may come in where and when, how long lessons last, what is on tonight.
A day keeps the school's own rules: doors open in their windows or with a badge, visitors sign out in time, rooms
do not overflow. So an alert on an ordinary day is a false one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from random import Random

from core.calendar import Window, local_instant
from core.campus import Campus, Door, Gathering
from simulators.sensors import (
    GRANT_AHEAD,
    Crowd,
    Opening,
    Place,
    VisitPlan,
    crowd_passes,
    door_opens,
    heartbeats,
    rush,
    visits,
)
from simulators.utterance import Utterance, merge

OPENINGS_PER_WINDOW = 30
STAFF_PER_DAY = 18
BREAK_AT_MOST = timedelta(minutes=30)
"""A longer gap between two lessons is lunch, not a passing period."""
BATTERY = 96
STATION = "lobby"
KITCHEN = "delivery"
"""A door with this tag takes the deliveries."""
_FIRST = ("Avery", "Blake", "Casey", "Devon", "Emery", "Frankie", "Harper", "Jordan", "Kai", "Logan", "Morgan", "Quinn")
_LAST = (
    "Abbott",
    "Bauer",
    "Castillo",
    "Dang",
    "Eriksen",
    "Flores",
    "Grant",
    "Haddad",
    "Ivanova",
    "Jensen",
    "Kim",
    "Lopez",
)
_ERRANDS = (
    ("parent", "meeting with a teacher", 35),
    ("volunteer", "reading hour", 60),
    ("contractor", "repair", 75),
    ("vendor", "delivery of supplies", 20),
    ("parent", "forgotten lunch", 10),
)


def first_reports(campus: Campus, place: Place, at: datetime) -> Iterator[Utterance]:
    """Yield what the doors' sensors report when they are switched on at `at`: closed, and locked."""
    for number, door in enumerate(watched(campus)):
        lock = "locked" if door.has_lock_sensor else None
        moment = at + timedelta(milliseconds=5 * number)
        yield place.say(moment, "door.closed", door.id, lock=lock, initial=True)


def ordinary_days(campus: Campus, place: Place, start: datetime, end: datetime) -> Iterator[Utterance]:
    """Yield what the sensors say in [start, end), day after day."""
    yield from merge(all_heartbeats(campus, place, start, end), _day_by_day(campus, place, start, end))


def _day_by_day(campus: Campus, place: Place, start: datetime, end: datetime) -> Iterator[Utterance]:
    day = campus.local_calendar.local(start).date()
    while local_instant(day, 0, campus.zone_info) < end:
        yield from (each for each in school_day(campus, place, day) if start <= each.sent_at < end)
        day += timedelta(days=1)


def school_day(campus: Campus, place: Place, day: date) -> Iterator[Utterance]:
    """Yield what happens on one local date, in order of sending: it ends before the next one's first door opens."""
    return merge(
        staff_comes_and_goes(campus, place, day),
        passing_periods(campus, place, day),
        deliveries(campus, place, day),
        _visitors(campus, place, day),
        *(_window(campus, place, day, window) for window in campus.local_calendar.day_type(day).windows),
        *(_evening(campus, place, each) for each in gatherings_on(campus, day)),
    )


def all_heartbeats(campus: Campus, place: Place, start: datetime, end: datetime) -> Iterator[Utterance]:
    """Yield the heartbeats of all devices in [start, end); they do not beat at once."""
    rhythms: dict[timedelta, list[str]] = {}
    for each in campus.devices_by_id.values():
        if each.heartbeat:
            rhythms.setdefault(each.heartbeat, []).append(each.id)
    yield from merge(*(heartbeats(place, ids, every, start, end, battery=BATTERY) for every, ids in rhythms.items()))


def watched(campus: Campus) -> list[Door]:
    """Return the doors that have a sensor."""
    return [door for door in campus.doors if door.monitored]


def main_door(campus: Campus) -> Door | None:
    """Return the door by which visitors and staff come in; None: there is none."""
    return next((door for door in watched(campus) if door.door_class == "main"), None)


def one_by_one(moments: list[datetime], chance: Random) -> Iterator[tuple[datetime, timedelta]]:
    """Yield when people go through a door, and how long it stands open: each waits until it has fallen shut."""
    free = None
    for at in moments:
        if free is None or at >= free:
            open_for = timedelta(seconds=chance.uniform(3, 9))
            free = at + open_for + GRANT_AHEAD + timedelta(seconds=1)
            yield at, open_for


def _window(campus: Campus, place: Place, day: date, window: Window) -> Iterator[Utterance]:
    start, end = window.at.on(day, campus.zone_info)
    yield from merge(*(window_rush(place, campus.doors_by_id[door], start, end) for door in window.doors))


def window_rush(
    place: Place, door: Door, start: datetime, end: datetime, openings: int = OPENINGS_PER_WINDOW
) -> Iterator[Utterance]:
    """Yield what a door says in its window: unlocked, opened again and again, most often in the middle, and locked."""
    chance = place.chance("window", door.id, start)
    if not door.monitored:
        return
    if door.has_lock_sensor:
        yield place.say(start, "door.unlocked", door.id)
    moments = rush(chance, openings, start + timedelta(seconds=10), end - timedelta(seconds=60))
    for at, open_for in one_by_one(moments, chance):
        yield from door_opens(place, door.id, at, Opening(open_for=open_for, exit_request=door.has_rex))
    if door.has_lock_sensor:
        yield place.say(end, "door.locked", door.id)


def staff_comes_and_goes(campus: Campus, place: Place, day: date, count: int = STAFF_PER_DAY) -> Iterator[Utterance]:
    """Yield the staff's way in through the main door in the first hour, and out in the last."""
    door, calendar = main_door(campus), campus.local_calendar
    staffed = calendar.spans("staffed", day)
    if door is None or not staffed:
        return
    opens, closes = staffed[0][0], staffed[-1][1]
    chance = place.chance("staff", day)
    hour = min(timedelta(hours=1), (closes - opens) / 3)
    arrivals = rush(chance, count, opens + timedelta(seconds=10), opens + hour)
    leavings = rush(chance, count, closes - hour, closes - timedelta(seconds=30))
    for at, open_for in one_by_one(arrivals, chance):
        yield from door_opens(place, door.id, at, Opening(open_for=open_for, granted=True))
    for at, open_for in one_by_one(leavings, chance):
        yield from door_opens(place, door.id, at, Opening(open_for=open_for, granted=True, exit_request=door.has_rex))


def passing_periods(campus: Campus, place: Place, day: date) -> Iterator[Utterance]:
    """Yield the doors inside between two lessons. A door with an exit button leads to no corridor."""
    inside = [door for door in watched(campus) if not door.exterior and not door.has_rex]
    lessons = campus.local_calendar.spans("class_time", day)
    for (_, bell), (next_bell, _) in pairwise(lessons):
        if timedelta(minutes=1) < next_bell - bell <= BREAK_AT_MOST:
            yield from merge(*(_through(place, door, bell, next_bell) for door in inside))


def _through(place: Place, door: Door, bell: datetime, next_bell: datetime) -> Iterator[Utterance]:
    chance = place.chance("passing", door.id, bell)
    for at, open_for in one_by_one(rush(chance, 8, bell, next_bell - timedelta(seconds=15)), chance):
        yield from door_opens(place, door.id, at, Opening(open_for=open_for))


def deliveries(campus: Campus, place: Place, day: date) -> Iterator[Utterance]:
    """Yield the kitchen's deliveries, early in the morning."""
    doors = [door for door in watched(campus) if KITCHEN in door.tags]
    staffed = campus.local_calendar.spans("staffed", day)
    if not doors or not staffed:
        return
    # In the quarter of an hour after the kitchen has come, long before the first lesson.
    chance = place.chance("deliveries", day)
    at = staffed[0][0] + timedelta(minutes=chance.uniform(5, 15))
    for _ in range(chance.randint(1, 3)):
        how = Opening(open_for=timedelta(seconds=chance.uniform(15, 25)), granted=True)
        yield from door_opens(place, chance.choice(doors).id, at, how)
        at += timedelta(seconds=chance.uniform(120, 240))


def _visitors(campus: Campus, place: Place, day: date) -> Iterator[Utterance]:
    door = main_door(campus)
    for opens, closes in campus.local_calendar.spans("school", day):
        chance = place.chance("visitors", day, opens)
        last = closes - timedelta(minutes=100)
        count = max(0, int((last - opens) / timedelta(minutes=30)))
        arrivals = rush(chance, count, opens, last) if count else []
        yield from merge(*(_visitor(place, door, chance.random(), at, number) for number, at in enumerate(arrivals)))


def _visitor(place: Place, door: Door | None, luck: float, at: datetime, number: int) -> Iterator[Utterance]:
    chance = place.chance("visitor", at, luck)
    kind, purpose, minutes = chance.choice(_ERRANDS)
    planned = timedelta(minutes=minutes)
    late = timedelta(minutes=min(9.0, chance.gauss(-3, 5)))
    plan = VisitPlan(
        id=f"v-{at:%Y%m%d}-{number + 1}",
        name=f"{chance.choice(_FIRST)} {chance.choice(_LAST)}",
        type=kind,
        purpose=purpose,
        announced=timedelta(minutes=chance.uniform(5, 60)) if chance.random() < 0.4 else None,
        expected=planned,
        stays=max(timedelta(minutes=3), planned + late),
        method=chance.choice(("station", "person")),
    )
    visit = visits(place, STATION, at, plan)
    if door is None:
        yield from visit
        return
    buzzed_in = Opening(open_for=timedelta(seconds=chance.uniform(4, 8)), granted=True)
    yield from merge(visit, door_opens(place, door.id, at - timedelta(seconds=40), buzzed_in))


def gatherings_on(campus: Campus, day: date) -> list[Gathering]:
    """Return the gatherings that start on a local date."""
    local = campus.local_calendar.local
    return [each for each in campus.gatherings if local(campus.instant(each.start)).date() == day]


def _evening(campus: Campus, place: Place, gathering: Gathering) -> Iterator[Utterance]:
    start, end = campus.instant(gathering.start), campus.instant(gathering.end)
    gate = gathering.doors[0] if gathering.doors else None
    guests, load = guests_of(campus, gathering)
    staff = {"supervisor": 1, "crowd_manager": max(2, -(-load // 250))} | gathering.roles
    wander = max(1, guests // 10)
    quarter = timedelta(minutes=15)
    moves = [
        *((start - 3 * quarter, {"count": count, "role": role}) for role, count in staff.items()),
        (start - 2 * quarter, {"count": guests, "over": 3 * quarter}),
        (start + (end - start) / 2, {"count": wander, "over": quarter, "direction": "out"}),
        (start + (end - start) / 2 + quarter, {"count": wander, "over": quarter}),
        (end - quarter / 3, {"count": guests, "over": 1.5 * quarter, "direction": "out"}),
        *((end + 1.5 * quarter, {"count": count, "role": role, "direction": "out"}) for role, count in staff.items()),
    ]
    crowds = ((at, Crowd.model_validate({**how, "gate": gate})) for at, how in moves)
    yield from merge(*(crowd_passes(place, gathering.id, at, crowd) for at, crowd in crowds))


def guests_of(campus: Campus, gathering: Gathering) -> tuple[int, int]:
    """Return how many come to a gathering, and the load of its room."""
    zone = campus.zones_by_id.get(gathering.zone or "")
    load = gathering.load or (zone.load if zone else None) or 200
    return max(1, int(min(gathering.expected or load // 2, load * 0.8))), load
