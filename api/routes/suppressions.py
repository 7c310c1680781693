"""Keeping quiet on somebody's word: shelves, maintenance, snoozes, supervised doors, exercises."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, status
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import quiet, shelf, suppression
from alerts.suppression import Suppression
from api.access import Caller
from api.alert_schemas import ExerciseSaid, SuppressionSaid, SuppressionShown
from api.deps import Answerer, Declarer, House, InHouse, Now, Reader, Reading, Writing, the_campus
from api.listing import AfterId, Limit, Number, Page, Words, piece
from api.schemas import ProblemDetails
from core.campus import Campus
from core.errors import BadInput, NotFound, Problem

router = APIRouter(tags=["suppressions"])
_NOT_POSSIBLE: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDetails, "description": "No such suppression"},
    409: {"model": ProblemDetails, "description": "Not possible in its present state; `detail` says why"},
}


@router.get("/suppressions")
async def list_suppressions(
    session: Reading,
    _caller: Reader,
    now: Now,
    after: AfterId,
    campus: Words | None = None,
    state: Annotated[Literal["all"] | None, Query(description="`all`: those that are over, too.")] = None,
    limit: Limit = 100,
) -> Page[SuppressionShown]:
    """Return what is kept quiet, or will be, the newest first."""
    found = await shelf.find(session, campus=campus, now=None if state else now, before_id=after, limit=limit + 1)
    shown, following = piece(found, limit, lambda each: each.id)
    return Page(items=[_shown(each, now) for each in shown], next=following)


@router.post("/suppressions", status_code=status.HTTP_201_CREATED, responses=_NOT_POSSIBLE)
async def add_suppression(
    session: Writing, house: InHouse, caller: Answerer, now: Now, said: SuppressionSaid
) -> SuppressionShown:
    """Keep something quiet: what is open and meant falls silent at once, and is told again at the end if still true.

    Extreme alerts go on until another person seconds it.
    """
    campus = the_campus(said.campus, house)
    kept = await quiet.suppress(session, _asked(said, campus, caller, now), campus, now)
    return _shown(kept, now)


@router.post("/suppressions/{number}/second", responses=_NOT_POSSIBLE)
async def second_suppression(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number
) -> SuppressionShown:
    """Stand behind it as the second person: extreme alerts are muted, too."""
    return _shown(await quiet.second(session, number, who=caller.actor, campuses=house.campuses(), now=now), now)


@router.delete("/suppressions/{number}", responses=_NOT_POSSIBLE)
async def lift_suppression(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number
) -> SuppressionShown:
    """End it before its time; what is still true is told at once."""
    return await _lift(session, house, caller, now, number)


@router.get("/exercises")
async def list_exercises(
    session: Reading, _caller: Reader, now: Now, after: AfterId, campus: Words | None = None, limit: Limit = 100
) -> Page[SuppressionShown]:
    """Return the exercises that go on, or will."""
    found = await shelf.find(session, campus=campus, now=now, kinds=["exercise"], before_id=after, limit=limit + 1)
    shown, following = piece(found, limit, lambda each: each.id)
    return Page(items=[_shown(each, now) for each in shown], next=following)


@router.post("/exercises", status_code=status.HTTP_201_CREATED)
async def begin_exercise(
    session: Writing, house: InHouse, caller: Declarer, now: Now, said: ExerciseSaid
) -> SuppressionShown:
    """Announce an exercise: shown on every board, ended by itself. It mutes what it names, and nothing extreme."""
    campus = the_campus(said.campus, house)
    asked = Suppression(
        campus=campus.id,
        kind="exercise",
        rules=said.rules,
        keys=said.keys,
        zones=said.zones,
        author=caller.actor,
        reason=said.reason,
        created_at=now,
        starts_at=now,
        ends_at=said.until,
        next_at=None,
    )
    return _shown(await quiet.suppress(session, suppression.moved_on(asked, now), campus, now), now)


@router.delete("/exercises/{number}", responses=_NOT_POSSIBLE)
async def end_exercise(
    session: Writing, house: InHouse, caller: Declarer, now: Now, number: Number
) -> SuppressionShown:
    """End an exercise; what is still true is told at once."""
    if (await shelf.get(session, number)).kind != "exercise":
        raise NotFound(f"there is no exercise {number}")
    return await _lift(session, house, caller, now, number)


async def _lift(session: AsyncSession, house: House, caller: Caller, now: datetime, number: int) -> SuppressionShown:
    return _shown(await quiet.lift(session, number, who=caller.actor, campuses=house.campuses(), now=now), now)


def _asked(said: SuppressionSaid, campus: Campus, caller: Caller, now: datetime) -> Suppression:
    starts, ends = now, said.until
    if said.kind == "supervised":
        needed = {"window": said.window, "monitor": said.monitor, "keys": said.keys}
        missing = [Problem("is required for a supervised door", name) for name, value in needed.items() if not value]
        if missing:
            raise BadInput(missing)
        starts, over = suppression.next_window(campus, said.window or "", now)
        ends = min(over, said.until) if said.until else over
    if ends is None:
        raise BadInput([Problem("is required: every suppression has an end", "until")])
    asked = Suppression(
        campus=campus.id,
        kind=said.kind,
        rules=said.rules,
        keys=said.keys,
        zones=said.zones,
        alert=said.alert,
        author=caller.actor,
        reason=said.reason,
        monitor=said.monitor,
        window=said.window,
        created_at=now,
        starts_at=starts,
        ends_at=ends,
        next_at=starts if starts > now else None,
    )
    return asked if asked.next_at else suppression.moved_on(asked, now)


def _shown(each: Suppression, now: datetime) -> SuppressionShown:
    return SuppressionShown.model_validate(quiet.as_json(each, now))
