from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from core.campus import Campus
from core.findings import Finding
from core.messages import Message
from core.world import World
from rules.engine import Engine
from rules.index import Index
from rules.judge import Judge
from rules.language.scene import Scene
from rules.plan import lay_out
from rules.replay import as_line, replay
from rules.rule import Rule, shipped, with_params
from rules.saved import Saved
from tests.campuses import LINCOLN, lincoln
from tests.unit.rules.talk import LATENESS, at, closed, opened, rule_from, rules_from, run, say, short

HELD = """
id: held
title: Held open
key: door.id
params: {hold: {type: duration, default: 60s, min: 1s, max: 30m}}
hold: {while: 'door.position == "open"', for: p.hold}
severity: severe
"""


@pytest.fixture
def campus() -> Campus:
    return lincoln(calendar={}, gatherings=[])


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


def started(campus: Campus, *rules: Rule) -> Engine:
    return Engine(campus, rules, started=at(-1))


# -------------------------------------------------------------------------------------------------- the findings
def test_a_finding_says_what_happened_and_why(campus: Campus) -> None:
    rule = rule_from(
        HELD
        + """
alert: {text: '{door} in {zone} open for {p.hold} ({door.exterior}, {door.lock})', do: [Close it.], policy: severe,
        cooldown: 5m, group: doors, latch: true}
"""
    )
    (found,) = run(campus, [rule], opened("gym-east", 0, message_id="a-1"), until=61)
    assert found.campus == "lincoln"
    assert (found.rule, found.version, found.key, found.entity) == ("held", 1, "gym-east", "door")
    assert found.title == "Held open"
    assert found.text == "Door 7 (Gym east) in Gymnasium open for 1m (yes, unknown)"
    assert msgspec.to_builtins(found.advice) == {
        "policy": "severe",
        "do": ("Close it.",),
        "cooldown_s": 300.0,
        "group": "doors",
        "latch": True,
    }
    assert found.because["messages"] == [
        {"kind": "door.opened", "key": "gym-east", "at": "2026-11-24T14:00:00Z", "message_id": "a-1"}
    ]
    assert msgspec.json.decode(msgspec.json.encode(found.because)) == found.because


def test_without_a_text_the_title_and_the_name_are_said(campus: Campus, held: Rule) -> None:
    (found,) = run(campus, [held], opened("main", 0), until=61)
    assert found.text == "Held open: Door 1 (Main entrance)"


def test_a_line_of_a_replay_has_the_promised_shape(campus: Campus, held: Rule) -> None:
    (found,) = replay(campus, [held], [opened("main", 0), at(61)], lateness=LATENESS)
    line = as_line(found)
    assert list(line) == ["at", "rule", "key", "state", "severity", "late", "mode", "text", "because"]
    assert line["at"] == "2026-11-24T14:01:00Z"


# ------------------------------------------------------------------------------------------------------ the order
def test_messages_are_judged_in_order_of_their_time_not_of_their_arrival(campus: Campus, held: Rule) -> None:
    found = run(campus, [held], closed("main", 30.5, received=30.6), opened("main", 30, received=30.9), until=200)
    assert found == []


def test_of_the_same_instant_the_number_of_the_source_decides(campus: Campus, held: Rule) -> None:
    first, second = opened("main", 30, seq=1), closed("main", 30, seq=2)
    assert run(campus, [held], second, first, until=200) == []
    first, second = closed("main", 30, seq=1), opened("main", 30, seq=2)
    assert short(run(campus, [held], second, first, until=200)) == ["firing main 90"]


def test_time_never_goes_back(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.advance(at(100))
    assert engine.advance(at(50)) == []
    assert engine.watermark == at(100)


def test_the_next_thing_to_do_is_known(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 5))
    assert engine.next_due == at(5)
    engine.advance(at(5))
    assert engine.next_due == at(65)


def test_now_is_what_was_told_and_the_judged_view_waits(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 5))
    facts: Any = engine.now.get("door", "main")
    assert facts.position == "open"
    assert [each.id for each in engine.now.take_changes()] == ["main"]


def test_a_replay_gives_lines_in_order_of_time_and_drops_repeats(campus: Campus) -> None:
    rules = rules_from(
        HELD + "keep: 5s\n---\n{id: seen, title: T, key: door.id, severity: minor, match: {of: door.closed}}"
    )
    stream = [opened("main", 0), closed("main", 90), opened("office", 91)]
    found = list(replay(campus, rules, [*stream, stream[0], at(200)], lateness=LATENESS))
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert short(found) == [
        "firing main 60",
        "firing main 90",
        "resolved main 90",
        "resolved main 90",
        "firing office 151",
    ]


def test_at_the_end_of_a_replay_nothing_happens_by_itself(campus: Campus, held: Rule) -> None:
    assert list(replay(campus, [held], [opened("main", 0)], lateness=LATENESS)) == []


def test_an_anonymous_reading_may_be_said_twice_and_a_redelivery_may_not(campus: Campus) -> None:
    count = rule_from(
        "{id: r, title: T, key: gathering.id, severity: minor, hold: {while: gathering.count > 1, for: 0s}}"
    )
    campus = lincoln()

    def entered(when: float, **more: Any) -> Any:
        return say("attendance.entered", when, "winter-concert", message_id="same", **more)

    twice = [entered(0, identified=False), entered(5, identified=False), at(60)]
    assert short(replay(campus, [count], twice, lateness=LATENESS)) == ["firing winter-concert 5"]
    again = [entered(0, identified=False), entered(5, identified=False, redelivered=True), at(60)]
    assert list(replay(campus, [count], again, lateness=LATENESS)) == []
    named = [entered(0), entered(5), entered(86_500), at(90_000)]
    assert short(replay(campus, [count], named, lateness=LATENESS)) == ["firing winter-concert 86500"]


# ---------------------------------------------------------------------------------------------- a rule that breaks
def _fail(_scene: Scene) -> bool:
    raise ValueError("a bug")


def test_a_rule_that_raises_is_stood_aside_and_the_others_go_on(campus: Campus, held: Rule) -> None:
    broken = replace(held, id="broken", frame=replace(held.frame, is_active=_fail))
    engine = started(campus, broken, held)
    engine.take_tally()
    engine.accept(opened("main", 0))
    assert short(engine.advance(at(60))) == ["firing main 60"]
    assert engine.health == {"broken": "stood aside: ValueError: a bug"}
    tally = engine.take_tally()
    assert (tally["broken"].evaluations, tally["broken"].errors) == (1, 1)
    assert (tally["held"].evaluations, tally["held"].errors) == (2, 0), "as it opened, and a minute later"
    assert engine.take_tally() == {}, "each is counted once"


def test_bad_arithmetic_is_counted_and_fires_nothing(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: zone.id, severity: minor,"
        " hold: {while: 10 / (campus.open_exterior_doors - 1) > 0, for: 0s}}"
    )
    engine = started(campus, rule)
    engine.accept(opened("main", 0))
    assert engine.advance(at(60)) == []
    assert engine.health == {"r": "division by zero at column 1 (2 times)"}
    assert engine.take_tally()["r"].errors == 2


def test_more_keys_than_an_engine_holds_are_told(campus: Campus, held: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "max_keys", 1)
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.accept(opened("office", 1))
    assert short(engine.advance(at(99))) == ["firing main 60"]
    assert engine.health == {"held": "more than 1 keys at once; some were not taken up (1 times)"}


def test_where_memory_is_full_what_has_lapsed_makes_room(campus: Campus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "max_keys", 1)
    rule = rule_from(
        "{id: r, title: T, key: door.id, severity: minor, count: {of: door.opened, at_least: 2, within: 10s}}"
    )
    engine = started(campus, rule)
    engine.accept(opened("main", 0))
    engine.advance(at(120))
    for message in (opened("office", 130), closed("office", 131), opened("office", 132)):
        engine.accept(message)
    assert short(engine.advance(at(140)))[:1] == ["firing office 132"]
    assert engine.health == {}


# ---------------------------------------------------------------------------------------------- other rules, campus
def test_a_changed_time_keeps_what_is_pending(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(30))
    assert engine.replace_rules([with_params(held, {"hold": "90s"})]) == []
    assert engine.advance(at(89.9)) == []
    assert short(engine.advance(at(90))) == ["firing main 90"]


def test_a_time_made_shorter_than_what_has_passed_is_due_now(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(30))
    engine.replace_rules([with_params(held, {"hold": "10s"})])
    assert short(engine.advance(at(31))) == ["firing main 30"]


def test_another_condition_starts_anew_from_the_present_state(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(30))
    engine.replace_rules([rule_from(HELD.replace("'door.position", "'door.exterior && door.position"))])
    assert short(engine.advance(at(99))) == ["firing main 90"]


def test_what_an_abandoned_rule_had_open_is_resolved(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(60))
    found = engine.replace_rules([])
    assert short(found) == ["resolved main 60"]
    assert found[0].because["note"] == "the rule or its scope was changed"
    assert engine.changes().deleted == (("held", "main"),)


def test_the_same_rules_again_change_nothing(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(30))
    engine.changes()
    assert engine.replace_rules([rule_from(HELD)]) == []
    assert engine.changes().states == ()
    assert short(engine.advance(at(60))) == ["firing main 60"]


def test_a_changed_campus_keeps_what_still_exists(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    for door in ("main", "gym-west"):
        engine.accept(opened(door, 0))
    engine.advance(at(60))
    fewer = [door for door in LINCOLN["doors"] if door["id"] != "gym-west"]
    found = engine.replace_campus(lincoln(calendar={}, gatherings=[], doors=fewer))
    assert short(found) == ["resolved gym-west 60"]
    engine.accept(closed("main", 70))
    assert short(engine.advance(at(99))) == ["resolved main 70"]


def test_a_window_that_is_added_to_the_calendar_ends_the_finding() -> None:
    rule = rule_from(HELD.replace('== "open"\'', '== "open" && !door.in_window\''))
    engine = started(lincoln(calendar={}, gatherings=[]), rule)
    engine.accept(opened("main", 0))
    assert short(engine.advance(at(60))) == ["firing main 60"]
    assert short(engine.replace_campus(lincoln())) == ["resolved main 60"]


def test_a_disabled_rule_does_not_run(campus: Campus) -> None:
    assert run(campus, [rule_from(HELD + "mode: disabled\n")], opened("main", 0), until=99) == []


# ------------------------------------------------------------------------------------------------- down and up again
def restarted(engine: Engine, saved: Saved, *rules: Rule) -> Engine:
    fresh = Engine(engine.campus, rules, started=saved.position.watermark)
    fresh.restore(saved, [])
    return fresh


def test_what_came_due_while_we_were_down_is_found_late(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(30))
    first = engine.changes()
    fresh = restarted(engine, Saved(position=first.position).after(first), held)
    fresh.blind(at(3600))
    (found,) = fresh.advance(at(3600))
    assert short([found]) == ["firing main 60 late"]
    assert found.late_by_s == 3540


@pytest.mark.parametrize(
    "then",
    [
        pytest.param([HELD.replace("'door.position", "'door.exterior && door.position")], id="another condition"),
        pytest.param([HELD + "scope: {door: {id: office}}\n"], id="another scope"),
        pytest.param([HELD + "mode: disabled\n"], id="disabled"),
        pytest.param([], id="deleted"),
    ],
)
def test_what_a_rule_had_open_that_was_changed_while_we_were_down_is_resolved(
    campus: Campus, held: Rule, then: list[str]
) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(60))
    first = engine.changes()
    fresh = Engine(campus, [rule_from(each) for each in then], started=first.position.watermark)
    found = fresh.restore(Saved(position=first.position).after(first), [])
    assert short(found) == ["resolved main 60"]
    assert found[0].because["note"] == "the rule or its scope was changed"
    assert found[0].entity == "door"
    assert fresh.advance(at(119)) == [], "it is said once"


def test_what_was_open_of_a_door_that_is_gone_after_a_restart_is_resolved(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(60))
    first = engine.changes()
    without = lincoln(calendar={}, gatherings=[], devices=[], doors=[{"id": "gym", "name": "Gym", "exterior": True}])
    fresh = Engine(without, [held], started=first.position.watermark)
    assert short(fresh.restore(Saved(position=first.position).after(first), [])) == ["resolved main 60"]


def test_a_finding_outlives_the_memory_that_it_came_of(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: door.id, severity: minor, clear: {quiet: 60s}, "
        "count: {of: door.opened, at_least: 2, within: 10s}}"
    )
    engine = started(campus, rule)
    for message in (opened("main", 0), closed("main", 1), opened("main", 2), closed("main", 3)):
        engine.accept(message)
    assert short(engine.advance(at(30))) == ["firing main 2"]
    ((_, state),) = engine.states("r")
    assert state.memo is None, "the window is empty, and the finding open until it has been quiet"
    engine.accept(opened("main", 40))
    assert short(engine.advance(at(99))) == ["resolved main 62"]
    assert engine.health == {}


def test_a_short_gap_is_no_gap(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(55))
    first = engine.changes()
    fresh = restarted(engine, Saved(position=first.position).after(first), held)
    fresh.blind(at(62))
    assert short(fresh.advance(at(62))) == ["firing main 60"]


def test_a_rule_that_was_changed_while_we_were_down_starts_anew(campus: Campus, held: Rule) -> None:
    engine = started(campus, held)
    engine.accept(opened("main", 0))
    engine.advance(at(30))
    first = engine.changes()
    other = rule_from(HELD.replace("'door.position", "'door.exterior && door.position"))
    fresh = restarted(engine, Saved(position=first.position).after(first), other)
    assert short(fresh.advance(at(99))) == ["firing main 90"]


def test_visits_that_ended_long_ago_are_forgotten(campus: Campus) -> None:
    engine = Engine(campus, shipped(), started=at(-1))
    engine.accept(say("visitor.checked_in", 0, "v1"))
    engine.accept(say("visitor.checked_out", 10, "v1"))
    engine.accept(say("visitor.checked_in", 20, "v2"))
    engine.advance(at(60))
    first = engine.changes()
    saved = Saved(position=first.position).after(first)
    assert {each.id for each in saved.settled} == {"v1", "v2"}
    engine.advance(at(9 * 86400))
    saved = saved.after(engine.changes())
    assert {each.id for each in saved.settled} == {"v2"}
    assert engine.now.get("visit", "v1") is None


def test_the_index_finds_only_what_a_message_concerns(campus: Campus) -> None:
    rules = [
        rule_from(
            f"{{id: r-{door}, title: T, key: door.id, scope: {{door: {{id: {door}}}}}, severity: minor, {operator}}}"
        )
        for door in ("main", "office", "gym-west")
        for operator in ("hold: {while: 'door.position == \"open\"', for: 5s}", "match: {of: access.granted}")
    ]
    world = World(campus)
    index = Index([lay_out(rule, campus, world) for rule in rules], campus, world)
    assert looks(index, world, opened("main", 0)) == [("r-main", "main", ("judge",))]
    assert looks(index, world, say("access.granted", 0, "office")) == [("r-office", "office", ("accept",))]
    assert looks(index, world, opened("cellar", 0)) == []


def test_a_rule_of_a_named_door_is_laid_out_over_it_alone_and_only_if_all_the_rest_fits(campus: Campus) -> None:
    def keys(scope: str) -> set[str]:
        rule = rule_from(
            f"{{id: r, title: T, key: door.id, scope: {scope}, severity: minor, match: {{of: door.opened}}}}"
        )
        return set(lay_out(rule, campus, World(campus)).keys or ())

    assert keys("{door: {id: [main, office, cellar]}}") == {"main", "office"}
    assert keys("{door: {id: [main, office], exterior: true}}") == {"main"}
    assert keys("{zone: {id: lobby}}") == {"main", "office"}


def test_what_is_alike_at_many_doors_is_kept_once(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: door.id, severity: minor, hold: {while: 'door.position == \"open\"', for: 5s}}"
    )
    index = Index([lay_out(rule, campus, World(campus))], campus, World(campus))
    doors = [like for (entity, _), like in index._likenesses.items() if entity == "door"]
    assert len(doors) == len(campus.doors)
    assert len({id(each) for each in doors}) == 1


def test_a_door_that_is_judged_when_others_speak_is_like_no_other(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: door.id, severity: minor, "
        "hold: {while: 'door.position == \"open\" && campus.open_exterior_doors >= 1', for: 5s}}"
    )
    world = World(campus)
    index = Index([lay_out(rule, campus, world)], campus, world)
    everywhere = {("r", each.id, ("judge",)) for each in campus.doors}
    for number, door in enumerate(each.id for each in campus.doors if each.exterior):
        assert set(looks(index, world, opened(door, number))) == everywhere


def test_only_what_a_message_changed_is_looked_at(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: door.id, severity: minor, hold: {while: 'door.position == \"open\"', for: 5s}}"
    )
    world = World(campus)
    index = Index([lay_out(rule, campus, world)], campus, world)
    world.apply(opened("main", 0))
    assert looks(index, world, opened("main", 1)) == []
    assert looks(index, world, say("door.unlocked", 2, "main")) == []
    assert looks(index, world, say("door.closed", 3, "main")) == [("r", "main", ("judge",))]


def test_whoever_hears_a_message_looks_at_the_state_of_things_too(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: door.id, severity: minor, clear: 'door.position == \"closed\"', "
        "without: {of: door.opened, prior: access.granted, within: 10s}}"
    )
    world = World(campus)
    index = Index([lay_out(rule, campus, world)], campus, world)
    both = [("r", "main", ("accept", "judge"))]
    assert looks(index, world, say("access.granted", 0, "main")) == both
    assert looks(index, world, opened("main", 1)) == both
    # A repeat is no edge: nobody hears it, and it has changed nothing that anybody reads.
    assert looks(index, world, opened("main", 2)) == []
    # What was found once is found again, and only for the same door and the same change.
    assert looks(index, world, say("access.granted", 3, "main")) == both
    assert looks(index, world, say("access.granted", 3, "office"))[0] == ("r", "office", ("accept", "judge"))


def test_a_door_is_heard_for_the_device_that_spoke(campus: Campus) -> None:
    rule = rule_from("{id: r, title: T, key: device.id, severity: minor, silent: {of: door.opened, for: 1h}}")
    world = World(campus)
    index = Index([lay_out(rule, campus, world)], campus, world)
    own = campus.device_of_door["gym-east"]
    other = next(each for each in campus.devices_by_id if each != own)
    for second in (0, 1):
        assert looks(index, world, opened("gym-east", 10 * second)) == [("r", own, ("accept",))]
        spoken = opened("gym-east", 10 * second + 1, device=other)
        assert looks(index, world, spoken)[0] == ("r", other, ("accept",))


ZONES = """
id: busy
title: Many doors of a zone open
key: zone.id
severity: minor
count: {of: door.opened, at_least: 3, within: 1m}
---
id: dumb
title: No sensor of a zone has spoken
key: zone.id
severity: minor
silent: {of: [device.heartbeat, device.tampered], for: 1h}
---
id: gym
title: The gym alone
key: zone.id
scope: {zone: {id: gym}}
severity: minor
match: {of: door.closed}
"""


def test_what_is_alike_in_many_zones_is_kept_once() -> None:
    zones = [{"id": f"z{number}", "name": f"Zone {number}"} for number in range(9)]
    doors = [{"id": f"d{number}", "name": f"Door {number}", "zone": f"z{number}"} for number in range(9)]
    campus = lincoln(calendar={}, gatherings=[], zones=zones, doors=doors, devices=[], shifts=[])
    world = World(campus)
    index = Index([lay_out(rule, campus, world) for rule in rules_from(ZONES)[:2]], campus, world)
    assert len({id(like) for (entity, _), like in index._likenesses.items() if entity == "door"}) == 1
    for number in range(9):
        assert looks(index, world, opened(f"d{number}", number)) == [("busy", f"z{number}", ("accept",))]


def test_a_door_and_a_device_that_are_in_different_zones_are_each_heard_for_their_own(campus: Campus) -> None:
    world = World(campus)
    index = Index([lay_out(rule, campus, world) for rule in rules_from(ZONES)], campus, world)
    for second in (0, 10):
        assert looks(index, world, opened("gym-east", second)) == [("busy", "gym", ("accept",))]
        assert looks(index, world, opened("main", second, device="gym-east-contact")) == [
            ("busy", "lobby", ("accept",))
        ]
        assert looks(index, world, closed("main", second + 1)) == []
        assert looks(index, world, closed("gym-east", second + 1)) == [("gym", "gym", ("accept",))]
        beat = say("device.heartbeat", second, "gym-east-contact")
        assert looks(index, world, beat) == [("dumb", "gym", ("accept",))]


def looks(index: Index, world: World, message: Message) -> list[tuple[str, str, tuple[str, ...]]]:
    """Return the rules that look at a message, their keys, and what they are asked."""
    edge, told = world.take_in(message)
    return [(plan.rule.id, key, actions) for plan, key, actions in index.looks(message, told, edge=edge)]


def findings_of(engine: Engine, *messages: Any) -> list[Finding]:
    found: list[Finding] = []
    for message in messages:
        found += engine.advance(message.received_at - LATENESS)
        found += engine.accept(message)
    return found


def test_a_rule_about_visits_is_kept_to_its_scope(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: visit.id, scope: {visit: {type: contractor}}, severity: minor,"
        " match: {of: visitor.checked_in}}"
    )
    engine = started(campus, rule)
    found = findings_of(
        engine, say("visitor.checked_in", 0, "v1", type="contractor"), say("visitor.checked_in", 1, "v2", type="parent")
    )
    assert {each.key for each in found} == {"v1"}


def test_the_state_of_the_campus_switches_a_rule(campus: Campus) -> None:
    rule = rule_from(
        "{id: r, title: T, key: door.id, active: {campus_state: [secure, lockdown]}, severity: severe,"
        " hold: {while: 'door.position == \"open\"', for: 0s}}"
    )
    secure = say("campus.state_changed", 50, state="secure")
    found = run(campus, [rule], opened("main", 0), secure, closed("main", 60), until=99)
    assert short(found) == ["firing main 50", "resolved main 60"]


def test_a_rule_about_a_gathering_is_active_while_it_is_on() -> None:
    rule = rule_from(
        "{id: r, title: T, key: gathering.id, active: {during: gathering}, severity: minor,"
        " hold: {while: gathering.crowd_managers == 0, for: 0s}}"
    )
    campus = lincoln()
    entered = say("attendance.entered", 0, "winter-concert")
    setup = campus.gathering_spans["winter-concert"][0]
    found = run(campus, [rule], entered, until=(setup - at(0)).total_seconds() + 60)
    assert [each.at for each in found] == [setup]


def test_a_minute_of_the_day_is_looked_at_every_minute(campus: Campus) -> None:
    campus = lincoln()
    rule = rule_from(
        "{id: r, title: T, key: campus.id, severity: minor, hold: {while: now.minute_of_day == 482, for: 0s}}"
    )
    assert short(run(campus, [rule], until=400)) == ["firing lincoln 120", "resolved lincoln 180"]
