"""The board, and the answers people give on it. Everything works without a script; with one it is live."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from alerts import desk
from api.console import board
from api.console.frame import Back, InFrame, done, local
from api.deps import Answerer, Now, Reading, Writing
from api.listing import Number, Words

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_board(frame: InFrame, session: Reading) -> Response:
    """Show what is open, who has it, and how the doors are."""
    return frame.page("board.html", board=await board.read(session, frame))


@router.post("/alerts/{number}/ack")
async def press_on_it(session: Writing, caller: Answerer, now: Now, number: Number, back: Back = "/") -> Response:
    """Take an alert."""
    await desk.acknowledge(session, number, who=caller.actor, now=now, via="console")
    return done(local(back))


@router.post("/alerts/{number}/on-scene")
async def press_on_scene(session: Writing, caller: Answerer, now: Now, number: Number, back: Back = "/") -> Response:
    """Say that one is on the spot."""
    await desk.on_scene(session, number, who=caller.actor, now=now, via="console")
    return done(local(back))


@router.post("/alerts/{number}/resolve")
async def press_close(
    session: Writing,
    caller: Answerer,
    now: Now,
    number: Number,
    disposition: Annotated[Words, Form()],
    note: Annotated[Words, Form(max_length=2000)] = "",
    back: Back = "/",
) -> Response:
    """Close an alert, saying what it was."""
    said = {"disposition": disposition, "note": note}
    await desk.resolve(session, number, who=caller.actor, now=now, via="console", **said)
    return done(local(back))
