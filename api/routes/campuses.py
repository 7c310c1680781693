"""The campuses as they are described, and their doors as they are now."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api.deps import InHouse, OnCampus, Reader, Reading
from api.listing import AfterKey, Limit, Page, piece
from api.routes.state import state_of
from api.schemas import CampusShown, DeviceShown, DoorShown
from core import state
from core.campus import Campus, Door
from core.facts import DeviceFacts, DoorFacts

router = APIRouter(tags=["campuses"])


@router.get("/campuses")
async def list_campuses(
    house: InHouse, session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 100
) -> Page[CampusShown]:
    """Return the campuses, in the order of their ids."""
    found = sorted(house.campuses().values(), key=lambda campus: campus.id)
    rest = [campus for campus in found if after is None or campus.id > after]
    shown, following = piece(rest, limit, lambda campus: campus.id)
    items = [
        CampusShown(
            id=campus.id,
            name=campus.campus.name,
            timezone=campus.campus.timezone,
            state=state_of(campus, await state.get(session, campus.id, "campus", campus.id))["state"],
        )
        for campus in shown
    ]
    return Page(items=items, next=following)


@router.get("/campuses/{c}/doors")
async def list_doors(
    campus: OnCampus, session: Reading, _caller: Reader, after: AfterKey, limit: Limit = 500
) -> Page[DoorShown]:
    """Return the doors and what is true of each now, in the order of their ids."""
    found = sorted(await doors(session, campus), key=lambda door: door.id)
    rest = [door for door in found if after is None or door.id > after]
    shown, following = piece(rest, limit, lambda door: door.id)
    return Page(items=shown, next=following)


async def doors(session: AsyncSession, campus: Campus) -> list[DoorShown]:
    """Return the doors of a campus in the order of its file, each with what is true of it now."""
    told = {facts.id: facts for facts in await state.load(session, campus.id, "door")}
    health = {facts.id: facts for facts in await state.load(session, campus.id, "device")}
    found = []
    for door in campus.doors:
        facts = told.get(door.id)
        device = campus.device_of_door.get(door.id)
        found.append(
            _door(
                door,
                facts if isinstance(facts, DoorFacts) else DoorFacts(id=door.id),
                _device(device, health.get(device)) if device else None,
            )
        )
    return found


def _door(door: Door, facts: DoorFacts, device: DeviceShown | None) -> DoorShown:
    return DoorShown.model_validate(
        {
            "id": door.id,
            "name": door.name,
            "number": door.number,
            "zone": door.zone,
            "exterior": door.exterior,
            "class": door.door_class,
            "position": facts.position,
            "position_at": facts.position_at,
            "lock": facts.lock,
            "lock_at": facts.lock_at,
            "heard_at": facts.heard_at,
            "device": device,
        }
    )


def _device(device: str, facts: object) -> DeviceShown:
    told = facts if isinstance(facts, DeviceFacts) else DeviceFacts(id=device)
    return DeviceShown(
        id=device,
        online=told.online,
        battery_pct=told.battery_pct,
        battery_low=told.battery_low,
        tampered=told.tampered,
        heard_at=told.heard_at,
    )
