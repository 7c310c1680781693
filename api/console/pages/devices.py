"""Devices: how well each is heard, the sensors that were found and are on no door yet, and what their messages mean."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from api.console import devices, found, mappings
from api.console.frame import Back, InFrame, done, local
from api.deps import InHouse, Reading
from api.listing import AfterKey, Words, piece
from api.registry_editing import Described, InClerk
from core.errors import NotFound
from ingest import discovery, store

router = APIRouter(include_in_schema=False)
_FOUND_SHOWN = 20


@router.get("/devices")
async def show_devices(
    frame: InFrame, session: Reading, after: AfterKey, like: Words = "", state: Words = ""
) -> Response:
    """Show the devices, the worst first."""
    read = await devices.read(session, frame.campus, frame.now, like=like, which=state, after=after)
    announced = await discovery.announced(session)
    return frame.page(
        "devices.html", devices=read, states=devices.STATES, like=like, state=state, after=after, announced=announced
    )


@router.get("/devices/found")
async def show_found(frame: InFrame, session: Reading, house: InHouse, after: AfterKey) -> Response:
    """Show the sensors that announced themselves and that no campus names."""
    in_force = await store.in_force(session)
    campuses = house.campuses().values()
    rows = await discovery.proposals(session, campuses, in_force, after=after, limit=_FOUND_SHOWN + 1)
    shown, following = piece(rows, _FOUND_SHOWN, lambda each: each.sensor.topic)
    doors = found.free_doors(frame.campus)
    return frame.page("found.html", proposals=shown, following=following, after=after, doors=doors)


@router.post("/devices/{c}/found")
async def take_over(
    clerk: InClerk,
    campus: Described,
    house: InHouse,
    topic: Annotated[Words, Form(max_length=1000)],
    door: Annotated[Words, Form(max_length=300)] = "",
    name: Annotated[Words, Form(max_length=300)] = "",
    exterior: Annotated[bool, Form()] = False,
    back: Back = "/devices/found",
) -> Response:
    """Let a sensor that was found speak for a door."""
    in_force = await store.in_force(clerk.session)
    proposal = await discovery.proposed(clerk.session, [*house.campuses().values(), campus], in_force, topic)
    if proposal is None:
        raise NotFound("this sensor is no longer on the list: somebody has taken it over, or it was withdrawn")
    taken = await found.take_over(clerk, campus, proposal, door=door, name=name, exterior=exterior)
    return done(local(back), f"{proposal.sensor.name} speaks for {taken} from now on.")


@router.get("/devices/mappings")
async def show_mappings(frame: InFrame, session: Reading, after: AfterKey) -> Response:
    """Show what other makers' messages mean to us, with examples."""
    lines, following = await mappings.read(session, after)
    return frame.page("mappings.html", mappings=lines, following=following, after=after)
