"""Rules that hear rules: what is found live is said to the engine again, once, and is known after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.findings import Finding
from core.messages import AlertOpened, Message
from rules.echo import Echo
from rules.engine import Engine
from rules.replay import replay
from rules.rule import Rule
from rules.saved import Saved, read_beyond, write_beyond
from tests.campuses import lincoln
from tests.unit.rules.talk import LATENESS, at, closed, opened, rules_from, run, say, short
from tests.unit.rules.test_properties import lines, streams

CAMPUS = lincoln(gatherings=[])
HELD = """
{id: held, title: T, key: door.id, keep: 5s, ladder: [{after: 0s, severity: minor}, {after: 9s, severity: severe}],
 hold: {while: 'door.position == "open"', for: 20s}}
---
{id: again, title: T, key: door.id, severity: minor,
 count: {of: alert.opened, if: msg.rule == "held", at_least: 2, within: 10m}}
"""
RULES = rules_from(HELD)


class Life:
    """An engine that is moved on, and now and then killed and taken up again from what it had written down."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = list(rules)
        self.engine = Engine(CAMPUS, self.rules, started=at(-60))
        first = self.engine.changes()
        self.saved = Saved(position=first.position).after(first)
        self.journal: list[Message] = []
        self.found: list[Finding] = []

    def hear(self, *messages: Message) -> None:
        for message in messages:
            self.found += self.engine.advance(message.received_at - LATENESS)
            self.found += self.engine.accept(message)
            self.journal.append(message)
            self.saved = self.saved.after(self.engine.changes())

    def go(self, seconds: float) -> None:
        self.found += self.engine.advance(at(seconds) - LATENESS)
        self.saved = self.saved.after(self.engine.changes())

    def die(self) -> None:
        position = self.saved.position
        self.engine = Engine(CAMPUS, self.rules, started=position.watermark)
        self.engine.restore(self.saved, [each for each in self.journal if each.at > position.watermark])

    def of(self, rule: str) -> list[str]:
        return short(each for each in self.found if each.rule == rule)


# ------------------------------------------------------------------------------------------------------- what is heard
def test_a_rule_hears_that_another_began_and_counts_each_finding_once() -> None:
    found = run(CAMPUS, RULES, opened("main", 0), closed("main", 60), opened("main", 100), until=200)
    assert short(each for each in found if each.rule == "again") == ["firing main 120"]


def test_neither_steps_of_a_ladder_nor_repeats_are_heard() -> None:
    found = run(CAMPUS, RULES, opened("main", 0), until=300)
    assert short(each for each in found if each.rule == "held") == ["firing main 20", "firing main 29"]
    assert [each for each in found if each.rule == "again"] == []


def test_the_end_of_a_finding_is_heard_too() -> None:
    rules = rules_from(HELD + "---\n{id: over, title: T, key: door.id, severity: minor, match: {of: alert.cleared}}")
    found = run(CAMPUS, rules, opened("main", 0), closed("main", 60), until=100)
    assert short(each for each in found if each.rule == "over" and each.state == "firing") == ["firing main 60"]


def test_the_end_of_what_a_rule_had_open_that_changed_while_we_were_down_is_heard_too() -> None:
    over = "---\n{id: over, title: T, key: door.id, severity: minor, match: {of: alert.cleared}}"
    life = Life(rules_from(HELD + over))
    life.hear(opened("main", 0))
    life.go(60)
    engine = Engine(CAMPUS, [each for each in life.rules if each.id != "held"], started=life.saved.position.watermark)
    found = engine.restore(life.saved, [])
    assert short(each for each in found if each.rule == "over" and each.state == "firing") == ["firing main 59"]


@pytest.mark.parametrize("mode", ["shadow", "disabled"])
def test_what_is_only_tried_out_is_not_heard(mode: str) -> None:
    rules = rules_from(HELD.replace("id: held, title: T,", f"id: held, title: T, mode: {mode},"))
    found = run(CAMPUS, rules, opened("main", 0), closed("main", 60), opened("main", 100), until=200)
    assert [each for each in found if each.rule == "again"] == []


def test_what_is_only_rehearsed_is_not_heard_and_what_is_live_is_heard_in_an_exercise_once() -> None:
    drill = {"exercise": "drill"}
    found = run(
        CAMPUS,
        RULES,
        say("campus.state_changed", 0, state="lockdown", **drill),
        opened("main", 1, **drill),
        closed("main", 60, **drill),
        opened("main", 70, **drill),
        closed("main", 110, **drill),
        until=200,
    )
    assert [each for each in found if each.rule == "again"] == []
    found = run(
        CAMPUS,
        RULES,
        say("campus.state_changed", 0, state="lockdown", **drill),
        opened("main", 1),
        closed("main", 60),
        opened("main", 70),
        until=200,
    )
    assert [(each.at, each.exercise) for each in found if each.rule == "again"] == [(at(90), "live")]


def test_rules_that_listen_for_alerts_cannot_call_themselves_or_each_other_without_end() -> None:
    rules = rules_from(
        HELD
        + """---
{id: every, title: T, key: campus.id, severity: minor, match: {of: 'alert.*'}}
---
{id: each, title: T, key: campus.id, severity: minor, follow: {after: alert.opened, expect: sweep.logged, within: 1s}}
"""
    )
    found = run(CAMPUS, rules, opened("main", 0), until=3600)
    assert short(each for each in found if each.rule == "every" and each.state == "firing") == ["firing lincoln 20"]
    assert short(each for each in found if each.rule == "each" and each.state == "firing") == ["firing lincoln 21"]


def test_the_door_of_a_device_is_named() -> None:
    rules = rules_from("{id: off, title: T, key: device.id, severity: minor, hold: {while: '!device.online', for: 0s}}")
    found = run(CAMPUS, rules, say("device.offline", 0, "gym-east-contact"), until=10)
    (said,) = Echo(RULES).of(found, CAMPUS, at(10))
    assert (said.kind, said.subject, said.door) == ("alert.opened", "gym-east-contact", "gym-east")


# ------------------------------------------------------------------------------------------- live, replayed, restarted
def test_a_replay_that_takes_long_steps_hears_the_same_at_the_same_time() -> None:
    messages = [opened("main", 0), closed("main", 60), opened("main", 100)]
    steps = run(CAMPUS, RULES, messages[0], 21, 30, messages[1], 66, messages[2], 121, 122, until=900)
    items: list[Message | datetime] = [at(-59), *messages, at(900)]
    replayed = list(replay(CAMPUS, RULES, items, lateness=LATENESS))
    assert lines(replayed) == lines(steps)
    assert [each.late for each in replayed if (each.rule, each.state) == ("again", "firing")] == [False]


def test_what_was_open_before_a_restart_is_not_heard_again_and_what_comes_after_it_is() -> None:
    life = Life(RULES)
    life.hear(opened("main", 0))
    life.go(25)
    life.die()
    life.go(40)  # the step of the ladder
    assert life.of("again") == []
    life.hear(closed("main", 60), opened("main", 100))
    life.die()
    life.go(200)
    assert life.of("again") == ["firing main 120"]


def test_what_was_found_on_arrival_and_lies_beyond_the_watermark_survives_a_restart() -> None:
    rules = rules_from(
        """
{id: refused, title: T, key: visit.id, severity: minor, match: {of: visitor.id_refused}}
---
{id: two, title: T, key: campus.id, severity: minor, count: {of: alert.opened, at_least: 2, within: 1m}}
"""
    )
    life = Life(rules)
    life.hear(say("visitor.id_refused", 10, "v-1"), say("visitor.id_refused", 10.5, "v-2"))
    assert life.of("two") == [], "in order of time it is not yet its turn"
    life.die()
    life.go(20)
    assert life.of("two") == ["firing lincoln 10.5"]
    assert life.saved.beyond == ()


def test_what_lies_beyond_the_watermark_is_written_down_and_read_back() -> None:
    said = AlertOpened(
        campus="c", source="s", message_id="m", at=at(1), received_at=at(2), subject="main", rule="r", severity="minor"
    )
    (found,) = read_beyond(write_beyond([said]))
    assert found == said
    assert found.kind == "alert.opened"


def test_a_rule_that_begins_to_listen_does_not_take_an_open_finding_for_a_new_one() -> None:
    life = Life(RULES[:1])
    life.hear(opened("main", 0))
    life.go(22)
    life.found += life.engine.replace_rules(RULES)
    life.hear(closed("main", 60), opened("main", 100))
    life.go(200)
    assert life.of("again") == [], "one of the two began before anybody listened"


@settings(max_examples=100, deadline=None)
@given(streams(), st.lists(st.integers(0, 40), max_size=4))
def test_stopped_and_taken_up_again_anywhere_it_counts_the_same(messages: list[Message], cuts: list[int]) -> None:
    # The streams lie around the end of an arrival window: doors, badges and visitors, many at once.
    rules = rules_from(HELD.replace("for: 20s", "for: 4s"))
    stopped, never = Life(rules), Life(rules)
    for place, message in enumerate(messages):
        stopped.hear(message)
        never.hear(message)
        if place in cuts:
            stopped.die()
    stopped.go(900)
    never.go(900)
    assert lines(stopped.found) == lines(never.found)
    items: list[Message | datetime] = [at(-59), *messages, at(900)]
    replayed = list(replay(CAMPUS, rules, items, lateness=LATENESS))
    assert lines(replayed) == lines(never.found)
