"""The campus as the school describes it: zones, doors, devices, people, shifts, gatherings (the campus file)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from core.calendar import WEEKDAYS, Calendar, LocalCalendar, Stretch, Stretches, Strict, Weekday, resolve_local
from core.errors import Problem
from core.facts import CampusState

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]
Text = Annotated[str, StringConstraints(max_length=300)]
PersonRole = Literal["sro", "admin", "principal", "office", "event_supervisor", "maintenance"]
Via = Literal["push", "sms", "email", "call"]
DoorClass = Literal["main", "monitored", "exit_only", "interior"]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_FIELD = re.compile(r"[a-z_]+(?:\.[\w-]+|\[\d+\])+")
_UNIT = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def read_duration(value: Any) -> timedelta:
    """Return the duration that `90s`, `1h30m` or a timedelta means; ValueError where it is none."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and value and _DURATION.sub("", value) == "":
        try:
            return timedelta(seconds=sum(float(n) * _UNIT[unit] for n, unit in _DURATION.findall(value)))
        except OverflowError:
            raise ValueError("longer than any duration can be") from None
    raise ValueError("not a duration; write it like 90s, 10m, 2h or 1d")


def write_duration(value: timedelta) -> str:
    """Return a duration as people write it: `1m30s`, `1h30m`, `0s`; to the microsecond."""
    left, parts = value.total_seconds(), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        count, left = divmod(left, size)
        parts += [f"{int(count)}{unit}"] if count else []
    parts += [f"{left:.6f}".rstrip("0").rstrip(".") + "s"] if round(left, 6) else []
    return "".join(parts) or "0s"


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone {name!r}; write it like America/Chicago") from None
    return name


def _read_moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError('not a moment; write it like "2026-12-04T18:00"') from None


Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    PlainSerializer(write_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["90s", "10m", "2h"]}),
]
Moment = Annotated[datetime, BeforeValidator(_read_moment), PlainSerializer(lambda at: at.isoformat())]
"""With an offset an instant, without one the campus's own wall clock (see `Campus.instant`)."""


class CampusInfo(Strict):
    """The campus itself."""

    id: Id
    name: Text
    timezone: Annotated[str, AfterValidator(_known_zone)]
    state: CampusState = "normal"


class Zone(Strict):
    """A room, a wing, a field: a place people can be in."""

    id: Id
    name: Text
    kind: Text = ""
    load: int | None = Field(default=None, ge=0)
    """The posted occupant load."""
    escort_required: bool = False
    adjoining: tuple[Id, ...] = ()
    tags: tuple[str, ...] = ()


class Door(Strict):
    """A door, named as staff say it and numbered as it is on the wall."""

    id: Id
    name: Text
    number: str = ""
    zone: Id | None = None
    exterior: bool = False
    door_class: DoorClass = Field(default="interior", alias="class")
    has_rex: bool = False
    """It has a request-to-exit sensor."""
    has_lock_sensor: bool = False
    monitored: bool = True
    """It has a sensor that speaks to us."""
    source: str | None = None
    """The name under which another maker's device speaks for it (`zigbee2mqtt/Gym East`)."""
    tags: tuple[str, ...] = ()
    x: float | None = None
    y: float | None = None


class Device(Strict):
    """A sensor, counter or station."""

    id: Id
    door: Id | None = None
    kind: Text = "door"
    heartbeat: Duration | None = None
    """How often it speaks when nothing happens; None: it never does."""
    source: str | None = None
    tags: tuple[str, ...] = ()


class Endpoint(Strict):
    """One way to reach a person: one Apprise URL."""

    id: Id
    url: str = Field(min_length=1, max_length=2000)
    via: Via = "push"


class Person(Strict):
    """Somebody who can be told."""

    id: Id
    name: Text
    role: PersonRole
    endpoints: tuple[Endpoint, ...] = ()
    phone: str | None = None
    """For a person to call; we never dial it."""


class Shift(Strict):
    """When a person is on duty; `cover` stands in during `breaks`."""

    person: Id
    days: tuple[Weekday, ...] = WEEKDAYS
    at: Stretch
    breaks: Stretches = ()
    cover: Id | None = None


class Override(Strict):
    """For once: between two moments `person` is not on duty, or `cover` is, in their place or beside others."""

    person: Id | None = None
    cover: Id | None = None
    start: Moment
    end: Moment
    reason: Text = ""

    @model_validator(mode="after")
    def _says_something(self) -> Override:
        if self.person is None and self.cover is None:
            raise ValueError("name who is not on duty (person), who is instead (cover), or both")
        return self


class Gathering(Strict):
    """A game, a dance, a concert: many people, one room, for a while."""

    id: Id
    name: Text
    zone: Id | None = None
    start: Moment
    end: Moment
    setup: Duration = timedelta(minutes=30)
    teardown: Duration = timedelta(minutes=30)
    expected: int | None = Field(default=None, ge=0)
    load: int | None = Field(default=None, ge=0)
    """Its own occupant load; None: that of the zone."""
    doors: tuple[Id, ...] = ()
    supervisor: Id | None = None
    re_entry: bool = True
    roles: dict[str, int] = {}
    source: str | None = None
    tags: tuple[str, ...] = ()


class WatchEntry(Strict):
    """Somebody who must not come in, or not take a student. An instruction, never a criminal record."""

    id: Id
    kind: Literal["trespass", "restraining_order", "banned", "custody", "offender"]
    name: Text
    aliases: tuple[Text, ...] = ()
    instruction: str = ""
    expires: date | None = None


class Campus(Strict):
    """Everything a campus file says, with the look-ups that the rooms need."""

    campus: CampusInfo
    calendar: Calendar = Calendar()
    zones: tuple[Zone, ...] = ()
    doors: tuple[Door, ...] = ()
    devices: tuple[Device, ...] = ()
    people: tuple[Person, ...] = ()
    shifts: tuple[Shift, ...] = ()
    on_call: tuple[Id, ...] = ()
    overrides: tuple[Override, ...] = ()
    gatherings: tuple[Gathering, ...] = ()
    watch_list: tuple[WatchEntry, ...] = ()
    policies: tuple[dict[str, Any], ...] = ()
    """Read by `alerts.policies`; kept here as written."""

    @property
    def id(self) -> str:
        """The id of the campus."""
        return self.campus.id

    @cached_property
    def zone_info(self) -> ZoneInfo:
        """The campus's time zone."""
        return ZoneInfo(self.campus.timezone)

    @cached_property
    def local_calendar(self) -> LocalCalendar:
        """The calendar in the campus's zone."""
        return LocalCalendar(self.calendar, self.zone_info)

    @cached_property
    def zones_by_id(self) -> dict[str, Zone]:
        """Zones by id."""
        return {zone.id: zone for zone in self.zones}

    @cached_property
    def doors_by_id(self) -> dict[str, Door]:
        """Doors by id."""
        return {door.id: door for door in self.doors}

    @cached_property
    def devices_by_id(self) -> dict[str, Device]:
        """Devices by id; a door for which none is listed has one of the door's own id."""
        listed = {device.id: device for device in self.devices}
        served = {device.door for device in self.devices if device.kind == "door"}
        implied = {
            door.id: Device(id=door.id, door=door.id, kind="door", source=door.source)
            for door in self.doors
            if door.id not in served and door.id not in listed and door.monitored
        }
        return listed | implied

    @cached_property
    def device_of_door(self) -> dict[str, str]:
        """The device that speaks for each door."""
        found: dict[str, str] = {}
        for device in self.devices_by_id.values():
            if device.door and (device.kind == "door" or device.door not in found):
                found[device.door] = device.id
        return found

    @cached_property
    def people_by_id(self) -> dict[str, Person]:
        """People by id."""
        return {person.id: person for person in self.people}

    @cached_property
    def gatherings_by_id(self) -> dict[str, Gathering]:
        """Gatherings by id."""
        return {gathering.id: gathering for gathering in self.gatherings}

    @cached_property
    def by_source(self) -> dict[str, tuple[str, str]]:
        """What each foreign source name stands for: (door, device or gathering; id)."""
        found: dict[str, tuple[str, str]] = {}
        for entity, things in (("gathering", self.gatherings), ("device", self.devices), ("door", self.doors)):
            found.update({thing.source: (entity, thing.id) for thing in things if thing.source})
        return found

    def instant(self, moment: datetime) -> datetime:
        """Return the UTC instant of a moment of this file; one without an offset is campus time."""
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        return resolve_local(moment, self.zone_info)

    @cached_property
    def gathering_spans(self) -> dict[str, tuple[datetime, datetime]]:
        """From the start of each gathering's setup to the end of its teardown, in UTC."""
        return {
            each.id: (self.instant(each.start) - each.setup, self.instant(each.end) + each.teardown)
            for each in self.gatherings
        }

    @cached_property
    def gatherings_of_door(self) -> dict[str, tuple[str, ...]]:
        """The gatherings that use each door."""
        found: dict[str, list[str]] = {}
        for gathering in self.gatherings:
            for door in gathering.doors:
                found.setdefault(door, []).append(gathering.id)
        return {door: tuple(ids) for door, ids in found.items()}

    @cached_property
    def exterior_doors(self) -> frozenset[str]:
        """The ids of the exterior doors."""
        return frozenset(door.id for door in self.doors if door.exterior)

    @cached_property
    def windowed_doors(self) -> frozenset[str]:
        """The doors that may stand open at any time: a window of some day names them, or a gathering uses them."""
        windows = (window for kind in self.calendar.day_types.values() for window in kind.windows)
        return frozenset(door for window in windows for door in window.doors) | self.gatherings_of_door.keys()

    @cached_property
    def _doors_in_window(self) -> _DoorsInWindow:
        return _DoorsInWindow(self)

    def doors_in_window(self, at: datetime) -> frozenset[str]:
        """Return the doors that may stand open at an instant: a window names them, or a gathering uses them."""
        return self._doors_in_window.at(at)

    def door_in_window(self, door: str, at: datetime) -> bool:
        """Return whether a door may stand open at an instant."""
        return door in self.windowed_doors and door in self.doors_in_window(at)

    def next_boundary(self, at: datetime) -> datetime:
        """Return the first instant after `at` at which a calendar, a window or a gathering begins or ends."""
        found = self.local_calendar.next_boundary(at)
        edges = [edge for span in self.gathering_spans.values() for edge in span]
        for each in self.gatherings:
            edges += [self.instant(each.start), self.instant(each.end)]
        return min((edge for edge in edges if at < edge < found), default=found)

    def overrides_at(self, at: datetime) -> tuple[Override, ...]:
        """Return the overrides of the shifts that hold at an instant."""
        return tuple(each for each in self.overrides if self.instant(each.start) <= at < self.instant(each.end))

    def is_staffed(self, at: datetime) -> bool:
        """Return whether somebody responsible is on site."""
        return self.local_calendar.is_in("staffed", at)

    @model_validator(mode="after")
    def _references_hold(self) -> Campus:
        problems = list(self._broken_references())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _broken_references(self) -> Iterator[str]:
        for name in ("zones", "doors", "devices", "people", "gatherings", "watch_list"):
            seen: dict[str, int] = {}
            for index, thing in enumerate(getattr(self, name)):
                if thing.id in seen:
                    yield f"{name}[{index}].id: {thing.id!r} is already {name}[{seen[thing.id]}]"
                seen[thing.id] = index
        yield from self._taken_twice()
        zones, doors, people = set(self.zones_by_id), set(self.doors_by_id), set(self.people_by_id)
        for place, value, known, noun in self._references(zones, doors, people):
            if value is not None and value not in known:
                yield f"{place}: no {noun} {value!r}{nearest(value, known)}"
        for index, override in enumerate(self.overrides):
            if self.instant(override.end) <= self.instant(override.start):
                yield f"overrides[{index}].end: ends before it starts"
        for index, gathering in enumerate(self.gatherings):
            if self.instant(gathering.end) <= self.instant(gathering.start):
                yield f"gatherings[{index}].end: ends before it starts"

    def _taken_twice(self) -> Iterator[str]:
        endpoints = [
            (f"people[{i}].endpoints[{j}].id", endpoint.id)
            for i, person in enumerate(self.people)
            for j, endpoint in enumerate(person.endpoints)
        ]
        sources = [
            [(f"{name}[{i}].source", thing.source) for i, thing in enumerate(getattr(self, name)) if thing.source]
            for name in ("doors", "devices", "gatherings")
        ]
        for things in (endpoints, *sources):
            seen: dict[str, str] = {}
            for place, value in things:
                if value in seen:
                    yield f"{place}: {value!r} is already {seen[value]}"
                seen.setdefault(value, place)

    def _references(
        self, zones: set[str], doors: set[str], people: set[str]
    ) -> Iterator[tuple[str, str | None, set[str], str]]:
        for i, zone in enumerate(self.zones):
            yield from ((f"zones[{i}].adjoining", each, zones, "zone") for each in zone.adjoining)
        for i, door in enumerate(self.doors):
            yield f"doors[{i}].zone", door.zone, zones, "zone"
        for i, device in enumerate(self.devices):
            yield f"devices[{i}].door", device.door, doors, "door"
        for i, shift in enumerate(self.shifts):
            yield f"shifts[{i}].person", shift.person, people, "person"
            yield f"shifts[{i}].cover", shift.cover, people, "person"
        for i, override in enumerate(self.overrides):
            yield f"overrides[{i}].person", override.person, people, "person"
            yield f"overrides[{i}].cover", override.cover, people, "person"
        yield from ((f"on_call[{i}]", each, people, "person") for i, each in enumerate(self.on_call))
        for i, gathering in enumerate(self.gatherings):
            yield f"gatherings[{i}].zone", gathering.zone, zones, "zone"
            yield f"gatherings[{i}].supervisor", gathering.supervisor, people, "person"
            yield from ((f"gatherings[{i}].doors", each, doors, "door") for each in gathering.doors)
        for name, kind in self.calendar.day_types.items():
            for j, window in enumerate(kind.windows):
                place = f"calendar.day_types.{name}.windows[{j}]"
                yield from ((f"{place}.doors", each, doors, "door") for each in window.doors)
                yield f"{place}.monitor", window.monitor, people, "person"


class _DoorsInWindow:
    """The doors that may stand open. It remembers its last answer, which is good until the next boundary."""

    def __init__(self, campus: Campus) -> None:
        self._campus = campus
        self._last: tuple[datetime, datetime, frozenset[str]] | None = None

    def at(self, at: datetime) -> frozenset[str]:
        last = self._last
        if last is None or not last[0] <= at < last[1]:
            last = self._last = (at, self._campus.next_boundary(at), frozenset(self._doors(at)))
        return last[2]

    def _doors(self, at: datetime) -> Iterator[str]:
        for window in self._campus.local_calendar.open_windows(at):
            yield from window.doors
        for gathering in self._campus.gatherings:
            start, end = self._campus.gathering_spans[gathering.id]
            if start <= at < end:
                yield from gathering.doors


def nearest(word: str, known: set[str] | frozenset[str] | list[str]) -> str:
    """Return `; did you mean 'x'?` for a word that resembles a known one, else the choices if they are few."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there are {', '.join(sorted(known))}" if 0 < len(known) <= 12 else ""


def problems_of(error: ValidationError, *, file: str = "") -> list[Problem]:
    """Return what pydantic found wrong, one problem each, in our words."""
    found: list[Problem] = []
    for each in error.errors(include_url=False):
        steps = [step for step in each["loc"] if step != "[key]"]
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
        message = each["msg"].removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            message = "no such key"
        elif each["type"] == "missing":
            message = "is required"
        for line in message.split("\n"):
            # A cross-reference names its own field, seen from where it is checked.
            inner, _, text = line.partition(": ")
            if each["type"] == "value_error" and text and (not place or _FIELD.fullmatch(inner)):
                found.append(Problem(text, where=f"{place}.{inner}".lstrip("."), file=file))
            else:
                found.append(Problem(line, where=place, file=file))
    return found
