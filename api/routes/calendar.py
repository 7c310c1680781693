"""The school's calendar: its days, the dates that are not ordinary, and taking them over from a calendar file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response

from api import ical
from api.deps import Administrator, InHouse, Now, Reader
from api.etags import IfMatch, tag_of
from api.listing import Words
from api.reference_schemas import DayChange, DaySaid, DayShown, ImportSaid, ImportShown, Skipped
from api.registry_editing import Clerk, Described, InClerk, Plain, part_of
from api.routes.reference import EDIT
from core.campus import Campus
from core.errors import NotFound

router = APIRouter(tags=["calendar"])
Day = Annotated[date, Path(description="A date, as at the campus.")]
_EXAMPLE = {
    "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "regular") | dict.fromkeys(("sat", "sun"), "closed"),
    "day_types": {"regular": {"staffed": "06:30-18:00", "school": "07:50-15:10"}, "closed": {}},
    "exceptions": {"2026-11-26": {"type": "closed", "reason": "Thanksgiving"}},
}


@router.get("/campuses/{c}/calendar")
async def show_calendar(campus: Described, _caller: Reader, answer: Response) -> dict[str, Any]:
    """Return the calendar as a campus file has it: the week, the day types, the exceptions."""
    found: Plain = part_of(campus, "calendar")
    answer.headers["ETag"] = tag_of(found)
    return found


@router.put("/campuses/{c}/calendar", responses=EDIT)
async def write_calendar(
    clerk: InClerk,
    c: Words,
    document: Annotated[dict[str, Any], Body(description="As in a campus file.", examples=[_EXAMPLE])],
    answer: Response,
) -> dict[str, Any]:
    """Write the whole calendar in place of what there was."""
    campus = await clerk.edit(c, "calendar", lambda plain: plain | {"calendar": document}, subject=f"calendar:{c}")
    return _answered(campus, answer)


@router.delete("/campuses/{c}/calendar", status_code=204, responses=EDIT)
async def remove_calendar(clerk: InClerk, c: Words) -> None:
    """Remove the calendar: every day is then closed."""
    await clerk.edit(c, "calendar", lambda plain: plain | {"calendar": {}}, subject=f"calendar:{c}")


@router.get("/campuses/{c}/calendar/{day}")
async def show_day(campus: Described, _caller: Reader, day: Day) -> DayShown:
    """Return what a date is: its day type, its stretches, the doors that may stand open."""
    return _day(campus, day)


@router.put("/campuses/{c}/calendar/{day}", responses=EDIT)
async def write_day(clerk: InClerk, c: Words, day: Day, said: DaySaid) -> DayShown:
    """Make a date an exception: closed for snow, an early release."""
    exception = {"type": said.type} | ({"reason": said.reason} if said.reason else {})
    campus = await clerk.edit(c, "calendar", with_days({day: exception}), subject=f"calendar:{c}/{day}")
    return _day(campus, day)


@router.delete("/campuses/{c}/calendar/{day}", status_code=204, responses=EDIT)
async def remove_day(clerk: InClerk, c: Words, day: Day) -> None:
    """Make a date ordinary again."""

    def change(plain: Plain) -> Plain:
        if day.isoformat() not in plain.get("calendar", {}).get("exceptions", {}):
            raise NotFound(f"{day} is no exception on campus {c!r}")
        return with_days({day: None})(plain)

    await clerk.edit(c, "calendar", change, subject=f"calendar:{c}/{day}")


@router.post("/campuses/{c}/calendar/import", responses=EDIT)
async def import_calendar(
    house: InHouse, campus: Described, caller: Administrator, now: Now, said: ImportSaid, if_match: IfMatch = None
) -> ImportShown:
    """Show which dates an iCalendar file would change and which events it leaves out, each with the reason why.

    With `apply` it is written down as well. A date that is an exception already takes what the file says.
    """
    since = said.since or _today(campus, now)
    entries, unread = await asyncio.to_thread(ical.read, said.ics, campus.zone_info, since)
    sorting = ical.USUAL if said.sort is None else [(each.words, each.type) for each in said.sort]
    found = ical.proposed(entries, campus.local_calendar, sorting)
    changes = [
        DayChange(date=day, before=campus.local_calendar.day_type_name(day), after=each.type, reason=each.reason)
        for day, each in found.exceptions.items()
    ]
    if said.apply and changes:
        days: dict[date, Plain | None] = {
            day: {"type": each.type, "reason": each.reason} for day, each in found.exceptions.items()
        }
        async with house.database.transaction() as session:
            allow_private = house.settings.allow_private_endpoints
            clerk = Clerk(session, house.vault, caller, now, if_match, allow_private)
            await clerk.edit(campus.id, "calendar", with_days(days), subject=f"calendar:{campus.id}")
        house.committed()
    skipped = [Skipped(title=each.title, date=each.date, why=each.why) for each in (*unread, *found.left_out)]
    verb = ("changed" if said.apply else "would change") if changes else "nothing to change"
    words = f"{len(changes)} date{'' if len(changes) == 1 else 's'} {verb}" if changes else verb
    return ImportShown(applied=said.apply and bool(changes), words=words, changes=changes, skipped=skipped)


def with_days(days: Mapping[date, Plain | None]) -> Callable[[Plain], Plain]:
    """Return the change to a campus that makes dates exceptions, or ordinary again (None)."""

    def change(plain: Plain) -> Plain:
        calendar: Plain = plain.get("calendar", {})
        exceptions = dict(calendar.get("exceptions", {}))
        for day, said in days.items():
            exceptions.pop(day.isoformat(), None)
            if said is not None:
                exceptions[day.isoformat()] = said
        return plain | {"calendar": calendar | {"exceptions": dict(sorted(exceptions.items()))}}

    return change


def _today(campus: Campus, now: datetime) -> date:
    return now.astimezone(campus.zone_info).date()


def _answered(campus: Campus, answer: Response) -> Plain:
    found: Plain = part_of(campus, "calendar")
    answer.headers["ETag"] = tag_of(found)
    return found


def _day(campus: Campus, day: date) -> DayShown:
    exception = campus.calendar.exceptions.get(day)
    kind = campus.local_calendar.day_type_name(day)
    found = campus.local_calendar.day_type(day)
    return DayShown(
        date=day,
        type=kind,
        exception=exception is not None,
        reason=exception.reason if exception else "",
        staffed=[str(each) for each in found.staffed],
        school=[str(each) for each in found.school],
        class_time=[str(each) for each in found.class_time],
        windows=[each.model_dump(mode="json") for each in found.windows],
    )
