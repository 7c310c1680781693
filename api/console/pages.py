"""The live page, and the answers people give on it. Everything works without a script; with one it is live."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from alerts import desk
from api.console import board, render
from api.deps import Answerer, InHouse, Now, Reader, Reading, Writing
from api.listing import Number, Words

router = APIRouter(include_in_schema=False)


@router.get("/")
async def live_page(house: InHouse, session: Reading, caller: Reader, now: Now) -> Response:
    """Show what is open, who has it, and how every door is."""
    shown = await board.read(session, house.campuses(), house.health(), now)
    return render.page("live.html", board=shown, caller=caller, csrf=caller.csrf, may_answer=caller.may("answer"))


@router.post("/alerts/{number}/ack")
async def press_on_it(session: Writing, caller: Answerer, now: Now, number: Number) -> Response:
    """Take an alert."""
    await desk.acknowledge(session, number, who=caller.actor, now=now, via="console")
    return RedirectResponse("/", 303)


@router.post("/alerts/{number}/on-scene")
async def press_on_scene(session: Writing, caller: Answerer, now: Now, number: Number) -> Response:
    """Say that one is on the spot."""
    await desk.on_scene(session, number, who=caller.actor, now=now, via="console")
    return RedirectResponse("/", 303)


@router.post("/alerts/{number}/resolve")
async def press_close(
    session: Writing,
    caller: Answerer,
    now: Now,
    number: Number,
    disposition: Annotated[Words, Form()],
    note: Annotated[Words, Form(max_length=2000)] = "",
) -> Response:
    """Close an alert, saying what it was."""
    said = {"disposition": disposition, "note": note}
    await desk.resolve(session, number, who=caller.actor, now=now, via="console", **said)
    return RedirectResponse("/", 303)
