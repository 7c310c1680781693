"""The calendar: the month, early release by one button and its undo, taking a district's calendar file over."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, UploadFile
from starlette.responses import Response

from api.console import month
from api.console.forms import Short, Version, beside_fields, version_of
from api.console.frame import Back, InFrame, done, local
from api.deps import Administrator, InHouse, Now, OnCampus, Reading
from api.listing import LARGEST, Words
from api.reference_schemas import DaySaid, ImportSaid
from api.registry_editing import Clerk, Described, InClerk
from api.routes import calendar
from core import registry
from core.audit import AuditRow
from core.campus import Campus
from core.errors import BadInput, Conflict, NotFound, Problem

router = APIRouter(include_in_schema=False)
PARTS = ("calendar", "people")
LISTED = 200
"""So many changes, and events left out, are shown of a calendar file."""
InTime = Annotated[date | None, Query(ge=date(2000, 1, 1), lt=date(2200, 1, 1))]
"""A date that a calendar may be asked for."""


@router.get("/calendar")
async def show_calendar(frame: InFrame, session: Reading, house: InHouse, day: InTime = None) -> Response:
    """Show a month, the bells of one day, and what can be changed or undone."""
    campus = await registry.renewed(session, house.vault, frame.campus, PARTS)
    shown = month.read(campus, day, frame.now)
    undo = await month.undoable(session, campus, frame.now) if frame.may("administer") else []
    return frame.page("calendar.html", campus=campus, month=shown, undo=undo, version=version_of(campus, "calendar"))


@router.post("/calendar/{c}/days")
async def change_day(
    clerk: InClerk,
    campus: OnCampus,
    day: Annotated[date, Form()],
    kind: Annotated[Words, Form(alias="type", max_length=100)],
    reason: Short = "",
    version: Version = "",
    back: Back = "/calendar",
) -> Response:
    """Make a date an exception: early release, closed, delayed."""
    _not_past(day, campus, clerk)
    with beside_fields():
        await calendar.write_day(_seen(clerk, version), campus.id, day, DaySaid(type=kind, reason=reason.strip()))
    return done(local(back), await _told(clerk, campus, day))


@router.post("/calendar/{c}/days/ordinary")
async def make_ordinary(
    clerk: InClerk,
    campus: OnCampus,
    day: Annotated[date, Form()],
    version: Version = "",
    back: Back = "/calendar",
) -> Response:
    """Make a date what its weekday says."""
    _not_past(day, campus, clerk)
    await calendar.remove_day(_seen(clerk, version), campus.id, day)
    return done(local(back), await _told(clerk, campus, day))


@router.post("/calendar/{c}/undo")
async def undo(
    clerk: InClerk, campus: OnCampus, record: Annotated[int, Form(ge=1, le=LARGEST)], back: Back = "/calendar"
) -> Response:
    """Put dates back to what they were before a change, as far as nobody has changed them since."""
    row = await clerk.session.get(AuditRow, record)
    if row is None or row.subject.partition("/")[0] != f"calendar:{campus.id}":
        raise NotFound("there is no such change of this calendar")
    present = await registry.renewed(clerk.session, clerk.vault, campus, PARTS)
    standing = month.still_standing(present, row, month.today_of(campus, clerk.now))
    if not standing:
        raise Conflict("it cannot be undone any more: the days are over, or have been changed since")
    days = {day: before for day, (before, _) in standing.items()}
    first = min(days)
    subject = f"calendar:{campus.id}/{first}" if len(days) == 1 else f"calendar:{campus.id}"
    await clerk.edit(campus.id, "calendar", calendar.with_days(days), subject=subject)
    more = f" And {len(days) - 1} further dates are as they were." if len(days) > 1 else ""
    return done(local(back), f"Undone. {await _told(clerk, campus, first)}{more}")


@router.get("/calendar/{c}/import")
async def ask_for_import(frame: InFrame, campus: OnCampus, _caller: Administrator) -> Response:
    """Ask for a calendar file."""
    return replace(frame, chosen=campus).page("calendar_import.html", campus=campus, found=None, ics="")


@router.post("/calendar/{c}/import")
async def take_import(
    frame: InFrame,
    house: InHouse,
    campus: Described,
    caller: Administrator,
    now: Now,
    file: Annotated[UploadFile | None, File()] = None,
    ics: Annotated[Words, Form(max_length=900_000)] = "",
    apply: Annotated[bool, Form()] = False,
    version: Version = "",
) -> Response:
    """Show what a calendar file would change; with `apply`, write it down."""
    text = await _text(file, ics)
    said = ImportSaid(ics=text, apply=apply)
    found = await calendar.import_calendar(house, campus, caller, now, said, version or None)
    here = replace(frame, chosen=campus)
    if found.applied:
        return done(here.to("/calendar", day=found.changes[0].date), f"{found.words.capitalize()}.")
    tag = version_of(campus, "calendar")
    return here.page("calendar_import.html", campus=campus, found=found, ics=text, version=tag, most=LISTED)


async def _text(file: UploadFile | None, ics: str) -> str:
    if file is not None and file.filename:
        try:
            ics = (await file.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise BadInput([Problem("is no text in UTF-8; export it as iCalendar (.ics)", "file")]) from None
        if not ics.strip():
            raise BadInput([Problem("is empty", "file")])
    if not ics.strip():
        raise BadInput([Problem("choose a file, or paste its text", "ics")])
    if len(ics) > 900_000 or "\0" in ics:
        raise BadInput([Problem("is no calendar file of at most 900,000 characters", "ics")])
    return ics


async def _told(clerk: Clerk, campus: Campus, day: date) -> str:
    return month.in_words(await registry.renewed(clerk.session, clerk.vault, campus, PARTS), day)


def _seen(clerk: Clerk, version: str) -> Clerk:
    return replace(clerk, if_match=version or None)


def _not_past(day: date, campus: Campus, clerk: Clerk) -> None:
    if day < month.today_of(campus, clerk.now):
        raise BadInput([Problem("is over; only today and what comes can be changed", "day")])
