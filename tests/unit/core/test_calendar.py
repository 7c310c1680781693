"""The school's time: spans, day types, windows and exceptions, also on the two days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.calendar import Calendar, LocalCalendar, Span, Stretch, local_instant, resolve_local
from core.campus import Campus

CHICAGO = ZoneInfo("America/Chicago")
BERLIN = ZoneInfo("Europe/Berlin")
STRETCH: TypeAdapter[Span] = TypeAdapter(Stretch)


INSTANTS = st.integers(0, 2 * 365 * 24 * 60).map(lambda minutes: utc("2026-01-01") + timedelta(minutes=minutes))


def calendar_of(zone: ZoneInfo = CHICAGO, /, **day: Any) -> LocalCalendar:
    """Return a calendar on which every day is of the type described."""
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "open")
    return LocalCalendar(Calendar.model_validate({"week": week, "day_types": {"open": day}}), zone)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ------------------------------------------------------------------------------------------------ stretches
@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("07:50-15:10", 470, 910),
        ("00:00-00:01", 0, 1),
        ("23:00-24:00", 1380, 1440),
        ("22:00-06:00", 1320, 1800),
        ("18:00-00:00", 1080, 1440),
    ],
)
def test_a_stretch_is_read_in_minutes_and_may_run_past_midnight(text: str, start: int, end: int) -> None:
    span = STRETCH.validate_python(text)
    assert (span.start, span.end) == (start, end)


@pytest.mark.parametrize("text", ["7:50-15:10", "07:50", "07:60-08:00", "25:00-26:00", "24:01-25:00", "", 750, None])
def test_what_is_no_stretch_is_refused_with_an_example(text: Any) -> None:
    with pytest.raises(ValidationError, match=r"07:50-15:10|a day ends at 24:00"):
        STRETCH.validate_python(text)


def test_a_stretch_that_has_no_length_is_refused() -> None:
    with pytest.raises(ValidationError, match="same minute"):
        STRETCH.validate_python("08:00-08:00")


@pytest.mark.parametrize("text", ["07:50-15:10", "22:00-06:00", "00:00-23:59", "23:59-00:01"])
def test_a_stretch_is_written_as_it_was_read(text: str) -> None:
    assert STRETCH.dump_python(STRETCH.validate_python(text)) == text


@pytest.mark.parametrize("text", ["00:00-24:00", "12:00-24:00"])
def test_a_stretch_that_ends_with_the_day_is_written_as_it_was_read(text: str) -> None:
    assert STRETCH.dump_python(STRETCH.validate_python(text)) == text


@pytest.mark.parametrize("text", ["00:00-00:01", "00:01-24:00", "23:59-00:00", "12:00-11:59"])
def test_what_is_written_can_be_read_again(text: str) -> None:
    span = STRETCH.validate_python(text)
    assert STRETCH.validate_python(STRETCH.dump_python(span)) == span


def test_one_stretch_may_stand_where_a_list_is_meant() -> None:
    calendar = calendar_of(staffed="06:30-18:00", class_time=["08:00-08:50", "08:55-09:45"])
    day = date(2026, 11, 24)
    assert len(calendar.spans("staffed", day)) == 1
    assert len(calendar.spans("class_time", day)) == 2


# ----------------------------------------------------------------------------------------------- day types
def test_an_unknown_day_type_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ValidationError, match=r"week.mon: no day type 'regluar'; there are closed, regular"):
        Calendar.model_validate({"week": {"mon": "regluar"}, "day_types": {"regular": {}}})
    with pytest.raises(ValidationError, match=r"exceptions.2026-11-26: no day type 'half'"):
        Calendar.model_validate({"exceptions": {"2026-11-26": {"type": "half"}}})


def test_closed_needs_no_declaration() -> None:
    calendar = LocalCalendar(
        Calendar.model_validate({"week": {"mon": "closed"}, "day_types": {"regular": {}}}), CHICAGO
    )
    assert calendar.day_type_name(date(2026, 11, 23)) == "closed"
    assert calendar.day_type(date(2026, 11, 23)).staffed == ()


def test_a_day_that_nobody_speaks_of_is_closed(campus: Campus) -> None:
    bare = LocalCalendar(Calendar(), CHICAGO)
    assert bare.day_type_name(date(2026, 11, 24)) == "closed"
    assert not bare.is_in("staffed", utc("2026-11-24T18:00"))


def test_an_exception_wins_over_the_weekday(campus: Campus) -> None:
    calendar = campus.local_calendar
    assert calendar.day_type_name(date(2026, 11, 25)) == "regular"
    assert calendar.day_type_name(date(2026, 11, 26)) == "closed"
    assert calendar.day_type_name(date(2026, 11, 28)) == "closed"
    assert not calendar.is_in("school", utc("2026-11-26T16:00"))


def test_a_calendar_is_open_from_its_first_minute_to_before_its_last(campus: Campus) -> None:
    calendar = campus.local_calendar
    begin, end = utc("2026-11-24T13:50"), utc("2026-11-24T21:10")
    assert not calendar.is_in("school", begin - timedelta(microseconds=1))
    assert calendar.is_in("school", begin)
    assert calendar.is_in("school", end - timedelta(microseconds=1))
    assert not calendar.is_in("school", end)


def test_a_window_is_a_calendar_too(campus: Campus) -> None:
    at = utc("2026-11-24T13:30")
    assert campus.local_calendar.is_in("arrival", at)
    assert [window.name for window in campus.local_calendar.open_windows(at)] == ["arrival"]
    assert list(campus.local_calendar.open_windows(utc("2026-11-24T14:05"))) == []


def test_a_name_that_stands_nowhere_is_never_open(campus: Campus) -> None:
    assert not campus.local_calendar.is_in("lunch", utc("2026-11-24T18:00"))


def test_the_lint_knows_what_is_never_open(campus: Campus) -> None:
    assert campus.local_calendar.always_closed == frozenset()
    assert calendar_of(staffed="06:30-18:00").always_closed == {"school", "class_time"}
    assert campus.calendar.names == {"staffed", "school", "class_time", "arrival"}


# ----------------------------------------------------------------------------------------- past midnight
def test_a_stretch_past_midnight_belongs_to_the_day_on_which_it_starts() -> None:
    calendar = LocalCalendar(
        Calendar.model_validate({"week": {"fri": "game"}, "day_types": {"game": {"staffed": "18:00-01:30"}}}), CHICAGO
    )
    friday, saturday = date(2026, 11, 27), date(2026, 11, 28)
    assert len(calendar.spans("staffed", friday)) == 1
    assert calendar.spans("staffed", saturday) == ()
    assert calendar.is_in("staffed", utc("2026-11-28T07:29"))
    assert not calendar.is_in("staffed", utc("2026-11-28T07:30"))
    assert not calendar.is_in("staffed", utc("2026-11-27T07:00"))


def test_a_window_past_midnight_is_open_on_the_morning_after() -> None:
    calendar = calendar_of(windows=[{"name": "cleaning", "at": "23:00-00:30", "doors": []}])
    assert [window.name for window in calendar.open_windows(utc("2026-11-25T06:15"))] == ["cleaning"]


# ------------------------------------------------------------------------------------- the clocks change
@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        (CHICAGO, date(2026, 3, 8), 23),
        (CHICAGO, date(2026, 11, 1), 25),
        (CHICAGO, date(2026, 11, 24), 24),
        (BERLIN, date(2026, 3, 29), 23),
        (BERLIN, date(2026, 10, 25), 25),
    ],
)
def test_a_whole_day_is_as_long_as_it_is(zone: ZoneInfo, day: date, hours: int) -> None:
    length = local_instant(day, 1440, zone) - local_instant(day, 0, zone)
    assert length == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zone", "reading", "instant"),
    [
        (CHICAGO, "2026-03-08T01:59", "2026-03-08T07:59"),
        (CHICAGO, "2026-03-08T02:00", "2026-03-08T08:00"),
        (CHICAGO, "2026-03-08T02:30", "2026-03-08T08:00"),
        (CHICAGO, "2026-03-08T03:00", "2026-03-08T08:00"),
        (BERLIN, "2026-03-29T02:30", "2026-03-29T01:00"),
        (BERLIN, "2026-03-29T03:01", "2026-03-29T01:01"),
    ],
)
def test_a_time_that_does_not_exist_becomes_the_next_that_does(zone: ZoneInfo, reading: str, instant: str) -> None:
    assert resolve_local(datetime.fromisoformat(reading), zone) == utc(instant)


@pytest.mark.parametrize("reading", ["2026-03-08T02:10", "2026-03-08T02:50", "2026-03-08T02:59:59.9"])
def test_it_is_the_very_second_of_the_change(reading: str) -> None:
    assert resolve_local(datetime.fromisoformat(reading), CHICAGO) == utc("2026-03-08T08:00")


@pytest.mark.parametrize(
    ("zone", "reading", "instant"),
    [
        (CHICAGO, "2026-11-01T01:30", "2026-11-01T06:30"),
        (CHICAGO, "2026-11-01T02:00", "2026-11-01T08:00"),
        (BERLIN, "2026-10-25T02:30", "2026-10-25T00:30"),
        (BERLIN, "2026-10-25T03:00", "2026-10-25T02:00"),
    ],
)
def test_a_time_that_exists_twice_is_taken_the_first_time(zone: ZoneInfo, reading: str, instant: str) -> None:
    assert resolve_local(datetime.fromisoformat(reading), zone) == utc(instant)


def test_a_zone_whose_clocks_change_at_midnight_has_its_day_begin_an_hour_late() -> None:
    assert local_instant(date(2026, 9, 6), 0, ZoneInfo("America/Santiago")) == utc("2026-09-06T04:00")


def test_a_date_that_was_left_out_begins_with_the_next() -> None:
    apia = ZoneInfo("Pacific/Apia")
    assert local_instant(date(2011, 12, 30), 600, apia) == utc("2011-12-30T10:00")


@pytest.mark.parametrize("zone", [CHICAGO, BERLIN])
def test_school_begins_at_the_same_local_time_before_and_after_the_change(zone: ZoneInfo) -> None:
    calendar = calendar_of(zone, school="07:50-15:10")
    for day in (date(2026, 3, 7), date(2026, 3, 30), date(2026, 10, 24), date(2026, 11, 2)):
        ((start, end),) = calendar.spans("school", day)
        assert (start.astimezone(zone).hour, start.astimezone(zone).minute) == (7, 50)
        assert end - start == timedelta(hours=7, minutes=20)


def test_a_night_shift_over_the_change_has_its_real_length() -> None:
    calendar = calendar_of(staffed="22:00-06:00")
    lengths = [
        end - start
        for day in (7, 31)
        for start, end in calendar.spans("staffed", date(2026, 3 if day == 7 else 10, day))
    ]
    assert lengths == [timedelta(hours=7), timedelta(hours=9)]


def test_a_window_inside_the_missing_hour_is_never_open_and_breaks_nothing() -> None:
    calendar = calendar_of(windows=[{"name": "delivery", "at": "02:10-02:50"}])
    ((start, end),) = calendar.spans("delivery", date(2026, 3, 8))
    assert start == end == utc("2026-03-08T08:00")
    assert not calendar.is_in("delivery", start)


# ------------------------------------------------------------------------------------------- boundaries
def test_the_next_boundary_is_the_next_opening_closing_or_midnight(campus: Campus) -> None:
    calendar = campus.local_calendar
    at = utc("2026-11-24T06:00")  # midnight in Chicago
    edges = []
    for _ in range(11):
        at = calendar.next_boundary(at)
        edges.append(calendar.local(at).strftime("%H:%M"))
    assert edges == [
        "06:30", "07:20", "07:50", "08:00", "08:05", "08:50", "08:55", "09:45", "15:10", "18:00", "00:00",
    ]  # fmt: skip


def test_a_day_without_anything_still_turns_at_its_midnight() -> None:
    bare = LocalCalendar(Calendar(), CHICAGO)
    assert bare.next_boundary(utc("2026-11-24T18:00")) == utc("2026-11-25T06:00")
    assert bare.next_boundary(utc("2026-11-25T06:00")) == utc("2026-11-26T06:00")


@given(
    at=INSTANTS,
    zone=st.sampled_from(
        [CHICAGO, BERLIN, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/Havana")]
    ),
)
def test_nothing_opens_or_closes_between_an_instant_and_its_next_boundary(at: datetime, zone: ZoneInfo) -> None:
    calendar = calendar_of(
        zone,
        staffed=["05:00-13:00", "22:30-02:30"],
        school="00:30-01:30",
        windows=[{"name": "late", "at": "23:15-00:15"}],
    )
    boundary = calendar.next_boundary(at)
    assert at < boundary <= at + timedelta(hours=25)
    now_open = {name: calendar.is_in(name, at) for name in calendar.calendar.names}
    for step in range(1, 20):
        between = at + (boundary - at) * step / 20
        assert {name: calendar.is_in(name, between) for name in now_open} == now_open


@given(
    at=INSTANTS,
    zone=st.sampled_from([CHICAGO, BERLIN, ZoneInfo("Australia/Lord_Howe")]),
)
def test_every_instant_but_the_repeated_hours_second_pass_is_found_from_its_wall_clock(
    at: datetime, zone: ZoneInfo
) -> None:
    local = at.astimezone(zone)
    found = resolve_local(local.replace(tzinfo=None, fold=0), zone)
    assert found == at or (local.fold == 1 and found < at)


def test_the_memory_of_days_stays_bounded() -> None:
    calendar = calendar_of(staffed="06:30-18:00")
    first = date(1950, 1, 1)
    for offset in range(5000):
        calendar.spans("staffed", first + timedelta(days=offset))
    assert len(calendar._days) <= 4097
    assert calendar.spans("staffed", first) == (Span(start=390, end=1080).on(first, CHICAGO),)
