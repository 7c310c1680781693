"""The lines of a scenario's script: when, who, and what they do. One class for each thing that can happen.

`say` says exactly what a device's own topic carries, so every kind of message can be played without a word more
here; the other verbs are short for a whole little story (a door that opens and closes, a visit, a crowd).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec.structs import replace
from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from core.calendar import Strict, resolve_local
from core.campus import Campus, Duration, Id, nearest, read_duration, write_duration
from core.errors import Problem
from core.messages import Heard
from core.wire import Envelope, Refused, readings
from simulators.sensors import Crowd, Opening, Place, VisitPlan, crowd_passes, door_opens, visits
from simulators.utterance import NO_TIME, Utterance, merge

LOBBY: Final = "lobby"
FAMILIES: Final = {
    "door": "door",
    "station": "visitor",
    "gathering": "attendance",
    "device": "device",
    "campus": "campus",
}
"""The family of topics on which each subject speaks."""
TABLES: Final = {"door": "doors_by_id", "gathering": "gatherings_by_id", "device": "devices_by_id"}
VERBS: Final = {
    "opens": ("door",),
    "say": tuple(FAMILIES),
    "visit": ("station",),
    "crowd": ("gathering",),
    "send": (),
}
"""Every verb, and the subjects it may have."""


def read_mark(value: Any) -> timedelta | time:
    """Return what `90s` (after the start) or `07:45` (on the campus's clock) means; ValueError where it is neither."""
    if isinstance(value, time | timedelta):
        return value
    if isinstance(value, str) and ":" in value:
        try:
            return time.fromisoformat(value)
        except ValueError:
            raise ValueError('not a time of day; write it like "07:45"') from None
    return read_duration(value)


def write_mark(value: timedelta | time) -> str:
    """Return a mark as it is written in a file."""
    return value.isoformat() if isinstance(value, time) else write_duration(value)


Mark = Annotated[
    timedelta | time,
    BeforeValidator(read_mark),
    PlainSerializer(write_mark),
    WithJsonSchema({"type": "string", "examples": ["90s", "07:45"]}),
]
"""A moment of a scenario: so long after its start, or a time of day on the campus's clock."""


def instant(mark: timedelta | time, start: datetime, campus: Campus) -> datetime:
    """Return the instant a mark means in a scenario that starts at `start`."""
    if isinstance(mark, timedelta):
        return start + mark
    day = campus.local_calendar.local(start).date()
    return resolve_local(datetime.combine(day, mark), campus.zone_info)


class Send(Strict):
    """Bytes as they are, on any topic: what another maker's device says, or what nobody should."""

    topic: str = Field(min_length=1, max_length=1000)
    """`{prefix}` stands for the first levels of our own topics."""
    payload: Any = ""
    """Text is sent as it stands, anything else as JSON."""
    hex: Annotated[str, Field(pattern=r"^([0-9a-fA-F]{2})*$")] | None = None
    """The bytes themselves, in hexadecimal, where they are no text."""
    retain: bool = False
    qos: Literal[0, 1, 2] = 1


class Entry(Strict):
    """One line of a script: a moment, a subject and one verb."""

    at: Mark
    every: Duration | None = None
    times: int = Field(default=1, ge=1, le=10_000)
    """How often it happens, `every` so often."""
    delay: Duration = NO_TIME
    """So much later it is sent than it happened."""
    door: Id | None = None
    station: Id | None = None
    gathering: Id | None = None
    device: Id | None = None
    campus: Literal["state", "sweep"] | None = None
    opens: Opening | None = None
    visit: VisitPlan | None = None
    crowd: Crowd | None = None
    say: dict[str, Any] | None = None
    send: Send | None = None

    @model_validator(mode="after")
    def _one_verb_and_its_subject(self) -> Entry:
        said = [verb for verb in VERBS if getattr(self, verb) is not None]
        if len(said) != 1:
            raise ValueError(
                f"one of {', '.join(VERBS)} is required{'' if not said else ', not ' + ' and '.join(said)}"
            )
        subjects = [name for name in FAMILIES if getattr(self, name) is not None]
        wanted = VERBS[said[0]]
        if any(name not in wanted for name in subjects) or len(subjects) > 1:
            raise ValueError(f"{said[0]}: the subject must be {' or '.join(wanted) or 'left out'}")
        if not subjects and wanted and said[0] != "visit":
            raise ValueError(f"{said[0]}: {' or '.join(wanted)} is required")
        if self.times > 1 and self.every is None:
            raise ValueError("every: is required where times is more than 1")
        return self

    def utter(self, place: Place, start: datetime, campus: Campus, *, lap: int = 0) -> Iterator[Utterance]:
        """Return what is said because of this line; `lap` counts how often a loop has come round."""
        first = instant(self.at, start, campus)
        repeats = range(self.times)
        said = merge(*(self._once(place, first + n * (self.every or NO_TIME), _suffix(lap, n)) for n in repeats))
        return (replace(each, delay=self.delay) for each in said) if self.delay else said

    def _once(self, place: Place, at: datetime, suffix: str) -> Iterator[Utterance]:
        if self.opens and self.door:
            return door_opens(place, self.door, at, self.opens)
        if self.visit:
            plan = self.visit.model_copy(update={"id": self.visit.id + suffix})
            return visits(place, self.station or LOBBY, at, plan)
        if self.crowd and self.gathering:
            return crowd_passes(place, self.gathering, at, self.crowd)
        if self.send:
            return iter([_raw(self.send, place, at)])
        family, name = self._spoken_by()
        return iter([_said(place.utter(at, f"{family}/{name}", self.say or {}))])

    def _spoken_by(self) -> tuple[str, str]:
        return next((family, name) for field, family in FAMILIES.items() if (name := getattr(self, field)))

    def problems(self, campus: Campus, start: datetime) -> Iterator[Problem]:
        """Yield what does not fit the campus: an unknown subject, a payload that the service would refuse."""
        for field, table in TABLES.items():
            name, known = getattr(self, field), getattr(campus, table)
            if name is not None and name not in known:
                yield Problem(f"no {field} {name!r}{nearest(name, list(known))}", where=field)
                return
        if self.say is not None:
            family, name = self._spoken_by()
            heard = Heard(f"{family}/{name}", msgspec.json.encode(self.say))
            try:
                readings(family, name, self.say, heard, Envelope(campus.id, heard.topic, start, NO_TIME), campus)
            except Refused as refused:
                yield Problem(refused.reason.removeprefix("invalid_field: "), where="say")


def _suffix(*counts: int) -> str:
    return "".join(f"-{count + 1}" for count in counts if count)


def _said(utterance: Utterance) -> Utterance:
    # A time that the script gives stands as it is written: so a clock can be as wrong as one likes.
    return replace(utterance, clock_error=None) if "at" in utterance.payload else utterance


def _raw(send: Send, place: Place, at: datetime) -> Utterance:
    topic = send.topic.replace("{prefix}", place.prefix)
    payload = bytes.fromhex(send.hex) if send.hex is not None else send.payload
    own = topic.startswith(f"{place.prefix}/")
    return Utterance(at=at, topic=topic, payload=payload, retain=send.retain, qos=send.qos, clock_error=None, own=own)
