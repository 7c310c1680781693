"""Alerts: the list of them, one with its evidence, and what may be done about it beside the answers on the board."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Query
from starlette.responses import Response

from alerts import desk, handover, store
from api.alert_schemas import Shelving
from api.console import board, dossier
from api.console.frame import Frame, InFrame, done
from api.deps import Answerer, InHouse, Now, Reading, Writing
from api.listing import AfterId, Number, Words, piece
from api.routes import alerts
from core.calendar import resolve_local
from core.errors import BadInput, Problem
from core.findings import SEVERITIES, Severity
from rules import store as rules

router = APIRouter(include_in_schema=False)
SHOWN: Final = 50
Said = Annotated[Words, Form(min_length=1, max_length=2000)]
Filter = Annotated[Words, Query(max_length=200)]


@router.get("/alerts")
async def show_alerts(
    frame: InFrame,
    session: Reading,
    after: AfterId,
    state: Literal["", "open", "closed"] = "",
    severity: Severity | Literal[""] = "",
    rule: Filter = "",
    since: Filter = "",
) -> Response:
    """Show the alerts of a campus, the newest first."""
    asked = {"state": state, "severity": severity, "rule": rule, "since": since}
    found = await store.find(
        session,
        state=state or None,
        severity=severity or None,
        rule=rule or None,
        campus=frame.campus.id,
        since=_start_of(since, frame),
        before_id=after,
        limit=SHOWN + 1,
    )
    shown, following = piece(found, SHOWN, lambda alert: alert.id)
    campuses = {frame.campus.id: frame.campus}
    return frame.page(
        "alerts.html",
        cards=[(alert, board.card(alert, campuses, (), frame.now)) for alert in shown],
        asked=asked,
        severities=SEVERITIES[::-1],
        rules=await rules.ids(session),
        dispositions=dict(board.DISPOSITIONS),
        start=after is None,
        following=frame.to("/alerts", **asked, cursor=following) if following else None,
    )


@router.get("/alerts/{number}")
async def show_alert(frame: InFrame, session: Reading, number: Number) -> Response:
    """Show one alert: how it stands, what to do, why it was raised, who was told."""
    return frame.page("alert.html", one=await dossier.read(session, frame, number), shelves=dossier.SHELVES)


@router.post("/alerts/{number}/note")
async def write_note(session: Writing, caller: Answerer, now: Now, number: Number, text: Said) -> Response:
    """Keep something with an alert."""
    await desk.note(session, number, who=caller.actor, text=text, now=now)
    return done(_page(number), "Your note is kept with the alert.")


@router.post("/alerts/{number}/correct")
async def send_correction(session: Writing, caller: Answerer, now: Now, number: Number, text: Said) -> Response:
    """Send a correction to exactly those whom notices of this alert have reached."""
    answer = await desk.correct(session, number, who=caller.actor, text=text, now=now)
    return done(_page(number), f"The correction: {answer.text}.")


@router.post("/alerts/{number}/hand-over")
async def give_to_another(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, to: Said
) -> Response:
    """Give an alert that somebody has to another person, who is told."""
    answer = await handover.hand_over(session, number, who=caller.actor, to=to, campuses=house.campuses(), now=now)
    return done(_page(number), f"{answer.text}, who is told now.")


@router.post("/alerts/{number}/shelve")
async def keep_quiet(
    session: Writing,
    house: InHouse,
    caller: Answerer,
    now: Now,
    number: Number,
    minutes: Annotated[int, Form(ge=1, le=720)],
    reason: Annotated[Words, Form(min_length=1, max_length=500)],
) -> Response:
    """Keep an alert's rule quiet for what it is about, for a while."""
    said = Shelving(until=now + timedelta(minutes=minutes), reason=reason)
    await alerts.shelve(session, house, caller, now, number, said)
    return done(_page(number), "It is shelved: nobody is told until then, and again after it if it is still so.")


@router.post("/alerts/{number}/reopen")
async def open_again(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, reason: Said
) -> Response:
    """Open a closed alert again, as a new one that names it."""
    answer = await desk.reopen(session, number, who=caller.actor, reason=reason, campuses=house.campuses(), now=now)
    return done(_page(answer.alert.id), f"{answer.text}; people are told.")


def _page(number: int) -> str:
    return f"/alerts/{number}"


def _start_of(day: str, frame: Frame) -> datetime | None:
    if not day:
        return None
    try:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time())
        return resolve_local(start, frame.campus.zone_info)
    except (ValueError, OverflowError):
        raise BadInput([Problem("must be a date like 2026-11-24", "since")]) from None
