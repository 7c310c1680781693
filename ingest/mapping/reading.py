"""A mapping at work: from the decoded payload to what it says, still without a campus.

Everything that can be known beforehand is worked out when the mapping is read: paths and tables become closures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from core.messages import ANY, ENVELOPE, KINDS
from core.wire import TOPIC_FIELD, Refused, read_json
from ingest.mapping import document as doc
from ingest.mapping.paths import MISSING, Getter, getter, walker
from ingest.mapping.values import Unreadable, coerce, instant, show, table, typed

SKIP: Final = object()
"""The device spoke, and said nothing about what the mapping emits."""
NOTHING: Final = "nothing"
_CAMPUS_ONLY: Final = "campus"


def _targets() -> dict[str, frozenset[Any]]:
    ways = [on for kind in KINDS.values() for on in kind.heard_as if not on.alone and on.topic != _CAMPUS_ONLY]
    names = {f"{on.topic}.{on.name}" for on in ways}
    return {name: frozenset(on.value for on in ways if f"{on.topic}.{on.name}" == name) for name in sorted(names)}


TARGETS: Final[Mapping[str, frozenset[Any]]] = _targets()
"""What a mapping may emit, and the values that each can have (ANY: every one)."""


def fields_of(family: str) -> dict[str, Any]:
    """Return the fields that may ride along in a family of messages, with their types."""
    kinds = [kind for kind in KINDS.values() if any(on.topic == family for on in kind.heard_as)]
    found = {item.name: item.type for kind in kinds for item in msgspec.structs.fields(kind)}
    keys = {"door", "device", TOPIC_FIELD[family]} if family == "door" else {TOPIC_FIELD[family]}
    return {name: kind for name, kind in found.items() if name not in ENVELOPE | keys}


def allows(target: str, value: Any) -> bool:
    """Return whether a value is one that the target can have."""
    known = TARGETS[target]
    return ANY in known or any(type(value) is type(each) and value == each for each in known)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one element of a payload says. Which door or device said it, the campus file knows."""

    family: str
    fields: dict[str, Any]
    at: str | None = None
    """The device's own time, RFC 3339 in UTC."""
    id: str | None = None


Reader = Callable[[Any, Any, str | None, ZoneInfo], Reading]
"""Takes the element, the whole payload, the wiring and the campus's zone; raises Refused."""


def decoder(kind: str) -> Callable[[bytes], Any]:
    """Return the function that decodes a payload; it raises Refused where that is impossible."""
    return {"json": read_json, "text": _text, "number": _number, "json_or_text": _json_or_text}[kind]


def _text(payload: bytes) -> str:
    if len(payload) > 4096:
        raise Refused("too_large")
    try:
        return payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise Refused("bad_encoding") from None


def _number(payload: bytes) -> Any:
    try:
        return coerce("float")(_text(payload))
    except Unreadable as error:
        raise Refused(f"invalid_field: {error}") from None


def _json_or_text(payload: bytes) -> Any:
    try:
        return read_json(payload)
    except Refused as refused:
        if not refused.reason.startswith("bad_json"):
            raise
    return _text(payload)


def first_of(names: tuple[str, ...]) -> Getter:
    """Return the function that fetches the first of several paths that is there."""
    getters = [getter(name) for name in names]
    if len(getters) == 1:
        return getters[0]

    def get(element: Any, root: Any) -> Any:
        for each in getters:
            found = each(element, root)
            if found is not MISSING:
                return found
        return MISSING

    return get


def condition(where: Mapping[str, tuple[Any, ...]]) -> Callable[[Any, Any], bool]:
    """Return the function that says whether every path holds one of its values."""
    checks = [(getter(name), frozenset(typed(value) for value in values)) for name, values in where.items()]

    def holds(element: Any, root: Any) -> bool:
        for get, wanted in checks:
            found = get(element, root)
            if found is MISSING or typed(found) not in wanted:
                return False
        return True

    return holds


def elements(each: str | None) -> Callable[[Any], Iterator[tuple[dict[str, str], Any]]]:
    """Return the function that yields the elements of a payload, with the keys taken on the way."""
    return walker(each) if each is not None else lambda root: iter((({}, root),))


def reader(document: doc.MappingDocument) -> Reader:
    """Return the function that reads one element."""
    family, _, name = document.emit.partition(".")
    value_of = _value_reader(document.value)
    sides = [(field, _side_reader(pick, fields_of(family)[field])) for field, pick in document.side.items()]
    time_of = _time_reader(document.time) if document.time else None
    id_of = _id_reader(document.dedupe.keys) if document.dedupe else None

    def read(element: Any, root: Any, wiring: str | None, zone: ZoneInfo) -> Reading:
        value = value_of(element, root, wiring)
        fields = {field: side for field, get in sides if (side := get(element, root)) is not None}
        at = time_of(element, root, zone) if time_of else None
        key = id_of(element, root) if id_of else None
        if value is SKIP:
            return Reading("device", _signs_of_life(fields), at, key)
        fields[name] = value
        return Reading(family, fields, at, key)

    return read


def _signs_of_life(fields: dict[str, Any]) -> dict[str, Any]:
    kind = {True: "tamper", False: "restored", None: "heartbeat"}[fields.get("tamper")]
    return {"kind": kind} | {name: value for name, value in fields.items() if name.startswith("battery_")}


def _value_reader(value: doc.Value) -> Callable[[Any, Any, str | None], Any]:
    if value.always is not None:
        constant = value.always
        return lambda _element, _root, _wiring: constant
    get, make, place = first_of(value.path), coerce(value.coerce), " or ".join(value.path)
    tables = {wiring: table(entries, value.coerce) for wiring, entries in value.wiring.items()}
    plain = table(value.map, value.coerce) if value.map is not None else None

    def read(element: Any, root: Any, wiring: str | None) -> Any:
        said = get(element, root)
        if said is MISSING:
            return _missing(value, place)
        try:
            said = make(said)
        except Unreadable as error:
            raise Refused(f"invalid_field: {place}: {error}") from None
        meanings = plain if wiring is None else tables[wiring]
        if meanings is None:
            return said
        meaning = meanings.get(typed(said), MISSING)
        if meaning is not MISSING:
            return meaning
        if value.unlisted == "skip":
            return SKIP
        known = ", ".join(show(each) for _, each in meanings)
        raise Refused(f"invalid_field: {place}: {show(said)} is not one of {known}")

    return read


def _missing(value: doc.Value, place: str) -> Any:
    if value.missing == "reject":
        raise Refused(f"invalid_field: {place} is required")
    return SKIP if value.missing == "skip" else value.default


def _side_reader(pick: doc.Picked, kind: Any) -> Callable[[Any, Any], Any]:
    get, make = first_of(pick.path), coerce(pick.coerce)
    meanings = table(pick.map, pick.coerce) if pick.map is not None else None

    def read(element: Any, root: Any) -> Any:
        said = get(element, root)
        if said is MISSING:
            return None
        try:
            said = make(said)
            if meanings is not None:
                said = meanings.get(typed(said))
            elif type(said) in (int, float):
                said = round(said * pick.scale)
            return msgspec.convert(said, kind, strict=False)
        except (Unreadable, msgspec.ValidationError):
            return None

    return read


def _time_reader(time: doc.Time) -> Callable[[Any, Any, ZoneInfo], str | None]:
    get = first_of(time.path)
    own_zone = None if time.zone == "campus" else ZoneInfo(time.zone)

    def read(element: Any, root: Any, zone: ZoneInfo) -> str | None:
        said = get(element, root)
        found = None if said is MISSING else instant(said, time.formats, own_zone or zone)
        return found.isoformat() if found else None

    return read


def _id_reader(keys: tuple[str, ...]) -> Callable[[Any, Any], str | None]:
    getters = [getter(key) for key in keys]

    def read(element: Any, root: Any) -> str | None:
        found = [get(element, root) for get in getters]
        return None if MISSING in found else "|".join(show(each).strip('"') for each in found)

    return read
