"""The state of a campus by the Standard Response Protocol: what it is, and going into another."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter

from api.deps import Declarer, InHouse, Now, OnCampus, Reader, Reading
from api.schemas import StateSaid, StateShown
from core import audit, state
from core.campus import Campus
from core.database import Database
from core.errors import BadInput, Problem
from core.facts import CampusFacts
from core.messages import Heard

router = APIRouter(tags=["campuses"])


@router.get("/campuses/{c}/state")
async def show_state(campus: OnCampus, session: Reading, _caller: Reader) -> StateShown:
    """Return the state a campus is in, since when, and who said so."""
    return StateShown(**state_of(campus, await state.get(session, campus.id, "campus", campus.id)))


@router.post("/campuses/{c}/state")
async def declare_state(campus: OnCampus, house: InHouse, caller: Declarer, now: Now, said: StateSaid) -> StateShown:
    """Go into a state: hold, secure, lockdown, evacuate, shelter, or back to normal."""
    payload = {"state": said.state, "by": caller.name, "exercise": said.exercise}
    payload |= {"reason": said.reason} if said.reason else {}
    topic = f"{house.settings.mqtt_prefix}/{campus.id}/campus/state"
    heard = Heard(topic, msgspec.json.encode(payload), trial_only=caller.trial_only)
    receipt = await house.receive([heard])
    if receipt.quarantined:
        raise BadInput([Problem(reason) for _, reason in receipt.quarantined])
    async with house.database.transaction() as session:
        await audit.record(
            session,
            at=now,
            actor=caller.actor,
            action="campus.state",
            subject=f"campus:{campus.id}",
            detail={"state": said.state, "reason": said.reason, "exercise": said.exercise},
        )
    return StateShown(**await _now(house.database, campus))


async def _now(database: Database, campus: Campus) -> dict[str, Any]:
    async with database.reading() as session:
        return state_of(campus, await state.get(session, campus.id, "campus", campus.id))


def state_of(campus: Campus, facts: object) -> dict[str, Any]:
    """Return the state of a campus as it is shown; one that nobody has told us about is as its file says."""
    told = facts if isinstance(facts, CampusFacts) else CampusFacts(id=campus.id)
    return {
        "campus": campus.id,
        "state": told.state or campus.campus.state,
        "since": told.state_at,
        "by": told.by,
    }
