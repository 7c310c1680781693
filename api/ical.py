"""A school calendar as districts publish it (iCalendar, RFC 5545): which dates it says are not ordinary, and why.

Reading decides nothing about a campus; `proposed` does, and tells of every event that it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar as IcalCalendar

from core.calendar import CalendarException, LocalCalendar
from core.errors import BadInput, Problem

_OFF: Final = ("no school", "no classes", "school closed", "holiday", "break", "recess", "vacation", "teacher workday")
_DAYS_OFF: Final = (
    "thanksgiving",
    "labor day",
    "memorial day",
    "veterans day",
    "presidents",
    "martin luther king",
    "juneteenth",
)
USUAL: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("early release", "early dismissal", "half day", "half-day", "minimum day"), "early_release"),
    (
        (*_OFF, *_DAYS_OFF),
        "closed",
    ),
)
"""The words that school calendars use, and the day types they mean; the first that fits counts."""
LONGEST: Final = 120
"""Days one event may last; a longer one is a term, not an exception."""
MOST_EVENTS: Final = 5000
AHEAD: Final = timedelta(days=800)
"""How far into the future events that come again are followed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One event on one date."""

    title: str
    date: date


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An event that says nothing about a date, or not what can be used, and why."""

    title: str
    date: date | None
    why: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a calendar file would change: date by date, the exception it becomes."""

    exceptions: dict[date, CalendarException]
    left_out: list[LeftOut]


def read(text: str, zone: ZoneInfo, since: date) -> tuple[list[Entry], list[LeftOut]]:
    """Return the dates of the events from `since` on, and what was left out; BadInput if it is no calendar."""
    try:
        calendar = IcalCalendar.from_ical(text)
        events: list[Any] = calendar.walk("VEVENT")
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadInput([Problem(f"is no iCalendar file: {str(error)[:200] or type(error).__name__}", "ics")]) from None
    if len(events) > MOST_EVENTS:
        raise BadInput([Problem(f"holds {len(events)} events; at most {MOST_EVENTS}", "ics")])
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    for event in events:
        title = " ".join(str(event.get("SUMMARY", "")).split())[:300] or "(without a title)"
        try:
            if str(event.get("STATUS", "")).upper() == "CANCELLED":
                left_out.append(LeftOut(title, None, "is cancelled"))
                continue
            entries += [Entry(title, day) for day in _days(event, zone, since)]
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            left_out.append(LeftOut(title, None, f"cannot be read: {str(error)[:200]}"))
    return sorted(entries, key=lambda entry: (entry.date, entry.title)), left_out


def proposed(
    entries: Sequence[Entry], calendar: LocalCalendar, sorting: Sequence[tuple[Sequence[str], str]] = USUAL
) -> Proposal:
    """Return the exceptions that events mean for a calendar; those that say what is so already are left out."""
    found: dict[date, CalendarException] = {}
    left_out: list[LeftOut] = []
    for entry in entries:
        kind = next((type_ for words, type_ in sorting if _says(entry.title, words)), None)
        if kind is None:
            left_out.append(LeftOut(entry.title, entry.date, "no word of it stands for a day type"))
        elif kind not in calendar.calendar.day_types:
            left_out.append(LeftOut(entry.title, entry.date, f"this campus has no day type {kind!r}"))
        elif entry.date in found and found[entry.date].type != kind:
            why = f"another event makes this date {found[entry.date].type!r} already"
            left_out.append(LeftOut(entry.title, entry.date, why))
        elif calendar.day_type_name(entry.date) == kind:
            left_out.append(LeftOut(entry.title, entry.date, f"is {kind!r} already"))
        else:
            found.setdefault(entry.date, CalendarException(type=kind, reason=entry.title))
    return Proposal(dict(sorted(found.items())), left_out)


def _says(title: str, words: Sequence[str]) -> bool:
    plain = title.casefold()
    return any(word.casefold() in plain for word in words)


def _days(event: Any, zone: ZoneInfo, since: date) -> Iterator[date]:
    """Yield the dates of an event and of those that it comes again on."""
    first, length = _first(event, zone)
    if length > LONGEST:
        raise ValueError(f"lasts {length} days, which is no exception")
    without = {_local(each.dt, zone) for each in _listed(event, "EXDATE")}
    starts = {first, *(_local(each.dt, zone) for each in _listed(event, "RDATE"))}
    rule = event.get("RRULE")
    if rule is not None:
        starts |= set(_again(rule, first, since))
    for start in sorted(starts - without):
        for number in range(length):
            day = start + timedelta(days=number)
            if day >= since:
                yield day


def _first(event: Any, zone: ZoneInfo) -> tuple[date, int]:
    start = event["DTSTART"].dt
    first = _local(start, zone)
    if "DTEND" in event:
        end = event["DTEND"].dt
        last = _local(end, zone)
        # The end is not in it: a date stands for its midnight.
        ends_at_midnight = not isinstance(end, datetime) or _wall(end, zone) == time(0)
        days = (last - first).days + (0 if ends_at_midnight else 1)
    elif "DURATION" in event:
        days = max(1, -(-event["DURATION"].dt // timedelta(days=1)))
    else:
        days = 1
    return first, max(1, days)


def _again(rule: Any, first: date, since: date) -> Iterator[date]:
    rules = rrulestr(rule.to_ical().decode(), dtstart=datetime.combine(first, time(0)), ignoretz=True)
    until = datetime.combine(since + AHEAD, time(0))
    for number, moment in enumerate(rules):
        if moment > until or number >= MOST_EVENTS:
            return
        yield moment.date()


def _listed(event: Any, name: str) -> Iterator[Any]:
    found = event.get(name, ())
    for each in found if isinstance(found, list) else (found,):
        yield from getattr(each, "dts", ())


def _local(moment: date | datetime, zone: ZoneInfo) -> date:
    if isinstance(moment, datetime):
        return moment.astimezone(zone).date() if moment.tzinfo else moment.date()
    return moment


def _wall(moment: datetime, zone: ZoneInfo) -> time:
    return (moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=UTC)).time()
