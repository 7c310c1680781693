"""Who is on duty when: a real week, hour by hour, as those who are told are chosen; and when nobody would be.

The week is worked out by asking who is on duty between any two moments at which something changes, so it shows breaks,
cover, overrides and days off as they will count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final

from alerts import duty
from core.calendar import CALENDARS, WEEKDAYS, local_instant
from core.campus import Campus, Person

MINUTES: Final = 1440
OFFICER: Final = "sro"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of one day in local time; `start` and `length` are minutes of that clock, for the picture."""

    at: str
    words: str
    how: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of one person."""

    date: date
    stretches: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class Line:
    """One person's week."""

    person: str
    name: str
    role: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Heading:
    """One day of the week."""

    date: date
    words: str
    kind: str
    is_today: bool


@dataclass(frozen=True, slots=True)
class Week:
    """A week of duty."""

    first: date
    before: date
    after: date
    days: Sequence[Heading]
    lines: Sequence[Line]
    gaps: Sequence[Cell]
    on_call: Sequence[str]
    """The names of those who are told while nobody is on site."""

    @property
    def has_gaps(self) -> bool:
        """Whether there is a time at which nobody would be told."""
        return any(cell.stretches for cell in self.gaps)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A time between two changes: who is on duty, and what is wrong with that."""

    start: datetime
    end: datetime
    on: dict[str, str]
    gap: str


def read(campus: Campus, asked: date | None, now: datetime) -> Week:
    """Return the week around a date, or around today."""
    today = now.astimezone(campus.zone_info).date()
    day = asked or today
    first = day - timedelta(days=day.weekday())
    days = [first + timedelta(days=number) for number in range(7)]
    pieces = {each: list(_pieces(campus, each)) for each in days}
    seen = {person for found in pieces.values() for piece in found for person in piece.on}
    known = campus.local_calendar
    return Week(
        first=first,
        before=first - timedelta(days=7),
        after=first + timedelta(days=7),
        days=[
            Heading(each, f"{each:%a} {each.day} {each:%b}", known.day_type_name(each).replace("_", " "), each == today)
            for each in days
        ],
        lines=[_line(person, pieces, campus) for person in campus.people if person.id in seen],
        gaps=[Cell(each, _joined(_gaps(found, campus))) for each, found in pieces.items()],
        on_call=[campus.people_by_id[each].name for each in campus.on_call if each in campus.people_by_id],
    )


def _line(person: Person, pieces: dict[date, list[_Piece]], campus: Campus) -> Line:
    cells = [Cell(day, _joined(_stretches(found, person.id, campus))) for day, found in pieces.items()]
    return Line(person.id, person.name, person.role, cells)


def _pieces(campus: Campus, day: date) -> Iterable[_Piece]:
    edges = sorted(_edges(campus, day))
    for start, end in pairwise(edges):
        on = {person.id: _how(person, campus, start) for person in duty.on_duty(campus, start)}
        yield _Piece(start, end, on, _gap(campus, start))


def _edges(campus: Campus, day: date) -> set[datetime]:
    """Return the moments of a local date at which it may change who is on duty."""
    zone = campus.zone_info
    begins, ends = local_instant(day, 0, zone), local_instant(day, MINUTES, zone)
    near = [day + timedelta(days=ahead) for ahead in (-1, 0, 1)]
    spans = [span for name in CALENDARS[:2] for each in near for span in campus.local_calendar.spans(name, each)]
    for shift in campus.shifts:
        days = [each for each in near if WEEKDAYS[each.weekday()] in shift.days]
        spans += [shift.at.on(each, zone) for each in days]
        spans += [pause.on(each, zone) for pause in shift.breaks for each in near] if days else []
    spans += [(campus.instant(each.start), campus.instant(each.end)) for each in campus.overrides]
    return {begins, ends} | {edge for span in spans for edge in span if begins < edge < ends}


def _how(person: Person, campus: Campus, at: datetime) -> str:
    if any(each.cover == person.id for each in campus.overrides_at(at)):
        return "stands in"
    if not campus.is_staffed(at) and person.id in campus.on_call:
        return "on call"
    return "on shift" if any(shift.person == person.id for shift in campus.shifts) else "stands in"


def _gap(campus: Campus, at: datetime) -> str:
    """Return what is wrong with who is on duty at a moment; empty where nothing is."""
    present = duty.on_duty(campus, at)
    is_school, is_staffed = campus.local_calendar.is_in("school", at), campus.is_staffed(at)
    when = "in school time" if is_school else "while somebody is on site" if is_staffed else ""
    if not when:
        return ""
    if not present:
        return f"nobody is on duty {when}"
    if not any(person.endpoints for person in present):
        return f"nobody on duty can be reached {when}"
    officers = any(person.role == OFFICER for person in campus.people)
    if is_school and officers and not duty.people([f"shift:{OFFICER}"], campus, at):
        return "neither an officer nor cover is on shift in school time"
    return ""


def _stretches(pieces: Sequence[_Piece], person: str, campus: Campus) -> Iterable[Stretch]:
    for piece in pieces:
        how = piece.on.get(person)
        if how is not None:
            yield _stretch(piece, how, how, campus)


def _gaps(pieces: Sequence[_Piece], campus: Campus) -> Iterable[Stretch]:
    for piece in pieces:
        if piece.gap:
            yield _stretch(piece, piece.gap, "gap", campus)


def _stretch(piece: _Piece, words: str, how: str, campus: Campus) -> Stretch:
    begins, ends = (each.astimezone(campus.zone_info) for each in (piece.start, piece.end))
    start, end = (each.hour * 60 + each.minute for each in (begins, ends))
    end = end if ends.date() == begins.date() else MINUTES
    return Stretch(_span(start, end), words, how, start, max(0, end - start))


def _joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches with those put together that follow each other and say the same."""
    found: list[Stretch] = []
    for each in stretches:
        last = found[-1] if found else None
        if last is not None and last.words == each.words and last.start + last.length == each.start:
            end = each.start + each.length
            found[-1] = replace(last, at=_span(last.start, end), length=end - last.start)
        else:
            found.append(each)
    return found


def _span(start: int, end: int) -> str:
    return f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
