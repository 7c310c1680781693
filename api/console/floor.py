"""The map: how every door stands, where it is, and how full the rooms are; zones alone where there are many doors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.alert import rank
from alerts.store import AlertRow
from api import plans
from api.console import standing, truth
from api.console.truth import mark
from api.plans import Plan
from core import state
from core.campus import Campus, Door
from core.errors import NotFound
from core.facts import GatheringFacts

MANY: Final = 300
"""More doors than that are no picture any more: zones are shown with their counts, and one zone's doors on request."""
WIDTH: Final = 1000
HEIGHT: Final = 640
"""The picture's own measure, where no plan gives its shape."""
STATES: Final = {
    "open": "open",
    "unknown": "unknown",
    "silent": "silent",
    "closed": "closed",
    "unwatched": "not watched",
}
"""How a door may stand, what is looked at first at the top."""
_ALERTS_READ: Final = 2000


@dataclass(frozen=True, slots=True)
class Spot:
    """One door on the map."""

    id: str
    name: str
    number: str
    state: str
    words: str
    alert: int | None
    severity: str
    x: float | None
    y: float | None
    """In the picture's measure; None: nobody has placed it."""

    @property
    def mark(self) -> str:
        """A word that changes when it stands differently."""
        return f"{self.state} {self.words} {self.alert} {self.severity} {self.x} {self.y}"


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a room is because of one gathering."""

    name: str
    count: int | None
    load: int | None
    full: int | None
    tone: str


@dataclass(frozen=True, slots=True)
class Room:
    """A zone: how its doors stand in numbers, the doors themselves where they are shown, and who is in it."""

    id: str
    name: str
    counts: Sequence[tuple[str, int]]
    alerts: int
    doors: Sequence[Spot]
    more: int
    fills: Sequence[Fill]
    mark: str


@dataclass(frozen=True, slots=True)
class Floor:
    """The map of one campus, or of one of its zones."""

    plan: Plan | None
    height: float
    spots: Sequence[Spot]
    """Those that have a place in the picture."""
    rooms: Sequence[Room]
    zone: str
    """The one zone that was asked for; empty: all of them."""
    many: bool
    placed: bool
    """Whether any door has a place."""
    counts: str


async def read(session: AsyncSession, campus: Campus, now: datetime, zone: str = "") -> Floor:
    """Return how the doors of a campus stand; NotFound if it has no zone of that id."""
    if zone and zone not in campus.zones_by_id:
        raise NotFound(f"no zone {zone!r} on campus {campus.id!r}")
    plan = await plans.describe(session, campus.id)
    height = WIDTH * plan.height / plan.width if plan else HEIGHT
    inside = [door for door in campus.doors if not zone or door.zone == zone]
    words = await _words(session, campus, inside, now, alone=bool(zone))
    alerts = await _alerts(session, campus)
    whole = len(campus.doors) <= MANY or bool(zone)
    shown = {
        door.id: _spot(door, words[door.id], alerts.get(door.id), height)
        for door in inside
        if whole or door.id in alerts
    }
    return Floor(
        plan=plan,
        height=round(height, 1),
        spots=[spot for spot in shown.values() if spot.x is not None][:MANY],
        rooms=_rooms(campus, inside, words, shown, await _fills(session, campus, now), zone, whole=whole),
        zone=zone,
        many=len(campus.doors) > MANY,
        placed=any(door.x is not None and door.y is not None for door in campus.doors),
        counts=", ".join(f"{number} {said}" for said, number in _counted(word for word, _ in words.values())),
    )


async def _words(
    session: AsyncSession, campus: Campus, inside: Sequence[Door], now: datetime, *, alone: bool
) -> dict[str, tuple[str, str | None]]:
    """Return how each door stands (see `STATES`), and the position it was last said to have.

    `alone`: only a part of the campus is asked for.
    """
    ids = [door.id for door in inside] if alone else None
    speakers = [campus.device_of_door[each] for each in ids if each in campus.device_of_door] if ids else ids
    doors = {each.id: each for each in await state.standings(session, [campus.id], "door", ids=ids)}
    devices = {each.id: each for each in await state.standings(session, [campus.id], "device", ids=speakers)}
    found = {}
    for door in inside:
        told = doors.get(door.id)
        position = truth.position_of(told)
        word = position or "unknown"
        if not door.monitored:
            word = "unwatched"
        elif position is not None and not truth.is_reporting(campus, door, told, devices, now):
            word = "silent"
        found[door.id] = word, position
    return found


async def _alerts(session: AsyncSession, campus: Campus) -> dict[str, tuple[int, str]]:
    """Return the gravest open alert of each door that has one: its number and severity."""
    query = select(AlertRow.id, AlertRow.entity, AlertRow.key, AlertRow.severity)
    query = query.where(AlertRow.campus == campus.id, AlertRow.closed_at.is_(None))
    query = query.where(AlertRow.entity.in_(("door", "device"))).order_by(AlertRow.id.desc()).limit(_ALERTS_READ)
    found: dict[str, tuple[int, str]] = {}
    for number, entity, key, severity in (await session.execute(query)).all():
        device = campus.devices_by_id.get(key) if entity == "device" else None
        door = device.door if device else key
        if door and (door not in found or rank(severity) > rank(found[door][1])):  # type: ignore[arg-type] # as stored
            found[door] = (number, severity)
    return found


def _spot(door: Door, stands: tuple[str, str | None], alert: tuple[int, str] | None, height: float) -> Spot:
    word, position = stands
    placed = door.x is not None and door.y is not None
    return Spot(
        id=door.id,
        name=door.name,
        number=door.number,
        state=word,
        words=f"silent, last said to be {position}" if word == "silent" else STATES[word],
        alert=alert[0] if alert else None,
        severity=alert[1] if alert else "",
        x=round(min(max(door.x or 0.0, 0.0), 1.0) * WIDTH, 1) if placed else None,
        y=round(min(max(door.y or 0.0, 0.0), 1.0) * height, 1) if placed else None,
    )


def _rooms(
    campus: Campus,
    inside: Sequence[Door],
    words: Mapping[str, tuple[str, str | None]],
    shown: Mapping[str, Spot],
    fills: Mapping[str, Sequence[Fill]],
    zone: str,
    *,
    whole: bool,
) -> list[Room]:
    by_zone: dict[str, list[Door]] = {each.id: [] for each in campus.zones if not zone or each.id == zone}
    for door in inside:
        by_zone.setdefault(door.zone or "", []).append(door)
    for key in fills:
        if not zone:
            by_zone.setdefault(key, [])
    return [
        _room(
            campus, key, mine, words, [shown[door.id] for door in mine if door.id in shown], fills.get(key, ()), whole
        )
        for key, mine in by_zone.items()
        if mine or key in fills
    ]


def _room(
    campus: Campus,
    zone: str,
    mine: Sequence[Door],
    words: Mapping[str, tuple[str, str | None]],
    spots: list[Spot],
    fills: Sequence[Fill],
    whole: bool,
) -> Room:
    order = list(STATES)
    spots.sort(key=lambda spot: (spot.alert is None, order.index(spot.state)))
    counts = _counted(words[door.id][0] for door in mine)
    alarmed = sum(spot.alert is not None for spot in spots)
    doors = spots[:MANY] if whole else []
    return Room(
        id=zone,
        name=campus.zones_by_id[zone].name if zone else "Without a zone",
        counts=counts,
        alerts=alarmed,
        doors=doors,
        more=len(spots) - len(doors) if whole else 0,
        fills=fills,
        mark=mark(counts, alarmed, [spot.mark for spot in doors], [str(each) for each in fills]),
    )


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    counted = Counter(words)
    return [(said, counted[word]) for word, said in STATES.items() if counted[word]]


async def _fills(session: AsyncSession, campus: Campus, now: datetime) -> dict[str, list[Fill]]:
    """Return how full each zone is by the gatherings that are on."""
    spans = campus.gathering_spans
    on = [each for each in campus.gatherings if spans[each.id][0] <= now < spans[each.id][1]]
    told = {each.id: each for each in await state.some(session, campus.id, "gathering", [each.id for each in on])}
    found: dict[str, list[Fill]] = {}
    for each in on:
        facts, load = told.get(each.id), standing.load_of(campus, each)
        count = facts.count if isinstance(facts, GatheringFacts) else None
        full = None if count is None or not load else round(100 * count / load)
        found.setdefault(each.zone or "", []).append(Fill(each.name, count, load, full, standing.tone_of(full)))
    return found
