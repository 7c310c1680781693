"""People: who is on duty, how they are reached and whether that works, their shifts week by week, and the gaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.responses import Response

from api.alert_schemas import GoingOff
from api.console import roster, staff
from api.console.edits import Edit, InEdit
from api.console.forms import Short, beside_fields, read_local, version_of
from api.console.frame import Back, InFrame, done, local
from api.console.pages.calendar import InTime
from api.deps import Administrator, Answerer, InHouse, Now, OnCampus, Reading, Writing
from api.listing import Words
from api.routes import duty, endpoints
from api.routes.policies import TELLING
from core import registry
from core.campus import Campus, Person, nearest
from core.errors import BadInput, NotFound, Problem

router = APIRouter(include_in_schema=False)
Place = Annotated[int, Form(ge=0, le=10_000)]
"""The place of a shift among all shifts; the version says of which list."""


@router.get("/people")
async def show_people(frame: InFrame, session: Reading, house: InHouse, week: InTime = None) -> Response:
    """Show who can be told, who is on duty, and the week with its gaps."""
    campus = await registry.renewed(session, house.vault, frame.campus, TELLING)
    return frame.page(
        "people.html",
        campus=campus,
        people=await staff.read(session, campus, frame.now),
        week=roster.read(campus, week, frame.now),
        roles=staff.ROLES.items(),
        vias=staff.VIAS.items(),
    )


@router.get("/people/{person}")
async def show_person(frame: InFrame, session: Reading, house: InHouse, person: Words) -> Response:
    """Show one person, and the forms that change them."""
    campus = await registry.renewed(session, house.vault, frame.campus, TELLING)
    _known(campus, person)
    members = await staff.read(session, campus, frame.now)
    may_change = frame.may("administer")
    return frame.page(
        "person.html",
        campus=campus,
        person=next(each for each in members if each.id == person),
        others=[(each.id, each.name) for each in campus.people if each.id != person],
        roles=staff.ROLES.items(),
        vias=staff.VIAS.items(),
        days=staff.DAYS,
        version=version_of(campus, f"people/{person}") if may_change else "",
        shifts_version=version_of(campus, "shifts") if may_change else "",
    )


@router.post("/people/{c}/people")
async def add_person(
    edit: InEdit,
    name: Short,
    role: Short,
    phone: Short = "",
    url: Annotated[Words, Form(max_length=2000)] = "",
    via: Short = "push",
) -> Response:
    """Add a person, with their first endpoint if there is one."""
    known = await edit.present()
    person = staff.id_for(name, known.people_by_id)
    said = _described({}, name, role, phone)
    if url.strip():
        said["endpoints"] = [{"id": _endpoint_id(person, via, known), "url": url.strip(), "via": via}]
    with beside_fields():
        await duty.put_person(*edit.place, person, said)
    return done(
        f"/people/{person}?campus={edit.campus.id}", f"{name.strip()} can be told now; add when they are on duty."
    )


@router.post("/people/{c}/people/{person}")
async def change_person(
    edit: InEdit,
    person: Words,
    name: Short,
    role: Short,
    phone: Short = "",
) -> Response:
    """Change what a person is called, what they are, and their telephone."""
    said = _described(await _plain(edit, person), name, role, phone)
    with beside_fields():
        await duty.put_person(*edit.place, person, said, edit.version)
    return edit.done(f"{name.strip()} is changed.")


@router.post("/people/{c}/people/{person}/remove")
async def remove_person(edit: InEdit, person: Words) -> Response:
    """Remove a person; refused while a shift, a window or a list names them."""
    present = await edit.present()
    name = _known(present, person).name
    await duty.delete_person(edit.session, edit.house, present, edit.caller, edit.now, person, edit.version)
    return edit.done(f"{name} is removed.")


@router.post("/people/{c}/people/{person}/endpoints")
async def put_endpoint(
    edit: InEdit,
    person: Words,
    via: Short,
    endpoint: Short = "",
    url: Annotated[Words, Form(max_length=2000)] = "",
) -> Response:
    """Add an endpoint, or change one; one whose URL is left empty keeps it."""
    said = await _plain(edit, person)
    ways: list[dict[str, Any]] = said.setdefault("endpoints", [])
    present = next((each for each in ways if each["id"] == endpoint), None)
    if present is None:
        if endpoint or not url.strip():
            problem = Problem(f"no endpoint {endpoint!r}", "endpoint") if endpoint else Problem("is required", "url")
            raise BadInput([problem])
        known = await edit.present()
        ways.append({"id": _endpoint_id(person, via, known), "url": url.strip(), "via": via})
    else:
        present |= {"via": via} | ({"url": url.strip()} if url.strip() else {})
    with beside_fields():
        await duty.put_person(*edit.place, person, said, edit.version)
    return edit.done("Written down. Send a test, to see that it arrives.")


@router.post("/people/{c}/people/{person}/endpoints/remove")
async def remove_endpoint(edit: InEdit, person: Words, endpoint: Short) -> Response:
    """Remove an endpoint of a person."""
    said = await _plain(edit, person)
    said["endpoints"] = [each for each in said.get("endpoints", ()) if each["id"] != endpoint]
    await duty.put_person(*edit.place, person, said, edit.version)
    return edit.done(f"{endpoint} is removed.")


@router.post("/people/{c}/verify")
async def verify_endpoint(
    session: Reading,
    house: InHouse,
    campus: OnCampus,
    caller: Administrator,
    now: Now,
    endpoint: Short,
    back: Back = "/people",
) -> Response:
    """Send a test to an endpoint."""
    present = await registry.renewed(session, house.vault, campus, TELLING)
    tried = await endpoints.verify_endpoint(house, present, caller, now, endpoint)
    words = "its provider has taken it; did it arrive?" if tried.verified else f"{tried.outcome}: {tried.detail}"
    return done(local(back), f"A test was sent to {endpoint}: {words}")


@router.post("/people/{c}/people/{person}/off")
async def go_off(
    session: Writing,
    house: InHouse,
    campus: OnCampus,
    caller: Answerer,
    now: Now,
    person: Words,
    until: Short = "",
    to: Short = "",
    reason: Short = "",
    back: Back = "/people",
) -> Response:
    """Take somebody off duty now; whoever has an extreme alert hands it over."""
    ends = read_local(until, campus, "until") if until.strip() else None
    if ends is not None and ends <= now:
        raise BadInput([Problem("lies in the past", "until")])
    present = await registry.renewed(session, house.vault, campus, TELLING)
    name = _known(present, person).name
    said = GoingOff(person=person, until=ends, to=to or None, reason=reason.strip())
    with beside_fields():
        shown = await duty.go_off(session, house, present, caller, now, said)
    names = ", ".join(present.people_by_id[each].name for each in shown.on_duty)
    return done(local(back), f"{name} is off duty. On duty now: {names or 'nobody'}.")


@router.post("/people/{c}/people/{person}/shifts")
async def put_shift(
    edit: InEdit,
    person: Words,
    start: Short,
    end: Short,
    days: Annotated[list[Words], Form(max_length=7)] = [],  # noqa: B006 - read only, and a list of none is meant
    breaks: Short = "",
    cover: Short = "",
    place: Annotated[int | None, Form(ge=0, le=10_000)] = None,
) -> Response:
    """Add a shift, or change the one at a place."""
    if not days:
        raise BadInput([Problem("choose one day at least", "days")])
    said: dict[str, Any] = {"person": person, "days": days, "at": f"{start}-{end}"}
    said |= {"breaks": [each.strip() for each in breaks.split(",") if each.strip()]} if breaks.strip() else {}
    said |= {"cover": cover} if cover else {}

    def change(shifts: list[dict[str, Any]]) -> None:
        if place is None:
            shifts.append(said)
        else:
            _shift_at(shifts, place, person)
            shifts[place] = said

    await _reshift(edit, change)
    return edit.done("The shift is written down.")


@router.post("/people/{c}/people/{person}/shifts/remove")
async def remove_shift(edit: InEdit, person: Words, place: Place) -> Response:
    """Remove the shift at a place."""

    def change(shifts: list[dict[str, Any]]) -> None:
        _shift_at(shifts, place, person)
        del shifts[place]

    await _reshift(edit, change)
    return edit.done("The shift is removed.")


async def _reshift(edit: Edit, change: Callable[[list[dict[str, Any]]], None]) -> None:
    shifts = staff.shifts_of(await edit.present())
    change(shifts)
    with beside_fields():
        await duty.put_shifts(*edit.place, shifts, edit.version)


async def _plain(edit: Edit, person: str) -> dict[str, Any]:
    """Return a person as they are stored at this moment, URLs masked."""
    return staff.document_of(_known(await edit.present(), person))


def _described(plain: dict[str, Any], name: str, role: str, phone: str) -> dict[str, Any]:
    rest = {key: value for key, value in plain.items() if key != "phone"}
    return rest | {"name": name.strip(), "role": role} | ({"phone": phone.strip()} if phone.strip() else {})


def _endpoint_id(person: str, via: str, campus: Campus) -> str:
    taken = {each.id: each for known in campus.people for each in known.endpoints}
    return staff.id_for(f"{person}-{via}", taken)


def _shift_at(shifts: list[dict[str, Any]], place: int, person: str) -> None:
    if place >= len(shifts) or shifts[place]["person"] != person:
        raise NotFound("there is no such shift any more; load the page again")


def _known(campus: Campus, person: str) -> Person:
    if person not in campus.people_by_id:
        raise NotFound(f"no person {person!r}{nearest(person, set(campus.people_by_id))}")
    return campus.people_by_id[person]
