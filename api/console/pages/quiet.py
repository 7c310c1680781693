"""Keeping quiet on somebody's word, exercises, and the state of a campus, which takes two presses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from api.alert_schemas import ExerciseSaid, SuppressionSaid
from api.console import silences
from api.console.forms import Reason, Short, beside_fields, read_door, read_end
from api.console.frame import Back, InFrame, done, local
from api.deps import Answerer, Declarer, InHouse, Now, OnCampus, Reading, Writing
from api.listing import LARGEST, Number, Words
from api.routes import state, suppressions
from api.schemas import StateSaid
from core.campus import Campus
from core.errors import BadInput, Problem
from core.facts import CampusState

router = APIRouter(include_in_schema=False)
_NEEDED = BadInput([Problem("is required: somebody will ask", "reason")])


@router.get("/quiet")
async def show_quiet(
    frame: InFrame,
    session: Reading,
    before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
    door: Words = "",
    rule: Words = "",
    zone: Words = "",
) -> Response:
    """Show what is kept quiet now, later and lately, and the forms; `door`, `rule`, `zone` are filled in already."""
    return frame.page(
        "quiet.html",
        campus=frame.campus,
        quiets=await silences.read(session, frame.campus, frame.caller, frame.now, before),
        offers=await silences.offers(session, frame.campus),
        standing=await silences.standing(session, frame.campus),
        states=[(each, each.capitalize(), silences.words_of(each)) for each in silences.STATES],
        is_further=before is not None,
        filled={"door": door, "rule": rule, "zone": zone},
    )


@router.post("/quiet/{c}/suppressions")
async def keep_quiet(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Answerer,
    now: Now,
    kind: Annotated[Literal["shelf", "maintenance", "snooze", "supervised"], Form()] = "shelf",
    rule: Short = "",
    door: Short = "",
    zone: Short = "",
    alert: Annotated[int | None, Form(ge=1, le=LARGEST)] = None,
    lasts: Short = "",
    until: Short = "",
    reason: Reason = "",
    monitor: Short = "",
    window: Short = "",
    back: Back = "/quiet",
) -> Response:
    """Keep something quiet: shelved, in maintenance, snoozed, or watched by somebody."""
    ends = None if kind == "supervised" and not until.strip() else read_end(lasts, until, campus, now)
    said = SuppressionSaid(
        campus=campus.id,
        kind=kind,
        alert=alert,
        until=ends,
        reason=_given(reason),
        monitor=monitor or None,
        window=window or None,
        **_named(rule, door, zone, campus),
    )
    with beside_fields():
        kept = await suppressions.add_suppression(session, house, caller, now, said)
    begins = f"from {_clock(kept.starts_at, campus)} " if kept.starts_at > now else ""
    words = "Extreme alerts are told all the same, until another person seconds it."
    return done(local(back), f"It is kept quiet {begins}until {_clock(kept.until, campus)}. {words}")


@router.post("/quiet/{c}/exercises")
async def begin_exercise(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Declarer,
    now: Now,
    drill: Short = "",
    rule: Short = "",
    door: Short = "",
    zone: Short = "",
    lasts: Short = "",
    until: Short = "",
    reason: Reason = "",
    back: Back = "/quiet",
) -> Response:
    """Announce an exercise on every board; what it sets off is kept quiet, and nothing extreme."""
    why = ": ".join(part for part in (drill.strip(), reason.strip()) if part)
    said = ExerciseSaid(
        campus=campus.id,
        until=read_end(lasts, until, campus, now),
        reason=_given(why[:500]),
        **_named(rule, door, zone, campus),
    )
    with beside_fields():
        kept = await suppressions.begin_exercise(session, house, caller, now, said)
    return done(local(back), f"The exercise goes on until {_clock(kept.until, campus)}; every board says so.")


@router.post("/quiet/{number}/second")
async def second(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, back: Back = "/quiet"
) -> Response:
    """Stand behind it as the second person."""
    await suppressions.second_suppression(session, house, caller, now, number)
    return done(local(back), "You stand behind it: now extreme alerts are kept quiet, too.")


@router.post("/quiet/{number}/end")
async def end(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, back: Back = "/quiet"
) -> Response:
    """End what is kept quiet before its time."""
    await suppressions.lift_suppression(session, house, caller, now, number)
    return done(local(back), "It has ended. What is still true is told now.")


@router.post("/quiet/exercises/{number}/end")
async def end_exercise(
    session: Writing, house: InHouse, caller: Declarer, now: Now, number: Number, back: Back = "/quiet"
) -> Response:
    """End an exercise before its time."""
    await suppressions.end_exercise(session, house, caller, now, number)
    return done(local(back), "The exercise is over. What is still true is told now.")


@router.get("/quiet/state")
async def ask_for_state(
    frame: InFrame, session: Reading, _caller: Declarer, state: Annotated[CampusState, Query()]
) -> Response:
    """Say what will happen when a state is declared; the button on this page declares it."""
    standing = await silences.standing(session, frame.campus)
    told = await silences.consequences(session, state, standing.state)
    return frame.page("declare.html", campus=frame.campus, told=told, standing=standing)


@router.post("/quiet/{c}/state")
async def declare_state(
    campus: OnCampus,
    house: InHouse,
    caller: Declarer,
    now: Now,
    wanted: Annotated[CampusState, Form(alias="state")],
    exercise: Annotated[Literal["live", "drill"], Form()],
    reason: Reason = "",
    back: Back = "/quiet",
) -> Response:
    """Go into a state, live or as a drill."""
    said = StateSaid(state=wanted, reason=reason.strip(), exercise=exercise)
    await state.declare_state(campus, house, caller, now, said)
    where = f"{campus.campus.name} is in {wanted.upper()}" if exercise == "live" else f"DRILL: {wanted.upper()}"
    return done(local(back), f"{where}, declared at {_clock(now, campus)}.")


def _named(rule: str, door: str, zone: str, campus: Campus) -> dict[str, Any]:
    found = read_door(door, campus)
    return {
        "rules": [rule] if rule else [],
        "keys": [found.id] if found else [],
        "zones": [zone] if zone else [],
    }


def _given(reason: str) -> str:
    if not reason.strip():
        raise _NEEDED
    return reason.strip()


def _clock(at: datetime, campus: Campus) -> str:
    return f"{at.astimezone(campus.zone_info):%H:%M}"
