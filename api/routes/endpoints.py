"""Endpoints: how each behaves, trying one out, the checks that were made, and the self-test from end to end."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query

from alerts import outbox, preflight, selftest
from api.deps import Administrator, InHouse, Now, OnCampus, Reader, Reading
from api.listing import AfterId, Limit, Page, piece
from api.record_schemas import (
    CheckShown,
    EndpointShown,
    SelfTestBegun,
    SelfTestSaid,
    SelfTestShown,
    TriedShown,
)
from api.schemas import ProblemDetails
from core import audit
from core.campus import Campus
from core.errors import NotFound
from core.messages import Heard

router = APIRouter(tags=["endpoints"])
_NONE: dict[int | str, dict[str, Any]] = {404: {"model": ProblemDetails, "description": "No such campus or endpoint"}}


@router.get("/campuses/{c}/endpoints")
async def list_endpoints(campus: OnCampus, session: Reading, _caller: Reader) -> Page[EndpointShown]:
    """Return every endpoint of every person with how it behaved last; never its URL."""
    health = {(each.person, each.endpoint): each for each in await outbox.endpoints(session, campus.id)}
    found = []
    for person in campus.people:
        for each in person.endpoints:
            row = health.get((person.id, each.id))
            found.append(
                EndpointShown(
                    id=each.id,
                    person=person.id,
                    name=person.name,
                    via=each.via,
                    state="ok" if row and row.state == "ok" else "red" if row else "unverified",
                    since=row.since if row else None,
                    detail=row.detail if row else "nothing has been sent there yet",
                )
            )
    return Page(items=found, next=None)


@router.post("/campuses/{c}/endpoints/{endpoint}/verify", responses=_NONE)
async def verify_endpoint(
    house: InHouse, campus: OnCampus, caller: Administrator, now: Now, endpoint: str
) -> TriedShown:
    """Send a test to an endpoint. It counts as verified once its provider has taken one."""
    person = _owner(campus, endpoint)
    outcome = await house.try_out(campus.id, person, endpoint)
    async with house.database.transaction() as session:
        await audit.record(
            session,
            at=now,
            actor=caller.actor,
            action="endpoint.verify",
            subject=f"endpoint:{endpoint}",
            detail={"campus": campus.id, "outcome": outcome.state},
        )
    return TriedShown(
        endpoint=endpoint,
        person=person,
        verified=outcome.state == "accepted",
        outcome=outcome.state,
        detail=outcome.detail,
    )


@router.get("/campuses/{c}/checks")
async def list_checks(
    campus: OnCampus,
    session: Reading,
    _caller: Reader,
    after: AfterId,
    kind: Annotated[preflight.Kind | None, Query(description="Of the night, or of a shift's start.")] = None,
    limit: Limit = 100,
) -> Page[CheckShown]:
    """Return the checks that were made, the newest first."""
    rows = await preflight.find(session, campus=campus.id, kind=kind, before_id=after, limit=limit + 1)
    shown, following = piece(rows, limit, lambda row: row.id)
    return Page(items=[CheckShown.model_validate(row, from_attributes=True) for row in shown], next=following)


@router.post("/campuses/{c}/self-tests", status_code=202, responses=_NONE)
async def begin_self_test(
    house: InHouse, campus: OnCampus, caller: Administrator, now: Now, said: SelfTestSaid
) -> SelfTestBegun:
    """Let a test go the whole way: a sensor's message, an alert, a phone. Its button ends it."""
    _owner(campus, said.endpoint)
    if campus.devices_by_id:
        device = next(iter(campus.devices_by_id))
        payload = msgspec.json.encode({"kind": "heartbeat", "exercise": "test"})
        topic = f"{house.settings.mqtt_prefix}/{campus.id}/device/{device}"
        await house.receive([Heard(topic, payload, trial_only=True)])
    async with house.database.transaction() as session:
        stored = house.clock.now()
        alert = await selftest.begin(session, campus, said.endpoint, heard_at=now, who=caller.actor, now=stored)
    house.news.set()
    house.committed()
    return SelfTestBegun(alert=alert.id, code=alert.code)


@router.get("/campuses/{c}/self-tests")
async def list_self_tests(campus: OnCampus, session: Reading, _caller: Reader) -> Page[SelfTestShown]:
    """Return the latest self-tests and how long each part took, in seconds; null: not yet."""
    found = await selftest.timings(session, campus.id)
    shown = [SelfTestShown.model_validate(each, from_attributes=True) for each in found]
    return Page(items=shown, next=None)


def _owner(campus: Campus, endpoint: str) -> str:
    for person in campus.people:
        if any(each.id == endpoint for each in person.endpoints):
            return person.id
    raise NotFound(f"there is no endpoint {endpoint!r} on campus {campus.id!r}")
