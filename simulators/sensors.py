"""The sensors of a school: door contacts, a visitor kiosk, a counter at a gate. Pure: the same seed, the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

import msgspec
from pydantic import ConfigDict, Field

from core.calendar import Strict
from core.campus import Duration, Id, Text
from core.facts import Method, Screening
from core.messages import KINDS, Role, Watch
from core.wire import encode
from simulators.utterance import NO_TIME, Utterance, merge

GRANT_AHEAD = timedelta(seconds=1.5)
"""So long before the door opens, its reader or push bar has spoken."""
SCREENING_TAKES = timedelta(seconds=6)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the pretended sensors stand: the campus, the first levels of its topics, and the seed of all chance."""

    campus: str
    prefix: str = "campus"
    seed: int = 0

    def chance(self, *about: object) -> Random:
        """Return the dice of one thing: they do not depend on what else is thrown."""
        return Random("/".join(str(each) for each in (self.seed, self.campus, *about)))  # noqa: S311 - not a secret

    def say(self, at: datetime, kind: str, subject: str, /, **fields: Any) -> Utterance:
        """Return a message of a kind about a subject (a door, a station, …); fields that are None are not said."""
        said = {key: value for key, value in fields.items() if value is not None}
        topic, payload = encode(KINDS[kind], subject, said)
        return self.utter(at, topic, payload)

    def utter(self, at: datetime, topic: str, payload: dict[str, Any]) -> Utterance:
        """Return a payload on one of our own topics (behind prefix and campus), with an id."""
        mark = msgspec.json.encode([self.seed, self.campus, topic, at, payload])
        name = hashlib.blake2b(mark, digest_size=8).hexdigest()
        return Utterance(at=at, topic=f"{self.prefix}/{self.campus}/{topic}", payload={"id": name, **payload})


class Opening(Strict):
    """A door opens and closes again."""

    model_config = ConfigDict(populate_by_name=True)

    open_for: Duration = Field(alias="for", default=timedelta(seconds=5))
    granted: bool = False
    """A credential was read just before."""
    exit_request: bool = False
    """Somebody pushed the bar from inside just before."""
    bounces: int = Field(default=0, ge=0, le=20)
    """How often the contact chatters while the door falls shut."""
    stays: bool = False
    """It is not closed again."""


def door_opens(place: Place, door: str, at: datetime, how: Opening) -> Iterator[Utterance]:
    """Yield what a door's sensors say about one opening that begins at `at`."""
    chance = place.chance("door", door, at)
    before = at - GRANT_AHEAD
    if how.granted:
        yield place.say(before, "access.granted", door, credential=f"c-{chance.randrange(10, 400)}", direction="in")
    if how.exit_request:
        yield place.say(before, "exit.requested", door)
    yield place.say(at, "door.opened", door)
    if how.stays:
        return
    shut = at + how.open_for
    yield place.say(shut, "door.closed", door)
    for _ in range(how.bounces):
        up = shut + timedelta(seconds=chance.uniform(0.08, 0.25))
        shut = up + timedelta(seconds=chance.uniform(0.08, 0.25))
        yield place.say(up, "door.opened", door)
        yield place.say(shut, "door.closed", door)


def heartbeats(
    place: Place, devices: Sequence[str], every: timedelta, start: datetime, end: datetime, *, battery: int | None
) -> Iterator[Utterance]:
    """Yield the heartbeats in [start, end) of devices that beat equally often: not at once, their batteries wearing
    down from `battery` per cent (None: they have none).
    """
    beats = sorted((every * place.chance("heartbeat", device).random(), device) for device in devices)
    first = start
    while first < end:
        left = None if battery is None else max(1, battery - int((first - start) / timedelta(days=10)))
        for offset, device in beats:
            if first + offset >= end:
                return
            yield place.say(first + offset, "device.heartbeat", device, battery_pct=left)
        first += every


class VisitPlan(Strict):
    """One visit: announced or not, checked in, screened, and ended in one of the ways a visit ends."""

    id: Id
    name: Text = "Sam Visitor"
    type: Text = "parent"
    purpose: Text | None = None
    host: Text | None = None
    zone: Id | None = None
    badge: Id | None = None
    announced: Duration | None = None
    """How long before the arrival it was announced; None: it was not."""
    late: Duration = NO_TIME
    """So much later than announced the visitor comes."""
    expected: Duration | None = None
    """How long it is meant to last."""
    stays: Duration | None = None
    """After how long the visitor signs out; None: never."""
    screening: Screening | None = "clear"
    """What the screening says a few seconds after the check-in; None: there is none."""
    watch: Watch | None = None
    denied: Duration | None = None
    """After how long the visitor is turned away; None: not at all."""
    escort_required: bool | None = None
    escort: Text | None = None
    method: Method = "station"
    """Who saw the visitor leave."""


def visits(place: Place, station: str, at: datetime, plan: VisitPlan) -> Iterator[Utterance]:
    """Yield what a kiosk says about a visit that begins at `at`."""
    expected_out = None if plan.expected is None else at + plan.expected
    about = {"visit": plan.id, "name": plan.name, "type": plan.type, "host": plan.host, "zone": plan.zone}
    if plan.announced is not None:
        planned = at - plan.late
        start = {"start": planned, "expected_out": None if plan.expected is None else planned + plan.expected}
        yield place.say(at - plan.announced, "visitor.preregistered", station, **about, **start)
    yield place.say(
        at,
        "visitor.checked_in",
        station,
        **about,
        purpose=plan.purpose,
        badge=plan.badge,
        expected_out=expected_out,
        escort_required=plan.escort_required,
    )
    yield from merge(_screening(place, station, at, plan), _ending(place, station, at, plan))


def _screening(place: Place, station: str, at: datetime, plan: VisitPlan) -> Iterator[Utterance]:
    if plan.screening is not None:
        said = {"visit": plan.id, "screening": plan.screening, "watch": plan.watch}
        yield place.say(at + SCREENING_TAKES, "visitor.screened", station, **said)
    if plan.escort is not None:
        yield place.say(at + 2 * SCREENING_TAKES, "escort.assigned", station, visit=plan.id, escort=plan.escort)


def _ending(place: Place, station: str, at: datetime, plan: VisitPlan) -> Iterator[Utterance]:
    if plan.denied is not None:
        yield place.say(at + plan.denied, "visitor.denied", station, visit=plan.id, method="person")
    if plan.stays is not None:
        yield place.say(at + plan.stays, "visitor.checked_out", station, visit=plan.id, method=plan.method)


class Crowd(Strict):
    """So many people pass a counter, in groups, most of them in the middle of the time it takes."""

    count: int = Field(ge=1, le=100_000)
    over: Duration = NO_TIME
    """How long it takes; 0s: all at once."""
    direction: Literal["in", "out"] = "in"
    role: Role | None = None
    gate: Text | None = None


def crowd_passes(place: Place, gathering: str, at: datetime, crowd: Crowd) -> Iterator[Utterance]:
    """Yield what a counter says while a crowd passes it, from `at` on."""
    kind = "attendance.entered" if crowd.direction == "in" else "attendance.left"
    if not crowd.over:
        yield place.say(at, kind, gathering, count=crowd.count, role=crowd.role, gate=crowd.gate)
        return
    chance = place.chance("crowd", gathering, crowd.gate, crowd.direction, crowd.role, at)
    groups = _groups(crowd.count, chance)
    for moment, group in zip(rush(chance, len(groups), at, at + crowd.over), groups, strict=True):
        yield place.say(moment, kind, gathering, count=group, role=crowd.role, gate=crowd.gate)


def _groups(count: int, chance: Random) -> list[int]:
    groups: list[int] = []
    while count > 0:
        groups.append(min(count, chance.choice((1, 1, 2, 2, 3, 4))))
        count -= groups[-1]
    return groups


def rush(chance: Random, count: int, start: datetime, end: datetime) -> list[datetime]:
    """Return `count` moments in [start, end], bell-shaped and in order, no two the same."""
    length = (end - start).total_seconds()
    drawn = sorted(min(1.0, max(0.0, chance.gauss(0.5, 0.18))) * length for _ in range(count))
    # A contact or counter cannot speak twice in the same millisecond.
    return [start + timedelta(seconds=seconds, milliseconds=place) for place, seconds in enumerate(drawn)]
