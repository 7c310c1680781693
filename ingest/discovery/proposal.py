"""What a person would have to write so that an announced sensor is heard as a door, tried out before it is said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from core.campus import Campus
from core.documents import Document
from core.errors import BadInput
from core.messages import Heard
from core.wire import Refused
from ingest.decode import Decoder
from ingest.discovery.sensor import KINDS, Sensor
from ingest.mapping import Mapping, read_mappings
from ingest.mapping.binding import WIRING_MARK

_EMIT: Final = {
    "door.opened": ("door.position", "open", "closed"),
    "door.unlocked": ("door.lock", "unlocked", "locked"),
}
_NOT_OF_AN_ID: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A sensor that no campus names yet, with what to write so that one does.

    `source` is the line for the campus file; `mapping` the document that reads the sensor, where none does yet; both
    are empty where `trouble` says why nothing can be proposed.
    """

    sensor: Sensor
    heard_at: datetime
    source: str = ""
    mapping: dict[str, Any] | None = None
    trouble: str = ""


def name_of(source: str) -> str:
    """Return a source without what says how it is wired."""
    return source.rpartition(WIRING_MARK)[0] or source


def propose(sensor: Sensor, heard_at: datetime, mappings: Sequence[Mapping]) -> Proposal:
    """Return what to write so that a sensor is heard: tried out, with what it says when it is on and when it is off."""
    if sensor.path is None:
        return Proposal(sensor, heard_at, trouble="its value_template says more than is read here; map it by hand")
    for mapping in mappings:
        if mapping.match(sensor.state_topic) is not None and (source := _source(sensor, mapping)):
            return Proposal(sensor, heard_at, source=source)
    document = _document(sensor)
    try:
        (made,) = read_mappings([Document(document)])
    except BadInput as error:
        return Proposal(sensor, heard_at, trouble=f"cannot be put into a mapping: {error.problems[0].message}")
    source = _source(sensor, made)
    if source is None:
        return Proposal(sensor, heard_at, trouble="what it says when it is on and off is the same")
    return Proposal(sensor, heard_at, source=source, mapping=document)


def _document(sensor: Sensor) -> dict[str, Any]:
    emit, *words = _EMIT[KINDS[sensor.device_class][0]]
    name = _NOT_OF_AN_ID.sub("-", sensor.unique_id or sensor.state_topic).strip("-.:_")[:80] or "sensor"
    value: dict[str, Any] = {"map": dict(zip((sensor.on, sensor.off), words, strict=True))}
    if sensor.path:
        value["path"] = ".".join(sensor.path)
    return {
        "id": f"found-{name}",
        "title": sensor.name,
        "match": {"topic": sensor.state_topic},
        "decode": "json" if sensor.path else "json_or_text",
        "source": f"found/{name}",
        "emit": emit,
        "value": value,
    }


def _source(sensor: Sensor, mapping: Mapping) -> str | None:
    """Return the source under which a mapping reads the sensor rightly, its wiring included; None if it does not."""
    said = [_payload(sensor, value) for value in (sensor.on, sensor.off)]
    try:
        root = mapping.payload(said[0])
        taken = mapping.match(sensor.state_topic)
        fitting = taken is not None and not mapping.is_silent and mapping.fits(root)
        names = [each.source for each in mapping.elements(root, taken or {}) if each.source] if fitting else []
    except Refused:
        return None
    wirings = [f"{WIRING_MARK}{each}" if each else "" for each in mapping.wirings or (None,)]
    sources = (name + wiring for name in names for wiring in wirings)
    return next((source for source in sources if _reads(mapping, sensor, source, said)), None)


def _reads(mapping: Mapping, sensor: Sensor, source: str, said: list[bytes]) -> bool:
    """Return whether a mapping takes what the sensor says, on and off, for what its class means by it."""
    reader = Decoder([_campus_with(source)], [mapping], prefix="\0", lateness=timedelta(seconds=1))
    heard: list[str] = []
    for payload in said:
        try:
            heard += [message.kind for message in reader.decode(Heard(sensor.state_topic, payload), _NOW)]
        except Refused:
            return False
    return tuple(heard) == KINDS[sensor.device_class]


def _payload(sensor: Sensor, value: str) -> bytes:
    if not sensor.path:
        return value.encode()
    try:
        inner: Any = msgspec.json.decode(value)
    except msgspec.DecodeError:
        inner = value
    for name in reversed(sensor.path):
        inner = {name: inner}
    return msgspec.json.encode(inner)


def _campus_with(source: str) -> Campus:
    info = {"id": "tried", "name": "Tried", "timezone": "UTC"}
    return Campus.model_validate({"campus": info, "doors": [{"id": "door", "name": "Door", "source": source}]})
