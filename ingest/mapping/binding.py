"""From a device's foreign name to the door, device or gathering of the campus whose file names it as a source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from core.campus import Campus
from core.messages import Heard, Message
from core.wire import Envelope, Refused, build, stamp
from ingest.mapping.files import Mapping

WIRING_MARK: Final = "?"
"""What stands in a source between the name and the way the contact is wired."""


@dataclass(frozen=True)
class Bound:
    """A thing of a campus that a foreign device speaks for."""

    campus: Campus
    entity: str
    id: str
    source: str
    wiring: str | None = None

    def names(self, family: str) -> dict[str, Any]:
        """Return the fields that name the thing in messages of a family; Refused if it has no part in them."""
        if self.entity == "gathering":
            found = {"gathering": self.id} if family == "attendance" else None
        else:
            found = self._names_of_sensor(family)
        if found is None:
            raise Refused(f"unknown_entity: {self.source!r} is a {self.entity}, and this is news of {_NEWS[family]}")
        return found

    def _names_of_sensor(self, family: str) -> dict[str, Any] | None:
        device = self.campus.device_of_door.get(self.id) if self.entity == "door" else self.id
        if family == "door":
            door = self.id if self.entity == "door" else self.campus.devices_by_id[self.id].door
            return {"door": door, "device": device} if door else None
        if family == "device":
            return {"device": device} if device else None
        return {"station": device or self.id} if family == "visitor" else None


_NEWS: Final = {"door": "a door", "device": "a device", "visitor": "visitors", "attendance": "a gathering"}


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

    def find(self, source: str, mapping: Mapping) -> list[Bound]:
        """Return what a source of a mapping stands for, on whatever campus; Refused if it does not say its wiring."""
        if mapping.document.below:
            return self._below.get(source, [])
        found = self._exact.get(source, [])
        wirings = mapping.document.value.wiring
        fitting = [each for each in found if (each.wiring in wirings if wirings else each.wiring is None)]
        if found and not fitting and wirings:
            ways = " or ".join(f"{source}{WIRING_MARK}{wiring}" for wiring in wirings)
            raise Refused(f"unknown_entity: how {source!r} is wired is not said; write its source as {ways}")
        return fitting


def messages_of(
    mapping: Mapping, element: Any, root: Any, bound: Bound, heard: Heard, now: datetime, lateness: timedelta
) -> list[Message]:
    """Return the messages in one element of a payload; Refused names the field that is wrong."""
    assert mapping.read is not None
    reading = mapping.read(element, root, bound.wiring, bound.campus.zone_info)
    said = {"id": reading.id} if reading.id else {}
    source = bound.source
    shared = stamp(said, reading.at, heard, Envelope(bound.campus.id, source, now, lateness))
    return build(reading.family, bound.names(reading.family) | reading.fields, shared, bound.campus)
