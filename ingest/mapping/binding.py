"""From a device's foreign name to the door, device or gathering of the campus whose file names it as a source."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from core.campus import Campus
from core.messages import Heard, Message
from core.wire import Envelope, Refused, build, stamp
from ingest.mapping import files
from ingest.mapping.elements import Element
from ingest.mapping.reading import LEVELS, Reading

WIRING_MARK: Final = "?"
"""What stands in a source between the name and the way the contact is wired."""
_NEWS: Final = {"door": "a door", "device": "a device", "visitor": "visitors", "attendance": "a gathering"}
_REMEMBERED: Final = 256
"""Different things that a state may say, and are built once."""


class Bound:
    """A thing of a campus that a foreign device speaks for."""

    def __init__(self, campus: Campus, entity: str, key: str, source: str, wiring: str | None = None) -> None:
        self.campus = campus
        self.entity = entity
        self.id = key
        self.source = source
        self.wiring = wiring
        self._names = {family: self._named(family) for family in _NEWS}
        self._built: dict[Any, list[Message]] = {}

    def names(self, family: str) -> dict[str, Any]:
        """Return the fields that name the thing in messages of a family; Refused if it has no part in them."""
        found = self._names[family]
        if found is None:
            raise Refused(f"unknown_entity: {self.source!r} is a {self.entity}, and this is news of {_NEWS[family]}")
        return found

    @property
    def device(self) -> dict[str, Any] | None:
        """The field that names the device, if there is one."""
        return self._names["device"]

    def gatherings(self, at: datetime) -> list[str]:
        """Return the gatherings whose heads it counts at an instant; a counter at a door counts what uses the door."""
        if self.entity == "gathering":
            return [self.id]
        door = self._door()
        if door is None:
            raise Refused(f"unknown_entity: {self.source!r} counts heads, and the campus file gives it no door")
        spans = self.campus.gathering_spans
        using = self.campus.gatherings_of_door.get(door, ())
        return [each for each in using if spans[each][0] <= at < spans[each][1]]

    def build(self, family: str, fields: dict[str, Any], shared: dict[str, Any], *, level: bool) -> list[Message]:
        """Return one message for every reading that `fields` hold. `level`: few different things can be said."""
        if not level:
            return build(family, self.names(family) | fields, shared, self.campus)
        said = (family, *[(name, value.__class__, value) for name, value in fields.items()])
        try:
            return [replace(each, **shared) for each in self._built[said]]
        except KeyError:
            built = build(family, self.names(family) | fields, shared, self.campus)
        except TypeError:  # a list or an object, where a word is meant
            return build(family, self.names(family) | fields, shared, self.campus)
        if len(self._built) >= _REMEMBERED:
            self._built.clear()
        self._built[said] = built
        return list(built)

    def _door(self) -> str | None:
        return self.id if self.entity == "door" else self.campus.devices_by_id[self.id].door

    def _named(self, family: str) -> dict[str, Any] | None:
        if self.entity == "gathering":
            return {"gathering": self.id} if family == "attendance" else None
        device = self.campus.device_of_door.get(self.id) if self.entity == "door" else self.id
        if family == "door":
            door = self._door()
            return {"door": door, "device": device} if door else None
        if family == "device":
            return {"device": device} if device else None
        return {"station": device or self.id} if family == "visitor" else None


class Sources:
    """Every source that the campus files name."""

    def __init__(self, campuses: Iterable[Campus]) -> None:
        self._exact: dict[str, list[Bound]] = {}
        self._below: dict[str, list[Bound]] = {}
        for campus in campuses:
            for source, (entity, key) in campus.by_source.items():
                self._add(Bound(campus, entity, key, source))

    def _add(self, bound: Bound) -> None:
        self._exact.setdefault(bound.source, []).append(bound)
        name, mark, wiring = bound.source.rpartition(WIRING_MARK)
        if mark:
            wired = Bound(bound.campus, bound.entity, bound.id, name, wiring)
            self._exact.setdefault(name, []).append(wired)
        levels = (name if mark else bound.source).split("/")
        for depth in range(1, len(levels) + 1):
            self._below.setdefault("/".join(levels[:depth]), []).append(bound)

    def below(self, name: str) -> list[Bound]:
        """Return what every source stands for that is, or lies below, a name."""
        return self._below.get(name, [])

    def find(self, source: str, mapping: files.Mapping) -> list[Bound]:
        """Return what a source of a mapping stands for, on whatever campus; Refused if it does not say its wiring."""
        if mapping.document.below:
            return self.below(source)
        found = self._exact.get(source, [])
        wirings = mapping.wirings
        fitting = [each for each in found if (each.wiring in wirings if wirings else each.wiring is None)]
        if found and not fitting and wirings:
            ways = " or ".join(f"{source}{WIRING_MARK}{wiring}" for wiring in wirings if wiring)
            raise Refused(f"unknown_entity: how {source!r} is wired is not said; write its source as {ways}")
        return fitting


def messages_of(
    mapping: files.Mapping, element: Element, bound: Bound, heard: Heard, now: datetime, lateness: timedelta
) -> list[Message]:
    """Return the messages in one element of a payload; Refused names the field that is wrong."""
    assert mapping.read is not None
    reading = mapping.read(element, bound.wiring, bound.campus.zone_info, now)
    said: dict[str, Any] = {"seq": reading.seq}
    if reading.id:
        said["id"] = reading.id
    if reading.is_history:
        said["initial"] = True
    shared = stamp(said, reading.at, heard, Envelope(bound.campus.id, bound.source, now, lateness))
    shared["seq"] = reading.seq
    if reading.family == "attendance":
        return _heads(reading, bound, shared)
    if bound.device is None and (reading.is_aside or mapping.document.below):
        return []
    level = reading.is_aside or mapping.document.emit in LEVELS
    if mapping.document.value.anew and not reading.is_aside:
        # What is told to open was closed; said as state, that it is none but this opening is news.
        before = bound.build(reading.family, {"position": "closed"}, shared | {"initial": True}, level=True)
        return before + bound.build(reading.family, reading.said[0], shared, level=True)
    if len(reading.said) == 1:
        return bound.build(reading.family, reading.said[0], shared, level=level)
    return [each for fields in reading.said for each in bound.build(reading.family, fields, shared, level=level)]


def _heads(reading: Reading, bound: Bound, shared: dict[str, Any]) -> list[Message]:
    found: list[Message] = []
    for gathering in bound.gatherings(shared["at"]):
        for fields in reading.said:
            found += build("attendance", {"gathering": gathering} | fields, shared, bound.campus)
    if bound.device is not None:
        found += bound.build("device", {"kind": "heartbeat"}, shared, level=True)
    return found


def alive(bound: Bound, heard: Heard, now: datetime, lateness: timedelta, *, online: bool) -> list[Message]:
    """Return the word that a device is online or offline, said by its gateway."""
    if bound.device is None:
        return []
    shared = stamp({}, None, heard, Envelope(bound.campus.id, bound.source, now, lateness)) | {"seq": None}
    return bound.build("device", {"kind": "online" if online else "offline"}, shared, level=True)
