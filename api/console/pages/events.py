"""Events: how many are there, who looks after them, and what people at the door tell: a count, who came, the end."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Form
from starlette.responses import Response

from api.access import Caller
from api.console import crowds
from api.console.frame import InFrame, done
from api.deps import Declarer, House, InHouse, Now, Reading, the_campus
from api.listing import Words
from api.routes.messages import Posted, send_messages
from core import audit
from core.campus import Campus
from core.errors import BadInput, NotFound, Problem
from core.messages import MAX_HEADS, Role

router = APIRouter(include_in_schema=False)
Heads = Annotated[int, Form(ge=0, le=MAX_HEADS)]
OfCampus = Annotated[Words, Form(max_length=200)]


@router.get("/events")
async def show_events(frame: InFrame, session: Reading, now: Now) -> Response:
    """Show the gatherings that are on, come soon, or are just over."""
    found = await crowds.read(session, frame.campus, now)
    return frame.page("events.html", crowds=found, roles=crowds.ROLES)


@router.post("/events/{key}/recount")
async def count_room(
    house: InHouse,
    caller: Declarer,
    now: Now,
    key: Words,
    campus: OfCampus,
    count: Heads,
    role: Annotated[Role | Literal[""], Form()] = "",
) -> Response:
    """Set how many are there, as somebody has counted them: everybody, or those of one role."""
    said = {"mode": "absolute", "count": count} | ({"role": role} if role else {})
    await _say(house, caller, the_campus(campus, house), key, [said], "gathering.recount", now)
    return done(_page(house, campus), f"Counted: {crowds.so_many(count, role)}.")


@router.post("/events/{key}/staff")
async def tell_staff(
    house: InHouse,
    caller: Declarer,
    now: Now,
    key: Words,
    campus: OfCampus,
    count: Annotated[int, Form(ge=1, le=1000)],
    role: Annotated[Role, Form()],
    direction: Annotated[Literal["in", "out"], Form()],
) -> Response:
    """Say that people who look after the gathering have come, or have gone."""
    said = {"mode": "delta", "direction": direction, "count": count, "role": role}
    await _say(house, caller, the_campus(campus, house), key, [said], "gathering.staff", now)
    verb = "came" if direction == "in" else "left"
    return done(_page(house, campus), f"Noted: {crowds.so_many(count, role)} {verb}.")


@router.post("/events/{key}/end")
async def say_all_have_left(house: InHouse, caller: Declarer, now: Now, key: Words, campus: OfCampus) -> Response:
    """Say that everybody has left: whatever the counters have left over is set to nobody."""
    place = the_campus(campus, house)
    async with house.database.reading() as session:
        facts = await crowds.facts_of(session, place, key)
    roles = [role for role, heads in facts.counts.items() if heads] or ["spectator"]
    said = [{"mode": "absolute", "count": 0, "role": role} for role in roles]
    await _say(house, caller, place, key, said, "gathering.end", now)
    return done(_page(house, campus), "Everybody has left: the count is set to 0.")


async def _say(
    house: House,
    caller: Caller,
    campus: Campus,
    key: str,
    said: Sequence[dict[str, Any]],
    action: str,
    now: datetime,
) -> None:
    """Send messages about a gathering through the door of all messages, and put on record who did."""
    if key not in campus.gatherings_by_id:
        raise NotFound(f"no gathering {key!r} on campus {campus.id!r}")
    # Whoever may only rehearse is taken at that: their count is a drill's.
    exercise = {"exercise": "drill"} if caller.trial_only else {}
    topic = f"{house.settings.mqtt_prefix}/{campus.id}/attendance/{key}"
    receipt = await send_messages(
        house,
        caller,
        [
            Posted(topic, msgspec.Raw(msgspec.json.encode({"id": secrets.token_hex(8), **each, **exercise})))
            for each in said
        ],
    )
    if receipt.quarantined:
        raise BadInput([Problem(": ".join(filter(None, (each.reason, each.detail)))) for each in receipt.quarantined])
    async with house.database.transaction() as session:
        await audit.record(
            session,
            at=now,
            actor=caller.actor,
            action=action,
            subject=f"gathering:{campus.id}/{key}",
            detail={"said": list(said), **exercise},
        )


def _page(house: House, campus: str) -> str:
    return f"/events?campus={campus}" if len(house.campuses()) > 1 else "/events"
