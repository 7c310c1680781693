"""The life of a school is believable, quiet, the same for the same seed, and held in little memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from datetime import date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from time import process_time

import msgspec
import pytest

from core.campus import Campus
from simulators.box import Size, as_school, grown
from simulators.evenings import evening
from simulators.faults import DEFAULT_RATES
from simulators.habits import Habits
from simulators.incidents import INCIDENTS
from simulators.life import lived_day, lived_days, truths_of
from simulators.scenarios import LIBRARY, Scenario, parse_scenario, read_campus
from simulators.sensors import Place
from simulators.sweeps import sweeps
from simulators.truth import Truth, truth_lines
from simulators.utterance import Story, Utterance, unfold
from tests.conftest import START
from tests.unit.simulators.streams import body, in_order, understood, written

START_OF_WEEKS = datetime.fromisoformat("2026-11-02T00:00")
TUESDAY, GAME = date(2026, 11, 3), date(2026, 11, 13)


@pytest.fixture(scope="module")
def box() -> Campus:
    return read_campus(LIBRARY / "campuses" / "box.yaml")


def told(box: Campus, day: date, habits: Habits, seed: int = 0) -> list[Utterance]:
    stories, _ = lived_day(box, Place(box.id, seed=seed), day, habits)
    return list(unfold(stories))


def test_a_day_is_in_order_understood_and_full_of_people(box: Campus) -> None:
    said = told(box, TUESDAY, Habits())
    kinds = Counter(message.kind for each in said for message in understood(each, box))
    assert in_order(said)
    assert kinds["door.opened"] == kinds["door.closed"] > 500
    assert kinds["visitor.checked_in"] == kinds["visitor.checked_out"] == 25
    assert kinds["visitor.preregistered"] > 3
    assert len({body(each)["id"] for each in said}) == len(said)


def test_students_come_in_a_rush_that_grows_with_the_school(box: Campus) -> None:
    def arrivals(students: int) -> list[int]:
        (start, end), *_ = box.local_calendar.spans("arrival", TUESDAY)
        third = (end - start) / 3
        opened = [
            each.at
            for each in told(box, TUESDAY, Habits(students=students))
            if each.topic.endswith("/bus-loop") and body(each).get("position") == "open" and start <= each.at < end
        ]
        return [sum(int((at - start) / third) == n for at in opened) for n in range(3)]

    few, many = arrivals(200), arrivals(800)
    assert many[1] > many[0] + many[2]
    assert sum(many) > 2 * sum(few)


def test_at_a_game_guests_come_and_go_and_the_room_is_counted_at_the_end(box: Campus) -> None:
    said = [body(each) for each in told(box, GAME, Habits()) if "/attendance/" in each.topic]
    counted = [each for each in said if each.get("mode") == "absolute"]
    heads = Counter({"in": 0, "out": 0})
    for each in said:
        if each.get("role") is None and "direction" in each:
            heads[each["direction"]] += each["count"]
    assert len(counted) == 1
    assert heads["in"] > 440
    assert 0 < heads["in"] - heads["out"] < 30, "the counter misses some on their way out"


def test_the_same_seed_gives_the_same_bytes_and_another_school_another_life(box: Campus) -> None:
    start = box.instant(datetime.fromisoformat("2026-11-02T00:00"))

    def days(place: Place) -> bytes:
        return written(lived_days(box, place, start, start + timedelta(days=2), Habits(incidents=3)))

    assert days(Place(box.id, seed=1)) == days(Place(box.id, seed=1))
    assert days(Place(box.id, seed=1)) != days(Place(box.id, seed=2))
    assert days(Place("other", seed=1)).replace(b"/other/", b"/riverside/") != days(Place(box.id, seed=1))


def test_without_incidents_nothing_is_true_and_with_them_the_record_says_what(box: Campus) -> None:
    start = box.instant(datetime.fromisoformat("2026-11-02T00:00"))
    place, end = Place(box.id, seed=5), start + timedelta(days=5)
    assert list(truths_of(box, place, start, end, Habits())) == []
    found = list(truths_of(box, place, start, end, Habits(incidents=6)))
    assert len(found) > 25
    lines = [msgspec.json.decode(line) for line in truth_lines(found)]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert set(lines[0]) == {"campus", "rule", "key", "at", "until", "what"}


def test_every_kind_of_incident_happens_within_a_few_weeks(box: Campus) -> None:
    start = box.instant(datetime.fromisoformat("2026-11-02T00:00"))
    found = truths_of(box, Place(box.id), start, start + timedelta(days=25), Habits(incidents=14))
    assert len({each.rule for each in found}) > 25
    assert len(INCIDENTS) >= 25


def weeks_of(box: Campus, seed: int) -> tuple[list[Truth], list[Utterance]]:
    start, place = box.instant(START_OF_WEEKS), Place(box.id, seed=seed)
    end, habits = start + timedelta(days=28), Habits(students=0, staff=0, visitors=0, incidents=8)
    return list(truths_of(box, place, start, end, habits)), list(lived_days(box, place, start, end, habits))


def test_a_sensor_that_dies_does_not_beat_until_it_has_a_new_battery_and_the_truth_says_so(box: Campus) -> None:
    truths, said = weeks_of(box, 1)
    dead = [each for each in truths if each.rule == "sensor-silent"]
    assert dead
    for each in dead:
        every = box.devices_by_id[each.key].heartbeat
        assert every
        beats = [one.at for one in said if one.topic.endswith(f"/device/{each.key}")]
        died = each.at - 2 * every
        back = died + 4 * every
        assert not any(died <= at < back for at in beats)
        assert any(died - every <= at < died for at in beats)
        assert any(back <= at <= back + every for at in beats)


def test_a_school_walks_around_its_doors_every_week_and_the_truth_says_when_it_has_not(box: Campus) -> None:
    truths, said = weeks_of(box, 0)
    swept = [each.at for each in said if each.topic.endswith("/campus/sweep")]
    late = [each for each in truths if each.rule == "door-sweep-overdue"]
    assert len(swept) > 3
    assert late
    for each in late:
        last = max(at for at in swept if at < each.at)
        assert each.at - last >= timedelta(days=7)
        assert any(start <= each.at < end for start, end in box.local_calendar.spans("school", each.at.date()))
    quiet = list(sweeps(box, Place(box.id), box.instant(START_OF_WEEKS), said[-1].at, careless=False))
    gaps = [later.at - earlier.at for earlier, later in pairwise(quiet)]
    assert max(gaps) < timedelta(days=7, hours=1), "before the first lesson of the eighth day"


def test_a_crowd_may_meet_before_anything_is_planned(box: Campus) -> None:
    evenings = [
        evening(box, Place(box.id, seed=seed), each, troubled=True) for seed in range(8) for each in box.gatherings
    ]
    found = [(told, each) for told in evenings for each in told.truths if each.rule == "unplanned-gathering"]
    assert found
    for told, each in found:
        assert each.until < told.start - timedelta(hours=2)
        early = [body(said) for said in unfold(told.stories) if said.at < each.until and "/attendance/" in said.topic]
        assert sum(said["count"] for said in early) == 70


def test_a_truth_says_a_finding_of_its_rule_and_key_in_its_time() -> None:
    truth = Truth(campus="c", rule="r", key="k", at=START, until=START + timedelta(seconds=30), what="it is so")
    assert truth.fits("r", "k", START + timedelta(seconds=30))
    assert not truth.fits("r", "k", START + timedelta(seconds=31))
    assert not truth.fits("r", "other", START)


def test_a_month_of_a_school_is_made_in_less_than_ten_seconds(box: Campus) -> None:
    start = box.instant(datetime.fromisoformat("2026-11-02T00:00"))
    began = process_time()
    said = written(lived_days(box, Place(box.id), start, start + timedelta(days=30), Habits()))
    assert process_time() - began < 10
    assert said.count(b"\n") > 40_000


# ------------------------------------------------------------------------------------------------ how it is told
def test_stories_are_begun_at_their_moment_only_and_told_in_order() -> None:
    begun: list[int] = []

    def story(number: int) -> Story:
        at = START + timedelta(minutes=number)

        def tell() -> list[Utterance]:
            begun.append(number)
            return [Utterance(at=at + timedelta(seconds=40 * n), topic="t", payload=f"{number}.{n}") for n in range(3)]

        return at, tell

    said = unfold([story(2), story(0), story(1)])
    assert next(said).payload == "0.0"
    assert begun == [0]
    assert [each.payload for each in said] == ["0.1", "1.0", "0.2", "1.1", "2.0", "1.2", "2.1", "2.2"]
    assert begun == [0, 1, 2]


# -------------------------------------------------------------------------------------------------- any size
def district(schools: int, doors: int) -> Scenario:
    return parse_scenario(
        'scenario: district\ncampus: campuses/box.yaml\nstart: "2026-11-03T07:00"\nlength: 4h\nreports: false\n'
        f"size: {{schools: {schools}, doors: {doors}}}\nlife: {{}}\n"
    )


def test_a_campus_grows_to_any_number_of_doors_and_each_school_is_one_of_its_own(box: Campus) -> None:
    large = grown(box, Size(doors=200))
    assert len(large.doors) == 200
    assert len(grown(box, Size(doors=5)).doors) == 20
    found = district(3, 200)
    assert found.schools == ["riverside-0001", "riverside-0002", "riverside-0003"]
    assert as_school(found.campus, found.schools[1]).id == "riverside-0002"
    said = list(islice(found.stream(), 2000))
    assert in_order(said)
    assert {each.topic.split("/")[1] for each in said} == set(found.schools)


def test_a_district_of_200_000_doors_begins_at_once_and_in_order() -> None:
    found = district(1000, 200)
    assert len(found.schools) * len(found.campus.doors) == 200_000
    said = list(islice(found.stream(), 5000))
    assert in_order(said)
    assert len({each.topic.split("/")[1] for each in said}) > 900


def test_what_is_held_in_memory_does_not_grow_with_what_has_been_said() -> None:
    stream = district(20, 200).stream()
    tracemalloc.start()
    try:
        most = []
        for _ in range(3):
            for _ in islice(stream, 15_000):
                pass
            most.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    assert max(most) < 20 * 400_000, "less than 400 kB a school of 200 doors"


def test_what_is_held_in_memory_does_not_grow_with_the_days(box: Campus) -> None:
    weeks = parse_scenario(
        'scenario: weeks\ncampus: campuses/box.yaml\nstart: "2026-11-02T00:00"\nlength: 14d\n'
        "life: {students: 60, staff: 5, visitors: 5, incidents: 3}\n"
    )
    said = weeks.stream(faults=DEFAULT_RATES)
    tracemalloc.start()
    try:
        most = []
        for end in (START_OF_WEEKS + timedelta(days=7), START_OF_WEEKS + timedelta(days=14)):
            tracemalloc.reset_peak()
            assert sum(1 for _ in takewhile(lambda each, end=end: each.sent_at < box.instant(end), said)) > 4_000
            most.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert most[1] < 1.1 * most[0]
