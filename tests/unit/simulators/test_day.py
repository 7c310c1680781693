"""An ordinary day is believable, and keeps the school's own rules: whatever alerts on it is a false alert."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from core.campus import Campus
from core.facts import DoorFacts, GatheringFacts, VisitFacts
from core.world import World
from simulators.day import ordinary_days, school_day
from simulators.scenarios import LIBRARY, read_campus
from simulators.sensors import Place
from simulators.utterance import Utterance
from tests.unit.simulators.streams import body, in_order, understood, written

TUESDAY = date(2026, 11, 24)
THANKSGIVING = date(2026, 11, 26)


@pytest.fixture(scope="module")
def school() -> Campus:
    return read_campus(LIBRARY / "campuses" / "school.yaml")


@pytest.fixture(scope="module")
def day(school: Campus) -> list[Utterance]:
    return list(school_day(school, Place(school.id), TUESDAY))


def opened(day: list[Utterance], school: Campus) -> Iterator[tuple[str, datetime, datetime]]:
    """Yield door, opening and closing of every stretch in which a door stood open."""
    since: dict[str, datetime] = {}
    for each in day:
        said = body(each)
        door = each.topic.rsplit("/", 1)[1]
        if said.get("position") == "open":
            since.setdefault(door, each.at)
        elif said.get("position") == "closed" and door in since:
            yield door, since.pop(door), each.at
    assert not since, "a door was left open over night"


def test_everything_said_is_understood_by_the_service_and_in_order(day: list[Utterance], school: Campus) -> None:
    kinds = Counter(message.kind for each in day for message in understood(each, school))
    assert in_order(day)
    assert kinds["door.opened"] > 150
    assert kinds["visitor.checked_in"] == kinds["visitor.checked_out"] > 5
    assert kinds["attendance.entered"] > 50


def test_no_outside_door_stands_open_for_a_minute_but_in_its_window(day: list[Utterance], school: Campus) -> None:
    for door, since, until in opened(day, school):
        assert until - since < timedelta(seconds=55), (door, since)


def test_outside_doors_open_in_a_window_or_with_a_badge(day: list[Utterance], school: Campus) -> None:
    badge: dict[str, datetime] = {}
    for each in day:
        said, door = body(each), each.topic.rsplit("/", 1)[1]
        if said.get("access") == "granted" or said.get("exit_request"):
            badge[door] = each.at
        if said.get("position") == "open" and school.doors_by_id[door].exterior:
            explained = door in badge and each.at - badge[door] < timedelta(seconds=10)
            assert explained or school.door_in_window(door, each.at), (door, each.at)


def test_nobody_comes_while_the_building_is_closed(day: list[Utterance], school: Campus) -> None:
    for door, since, _ in opened(day, school):
        assert school.is_staffed(since), (door, since)


def test_visitors_are_gone_when_they_should_be_and_the_hall_is_never_too_full(
    day: list[Utterance], school: Campus
) -> None:
    world, most = World(school), 0
    for each in day:
        for message in understood(each, school):
            world.apply(message)
        hall = world.get("gathering", "autumn-concert")
        most = max(most, hall.count if isinstance(hall, GatheringFacts) else 0)
    visits = [facts for facts in world.of("visit") if isinstance(facts, VisitFacts)]
    assert all(visit.state == "out" for visit in visits)
    assert all(
        visit.expected_out is not None
        and visit.state_at is not None
        and visit.state_at - visit.expected_out < timedelta(minutes=15)
        for visit in visits
    )
    assert 300 < most <= 500
    hall = world.get("gathering", "autumn-concert")
    assert isinstance(hall, GatheringFacts)
    assert hall.count == 0


def test_doors_with_a_lock_are_locked_again_after_their_window(day: list[Utterance], school: Campus) -> None:
    world = World(school)
    for each in day:
        for message in understood(each, school):
            world.apply(message)
    main = world.get("door", "main")
    assert isinstance(main, DoorFacts)
    assert (main.position, main.lock) == ("closed", "locked")


def test_most_pupils_come_in_the_middle_of_the_arrival(day: list[Utterance], school: Campus) -> None:
    (start, end), *_ = school.local_calendar.spans("arrival", TUESDAY)
    third = (end - start) / 3
    thirds = Counter(
        int((each.at - start) / third)
        for each in day
        if each.topic.endswith("door/bus-loop") and body(each).get("position") == "open" and start <= each.at < end
    )
    assert thirds[1] > thirds[0] + thirds[2]


def test_on_a_holiday_nothing_happens(school: Campus) -> None:
    assert list(school_day(school, Place(school.id), THANKSGIVING)) == []


def test_days_follow_one_another_from_any_moment_to_any_other(school: Campus) -> None:
    start = school.instant(datetime.fromisoformat("2026-11-24T10:00"))
    said = list(ordinary_days(school, Place(school.id), start, start + timedelta(days=3)))
    assert in_order(said)
    assert said[0].sent_at >= start
    assert said[-1].sent_at < start + timedelta(days=3)
    beats = Counter(each.topic for each in said if "/device/" in each.topic)
    assert beats["campus/northside/device/main-contact"] == 3 * 48


def test_a_campus_that_never_opens_comes_to_an_end() -> None:
    closed = read_campus(LIBRARY / "campuses" / "always-closed.yaml")
    start = closed.instant(datetime.fromisoformat("2026-11-24T10:00"))
    assert list(ordinary_days(closed, Place(closed.id), start, start + timedelta(days=3))) == []


def test_the_same_seed_gives_the_same_day_and_another_one_another(school: Campus, day: list[Utterance]) -> None:
    assert written(school_day(school, Place(school.id), TUESDAY)) == written(day)
    assert written(school_day(school, Place(school.id, seed=1), TUESDAY)) != written(day)
