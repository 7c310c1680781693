"""The map of a campus; an administrator uploads its plan and says where the doors are."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, Header, UploadFile
from starlette.responses import Response

from api import plans
from api.console import floor
from api.console.frame import InFrame, done
from api.deps import Administrator, InHouse, Now, OnCampus, Reader, Reading, Writing
from api.etags import tag_of
from api.listing import Words
from api.registry_editing import InClerk, part_of
from core import audit, registry
from core.errors import BadInput, Problem

router = APIRouter(include_in_schema=False)
CONFINED: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""What a plan may do where somebody opens it by itself: be looked at."""


@router.get("/map")
async def show_map(
    frame: InFrame, house: InHouse, session: Reading, now: Now, zone: Words = "", place: bool = False
) -> Response:
    """Show how the doors stand, on the plan where there is one, and by zone; with `place`, to place doors."""
    campus, version = frame.campus, ""
    if place := place and frame.may("administer"):
        # What was just placed stands in the rows before the running service has taken it over.
        campus = await registry.load(session, house.vault, campus.id) or campus
        version = tag_of(part_of(campus, "doors"))
    found = await floor.read(session, campus, now, zone)
    doors = [each for each in campus.doors if not found.many or each.zone == zone] if place else []
    return frame.page("map.html", floor=found, place=place, doors=doors, version=version)


@router.get("/map/{c}/plan")
async def show_plan(
    campus: OnCampus, session: Reading, _caller: Reader, if_none_match: Annotated[str, Header(max_length=200)] = ""
) -> Response:
    """Return the plan, for an image on a page of ours."""
    row = await plans.get(session, campus.id)
    headers = {
        "Content-Security-Policy": CONFINED,
        "Cache-Control": "private, no-cache",
        "ETag": tag_of([campus.id, row.changed_at.isoformat()]),
    }
    if headers["ETag"] == if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(row.content, media_type=row.media_type, headers=headers)


@router.post("/map/{c}/plan")
async def upload_plan(
    campus: OnCampus, session: Writing, caller: Administrator, now: Now, plan: Annotated[UploadFile, File()]
) -> Response:
    """Keep a picture as the plan of the campus."""
    content = await plan.read(plans.MOST_BYTES + 1)
    found = await plans.put(session, campus.id, content, now=now, by=caller.actor)
    about = {"media_type": found.media_type, "bytes": len(content)}
    subject = f"campus:{campus.id}"
    await audit.record(session, at=now, actor=caller.actor, action="plan.write", subject=subject, detail=about)
    return done(f"/map?campus={campus.id}&place=1", "The plan is kept. Now say where the doors are.")


@router.post("/map/{c}/plan/remove")
async def remove_plan(campus: OnCampus, session: Writing, caller: Administrator, now: Now) -> Response:
    """Forget the plan of the campus."""
    await plans.remove(session, campus.id)
    subject = f"campus:{campus.id}"
    await audit.record(session, at=now, actor=caller.actor, action="plan.remove", subject=subject, detail={})
    return done(f"/map?campus={campus.id}", "The plan is removed.")


@router.post("/map/{c}/doors")
async def place_door(
    clerk: InClerk,
    c: Words,
    door: Annotated[Words, Form(max_length=100)],
    x: Annotated[float, Form(ge=0, le=1)],
    y: Annotated[float, Form(ge=0, le=1)],
    version: Annotated[Words, Form(max_length=200)],
    zone: Annotated[Words, Form(max_length=200)] = "",
) -> Response:
    """Say where a door is on the plan."""

    def change(plain: dict[str, Any]) -> dict[str, Any]:
        doors = plain.get("doors", [])
        if door not in {each["id"] for each in doors}:
            raise BadInput([Problem(f"no door {door!r}", "door")])
        return plain | {"doors": [each | ({"x": x, "y": y} if each["id"] == door else {}) for each in doors]}

    # Whoever places from an old page would not know what they undo.
    campus = await replace(clerk, if_match=version).edit(c, "doors", change, subject=f"door:{c}/{door}")
    back = f"/map?campus={c}&place=1" + (f"&zone={zone}" if zone in campus.zones_by_id else "")
    return done(back, f"{campus.doors_by_id[door].name} has its place.")
