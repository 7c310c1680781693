"""The protocols that ship: complete, on their page, right on the odd days of the calendar, heard by each other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from core.campus import Campus
from core.findings import Finding
from core.messages import KINDS, Message
from rules.engine import Engine
from rules.operators.count import Count
from rules.rule import shipped
from rules.runnable import Rule

RULES = {rule.id: rule for rule in shipped()}
SLUGS = {
    "D01": "door-held-open",
    "D02": "door-propped",
    "D03": "interior-door-held",
    "D04": "door-forced",
    "D05": "after-hours-opening",
    "D06": "exit-door-in-class-time",
    "D07": "door-open-after-window",
    "D08": "door-open-in-secure",
    "D09": "door-repeat-offender",
    "D10": "door-contact-flapping",
    "D11": "many-doors-open",
    "D12": "door-sweep-overdue",
    "H01": "sensor-silent",
    "H02": "sensor-tampered",
    "H03": "battery-low",
    "H04": "monitoring-blind",
    "H05": "device-clock-wrong",
    "V01": "watch-list-match",
    "V02": "screening-pending",
    "V03": "restricted-pickup",
    "V04": "visitor-overstay",
    "V05": "visitor-not-signed-out",
    "V06": "badge-expired",
    "V07": "visitor-out-of-zone",
    "V08": "id-refused",
    "V09": "denied-then-door",
    "V10": "emergency-roster",
    "E01": "nearly-full",
    "E02": "over-capacity",
    "E03": "crowd-managers-short",
    "E04": "chaperones-short",
    "E05": "no-supervisor",
    "E06": "unplanned-gathering",
    "E07": "gathering-overrun",
    "E08": "re-entry",
    "E09": "count-impossible",
}
"""The day-one protocols and the rules that are they."""
PAGE = (Path(__file__).parents[3] / "docs" / "protocols.md").read_text()
ROWS = re.findall(r"^\| ([A-Z]\d\d) \| `([a-z-]+)` \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)


# ------------------------------------------------------------------------------------------------------- all of them
@pytest.mark.parametrize("slug", SLUGS.values())
def test_every_protocol_of_the_first_day_ships(slug: str) -> None:
    assert RULES[slug].mode == "live"


def test_the_page_has_a_row_for_every_rule_and_no_other() -> None:
    assert sorted(rule for _, rule, *_ in ROWS) == sorted(RULES)
    first = {code: rule for code, rule, *_ in reversed(ROWS)}
    assert {code: first[code] for code in SLUGS} == SLUGS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_the_page_says_what_the_file_says(row: tuple[str, str, str, str, str]) -> None:
    _, name, says, severity, tuned = row
    rule = RULES[name]
    shadow = " (shadow)" if rule.mode == "shadow" else ""
    params = rule.document.get("params", {}).items()
    written = ", ".join(f"`{key}` {param['default']}{param.get('unit', '')}" for key, param in params)
    assert says == rule.title
    assert severity == " → ".join(rung.severity for rung in rule.ladder) + shadow
    assert tuned == (written or "-")


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_every_rule_is_tested_when_it_fires_when_it_ends_and_when_it_does_neither(rule: Rule) -> None:
    expected = [step.expect for scenario in rule.tests for step in scenario.steps if step.expect]
    assert "firing" in expected
    assert "nothing" in expected
    momentary = rule.operator.momentary and rule.frame.momentary
    assert momentary or "resolved" in expected


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_every_number_and_time_that_may_be_tuned_has_bounds_and_help(rule: Rule) -> None:
    for name, param in rule.document.get("params", {}).items():
        assert {"min", "max", "help"} <= set(param), name


def test_what_is_extreme_and_momentary_waits_for_a_person() -> None:
    for rule in RULES.values():
        if rule.ladder[0].severity == "extreme" and rule.operator.momentary and rule.frame.momentary:
            assert rule.alert.latch, rule.id


# ---------------------------------------------------------------------------------------- the odd days of the calendar
def school(zone: str, **changes: Any) -> Campus:
    day = {
        "staffed": "06:30-18:00",
        "school": "07:50-15:10",
        "class_time": ["08:00-15:00"],
        "windows": [{"name": "arrival", "at": "07:20-08:05", "doors": ["main"]}],
    }
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return Campus.model_validate(
        {
            "campus": {"id": "odd", "name": "Odd School", "timezone": zone},
            "calendar": {"week": dict.fromkeys(days, "regular"), "day_types": {"regular": day, "closed": {}}},
            "zones": [{"id": "hall", "name": "Hall"}],
            "doors": [{"id": "main", "name": "Main", "exterior": True, "class": "main"}],
            **changes,
        }
    )


class Day:
    """An engine on a school's own clock; what it finds is told as `state rule HH:MM:SS` of that clock."""

    def __init__(self, campus: Campus, start: str, *rules: str) -> None:
        self.campus = campus
        self._zone = ZoneInfo(campus.campus.timezone)
        self._number = 0
        self.found: list[Finding] = []
        begin = self.instant(start)
        self.engine = Engine(campus, [RULES[each] for each in rules], started=begin)

    def instant(self, text: str) -> datetime:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(UTC)

    def go(self, text: str) -> None:
        self.found += self.engine.advance(self.instant(text))

    def say(self, text: str, kind: str, key: str, **fields: Any) -> None:
        self.go(text)
        self.found += self.engine.accept(self.message(self.instant(text), kind, key, fields))

    def message(self, at: datetime, kind: str, key: str, fields: dict[str, Any]) -> Message:
        self._number += 1
        of = KINDS[kind]
        envelope = {"campus": "odd", "source": "s", "message_id": f"m{self._number}", "at": at, "received_at": at}
        about = {of.key_field: key} if of.key_field else {}
        return msgspec.convert(envelope | about | fields, of)

    @property
    def told(self) -> list[str]:
        return [f"{each.state} {each.rule} {each.at.astimezone(self._zone):%H:%M:%S}" for each in self.found]


CHANGES = [
    ("America/Chicago", "2026-03-08", "forward"),
    ("America/Chicago", "2026-11-01", "back"),
    ("Europe/Berlin", "2026-03-29", "forward"),
    ("Europe/Berlin", "2026-10-25", "back"),
]
"""The days on which two time zones change their clocks."""


@pytest.mark.parametrize(("zone", "date", "_way"), CHANGES)
def test_on_the_day_the_clocks_change_a_window_ends_by_the_schools_clock(zone: str, date: str, _way: str) -> None:
    day = Day(school(zone), f"{date}T00:00", "door-held-open")
    day.say(f"{date}T07:30", "door.opened", "main")
    day.go(f"{date}T12:00")
    assert day.told == ["firing door-held-open 08:06:00"]


@pytest.mark.parametrize(("zone", "date", "_way"), CHANGES)
def test_on_the_day_the_clocks_change_a_minute_is_a_minute(zone: str, date: str, _way: str) -> None:
    day = Day(school(zone), f"{date}T00:00", "door-propped")
    # 30 s before the earliest change of all four: 01:00 UTC in Berlin, 07:00 or 08:00 UTC in Chicago.
    hour = {"America/Chicago": {"03": 8, "11": 7}, "Europe/Berlin": {"03": 1, "10": 1}}[zone][date[5:7]]
    opened = datetime.fromisoformat(f"{date}T{hour:02}:00:00+00:00") - timedelta(seconds=30)
    day.say(opened.isoformat(), "door.opened", "main")
    day.go(f"{date}T07:00")
    assert [each.at - opened for each in day.found if each.state == "firing"] == [timedelta(minutes=5)]


@pytest.mark.parametrize(("zone", "date", "way"), CHANGES)
def test_a_closing_time_that_comes_twice_or_never_is_one_closing_time(zone: str, date: str, way: str) -> None:
    end = "01:30" if (zone, way) == ("America/Chicago", "back") else "02:30"
    night = {"regular": {"staffed": f"20:00-{end}"}, "closed": {}}
    before = (datetime.fromisoformat(date) - timedelta(days=1)).date().isoformat()
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "regular")
    campus = school(zone, calendar={"week": week, "day_types": night})
    day = Day(campus, f"{before}T19:00", "visitor-not-signed-out")
    day.say(f"{before}T21:00", "visitor.checked_in", "v-1")
    day.go(f"{date}T12:00")
    assert len(day.told) == 1, way


def test_a_leap_day_is_a_day() -> None:
    day = Day(school("America/Chicago"), "2028-02-28T10:00", "door-sweep-overdue", "after-hours-opening")
    day.say("2028-02-28T10:00", "sweep.logged", "")
    day.say("2028-02-29T05:00", "door.opened", "main")
    day.say("2028-02-29T05:01", "door.closed", "main")
    day.go("2028-03-07T12:00")
    assert day.told == [
        "firing after-hours-opening 05:00:00",
        "resolved after-hours-opening 05:01:00",
        "firing door-sweep-overdue 10:00:00",
    ]
    assert day.found[-1].at == day.instant("2028-03-06T10:00"), "seven days after, the 29th being one of them"


def test_a_gathering_past_midnight_is_one_gathering() -> None:
    ball = {"id": "ball", "name": "Ball", "zone": "hall", "load": 100, "doors": ["main"]}
    ball |= {"start": "2026-12-31T21:00", "end": "2027-01-01T01:00"}
    campus = school("Europe/Berlin", gatherings=[ball])
    rules = ("after-hours-opening", "over-capacity", "gathering-overrun", "door-held-open")
    day = Day(campus, "2026-12-31T19:00", *rules)
    day.say("2026-12-31T23:00", "attendance.entered", "ball", count=98)
    day.say("2027-01-01T00:10", "door.opened", "main")
    day.say("2027-01-01T00:20", "attendance.entered", "ball", count=3)
    day.say("2027-01-01T00:40", "attendance.left", "ball", count=90)
    day.go("2027-01-01T01:29")
    assert day.told == ["firing over-capacity 00:20:00", "resolved over-capacity 00:40:00"]
    day.go("2027-01-01T02:10")
    assert day.told[2:] == [
        "firing gathering-overrun 01:30:00",
        "firing door-held-open 01:31:00",
        "firing gathering-overrun 02:00:00",
    ]


def test_an_exception_announced_at_six_counts_for_the_same_day() -> None:
    campus = school("America/Chicago")
    day = Day(campus, "2026-12-03T05:00", "door-held-open", "after-hours-opening", "visitor-not-signed-out")
    day.go("2026-12-03T06:00")
    plain = campus.model_dump(by_alias=True, mode="json")
    plain["calendar"]["exceptions"] = {"2026-12-03": {"type": "closed", "reason": "snow"}}
    day.found += day.engine.replace_campus(Campus.model_validate(plain))
    day.say("2026-12-03T07:30", "door.opened", "main")
    day.say("2026-12-03T07:35", "visitor.checked_in", "v-1")
    day.go("2026-12-03T20:00")
    assert day.told == ["firing after-hours-opening 07:30:00", "firing door-held-open 07:31:00"]


def changed(campus: Campus, **parts: Any) -> Campus:
    return Campus.model_validate(campus.model_dump(by_alias=True, mode="json") | parts)


def test_a_window_that_is_extended_for_late_buses_is_over_when_it_then_ends() -> None:
    campus = school("America/Chicago")
    late = campus.model_dump(by_alias=True, mode="json")["calendar"]
    late["day_types"]["regular"]["windows"][0]["at"] = "07:20-08:40"
    day = Day(campus, "2026-12-03T07:00", "door-open-after-window", "door-held-open")
    day.say("2026-12-03T07:30", "door.opened", "main")
    day.go("2026-12-03T08:04")
    day.found += day.engine.replace_campus(changed(campus, calendar=late))
    day.go("2026-12-03T09:00")
    assert day.told == ["firing door-held-open 08:41:00", "firing door-open-after-window 08:42:00"]


def test_a_window_that_is_extended_too_late_ends_what_was_found() -> None:
    campus = school("America/Chicago")
    late = campus.model_dump(by_alias=True, mode="json")["calendar"]
    late["day_types"]["regular"]["windows"][0]["at"] = "07:20-08:40"
    day = Day(campus, "2026-12-03T07:00", "door-open-after-window")
    day.say("2026-12-03T07:30", "door.opened", "main")
    day.go("2026-12-03T08:10")
    day.found += day.engine.replace_campus(changed(campus, calendar=late))
    day.go("2026-12-03T08:39")
    assert day.told == ["firing door-open-after-window 08:07:00", "resolved door-open-after-window 08:10:00"]


def test_a_gathering_whose_end_is_moved_is_over_when_it_then_ends() -> None:
    game = {"id": "game", "name": "Game", "zone": "hall", "start": "2026-12-03T18:00", "end": "2026-12-03T20:00"}
    campus = school("America/Chicago", gatherings=[game])
    day = Day(campus, "2026-12-03T17:30", "gathering-overrun", "no-supervisor")
    day.say("2026-12-03T17:40", "attendance.entered", "game", role="supervisor")
    day.say("2026-12-03T18:00", "attendance.entered", "game", count=90)
    day.go("2026-12-03T20:10")
    day.found += day.engine.replace_campus(changed(campus, gatherings=[game | {"end": "2026-12-03T21:00"}]))
    day.go("2026-12-03T21:29")
    assert day.told == []
    day.go("2026-12-03T21:31")
    assert day.told == ["firing gathering-overrun 21:30:00"]


def test_a_gathering_that_is_cancelled_ends_what_was_found_of_it() -> None:
    game = {"id": "game", "name": "Game", "zone": "hall", "start": "2026-12-03T18:00", "end": "2026-12-03T20:00"}
    campus = school("America/Chicago", gatherings=[game])
    day = Day(campus, "2026-12-03T17:30", "no-supervisor")
    day.say("2026-12-03T17:50", "attendance.entered", "game", count=3)
    day.go("2026-12-03T18:00")
    day.found += day.engine.replace_campus(changed(campus, gatherings=[]))
    day.go("2026-12-03T21:00")
    assert day.told == ["firing no-supervisor 17:55:00", "resolved no-supervisor 18:00:00"]


@pytest.mark.parametrize("exercise", ["drill", "test"])
def test_the_roster_of_a_rehearsed_emergency_is_told_as_what_it_is(exercise: str) -> None:
    day = Day(school("America/Chicago"), "2026-12-03T10:00", "emergency-roster", "emergency-unaccounted")
    day.say("2026-12-03T10:00", "visitor.checked_in", "v-1")
    day.say("2026-12-03T10:10", "campus.state_changed", "", state="lockdown", exercise=exercise)
    day.go("2026-12-03T10:30")
    assert day.told == ["firing emergency-roster 10:10:00", "firing emergency-unaccounted 10:20:00"]
    assert {each.exercise for each in day.found} == {exercise}


# ------------------------------------------------------------------------------------------------ rules that hear rules
def test_the_third_time_a_door_is_held_open_in_a_day_is_found() -> None:
    day = Day(school("America/Chicago"), "2026-12-03T09:00", "door-held-open", "door-repeat-offender")
    for hour in (10, 11, 12):
        day.say(f"2026-12-03T{hour}:00", "door.opened", "main")
        day.say(f"2026-12-03T{hour}:02", "door.closed", "main")
    day.go("2026-12-03T13:00")
    assert [each for each in day.told if "offender" in each] == ["firing door-repeat-offender 12:01:00"]


# --------------------------------------------------------------------------------------------------- what is not known
def test_a_campus_that_says_nothing_is_told_nothing_but_silence() -> None:
    campus = school("America/Chicago", devices=[{"id": "c1", "door": "main", "kind": "door", "heartbeat": "1h"}])
    engine = Engine(campus, shipped(), started=datetime(2026, 11, 23, tzinfo=UTC))
    found = engine.advance(datetime(2026, 12, 7, tzinfo=UTC))
    assert {each.rule for each in found} == {"sensor-silent", "sensor-silent-after-hours"}
    assert engine.health == {}


def test_the_count_that_leaves_out_what_is_explained_forgets_its_explanations() -> None:
    operator = RULES["door-contact-flapping"].operator
    assert isinstance(operator, Count)
    day = Day(school("America/Chicago"), "2026-12-03T09:00", "door-contact-flapping")
    day.say("2026-12-03T09:00", "access.granted", "main")
    day.go("2026-12-03T09:01")
    assert list(day.engine.states("door-contact-flapping")) == []
