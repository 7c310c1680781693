"""The campus file: what it means, and what it says when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.campus import Campus, nearest, problems_of, read_duration, write_duration
from core.errors import Problem
from tests.campuses import LINCOLN, lincoln


def problems(**changes: Any) -> dict[str, str]:
    """Return what is wrong with the campus once it is so changed, by field."""
    with pytest.raises(ValidationError) as error:
        lincoln(**changes)
    return {problem.where: problem.message for problem in problems_of(error.value)}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---------------------------------------------------------------------------------------------- durations
@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1d", 86400), ("250ms", 0.25), ("1.5h", 5400), ("0s", 0)],
)
def test_a_duration_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    assert read_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "ten minutes", "-5s", "5 s", "1w", "s", 90, None, "1h and 5m"])
def test_what_is_no_duration_is_refused_with_examples(text: Any) -> None:
    with pytest.raises(ValueError, match="write it like 90s, 10m, 2h or 1d"):
        read_duration(text)


def test_a_duration_longer_than_time_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than any duration"):
        read_duration("9" * 30 + "d")


@given(
    st.integers(0, 10**6).map(lambda s: timedelta(seconds=s))
    | st.integers(0, 10**7).map(lambda s: timedelta(milliseconds=s))
)
def test_a_duration_that_was_written_reads_as_itself(value: timedelta) -> None:
    assert read_duration(write_duration(value)) == value


@pytest.mark.parametrize("value", [timedelta(seconds=45.123456), timedelta(microseconds=7)])
def test_a_duration_is_written_to_the_microsecond(value: timedelta) -> None:
    assert read_duration(write_duration(value)) == value


# ------------------------------------------------------------------------------------------ what is wrong
def test_a_key_nobody_knows_is_named_where_it_stands() -> None:
    doors = [{**LINCOLN["doors"][0], "colour": "blue"}, *LINCOLN["doors"][1:]]
    assert problems(doors=doors) == {"doors[0].colour": "no such key"}


def test_a_missing_key_is_named() -> None:
    assert problems(zones=[{"id": "gym"}], doors=[], gatherings=[])["zones[0].name"] == "is required"


def test_a_reference_to_nothing_names_its_field_and_what_was_meant() -> None:
    doors = [{**LINCOLN["doors"][0], "zone": "loby"}, *LINCOLN["doors"][1:]]
    assert problems(doors=doors) == {"doors[0].zone": "no zone 'loby'; did you mean 'lobby'?"}


def test_every_broken_reference_is_told_at_once() -> None:
    found = problems(
        zones=[{"id": "gym", "name": "Gym", "adjoining": ["moon"]}],
        doors=[{"id": "main", "name": "Main", "zone": "lobby"}],
        on_call=["okafor", "nobody"],
        watch_list=[],
    )
    assert set(found) == {
        "zones[0].adjoining",
        "doors[0].zone",
        "devices[0].door",
        "on_call[1]",
        "gatherings[0].doors",
        "calendar.day_types.regular.windows[0].doors",
    }
    assert found["doors[0].zone"] == "no zone 'lobby'; there are gym"


def test_shifts_windows_and_gatherings_name_people_who_exist() -> None:
    calendar = {"day_types": {"regular": {"windows": [{"name": "arrival", "at": "07:00-08:00", "monitor": "dias"}]}}}
    found = problems(
        calendar=calendar,
        shifts=[{"person": "rayes", "at": "07:00-15:30", "cover": "nobody-at-all"}],
        gatherings=[{**LINCOLN["gatherings"][0], "supervisor": "okafo", "zone": "gmy"}],
    )
    assert found["calendar.day_types.regular.windows[0].monitor"] == "no person 'dias'; did you mean 'diaz'?"
    assert found["shifts[0].person"] == "no person 'rayes'; did you mean 'reyes'?"
    assert found["shifts[0].cover"] == "no person 'nobody-at-all'; there are diaz, okafor, reyes"
    assert found["gatherings[0].supervisor"] == "no person 'okafo'; did you mean 'okafor'?"
    assert found["gatherings[0].zone"] == "no zone 'gmy'; did you mean 'gym'?"


def test_an_id_may_stand_once() -> None:
    doors = [*LINCOLN["doors"], LINCOLN["doors"][0]]
    assert problems(doors=doors) == {"doors[4].id": "'main' is already doors[0]"}


def test_an_endpoint_id_may_stand_once_on_the_whole_campus() -> None:
    people = [*LINCOLN["people"], {**LINCOLN["people"][1], "id": "okafor-2"}]
    assert problems(people=people) == {
        "people[3].endpoints[0].id": "'okafor-phone' is already people[1].endpoints[0].id"
    }


def test_two_doors_cannot_have_the_same_source() -> None:
    doors = [*LINCOLN["doors"], {"id": "gym-north", "name": "Gym north", "source": "zigbee2mqtt/Gym East"}]
    assert problems(doors=doors) == {"doors[4].source": "'zigbee2mqtt/Gym East' is already doors[1].source"}


def test_a_gathering_ends_after_it_starts() -> None:
    gathering = {**LINCOLN["gatherings"][0], "end": "2026-12-04T18:00"}
    assert problems(gatherings=[gathering]) == {"gatherings[0].end": "ends before it starts"}


@pytest.mark.parametrize("name", ["America/Chikago", "", "America", "../etc", "CST6CDT7"])
def test_an_unknown_time_zone_is_refused_with_an_example(name: str) -> None:
    found = problems(campus={**LINCOLN["campus"], "timezone": name})
    assert found == {"campus.timezone": f"no time zone {name!r}; write it like America/Chicago"}


@pytest.mark.parametrize("name", ["", "gym east", "-main", "a/b", "door#1", "x" * 101])
def test_an_id_is_a_plain_word(name: str) -> None:
    assert "zones[0].id" in problems(zones=[{"id": name, "name": "Gym"}], doors=[], gatherings=[])


def test_a_moment_that_is_none_is_refused_with_an_example() -> None:
    gathering = {**LINCOLN["gatherings"][0], "start": "Friday evening"}
    assert problems(gatherings=[gathering]) == {"gatherings[0].start": 'not a moment; write it like "2026-12-04T18:00"'}


def test_a_bad_stretch_names_its_field() -> None:
    found = problems(shifts=[{"person": "reyes", "at": "7-15"}])
    assert found == {"shifts[0].at": 'not a stretch of time; write it like "07:50-15:10"'}


def test_a_day_type_that_is_not_there_is_named_where_it_is_used() -> None:
    found = problems(calendar={"week": {"mon": "regular"}, "day_types": {"half": {}}})
    assert found == {"calendar.week.mon": "no day type 'regular'; there are closed, half"}


def test_a_weekday_nobody_knows_is_named() -> None:
    assert set(problems(calendar={"week": {"monday": "closed"}})) == {"calendar.week.monday"}


def test_problems_carry_the_name_of_their_file() -> None:
    with pytest.raises(ValidationError) as error:
        Campus.model_validate({})
    assert problems_of(error.value, file="campus.yaml") == [Problem("is required", "campus", "campus.yaml")]


def test_the_nearest_word_is_offered_or_the_few_there_are() -> None:
    assert nearest("gmy", {"gym", "lobby"}) == "; did you mean 'gym'?"
    assert nearest("roof", {"gym", "lobby"}) == "; there are gym, lobby"
    assert nearest("roof", set()) == ""
    assert nearest("roof", {f"zone-{n:02}" for n in range(40)}) == ""


# ----------------------------------------------------------------------------------------- what it means
def test_a_campus_never_changes(campus: Campus) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        campus.doors = ()  # type: ignore[misc]  # that it is refused is the test


def test_a_campus_is_the_same_after_it_was_written_and_read(campus: Campus) -> None:
    plain = campus.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert Campus.model_validate(plain) == campus
    assert plain["doors"][1]["class"] == "exit_only"
    assert plain["devices"][0]["heartbeat"] == "1h"


def test_a_monitored_door_has_a_device_though_none_is_listed(campus: Campus) -> None:
    assert campus.device_of_door == {
        "main": "main",
        "gym-east": "gym-east-contact",
        "gym-west": "gym-west",
        "office": "office",
    }
    assert campus.devices_by_id["gym-east-contact"].heartbeat == timedelta(hours=1)
    assert "gym-east" not in campus.devices_by_id


def test_a_door_without_a_sensor_has_no_device() -> None:
    campus = lincoln(doors=[{"id": "shed", "name": "Shed", "monitored": False}], devices=[], gatherings=[], calendar={})
    assert campus.devices_by_id == {}
    assert campus.device_of_door == {}


def test_another_makers_name_leads_to_the_thing_it_stands_for() -> None:
    campus = lincoln(
        devices=[{"id": "gate-counter", "kind": "counter", "source": "shelly-gate"}],
        gatherings=[{**LINCOLN["gatherings"][0], "source": "counter/gym"}],
    )
    assert campus.by_source == {
        "zigbee2mqtt/Gym East": ("door", "gym-east"),
        "shelly-gate": ("device", "gate-counter"),
        "counter/gym": ("gathering", "winter-concert"),
    }


def test_a_moment_without_an_offset_is_campus_time(campus: Campus) -> None:
    assert campus.instant(datetime.fromisoformat("2026-12-04T18:00")) == utc("2026-12-05T00:00")
    assert campus.instant(datetime.fromisoformat("2026-12-04T18:00+01:00")) == utc("2026-12-04T17:00")


def test_a_gathering_reaches_from_its_setup_to_its_teardown(campus: Campus) -> None:
    assert campus.gathering_spans == {"winter-concert": (utc("2026-12-04T23:30"), utc("2026-12-05T04:00"))}
    assert campus.gatherings_of_door == {"gym-east": ("winter-concert",)}


@pytest.mark.parametrize(
    ("door", "at", "may_stand_open"),
    [
        ("main", "2026-11-24T13:30", True),  # arrival
        ("gym-east", "2026-11-24T13:30", False),  # not one of its doors
        ("main", "2026-11-24T14:05", False),  # arrival is over
        ("main", "2026-11-26T13:30", False),  # Thanksgiving
        ("gym-east", "2026-12-04T23:29", False),
        ("gym-east", "2026-12-04T23:30", True),  # the concert is being set up
        ("gym-east", "2026-12-05T04:00", False),
        ("nowhere", "2026-11-24T13:30", False),
    ],
)
def test_a_door_may_stand_open_in_its_windows_and_gatherings(
    campus: Campus, door: str, at: str, may_stand_open: bool
) -> None:
    assert campus.door_in_window(door, utc(at)) is may_stand_open


def test_somebody_is_on_site_when_the_calendar_says_staffed(campus: Campus) -> None:
    assert campus.is_staffed(utc("2026-11-24T12:30"))
    assert not campus.is_staffed(utc("2026-11-24T12:29"))
    assert not campus.is_staffed(utc("2026-11-26T16:00"))


def test_the_next_boundary_may_be_that_of_a_gathering(campus: Campus) -> None:
    edges, at = [], utc("2026-12-04T21:11")
    for _ in range(5):
        at = campus.next_boundary(at)
        edges.append(at)
    assert edges == [
        utc("2026-12-04T23:30"),  # setup
        utc("2026-12-05T00:00"),  # 18:00: it starts, and nobody is on site any more
        utc("2026-12-05T03:30"),  # it ends
        utc("2026-12-05T04:00"),  # all is put away
        utc("2026-12-05T06:00"),  # midnight
    ]
