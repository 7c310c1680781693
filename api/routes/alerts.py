"""Alerts: what is open, what was, all that belongs to one, and people's answers to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from alerts import desk, handover, outbox, quiet, shapes, store, suppression
from alerts.alert import Alert
from alerts.desk import Answer
from alerts.suppression import Suppression
from api.alert_schemas import Correction, HandOver, Reopening, Shelving, SuppressionShown
from api.deps import Answerer, InHouse, Now, Reader, Reading, Writing, the_campus
from api.listing import AfterId, Instant, Limit, Number, Page, Words, piece
from api.private import Eyes, WithEyes
from api.schemas import AlertDetail, AlertShown, Answered, Note, ProblemDetails, Resolution
from api.veil import veiled
from core.errors import Conflict
from core.findings import Severity

router = APIRouter(tags=["alerts"])
_NOT_POSSIBLE: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDetails, "description": "No such alert"},
    409: {"model": ProblemDetails, "description": "Not possible in its present state; `detail` says why"},
}


@router.get("/alerts")
async def list_alerts(
    session: Reading,
    _caller: Reader,
    eyes: WithEyes,
    after: AfterId,
    state: Annotated[Literal["open", "closed"] | None, Query(description="`open` is everything not closed.")] = None,
    severity: Severity | None = None,
    rule: Words | None = None,
    campus: Words | None = None,
    since: Annotated[Instant | None, Query(description="Opened at or after.")] = None,
    limit: Limit = 100,
) -> Page[AlertShown]:
    """Return alerts, the newest first. What their reasons say of students and the watch list takes a purpose."""
    found = await store.find(
        session,
        state=state,
        severity=severity,
        rule=rule,
        campus=campus,
        since=since,
        before_id=after,
        limit=limit + 1,
    )
    shown, following = piece(found, limit, lambda alert: alert.id)
    told = [await _reasoned(shapes.as_json(alert), eyes) for alert in shown]
    return Page(items=[AlertShown.model_validate(each) for each in told], next=following)


@router.get("/alerts/{number}", responses={404: _NOT_POSSIBLE[404]})
async def show_alert(session: Reading, _caller: Reader, eyes: WithEyes, number: Number) -> AlertDetail:
    """Return one alert with its evidence, its timeline, every delivery and its attempts, and its next step.

    What its reasons say of students and the watch list takes a purpose.
    """
    alert = await store.get(session, number)
    rows = await outbox.of_alerts(session, [number])
    attempts = await outbox.attempts_of(session, [row.id for row in rows])
    return AlertDetail.model_validate(
        await _reasoned(shapes.as_json(alert), eyes)
        | {
            "timeline": [shapes.event_json(event) for event in await store.timeline(session, number)],
            "deliveries": shapes.deliveries_json(rows, attempts),
        }
    )


@router.post("/alerts/{number}/ack", responses=_NOT_POSSIBLE)
async def acknowledge(session: Writing, caller: Answerer, now: Now, number: Number) -> Answered:
    """Take an alert: the waiting steps stop. If somebody else has it, `words` says who, and it stays theirs."""
    return _answered(await desk.acknowledge(session, number, who=caller.actor, now=now))


@router.post("/alerts/{number}/on-scene", responses=_NOT_POSSIBLE)
async def go_on_scene(session: Writing, caller: Answerer, now: Now, number: Number) -> Answered:
    """Say that one is on the spot."""
    return _answered(await desk.on_scene(session, number, who=caller.actor, now=now))


@router.post("/alerts/{number}/resolve", responses=_NOT_POSSIBLE)
async def resolve(session: Writing, caller: Answerer, now: Now, number: Number, said: Resolution) -> Answered:
    """Close an alert, saying what it was."""
    how = {"disposition": said.disposition, "note": said.note}
    return _answered(await desk.resolve(session, number, who=caller.actor, now=now, **how))


@router.post("/alerts/{number}/note", responses=_NOT_POSSIBLE)
async def note(session: Writing, caller: Answerer, now: Now, number: Number, said: Note) -> Answered:
    """Keep something with an alert."""
    return _answered(await desk.note(session, number, who=caller.actor, text=said.text, now=now))


@router.post("/alerts/{number}/correct", responses=_NOT_POSSIBLE)
async def correct(session: Writing, caller: Answerer, now: Now, number: Number, said: Correction) -> Answered:
    """Send a correction to exactly those whom notices of this alert have reached."""
    return _answered(await desk.correct(session, number, who=caller.actor, text=said.text, now=now))


@router.post("/alerts/{number}/reopen", responses=_NOT_POSSIBLE)
async def reopen(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, said: Reopening
) -> Answered:
    """Open a closed alert again, as a new one that names it: people are told, and only a person closes it."""
    campuses = house.campuses()
    return _answered(
        await desk.reopen(session, number, who=caller.actor, reason=said.reason, campuses=campuses, now=now)
    )


@router.post("/alerts/{number}/hand-over", responses=_NOT_POSSIBLE)
async def hand_over(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, said: HandOver
) -> Answered:
    """Give an alert that somebody has to another person, who is told."""
    campuses = house.campuses()
    return _answered(
        await handover.hand_over(session, number, who=caller.actor, to=said.to, campuses=campuses, now=now)
    )


@router.post("/alerts/{number}/shelve", responses=_NOT_POSSIBLE)
async def shelve(
    session: Writing, house: InHouse, caller: Answerer, now: Now, number: Number, said: Shelving
) -> SuppressionShown:
    """Keep this rule quiet for this door (visit, …) until a moment; told again then if still true.

    What is extreme is not shelved by one person alone: ask for it at `/suppressions`, and let another second it.
    """
    alert = await store.get(session, number)
    if not alert.is_open:
        raise Conflict(f"{alert.code} is closed; there is nothing to shelve")
    if alert.severity == "extreme":
        raise Conflict(
            f"{alert.code} is extreme: it takes two people. Ask at POST /api/v1/suppressions, "
            "and let another person second it"
        )
    campus = the_campus(alert.campus, house)
    asked = Suppression(
        campus=alert.campus,
        kind="shelf",
        rules=[alert.rule],
        keys=[alert.key],
        author=caller.actor,
        reason=said.reason,
        created_at=now,
        starts_at=now,
        ends_at=said.until,
        next_at=None,
    )
    kept = await quiet.suppress(session, suppression.moved_on(asked, now), campus, now)
    return SuppressionShown.model_validate(quiet.as_json(kept, now))


async def _reasoned(shown: dict[str, Any], eyes: Eyes) -> dict[str, Any]:
    """Return an alert with reasons as this caller may see them; what is seen of private details is on record first."""
    because = veiled(shown["because"])
    if because == shown["because"]:
        return shown
    await eyes.saw("alerts", shown["campus"], [str(shown["id"])])
    return shown if eyes.see else shown | {"because": because}


def _shown(alert: Alert) -> AlertShown:
    plain = shapes.as_json(alert)
    return AlertShown.model_validate(plain | {"because": veiled(plain["because"])})


def _answered(answer: Answer) -> Answered:
    return Answered(alert=_shown(answer.alert), changed=answer.changed, words=answer.text)
