"""What is true of one thing on a campus: values that messages change and rules read.

A fact that nobody has told us is None (unknown). Each level keeps the time it was told (`…_at`), so that an
older message, arriving late, never overrides a newer one.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

import msgspec

Position = Literal["open", "closed"]
Lock = Literal["locked", "unlocked"]
VisitState = Literal["expected", "held", "in", "out", "denied"]
Screening = Literal["clear", "possible", "confirmed", "not_run", "error"]
CampusState = Literal["normal", "hold", "secure", "lockdown", "evacuate", "shelter"]
Method = Literal["person", "station", "host", "auto"]


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all facts; `entity` names the kind of thing, `id` which one."""

    entity: ClassVar[str] = ""
    id: str
    heard_at: datetime | None = None
    """Event time of the latest message about it; None if there never was one."""

    @property
    def level(self) -> str | None:
        """The one word for how it stands (open, in, lockdown, …), by which lists are filtered; None: unknown."""
        return None


class DoorFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """What a door's sensors last said; `position_at` is since when it has been so (the edge, not the repeat)."""

    entity: ClassVar[str] = "door"
    position: Position | None = None
    position_at: datetime | None = None
    position_heard_at: datetime | None = None
    lock: Lock | None = None
    lock_at: datetime | None = None
    lock_heard_at: datetime | None = None

    @property
    def level(self) -> str | None:
        """Position and lock, as far as they are known."""
        if self.position is None or self.lock is None:
            return self.position or self.lock
        return f"{self.position} {self.lock}"


class VisitFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """One visit of one person, from the announcement to the sign-out. Names are for people; the key is the visit."""

    entity: ClassVar[str] = "visit"
    state: VisitState | None = None
    state_at: datetime | None = None
    state_heard_at: datetime | None = None
    type: str | None = None
    name: str | None = None
    purpose: str | None = None
    host: str | None = None
    zone: str | None = None
    door: str | None = None
    badge: str | None = None
    badge_expires: datetime | None = None
    screening: Screening | None = None
    watch: str | None = None
    escort_required: bool | None = None
    escort: str | None = None
    start: datetime | None = None
    expected_out: datetime | None = None
    checked_out_by: Method | None = None

    @property
    def level(self) -> str | None:
        """The state of the visit."""
        return self.state


class Total(msgspec.Struct, frozen=True):
    """The last running total of one counter, and when it was read."""

    value: int
    at: datetime


class GatheringFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """Heads counted at one gathering, by role. A recount sets `baseline_at`; older deltas then no longer count."""

    entity: ClassVar[str] = "gathering"
    counts: dict[str, int] = {}
    """Net heads by role (`spectator`, `staff`, …)."""
    baseline_at: datetime | None = None
    totals: dict[str, Total] = {}
    """Where each counter that only ever counts up stands; what it has grown by are the heads."""

    @property
    def count(self) -> int:
        """Everybody in the room; never below zero, however wrong the counters are."""
        return max(0, sum(self.counts.values()))

    @property
    def level(self) -> str | None:
        """The number of heads."""
        return str(self.count)


class DeviceFacts(Facts, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The health of one device."""

    entity: ClassVar[str] = "device"
    online: bool | None = None
    online_at: datetime | None = None
    battery_pct: int | None = None
    battery_low: bool | None = None
    tampered: bool | None = None
    tampered_at: datetime | None = None
    skewed: int = 0
    """Messages whose own time could not be believed, so that the receive time was used."""

    @property
    def level(self) -> str | None:
        """Online or offline."""
        return None if self.online is None else "online" if self.online else "offline"


class CampusFacts(Facts, frozen=True, kw_only=True, omit_defaults=True):
    """The campus as a whole: the Standard Response Protocol state it is in."""

    entity: ClassVar[str] = "campus"
    state: CampusState | None = None
    state_at: datetime | None = None
    by: str | None = None

    @property
    def level(self) -> str | None:
        """The state of the campus."""
        return self.state


FACTS: dict[str, type[Facts]] = {
    cls.entity: cls for cls in (DoorFacts, VisitFacts, GatheringFacts, DeviceFacts, CampusFacts)
}
"""Every family of facts by the name of its entity."""
