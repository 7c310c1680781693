"""How the doors of a campus stand, in one line that may be believed: what is not heard of is said to be so."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from api.console.views import Site, Tile
from core import state
from core.campus import Campus, Door
from core.facts import DoorFacts
from core.silence import MISSED_BEATS
from core.state import Standing

TILES_SHOWN: Final = 24


async def sites(session: AsyncSession, campuses: Sequence[Campus], now: datetime) -> list[Site]:
    """Return the line and the notable doors of each campus."""
    ids = [campus.id for campus in campuses]
    doors = _by_campus(await state.standings(session, ids, "door"))
    devices = _by_campus(await state.standings(session, ids, "device"))
    return [
        await _site(session, campus, doors.get(campus.id, {}), devices.get(campus.id, {}), now) for campus in campuses
    ]


def is_reporting(
    campus: Campus, door: Door, standing: Standing | None, devices: Mapping[str, Standing], now: datetime
) -> bool:
    """Return whether what a door's sensor said last may still be believed."""
    if standing is None or standing.level is None:
        return False
    device = campus.device_of_door.get(door.id)
    if device is None:
        return True
    told = devices.get(device)
    if told is not None and told.level == "offline":
        return False
    heartbeat = campus.devices_by_id[device].heartbeat
    if heartbeat is None:
        return True
    heard = max((each.heard_at for each in (standing, told) if each and each.heard_at), default=None)
    return heard is not None and now - heard <= MISSED_BEATS * heartbeat


def position_of(standing: Standing | None) -> str | None:
    """Return whether a door is open or closed; None: unknown."""
    word = (standing.level or "").partition(" ")[0] if standing else ""
    return word if word in ("open", "closed") else None


def tile(campus: str, door: Door, facts: DoorFacts, now: datetime) -> Tile:
    """Return a door as a page shows it."""
    since = min(facts.position_at, now) if facts.position_at else None
    # The script changes a tile by itself, so the mark says what it shows.
    mark = f"{facts.position}|{since and since.timestamp()}|{facts.lock}"
    return Tile(campus, door.id, door.name, door.number, facts.position, since, facts.lock, mark)


async def _site(
    session: AsyncSession,
    campus: Campus,
    doors: Mapping[str, Standing],
    devices: Mapping[str, Standing],
    now: datetime,
) -> Site:
    watched = [door for door in campus.doors if door.monitored]
    outer = [door for door in watched if door.exterior]
    silent = [door for door in outer if not is_reporting(campus, door, doors.get(door.id), devices, now)]
    unshut = [door for door in watched if position_of(doors.get(door.id)) != "closed"]
    # What is open is looked at first.
    unshut.sort(key=lambda door: position_of(doors.get(door.id)) is None)
    open_outer = [door for door in outer if position_of(doors.get(door.id)) == "open"]
    shown = [door.id for door in unshut[:TILES_SHOWN]]
    facts = {
        each.id: each for each in await state.some(session, campus.id, "door", shown) if isinstance(each, DoorFacts)
    }
    words = [f"{len(outer) - len(silent)} of {len(outer)} exterior doors reporting", f"{len(open_outer)} open"]
    words += [_window(campus, name, monitor) for name, monitor in _windows(campus, now)]
    return Site(
        id=campus.id,
        name=campus.campus.name,
        well=not silent,
        truth=", ".join(words),
        doors=[tile(campus.id, door, facts.get(door.id, DoorFacts(id=door.id)), now) for door in unshut[:TILES_SHOWN]],
        more=max(0, len(unshut) - TILES_SHOWN),
    )


def _windows(campus: Campus, now: datetime) -> list[tuple[str, str | None]]:
    return [(window.name, window.monitor) for window in campus.local_calendar.open_windows(now)]


def _window(campus: Campus, name: str, monitor: str | None) -> str:
    known = campus.people_by_id.get(monitor or "")
    return f"window “{name}” is open" + (f", {known.name} watches" if known else "")


def _by_campus(found: Sequence[Standing]) -> dict[str, dict[str, Standing]]:
    sorted_out: dict[str, dict[str, Standing]] = {}
    for each in found:
        sorted_out.setdefault(each.campus, {})[each.id] = each
    return sorted_out


def mark(*parts: object) -> str:
    """Return a short word that changes when what a piece of the page shows does."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=8).hexdigest()
