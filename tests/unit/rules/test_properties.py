"""What must hold for any messages: the order of arrival, cuts in time and restarts make no difference."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from core.facts import Facts
from core.findings import Finding
from core.messages import Message
from rules.engine import Engine
from rules.replay import replay
from rules.rule import Rule
from rules.saved import Saved
from tests.campuses import lincoln
from tests.unit.rules.talk import LATENESS, at, rules_from, say

CAMPUS = lincoln()
RULES = rules_from(
    """
{id: hold, title: T, key: door.id, keep: 5s, hold: {while: 'door.position == "open" && !door.in_window', for: 20s},
 ladder: [{after: 0s, severity: minor}, {after: 30s, severity: severe}]}
---
{id: hold-active, title: T, key: door.id, active: {calendar: class_time}, severity: minor,
 hold: {while: 'door.position == "open" && campus.open_exterior_doors > 1', for: 10s}}
---
{id: hold-clear, title: T, key: gathering.id, keep: 3s, severity: minor,
 hold: {while: gathering.count > 3, for: 0s}, clear: gathering.count <= 1}
---
{id: without, title: T, key: door.id, keep: 4s, severity: minor, clear: 'door.position == "closed"',
 without: {of: door.opened, prior: [access.granted, exit.requested], within: 10s, slack: 5s}}
---
{id: without-momentary, title: T, key: door.id, severity: minor,
 without: {of: door.opened, prior: access.granted, within: 3s}}
---
{id: match-slow, title: T, key: visit.id, severity: minor,
 match: {of: 'visitor.*', if: 'visit.state == "in"', slack: 2s}}
---
{id: count, title: T, key: zone.id, severity: minor, count: {of: [door.opened, door.closed], at_least: 4, within: 30s}}
---
{id: count-quiet, title: T, key: door.id, severity: minor, clear: {quiet: 15s},
 count: {of: 'door.*', at_least: 3, within: 20s}}
---
{id: sequence, title: T, key: zone.id, severity: minor,
 sequence: {steps: [{of: access.granted, as: a}, {of: door.opened, if: msg.door != a.door}], within: 20s}}
---
{id: follow, title: T, key: door.id, severity: minor, clear: 'door.position == "closed"',
 follow: {after: door.opened, expect: [door.closed, access.granted], within: 12s}}
---
{id: silent, title: T, key: device.id, severity: minor, silent: {of: ['door.*', 'access.*'], for: 40s}}
---
{id: deadline, title: T, key: visit.id, severity: minor,
 deadline: {at: visit.expected_out, if: 'visit.state == "in"'}}
---
{id: lesson-end, title: T, key: campus.id, severity: minor,
 deadline: {at: calendar.arrival.end + 10s, if: campus.open_exterior_doors > 0}}
"""
)
ON_ARRIVAL = rules_from(
    """
{id: match-clear, title: T, key: door.id, keep: 2s, severity: minor, clear: 'door.position == "closed"',
 match: {of: [door.opened, exit.requested]}}
---
{id: match-quiet, title: T, key: door.id, severity: minor, clear: {quiet: 7s}, match: {of: access.granted}}
"""
)
# The arrival window ends 300 s after the start: the messages lie around it.
FROM, UNTIL = 240, 380


def _message(draw: st.DrawFn, number: int) -> Message:
    when = draw(st.integers(FROM * 2, UNTIL * 2)) / 2
    door = draw(st.sampled_from(["main", "gym-east", "gym-west"]))
    kind = draw(
        st.sampled_from(
            ["door.opened", "door.closed", "access.granted", "exit.requested"] * 2
            + ["attendance.entered", "attendance.left", "visitor.checked_in", "visitor.checked_out"]
        )
    )
    if kind.startswith("attendance"):
        return say(kind, when, "winter-concert", count=draw(st.integers(1, 3)), message_id=f"{number}", seq=number)
    if kind.startswith("visitor"):
        out = at(when + draw(st.integers(0, 40)))
        return say(
            kind, when, draw(st.sampled_from(["v1", "v2"])), expected_out=out, message_id=f"{number}", seq=number
        )
    device = "gym-east-contact" if door == "gym-east" else door
    initial = draw(st.integers(0, 9)) == 0
    return say(kind, when, door, device=device, initial=initial, message_id=f"{number}", seq=number)


@st.composite
def streams(draw: st.DrawFn) -> list[Message]:
    """Messages in order of their time; those of one source and instant are told apart by their number."""
    number = draw(st.integers(1, 40))
    return sorted(
        (_message(draw, each) for each in range(number)), key=lambda message: (message.at, message.source, message.seq)
    )


def lines(findings: list[Finding]) -> list[str]:
    return sorted(f"{f.at} {f.rule} {f.key} {f.state} {f.severity} {f.late} {f.because}" for f in findings)


def drive(messages: list[Message], delay: list[float] | None = None, rules: Sequence[Rule] = RULES) -> list[Finding]:
    """Return what is found when each message arrives its own delay after its time."""
    delays = delay or [0.0] * len(messages)
    arrivals = sorted(zip(messages, delays, strict=True), key=lambda pair: pair[0].at + timedelta(seconds=pair[1]))
    engine = Engine(CAMPUS, rules, started=at(FROM - 5))
    found: list[Finding] = []
    for message, late in arrivals:
        found += engine.advance(message.at + timedelta(seconds=late) - LATENESS)
        found += engine.accept(message)
    found += engine.advance(at(UNTIL + 200))
    assert engine.health == {}
    return found


@settings(max_examples=150, deadline=None)
@given(streams(), st.data())
def test_the_order_of_arrival_within_the_lateness_makes_no_difference(
    messages: list[Message], data: st.DataObject
) -> None:
    delays = data.draw(st.lists(st.floats(0, 0.99), min_size=len(messages), max_size=len(messages)))
    # Of one source, order counts: its own messages keep theirs, as on a broker.
    assert lines(drive(messages, delays)) == lines(drive(messages))


@settings(max_examples=100, deadline=None)
@given(streams(), st.data())
def test_repeats_change_nothing(messages: list[Message], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(messages), max_size=20)) if messages else []
    doubled = sorted([*messages, *again], key=lambda message: message.at)
    end = at(UNTIL + 200)
    once = list(replay(CAMPUS, RULES, [*messages, end], lateness=LATENESS))
    twice = list(replay(CAMPUS, RULES, [*doubled, end], lateness=LATENESS))
    assert lines(twice) == lines(once)


@settings(max_examples=100, deadline=None)
@given(streams(), st.lists(st.integers(FROM - 10, UNTIL + 190), max_size=10))
def test_time_may_go_on_in_any_steps(messages: list[Message], cuts: list[int]) -> None:
    engine = Engine(CAMPUS, RULES, started=at(FROM - 5))
    found: list[Finding] = []
    moves: list[tuple[datetime, Message | None]] = [(message.at, message) for message in messages]
    moves += [(at(cut), None) for cut in cuts]
    for now, message in sorted(moves, key=lambda move: move[0]):
        found += engine.advance(now - LATENESS)
        found += engine.accept(message) if message else []
    found += engine.advance(at(UNTIL + 200))
    assert lines(found) == lines(drive(messages))


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(1, 5), st.integers(0, 40))
def test_a_backlog_may_be_judged_in_slices_while_more_arrives(messages: list[Message], most: int, waiting: int) -> None:
    engine = Engine(CAMPUS, RULES, started=at(FROM - 5))
    found: list[Finding] = []
    for message in messages[:waiting]:
        found += engine.accept(message)
    for message in messages[waiting:]:
        before = engine.steps
        found += engine.advance(message.at - LATENESS, most=most)
        assert engine.watermark == message.at - LATENESS or engine.steps > before
        found += engine.accept(message)
    while engine.watermark < at(UNTIL + 200):
        found += engine.advance(at(UNTIL + 200), most=most)
    assert lines(found) == lines(drive(messages))


@settings(max_examples=150, deadline=None)
@given(streams(), st.lists(st.integers(0, 40), max_size=4), st.data())
def test_an_engine_that_was_stopped_goes_on_as_if_it_had_not_been(
    messages: list[Message], cuts: list[int], data: st.DataObject
) -> None:
    delays = data.draw(st.lists(st.floats(0, 4), min_size=len(messages), max_size=len(messages)))
    rules = [*RULES, *ON_ARRIVAL]
    arrivals = sorted(zip(messages, delays, strict=True), key=lambda pair: pair[0].at + timedelta(seconds=pair[1]))
    engine = Engine(CAMPUS, rules, started=at(FROM - 5))
    first = engine.changes()
    saved = Saved(position=first.position).after(first)
    journal: list[Message] = []
    now: dict[tuple[str, str], Facts] = {}
    found: list[Finding] = []
    for place, (message, late) in enumerate(arrivals):
        found += engine.advance(message.at + timedelta(seconds=late) - LATENESS)
        found += engine.accept(message)
        journal.append(message)
        saved = saved.after(engine.changes())
        now |= {(facts.entity, facts.id): facts for facts in engine.now.take_changes()}
        if place in cuts:
            engine = Engine(CAMPUS, rules, started=saved.position.watermark)
            engine.restore(saved, [each for each in journal if each.at > saved.position.watermark], now.values())
    found += engine.advance(at(UNTIL + 200))
    assert lines(found) == lines(drive(messages, delays, rules))
