"""What must hold of the protocols that ship, all of them at once, for whatever is heard: order of arrival, repeats,
restarts and swaps of the rules make no difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from core.facts import Facts
from core.findings import Finding
from core.messages import DoorMessage, Message
from core.world import World
from rules.engine import Engine
from rules.index import Index
from rules.plan import lay_out
from rules.replay import replay
from rules.rule import Rule, shipped
from rules.saved import Saved
from tests.campuses import LINCOLN, lincoln
from tests.unit.rules.talk import LATENESS, at, rules_from, say
from tests.unit.rules.test_properties import lines

DOORS = ("main", "gym-east", "gym-west", "office", "store", "yard")
DEVICES = ("gym-east-contact", "main-contact", "gateway")
CAMPUS = lincoln(
    doors=[
        *LINCOLN["doors"],
        {"id": "store", "name": "Store", "zone": "gym", "class": "interior", "has_rex": True},
        {"id": "yard", "name": "Yard", "zone": "lobby", "exterior": True, "class": "exit_only", "tags": ["elementary"]},
    ],
    devices=[
        {"id": "gym-east-contact", "door": "gym-east", "kind": "door", "heartbeat": "5m"},
        {"id": "main-contact", "door": "main", "kind": "door"},
        {"id": "gateway", "kind": "gateway"},
    ],
    gatherings=[
        {
            **LINCOLN["gatherings"][0],
            "start": "2026-11-24T18:02",
            "end": "2026-11-24T18:20",
            "load": 60,
            "setup": "10m",
        },
        {"id": "dance", "name": "Dance", "zone": "lobby", "start": "2026-11-24T08:01", "end": "2026-11-24T08:09"}
        | {"load": 55, "tags": ["dance"], "re_entry": False},
    ],
)
PACK = shipped()
IN_ORDER = [rule for rule in PACK if not rule.operator.on_arrival]
SCENES = (0, 35_400)
"""Seconds after 08:00: the arrival window ends 5 min after the first, the campus closes 10 min after the other."""
LENGTH = 1500
AFTER = 7200


def _door(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    kinds = ["door.opened"] * 4 + ["door.closed"] * 3 + ["door.locked", "door.unlocked"]
    kinds += ["access.granted", "access.denied", "exit.requested"]
    return draw(st.sampled_from(kinds)), draw(st.sampled_from(DOORS)), {"initial": draw(st.integers(0, 14)) == 0}


def _visit(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    kinds = ["checked_in"] * 3 + ["checked_out"] * 2 + ["denied", "screened", "id_refused", "preregistered"]
    others = ["badge.scanned", "escort.assigned", "pickup.requested"]
    kind = draw(st.sampled_from([*(f"visitor.{each}" for each in kinds), *others]))
    fields: dict[str, Any] = {"zone": draw(st.sampled_from(["lobby", "gym"]))}
    if kind == "pickup.requested":
        fields["watch"] = draw(st.sampled_from(["", "custody"]))
    if kind == "visitor.screened":
        fields["screening"] = draw(st.sampled_from(["clear", "possible", "confirmed", "error"]))
    if kind == "visitor.checked_in":
        fields["escort_required"] = draw(st.booleans())
        fields |= {"expected_out": at(draw(st.sampled_from(SCENES)) + 600)} if draw(st.booleans()) else {}
    if kind == "visitor.checked_out":
        fields["method"] = draw(st.sampled_from(["person", "auto"]))
    return kind, draw(st.sampled_from(["v-1", "v-2"])), fields


def _people(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    kind = draw(st.sampled_from(["attendance.entered"] * 3 + ["attendance.left", "attendance.counted"]))
    fields: dict[str, Any] = {"count": draw(st.sampled_from([1, 20, 56]))}
    fields["role"] = draw(st.sampled_from(["student", "student", "supervisor", "crowd_manager", "chaperone"]))
    fields |= {"ticket": "t-1"} if fields["count"] == 1 else {}
    return kind, draw(st.sampled_from(["winter-concert", "dance"])), fields


def _device(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    kinds = ["heartbeat", "heartbeat", "offline", "online", "tampered", "restored", "battery_low"]
    kind = draw(st.sampled_from(kinds))
    return f"device.{kind}", draw(st.sampled_from(DEVICES)), {}


def _run_of_openings(draw: st.DrawFn, begin: float, number: int) -> list[Message]:
    """Return what a door says that is held open, or flaps, time and again."""
    door, first = draw(st.sampled_from(DOORS)), begin + draw(st.integers(0, 300))
    length, pause = draw(st.sampled_from([(3.0, 4.0), (70.0, 20.0), (95.0, 30.0)]))
    times = [(first + n * (length + pause), n) for n in range(5)]
    return [
        say(kind, when + shift, door, message_id=f"run-{number}-{n}-{kind}", seq=1000 + n)
        for when, n in times
        for kind, shift in (("door.opened", 0.0), ("door.closed", length))
    ]


def _state(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    states = ["normal", "normal", "secure", "lockdown", "evacuate", "shelter"]
    return "campus.state_changed", "", {"state": draw(st.sampled_from(states))}


KINDS: tuple[Callable[[st.DrawFn], tuple[str, str, dict[str, Any]]], ...] = (
    *(_door,) * 4,
    *(_visit,) * 2,
    _people,
    _device,
    _state,
)


@st.composite
def days(draw: st.DrawFn) -> list[Message]:
    """Messages of half an hour of a school, in order of their time."""
    begin = draw(st.sampled_from(SCENES))
    messages: list[Message] = []
    for number in range(draw(st.integers(1, 50))):
        kind, key, fields = draw(st.sampled_from(KINDS))(draw)
        when = begin + draw(st.integers(0, LENGTH * 4)) / 4
        messages.append(say(kind, when, key, message_id=f"{number}", seq=number, **fields))
    if draw(st.booleans()):
        messages += _run_of_openings(draw, begin, len(messages))
    return sorted(messages, key=lambda message: (message.at, message.source, message.seq))


def arrivals(messages: Sequence[Message], delays: Sequence[float]) -> list[tuple[datetime, Message]]:
    pairs = ((m.at + timedelta(seconds=late), m) for m, late in zip(messages, delays, strict=True))
    return sorted(pairs, key=lambda pair: pair[0])


def drive(heard: Sequence[tuple[datetime, Message]], rules: Sequence[Rule] = PACK) -> list[Finding]:
    """Return what is found when each message arrives at its time."""
    engine = Engine(CAMPUS, rules, started=heard[0][0] - timedelta(minutes=1))
    found: list[Finding] = []
    for now, message in heard:
        found += engine.advance(now - LATENESS) + engine.accept(message)
    found += engine.advance(heard[-1][0] + timedelta(seconds=AFTER))
    assert engine.health == {}
    return found


def some_delays(data: st.DataObject, messages: Sequence[Message], longest: float) -> list[float]:
    return data.draw(st.lists(st.floats(0, longest), min_size=len(messages), max_size=len(messages)))


@settings(max_examples=50, deadline=None)
@given(days(), st.data())
def test_the_order_of_arrival_within_the_lateness_makes_no_difference(
    messages: list[Message], data: st.DataObject
) -> None:
    # Begun at the same instant: the first to arrive need not be the first to be said.
    first = (messages[0].at, messages[0])
    delayed = [first, *arrivals(messages[1:], some_delays(data, messages[1:], 0.99))]
    in_time = arrivals(messages, [0.0] * len(messages))
    assert lines(drive(delayed, IN_ORDER)) == lines(drive(in_time, IN_ORDER))


@settings(max_examples=40, deadline=None)
@given(days(), st.data())
def test_repeats_change_nothing(messages: list[Message], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(messages), max_size=20))
    doubled = sorted([*messages, *again], key=lambda message: message.at)
    end = messages[-1].at + timedelta(seconds=AFTER)
    once = list(replay(CAMPUS, PACK, [*messages, end], lateness=LATENESS))
    twice = list(replay(CAMPUS, PACK, [*doubled, end], lateness=LATENESS))
    assert lines(twice) == lines(once)


@settings(max_examples=50, deadline=None)
@given(days(), st.lists(st.integers(0, 50), max_size=4), st.data())
def test_a_replay_finds_what_was_found_live_also_across_restarts(
    messages: list[Message], cuts: list[int], data: st.DataObject
) -> None:
    heard = arrivals(messages, some_delays(data, messages, 4))
    heard = [(now, structs.replace(message, received_at=now)) for now, message in heard]
    engine = Engine(CAMPUS, PACK, started=heard[0][0] - LATENESS)
    first = engine.changes()
    saved = Saved(position=first.position).after(first)
    journal: list[Message] = []
    facts: dict[tuple[str, str], Facts] = {}
    found: list[Finding] = []
    for place, (now, message) in enumerate(heard):
        # The ticks of the service come between; a replay has none.
        for tick in sorted(data.draw(st.lists(st.floats(0.1, 1), max_size=2))):
            found += engine.advance(engine.watermark + (now - LATENESS - engine.watermark) * tick)
        found += engine.advance(now - LATENESS) + engine.accept(message)
        journal.append(message)
        saved = saved.after(engine.changes())
        facts |= {(each.entity, each.id): each for each in engine.now.take_changes()}
        if place in cuts:
            position = saved.position
            engine = Engine(CAMPUS, PACK, started=position.watermark)
            engine.restore(saved, [each for each in journal if each.at > position.watermark], facts.values())
    end = heard[-1][0] + timedelta(seconds=AFTER)
    found += engine.advance(end - LATENESS)
    replayed = list(replay(CAMPUS, PACK, [*(message for _, message in heard), end], lateness=LATENESS))
    assert lines(found) == lines(replayed)


@settings(max_examples=40, deadline=None)
@given(days(), st.lists(st.integers(0, 50), max_size=4))
def test_a_swap_to_rules_of_the_same_conditions_neither_loses_nor_repeats_a_finding(
    messages: list[Message], swaps: list[int]
) -> None:
    heard = arrivals(messages, [0.0] * len(messages))
    engine = Engine(CAMPUS, PACK, started=heard[0][0] - timedelta(minutes=1))
    found: list[Finding] = []
    for place, (now, message) in enumerate(heard):
        found += engine.advance(now - LATENESS) + engine.accept(message)
        if place in swaps:
            found += engine.replace_rules([replace(rule, version=rule.version + 1) for rule in engine.rules])
    found += engine.advance(heard[-1][0] + timedelta(seconds=AFTER))
    assert told(found) == told(drive(heard))


def told(findings: Sequence[Finding]) -> list[str]:
    """Return findings without their versions."""
    return sorted(f"{f.at} {f.rule} {f.key} {f.state} {f.severity} {f.late}" for f in findings)


ZONED = rules_from("""
id: zone-busy
title: Many doors of a zone open
key: zone.id
severity: minor
count: {of: [door.opened, device.tampered], at_least: 3, within: 1m}
---
id: zone-gym-open
title: Something stands open while the gym is full
key: zone.id
scope: {zone: {id: gym}}
severity: minor
hold: {while: 'zone.count > 10 && campus.open_exterior_doors >= 1', for: 5s}
""")


@settings(deadline=None)
@given(days(), st.data())
def test_what_the_index_remembers_is_what_it_would_find_anew(messages: list[Message], data: st.DataObject) -> None:
    world = World(CAMPUS)
    index = Index([lay_out(rule, CAMPUS, world) for rule in (*IN_ORDER, *ZONED)], CAMPUS, world)
    for message in messages:
        spoke = message
        if isinstance(message, DoorMessage):
            device = data.draw(st.sampled_from([None, *DEVICES, "office"]))
            spoke = structs.replace(message, device=device)
        edge, told = world.take_in(spoke)
        found = index.looks(spoke, told, edge=edge)
        assert list(found) == list(index._find(spoke, told, edge=edge))
