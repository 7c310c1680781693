"""How well each device is heard, the worst first: what is wrong with it in a word, and since when nothing was heard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from api.console.render import duration, several
from api.listing import piece
from core import state
from core.campus import Campus, Device, write_duration
from core.errors import BadInput, Problem
from core.facts import DeviceFacts, Facts
from core.silence import MISSED_BEATS
from core.wire import MAX_FUTURE, MAX_PAST
from ingest import health
from ingest.health import Glance

SHOWN: Final = 50
STATES: Final = {
    "tampered": "Tampered with",
    "offline": "Offline",
    "silent": "Silent for too long",
    "unheard": "Never heard",
    "battery": "Battery low",
    "clock": "Clock wrong",
    "losses": "Loses messages",
    "well": "Well",
}
"""What may be said of a device, the worst first."""
_LOSES: Final = 0.01
"""The share of messages that may be lost before it is worth a word."""


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """One device."""

    id: str
    door: str
    """The name of its door; empty: it is on none."""
    source: str
    words: Sequence[tuple[str, str]]
    """How it is, the worst first, each with its colour."""
    heard_at: datetime | None
    heartbeat: str
    battery: str
    clock: str
    losses: str


_RANKS: Final = {word: rank for rank, word in enumerate(STATES)}
_TONES: Final = {"well": "good", "tampered": "bad", "offline": "bad", "silent": "bad", "unheard": ""}


@dataclass(frozen=True, slots=True)
class Devices:
    """The page."""

    lines: Sequence[DeviceLine]
    counts: Mapping[str, int]
    """How many devices are in each state, whatever is looked for."""
    total: int
    following: str | None

    @property
    def truth(self) -> str:
        """All of it in one sentence."""
        if not self.total:
            return "This campus names no device and no door with a sensor."
        well = self.counts.get("well", 0)
        if well == self.total:
            return f"Every device is well, all {self.total}."
        return f"{well} of {self.total} devices are well; {several(self.total - well, 'needs', 'need')} a look."


async def read(
    session: AsyncSession, campus: Campus, now: datetime, *, like: str, which: str, after: str | None
) -> Devices:
    """Return the devices whose names hold `like` and that are in a state (all: none named), the worst first."""
    if which and which not in STATES:
        raise BadInput([Problem(f"no state {which!r}; there are {', '.join(STATES)}", "state")])
    told = {facts.id: facts for facts in await state.load(session, campus.id, "device")}
    heard = await health.glances(session, campus.id)
    counts: Counter[str] = Counter()
    wanted = like.strip().casefold()
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for device in campus.devices_by_id.values():
        states = _states(_Known(device, told.get(device.id), heard.get(device.id)), now)
        counts.update(states)
        if (not which or which in states) and _is_like(campus, device, wanted):
            found.append((_RANKS[states[0]], device.id, states))
    found.sort()
    place = _place(after)
    rest = [each for each in found if each[:2] > place]
    shown, following = piece(rest[: SHOWN + 1], SHOWN, lambda each: f"{each[0]} {each[1]}")
    # What there is to say of a device is put into words only for those that are shown.
    lines = [
        _line(campus, _Known(campus.devices_by_id[key], told.get(key), heard.get(key)), states)
        for _, key, states in shown
    ]
    return Devices(lines, counts, len(campus.devices_by_id), following)


@dataclass(frozen=True, slots=True)
class _Known:
    """A device and what is known of it."""

    device: Device
    facts: Facts | None
    glance: Glance | None

    @property
    def told(self) -> DeviceFacts:
        """What it says of itself."""
        return self.facts if isinstance(self.facts, DeviceFacts) else DeviceFacts(id=self.device.id)

    @property
    def heard_at(self) -> datetime | None:
        """When anything of it was last heard."""
        heard, seen = self.told.heard_at, self.glance.last_seen if self.glance else None
        return max(heard, seen) if heard and seen else heard or seen


def _place(after: str | None) -> tuple[int, str]:
    rank, _, key = (after or "-1 ").partition(" ")
    if after is not None and not (rank.isdecimal() and rank.isascii() and len(rank) < 3):
        raise BadInput([Problem("is none of ours; begin again", "cursor")])
    return int(rank), key


def _is_like(campus: Campus, device: Device, wanted: str) -> bool:
    return not wanted or any(wanted in text.casefold() for text in (device.id, *_names(campus, device)))


def _names(campus: Campus, device: Device) -> tuple[str, str]:
    """Return the name of a device's door, and that of the foreign device which speaks for it."""
    door = campus.doors_by_id.get(device.door or "")
    name = f"{door.name} {door.number}".strip() if door else ""
    return name, device.source or (door.source if door else None) or ""


def _line(campus: Campus, known: _Known, states: Sequence[str]) -> DeviceLine:
    device, told, glance = known.device, known.told, known.glance
    door, source = _names(campus, device)
    return DeviceLine(
        id=device.id,
        door=door,
        source=source,
        words=[(STATES[each], _TONES.get(each, "doubtful")) for each in states],
        heard_at=known.heard_at,
        heartbeat=write_duration(device.heartbeat) if device.heartbeat else "",
        battery=_battery(told),
        clock=_clock(glance.clock_offset if glance else None),
        losses=f"{glance.lost} of {glance.messages + glance.lost}" if glance and glance.lost else "",
    )


def _states(known: _Known, now: datetime) -> tuple[str, ...]:
    told, glance, heard, heartbeat = known.told, known.glance, known.heard_at, known.device.heartbeat
    offset = glance.clock_offset if glance else None
    is_silent = bool(heartbeat and heard and now - heard > heartbeat * MISSED_BEATS)
    so = {
        "tampered": told.tampered,
        "offline": told.online is False,
        "silent": is_silent and told.online is not False,
        "unheard": heard is None,
        "battery": told.battery_low,
        "clock": offset is not None and not -MAX_PAST <= offset <= MAX_FUTURE,
        "losses": glance is not None and glance.lost > _LOSES * (glance.messages + glance.lost),
    }
    return tuple(word for word, holds in so.items() if holds) or ("well",)


def _battery(told: DeviceFacts) -> str:
    if told.battery_pct is not None:
        return f"{told.battery_pct} %"
    return {None: "", True: "low", False: "good"}[told.battery_low]


def _clock(offset: timedelta | None) -> str:
    if offset is None:
        return ""
    if abs(offset) < timedelta(seconds=1):
        return "right"
    return f"{duration(abs(offset))} {'ahead' if offset > timedelta(0) else 'behind'}"
