"""Who is on duty, and going off: the people and the shifts of a campus, as the desk reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from alerts import duty, endpoints, handover
from api.access import Caller
from api.alert_schemas import DutyShown, GoingOff, NearInstant
from api.deps import Administrator, Answerer, House, InHouse, Now, OnCampus, Reader, Reading, Writing
from api.etags import IfMatch, must_match, tag_of
from api.listing import Words
from api.masks import masked
from api.private import HIDDEN
from api.registry_editing import part_of
from core import audit, registry
from core.campus import Campus, nearest, problems_of
from core.database import in_turn
from core.errors import BadInput, Conflict, NotFound, Problem

router = APIRouter(tags=["duty"])
_PERSON: dict[str, Any] = {
    "name": "Officer Reyes",
    "role": "sro",
    "endpoints": [{"id": "reyes-phone", "url": "ntfys://ntfy.example.org/reyes", "via": "push"}],
}
_SHIFT: dict[str, Any] = {"person": "reyes", "days": ["mon", "tue"], "at": "07:00-15:30", "cover": "diaz"}


@dataclass(frozen=True, slots=True)
class Read:
    """What a caller has read of a campus before they change it: a part, and its ETag."""

    part: str
    tag: str | None


@router.get("/campuses/{c}/duty")
async def show_duty(
    campus: OnCampus, _caller: Reader, now: Now, at: Annotated[NearInstant | None, Query()] = None
) -> DutyShown:
    """Return who is on duty at a moment, breaks, cover, overrides and the on-call list taken into account."""
    moment = at or now
    return DutyShown(
        campus=campus.id,
        at=moment,
        staffed=campus.is_staffed(moment),
        on_duty=[person.id for person in duty.on_duty(campus, moment)],
        on_call=list(campus.on_call),
    )


@router.post("/campuses/{c}/duty/off")
async def go_off(
    session: Writing, house: InHouse, campus: OnCampus, caller: Answerer, now: Now, said: GoingOff
) -> DutyShown:
    """Go off shift early. Whoever has an extreme alert hands it over first: say to whom."""
    ends = said.until or duty.shift_end(campus, said.person, now)
    if ends is None:
        raise Conflict(f"{said.person} is on no shift now; say until when they are away")
    await handover.go_off(session, said.person, campus=campus, who=caller.actor, to=said.to, now=now)
    override = {"person": said.person, "cover": said.to, "start": now, "end": ends, "reason": said.reason}
    changed = await _change(
        session, house, campus, caller, now, lambda plain: plain.setdefault("overrides", []).append(override)
    )
    return DutyShown(
        campus=campus.id,
        at=now,
        staffed=changed.is_staffed(now),
        on_duty=[person.id for person in duty.on_duty(changed, now)],
        on_call=list(changed.on_call),
    )


@router.get("/campuses/{c}/people")
async def list_people(session: Reading, house: InHouse, campus: OnCampus, _caller: Reader) -> dict[str, Any]:
    """Return the people who can be told; endpoint URLs are masked."""
    return {"items": masked(await _present(session, house, campus), details=False).get("people", []), "next": None}


@router.put("/campuses/{c}/people/{name}")
async def put_person(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Administrator,
    now: Now,
    name: Words,
    document: Annotated[dict[str, Any], Body(examples=[_PERSON])],
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Add or change a person. An endpoint whose URL comes back as it was shown, masked, keeps its URL."""

    def put(plain: dict[str, Any]) -> None:
        people = plain.setdefault("people", [])
        known = {each["id"]: each for each in people}
        urls = {each["id"]: each["url"] for each in known.get(name, {}).get("endpoints", ())}
        said = {**document, "id": name, "endpoints": [_unmasked(each, urls) for each in document.get("endpoints", ())]}
        if name in known:
            people[people.index(known[name])] = said
        else:
            people.append(said)

    changed = await _change(session, house, campus, caller, now, put, Read(f"people/{name}", if_match))
    return next(each for each in masked(changed, details=False)["people"] if each["id"] == name)


@router.delete("/campuses/{c}/people/{name}", status_code=204)
async def delete_person(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Administrator,
    now: Now,
    name: Words,
    if_match: IfMatch = None,
) -> None:
    """Remove a person; refused while a shift or a list still names them."""
    if name not in campus.people_by_id:
        raise NotFound(f"no person {name!r}{nearest(name, set(campus.people_by_id))}")

    def remove(plain: dict[str, Any]) -> None:
        plain["people"] = [each for each in plain.get("people", []) if each["id"] != name]

    await _change(session, house, campus, caller, now, remove, Read(f"people/{name}", if_match))


@router.get("/campuses/{c}/shifts")
async def list_shifts(
    session: Reading, house: InHouse, campus: OnCampus, _caller: Reader, answer: Response
) -> dict[str, Any]:
    """Return the shifts, the on-call list and the overrides. The ETag is that of the shifts."""
    present = await _present(session, house, campus)
    plain = registry.to_plain(present)
    answer.headers["ETag"] = tag_of(part_of(present, "shifts"))
    return {"items": plain.get("shifts", []), "next": None} | {
        name: plain.get(name, []) for name in ("on_call", "overrides")
    }


@router.put("/campuses/{c}/shifts")
async def put_shifts(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Administrator,
    now: Now,
    shifts: Annotated[list[dict[str, Any]], Body(examples=[[_SHIFT]])],
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Replace the shifts."""
    read = Read("shifts", if_match)
    changed = await _change(session, house, campus, caller, now, lambda plain: plain.update(shifts=shifts), read)
    return {"items": registry.to_plain(changed).get("shifts", []), "next": None}


async def _present(session: AsyncSession, house: House, campus: Campus) -> Campus:
    return await registry.load(session, house.vault, campus.id) or campus


async def _change(
    session: AsyncSession,
    house: House,
    campus: Campus,
    caller: Caller,
    now: datetime,
    change: Callable[[dict[str, Any]], object],
    read: Read | None = None,
) -> Campus:
    """Change a campus as the database has it now; BadInput says what would be wrong with it then."""
    await in_turn(session)
    before = await _present(session, house, campus)
    if read is not None:
        must_match(read.tag, part_of(before, read.part))
    plain = registry.to_plain(before)
    change(plain)
    try:
        changed = Campus.model_validate(plain)
    except ValidationError as error:
        raise BadInput(problems_of(error)) from None
    allow_private = house.settings.allow_private_endpoints
    wrong = await asyncio.to_thread(endpoints.problems_of, changed, allow_private=allow_private, known=before)
    if wrong:
        raise BadInput(wrong)
    changes = await registry.save(session, house.vault, changed, now=now, by=caller.actor)
    detail = {"changes": [{"what": each.what, "part": each.part, "id": each.id} for each in changes]}
    subject = f"campus:{campus.id}"
    await audit.record(session, at=now, actor=caller.actor, action="campus.change", subject=subject, detail=detail)
    return changed


def _unmasked(endpoint: Any, urls: dict[str, str]) -> Any:
    if not isinstance(endpoint, dict) or not str(endpoint.get("url", "")).endswith(HIDDEN):
        return endpoint
    if endpoint.get("id") not in urls:
        raise BadInput([Problem("is masked; write the whole URL of a new endpoint", "endpoints.url")])
    return {**endpoint, "url": urls[endpoint["id"]]}
