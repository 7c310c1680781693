"""The demo works at whatever hour it is started."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from core.campus import Campus
from simulators.demo import demo_campus, demo_scenario
from tests.unit.simulators.streams import body, in_order, understood

PHONE = "json://127.0.0.1:8090"
HOURS = [
    "2026-11-24T14:00:33",
    "2026-11-24T23:47:59",
    "2026-11-24T23:50:01",
    "2026-11-24T23:53:00",
    "2026-12-31T23:58:20",
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("hour", HOURS)
def test_the_building_is_open_then_closed_for_five_minutes_then_open(hour: str) -> None:
    now = at(hour)
    campus = demo_campus(now, PHONE)
    staffed = [campus.is_staffed(now + timedelta(minutes=minute)) for minute in range(60 * 26)]
    assert all(staffed[:6])
    assert staffed.count(False) == 5
    assert not any(staffed[8:11])
    assert all(staffed[13:])


@pytest.mark.parametrize("hour", HOURS)
def test_somebody_is_on_shift_and_the_art_fair_is_on_at_any_time(hour: str) -> None:
    now = at(hour)
    campus = demo_campus(now, PHONE)
    for minute in range(0, 24 * 60, 7):
        then = now + timedelta(minutes=minute)
        assert any(
            start <= then < end
            for shift in campus.shifts
            if shift.person == "reyes"
            for day in (then.date(), then.date() - timedelta(days=1))
            for start, end in [shift.at.on(day, campus.zone_info)]
        )
        assert campus.door_in_window("gallery-court", then)


def test_every_push_leads_to_the_stand_in_phone() -> None:
    urls = [way.url for person in demo_campus(at(HOURS[0]), PHONE).people for way in person.endpoints]
    assert len(urls) == len(set(urls)) == 8
    assert all(url.startswith(f"{PHONE}/") for url in urls)


@pytest.mark.parametrize("hour", HOURS)
def test_the_campus_survives_being_written_down_and_read_again(hour: str) -> None:
    campus = demo_campus(at(hour), PHONE)
    assert Campus.model_validate(campus.model_dump(mode="json", by_alias=True)) == campus


def test_the_first_match_comes_within_ten_seconds_and_the_story_never_ends() -> None:
    now = at(HOURS[0])
    scenario = demo_scenario(demo_campus(now, PHONE), now)
    said = list(islice(scenario.stream(), 2000))
    confirmed = next(each for each in said if body(each).get("screening") == "confirmed")
    assert confirmed.sent_at - now < timedelta(seconds=9)
    assert scenario.end is None
    assert in_order(said)
    assert all(understood(each, scenario.campus) for each in said)


def test_a_door_opens_without_a_badge_while_the_building_is_closed() -> None:
    for second in (0, 20, 59):
        now = at("2026-11-24T14:00:00") + timedelta(seconds=second)
        scenario = demo_scenario(demo_campus(now, PHONE), now)
        opened = [
            each
            for each in islice(scenario.stream(), 400)
            if each.topic.endswith("door/library-south") and body(each).get("position") == "open"
        ]
        assert len(opened) == 1
        assert not scenario.campus.is_staffed(opened[0].at)
