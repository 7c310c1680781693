"""The examples inside a mapping, run through the mapping as the service runs it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from core.campus import Campus
from core.errors import Problem
from core.messages import DeviceClockAdjusted, Heard, Message
from core.wire import TOPIC_FIELD, Refused
from ingest.mapping import document as doc
from ingest.mapping.binding import WIRING_MARK, Sources, messages_of
from ingest.mapping.elements import Element
from ingest.mapping.files import Mapping, located

EXAMPLE_KEY: Final = b"the key of the examples"
"""What pseudonyms in examples are made with."""
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_CAMPUS = {"id": "example", "name": "Example", "timezone": "UTC"}


def run_examples(mapping: Mapping) -> list[Problem]:
    """Return one problem for every example of a mapping that does not give what it says."""
    found: list[Problem] = []
    for index, example in enumerate(mapping.document.examples):
        given = _run(mapping, example)
        if (message := _difference(example, given)) is not None:
            found.append(located(mapping.origin, Problem(message, f"examples[{index}]")))
    return found


def payload_of(example: doc.Example) -> bytes:
    """Return the payload of an example as it is sent."""
    if isinstance(example.payload, str):
        return example.payload.encode()
    return msgspec.json.encode(example.payload)


def _difference(example: doc.Example, given: list[dict[str, Any]] | str) -> str | None:
    if isinstance(given, str):
        if example.refused is not None and given.startswith(example.refused):
            return None
        return f"is refused: {given}"
    if example.refused is not None:
        return f"gives {_show(given)}; it says that it is refused: {example.refused}"
    wanted = list(example.gives)
    if len(given) == len(wanted) and all(_same(one, other) for one, other in zip(given, wanted, strict=True)):
        return None
    return f"gives {_show(given)}; it says {_show(wanted)}"


def _same(given: dict[str, Any], wanted: dict[str, Any]) -> bool:
    loose = {name for name in ("source", "at", "id", "initial", "seq") if name not in wanted}
    return {name: value for name, value in given.items() if name not in loose} == wanted


def _show(given: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(given).decode()


def _run(mapping: Mapping, example: doc.Example) -> list[dict[str, Any]] | str:
    payload = payload_of(example)
    heard = Heard(example.topic, payload, retained=example.retained)
    taken = mapping.match(example.topic)
    if taken is None:
        return "unknown_topic: the topic does not fit"
    if mapping.is_silent:
        return []
    now = _NOW if example.received is None else example.received.astimezone(UTC)
    try:
        root = mapping.payload(payload)
        if not mapping.fits(root):
            return "unfit: the payload does not hold what `match` asks for"
        mapping.clean(root, EXAMPLE_KEY)
        return [each for found in mapping.elements(root, taken) for each in _read(mapping, found, example, heard, now)]
    except Refused as refused:
        return refused.reason


def _read(
    mapping: Mapping, element: Element, example: doc.Example, heard: Heard, now: datetime
) -> Iterator[dict[str, Any]]:
    if element.source is None:
        raise Refused("invalid_field: the device does not say its name")
    assert mapping.read is not None
    for bound in Sources([_campus_of(mapping, element.source, example.wiring)]).find(element.source, mapping):
        told = mapping.read(element, bound.wiring, bound.campus.zone_info, now)
        for message in messages_of(mapping, element, bound, heard, now, timedelta(seconds=1)):
            if message.kind == DeviceClockAdjusted.kind:
                # A sample is of its own time: that says nothing about a clock.
                continue
            yield _plain(message, element.source, told.at.isoformat() if told.at else None, told.id)


def _campus_of(mapping: Mapping, source: str, wiring: str | None) -> Campus:
    name = source + (f"{WIRING_MARK}{wiring}" if wiring else "")
    thing: dict[str, Any] = {"id": "x", "name": "x", "source": name}
    if mapping.family == "attendance":
        thing |= {"start": "2026-01-01T00:00Z", "end": "2026-01-02T00:00Z"}
    part = "gatherings" if mapping.family == "attendance" else "doors"
    return Campus.model_validate({"campus": _CAMPUS, part: [thing]})


def _plain(message: Message, source: str, at: str | None, key: str | None) -> dict[str, Any]:
    names = {*TOPIC_FIELD.values(), "device"}
    body = {name: value for name, value in message.body().items() if name not in names and name not in _own(message)}
    known = {"source": source, "at": at, "id": key, "initial": message.initial, "seq": message.seq}
    return {"kind": message.kind} | body | known


def _own(message: Message) -> set[str]:
    # What the kind already says (`position` of door.opened, `kind` of a heartbeat) is not said twice.
    return {on.name for on in message.heard_as[:1]}
