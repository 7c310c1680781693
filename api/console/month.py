"""What the calendar's page shows: a month of day types, the bells of one day, what comes next, what can be undone."""

from __future__ import annotations

import calendar as weeks
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from alerts.notices import name_of
from core.audit import AuditRow
from core.calendar import WEEKDAYS, DayType, LocalCalendar, local_instant
from core.campus import Campus

BOUNDARIES_SHOWN: Final = 6
CHANGES_SHOWN: Final = 12
DAYS_AHEAD: Final = 62
"""So far ahead changes of days are looked for, besides those of the dates that are exceptions now."""
TONES: Final = 6
"""As many colours as day types can have; the words beside them always say which."""
_EDGES: Final = {
    "staffed": ("Somebody is on site", "Nobody is on site any more"),
    "school": ("School begins", "School is over"),
    "class_time": ("A class begins", "A class ends"),
}
_NAMES: Final = {"staffed": "Somebody on site", "school": "School", "class_time": "Class"}


@dataclass(frozen=True, slots=True)
class Day:
    """One date of the month."""

    date: date
    kind: str
    words: str
    reason: str
    exception: bool
    tone: str
    clocks: str
    """What the clocks do in the night to it; empty on all days but two."""
    in_month: bool
    is_today: bool
    is_past: bool


@dataclass(frozen=True, slots=True)
class Bell:
    """One stretch of a day in local time; `how` is over, now or to come (empty on other days than today)."""

    at: str
    name: str
    note: str
    how: str


@dataclass(frozen=True, slots=True)
class Boundary:
    """What begins or ends next."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A day type that a date can be given."""

    name: str
    words: str

    @property
    def pair(self) -> tuple[str, str]:
        """The value and the words of an option."""
        return self.name, self.words


@dataclass(frozen=True, slots=True)
class Turn:
    """A date that one button changes: today, tomorrow."""

    title: str
    day: Day
    choices: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class Undo:
    """A change of dates that can still be put back, as a whole."""

    record: int
    at: datetime
    who: str
    words: str


@dataclass(frozen=True, slots=True)
class Month:
    """The page's content."""

    first: date
    before: date
    after: date
    weeks: Sequence[Sequence[Day]]
    chosen: Day
    bells: Sequence[Bell]
    choices: Sequence[Choice]
    turns: Sequence[Turn]
    boundaries: Sequence[Boundary]
    legend: Sequence[tuple[str, str]]

    @property
    def title(self) -> str:
        """The month in words."""
        return f"{self.first:%B %Y}"


def read(campus: Campus, asked: date | None, now: datetime) -> Month:
    """Return the month around a date, or around today."""
    today = today_of(campus, now)
    chosen = asked or today
    first = chosen.replace(day=1)
    grid = weeks.Calendar().monthdatescalendar(first.year, first.month)
    known = campus.local_calendar
    return Month(
        first=first,
        before=(first - timedelta(days=1)).replace(day=1),
        after=(first + timedelta(days=32)).replace(day=1),
        weeks=[[_day(known, each, first, today) for each in week] for week in grid],
        chosen=_day(known, chosen, first, today),
        bells=list(_bells(campus, chosen, now)),
        choices=_choices(known, chosen),
        turns=[_turn(known, day, first, today, title) for title, day in _soon(today)],
        boundaries=_boundaries(known, now),
        legend=[(words_of(name), _tone(known, name)) for name in _kinds(known)],
    )


def today_of(campus: Campus, now: datetime) -> date:
    """Return the date at the campus."""
    return now.astimezone(campus.zone_info).date()


def words_of(kind: str) -> str:
    """Return a day type as people say it."""
    return kind.replace("_", " ").replace("-", " ").capitalize()


def date_words(day: date) -> str:
    """Return a date as people say it."""
    return f"{day:%A} {day.day} {day:%B}"


def in_words(campus: Campus, day: date) -> str:
    """Return what a date is now, in one sentence."""
    known = campus.local_calendar
    kind = known.day_type(day)
    parts = [f"{_NAMES[name].lower()} {_spans(kind, name)}" for name in ("staffed", "school") if kind.spans(name)]
    parts += [f"“{window.name}” {window.at}" for window in kind.windows]
    what = ", ".join(parts) or "nobody on site, no school, no windows"
    return f"{date_words(day)} is now {words_of(known.day_type_name(day)).lower()}: {what}."


async def undoable(session: AsyncSession, campus: Campus, now: datetime) -> list[Undo]:
    """Return the changes of dates that still stand and are not past, the newest first."""
    today = today_of(campus, now)
    days = {today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD)}
    days |= {day for day in campus.calendar.exceptions if day >= today}
    subjects = [f"calendar:{campus.id}", *(f"calendar:{campus.id}/{day}" for day in sorted(days)[:500])]
    query = select(AuditRow).where(AuditRow.subject.in_(subjects)).order_by(AuditRow.id.desc()).limit(CHANGES_SHOWN)
    found = []
    for row in (await session.execute(query)).scalars():
        standing = still_standing(campus, row, today)
        if standing:
            words = "; ".join(_change(day, before, after) for day, (before, after) in list(standing.items())[:3])
            more = f"; and {len(standing) - 3} further dates" if len(standing) > 3 else ""
            found.append(Undo(row.id, row.at, name_of(row.actor), words + more))
    return found


def still_standing(campus: Campus, row: AuditRow, today: date) -> dict[date, tuple[Any, Any]]:
    """Return what a record says of dates (before, after) that are still as it left them, and are not past."""
    told = [change.get("days", {}) for change in msgspec.json.decode(row.detail).get("changes", ())]
    found = {}
    for written, (before, after) in (each for days in told for each in days.items()):
        day = date.fromisoformat(written)
        exception = campus.calendar.exceptions.get(day)
        present = None if exception is None else exception.model_dump(mode="json", exclude_defaults=True)
        if day >= today and present == after:
            found[day] = (before, after)
    return found


def _change(day: date, before: Any, after: Any) -> str:
    def kind(said: Any) -> str:
        return words_of(said["type"]).lower() if said else "an ordinary day"

    reason = f" ({after['reason']})" if after and after.get("reason") else ""
    return f"{date_words(day)}: {kind(after)}{reason}, before that {kind(before)}"


def _day(known: LocalCalendar, day: date, first: date, today: date) -> Day:
    kind = known.day_type_name(day)
    exception = known.calendar.exceptions.get(day)
    return Day(
        date=day,
        kind=kind,
        words=words_of(kind),
        reason=exception.reason if exception else "",
        exception=exception is not None,
        tone=_tone(known, kind),
        clocks=_clocks(known, day),
        in_month=day.month == first.month,
        is_today=day == today,
        is_past=day < today,
    )


def _clocks(known: LocalCalendar, day: date) -> str:
    begins, ends = (known.local(local_instant(day, minute, known.zone)) for minute in (0, 1440))
    shift = (ends.utcoffset() or timedelta()) - (begins.utcoffset() or timedelta())
    if not shift:
        return ""
    length = abs(shift) // timedelta(minutes=1)
    much = f"{length // 60} h" if length % 60 == 0 else f"{length} min"
    return f"The clocks go {'forward' if shift > timedelta() else 'back'} {much}"


def _kinds(known: LocalCalendar) -> list[str]:
    """Return the day types, what is usual first."""
    usual = [known.calendar.week.get(day, "closed") for day in WEEKDAYS]
    return list(dict.fromkeys([*usual, *known.calendar.day_types, "closed"]))


def _tone(known: LocalCalendar, kind: str) -> str:
    if not known.calendar.day_types.get(kind, DayType()).staffed:
        return "off"
    return str(_kinds(known).index(kind) % TONES)


def _choices(known: LocalCalendar, day: date) -> list[Choice]:
    present = known.day_type_name(day)
    return [Choice(name, words_of(name)) for name in _kinds(known) if name != present]


def _soon(today: date) -> Iterable[tuple[str, date]]:
    return (("Today", today), ("Tomorrow", today + timedelta(days=1)))


def _turn(known: LocalCalendar, day: date, first: date, today: date, title: str) -> Turn:
    usual = known.calendar.week.get(WEEKDAYS[day.weekday()], "closed")
    others = [each for each in _choices(known, day) if each.name != usual]
    return Turn(title, _day(known, day, first, today), others)


def _spans(kind: DayType, name: str) -> str:
    return " and ".join(map(str, kind.spans(name)))


def _bells(campus: Campus, day: date, now: datetime) -> Iterable[Bell]:
    known = campus.local_calendar
    kind = known.day_type(day)
    lines = [(span, _NAMES[name], "") for name in _NAMES for span in kind.spans(name)]
    for window in kind.windows:
        doors = ", ".join(campus.doors_by_id[each].name for each in window.doors if each in campus.doors_by_id)
        monitor = campus.people_by_id.get(window.monitor or "")
        watched = f"{monitor.name} watches" if monitor else "nobody watches"
        lines.append((window.at, f"Window “{window.name}”", f"{doors or 'no door'}; {watched}"))
    is_today = day == today_of(campus, now)
    for span, name, note in sorted(lines, key=lambda line: (line[0].start, line[0].end)):
        start, end = span.on(day, known.zone)
        how = "" if not is_today else "over" if end <= now else "now" if start <= now else "to come"
        yield Bell(str(span), name, note, how)


def _boundaries(known: LocalCalendar, now: datetime) -> list[Boundary]:
    today = known.local(now).date()
    found: set[tuple[datetime, str]] = set()
    for ahead in range(-1, 8):
        day = today + timedelta(days=ahead)
        for name in sorted(known.calendar.names):
            begins, ends = _EDGES.get(name, (f"The window “{name}” opens", f"The window “{name}” ends"))
            for start, end in known.spans(name, day):
                found |= {(start, begins), (end, ends)}
    return [Boundary(*each) for each in sorted(each for each in found if each[0] > now)[:BOUNDARIES_SHOWN]]
