"""What is live, and what is only rehearsed: an exercise sees both, and nothing live ever sees the exercise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.campus import Campus
from core.facts import DoorFacts
from core.findings import Finding
from core.messages import Message
from rules.engine import Engine
from rules.judge import Judge
from rules.overlay import LONGEST, QUIET
from rules.replay import Repeats, as_line, replay
from rules.rule import Rule
from rules.saved import Saved
from tests.campuses import lincoln
from tests.unit.rules.talk import LATENESS, at, closed, opened, rule_from, rules_from, run, say, short
from tests.unit.rules.test_properties import CAMPUS, FROM, ON_ARRIVAL, RULES, UNTIL, lines, streams

SECURE = rule_from(
    """
{id: open-in-lockdown, title: A door is open in lockdown, key: door.id, severity: extreme,
 hold: {while: 'door.position == "open" && campus.state == "lockdown"', for: 0s}}
"""
)
HELD = rule_from(
    "{id: held, title: Held open, key: door.id, severity: severe, hold: {while: 'door.position == \"open\"', for: 60s}}"
)
UNEXPLAINED = rule_from(
    """
{id: unexplained, title: Opened, key: door.id, severity: extreme, clear: 'door.position == "closed"',
 without: {of: door.opened, prior: [access.granted, exit.requested], within: 10s, slack: 5s}}
"""
)
STREAMS = RULES + rules_from(
    """
{id: state, title: T, key: door.id, severity: minor, hold: {while: 'door.position == "open"', for: 5s},
 active: {campus_state: [lockdown]}}
---
{id: lockdown-open, title: T, key: door.id, severity: minor,
 hold: {while: 'door.position == "open" && campus.state == "lockdown"', for: 0s}}
"""
)


@pytest.fixture
def campus() -> Campus:
    return lincoln(calendar={}, gatherings=[])


def lockdown(when: float, *, state: str = "lockdown", **more: Any) -> Message:
    return say("campus.state_changed", when, state=state, **more)


def labelled(findings: Sequence[Finding]) -> list[str]:
    return [f"{each.exercise} {line}" for each, line in zip(findings, short(findings), strict=True)]


# ---------------------------------------------------------------------------------------- a trial changes nothing live
def test_what_was_rehearsed_does_not_make_the_real_opening_a_repeat(campus: Campus) -> None:
    found = run(campus, [UNEXPLAINED], opened("main", 0, exercise="test"), opened("main", 60), until=90)
    assert labelled(found) == ["test firing main 0", "test resolved main 60", "live firing main 60"]


def test_a_rehearsed_grant_explains_nothing_live(campus: Campus) -> None:
    grant = say("access.granted", 8, "main", exercise="drill")
    assert labelled(run(campus, [UNEXPLAINED], grant, opened("main", 10), until=90)) == ["live firing main 10"]


def test_a_rehearsed_closing_ends_nothing_live(campus: Campus) -> None:
    found = run(campus, [HELD], opened("main", 0), closed("main", 30, exercise="drill"), until=99)
    assert labelled(found) == ["live firing main 60"]
    found = run(campus, [HELD], opened("main", 0), closed("main", 70, exercise="test"), until=199)
    assert labelled(found) == ["live firing main 60"]


def test_what_is_true_now_is_what_is_live(campus: Campus) -> None:
    engine = Engine(campus, [HELD], started=at(-1))
    engine.accept(closed("main", 0))
    engine.now.take_changes()
    engine.accept(opened("main", 10, exercise="drill"))
    engine.accept(lockdown(11, exercise="drill"))
    door = engine.now.get("door", "main")
    assert isinstance(door, DoorFacts)
    assert (door.position, engine.now.state, engine.now.take_changes()) == ("closed", "normal", [])


def test_nonsense_of_a_tester_stands_no_live_rule_aside(campus: Campus) -> None:
    def fail_for_trials(scene: Any) -> bool:
        if scene.world.state == "shelter":
            raise ValueError("a bug")
        return True

    odd = replace(HELD, frame=replace(HELD.frame, is_active=fail_for_trials))
    engine = Engine(campus, [odd], started=at(-1))
    engine.accept(lockdown(0, state="shelter", exercise="test"))
    engine.accept(opened("main", 1))
    assert labelled(engine.advance(at(99))) == ["live firing main 61"]
    assert engine.health == {"held": "stood aside: ValueError: a bug (in a test)"}


def test_a_flood_of_rehearsed_keys_takes_no_room_from_the_live_ones(
    campus: Campus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "max_keys", 1)
    engine = Engine(campus, [HELD], started=at(-1))
    engine.accept(opened("office", 0, exercise="test"))
    engine.accept(opened("gym-west", 0, exercise="test"))
    engine.accept(opened("main", 1))
    assert "live firing main 61" in labelled(engine.advance(at(99)))


# ------------------------------------------------------------------------------------------- what an exercise finds
def test_a_rehearsed_lockdown_finds_the_door_that_is_really_open_and_says_drill(campus: Campus) -> None:
    found = run(campus, [SECURE], opened("main", 0), lockdown(60, exercise="drill"), until=90)
    assert labelled(found) == ["drill firing main 60"]
    found = run(campus, [SECURE], lockdown(0, exercise="drill"), opened("main", 60), closed("main", 80), until=90)
    assert labelled(found) == ["drill firing main 60", "drill resolved main 80"]


def test_what_is_live_is_not_said_again_by_an_exercise(campus: Campus) -> None:
    found = run(campus, [HELD, SECURE], opened("main", 0), lockdown(30, exercise="drill"), closed("main", 90), until=99)
    assert labelled(found)[:3] == ["drill firing main 30", "live firing main 60", "live resolved main 90"]
    assert labelled(found)[3:] == ["drill resolved main 90"]


def test_what_turns_out_to_be_so_ends_the_exercise_s_finding_and_is_live(campus: Campus) -> None:
    found = run(campus, [SECURE], opened("main", 0), lockdown(60, exercise="drill"), lockdown(90), until=99)
    assert labelled(found) == ["drill firing main 60", "drill resolved main 90", "live firing main 90"]
    assert found[1].because["note"] == "it is really so now: found live"


def test_when_what_is_live_is_over_the_exercise_does_not_say_so_again(campus: Campus) -> None:
    said = [opened("main", 0), lockdown(60, exercise="drill"), lockdown(90), lockdown(120, state="normal")]
    found = run(campus, [SECURE], *said, until=130)
    assert labelled(found)[3:] == ["live resolved main 120"]


def test_a_test_does_not_speak_into_a_drill(campus: Campus) -> None:
    found = run(campus, [SECURE], lockdown(0, exercise="drill"), opened("main", 10, exercise="test"), until=60)
    assert found == []


def test_an_exercise_begins_with_what_is_already_found(campus: Campus) -> None:
    found = run(campus, [HELD], opened("main", 0), opened("office", 90, exercise="drill"), until=149)
    assert labelled(found) == ["live firing main 60"]


def test_what_the_live_judge_has_not_yet_judged_is_taken_along(campus: Campus) -> None:
    engine = Engine(campus, [SECURE], started=at(-1))
    engine.accept(opened("main", 5))
    engine.accept(lockdown(5.5, exercise="drill"))
    assert labelled(engine.advance(at(6))) == ["drill firing main 5.5"]


def test_other_rules_and_another_campus_reach_the_exercise_too(campus: Campus) -> None:
    engine = Engine(campus, [HELD, SECURE], started=at(-1))
    engine.accept(opened("main", 0, exercise="drill"))
    assert labelled(engine.advance(at(60))) == ["drill firing main 60"]
    assert labelled(engine.replace_rules([SECURE])) == ["drill resolved main 60"]
    engine.accept(lockdown(70, exercise="drill"))
    assert labelled(engine.advance(at(70))) == ["drill firing main 70"]
    doors = [door.model_dump(by_alias=True) for door in campus.doors if door.id != "main"]
    fewer = lincoln(calendar={}, gatherings=[], doors=doors, devices=[])
    assert labelled(engine.replace_campus(fewer)) == ["drill resolved main 70"]


def test_a_replay_says_which_lines_are_an_exercise(campus: Campus) -> None:
    (found,) = replay(campus, [SECURE], [opened("main", 0), lockdown(9, exercise="drill"), at(20)], lateness=LATENESS)
    assert as_line(found)["exercise"] == "drill"


def test_a_rehearsed_message_is_no_repeat_of_a_live_one() -> None:
    repeats = Repeats()
    trial = opened("main", 0, message_id="7", exercise="test")
    assert not repeats.is_repeat(trial)
    assert not repeats.is_repeat(msgspec.structs.replace(trial, exercise="live"))
    assert repeats.is_repeat(trial)


# ------------------------------------------------------------------------------------------------------- it ends
def test_an_exercise_is_over_some_time_after_its_last_word(campus: Campus) -> None:
    engine = Engine(campus, [SECURE], started=at(-1))
    engine.accept(opened("main", 0))
    engine.accept(lockdown(10, exercise="drill"))
    assert labelled(engine.advance(at(10))) == ["drill firing main 10"]
    end = 10 + QUIET.total_seconds()
    assert engine.advance(at(end - 1)) == []
    assert engine.next_due == at(end)
    (over,) = engine.advance(at(end))
    assert labelled([over]) == [f"drill resolved main {end:g}"]
    assert over.because["note"] == "the drill is over: nothing was heard of it for 2h"
    assert engine.exercises == {}
    engine.accept(closed("office", end + 1, exercise="drill"))
    assert engine.advance(at(end + 2)) == []


def test_an_exercise_that_is_never_quiet_ends_all_the_same(campus: Campus) -> None:
    engine = Engine(campus, [HELD], started=at(-1))
    found: list[Finding] = []
    for hour in range(12):
        engine.accept(opened("main", hour * 3600, exercise="test"))
        found += engine.advance(at(hour * 3600 + 60))
    assert labelled(found) == ["test firing main 60"]
    (over,) = engine.advance(at(LONGEST.total_seconds()))
    assert over.because["note"] == "the test is over: it began 12h ago"


# --------------------------------------------------------------------------------------------------- it must hold
KINDS = st.sampled_from(["live", "drill", "test"])


@st.composite
def mixed(draw: st.DrawFn) -> list[Message]:
    """Return live messages with trials in between, and states of the campus, live or not."""
    said = [msgspec.structs.replace(each, exercise=draw(KINDS)) for each in draw(streams())]
    for number in range(draw(st.integers(0, 3))):
        state = draw(st.sampled_from(["normal", "lockdown"]))
        when = draw(st.integers(FROM, UNTIL))
        said.append(lockdown(when, state=state, exercise=draw(KINDS), message_id=f"s{number}", seq=number))
    return sorted(said, key=lambda each: (each.at, each.source, each.seq or 0))


def judged(
    messages: Sequence[Message], delays: Sequence[float], rules: Sequence[Rule], *, tick: float | None = None
) -> tuple[list[Finding], Saved]:
    """Return what is found, and what is written down in the end, when each message arrives so much after its time."""
    arrivals = [(each.at + timedelta(seconds=late), each) for each, late in zip(messages, delays, strict=True)]
    engine = Engine(CAMPUS, rules, started=at(FROM - 5))
    found: list[Finding] = []
    for arrives, message in sorted(arrivals, key=lambda pair: pair[0]):
        while tick and engine.watermark + timedelta(seconds=tick) < arrives - LATENESS:
            found += engine.advance(engine.watermark + timedelta(seconds=tick))
        found += engine.advance(arrives - LATENESS)
        found += engine.accept(msgspec.structs.replace(message, received_at=arrives))
    found += engine.advance(at(UNTIL + 200))
    assert engine.health == {}
    changes = engine.changes()
    return found, Saved(position=changes.position).after(changes)


def live(messages: Sequence[Any]) -> list[Any]:
    return [each for each in messages if each.exercise == "live"]


@given(mixed(), st.lists(st.sampled_from([0.0, 0.3, 0.9, 4.0, 30.0]), min_size=43, max_size=43))
@settings(deadline=None, max_examples=150)
def test_no_trial_ever_changes_what_is_found_or_remembered_live(messages: list[Message], delays: list[float]) -> None:
    rules = STREAMS + ON_ARRIVAL
    with_trials, kept = judged(messages, delays[: len(messages)], rules)
    late = [delay for each, delay in zip(messages, delays, strict=False) if each.exercise == "live"]
    without, expected = judged(live(messages), late, rules)
    assert lines(live(with_trials)) == lines(without)
    assert by_name(kept) == by_name(expected)


def by_name(saved: Saved) -> dict[Any, Any]:
    return {(each.rule, each.key): each for each in saved.states} | {
        (each.entity, each.id): each for each in saved.settled
    }


@given(mixed())
@settings(deadline=None, max_examples=60)
def test_how_often_time_is_told_makes_no_difference_to_an_exercise(messages: list[Message]) -> None:
    none = [0.0] * len(messages)
    coarse, _ = judged(messages, none, STREAMS)
    fine, _ = judged(messages, none, STREAMS, tick=0.5)
    assert marked(coarse) == marked(fine)


def marked(findings: Sequence[Finding]) -> list[str]:
    return sorted(f"{each.exercise} {line}" for each in findings for line in lines([each]))


@given(mixed(), st.integers(0, 42))
@settings(deadline=None, max_examples=60)
def test_a_restart_in_the_middle_of_an_exercise_makes_no_difference(messages: list[Message], cut: int) -> None:
    rules = STREAMS + ON_ARRIVAL
    straight, _ = judged(messages, [0.0] * len(messages), rules)
    engine = Engine(CAMPUS, rules, started=at(FROM - 5))
    first = engine.changes()
    saved, heard = Saved(position=first.position).after(first), list[Message]()
    found: list[Finding] = []
    for number, message in enumerate(messages):
        found += engine.advance(message.at - LATENESS)
        found += engine.accept(message)
        heard.append(message)
        saved = saved.after(engine.changes())
        if number == cut:
            engine = Engine(CAMPUS, rules, started=saved.position.watermark)
            engine.restore(saved, [each for each in heard if each.at > saved.position.watermark])
    found += engine.advance(at(UNTIL + 200))
    assert marked(found) == marked(straight)


@given(mixed())
@settings(deadline=None, max_examples=60)
def test_whatever_an_exercise_begins_is_ended_once(messages: list[Message]) -> None:
    found, _ = judged(messages, [0.0] * len(messages), STREAMS)
    open_now: set[tuple[str, str, str]] = set()
    for each in found:
        name = (each.exercise, each.rule, each.key)
        if each.state == "resolved":
            assert name in open_now
            open_now.remove(name)
        else:
            open_now.add(name)
