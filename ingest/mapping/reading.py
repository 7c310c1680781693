"""A mapping at work: from the decoded payload to what it says, still without a campus.

Everything that can be known beforehand is worked out when the mapping is read: paths and tables become closures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from core.campus import write_duration
from core.messages import ANY, ENVELOPE, KINDS
from core.wire import TOPIC_FIELD, Refused, read_json
from ingest.mapping import document as doc
from ingest.mapping.counting import counter
from ingest.mapping.elements import Element, first_of
from ingest.mapping.paths import MISSING, Above, getter
from ingest.mapping.times import clock
from ingest.mapping.values import SKIP, Unreadable, coerce, show, table, typed

NOTHING: Final = "nothing"
HEADS: Final = "attendance.count"
"""What counters emit: heads in and out, a running total, or how many are there."""
_CAMPUS_ONLY: Final = "campus"
_LARGEST: Final = 2**53


def _targets() -> dict[str, frozenset[Any]]:
    ways = [on for kind in KINDS.values() for on in kind.heard_as if not on.alone and on.topic != _CAMPUS_ONLY]
    names = {f"{on.topic}.{on.name}" for on in ways}
    return {name: frozenset(on.value for on in ways if f"{on.topic}.{on.name}" == name) for name in sorted(names)}


TARGETS: Final[Mapping[str, frozenset[Any]]] = _targets()
"""What a mapping may emit, and the values that each can have (ANY: every one)."""
LEVELS: Final = frozenset(
    f"{on.topic}.{on.name}" for kind in KINDS.values() if kind.level for on in kind.heard_as if not on.alone
)
"""Those that tell a state; the others tell events."""


@cache
def fields_of(family: str) -> Mapping[str, Any]:
    """Return the fields that may ride along in a family of messages, with their types."""
    kinds = [kind for kind in KINDS.values() if any(on.topic == family for on in kind.heard_as)]
    found = {item.name: item.type for kind in kinds for item in msgspec.structs.fields(kind)}
    keys = {"door", "device", TOPIC_FIELD[family]} if family == "door" else {TOPIC_FIELD[family]}
    return {name: kind for name, kind in found.items() if name not in ENVELOPE | keys}


def allows(target: str, value: Any) -> bool:
    """Return whether a value is one that the target can have."""
    known = TARGETS[target]
    return ANY in known or any(type(value) is type(each) and value == each for each in known)


class Reading(msgspec.Struct, frozen=True):
    """What one element of a payload says. Which door or device said it, the campus file knows."""

    family: str
    said: tuple[dict[str, Any], ...]
    """The fields of each message; none where a counter has counted nobody."""
    at: datetime | None = None
    """The device's own time in UTC."""
    id: str | None = None
    seq: int | None = None
    is_history: bool = False
    """It is being filled in long after it happened."""
    is_aside: bool = False
    """The device is alive, and said nothing about what the mapping emits."""


Reader = Callable[[Element, str | None, ZoneInfo, datetime], Reading]
"""Takes the element, the wiring, the campus's zone and now; raises Refused."""


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


def reader(document: doc.MappingDocument) -> Reader:
    """Return the function that reads one element."""
    family, _, name = document.emit.partition(".")
    value_of = counter(document.counter) if document.counter else _value_reader(document.value, name)
    sides = [(field, _side_reader(pick, fields_of(family)[field])) for field, pick in document.side.items()]
    time_of = _time_reader(document.time) if document.time else None
    id_of = _id_reader(document.dedupe, document.time)
    seq_of = _number_reader(document.sequence) if document.sequence else None
    history_after = document.time.history_after if document.time else None

    def read(element: Element, wiring: str | None, zone: ZoneInfo, now: datetime) -> Reading:
        said = value_of(element, wiring)
        value, above = element.value, element.above
        fields = {field: side for field, get in sides if (side := get(value, above)) is not None}
        at = time_of(value, above, zone, now) if time_of else None
        key = id_of(value, above, at or now) if id_of else None
        seq = seq_of(value, above) if seq_of else None
        old = history_after is not None and at is not None and at < now - history_after
        if said is SKIP:
            return Reading("device", (_signs_of_life(fields),), at, key, seq, old, True)
        return Reading(family, tuple([each | fields for each in said]), at, key, seq, old)

    return read


def _signs_of_life(fields: dict[str, Any]) -> dict[str, Any]:
    kind = {True: "tamper", False: "restored", None: "heartbeat"}[fields.get("tamper")]
    return {"kind": kind} | {name: value for name, value in fields.items() if name.startswith("battery_")}


def _value_reader(value: doc.Value, name: str) -> Callable[[Element, str | None], Any]:
    if value.always is not None:
        constant = ({name: value.always},)
        return lambda _element, _wiring: constant
    get, make, place = first_of(value.path), coerce(value.coerce), " or ".join(value.path)
    tables = {wiring: _told(name, table(entries, value.coerce)) for wiring, entries in value.wiring.items()}
    plain = _told(name, table(value.map, value.coerce)) if value.map is not None else None

    def read(element: Element, wiring: str | None) -> Any:
        said = get(element.value, element.above)
        if said is MISSING:
            return _missing(value, name, place)
        try:
            said = make(said)
        except Unreadable as error:
            raise Refused(f"invalid_field: {place}: {error}") from None
        meanings = plain if wiring is None else tables[wiring]
        if meanings is None:
            return ({name: said},)
        meaning = meanings.get(typed(said))
        if meaning is not None:
            return meaning
        if value.unlisted == "skip":
            return SKIP
        known = ", ".join(show(each) for _, each in meanings)
        raise Refused(f"invalid_field: {place}: {show(said)} is not one of {known}")

    return read


def _told(name: str, meanings: dict[tuple[str, Any], Any]) -> dict[tuple[str, Any], Any]:
    return {key: ({name: meaning},) for key, meaning in meanings.items()}


def _missing(value: doc.Value, name: str, place: str) -> Any:
    if value.missing == "reject":
        raise Refused(f"invalid_field: {place} is required")
    return SKIP if value.missing == "skip" else ({name: value.default},)


def _side_reader(pick: doc.Picked, kind: Any) -> Callable[[Any, Above], Any]:
    get, make = first_of(pick.path), coerce(pick.coerce)
    meanings = table(pick.map, pick.coerce) if pick.map is not None else None

    def read(element: Any, above: Above) -> Any:
        said = get(element, above)
        if said is MISSING:
            return None
        try:
            said = make(said)
            if meanings is not None:
                said = meanings.get(typed(said))
            elif type(said) in (int, float):
                said = round(said * pick.scale)
            return msgspec.convert(said, kind, strict=False)
        except (Unreadable, msgspec.ValidationError, OverflowError):
            return None

    return read


def _time_reader(time: doc.Time) -> Callable[[Any, Above, ZoneInfo, datetime], datetime | None]:
    get = first_of(time.interval.end if time.interval else time.path or (".",))
    own_zone = None if time.zone == "campus" else ZoneInfo(time.zone)
    tell, bound = clock(time.formats, own_zone, time.zones), time.refuse_after

    def read(element: Any, above: Above, zone: ZoneInfo, now: datetime) -> datetime | None:
        said = get(element, above)
        found = None if said is MISSING else tell(said, zone)
        if bound is not None and found is not None and found < now - bound:
            raise Refused(f"invalid_field: time: {show(said)} is more than {write_duration(bound)} ago")
        return found

    return read


def _id_reader(dedupe: doc.Dedupe | None, time: doc.Time | None) -> Callable[[Any, Above, datetime], str | None] | None:
    keys = dedupe.keys if dedupe else ()
    interval = time.interval if time else None
    if not keys and interval is None:
        return None
    names = keys or (interval.start[0], interval.end[0]) if interval else keys
    getters = [getter(name) for name in names]
    window = dedupe.window if dedupe else None

    def read(element: Any, above: Above, at: datetime) -> str | None:
        found = [get(element, above) for get in getters]
        if MISSING in found:
            return None
        key = "|".join([show(each).strip('"') for each in found])
        return key if window is None else f"{key}|{_place(at, window)}"

    return read


def _place(at: datetime, window: timedelta) -> int:
    # Keys that come again after a while are others: which while it is becomes a part of them.
    return int(at.timestamp() // window.total_seconds())


def _number_reader(path: str) -> Callable[[Any, Above], int | None]:
    get, make = getter(path), coerce("int")

    def read(element: Any, above: Above) -> int | None:
        said = get(element, above)
        try:
            found = None if said is MISSING else make(said)
        except Unreadable:
            return None
        return found if found is not None and 0 <= found <= _LARGEST else None

    return read
