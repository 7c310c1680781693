"""An evening at a school: a game, a concert, a dance. Counters miss people, guests go out and come back in.

Somebody counts the empty room at the end, which sets the counters right. On some evenings something goes wrong;
then the truth says what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from core.campus import Campus, Gathering
from simulators.day import guests_of
from simulators.sensors import Crowd, Place, crowd_passes
from simulators.truth import Truth
from simulators.utterance import Story, Utterance

QUARTER: Final = timedelta(minutes=15)
MINUTE: Final = timedelta(minutes=1)
MISSED_ON_THE_WAY_OUT: Final = 0.02
"""Counters err: so many groups pass a door without being seen."""
MISSED_ON_THE_WAY_IN: Final = 0.1
"""A counter that stands badly misses so many."""


@dataclass(slots=True)
class Evening:
    """A gathering's evening as it is told: stories, and what is truly wrong with it."""

    place: Place
    gathering: Gathering
    start: datetime
    end: datetime
    guests: int
    load: int
    staff: dict[str, int]
    stories: list[Story] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    missed_in: float = 0.0
    late: dict[str, tuple[int, timedelta]] = field(default_factory=dict)
    """Of these roles only so many are there in time, the others so long after the start."""
    stay: int = 0
    """Guests who do not go home in time."""

    def true(self, rule: str, at: datetime, until: datetime, what: str) -> None:
        """Write down what a rule should find."""
        name = self.gathering.id
        self.truths.append(Truth(campus=self.place.campus, rule=rule, key=name, at=at, until=until, what=what))

    def crowd(self, at: datetime, missed: float = 0.0, **how: Any) -> None:
        """Let a crowd pass the gate; a share of its groups is not counted."""
        gate = self.gathering.doors[0] if self.gathering.doors else None
        crowd = Crowd.model_validate({"gate": gate, **how})
        if crowd.count:
            self.stories.append((at, partial(_counted, self.place, self.gathering.id, at, crowd, missed)))

    def say(self, at: datetime, kind: str, **said: Any) -> None:
        """Let the counter say one thing."""
        told = self.place.say(at, kind, self.gathering.id, **said)
        self.stories.append((at, lambda: (told,)))


def _counted(place: Place, gathering: str, at: datetime, crowd: Crowd, missed: float) -> Iterator[Utterance]:
    chance = place.chance("counter", gathering, crowd.direction, at)
    return (each for each in crowd_passes(place, gathering, at, crowd) if chance.random() >= missed)


def evening(campus: Campus, place: Place, gathering: Gathering, *, troubled: bool) -> Evening:
    """Return how the evening goes; `troubled` lets something go wrong on most of them."""
    start, end = campus.instant(gathering.start), campus.instant(gathering.end)
    guests, load = guests_of(campus, gathering)
    staff = {"supervisor": 1, "crowd_manager": max(2, -(-load // 250))} | gathering.roles
    told = Evening(place, gathering, start, end, guests, load, staff)
    chance = place.chance("evening", gathering.id)
    if troubled and chance.random() < 0.75:
        fitting = [each for each in TROUBLES if each(replace(told, truths=[], stories=[], late={}))]
        if fitting:
            chance.choice(fitting)(told)
    _people(told)
    _doors(told)
    return told


def _people(told: Evening) -> None:
    start, end = told.start, told.end
    half, wander = start + (end - start) / 2, max(1, told.guests // 10)
    for role, count in told.staff.items():
        in_time, after = told.late.get(role, (count, timedelta(0)))
        told.crowd(start - 3 * QUARTER, count=in_time, role=role) if in_time else None
        told.crowd(start + after, count=count - in_time, role=role) if count > in_time else None
    told.crowd(start - 2 * QUARTER, told.missed_in, count=told.guests, over=3 * QUARTER)
    told.crowd(half, count=wander, direction="out", over=QUARTER)
    told.crowd(half + QUARTER, told.missed_in, count=wander, over=QUARTER)
    missed = 0.0 if told.missed_in else MISSED_ON_THE_WAY_OUT
    told.crowd(end - QUARTER / 3, missed, count=told.guests - told.stay, direction="out", over=1.5 * QUARTER)
    empty = end + 20 * MINUTE
    if told.stay:
        told.crowd(end + 50 * MINUTE, count=told.stay, direction="out", over=5 * MINUTE)
        empty = end + 56 * MINUTE
    told.say(empty, "attendance.counted", count=sum(told.staff.values()))
    for role, count in told.staff.items():
        told.crowd(empty + 2 * MINUTE, count=count, role=role, direction="out")


def _doors(told: Evening) -> None:
    opens, shuts = told.start - told.gathering.setup + MINUTE, told.end + told.gathering.teardown - 5 * MINUTE
    for door in told.gathering.doors:
        for at, kind in ((opens, "door.opened"), (shuts, "door.closed")):
            said = told.place.say(at, kind, door)
            told.stories.append((at, partial(iter, (said,))))


# ------------------------------------------------------------------------------------------- what may go wrong
def _too_full(told: Evening) -> bool:
    at = told.start + (told.end - told.start) / 2 - 10 * MINUTE
    told.say(at, "attendance.counted", count=told.load + 3)
    told.say(at + 5 * MINUTE, "attendance.counted", count=int(told.load * 0.8))
    until = at + 5 * MINUTE
    told.true("over-capacity", at, until, "the ushers count more than the room may hold")
    told.true("nearly-full", at, until, "the ushers count more than the room may hold")
    if told.staff["crowd_manager"] * 250 < told.load + 3:
        told.true("crowd-managers-short", at, until, "more guests than the crowd managers may look after")
    if "chaperone" in told.staff and "dance" in told.gathering.tags:
        told.true("chaperones-short", at, until + MINUTE, "more guests than the chaperones may look after")
    return True


def _few_managers(told: Evening) -> bool:
    if told.guests < 270 or told.staff["crowd_manager"] < 2:
        return False
    told.late["crowd_manager"] = (1, 30 * MINUTE)
    told.true("crowd-managers-short", told.start - 2 * QUARTER, told.start + 30 * MINUTE, "one came, the others late")
    return True


def _nobody_in_charge(told: Evening) -> bool:
    told.late["supervisor"] = (0, 20 * MINUTE)
    told.true("no-supervisor", told.start - 2 * QUARTER, told.start + 20 * MINUTE, "the supervisor comes late")
    return True


def _nobody_goes_home(told: Evening) -> bool:
    told.stay = max(20, told.guests // 6)
    told.true("gathering-overrun", told.end + 29 * MINUTE, told.end + 50 * MINUTE, "they stay, and stay")
    return True


def _bad_counter(told: Evening) -> bool:
    if told.guests < 100:
        return False
    told.missed_in = MISSED_ON_THE_WAY_IN
    told.true("count-impossible", told.start, told.end + 20 * MINUTE, "the counter misses people who come in")
    return True


def _few_chaperones(told: Evening) -> bool:
    if "chaperone" not in told.staff or told.guests < 60:
        return False
    told.late["chaperone"] = (2, 30 * MINUTE)
    told.true("chaperones-short", told.start - 2 * QUARTER, told.start + 30 * MINUTE, "most chaperones come late")
    return True


def _back_in(told: Evening) -> bool:
    if told.gathering.re_entry:
        return False
    at = told.start + (told.end - told.start) / 3
    told.say(at, "attendance.left", ticket="t-1", role="student")
    told.say(at + 5 * MINUTE, "attendance.entered", ticket="t-1", role="student")
    until = at + 7 * MINUTE
    told.true("re-entry", at + 5 * MINUTE, until, "a ticket goes out and comes back in")
    # Whoever leaves was let in as a student without a scan.
    told.true("count-impossible", at, until, "a student who was never counted in goes out")
    return True


def _come_together(told: Evening) -> bool:
    # After the last lesson, and long before anybody expects the guests.
    at, count = told.start - 150 * MINUTE, 70
    told.crowd(at, count=count, over=2 * MINUTE)
    told.crowd(at + 20 * MINUTE, count=count, over=2 * MINUTE, direction="out")
    held = at + 10 * MINUTE
    told.true("unplanned-gathering", held, held + 3 * MINUTE, "a crowd meets in the hall, and nobody has planned it")
    return True


TROUBLES: Final[tuple[Callable[[Evening], bool], ...]] = (
    _too_full,
    _few_managers,
    _nobody_in_charge,
    _nobody_goes_home,
    _bad_counter,
    _few_chaperones,
    _back_in,
    _come_together,
)
"""Each spoils an evening and writes down the truth; False: it does not fit this gathering."""
