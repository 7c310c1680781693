"""The roots of the language: what a condition can read of doors, zones, visits, gatherings, devices and the campus.

Each field says its type, how it is worked out from the campus and the world at an instant, what it is called in
a sentence, and what makes it change: the facts of which things, or the mere passing of time (`pace`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Final, Literal, get_args

from core.calendar import WEEKDAYS, local_instant
from core.campus import Campus, DoorClass, Gathering
from core.facts import CampusState, GatheringFacts, Lock, Method, Position, VisitFacts, VisitState
from core.facts import Screening as ScreeningResult
from core.messages import KINDS, Exercise, Watch, own_fields
from rules.language.scene import Scene, Value
from rules.language.types import BOOL, DURATION, INT, STRING, STRINGS, TIMESTAMP, Type, one_of, type_of

Pace = Literal["", "calendar", "beat", "minute"]
"""How a value changes without a message: never, when a calendar or window opens or closes, as heartbeats stay away (it
is looked at every five minutes), or any minute."""
PACES: Final[tuple[Pace, ...]] = get_args(Pace)
"""From the slowest to the fastest; each includes the ones before it."""
Place = tuple[str, str | None]
"""Facts that a value is made of: an entity and an id; None: of all things of that kind."""
Depends = Callable[[Campus, str], Iterable[Place]]

GATEWAY: Final = "gateway"
"""The kind of a device through which others speak."""
ATTENDING: Final = ("spectator", "student", "participant")
"""The roles that a gathering is held for; the others look after them."""


def _fixed(_campus: Campus, _key: str) -> Iterable[Place]:
    return ()


@dataclass(frozen=True, slots=True)
class OfFile:
    """Reads an attribute of a thing in the campus file; `table` is a mapping of the campus, by id."""

    table: str
    attribute: str

    def __call__(self, scene: Scene, key: str) -> Value:
        """Return what the file says."""
        return getattr(getattr(scene.campus, self.table).get(key), self.attribute, None)


@dataclass(frozen=True, slots=True)
class Told:
    """Reads an attribute of the facts of a thing."""

    entity: str
    attribute: str

    def __call__(self, scene: Scene, key: str) -> Value:
        """Return what was told."""
        return getattr(scene.world.get(self.entity, key), self.attribute, None)


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be read. `words` names it in a sentence; of a bool, it is the sentence when it is true."""

    type: Type
    read: Callable[[Scene, str], Value]
    words: str
    depends: Depends = _fixed
    pace: Pace = ""
    of: str = ""
    """The one attribute of those facts that it is made of; empty: of several."""

    @property
    def attribute(self) -> str:
        """The one attribute of the facts whose change can change it; empty: any."""
        return self.read.attribute if isinstance(self.read, Told) else self.of

    @property
    def is_fixed(self) -> bool:
        """It changes only with the campus file."""
        return self.depends is _fixed and not self.pace


# ------------------------------------------------------------------------------------------------- the campus file
def _moment_of(attribute: str) -> Callable[[Scene, str], Value]:
    def read(scene: Scene, key: str) -> Value:
        found = scene.campus.gatherings_by_id.get(key)
        return None if found is None else scene.campus.instant(getattr(found, attribute))

    return read


def _own_id(_scene: Scene, key: str) -> Value:
    return key


# ----------------------------------------------------------------------------------------------------- what was told
def _of(entity: str) -> Depends:
    return lambda _campus, key: ((entity, key),)


def _all(*entities: str) -> Depends:
    return lambda _campus, _key: tuple((entity, None) for entity in entities)


def _visit(scene: Scene, key: str) -> VisitFacts | None:
    facts = scene.world.get("visit", key)
    return facts if isinstance(facts, VisitFacts) else None


def _escort_required(scene: Scene, key: str) -> Value:
    facts = _visit(scene, key)
    if facts is None or facts.escort_required is not None:
        return facts and facts.escort_required
    zone = scene.campus.zones_by_id.get(facts.zone or "")
    return bool(zone and zone.escort_required)


def _watch(scene: Scene, key: str) -> Value:
    facts = _visit(scene, key)
    if facts is None or facts.watch is not None:
        return facts and facts.watch
    return "" if facts.screening == "clear" else None


def _checked_out_by(scene: Scene, key: str) -> Value:
    facts = _visit(scene, key)
    if facts is None or facts.state is None:
        return None
    return facts.checked_out_by or ""


def _verified_out(scene: Scene, key: str) -> Value:
    facts = _visit(scene, key)
    # Somebody who never came in has nothing to sign out of: not known, rather than false.
    if facts is None or facts.state in (None, "expected", "denied"):
        return None
    return facts.state == "out" and facts.checked_out_by not in (None, "auto")


def _escorted(scene: Scene, key: str) -> Value:
    facts = _visit(scene, key)
    return None if facts is None else bool(facts.escort)


def _no_tags(scene: Scene, key: str) -> Value:
    return None if _visit(scene, key) is None else ()


def _badge_expires(scene: Scene, key: str) -> Value:
    facts = _visit(scene, key)
    if facts is None or facts.badge_expires is not None:
        return facts and facts.badge_expires
    if facts.state != "in" or facts.state_at is None:
        return None
    # A badge that says nothing else is void at the end of the day for which it was given out.
    day = scene.campus.local_calendar.local(facts.state_at).date()
    return local_instant(day, 1440, scene.campus.zone_info)


def _heads(*roles: str) -> Callable[[Scene, str], Value]:
    def read(scene: Scene, key: str) -> Value:
        facts = scene.world.get("gathering", key)
        if not isinstance(facts, GatheringFacts):
            return None
        return sum(max(0, facts.counts.get(role, 0)) for role in roles)

    return read


def _head_count(scene: Scene, key: str) -> Value:
    facts = scene.world.get("gathering", key)
    return facts.count if isinstance(facts, GatheringFacts) else None


def _missing_heads(scene: Scene, key: str) -> Value:
    facts = scene.world.get("gathering", key)
    return sum(max(0, -count) for count in facts.counts.values()) if isinstance(facts, GatheringFacts) else None


def _tally(scene: Scene, key: str) -> Value:
    count, missing = _head_count(scene, key), _missing_heads(scene, key)
    return f"about {count} people (the count is uncertain)" if missing else None if count is None else f"{count} people"


def _supervisor_present(scene: Scene, key: str) -> Value:
    facts = scene.world.get("gathering", key)
    return facts.counts.get("supervisor", 0) > 0 if isinstance(facts, GatheringFacts) else None


# ------------------------------------------------------------------------------------------------- worked out from both
def _in_window(scene: Scene, key: str) -> Value:
    return scene.campus.door_in_window(key, scene.at) if key in scene.campus.doors_by_id else None


def _window_end(scene: Scene, key: str) -> Value:
    if key not in scene.campus.windowed_doors:
        return None
    calendar, campus = scene.campus.local_calendar, scene.campus
    today = calendar.local(scene.at).date()
    spans = [
        window.at.on(day, campus.zone_info)
        for day in (today - timedelta(days=1), today)
        for window in calendar.day_type(day).windows
        if key in window.doors
    ]
    spans += [campus.gathering_spans[each] for each in campus.gatherings_of_door.get(key, ())]
    # What ended longer ago than an hour is over and done with.
    since = scene.at - timedelta(hours=1)
    return max((end for start, end in spans if start <= scene.at and end > since), default=None)


def _gathering_load(scene: Scene, key: str) -> Value:
    found = scene.campus.gatherings_by_id.get(key)
    if found is None:
        return None
    zone = scene.campus.zones_by_id.get(found.zone or "")
    return found.load if found.load is not None else zone and zone.load


def _gathering_open(scene: Scene, key: str) -> Value:
    found = scene.campus.gatherings_by_id.get(key)
    if found is None:
        return None
    return scene.campus.instant(found.start) <= scene.at < scene.campus.instant(found.end)


def _gathering_on(scene: Scene, key: str) -> Value:
    return is_on(scene.campus, key, scene) if key in scene.campus.gathering_spans else None


def _gathering_over(scene: Scene, key: str) -> Value:
    found = scene.campus.gatherings_by_id.get(key)
    return None if found is None else scene.campus.instant(found.end) <= scene.at


def _gatherings_in(campus: Campus, zone: str) -> Iterator[Gathering]:
    return (each for each in campus.gatherings if each.zone == zone)


def _zone_count(scene: Scene, key: str) -> Value:
    counts = [
        _head_count(scene, each.id) for each in _gatherings_in(scene.campus, key) if is_on(scene.campus, each.id, scene)
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def is_on(campus: Campus, gathering: str, scene: Scene) -> bool:
    """Return whether a gathering is on at the instant of the scene, from its setup to the end of its teardown."""
    start, end = campus.gathering_spans[gathering]
    return start <= scene.at < end


def _campus_state(scene: Scene, _key: str) -> Value:
    return scene.world.state


def _day_type(scene: Scene, _key: str) -> Value:
    calendar = scene.campus.local_calendar
    return calendar.day_type_name(calendar.local(scene.at).date())


def _open_exterior_doors(scene: Scene, _key: str) -> Value:
    return len(scene.world.open_exterior_doors)


def _unwatched_open_doors(scene: Scene, _key: str) -> Value:
    open_doors = scene.world.open_exterior_doors
    return len(open_doors) - len(open_doors & scene.campus.doors_in_window(scene.at))


def _visitors_in(scene: Scene, _key: str) -> Value:
    return sum(getattr(facts, "state", None) == "in" for facts in scene.world.of("visit"))


def _people_checked_in(scene: Scene, _key: str) -> Value:
    return sum(_verified_out(scene, facts.id) is False for facts in scene.world.of("visit"))


def _devices_silent_pct(scene: Scene, _key: str) -> Value:
    devices = len(scene.campus.devices_by_id)
    return 100 * len(_silent(scene)) // devices if devices else None


def _devices_silent(scene: Scene, _key: str) -> Value:
    return len(_silent(scene))


def _gateways_silent(scene: Scene, _key: str) -> Value:
    return sum(scene.campus.devices_by_id[each].kind == GATEWAY for each in _silent(scene))


def _silent(scene: Scene) -> AbstractSet[str]:
    return scene.world.silent_devices(scene.at, since=scene.since)


def _minute_of_day(scene: Scene, _key: str) -> Value:
    local = scene.campus.local_calendar.local(scene.at)
    return local.hour * 60 + local.minute


def _weekday(scene: Scene, _key: str) -> Value:
    return WEEKDAYS[scene.campus.local_calendar.local(scene.at).weekday()]


# ------------------------------------------------------------------------------------------------------- the roots
_STATE_OF_CAMPUS = one_of(*get_args(CampusState))
_WATCH = one_of(*get_args(Watch))

ROOTS: Final[dict[str, dict[str, Field]]] = {
    "door": {
        "id": Field(STRING, _own_id, "the door's id"),
        "name": Field(STRING, OfFile("doors_by_id", "name"), "the door's name"),
        "zone": Field(STRING, OfFile("doors_by_id", "zone"), "the door's zone"),
        "class": Field(one_of(*get_args(DoorClass)), OfFile("doors_by_id", "door_class"), "the door's class"),
        "exterior": Field(BOOL, OfFile("doors_by_id", "exterior"), "the door is an exterior one"),
        "has_rex": Field(BOOL, OfFile("doors_by_id", "has_rex"), "the door has an exit sensor"),
        "has_lock_sensor": Field(BOOL, OfFile("doors_by_id", "has_lock_sensor"), "the door has a lock sensor"),
        "monitored": Field(BOOL, OfFile("doors_by_id", "monitored"), "the door is monitored"),
        "position": Field(one_of(*get_args(Position)), Told("door", "position"), "the door", _of("door")),
        "lock": Field(one_of(*get_args(Lock)), Told("door", "lock"), "the lock", _of("door")),
        "in_window": Field(BOOL, _in_window, "the door is in a window in which it may stand open", pace="calendar"),
        "window_end": Field(TIMESTAMP, _window_end, "the end of the door's latest window", pace="calendar"),
        "tags": Field(STRINGS, OfFile("doors_by_id", "tags"), "the door's tags"),
    },
    "zone": {
        "id": Field(STRING, _own_id, "the zone's id"),
        "name": Field(STRING, OfFile("zones_by_id", "name"), "the zone's name"),
        "kind": Field(STRING, OfFile("zones_by_id", "kind"), "the zone's kind"),
        "load": Field(INT, OfFile("zones_by_id", "load"), "the zone's posted load"),
        "count": Field(
            INT,
            _zone_count,
            "the number of people in the zone",
            lambda campus, key: [("gathering", each.id) for each in _gatherings_in(campus, key)],
            "calendar",
        ),
        "escort_required": Field(BOOL, OfFile("zones_by_id", "escort_required"), "the zone is for escorted visitors"),
        "adjoining": Field(STRINGS, OfFile("zones_by_id", "adjoining"), "the zones beside it"),
        "tags": Field(STRINGS, OfFile("zones_by_id", "tags"), "the zone's tags"),
    },
    "visit": {
        "id": Field(STRING, _own_id, "the visit's id"),
        "type": Field(STRING, Told("visit", "type"), "the visitor's type", _of("visit")),
        "state": Field(one_of(*get_args(VisitState)), Told("visit", "state"), "the visitor", _of("visit")),
        "purpose": Field(STRING, Told("visit", "purpose"), "the visit's purpose", _of("visit")),
        "screening": Field(
            one_of(*get_args(ScreeningResult)), Told("visit", "screening"), "the screening", _of("visit")
        ),
        "watch": Field(_WATCH, _watch, "the watch-list entry", _of("visit")),
        "zone": Field(STRING, Told("visit", "zone"), "the visitor's zone", _of("visit")),
        "host": Field(STRING, Told("visit", "host"), "the visitor's host", _of("visit")),
        "escort_required": Field(BOOL, _escort_required, "the visitor is to be escorted", _of("visit")),
        "escorted": Field(BOOL, _escorted, "the visitor is escorted", _of("visit")),
        "start": Field(TIMESTAMP, Told("visit", "start"), "the announced start of the visit", _of("visit")),
        "expected_out": Field(TIMESTAMP, Told("visit", "expected_out"), "the expected end of the visit", _of("visit")),
        "checked_out_by": Field(
            one_of("", *get_args(Method)), _checked_out_by, "who signed the visitor out", _of("visit")
        ),
        "verified_out": Field(BOOL, _verified_out, "the visitor is seen out", _of("visit")),
        "badge_expires": Field(TIMESTAMP, _badge_expires, "the end of the badge", _of("visit")),
        "tags": Field(STRINGS, _no_tags, "the visit's tags"),
    },
    "gathering": {
        "id": Field(STRING, _own_id, "the gathering's id"),
        "name": Field(STRING, OfFile("gatherings_by_id", "name"), "the gathering's name"),
        "zone": Field(STRING, OfFile("gatherings_by_id", "zone"), "the gathering's zone"),
        "start": Field(TIMESTAMP, _moment_of("start"), "the start of the gathering"),
        "end": Field(TIMESTAMP, _moment_of("end"), "the end of the gathering"),
        "open": Field(BOOL, _gathering_open, "the gathering is under way", pace="calendar"),
        "on": Field(BOOL, _gathering_on, "the gathering is on, setup and teardown included", pace="calendar"),
        "over": Field(BOOL, _gathering_over, "the gathering has ended", pace="calendar"),
        "load": Field(INT, _gathering_load, "the posted load"),
        "expected": Field(INT, OfFile("gatherings_by_id", "expected"), "the expected number of people"),
        "count": Field(INT, _head_count, "the number of people", _of("gathering")),
        "tally": Field(STRING, _tally, "the number of people in words", _of("gathering")),
        "missing": Field(
            INT, _missing_heads, "the number of people counted out who were never counted in", _of("gathering")
        ),
        "attendees": Field(INT, _heads(*ATTENDING), "the number of attendees", _of("gathering")),
        "staff": Field(INT, _heads("staff"), "the number of staff", _of("gathering")),
        "crowd_managers": Field(INT, _heads("crowd_manager"), "the number of crowd managers", _of("gathering")),
        "chaperones": Field(INT, _heads("chaperone"), "the number of chaperones", _of("gathering")),
        "supervisor_present": Field(BOOL, _supervisor_present, "the supervisor is present", _of("gathering")),
        "re_entry": Field(BOOL, OfFile("gatherings_by_id", "re_entry"), "re-entry is allowed"),
        "tags": Field(STRINGS, OfFile("gatherings_by_id", "tags"), "the gathering's tags"),
    },
    "device": {
        "id": Field(STRING, _own_id, "the device's id"),
        "door": Field(STRING, OfFile("devices_by_id", "door"), "the device's door"),
        "kind": Field(STRING, OfFile("devices_by_id", "kind"), "the device's kind"),
        "online": Field(BOOL, Told("device", "online"), "the device is online", _of("device")),
        "heartbeat": Field(DURATION, OfFile("devices_by_id", "heartbeat"), "the device's heartbeat"),
        "battery_pct": Field(INT, Told("device", "battery_pct"), "the battery's percentage", _of("device")),
        "battery_low": Field(BOOL, Told("device", "battery_low"), "the battery is low", _of("device")),
        "tampered": Field(BOOL, Told("device", "tampered"), "the device is tampered with", _of("device")),
        "tags": Field(STRINGS, OfFile("devices_by_id", "tags"), "the device's tags"),
    },
    "campus": {
        "id": Field(STRING, _own_id, "the campus's id"),
        "state": Field(_STATE_OF_CAMPUS, _campus_state, "the campus's state", _of("campus")),
        "day_type": Field(STRING, _day_type, "the type of day", pace="calendar"),
        "open_exterior_doors": Field(
            INT, _open_exterior_doors, "the number of open exterior doors", _all("door"), of="position"
        ),
        "unwatched_open_doors": Field(
            INT,
            _unwatched_open_doors,
            "the number of exterior doors that are open outside of a window",
            _all("door"),
            "calendar",
            "position",
        ),
        "people_checked_in": Field(
            INT, _people_checked_in, "the number of visitors signed in and not seen out", _all("visit")
        ),
        "visitors_in": Field(INT, _visitors_in, "the number of visitors in", _all("visit")),
        "devices_silent": Field(INT, _devices_silent, "the number of silent devices", _all("device"), "beat"),
        "devices_silent_pct": Field(
            INT, _devices_silent_pct, "the percentage of silent devices", _all("device"), "beat"
        ),
        "gateways_silent": Field(INT, _gateways_silent, "the number of silent gateways", _all("device"), "beat"),
    },
    "now": {
        "minute_of_day": Field(INT, _minute_of_day, "the minute of the day", pace="minute"),
        "weekday": Field(one_of(*WEEKDAYS), _weekday, "the weekday", pace="calendar"),
    },
}
ENTITIES: Final = tuple(root for root in ROOTS if root != "now")
"""What a rule can be about."""

ENVELOPE: Final[dict[str, Type]] = {
    "kind": one_of(*KINDS),
    "at": TIMESTAMP,
    "late": BOOL,
    "exercise": one_of(*get_args(Exercise)),
}
"""What every message has."""


@cache
def message_fields(kinds: tuple[str, ...]) -> dict[str, tuple[Type, bool]]:
    """Return the fields that messages of these kinds may have: the type, and whether one may be missing."""
    found = {name: (kind, False) for name, kind in ENVELOPE.items()}
    per_kind = [{name: type_of(hint) for name, hint in own_fields(KINDS[kind]).items()} for kind in kinds]
    for name in dict.fromkeys(name for fields in per_kind for name in fields):
        here = [fields[name] for fields in per_kind if name in fields]
        found[name] = here[0][0], len(here) < len(per_kind) or any(optional for _, optional in here)
    return found


# ------------------------------------------------------------------------------------- from one thing to the next
def _zone_of_door(scene: Scene) -> str | None:
    return zone_of(scene.campus, "door", scene.key)


def _device_of_door(scene: Scene) -> str | None:
    spoke: str | None = getattr(scene.message, "device", None)
    return spoke or scene.campus.device_of_door.get(scene.key)


def _door_of_device(scene: Scene) -> str | None:
    return door_of(scene.campus, "device", scene.key)


def _zone_of_device(scene: Scene) -> str | None:
    return zone_of(scene.campus, "device", scene.key)


def _zone_of_gathering(scene: Scene) -> str | None:
    found = scene.campus.gatherings_by_id.get(scene.key)
    return found.zone if found else None


def _of_visit(attribute: str) -> Callable[[Scene], str | None]:
    def read(scene: Scene) -> str | None:
        found: str | None = getattr(scene.world.get("visit", scene.key), attribute, None)
        return found

    return read


def _door_of_alert(scene: Scene) -> str | None:
    found: str | None = getattr(scene.message, "door", None)
    return found


def _zone_of_alert(scene: Scene) -> str | None:
    return zone_of(scene.campus, "door", _door_of_alert(scene) or "")


_WAYS: Final[dict[tuple[str, str], Callable[[Scene], str | None]]] = {
    ("door", "zone"): _zone_of_door,
    ("door", "device"): _device_of_door,
    ("device", "door"): _door_of_device,
    ("device", "zone"): _zone_of_device,
    ("gathering", "zone"): _zone_of_gathering,
    ("visit", "zone"): _of_visit("zone"),
    ("visit", "door"): _of_visit("door"),
    ("alert", "door"): _door_of_alert,
    ("alert", "zone"): _zone_of_alert,
}


def reachable(entity: str) -> frozenset[str]:
    """Return the roots that can be seen from a thing of a kind: itself, what belongs to it, the campus."""
    beside = {root for start, root in _WAYS if start == entity}
    return frozenset(beside | {"campus"} | ({entity} & set(ENTITIES)))


def locate(scene: Scene, root: str) -> str | None:
    """Return the id of the `root` that belongs to the scene's subject, or None if it has none."""
    if root == scene.entity:
        return scene.key
    if root in ("campus", "now"):
        return scene.campus.id
    way = _WAYS.get((scene.entity, root))
    return None if way is None else way(scene)


def door_of(campus: Campus, entity: str, key: str) -> str | None:
    """Return the door that a door or a device belongs to, as the campus file says; None: none."""
    if entity == "device":
        device = campus.devices_by_id.get(key)
        return device.door if device else None
    return key if entity == "door" else None


def zone_of(campus: Campus, entity: str, key: str) -> str | None:
    """Return the zone that a door or a device is in, as the campus file says; None: none."""
    door = campus.doors_by_id.get(door_of(campus, entity, key) or "")
    return door.zone if door else None


def ids_of(campus: Campus, entity: str) -> tuple[str, ...] | None:
    """Return the ids of all things of a kind that the campus lists; None for visits, which come and go."""
    if entity == "campus":
        return (campus.id,)
    return None if entity == "visit" else tuple(getattr(campus, f"{entity}s_by_id"))


def label(campus: Campus, entity: str, key: str) -> str:
    """Return a thing's name as staff say it, with a door's number; never the name of a visitor."""
    if entity == "campus":
        return campus.campus.name
    if entity == "visit":
        return f"visit {key}"
    found = getattr(campus, f"{entity}s_by_id").get(key)
    if entity == "device":
        return f"device {key}"
    name = str(getattr(found, "name", key))
    number = getattr(found, "number", "")
    return f"Door {number} ({name})" if number else name
