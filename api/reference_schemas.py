"""What goes in and out about the campus as it is described, as OpenAPI tells it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.listing import Words
from api.schemas import Said, Shown, VisitShown


class DayShown(Shown):
    """What a date is: its day type, why if it is an exception, and its stretches in the campus's own time."""

    date: date
    type: str
    exception: bool
    reason: str
    staffed: list[str]
    school: list[str]
    class_time: list[str]
    windows: list[dict[str, Any]]


class DaySaid(Said):
    """A date that is not what its weekday says."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"type": "closed", "reason": "Thanksgiving"}}
    )
    type: Words = Field(min_length=1, max_length=100)
    reason: Words = Field(default="", max_length=300)


class Sorting(Said):
    """Events whose title holds one of these words become days of this type."""

    words: list[Words] = Field(min_length=1, max_length=50)
    type: Words = Field(min_length=1, max_length=100)


class ImportSaid(Said):
    """A school calendar as iCalendar text, and whether to write it down or only to show what it would change."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//district//EN\r\nBEGIN:VEVENT\r\nUID:1\r\n"
                "DTSTART;VALUE=DATE:20261221\r\nDTEND;VALUE=DATE:20261223\r\nSUMMARY:Winter break\r\n"
                "END:VEVENT\r\nEND:VCALENDAR\r\n",
                "apply": False,
            }
        },
    )
    ics: str = Field(min_length=1, max_length=900_000)
    sort: list[Sorting] | None = Field(
        default=None, max_length=50, description="Which titles mean which day type; left out: the usual words."
    )
    since: date | None = Field(default=None, description="From this date on; today if left out.")
    apply: bool = Field(default=False, description="Write it down. Without it, nothing changes.")


class DayChange(Shown):
    """One date, what it is now and what it becomes."""

    date: date
    before: str
    after: str
    reason: str


class Skipped(Shown):
    """An event that changes nothing, and why."""

    title: str
    date: date | None
    why: str


class ImportShown(BaseModel):
    """What an import changes, or would."""

    applied: bool
    words: str
    changes: list[DayChange]
    skipped: list[Skipped]


class GatheringShown(Shown):
    """A gathering, and who is in the room as far as it was counted."""

    id: str
    name: str
    zone: str | None
    starts_at: datetime
    ends_at: datetime
    expected: int | None
    load: int | None = Field(description="How many may be in the room: its own figure, or that of its zone.")
    count: int | None = Field(description="Null: nobody has counted yet.")
    counts: dict[str, int]
    heard_at: datetime | None


class HereShown(VisitShown):
    """Somebody who is here, or may be: `unverified` says that they were signed out by the clock alone."""

    unverified: bool


class RosterShown(BaseModel):
    """Who is on campus as far as is known, for a count outside."""

    campus: str
    at: datetime
    items: list[HereShown]
    next: str | None
    gatherings: list[GatheringShown] = Field(description="Those that are on, with their heads.")
