"""The system: what works, what does not and what to do then; and the self-test from a sensor's message to a thumb."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response

from api.console import forms, system
from api.console.frame import Back, InFrame, done, local
from api.deps import Administrator, InHouse, Now, OnCampus, Reading
from api.listing import Words
from api.record_schemas import SelfTestSaid
from api.routes import endpoints

router = APIRouter(include_in_schema=False)


@router.get("/system")
async def show_system(frame: InFrame, session: Reading, house: InHouse) -> Response:
    """Show how the service is."""
    return frame.page("system.html", system=await system.read(session, house, frame))


@router.post("/system/{c}/self-tests")
async def begin_self_test(
    house: InHouse,
    campus: OnCampus,
    caller: Administrator,
    now: Now,
    endpoint: Annotated[Words, Form()],
    back: Back = "/system",
) -> Response:
    """Send a test the whole way."""
    begun = await endpoints.begin_self_test(house, campus, caller, now, forms.read(SelfTestSaid, endpoint=endpoint))
    return done(local(back), f"The self-test {begun.code} is on its way; press its button on the phone.")
