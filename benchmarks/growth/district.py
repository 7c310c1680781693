"""A district of any size, what its doors and people say in ordinary days, and the rules that it has written.

What is said grows with the doors: each speaks as often in a large district as in a small one, so that a thousand
messages are an hour of a small school and the blink of an eye of a district.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

import msgspec

from benchmarks import replay
from core.campus import Campus, read_duration, write_duration
from core.messages import Heard, Message
from ingest.decode import Decoder
from rules.rule import Rule, read_rule, shipped

PREFIX: Final = "campus"
LATENESS: Final = replay.LATENESS
SCHOOL: Final = 200
"""Doors of a large school: a district has many schools rather than larger ones."""
PAUSE: Final = replay.STEP * replay.DOORS
"""How long a door says nothing, on the average."""


@dataclass(frozen=True, slots=True)
class Said:
    """A payload, and when it was said."""

    at: datetime
    heard: Heard


@dataclass(frozen=True)
class District:
    """Campuses of equally many doors."""

    campuses: tuple[Campus, ...]
    doors_each: int

    @property
    def doors(self) -> int:
        """How many doors it has in all."""
        return len(self.campuses) * self.doors_each

    @cached_property
    def decoder(self) -> Decoder:
        """What reads the payloads of this district."""
        return Decoder(self.campuses, (), prefix=PREFIX, lateness=LATENESS, pseudonym_key=bytes(32))

    def read(self, said: Said) -> list[Message]:
        """Return the messages in a payload, received when it was said."""
        return self.decoder.decode(said.heard, said.at)


def district(doors: int, campuses: int | None = None) -> District:
    """Return a district of so many doors, on so many campuses or on as many as it takes schools of 200 doors."""
    count = campuses or max(1, doors // SCHOOL)
    each = max(1, doors // count)
    plan = replay.campus(each)
    named = (plan.campus.model_copy(update={"id": f"c{n}", "name": f"School {n}"}) for n in range(count))
    # The parts of a campus are frozen and may be shared; what is worked out of them is not.
    return District(tuple(_like(plan, each) for each in named), each)


def _like(plan: Campus, header: Any) -> Campus:
    parts = {name: getattr(plan, name) for name in Campus.model_fields}
    return Campus.model_construct(**{**parts, "campus": header})


# ------------------------------------------------------------------------------------------------- what is said
def traffic(place: District, start: datetime, *, name: str, seed: int = 7, doors: int | None = None) -> Iterator[Said]:
    """Yield what is said in ordinary days, in order, without end: of five scenes four are people at doors.

    They are spread evenly over all doors, or over the first `doors` of each campus; the same seed gives the same doors.
    `name` begins the ids of the messages.
    """
    dice = random.Random(seed)
    step = PAUSE / place.doors
    waiting: list[tuple[datetime, int, Said]] = []
    serial = itertools.count()
    at = start
    for number in itertools.count():
        said = list(_scene(dice, at, place, f"{name}{number}", doors or place.doors_each))
        for each in said:
            heapq.heappush(waiting, (each.at, next(serial), each))
        at += len(said) * step
        while waiting and waiting[0][0] <= at:
            yield heapq.heappop(waiting)[-1]


def _scene(dice: random.Random, at: datetime, place: District, name: str, doors: int) -> Iterator[Said]:
    campus = place.campuses[dice.randrange(len(place.campuses))].id
    door, what = dice.randrange(doors), dice.random()

    def said(topic: str, after: float = 0.0, **words: Any) -> Said:
        return say(at + timedelta(seconds=after), campus, topic, f"{name}-{after}", **words)

    if what < 0.80:
        yield said(f"door/d{door}", **({"exit_request": True} if dice.random() < 0.4 else {"access": "granted"}))
        yield said(f"door/d{door}", 1.0, position="open")
        yield said(f"door/d{door}", 3.0 + dice.randrange(6), position="closed")
    elif what < 0.96:
        yield said(f"device/s{door}", kind="heartbeat")
    elif what < 0.99:
        yield said("attendance/game", mode="delta", direction="in")
    else:
        visit = f"v{name}"
        until = (at + timedelta(hours=1)).isoformat()
        yield said("visitor/lobby", action="check_in", visit=visit, zone="z1", type="visitor", expected_out=until)
        yield said("visitor/lobby", 2.0, action="check_out", visit=visit, method="person")


def say(at: datetime, campus: str, topic: str, name: str, **said: Any) -> Said:
    """Return what is said on a topic of a campus at an instant; `name` is its id."""
    payload = msgspec.json.encode({"id": name, "at": at, **said})
    return Said(at, Heard(f"{PREFIX}/{campus}/{topic}", payload))


# ------------------------------------------------------------------------------------------------------ its rules
GENERAL: Final = (
    "door-held-open",
    "door-forced",
    "door-propped",
    "after-hours-opening",
    "door-contact-flapping",
    "sensor-silent",
    "over-capacity",
    "visitor-overstay",
    "many-doors-open",
    "battery-low",
)
"""The protocols that every district has; they concern every door, sensor, visit or counter."""


def rules(count: int, place: District) -> tuple[Rule, ...]:
    """Return so many rules of a district: ten protocols for everybody, and for the rest one of a single place each.

    Of twenty of these, fourteen are a shipped protocol of doors for a single door, two one for the doors of a single
    zone, two one of sensors for a single sensor, one of counters for a series of games that is not on, and one of
    visits for the visits of a type of its own. Each has other values of its parameters.
    """
    known = {rule.id: rule for rule in shipped()}
    general = tuple(known[name] for name in GENERAL[:count])
    return general + tuple(_bound(number, place, known) for number in range(count - len(general)))


def _bound(number: int, place: District, known: Mapping[str, Rule]) -> Rule:
    turn, round_ = number % 20, number // 20
    entity = "door" if turn < 16 else "device" if turn < 18 else "gathering" if turn < 19 else "visit"
    choice = [rule for rule in known.values() if rule.entity == entity]
    rule = choice[(round_ * 7 + turn) % len(choice)]
    place_ = number * 7919 % place.doors_each
    scopes: Sequence[dict[str, Any]] = (
        {"door": {"id": f"d{place_}"}},
        {"zone": {"id": f"z{place_ % len(place.campuses[0].zones)}"}},
        {"device": {"id": f"s{place_}"}},
        {"gathering": {"tags": f"series-{round_}"}},
        {"visit": {"type": f"guest-{round_}"}},
    )
    scope = scopes[0 if turn < 14 else 1 if turn < 16 else 2 if turn < 18 else turn - 15]
    document = dict(rule.document)
    varied = {name: _varied(param, round_) for name, param in document.get("params", {}).items()}
    return read_rule({**document, "id": f"{rule.id[:50]}-{number}", "scope": scope, "params": varied, "tests": []})


def _varied(param: Mapping[str, Any], turn: int) -> dict[str, Any]:
    """Return a parameter with another default within its bounds; truths and words stay as they are."""
    if param["type"] == "int":
        value = param["default"] + turn % 5
        return {**param, "default": min(value, param.get("max", value))}
    if param["type"] == "duration":
        longer = read_duration(param["default"]) * (1 + turn % 5 / 4)
        return {**param, "default": write_duration(min(longer, read_duration(param.get("max", "366d"))))}
    return dict(param)
