"""A campus of any size out of a campus file: more doors, and as many schools like it as one wants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from pydantic import Field

from core.calendar import Strict
from core.campus import Campus, Device, Door

HEARTBEAT: Final = timedelta(hours=1)
MOST_SCHOOLS: Final = 10_000
MOST_DOORS: Final = 2_000


class Size(Strict):
    """How large a scenario is."""

    schools: int = Field(default=1, ge=1, le=MOST_SCHOOLS)
    """Schools of the same layout; each is a campus of its own, with an own life."""
    doors: int | None = Field(default=None, ge=1, le=MOST_DOORS)
    """Doors of each school; those beyond the campus file's are exits and rooms like its own."""


def grown(campus: Campus, size: Size) -> Campus:
    """Return the campus with as many doors as `size` says; it never loses one."""
    wanted = (size.doors or 0) - len(campus.doors)
    if wanted <= 0:
        return campus
    zones: list[str | None] = [*(zone.id for zone in campus.zones)] or [None]
    doors = [_door(number, zones[number % len(zones)]) for number in range(wanted)]
    devices = [Device(id=f"{door.id}-contact", door=door.id, heartbeat=HEARTBEAT) for door in doors]
    fields: dict[str, Any] = {name: getattr(campus, name) for name in Campus.model_fields}
    return Campus(**fields | {"doors": (*campus.doors, *doors), "devices": (*campus.devices, *devices)})


def _door(number: int, zone: str | None) -> Door:
    if number % 3 == 0:
        way_out = {"exterior": True, "class": "exit_only", "has_rex": True}
        return Door.model_validate({"id": f"exit-{number}", "name": f"Exit {number}", "zone": zone, **way_out})
    return Door(id=f"room-{number}", name=f"Room {number}", zone=zone)


def school_ids(campus: str, size: Size) -> list[str]:
    """Return the id of each school: the campus's own where there is one, else with a number behind it."""
    return [campus] if size.schools == 1 else [f"{campus}-{number:04}" for number in range(1, size.schools + 1)]


def as_school(campus: Campus, name: str) -> Campus:
    """Return the campus under another id, as one of many."""
    fields: dict[str, Any] = {field: getattr(campus, field) for field in Campus.model_fields}
    return Campus(**fields | {"campus": campus.campus.model_copy(update={"id": name})})
