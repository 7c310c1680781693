"""Why, and why not: for any rule, key and moment, in words and in data."""

from __future__ import annotations

from datetime import datetime

import pytest

from core.campus import Campus
from core.messages import Message
from rules.operators import OPERATORS
from rules.rule import Rule
from rules.why import Account, why
from tests.campuses import lincoln
from tests.unit.rules.talk import at, closed, opened, rule_from, run, say

HELD = """
id: held
title: Held open
scope: {door: {exterior: true}}
key: door.id
params: {hold: {type: duration, default: 60s, min: 1s, max: 30m}}
hold: {while: 'door.position == "open" && !door.in_window', for: p.hold}
severity: severe
"""
HOUR = 3600.0


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


def asked(rule: Rule, key: str, when: float, *messages: Message, until: float = 3 * HOUR, **more: object) -> Account:
    campus = more.get("campus")
    place = campus if isinstance(campus, Campus) else lincoln()
    return why(place, rule, key, at(when), messages, since=at(-HOUR), until=at(until))


def words(account: Account) -> str:
    return "\n".join(account.words)


def test_closed_in_time_says_how_much_was_missing(held: Rule) -> None:
    # 09:01:10 on the campus's clock
    found = asked(held, "gym-east", HOUR + 120, opened("gym-east", HOUR + 70), closed("gym-east", HOUR + 112))
    assert found.state == "quiet"
    assert "armed at 09:01:10, due at 09:02:10" in words(found)
    assert "no longer so at 09:01:52: 18s short" in words(found)
    assert found.findings == []


def test_a_moment_in_between_says_what_is_waited_for(held: Rule) -> None:
    found = asked(held, "gym-east", HOUR + 90, opened("gym-east", HOUR + 70), closed("gym-east", HOUR + 112))
    assert found.state == "pending"
    assert [(each.at, each.what) for each in found.timers] == [(at(HOUR + 130), "hold is looked at again")]
    assert "not firing; it is looked at again at 09:02:10, in 40s" in words(found)
    assert "18s short" in words(found), "what came of it is told too"


def test_a_firing_rule_says_since_when_and_by_which_values(held: Rule) -> None:
    found = asked(held, "gym-east", HOUR + 200, opened("gym-east", HOUR))
    assert found.state == "firing"
    assert "firing since 09:01:00" in words(found)
    (condition, _length) = found.conditions
    assert condition.value is True
    assert condition.readings == {"door.position": "open", "door.in_window": False}
    assert [part["text"] for part in condition.trace["parts"]] == ['door.position == "open"', "!door.in_window"]
    (finding,) = found.findings
    assert finding["because"]["messages"][0]["kind"] == "door.opened"


def test_a_window_explains_why_nothing_came_of_an_open_door(held: Rule) -> None:
    # Until 08:05 the arrival window is open, and the main door may be.
    found = asked(held, "main", 240, opened("main", 10))
    assert found.state == "quiet"
    assert "!door.in_window is false (door.position = open, door.in_window = true)" in words(found)


def test_what_is_not_known_is_said_to_be_unknown(held: Rule) -> None:
    found = asked(held, "main", HOUR)
    assert found.conditions[0].value is None
    assert "is unknown (door.position = unknown" in words(found)


def test_later_messages_do_not_change_the_moment(held: Rule) -> None:
    story = [opened("gym-east", HOUR), closed("gym-east", HOUR + 100), opened("gym-east", HOUR + 200)]
    assert asked(held, "gym-east", HOUR + 150, *story).state == "quiet"
    assert asked(held, "gym-east", HOUR + 90, *story).state == "firing"


def test_overrides_and_the_parameters_after_them_are_told(held: Rule) -> None:
    override = "\noverrides:\n  - {scope: {door: {id: gym-east}}, params: {hold: 10m}, until: '2026-12-04T22:30', "
    rule = rule_from(HELD + override + "reason: winter concert, by: dean}\n")
    found = asked(rule, "gym-east", HOUR + 200, opened("gym-east", HOUR))
    assert found.state == "pending"
    assert found.params == {"hold": "10m"}
    assert found.overrides[0]["reason"] == "winter concert"
    assert "Other parameters hold here: winter concert" in words(found)
    assert asked(rule, "main", HOUR + 200, opened("main", HOUR)).params == {"hold": "1m"}


def test_outside_of_its_time_a_rule_says_so() -> None:
    rule = rule_from(HELD + "active: {calendar: staffed, invert: true}\n")
    found = asked(rule, "gym-east", HOUR + 200, opened("gym-east", HOUR))
    assert not found.active
    assert "outside of the time in which the rule may begin" in words(found)


def test_a_key_that_is_not_there_and_one_that_is_not_meant_are_told_apart(held: Rule) -> None:
    assert asked(held, "gym-nord", HOUR).state == "unknown key"
    found = asked(held, "office", HOUR, opened("office", 10))
    assert found.state == "not in scope"
    assert "not in the scope" in words(found)


def test_a_message_that_does_not_count_says_why() -> None:
    rule = rule_from("""
id: loud
title: Opened in class
key: door.id
match: {of: door.opened, if: door.exterior && now.in("class_time")}
severity: minor
""")
    found = asked(rule, "office", HOUR, opened("office", 100), opened("office", 200))
    first, second = [each for each in found.steps if each.message is not None]
    assert 'door.exterior && now.in("class_time") is false' in first.words
    assert first.values == {"door.exterior": False, 'now.in("class_time")': True}
    assert "it says what was known already" in second.words


def test_one_that_began_and_ended_at_once_is_told() -> None:
    rule = rule_from("id: any\ntitle: Opened\nkey: door.id\nmatch: {of: door.opened}\nseverity: minor\n")
    found = asked(rule, "office", HOUR, opened("office", 100))
    assert found.state == "quiet"
    assert "firing: Opened" in words(found)


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator_tells_its_story(name: str) -> None:
    rules, messages, key = _STORIES[name]
    found = asked(rule_from(rules), key, 2 * HOUR, *messages)
    told = "\n".join(each.words for each in found.steps)
    for expected in _TOLD[name]:
        assert expected in told, told


_HEAD = "id: r\ntitle: R\nseverity: minor\n"
_STORIES: dict[str, tuple[str, list[Message], str]] = {
    "hold": (HELD, [opened("gym-east", HOUR), closed("gym-east", HOUR + 5)], "gym-east"),
    "match": (
        _HEAD + "key: door.id\nmatch: {of: door.opened, slack: 5s}\n",
        [opened("main", HOUR)],
        "main",
    ),
    "count": (
        _HEAD + "key: door.id\ncount: {of: door.opened, within: 1m, at_least: 3}\n",
        [opened("main", HOUR), closed("main", HOUR + 1), opened("main", HOUR + 2)],
        "main",
    ),
    "without": (
        _HEAD + "key: door.id\nwithout: {of: door.opened, prior: exit.requested, within: 10s, slack: 5s}\n",
        [opened("gym-east", HOUR), say("exit.requested", HOUR + 1, "gym-east"), closed("gym-east", HOUR + 5)],
        "gym-east",
    ),
    "follow": (
        _HEAD + "key: visit.id\nfollow: {after: visitor.checked_in, expect: escort.assigned, within: 5m}\n",
        [say("visitor.checked_in", HOUR, "v1"), say("escort.assigned", HOUR + 60, "v1", escort="Mr. Ng")],
        "v1",
    ),
    "sequence": (
        _HEAD + "key: door.id\nsequence: {steps: [{of: access.denied}, {of: door.opened}], within: 1m}\n",
        [say("access.denied", HOUR, "main")],
        "main",
    ),
    "silent": (
        _HEAD + "key: device.id\nsilent: {of: device.heartbeat, for: 10m}\n",
        [say("device.heartbeat", HOUR, "gym-east-contact")],
        "gym-east-contact",
    ),
    "deadline": (
        _HEAD + "key: visit.id\ndeadline: {at: visit.expected_out, if: 'visit.state == \"in\"'}\n",
        [
            say("visitor.checked_in", HOUR, "v1", expected_out=at(HOUR + 600)),
            say("visitor.checked_out", HOUR + 300, "v1"),
        ],
        "v1",
    ),
}
_TOLD: dict[str, tuple[str, ...]] = {
    "hold": ("armed at 09:00:00, due at 09:01:00", "no longer so at 09:00:05: 55s short"),
    "match": ("waits until 09:00:05 for late state", "firing: R"),
    "count": ("1 counted within 1m, of 3", "2 counted within 1m, of 3"),
    "without": ("waits until 09:00:05 for an explanation", "door.opened at 09:00:00 is explained"),
    "follow": ("waits since 09:00:00 for what is expected, until 09:05:00", "came, 4m before the time was up"),
    "sequence": ("step 1 of 2; the last is awaited until 09:01:00", "given up after step 1 of 2"),
    "silent": ("heard at 09:00:00; silent for too long from 09:10:00", "firing since 09:10:00"),
    "deadline": ("to be looked at at 09:10:00", "looked at: not so"),
}


def test_what_is_told_is_what_the_engine_found(held: Rule) -> None:
    story = [opened("gym-east", HOUR), closed("gym-east", HOUR + 100)]
    found = asked(held, "gym-east", HOUR + 90, *story)
    live = run(lincoln(), [held], *story, until=2 * HOUR)
    assert [(each["state"], datetime.fromisoformat(each["at"])) for each in found.findings] == [
        (each.state, each.at) for each in live
    ]
