"""Who is here, for the desk; and the roster, on paper, for a count outside."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from api.console import presence
from api.console.frame import InFrame
from api.deps import Now, Reader, Reading
from api.listing import AfterKey
from api.private import WithEyes
from api.reference_schemas import RosterShown
from api.routes import visits

router = APIRouter(include_in_schema=False)
ROSTER: Final = 500


@router.get("/visits")
async def show_visits(frame: InFrame, session: Reading, eyes: WithEyes, now: Now) -> Response:
    """Show who is in, held, past their time, not seen out, and expected."""
    here = await presence.read(session, frame.campus, eyes, now)
    return frame.page("visits.html", here=here, eyes=eyes)


@router.get("/visits/roster", response_model=None)
async def show_roster(
    frame: InFrame,
    session: Reading,
    caller: Reader,
    eyes: WithEyes,
    now: Now,
    after: AfterKey,
    as_what: Annotated[Literal["page", "csv"], Query(alias="format")] = "page",
) -> Response:
    """Show everybody who is here or may be, to be printed; or the same as a sheet."""
    campus = frame.campus
    found = await visits.show_roster(campus, session, caller, eyes, now, after, as_what == "csv", ROSTER)
    if not isinstance(found, RosterShown):
        return found
    zones = {zone.id: zone.name for zone in campus.zones}
    following = frame.to("/visits/roster", cursor=found.next) if found.next else None
    return frame.page("roster.html", roster=found, zones=zones, following=following)
