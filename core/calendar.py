"""The school's time: day types, bell schedules, windows and exceptions, in the campus's own zone.

Local times are turned into instants here and nowhere else. On the day the clocks go forward, a local time that
does not exist becomes the next one that does; on the day they go back, a time that exists twice is taken once,
the first time.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, model_validator

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"^([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$")


class Strict(BaseModel):
    """A frozen document that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Span(Strict):
    """A stretch of local time in minutes after midnight. One that ends before it starts runs past midnight."""

    start: int
    end: int

    def __str__(self) -> str:
        end = self.end if self.end <= 1440 else self.end - 1440
        return f"{self.start // 60:02}:{self.start % 60:02}-{end // 60:02}:{end % 60:02}"

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """Return its first instant and the instant after its last on `day`, in UTC."""
        return local_instant(day, self.start, zone), local_instant(day, self.end, zone)


def _read_span(value: Any) -> Any:
    if isinstance(value, Span):
        return value
    found = _SPAN.match(value) if isinstance(value, str) else None
    if not found:
        raise ValueError('not a stretch of time; write it like "07:50-15:10"')
    hour, minute, to_hour, to_minute = map(int, found.groups())
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if start > 1440 or end > 1440:
        raise ValueError("a day ends at 24:00")
    if start == end:
        raise ValueError("starts and ends at the same minute")
    return Span(start=start, end=end if end > start else end + 1440)


def _read_spans(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Stretch = Annotated[Span, BeforeValidator(_read_span), PlainSerializer(str)]
Stretches = Annotated[tuple[Stretch, ...], BeforeValidator(_read_spans)]


class Window(Strict):
    """Doors that may stand open for a while, and the adult who watches them."""

    name: str
    at: Stretch
    doors: tuple[str, ...] = ()
    monitor: str | None = None


class DayType(Strict):
    """What kind of day it is: when somebody is on site, when school is, which doors may stand open."""

    staffed: Stretches = ()
    school: Stretches = ()
    class_time: Stretches = ()
    windows: tuple[Window, ...] = ()

    def spans(self, name: str) -> tuple[Span, ...]:
        """Return the stretches called `name`: a calendar (staffed, school, class_time) or a window."""
        if name in CALENDARS:
            return tuple(getattr(self, name))
        return tuple(window.at for window in self.windows if window.name == name)


CALENDARS: tuple[str, ...] = ("staffed", "school", "class_time")


class CalendarException(Strict):
    """One date that is not what its weekday says."""

    type: str
    reason: str = ""


class Calendar(Strict):
    """Which day type each date has, and what happens when on it."""

    week: dict[Weekday, str] = {}
    day_types: dict[str, DayType] = {"closed": DayType()}
    exceptions: dict[date, CalendarException] = {}

    @model_validator(mode="after")
    def _day_types_exist(self) -> Calendar:
        known = set(self.day_types) | {"closed"}
        for day, name in self.week.items():
            if name not in known:
                raise ValueError(f"week.{day}: no day type {name!r}; there are {', '.join(sorted(known))}")
        for when, exception in self.exceptions.items():
            if exception.type not in known:
                raise ValueError(
                    f"exceptions.{when}: no day type {exception.type!r}; there are {', '.join(sorted(known))}"
                )
        return self

    @property
    def names(self) -> frozenset[str]:
        """Every name that `now.in(…)` and `active: {calendar: …}` may use."""
        windows = {window.name for kind in self.day_types.values() for window in kind.windows}
        return frozenset(CALENDARS) | windows


class LocalCalendar:
    """A calendar in the zone of its campus: answers about instants. It remembers the days it has worked out."""

    def __init__(self, calendar: Calendar, zone: ZoneInfo) -> None:
        self.calendar = calendar
        self.zone = zone
        self._days: dict[tuple[date, str], tuple[tuple[datetime, datetime], ...]] = {}
        self._steady: tuple[datetime, datetime, dict[str, bool]] | None = None

    def day_type_name(self, day: date) -> str:
        """Return the name of the day type of a local date; `closed` where nothing is said."""
        exception = self.calendar.exceptions.get(day)
        return exception.type if exception else self.calendar.week.get(WEEKDAYS[day.weekday()], "closed")

    def day_type(self, day: date) -> DayType:
        """Return the day type of a local date."""
        return self.calendar.day_types.get(self.day_type_name(day), _CLOSED)

    def local(self, at: datetime) -> datetime:
        """Return the instant in the campus's zone."""
        return at.astimezone(self.zone)

    def spans(self, name: str, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """Return the stretches called `name` that start on a local date, as UTC instants."""
        found = self._days.get((day, name))
        if found is None:
            if len(self._days) > 4096:
                self._days.clear()
            found = tuple(span.on(day, self.zone) for span in self.day_type(day).spans(name))
            self._days[day, name] = found
        return found

    def is_in(self, name: str, at: datetime) -> bool:
        """Return whether the calendar or window called `name` is open at an instant."""
        steady = self._steady
        if steady is None or not steady[0] <= at < steady[1]:
            # Up to the next boundary nothing opens or closes: one answer for each name will do.
            steady = self._steady = (at, self.next_boundary(at), {})
        found = steady[2].get(name)
        if found is None:
            found = steady[2][name] = self._is_in(name, at)
        return found

    def _is_in(self, name: str, at: datetime) -> bool:
        today = self.local(at).date()
        days = (today - timedelta(days=1), today)
        return any(start <= at < end for day in days for start, end in self.spans(name, day))

    def open_windows(self, at: datetime) -> Iterator[Window]:
        """Yield the windows that are open at an instant."""
        today = self.local(at).date()
        for day in (today - timedelta(days=1), today):
            for window in self.day_type(day).windows:
                start, end = window.at.on(day, self.zone)
                if start <= at < end:
                    yield window

    def next_boundary(self, at: datetime) -> datetime:
        """Return the first instant after `at` at which any calendar or window opens or closes, or the day turns."""
        today = self.local(at).date()
        for ahead in range(3):
            edges = self._boundaries(today + timedelta(days=ahead))
            place = bisect_right(edges, at)
            if place < len(edges):
                return edges[place]
        raise AssertionError("every local day has its midnight")

    def _boundaries(self, day: date) -> list[datetime]:
        edges = {local_instant(day, 0, self.zone), local_instant(day, 1440, self.zone)}
        for each in (day - timedelta(days=1), day):
            kind = self.day_type(each)
            spans = [span for name in CALENDARS for span in kind.spans(name)]
            spans += [window.at for window in kind.windows]
            edges.update(edge for span in spans for edge in span.on(each, self.zone))
        return sorted(edges)

    @cached_property
    def always_closed(self) -> frozenset[str]:
        """The calendars that no day type ever opens; for the lint."""
        kinds = self.calendar.day_types.values()
        return frozenset(name for name in self.calendar.names if not any(kind.spans(name) for kind in kinds))


_CLOSED = DayType()


@lru_cache(maxsize=10_000)  # the same few times of the same few days, for every message of a door with windows
def local_instant(day: date, minutes: int, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a local time, `minutes` after midnight (1440 and more: the next day)."""
    naive = datetime(day.year, day.month, day.day) + timedelta(minutes=minutes)  # noqa: DTZ001 - zone follows
    return resolve_local(naive, zone)


def resolve_local(naive: datetime, zone: ZoneInfo) -> datetime:
    """Return the UTC instant of a wall-clock reading: the first of two, and for a missing one the next that exists."""
    first = naive.replace(tzinfo=zone, fold=0)
    instant = first.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == naive:
        return instant
    # In a gap the two folds give an instant on either side of the change; the change itself, which falls on a whole
    # second, is the next local time that exists.
    other = naive.replace(tzinfo=zone, fold=1).astimezone(UTC)
    low, high = min(instant, other).replace(microsecond=0), max(instant, other)
    offset = low.astimezone(zone).utcoffset()

    def is_past_it(seconds: int) -> bool:
        return (low + timedelta(seconds=seconds)).astimezone(zone).utcoffset() != offset

    length = int((high - low).total_seconds())
    return low + timedelta(seconds=bisect_left(range(length), True, key=is_past_it))
