"""What goes wrong at a school, one kind after the other: how it is told by the sensors, and what truly holds.

An incident has a slot of its own (a part of a lesson) and things of its own (a door that nobody else uses then), so
that what follows from it is known beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

from core.campus import Campus, Device, Door
from simulators.day import watched
from simulators.sensors import Opening, Place, VisitPlan, door_opens, visits
from simulators.truth import Truth
from simulators.utterance import Story

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
SLOTS: Final = (timedelta(minutes=4), timedelta(minutes=26))
"""Where in a lesson an incident may begin; it takes 20 minutes at most, and begins up to 2 minutes later."""
LESSON: Final = timedelta(minutes=46)
STATION: Final = "lobby"
YOUNG: Final = frozenset(("elementary", "special-needs"))
SLACK: Final = 30 * SECOND
"""So much later than it truly begins a rule may know of it, where nothing is slow."""


@dataclass(slots=True)
class Incident:
    """One thing that goes wrong, as it is being told."""

    campus: Campus
    place: Place
    day: date
    number: int
    at: datetime
    """When it begins."""
    chance: Random
    doors: list[Door]
    """Exits that nobody else uses on this day."""
    stories: list[Story] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    silences: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    """Devices that do not beat between two moments of the day."""

    def true(self, rule: str, key: str, at: datetime, until: datetime, what: str) -> None:
        """Write down what a rule should find."""
        self.truths.append(Truth(campus=self.place.campus, rule=rule, key=key, at=at, until=until, what=what))

    def say(self, at: datetime, kind: str, subject: str, /, **said: Any) -> None:
        """Let a sensor say one thing."""
        told = self.place.say(at, kind, subject, **said)
        self.stories.append((at, partial(iter, (told,))))

    def opens(self, door: Door, at: datetime, open_for: timedelta, **how: Any) -> None:
        """Let a door open and close."""
        told = partial(door_opens, self.place, door.id, at, Opening(open_for=open_for, **how))
        self.stories.append((at - 2 * SECOND, told))

    def visit(self, **how: Any) -> str:
        """Let somebody check in at the moment of the incident; return the visit's id."""
        name = f"i-{self.day:%Y%m%d}-{self.number}"
        plan = VisitPlan.model_validate({"id": name, "name": "Sam Poe", "method": "person", **how})
        self.stories.append((self.at, partial(visits, self.place, STATION, self.at, plan)))
        return name

    def minutes(self, least: float, most: float) -> timedelta:
        """Return some time between the two."""
        return timedelta(minutes=self.chance.uniform(least, most))

    def exit(self) -> Door | None:
        """Return an exit for this incident alone; None: there is none left."""
        return self.doors.pop() if self.doors else None

    def first(self, fits: Callable[[Door], bool]) -> Door | None:
        """Return the first door with a sensor that fits."""
        return next((door for door in watched(self.campus) if fits(door)), None)

    def device_of(self, door: Door) -> Device:
        """Return the device that speaks for a door."""
        return self.campus.devices_by_id[self.campus.device_of_door[door.id]]

    def span_end(self, name: str) -> datetime:
        """Return when the last stretch of that name ends today."""
        return self.campus.local_calendar.spans(name, self.day)[-1][1]


def incidents_of(campus: Campus, place: Place, day: date, count: int) -> Iterator[Incident]:
    """Yield the incidents of a local date: so many of different kinds, or fewer where the day has no room for them."""
    slots = [
        start + offset
        for start, end in campus.local_calendar.spans("class_time", day)
        if end - start >= LESSON
        for offset in SLOTS
    ]
    if not slots or not count:
        return
    chance = place.chance("incidents", day)
    count = min(count, len(slots))
    exits = [door for door in watched(campus) if door.door_class == "exit_only" and not YOUNG & set(door.tags)][1::2]
    chance.shuffle(exits)
    kinds = chance.sample(list(INCIDENTS.items()), len(INCIDENTS))
    taken = iter(sorted(chance.sample(slots, count)))
    at, number = next(taken), 1
    for name, happen in kinds:
        incident = Incident(
            campus, place, day, number, at + timedelta(minutes=chance.uniform(0, 2)), place.chance(name, day), exits
        )
        if happen(incident):
            yield incident
            number += 1
            following = next(taken, None)
            if following is None:
                return
            at = following


# ------------------------------------------------------------------------------------------------------- doors
def _aired(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(1.7, 4), granted=True)
    told.true("door-held-open", door.id, told.at + MINUTE, told.at + MINUTE + SLACK, "a teacher airs the room")
    return True


def _propped(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(7, 16), granted=True)
    told.true("door-held-open", door.id, told.at + MINUTE, told.at + MINUTE + SLACK, "a stone keeps the door open")
    held = told.at + 5 * MINUTE
    told.true("door-propped", door.id, held, held + SLACK, "a stone keeps the door open")
    return True


def _forced(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(0.1, 0.4))
    told.true("door-forced", door.id, told.at, told.at + SLACK, "the door is pulled open from outside")
    told.true("exit-door-in-class-time", door.id, told.at, told.at + SLACK, "the door is pulled open from outside")
    return True


def _slips_out(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(0.1, 0.3), exit_request=True)
    told.true("exit-door-in-class-time", door.id, told.at, told.at + SLACK, "a student slips out")
    return True


def _child_outside(told: Incident) -> bool:
    door = told.first(lambda each: each.door_class == "exit_only" and bool(YOUNG & set(each.tags)))
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(0.1, 0.3), exit_request=True)
    told.true("exit-door-in-class-time-young", door.id, told.at, told.at + SLACK, "a child goes outside alone")
    return True


def _unexplained(told: Incident) -> bool:
    door = told.first(lambda each: each.exterior and each.has_lock_sensor and not each.has_rex)
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(0.1, 0.5))
    told.true("door-opened-unexplained", door.id, told.at, told.at + SLACK, "a locked door opens without a badge")
    return True


def _store_room(told: Incident) -> bool:
    door = told.first(lambda each: not each.exterior and each.has_rex)
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(0.1, 0.5))
    told.true("interior-door-forced", door.id, told.at, told.at + SLACK, "somebody gets in without a badge")
    return True


def _inside_open(told: Incident) -> bool:
    zones = {zone.id for zone in told.campus.zones if zone.kind in ("classroom", "classrooms")}
    door = told.first(lambda each: not each.exterior and not each.has_rex and each.zone not in zones)
    if door is None:
        return False
    told.opens(door, told.at, told.minutes(7, 12))
    held = told.at + 5 * MINUTE
    told.true("interior-door-held-in-class", door.id, held, held + SLACK, "a wedge keeps a door inside open")
    return True


def _flapping(told: Incident) -> bool:
    door = told.first(lambda each: not each.exterior and not each.has_rex)
    if door is None:
        return False
    for turn in range(8):
        told.opens(door, told.at + 6 * turn * SECOND, 3 * SECOND)
    told.true("door-contact-flapping", door.id, told.at, told.at + MINUTE, "the magnet of the contact has come loose")
    return True


def _stuck_contact(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    told.say(told.at, "access.granted", door.id, credential="c-7")
    told.true("contact-doubtful", door.id, told.at + 25 * SECOND, told.at + MINUTE, "the contact says closed, always")
    return True


def _not_locked(told: Incident) -> bool:
    windows = told.campus.local_calendar.day_type(told.day).windows
    locks = {door.id for door in watched(told.campus) if door.exterior and door.has_lock_sensor and not door.has_rex}
    window = next((each for each in windows if locks & set(each.doors)), None)
    if window is None:
        return False
    door = next(each for each in window.doors if each in locks)
    _, end = window.at.on(told.day, told.campus.zone_info)
    told.say(end + 5 * SECOND, "door.unlocked", door)
    told.say(end + 18 * MINUTE, "door.locked", door)
    due = end + 2 * MINUTE
    told.true("door-open-after-window", door, due, due + SLACK, "nobody locks the door after the arrival")
    return True


def _at_night(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    at = told.span_end("staffed") + 4 * timedelta(hours=1) + told.minutes(0, 60)
    told.opens(door, at, told.minutes(0.1, 0.4), exit_request=True)
    told.true("after-hours-opening", door.id, at, at + SLACK, "somebody was still inside, and goes by the exit")
    return True


# ---------------------------------------------------------------------------------------------------- visitors
def _overstays(told: Incident) -> bool:
    out = told.at + 75 * MINUTE
    if out > told.span_end("school"):
        return False
    name = told.visit(type="parent", expected=30 * MINUTE, stays=75 * MINUTE)
    due = told.at + 45 * MINUTE
    told.true("visitor-overstay", name, due, due + SLACK, "half an hour becomes an hour and a quarter")
    return True


def _never_leaves(told: Incident) -> bool:
    closes, over = told.span_end("staffed"), told.span_end("school")
    if told.at + 75 * MINUTE > closes:
        return False
    name = told.visit(type="parent", expected=60 * MINUTE)
    told.say(closes + 25 * MINUTE, "visitor.checked_out", STATION, visit=name, method="person")
    due, late = told.at + 75 * MINUTE, told.at + 105 * MINUTE
    told.true("visitor-overstay", name, due, due + SLACK, "leaves without signing out")
    told.true("visitor-overstay", name, late, late + SLACK, "leaves without signing out; the officer looks")
    looked = over + 30 * MINUTE
    told.true("visitor-still-in", name, looked, looked + SLACK, "leaves without signing out")
    told.true("visitor-not-signed-out", name, closes, closes + SLACK, "leaves without signing out")
    return True


def _watch_listed(told: Incident) -> bool:
    name = told.visit(screening="confirmed", watch="trespass", denied=4 * MINUTE)
    told.true("watch-list-match", name, told.at, told.at + SLACK, "somebody with a trespass order is at the desk")
    return True


def _to_be_decided(told: Incident) -> bool:
    name = told.visit(screening="possible", stays=20 * MINUTE)
    told.say(told.at + 4 * MINUTE, "visitor.screened", STATION, visit=name, screening="clear", method="person")
    due = told.at + MINUTE
    told.true("screening-pending", name, due, due + SLACK, "a namesake waits at the desk")
    return True


def _not_screened(told: Incident) -> bool:
    name = told.visit(screening="error", stays=20 * MINUTE)
    told.say(told.at + 4 * MINUTE, "visitor.screened", STATION, visit=name, screening="clear")
    due = told.at + MINUTE
    told.true("screening-failed", name, due, due + SLACK, "the screening service does not answer")
    return True


def _without_id(told: Incident) -> bool:
    name = f"i-{told.day:%Y%m%d}-{told.number}"
    told.say(told.at, "visitor.id_refused", STATION, visit=name, name="Sam Poe")
    told.say(told.at + 3 * MINUTE, "visitor.denied", STATION, visit=name, method="person")
    told.true("id-refused", name, told.at, told.at + SLACK, "somebody shows no ID")
    return True


def _wanders(told: Incident) -> bool:
    zones = told.campus.zones
    pairs = ((one.id, other.id) for one in zones for other in zones if one is not other)
    apart = [(one, other) for one, other in pairs if one not in told.campus.zones_by_id[other].adjoining]
    if not apart:
        return False
    zone, elsewhere = told.chance.choice(apart)
    name = told.visit(zone=zone, expected=60 * MINUTE, stays=15 * MINUTE)
    at = told.at + 5 * MINUTE
    told.say(at, "badge.scanned", STATION, visit=name, zone=elsewhere)
    told.true("visitor-out-of-zone", name, at, at + SLACK, "a visitor is where the visit does not lead")
    return True


def _old_badge(told: Incident) -> bool:
    name = told.visit(expected=30 * MINUTE, stays=6 * MINUTE, badge="b-950")
    at = told.at + 12 * MINUTE
    told.say(at, "badge.scanned", STATION, visit=name, badge="b-950")
    told.true("badge-expired", name, at, at + SLACK, "a badge that was given back is used")
    return True


def _no_escort(told: Incident) -> bool:
    name = told.visit(escort_required=True, expected=30 * MINUTE, stays=15 * MINUTE)
    due = told.at + 5 * MINUTE
    told.true("escort-missing", name, due, due + SLACK, "nobody comes to walk with the visitor")
    return True


def _wrong_parent(told: Incident) -> bool:
    name = f"i-{told.day:%Y%m%d}-{told.number}"
    told.say(told.at, "pickup.requested", STATION, visit=name, watch="custody")
    told.true("restricted-pickup", name, told.at, told.at + SLACK, "a parent without custody asks for a child")
    return True


# ----------------------------------------------------------------------------------------------------- sensors
def _taken_off(told: Incident) -> bool:
    device = _some_device(told)
    if device is None:
        return False
    told.say(told.at, "device.tampered", device.id)
    told.say(told.at + 3 * MINUTE, "device.restored", device.id)
    told.true("sensor-tampered", device.id, told.at, told.at + SLACK, "somebody takes a sensor off the wall")
    return True


def _battery(told: Incident) -> bool:
    device = _some_device(told)
    if device is None:
        return False
    told.say(told.at, "device.battery_low", device.id, battery_low=True, battery_pct=8)
    told.say(told.at + 2 * timedelta(hours=1), "device.heartbeat", device.id, battery_low=False, battery_pct=100)
    told.true("battery-low", device.id, told.at, told.at + SLACK, "a battery is nearly empty")
    return True


def _dies(told: Incident) -> bool:
    door = told.exit()
    if door is None:
        return False
    device = told.device_of(door)
    if not device.heartbeat:
        return False
    patience, back = 3 * device.heartbeat, told.at + 4 * device.heartbeat
    # It is heard again up to one beat later; after the school has closed that would be another rule's matter.
    if back + device.heartbeat > told.span_end("staffed"):
        return False
    told.silences.append((device.id, told.at, back))
    # Its last beat was up to one ago. While a gateway is away, nobody asks after a single sensor.
    due, known = told.at + patience - device.heartbeat, told.at + patience + 10 * MINUTE
    told.true("sensor-silent", device.id, due, known, "the battery of a sensor is empty, and nobody has seen it coming")
    return True


def _gateway(told: Incident) -> bool:
    gateway = next((each for each in told.campus.devices if each.kind == "gateway"), None)
    if gateway is None:
        return False
    # Its own heartbeats are on the other side of it.
    told.say(told.at, "device.offline", gateway.id)
    told.say(told.at + 9 * MINUTE, "device.online", gateway.id)
    due = told.at + 5 * MINUTE
    told.true("monitoring-blind", told.place.campus, due, due + SLACK, "the gateway has lost its power")
    return True


def _some_device(told: Incident) -> Device | None:
    # Exits have incidents of their own: one whose sensor has died must not be heard.
    doors = (door for door in watched(told.campus) if door.exterior and door.door_class != "exit_only")
    devices = [told.device_of(door) for door in doors]
    return told.chance.choice(devices) if devices else None


INCIDENTS: Final[dict[str, Callable[[Incident], bool]]] = {
    "aired": _aired,
    "propped": _propped,
    "forced": _forced,
    "slips-out": _slips_out,
    "child-outside": _child_outside,
    "unexplained": _unexplained,
    "store-room": _store_room,
    "inside-open": _inside_open,
    "flapping": _flapping,
    "stuck-contact": _stuck_contact,
    "not-locked": _not_locked,
    "at-night": _at_night,
    "overstays": _overstays,
    "never-leaves": _never_leaves,
    "watch-listed": _watch_listed,
    "to-be-decided": _to_be_decided,
    "not-screened": _not_screened,
    "without-id": _without_id,
    "wanders": _wanders,
    "old-badge": _old_badge,
    "no-escort": _no_escort,
    "wrong-parent": _wrong_parent,
    "taken-off": _taken_off,
    "battery": _battery,
    "dies": _dies,
    "gateway": _gateway,
}
"""Every kind of incident: what it lets happen, and whether it fits this school and this moment."""
