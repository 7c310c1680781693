"""The demo's school, set up around the moment it is started, so that every incident can happen at any hour."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Final

from core.calendar import WEEKDAYS
from core.campus import Campus
from core.documents import read
from simulators.scenarios import LIBRARY, Scenario, read_scenario

CAMPUS: Final = LIBRARY / "campuses" / "demo.yaml"
SCENARIO: Final = LIBRARY / "demo.yaml"
CLOSES: Final = timedelta(minutes=7)
"""After the full minute of the start the building closes, …"""
REOPENS: Final = timedelta(minutes=12)
"""… and opens again: a night of five minutes."""

WHOLE_DAY: Final = ["00:00-23:59", "12:00-00:00"]


def demo_campus(now: datetime, phone_url: str) -> Campus:
    """Return the demo's school as it is at `now`: open, to be closed soon, a gathering under way.

    `phone_url` is the stand-in phone as Apprise is to call it, like `json://127.0.0.1:8090`.
    """
    data: dict[str, Any] = read(CAMPUS)[0].data
    campus = Campus.model_validate(data)
    minute = campus.local_calendar.local(now).replace(second=0, microsecond=0, tzinfo=None)
    gatherings = [
        {**each, "start": now.isoformat(), "end": (now + timedelta(days=1)).isoformat()} for each in data["gatherings"]
    ]
    people = [
        {**each, "endpoints": [{**way, "url": way["url"].replace("{phone}", phone_url)} for way in each["endpoints"]]}
        for each in data["people"]
    ]
    calendar = _calendar(minute + CLOSES, minute + REOPENS)
    return Campus.model_validate({**data, "calendar": calendar, "gatherings": gatherings, "people": people})


def demo_scenario(campus: Campus, now: datetime) -> Scenario:
    """Return what happens at the demo's school from `now` on, without end."""
    return read_scenario(SCENARIO).on(campus, now)


def _calendar(closes: datetime, reopens: datetime) -> dict[str, Any]:
    # Local times. Open at all hours, but for the few minutes in which the building is closed.
    days = {day: _hours(day, closes, reopens) for day in (closes.date(), reopens.date())}
    return {
        "week": dict.fromkeys(WEEKDAYS, "open"),
        "day_types": {"open": {"staffed": WHOLE_DAY, "school": WHOLE_DAY}}
        | {f"day-{day}": {"staffed": hours, "school": hours} for day, hours in days.items()},
        "exceptions": {day.isoformat(): {"type": f"day-{day}", "reason": "the demo's day"} for day in days},
    }


def _hours(day: date, closes: datetime, reopens: datetime) -> list[str]:
    begin, end = datetime.combine(day, time()), datetime.combine(day + timedelta(days=1), time())
    if reopens == begin:
        return WHOLE_DAY
    open_spans = ((begin, min(closes, end)), (max(reopens, begin), end))
    return [f"{first:%H:%M}-{last:%H:%M}" for first, last in open_spans if first < last]
