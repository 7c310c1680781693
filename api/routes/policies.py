"""Policies: who is told, by what, when; and who would be, at any moment."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Header, Query, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import policies
from alerts.policies import Policy
from api.access import Caller
from api.alert_schemas import PolicyShown, PolicyVersion, PreviewSaid, PreviewShown, PreviewStep
from api.deps import Administrator, House, InHouse, Now, Reader, Reading, Writing, the_campus
from api.etags import Changed
from api.listing import AfterId, Limit, Page, Words, piece
from api.schemas import ProblemDetails
from core import audit, registry
from core.campus import Campus, nearest, problems_of
from core.database import in_turn
from core.errors import BadInput, NotFound, Problem
from rules import store

router = APIRouter(tags=["policies"])
TELLING = ("policies", "people", "shifts", "on_call", "overrides", "calendar")
"""The parts of a campus that say who is told, and when."""
OnWhich = Annotated[Words | None, Query(description="May be left out where there is only one campus.")]
IfMatch = Annotated[str | None, Header(max_length=100, description="The ETag of what is to be changed.")]
_REFUSED: dict[int | str, dict[str, Any]] = {
    404: {"model": ProblemDetails, "description": "No such policy"},
    412: {"model": ProblemDetails, "description": "Changed meanwhile"},
}
_EXAMPLE: dict[str, Any] = {
    "title": "The supervisor of the evening first",
    "steps": [{"notify": ["person:okafor"]}, {"after": "90s", "notify": ["role:admin"]}],
}


@router.get("/policies")
async def list_policies(session: Reading, house: InHouse, _caller: Reader, campus: OnWhich = None) -> Page[PolicyShown]:
    """Return the policies in force on a campus."""
    known = await who_is_told(session, house, campus)
    return Page(items=[_shown(known, each) for each in policies.policies_of(known).values()], next=None)


@router.get("/policies/{name}", responses={404: _REFUSED[404]})
async def show_policy(
    session: Reading, house: InHouse, _caller: Reader, response: Response, name: Words, campus: OnWhich = None
) -> PolicyShown:
    """Return a policy in force."""
    known = await who_is_told(session, house, campus)
    found = _named(known, name)
    response.headers["ETag"] = f'"{found.version}"'
    return _shown(known, found)


@router.put("/policies/{name}", responses=_REFUSED)
async def put_policy(
    session: Writing,
    house: InHouse,
    caller: Administrator,
    now: Now,
    response: Response,
    name: Words,
    document: Annotated[dict[str, Any], Body(examples=[_EXAMPLE])],
    campus: OnWhich = None,
    if_match: IfMatch = None,
) -> PolicyShown:
    """Save a policy of the campus; alerts that are open keep the one they opened with."""
    await in_turn(session)
    known = await _present(session, house, campus)
    before = policies.policies_of(known).get(name)
    if if_match is not None and (before is None or if_match.strip() != f'"{before.version}"'):
        is_now = f"is at version {before.version}" if before else "does not exist"
        raise Changed(f"policy {name!r} {is_now}; you speak of {if_match}")
    policy = _read(document, name, before)
    changed = _with(known, policy)
    policies.policies_of(changed)
    if before is None or policies.to_plain(policy) != policies.to_plain(before):
        policy = policy.model_copy(update={"version": before.version + 1 if before else 1})
        await _save(session, house, _with(known, policy), policy, caller, now)
    response.headers["ETag"] = f'"{policy.version}"'
    return _shown(_with(known, policy), policy)


@router.get("/policies/{name}/versions")
async def list_policy_versions(
    session: Reading,
    house: InHouse,
    _caller: Reader,
    after: AfterId,
    name: Words,
    campus: OnWhich = None,
    limit: Limit = 100,
) -> Page[PolicyVersion]:
    """Return the changes of a policy, the newest first."""
    known = _the(house, campus)
    rows = await audit.find(session, subject=f"policy:{known.id}/{name}", before_id=after, limit=limit + 1)
    if not rows and after is None:
        _named(known, name)
    shown, following = piece(rows, limit, lambda row: row.id)
    return Page(
        items=[PolicyVersion(at=row.at, by=row.actor, **msgspec.json.decode(row.detail)) for row in shown],
        next=following,
    )


@router.post("/policies/preview", responses={404: {"model": ProblemDetails, "description": "No such rule"}})
async def preview_policy(
    session: Reading, house: InHouse, _caller: Reader, now: Now, said: PreviewSaid
) -> PreviewShown:
    """Return who would be told, and when, if a rule found something at a moment and nobody answered."""
    known = await who_is_told(session, house, said.campus)
    rule = await store.load_rule(session, said.rule)
    severity, at = said.severity or rule.ladder[0].severity, said.at or now
    policy, _ = policies.choose(policies.policies_of(known), rule.alert.policy, severity)
    steps = policies.preview(policy, known, at)
    reached = {each.person for step in steps for each in step.recipients}
    wall = known.local_calendar.local(at)
    return PreviewShown(
        rule=rule.id,
        campus=known.id,
        severity=severity,
        policy=policy.id,
        at=at,
        reaches=len(reached),
        words=f"{rule.id} on {wall:%A %H:%M} would reach {len(reached)} {'person' if len(reached) == 1 else 'people'}",
        steps=[
            PreviewStep(
                step=each.step,
                at=each.at,
                people=list(each.people),
                recipients=[one.endpoint for one in each.recipients if one.tier == 0],
                until=each.until,
            )
            for each in steps
        ],
    )


def _the(house: House, campus: str | None) -> Campus:
    known = house.campuses()
    if campus is None and len(known) != 1:
        raise BadInput([Problem(f"say which campus: {', '.join(sorted(known)) or 'there is none'}", "campus")])
    return the_campus(campus or next(iter(known)), house)


async def who_is_told(session: AsyncSession, house: House, campus: str | None) -> Campus:
    """Return a campus with all that says who is told as the database has it at this moment."""
    return await registry.renewed(session, house.vault, _the(house, campus), TELLING)


async def _present(session: AsyncSession, house: House, campus: str | None) -> Campus:
    """Return a campus as the database has it at this moment."""
    known = _the(house, campus)
    return await registry.load(session, house.vault, known.id) or known


def _named(campus: Campus, name: str) -> Policy:
    known = policies.policies_of(campus)
    if name not in known:
        raise NotFound(f"no policy {name!r}{nearest(name, set(known))}")
    return known[name]


def _read(document: dict[str, Any], name: str, before: Policy | None) -> Policy:
    if document.get("id", name) != name:
        raise BadInput([Problem(f"must be {name!r}, as in the path, or left out", "id")])
    try:
        return Policy.model_validate({**document, "id": name, "version": before.version if before else 1})
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None


def _with(campus: Campus, policy: Policy) -> Campus:
    others = [each for each in campus.policies if each.get("id") != policy.id]
    return campus.model_copy(update={"policies": (*others, policies.to_plain(policy))})


async def _save(
    session: AsyncSession, house: House, campus: Campus, policy: Policy, caller: Caller, now: datetime
) -> None:
    await registry.save(session, house.vault, campus, now=now, by=caller.actor)
    detail = {"version": policy.version, "document": policies.to_plain(policy)}
    subject = f"policy:{campus.id}/{policy.id}"
    await audit.record(session, at=now, actor=caller.actor, action="policy.save", subject=subject, detail=detail)


def _shown(campus: Campus, policy: Policy) -> PolicyShown:
    own = {each.get("id") for each in campus.policies}
    return PolicyShown(
        campus=campus.id,
        id=policy.id,
        version=policy.version,
        origin="site" if policy.id in own else "shipped",
        document=policies.to_plain(policy),
    )
