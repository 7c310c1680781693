"""What was heard: the envelope, and one class for every kind of message.

A message kind is declared once, here. Its class says what it means (docstring), which field names the thing it is
about (`about`, `key_field`), how its own payload looks on the wire (`heard_as`, `example`) and what it changes
(`tell`). The wire format, the targets of device mappings, the rule language's types, the API's schema, the
simulators and the documentation's table are derived from it; there is no second list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from core.facts import (
    CampusFacts,
    CampusState,
    DeviceFacts,
    DoorFacts,
    Facts,
    GatheringFacts,
    Lock,
    Method,
    Position,
    Screening,
    Total,
    VisitFacts,
    VisitState,
)

Exercise = Literal["live", "drill", "test"]
Role = Literal["spectator", "student", "participant", "staff", "chaperone", "crowd_manager", "officer", "supervisor"]
Watch = Literal["", "trespass", "restraining_order", "banned", "custody", "offender"]
MAX_HEADS: Final = 1_000_000
Heads = Annotated[int, Meta(ge=0, le=MAX_HEADS)]
Running = Annotated[int, Meta(ge=0, le=2**53)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Short = Annotated[str, Meta(max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]

ANY: Final = object()
"""In `On`: the field is present, whatever its value."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Bytes as they came in through a door of the house, before anybody has read them."""

    topic: str
    payload: bytes
    retained: bool = False
    redelivered: bool = False
    """The sender says that it may have sent this before (MQTT's DUP flag)."""
    packet: int = 0
    """The packet id of the delivery, which a redelivery repeats; 0 if there is none."""
    trial_only: bool = False
    """The sender may speak only as a drill or a test, never live."""
    deaf_since: datetime | None = None
    """Where it may have waited for us since then, because we could not hear; None: it has just been said."""


@dataclass(frozen=True, slots=True)
class On:
    """One way a kind is said on our own topics: in family `topic`, where `name` has `value` (and `also` holds).

    `alone`: only if the payload says nothing else.
    """

    topic: str
    name: str
    value: Any
    also: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope of every message: who said it, when, and how far it can be believed."""

    kind: ClassVar[str] = ""
    about: ClassVar[str] = ""
    """The entity whose id is this message's key: door, visit, gathering, device or campus."""
    key_field: ClassVar[str] = ""
    level: ClassVar[str] = ""
    """The fact whose change makes this message an edge; empty: every message of the kind is an event."""
    heard_as: ClassVar[tuple[On, ...]] = ()
    example: ClassVar[Mapping[str, Any]] = {}

    campus: str
    source: str
    """Where it was heard: the topic without prefix and campus. Order and repeats are judged per source."""
    message_id: str
    """The sender's id, or the fingerprint of what was said."""
    part: int = 0
    """Which reading of the payload this is; one payload may hold several."""
    identified: bool = True
    """False: the sender gave no id, `message_id` is a fingerprint."""
    redelivered: bool = False
    at: datetime
    """Event time in UTC: the device's own where it can be believed, else the receive time."""
    received_at: datetime
    seq: int | None = None
    boot: str | None = None
    initial: bool = False
    """State reported again (after a boot, from a retained copy): it sets state and is never an edge."""
    exercise: Exercise = "live"
    skewed: bool = False
    """The device's own time could not be believed."""
    late: bool = False
    """It came later than the lateness the service waits for."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.kind:
            return
        if not cls.__doc__ or not cls.example or not cls.about:
            raise TypeError(f"message kind {cls.kind}: a docstring, an example and `about` are required")
        KINDS[cls.kind] = cls

    @property
    def key(self) -> str:
        """The id of the entity this message is about."""
        key: str = getattr(self, self.key_field) if self.key_field else self.campus
        return key

    def tell(self, facts: Facts) -> Facts:
        """Return `facts` of one entity this message is about, as they are after it; older news changes nothing."""
        return facts

    def tells(self) -> tuple[tuple[str, str], ...]:
        """Return (entity, id) of everything this message says something about."""
        return ((self.about, self.key),)

    def body(self) -> dict[str, Any]:
        """Return what was said without the envelope, as plain JSON values (`position` and the like included)."""
        plain = msgspec.to_builtins(self)
        said = {on.name: on.value for on in self.heard_as[:1] if on.value is not ANY}
        return said | {name: value for name, value in plain.items() if name not in ENVELOPE}


ENVELOPE: Final = frozenset(Message.__struct_fields__)
KINDS: dict[str, type[Message]] = {}
"""Every kind of message by its name."""


def newer(at: datetime, than: datetime | None) -> bool:
    """Return whether news of time `at` may override what was told at `than`."""
    return than is None or at >= than


def latest(one: datetime | None, other: datetime) -> datetime:
    """Return the later of the two."""
    return other if one is None or other > one else one


# ---------------------------------------------------------------------------------------------------- doors
class DoorMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What all messages of a door carry: the door, the device that spoke, and that device's health."""

    about: ClassVar[str] = "door"
    key_field: ClassVar[str] = "door"

    door: Name
    device: Name | None = None
    battery_pct: Percent | None = None
    battery_low: bool | None = None
    tamper: bool | None = None

    def tells(self) -> tuple[tuple[str, str], ...]:
        """Return the door, and the device that spoke."""
        if self.device is None:
            return (("door", self.door),)
        return (("door", self.door), ("device", self.device))

    def tell(self, facts: Facts) -> Facts:
        """Return the facts of the door or of its device as they are after this message."""
        if isinstance(facts, DoorFacts):
            return replace(facts, heard_at=latest(facts.heard_at, self.at), **self.told_of(facts))
        assert isinstance(facts, DeviceFacts)
        return _device_health(facts, self, self.battery_pct, self.battery_low, self.tamper)

    def told_of(self, facts: DoorFacts) -> dict[str, Any]:
        """Return what this message changes of the door's facts."""
        return {}


class _DoorPosition(DoorMessage, frozen=True, kw_only=True, omit_defaults=True):
    level: ClassVar[str] = "position"
    position: ClassVar[Position]

    def told_of(self, facts: DoorFacts) -> dict[str, Any]:
        if not newer(self.at, facts.position_heard_at):
            return {}
        since = facts.position_at if facts.position == self.position else self.at
        return {"position": self.position, "position_at": since, "position_heard_at": self.at}


class DoorOpened(_DoorPosition, frozen=True, kw_only=True, omit_defaults=True):
    """The door stands open. As an edge: it was not known to be open before."""

    kind = "door.opened"
    position = "open"
    heard_as = (On("door", "position", "open"),)
    example = {"topic": "door/gym-east", "payload": {"position": "open"}}


class DoorClosed(_DoorPosition, frozen=True, kw_only=True, omit_defaults=True):
    """The door is closed. As an edge: it was not known to be closed before."""

    kind = "door.closed"
    position = "closed"
    heard_as = (On("door", "position", "closed"),)
    example = {"topic": "door/gym-east", "payload": {"position": "closed"}}


class _DoorLock(DoorMessage, frozen=True, kw_only=True, omit_defaults=True):
    level: ClassVar[str] = "lock"
    lock: ClassVar[Lock]

    def told_of(self, facts: DoorFacts) -> dict[str, Any]:
        if not newer(self.at, facts.lock_heard_at):
            return {}
        since = facts.lock_at if facts.lock == self.lock else self.at
        return {"lock": self.lock, "lock_at": since, "lock_heard_at": self.at}


class DoorLocked(_DoorLock, frozen=True, kw_only=True, omit_defaults=True):
    """The door's lock is locked. As an edge: it was not known to be locked before."""

    kind = "door.locked"
    lock = "locked"
    heard_as = (On("door", "lock", "locked"),)
    example = {"topic": "door/main", "payload": {"lock": "locked"}}


class DoorUnlocked(_DoorLock, frozen=True, kw_only=True, omit_defaults=True):
    """The door's lock is unlocked. As an edge: it was not known to be unlocked before."""

    kind = "door.unlocked"
    lock = "unlocked"
    heard_as = (On("door", "lock", "unlocked"),)
    example = {"topic": "door/main", "payload": {"lock": "unlocked"}}


class AccessGranted(DoorMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A credential was accepted at the door. The credential is a pseudonym, never a card number."""

    kind = "access.granted"
    heard_as = (On("door", "access", "granted"),)
    example = {"topic": "door/main", "payload": {"access": "granted", "credential": "c-81", "direction": "in"}}
    credential: Short | None = None
    direction: Literal["in", "out"] | None = None


class AccessDenied(DoorMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A credential was refused at the door."""

    kind = "access.denied"
    heard_as = (On("door", "access", "denied"),)
    example = {"topic": "door/main", "payload": {"access": "denied", "credential": "c-81"}}
    credential: Short | None = None
    direction: Literal["in", "out"] | None = None


class ExitRequested(DoorMessage, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody inside asked to leave: a push bar or a request-to-exit sensor."""

    kind = "exit.requested"
    heard_as = (On("door", "exit_request", True),)
    example = {"topic": "door/gym-east", "payload": {"exit_request": True}}


# ------------------------------------------------------------------------------------------------- visitors
class VisitMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What the messages of a visit may carry. The key is the visit, never a name: two visitors may share one."""

    about: ClassVar[str] = "visit"
    key_field: ClassVar[str] = "visit"
    becomes: ClassVar[VisitState | None] = None

    visit: Name
    station: Short | None = None
    name: Short | None = None
    type: Short | None = None
    purpose: Short | None = None
    host: Short | None = None
    zone: Short | None = None
    door: Short | None = None
    badge: Short | None = None
    badge_expires: Instant | None = None
    start: Instant | None = None
    expected_out: Instant | None = None
    escort_required: bool | None = None
    escort: Short | None = None
    screening: Screening | None = None
    watch: Watch | None = None
    method: Method | None = None

    def tell(self, facts: Facts) -> Facts:
        """Return the visit's facts as they are after this message."""
        assert isinstance(facts, VisitFacts)
        fresh = newer(self.at, facts.heard_at)
        told = {
            name: value
            for name in VISIT_DETAILS
            if (value := getattr(self, name)) is not None and (fresh or getattr(facts, name) is None)
        }
        facts = replace(facts, heard_at=latest(facts.heard_at, self.at), **told)
        state = self.next_state(facts)
        if state is None or not newer(self.at, facts.state_heard_at):
            return facts
        since = facts.state_at if state == facts.state else self.at
        # Whoever comes in again has not been seen out.
        seen_out = facts.checked_out_by if state == "out" else None
        return replace(facts, state=state, state_at=since, state_heard_at=self.at, checked_out_by=seen_out)

    def next_state(self, facts: VisitFacts) -> VisitState | None:
        """Return the state this message moves the visit to; None: it moves nothing."""
        return self.becomes


VISIT_DETAILS: Final = (
    "name",
    "type",
    "purpose",
    "host",
    "zone",
    "door",
    "badge",
    "badge_expires",
    "start",
    "expected_out",
    "escort_required",
    "escort",
    "screening",
    "watch",
)


class VisitorPreregistered(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A visit was announced."""

    kind = "visitor.preregistered"
    becomes = "expected"
    heard_as = (On("visitor", "action", "preregister"),)
    example = {
        "topic": "visitor/lobby",
        "payload": {"action": "preregister", "visit": "v-7", "name": "Pat Doe", "type": "volunteer"},
    }

    def next_state(self, facts: VisitFacts) -> VisitState | None:
        """An announcement that arrives after the visitor changes nothing."""
        return "expected" if facts.state is None else None


class VisitorCheckedIn(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A visitor signed in. Where the screening is open or against them, the visitor is held, not in."""

    kind = "visitor.checked_in"
    heard_as = (On("visitor", "action", "check_in"),)
    example = {
        "topic": "visitor/lobby",
        "payload": {
            "action": "check_in",
            "visit": "v-7",
            "name": "Pat Doe",
            "host": "Ms. Ito",
            "expected_out": "2026-11-24T10:30:00-06:00",
        },
    }

    def next_state(self, facts: VisitFacts) -> VisitState | None:
        """In, unless the screening holds the visitor."""
        return "held" if facts.screening in HOLDING else "in"


class VisitorScreened(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The screening of a visitor gave a result (also when it came along with the check-in)."""

    kind = "visitor.screened"
    heard_as = (On("visitor", "action", "screen"), On("visitor", "screening", ANY))
    example = {"topic": "visitor/lobby", "payload": {"action": "screen", "visit": "v-7", "screening": "clear"}}

    def next_state(self, facts: VisitFacts) -> VisitState | None:
        """A held visitor who is cleared is in; one who is in and now matches is held."""
        if facts.state == "held" and self.screening == "clear":
            return "in"
        if facts.state == "in" and self.screening in HOLDING:
            return "held"
        return None


HOLDING: Final = frozenset(("possible", "confirmed", "error"))
"""Screening results that keep a visitor at the desk until a person decides."""


class VisitorCheckedOut(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A visitor signed out. `method: auto` is a sign-out that nobody saw: the visit stays unverified."""

    kind = "visitor.checked_out"
    becomes = "out"
    heard_as = (On("visitor", "action", "check_out"),)
    example = {"topic": "visitor/lobby", "payload": {"action": "check_out", "visit": "v-7", "method": "person"}}

    def tell(self, facts: Facts) -> Facts:
        """Return the facts with the visitor out; a sign-out seen by a person is never undone by an automatic one."""
        told = VisitMessage.tell(self, facts)
        assert isinstance(told, VisitFacts)
        if told.checked_out_by not in (None, "auto") and (self.method or "station") == "auto":
            return told
        return replace(told, checked_out_by=self.method or "station") if told.state == "out" else told


class VisitorDenied(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A visitor was turned away."""

    kind = "visitor.denied"
    becomes = "denied"
    heard_as = (On("visitor", "action", "deny"),)
    example = {"topic": "visitor/lobby", "payload": {"action": "deny", "visit": "v-7"}}


class VisitorIdRefused(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A visitor did not show an ID."""

    kind = "visitor.id_refused"
    heard_as = (On("visitor", "action", "id_refused"),)
    example = {"topic": "visitor/lobby", "payload": {"action": "id_refused", "visit": "v-7"}}


class BadgeScanned(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """A visitor's badge was read at a door or in a zone."""

    kind = "badge.scanned"
    heard_as = (On("visitor", "action", "badge_scan"),)
    example = {"topic": "visitor/lobby", "payload": {"action": "badge_scan", "visit": "v-7", "zone": "gym"}}


class EscortAssigned(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody of the school goes along with the visitor."""

    kind = "escort.assigned"
    heard_as = (On("visitor", "action", "escort"),)
    example = {"topic": "visitor/lobby", "payload": {"action": "escort", "visit": "v-7", "escort": "Mr. Ng"}}


class PickupRequested(VisitMessage, frozen=True, kw_only=True, omit_defaults=True):
    """An adult asks to take a student."""

    kind = "pickup.requested"
    heard_as = (On("visitor", "action", "pickup_request"),)
    example = {
        "topic": "visitor/lobby",
        "payload": {"action": "pickup_request", "visit": "v-7", "watch": "custody"},
    }


# ----------------------------------------------------------------------------------------------- attendance
MAX_COUNTERS: Final = 200
"""Counters of one gathering whose totals are remembered; whoever makes up new ones displaces the oldest."""


class AttendanceMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What the messages of a counter or a gate carry."""

    about: ClassVar[str] = "gathering"
    key_field: ClassVar[str] = "gathering"

    gathering: Name
    count: Heads = 1
    role: Role | None = None
    ticket: Short | None = None
    gate: Short | None = None


class _AttendanceDelta(AttendanceMessage, frozen=True, kw_only=True, omit_defaults=True):
    sign: ClassVar[int] = 0
    total: Running | None = None
    """In place of `count`: what the counter shows in all. The heads are what it has grown by since it was last read,
    so that a message lost or doubled costs nothing; the first reading only tells where it stands."""
    wraps_at: Running | None = None
    """The total starts again at 0 after so many; without it, a total that has become less was set to 0."""

    def tell(self, facts: Facts) -> Facts:
        assert isinstance(facts, GatheringFacts)
        # A copy that the broker has kept may have been counted before; a total may be read as often as one likes.
        said = 0 if self.initial else self.count
        heads, totals = (said, facts.totals) if self.total is None else self._grown(facts)
        told = replace(facts, heard_at=latest(facts.heard_at, self.at), totals=totals)
        if facts.baseline_at is not None and self.at <= facts.baseline_at:
            return told
        role = self.role or "spectator"
        return replace(told, counts={**facts.counts, role: facts.counts.get(role, 0) + self.sign * heads})

    def _grown(self, facts: GatheringFacts) -> tuple[int, dict[str, Total]]:
        assert self.total is not None
        counter = f"{self.source} {self.gate or ''} {self.role or ''} {self.sign:+}"
        last = facts.totals.get(counter)
        if last is not None and not newer(self.at, last.at):
            return 0, facts.totals
        others = {name: total for name, total in facts.totals.items() if name != counter}
        while len(others) >= MAX_COUNTERS:
            others.pop(next(iter(others)))
        return self._since(last), {**others, counter: Total(self.total, self.at)}

    def _since(self, last: Total | None) -> int:
        assert self.total is not None
        if last is None:
            return 0
        grown = self.total - last.value
        if grown < 0:
            # The counter has gone around only if that is the shorter way; otherwise it was set to 0.
            around = self.wraps_at is not None and -grown > self.wraps_at // 2
            grown = grown + self.wraps_at if around and self.wraps_at is not None else self.total
        # No crowd is that large: the counter has lost its mind, and counting goes on from what it says now.
        return grown if 0 <= grown <= MAX_HEADS else 0


class AttendanceEntered(_AttendanceDelta, frozen=True, kw_only=True, omit_defaults=True):
    """So many went in."""

    kind = "attendance.entered"
    sign = 1
    heard_as = (On("attendance", "direction", "in"),)
    example = {"topic": "attendance/winter-concert", "payload": {"mode": "delta", "direction": "in", "count": 2}}


class AttendanceLeft(_AttendanceDelta, frozen=True, kw_only=True, omit_defaults=True):
    """So many went out."""

    kind = "attendance.left"
    sign = -1
    heard_as = (On("attendance", "direction", "out"),)
    example = {"topic": "attendance/winter-concert", "payload": {"mode": "delta", "direction": "out"}}


class AttendanceCounted(AttendanceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody counted the room: a new baseline, for one role where it is named, else for all."""

    kind = "attendance.counted"
    heard_as = (On("attendance", "mode", "absolute"),)
    example = {"topic": "attendance/winter-concert", "payload": {"mode": "absolute", "count": 412}}
    count: Heads  # a recount without a number says nothing, so here there is no default

    def tell(self, facts: Facts) -> Facts:
        """Return the facts with the room counted anew."""
        assert isinstance(facts, GatheringFacts)
        if not newer(self.at, facts.baseline_at):
            return facts
        role = self.role or "spectator"
        others = 0 if self.role else sum(n for name, n in facts.counts.items() if name != role)
        counts = {**facts.counts, role: max(0, self.count - others)}
        return replace(facts, heard_at=latest(facts.heard_at, self.at), counts=counts, baseline_at=self.at)


# -------------------------------------------------------------------------------------------------- devices
class DeviceMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What a device says about itself."""

    about: ClassVar[str] = "device"
    key_field: ClassVar[str] = "device"

    device: Name
    battery_pct: Percent | None = None
    battery_low: bool | None = None

    def tell(self, facts: Facts) -> Facts:
        """Return the device's facts as they are after this message; whoever speaks is online."""
        assert isinstance(facts, DeviceFacts)
        return _device_health(facts, self, self.battery_pct, self.battery_low, None)


def _device_health(
    facts: DeviceFacts, message: Message, pct: int | None, low: bool | None, tamper: bool | None
) -> DeviceFacts:
    told: dict[str, Any] = {"heard_at": latest(facts.heard_at, message.at)}
    # A low battery and a tamper are edges, and said by a message of their own; others tell only their absence.
    low = None if low and message.level != "battery_low" else low
    tamper = None if tamper and message.level != "tampered" else tamper
    if message.skewed:
        told["skewed"] = facts.skewed + 1
    if newer(message.at, facts.online_at):
        told |= {"online": True, "online_at": message.at}
    if newer(message.at, facts.heard_at):
        told |= {"battery_pct": pct} if pct is not None else {}
        told |= {"battery_low": low} if low is not None else {}
    if tamper is not None and newer(message.at, facts.tampered_at):
        told |= {"tampered": tamper, "tampered_at": message.at}
    return replace(facts, **told)


class DeviceOnline(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The device has joined. As an edge: it was not known to be online before."""

    kind = "device.online"
    level = "online"
    heard_as = (On("device", "kind", "online"),)
    example = {"topic": "device/gym-east-contact", "payload": {"kind": "online"}}


class DeviceOffline(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The device is gone: its last will, or its gateway, says so."""

    kind = "device.offline"
    level = "online"
    heard_as = (On("device", "kind", "offline"),)
    example = {"topic": "device/gym-east-contact", "payload": {"kind": "offline"}}

    def tell(self, facts: Facts) -> Facts:
        """Return the facts with the device offline. This is not a word from the device, so it is not `heard`."""
        assert isinstance(facts, DeviceFacts)
        if not newer(self.at, facts.online_at):
            return facts
        return replace(facts, online=False, online_at=self.at)


class DeviceTampered(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody has opened or moved the device."""

    kind = "device.tampered"
    level = "tampered"
    heard_as = (On("device", "kind", "tamper"), On("door", "tamper", True))
    example = {"topic": "device/gym-east-contact", "payload": {"kind": "tamper"}}

    def tell(self, facts: Facts) -> Facts:
        """Return the facts with the device tampered."""
        assert isinstance(facts, DeviceFacts)
        return _device_health(facts, self, self.battery_pct, self.battery_low, True)


class DeviceRestored(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The device is in its place again."""

    kind = "device.restored"
    level = "tampered"
    heard_as = (On("device", "kind", "restored"), On("door", "tamper", False, alone=True))
    example = {"topic": "device/gym-east-contact", "payload": {"kind": "restored"}}

    def tell(self, facts: Facts) -> Facts:
        """Return the facts with the device whole."""
        assert isinstance(facts, DeviceFacts)
        return _device_health(facts, self, self.battery_pct, self.battery_low, False)


class DeviceBatteryLow(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The device says that its battery is low."""

    kind = "device.battery_low"
    level = "battery_low"
    heard_as = (
        On("device", "kind", "battery", {"battery_low": True}),
        On("device", "battery_low", True),
        On("door", "battery_low", True),
    )
    example = {
        "topic": "device/gym-east-contact",
        "payload": {"kind": "battery", "battery_low": True, "battery_pct": 8},
    }

    def tell(self, facts: Facts) -> Facts:
        """Return the facts with the battery low."""
        assert isinstance(facts, DeviceFacts)
        return _device_health(facts, self, self.battery_pct, True, None)


class DeviceHeartbeat(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The device is alive; its battery's state may come along."""

    kind = "device.heartbeat"
    heard_as = (
        On("device", "kind", "heartbeat"),
        On("device", "kind", "battery"),
        On("door", "battery_pct", ANY, alone=True),
        On("door", "battery_low", False, alone=True),
    )
    example = {"topic": "device/gym-east-contact", "payload": {"kind": "heartbeat", "battery_pct": 93}}


class DeviceClockAdjusted(DeviceMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The device's own time could not be believed by `offset` seconds; the receive time was used instead."""

    kind = "device.clock_adjusted"
    example = {"topic": "device/gym-east-contact", "payload": {"kind": "heartbeat", "at": "2031-01-01T00:00:00Z"}}
    offset: float = 0.0

    def tell(self, facts: Facts) -> Facts:
        """Return the facts as they are: the message that told the time has told them everything."""
        return facts


# --------------------------------------------------------------------------------------------------- campus
class CampusStateChanged(Message, frozen=True, kw_only=True, omit_defaults=True):
    """The campus went into a state of the Standard Response Protocol, or back to normal."""

    kind = "campus.state_changed"
    about = "campus"
    level = "state"
    heard_as = (On("campus", "state", ANY),)
    example = {"topic": "campus/state", "payload": {"state": "secure", "by": "okafor"}}
    state: CampusState
    by: Short | None = None
    reason: Short | None = None

    def tell(self, facts: Facts) -> Facts:
        """Return the campus's facts as they are after this message."""
        assert isinstance(facts, CampusFacts)
        if not newer(self.at, facts.heard_at):
            return facts
        since = facts.state_at if facts.state == self.state else self.at
        return replace(facts, state=self.state, state_at=since, by=self.by, heard_at=self.at)


class SweepLogged(Message, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody walked around and tried the exterior doors."""

    kind = "sweep.logged"
    about = "campus"
    heard_as = (On("campus", "sweep", "done"),)
    example = {"topic": "campus/sweep", "payload": {"sweep": "done", "by": "diaz", "unlocked": 0}}
    by: Short | None = None
    unlocked: Heads | None = None


# ------------------------------------------------------------------------------------------------- our own
class AlertMessage(Message, frozen=True, kw_only=True, omit_defaults=True):
    """What we say to ourselves about an alert, so that a rule can count alerts."""

    about: ClassVar[str] = "alert"
    key_field: ClassVar[str] = "subject"
    subject: Name
    rule: Name
    severity: Literal["extreme", "severe", "moderate", "minor"]
    door: Short | None = None


class AlertOpened(AlertMessage, frozen=True, kw_only=True, omit_defaults=True):
    """An alert was opened by a rule."""

    kind = "alert.opened"
    example = {"topic": "", "payload": {"subject": "gym-east", "rule": "door-held-open", "severity": "severe"}}


class AlertCleared(AlertMessage, frozen=True, kw_only=True, omit_defaults=True):
    """The condition behind an alert has ended."""

    kind = "alert.cleared"
    example = {"topic": "", "payload": {"subject": "gym-east", "rule": "door-held-open", "severity": "severe"}}


def kinds_matching(pattern: str) -> tuple[str, ...]:
    """Return the kinds named by `pattern`: one kind, or a family (`door.*`)."""
    if pattern.endswith(".*"):
        return tuple(kind for kind in KINDS if kind.startswith(pattern[:-1]))
    return (pattern,) if pattern in KINDS else ()


@cache
def own_fields(kind: type[Message]) -> Mapping[str, Any]:
    """Return the fields of a kind beside the envelope, with their annotations."""
    hints = msgspec.structs.fields(kind)
    return {item.name: item.type for item in hints if item.name not in ENVELOPE}
