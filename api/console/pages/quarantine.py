"""The quarantine: what could not be read and why, and another try once that is mended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from api.console import forms, quarantine
from api.console.frame import Back, InFrame, done, local
from api.deps import Administrator, InHouse, Now, Reading
from api.listing import AfterId, Number, Words
from api.routes import quarantine as routes
from api.schemas import ReplaySaid

router = APIRouter(include_in_schema=False)


@router.get("/quarantine")
async def show_quarantine(frame: InFrame, session: Reading, after: AfterId, reason: Words = "") -> Response:
    """Show what could not be read."""
    campus = frame.chosen.id if frame.chosen else None
    read = await quarantine.read(session, campus=campus, reason=reason, after=after)
    return frame.page("quarantine.html", quarantine=read, reason=reason, after=after)


@router.post("/quarantine/replay")
async def replay_all(
    house: InHouse,
    caller: Administrator,
    now: Now,
    reason: Annotated[Words, Form()],
    campus: Annotated[Words, Form()] = "",
    back: Back = "/quarantine",
) -> Response:
    """Read everything again that is here for one reason."""
    said = forms.read(ReplaySaid, reason=reason, campus=campus or None)
    told = await routes.replay_all(house, caller, now, said)
    left = f" {told.left} wait still: replay again to go on." if told.left else ""
    repeats = f", {told.duplicates} were known already" if told.duplicates else ""
    words = f"{told.replayed} read again: {told.accepted} could be read{repeats}, {told.quarantined} could not."
    return done(local(back), words + left)


@router.post("/quarantine/{number}/replay")
async def replay(
    house: InHouse, caller: Administrator, now: Now, number: Number, back: Back = "/quarantine"
) -> Response:
    """Read one payload again."""
    told = await routes.replay(house, caller, now, number)
    if told.quarantined:
        why = told.quarantined[0]
        return done(local(back), f"It still cannot be read: {why.reason} {why.detail}".strip())
    return done(local(back), "It could be read this time.")
