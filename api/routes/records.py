"""What is on record of one alert: the evidence pack, the alert in CAP's words, and who has been reached."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from alerts import cap, evidence, links, outbox, reach, shapes, store, telling
from alerts.alert import Alert
from api.deps import InHouse, Now, Reader, Reading, Writing
from api.listing import Number, Page
from api.private import WithEyes
from api.record_schemas import ReachShown
from api.schemas import ProblemDetails
from api.veil import veiled, veiled_message
from core import audit
from core.errors import Forbidden, NotFound
from rules import store as rules

router = APIRouter(tags=["records"])
_NONE: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDetails, "description": "No such alert, or message"}}


@router.get(
    "/alerts/{number}/evidence",
    response_class=Response,
    responses=_NONE | {200: {"content": {"application/zip": {}}, "description": "The pack"}},
)
async def get_evidence(
    house: InHouse,
    session: Writing,
    caller: Reader,
    now: Now,
    eyes: WithEyes,
    number: Number,
    redacted: Annotated[bool, Query(description="A copy that names nobody.")] = False,
) -> Response:
    """Return all that is known of an alert in one file. Who takes it is on record; names are for sro and admin.

    What its reasons and messages say of students and the watch list takes a purpose.
    """
    if not redacted and not caller.may("answer"):
        raise Forbidden(f"{caller.role} may only have the redacted copy: add ?redacted=true")
    alert = await store.get(session, number)
    campus = house.campuses().get(alert.campus)
    rule = await _rule_of(session, alert)
    record = await evidence.gather(session, number, campus=campus, now=now, rule=rule)
    if redacted or not eyes.see:
        record = replace(record, data=_veiled(record.data))
    await audit.record(
        session,
        at=now,
        actor=caller.actor,
        action="evidence.export",
        subject=f"alert:{number}",
        detail={"redacted": redacted} | ({"purpose": eyes.purpose} if eyes.see else {}),
    )
    name = f"alert-{alert.id}{'-redacted' if redacted else ''}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(evidence.pack(record, redacted=redacted), media_type="application/zip", headers=headers)


@router.get(
    "/alerts/{number}/cap",
    response_class=Response,
    responses=_NONE | {200: {"content": {"application/cap+xml": {}}, "description": "CAP 1.2"}},
)
async def get_cap(
    house: InHouse,
    session: Reading,
    _caller: Reader,
    number: Number,
    message: Annotated[
        int | None, Query(ge=1, le=10_000, description="Which of the series; the latest if left out.")
    ] = None,
) -> Response:
    """Return a message of an alert's life as CAP 1.2: Alert, Update, Ack, Cancel, each naming those it follows."""
    alert = await store.get(session, number)
    series = cap.series(alert, [cap.line_of(event) for event in await store.timeline(session, number)])
    chosen = message or len(series)
    if not 1 <= chosen <= len(series):
        raise NotFound(f"alert {number} has {len(series)} messages; there is no message {chosen}")
    found = series[chosen - 1]
    written = cap.write(alert, found, series[: chosen - 1], house.campuses().get(alert.campus))
    return Response(written, media_type="application/cap+xml")


@router.get("/alerts/{number}/reach", responses=_NONE)
async def get_reach(house: InHouse, session: Reading, _caller: Reader, now: Now, number: Number) -> Page[ReachShown]:
    """Return one line for each person: told when, by what, opened, acknowledged, on the way; or not reached."""
    alert = await store.get(session, number)
    rows = await outbox.of_alerts(session, [number])
    attempts = await outbox.attempts_of(session, [row.id for row in rows])
    sent = await links.of_alert(session, number)
    campus = house.campuses().get(alert.campus)
    lines = reach.board(alert, rows, attempts, sent, telling.policy_of(alert), campus, now)
    return Page(items=[ReachShown.model_validate(shapes.reach_json(line)) for line in lines], next=None)


def _veiled(data: dict[str, Any]) -> dict[str, Any]:
    """Return a record without private details."""
    alert = data["alert"] | {"because": veiled(data["alert"]["because"])}
    return data | {"alert": alert, "messages": [veiled_message(each) for each in data["messages"]]}


async def _rule_of(session: AsyncSession, alert: Alert) -> dict[str, Any] | None:
    """Return the rule as it was; None where it never was one (a coverage gap), or is gone."""
    try:
        return dict((await rules.load_rule(session, alert.rule, alert.rule_version)).document)
    except NotFound:
        return None
