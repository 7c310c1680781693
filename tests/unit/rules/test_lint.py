"""What is not wrong, and will surprise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.warnings import of_campus, of_rule
from core.campus import Campus
from rules.lint import on_campus, on_rule
from rules.rule import Rule, shipped
from tests.campuses import LINCOLN, lincoln
from tests.conftest import START
from tests.unit.rules.talk import rule_from

HELD = """
id: held
title: Held open
scope: {door: {exterior: true}}
key: door.id
params: {hold: {type: duration, default: 60s, min: 1s, max: 3h}}
hold: {while: 'door.position == "open"', for: p.hold}
severity: severe
"""


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


def told(problems: list[object]) -> list[str]:
    return [str(each) for each in problems]


def test_an_exterior_door_that_no_rule_covers_is_named(campus: Campus) -> None:
    rule = rule_from(HELD.replace("{exterior: true}", "{id: [main, gym-east]}"))
    assert "lincoln.doors.gym-west: is an exterior door that no rule covers" in told(on_campus([rule], campus))
    assert "no rule covers" not in str(told(on_campus([rule_from(HELD)], campus)))


def test_a_disabled_rule_covers_nothing(campus: Campus) -> None:
    off = rule_from(HELD + "mode: disabled\n")
    assert sum("no rule covers" in each for each in told(on_campus([off], campus))) == 3


def test_a_rule_that_matches_nothing_says_so(campus: Campus) -> None:
    rule = rule_from(HELD.replace("exterior: true", "tags: kitchen"))
    assert "lincoln: held: matches nothing on this campus" in told(on_rule(rule, campus))


def test_a_calendar_that_never_opens_is_told_by_the_campus_and_by_the_rule(held: Rule) -> None:
    days = {**LINCOLN["calendar"]["day_types"], "closed": {}}
    week = dict.fromkeys(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), "closed")
    never = lincoln(calendar={"week": week, "day_types": days})
    rule = rule_from(HELD + "active: {calendar: school}\n")
    assert "no day ever opens 'school'" in str(told(on_campus([held], never)))
    assert "lincoln: held: may only begin in 'school', which never opens" in told(on_rule(rule, never))
    inverted = rule_from(HELD + "active: {calendar: school, invert: true}\n")
    assert "may only begin" not in str(told(on_rule(inverted, never)))


def test_a_hold_shorter_than_the_heartbeat_is_told_once_for_all_rules(campus: Campus, held: Rule) -> None:
    other = rule_from(HELD.replace("id: held", "id: also-held").replace("default: 60s", "default: 2m"))
    longer = rule_from(HELD.replace("id: held", "id: patient").replace("default: 60s", "default: 2h"))
    found = [each for each in told(on_campus([held, other, longer], campus)) if "heartbeat" in each]
    (line,) = found
    assert line.startswith(
        "lincoln: held, also-held: a hold of 1m is shorter than the heartbeat of gym-east-contact (1h)"
    )
    assert line.endswith("if the report of a closing is lost, the alert comes first")
    assert "heartbeat" not in str(told(on_rule(longer, campus)))


def test_silence_shorter_than_the_heartbeat_is_told(campus: Campus) -> None:
    text = "id: quiet\ntitle: Q\nkey: device.id\nsilent: {of: device.heartbeat, for: %s}\nseverity: minor\n"
    assert "it fires between two heartbeats" in str(told(on_rule(rule_from(text % "30m"), campus)))
    assert on_rule(rule_from(text % "device.heartbeat * 3"), campus) == []


def test_a_policy_that_would_reach_nobody_is_told_with_its_hours(held: Rule) -> None:
    policy = {"id": "severe", "steps": [{"notify": ["shift:sro"]}]}
    campus = lincoln(policies=[policy])
    (found,) = [each for each in told(of_rule(held, [campus], START)) if "reach nobody" in each]
    assert "policy severe: would reach nobody from Tue 15:30 to Wed 07:00" in found
    assert "used by held" in found


def test_a_policy_that_always_reaches_somebody_is_not_told(campus: Campus, held: Rule) -> None:
    assert "reach nobody" not in str(told(of_rule(held, [campus], START)))


def test_a_policy_that_does_not_exist_is_told(campus: Campus) -> None:
    rule = rule_from(HELD + "alert: {policy: nightwatch}\n")
    assert "lincoln: held: there is no policy 'nightwatch'" in str(told(of_rule(rule, [campus], START)))


def test_people_without_endpoints_and_an_empty_on_call_list_are_told() -> None:
    people = [{name: value for name, value in each.items() if name != "endpoints"} for each in LINCOLN["people"]]
    bare = lincoln(people=people, on_call=[])
    found = str(told(of_campus(bare, shipped(), START)))
    assert "nobody has an endpoint" in found
    assert "lincoln.people.reyes: is on a shift or on call, and has no endpoint" in found
    assert "lincoln.on_call: is empty" in found


def test_linting_every_shipped_rule_takes_no_time_to_speak_of(campus: Campus) -> None:
    found = of_campus(campus, shipped(), START + timedelta(days=1))
    assert all(each.where for each in found)
