"""Topic and payload of our own devices, both directions. Derived from the message kinds; see `core.messages`.

`{prefix}/{campus}/door/{door}` · `…/visitor/{station}` · `…/attendance/{gathering}` · `…/device/{device}` ·
`…/campus/state`. Foreign devices reach the same readings through `ingest.mapping`.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

import msgspec

from core.campus import Campus
from core.messages import ANY, ENVELOPE, KINDS, DeviceClockAdjusted, Heard, Message, On

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
MAX_PAST: Final = timedelta(minutes=10)
MAX_FUTURE: Final = timedelta(seconds=2)
WRONG_PAST: Final = timedelta(days=1)
WRONG_FUTURE: Final = timedelta(minutes=5)
"""A time this far off is no delay on the way, nor a clock that drifts a little: the clock is wrong."""
TOPIC_FIELD: Final = {
    "door": "door",
    "visitor": "station",
    "attendance": "gathering",
    "device": "device",
    "campus": "",
}
"""The field that the last level of the topic fills, by family of topics."""
_WORDS: Final = frozenset(("id", "at", "seq", "boot", "initial", "exercise"))
_INSTANTS: Final = frozenset(("badge_expires", "start", "expected_out"))
_DECODER: Final = msgspec.json.Decoder()
ENTITIES: Final = {"door": "doors_by_id", "device": "devices_by_id", "gathering": "gatherings_by_id"}


class Refused(Exception):
    """This payload cannot be read; `reason` is the word (or `invalid_field: …`) it is quarantined under."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def reason_of(said: str) -> tuple[str, str]:
    """Return the word that a refusal is known by, and what is said beside it; a wrong field belongs to the word."""
    word, _, detail = said.partition(": ")
    return (said, "") if word == "invalid_field" else (word, detail)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all readings of one payload share."""

    campus: str
    source: str
    now: datetime
    lateness: timedelta


def read_json(payload: bytes) -> Any:
    """Return what a JSON payload says; Refused where it is too large, too deep, not UTF-8 or not JSON."""
    if len(payload) > MAX_BYTES:
        raise Refused("too_large")
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("bad_encoding") from None
    try:
        value = _DECODER.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        raise Refused("bad_json") from None
    _check_values(value, MAX_DEPTH)
    return value


def _check_values(value: Any, left: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("bad_json: a number is not finite")
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise Refused(f"bad_json: nested deeper than {MAX_DEPTH}")
    for each in value.values() if isinstance(value, dict) else value:
        _check_values(each, left - 1)


def unwrap(value: Any) -> dict[str, Any]:
    """Return the reading itself: CloudEvents 1.0 in structured mode is opened; Refused if it is no object."""
    if not isinstance(value, dict):
        raise Refused("invalid_field: the payload must be a JSON object")
    if "specversion" not in value:
        return value
    data = value.get("data")
    if not isinstance(data, dict):
        raise Refused("invalid_field: data must be an object (CloudEvents)")
    outer = {"id": value.get("id"), "at": value.get("time")}
    return {name: said for name, said in outer.items() if said is not None} | data


def readings(
    family: str, name: str, said: Mapping[str, Any], heard: Heard, envelope: Envelope, campus: Campus
) -> list[Message]:
    """Return the messages in one payload of our own topics; Refused names the field that is wrong."""
    if family not in TOPIC_FIELD or (family == "campus" and name not in said):
        raise Refused("unknown_topic")
    fields = {key: value for key, value in said.items() if value is not None}
    if TOPIC_FIELD[family]:
        fields[TOPIC_FIELD[family]] = name
    shared = _envelope_fields(fields, heard, envelope)
    if family == "door":
        fields.setdefault("device", campus.device_of_door.get(name))
    return build(family, fields, shared, campus)


def build(family: str, fields: Mapping[str, Any], shared: Mapping[str, Any], campus: Campus) -> list[Message]:
    """Return one message for every reading that `fields` hold; Refused if there is none or a field is wrong."""
    if family == "attendance":
        fields = _counted(fields)
    kinds = _kinds_said(family, fields)
    if not kinds:
        raise Refused(f"invalid_field: {_nothing_said(family)}")
    found: list[Message] = []
    for kind in kinds:
        known = _fields_of(kind)
        body = {key: _plain(key, value) for key, value in fields.items() if key in known and value is not None}
        try:
            message = msgspec.convert({**shared, **body, "part": len(found)}, kind)
        except msgspec.ValidationError as error:
            raise Refused(f"invalid_field: {_in_our_words(error)}") from None
        _check_entity(message, campus)
        found.append(message)
    if "offset" in shared:
        found += _wrong_clocks(found, shared)
    return found


def _wrong_clocks(found: Sequence[Message], shared: Mapping[str, Any]) -> list[Message]:
    """Return what is to be said of the devices that spoke, because no clock is so far off by itself."""
    devices = dict.fromkeys(name for message in found for entity, name in message.tells() if entity == "device")
    said = [{**shared, "device": device, "part": len(found) + n} for n, device in enumerate(devices)]
    return [msgspec.convert(each, DeviceClockAdjusted) for each in said]


def _check_entity(message: Message, campus: Campus) -> None:
    for entity, key in message.tells():
        table = ENTITIES.get(entity)
        if table and key not in getattr(campus, table):
            raise Refused(f"unknown_entity: no {entity} {key!r} on campus {campus.id!r}")


def _kinds_said(family: str, fields: Mapping[str, Any]) -> list[type[Message]]:
    said: dict[type[Message], None] = {}
    asides: dict[type[Message], None] = {}
    for name, ways in _ways(family).items():
        if fields.get(name) is None:
            continue
        found = next(((on, kind) for on, kind in ways if _matches(on, fields)), None)
        if found is not None:
            (asides if found[0].alone else said)[found[1]] = None
            continue
        choices = sorted({str(on.value) for on, _ in ways if isinstance(on.value, str)})
        if choices:
            raise Refused(f"invalid_field: {name} must be one of {', '.join(choices)}")
    return list(said or asides)


def _counted(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    # `mode: delta` says nothing by itself; `direction` does.
    mode = fields.get("mode", "delta")
    if mode not in ("delta", "absolute"):
        raise Refused("invalid_field: mode must be one of absolute, delta")
    if mode == "absolute" and fields.get("direction") is not None:
        raise Refused("invalid_field: direction: a recount (mode absolute) has none")
    return fields if mode == "absolute" else {key: value for key, value in fields.items() if key != "mode"}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return read_instant(value, name) if name in _INSTANTS else value


def _matches(on: On, fields: Mapping[str, Any]) -> bool:
    value = fields[on.name]
    same = on.value is ANY or (type(value) is type(on.value) and value == on.value)
    return same and all(fields.get(key) == wanted for key, wanted in on.also.items())


@cache
def _ways(family: str) -> dict[str, list[tuple[On, type[Message]]]]:
    ways: dict[str, list[tuple[On, type[Message]]]] = {}
    for kind in KINDS.values():
        for on in kind.heard_as:
            if on.topic == family:
                ways.setdefault(on.name, []).append((on, kind))
    for each in ways.values():
        each.sort(key=lambda way: -len(way[0].also))
    return ways


@cache
def _fields_of(kind: type[Message]) -> frozenset[str]:
    return frozenset(kind.__struct_fields__) - ENVELOPE


def _nothing_said(family: str) -> str:
    return f"one of {', '.join(_ways(family))} is required"


def _in_our_words(error: msgspec.ValidationError) -> str:
    missing = re.fullmatch(r"Object missing required field `(\w+)`", str(error))
    if missing:
        return f"{missing[1]} is required"
    text, _, place = str(error).partition(" - at `$.")
    return f"{place.rstrip('`')}: {text}" if place else text


def _envelope_fields(fields: dict[str, Any], heard: Heard, envelope: Envelope) -> dict[str, Any]:
    said = {name: fields.pop(name) for name in _WORDS if name in fields}
    return stamp(said, said.pop("at", None), heard, envelope)


def stamp(said: Mapping[str, Any], at: Any, heard: Heard, envelope: Envelope) -> dict[str, Any]:
    """Return the envelope's fields: identity, the event time we believe, and what kind of truth it claims to be.

    Where the clock must be wrong, there is `offset` besides: the seconds it is ahead.
    """
    told = read_instant(at)
    # What waited for us is as old as it says.
    earliest = (heard.deaf_since or envelope.now) - MAX_PAST
    skewed = told is not None and not earliest <= told <= envelope.now + MAX_FUTURE
    when = envelope.now if told is None or skewed else told
    given = said.get("id")
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
        raise Refused("invalid_field: id must be text")
    exercise = said.get("exercise", "live")
    if heard.trial_only and exercise == "live":
        raise Refused("invalid_field: exercise: this sender may only say drill or test")
    shared: dict[str, Any] = {
        "campus": envelope.campus,
        "source": envelope.source,
        "message_id": str(given)[:200] if given not in (None, "") else _fingerprint(heard, told),
        "identified": given not in (None, "") or told is not None,
        "redelivered": heard.redelivered,
        "at": when,
        "received_at": envelope.now,
        "initial": heard.retained or said.get("initial", False),
        "exercise": exercise,
        "skewed": skewed,
        "late": when < envelope.now - envelope.lateness,
    }
    if told is not None and skewed and not shared["initial"] and _is_wrong(told, envelope.now):
        shared["offset"] = (told - envelope.now).total_seconds()
    if said.get("seq") is not None:
        shared["seq"] = said["seq"]
    if said.get("boot") is not None:
        shared["boot"] = str(said["boot"])[:100] if isinstance(said["boot"], str | int) else said["boot"]
    return shared


def _is_wrong(told: datetime, now: datetime) -> bool:
    return not now - WRONG_PAST <= told <= now + WRONG_FUTURE


def _fingerprint(heard: Heard, told: datetime | None) -> str:
    # Without its own id or time, only the packet id can tell a redelivery from a new, equal reading.
    stamp = told.isoformat() if told else f"packet {heard.packet}"
    digest = hashlib.blake2b(f"{heard.topic}\n{stamp}\n".encode() + heard.payload, digest_size=16)
    return f"~{digest.hexdigest()}"


def read_instant(value: Any, name: str = "at") -> datetime | None:
    """Return the instant that the field `name` means, in UTC; Refused unless it is RFC 3339 with an offset."""
    if value is None:
        return None
    if isinstance(value, datetime):
        instant = value
    elif isinstance(value, str):
        try:
            instant = datetime.fromisoformat(value.upper())
        except ValueError:
            raise Refused(f"invalid_field: {name} must be a time like 2026-11-24T14:00:00Z") from None
    else:
        raise Refused(f"invalid_field: {name} must be text like 2026-11-24T14:00:00Z")
    if instant.tzinfo is None:
        raise Refused(f"invalid_field: {name} needs an offset, like 2026-11-24T14:00:00Z")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise Refused(f"invalid_field: {name} lies outside of the calendar") from None


def encode(kind: type[Message], name: str, fields: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return topic (behind prefix and campus) and payload by which our own devices say a message; for simulators."""
    on = kind.heard_as[0]
    said = {} if on.value is ANY else {on.name: on.value}
    topic = f"{on.topic}/{name}"
    skip = TOPIC_FIELD[on.topic]
    return topic, said | dict(on.also) | {key: value for key, value in fields.items() if key != skip}
