from __future__ import annotations

from datetime import timedelta

import pytest

from core.campus import Campus
from rules.engine import Engine
from rules.rule import Rule
from tests.campuses import lincoln
from tests.unit.rules.talk import at, closed, opened, rule_from, run, say, short

HELD = """
id: held
title: Held open
scope: {door: {exterior: true}}
key: door.id
params: {hold: {type: duration, default: 60s}}
hold: {while: 'door.position == "open" && !door.in_window', for: p.hold}
keep: 5s
severity: severe
"""


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


@pytest.fixture
def plain() -> Campus:
    """The campus without windows and gatherings."""
    return lincoln(calendar={}, gatherings=[])


def without_keep() -> Rule:
    return rule_from(HELD.replace("keep: 5s\n", ""))


def test_it_fires_when_the_time_is_up(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), until=61)
    assert short(found) == ["firing main 60"]
    assert found[0].because["armed_at"] == "2026-11-24T14:00:00Z"
    assert found[0].because["due"] == "2026-11-24T14:01:00Z"
    assert found[0].because["values"] == {"door.position": "open", "door.in_window": False}
    assert found[0].because["params"] == {"hold": "1m"}
    assert [each["kind"] for each in found[0].because["messages"]] == ["door.opened"]


def test_it_does_not_fire_before_the_watermark_has_passed(plain: Campus, held: Rule) -> None:
    assert run(plain, [held], opened("main", 0), until=60.9) == []


def test_a_falsifying_message_at_the_very_instant_wins(plain: Campus) -> None:
    assert run(plain, [without_keep()], opened("main", 0), closed("main", 60), until=600) == []
    assert short(run(plain, [without_keep()], opened("main", 0), closed("main", 60.1), until=600)) == [
        "firing main 60",
        "resolved main 60.1",
    ]


def test_a_false_stretch_shorter_than_keep_does_not_end_it(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), closed("main", 30), opened("main", 34.9), until=61)
    assert short(found) == ["firing main 60"]


def test_a_false_stretch_of_exactly_keep_ends_it(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), closed("main", 30), opened("main", 35), until=90)
    assert found == []
    found = run(plain, [held], opened("main", 0), closed("main", 30), opened("main", 35), until=96)
    assert short(found) == ["firing main 95"]


def test_what_was_due_in_a_false_stretch_fires_when_it_is_true_again(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), closed("main", 58), opened("main", 62), until=70)
    assert short(found) == ["firing main 62"]


def test_it_ends_at_the_start_of_the_keep_stretch(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), closed("main", 90), 95.9, until=96)
    assert short(found) == ["firing main 60", "resolved main 90"]
    assert not found[1].late


def test_a_bounce_while_firing_does_not_end_it(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), closed("main", 90), opened("main", 93), until=200)
    assert short(found) == ["firing main 60"]


def test_reopening_exactly_at_the_end_of_keep_is_a_new_stretch(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), closed("main", 90), opened("main", 95), until=160)
    assert short(found) == ["firing main 60", "resolved main 90", "firing main 155"]


def test_a_repeat_of_the_state_does_not_start_the_time_anew(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), opened("main", 30), until=61)
    assert short(found) == ["firing main 60"]


def test_zero_is_a_threshold_with_one_open_finding(campus: Campus) -> None:
    over = rule_from(
        """
        {id: full, title: Full, key: gathering.id, severity: severe,
         hold: {while: gathering.count > 10, for: 0s}, clear: gathering.count <= 8}
        """
    )
    found = run(
        campus,
        [over],
        say("attendance.entered", 0, "winter-concert", count=11),
        say("attendance.entered", 5, "winter-concert", count=3),
        say("attendance.left", 10, "winter-concert", count=5),
        say("attendance.left", 20, "winter-concert", count=1),
        say("attendance.entered", 30, "winter-concert", count=3),
        until=60,
    )
    assert short(found) == ["firing winter-concert 0", "resolved winter-concert 20", "firing winter-concert 30"]


def test_true_and_false_in_the_same_instant_is_no_threshold_passed(campus: Campus) -> None:
    over = rule_from(
        "{id: full, title: Full, key: gathering.id, severity: minor, hold: {while: gathering.count > 0, for: 0s}}"
    )
    found = run(
        campus,
        [over],
        say("attendance.entered", 0, "winter-concert", seq=1),
        say("attendance.left", 0, "winter-concert", seq=2),
        until=60,
    )
    assert found == []


def test_what_was_cleared_while_still_true_must_become_false_first(campus: Campus) -> None:
    odd = rule_from(
        """
        {id: odd, title: Odd, key: gathering.id, severity: minor,
         hold: {while: gathering.count > 10, for: 0s}, clear: gathering.count > 100}
        """
    )
    found = run(
        campus,
        [odd],
        say("attendance.entered", 0, "winter-concert", count=20),
        say("attendance.entered", 10, "winter-concert", count=100),
        say("attendance.left", 20, "winter-concert", count=50),
        say("attendance.left", 30, "winter-concert", count=70),
        say("attendance.entered", 40, "winter-concert", count=50),
        until=60,
    )
    assert short(found) == ["firing winter-concert 0", "resolved winter-concert 10", "firing winter-concert 40"]


def test_a_window_that_closes_over_an_open_door_starts_the_time(campus: Campus, held: Rule) -> None:
    # The arrival window ends at 08:05, five minutes after the start of the tests.
    found = run(campus, [held], opened("main", 0), until=361)
    assert short(found) == ["firing main 360"]
    assert found[0].because["armed_at"] == "2026-11-24T14:05:00Z"
    assert [each["kind"] for each in found[0].because["messages"]] == ["door.opened"]


def test_an_active_time_that_opens_over_a_true_condition_starts_the_time(plain: Campus) -> None:
    campus = lincoln()
    rule = rule_from(
        """
        {id: lesson, title: Open in a lesson, key: door.id, active: {calendar: class_time}, severity: minor,
         hold: {while: 'door.position == "open"', for: 10s}}
        """
    )
    # Lessons: 08:00-08:50 and 08:55-09:45; the door opens in the break.
    found = run(campus, [rule], opened("office", 3000 + 60), until=3400)
    assert short(found) == ["firing office 3310"]


def test_a_pending_stretch_ends_with_the_active_time_and_an_open_finding_does_not(campus: Campus) -> None:
    rule = rule_from(
        """
        {id: lesson, title: Open in a lesson, key: door.id, active: {calendar: class_time}, severity: minor,
         hold: {while: 'door.position == "open"', for: 10s}}
        """
    )
    assert run(campus, [rule], opened("office", 2995), closed("office", 3100), until=3400) == []
    found = run(campus, [rule], opened("office", 2980), closed("office", 3100), until=3200)
    assert short(found) == ["firing office 2990", "resolved office 3100"]


def test_due_at_the_closing_of_the_active_time_does_not_fire(campus: Campus) -> None:
    rule = rule_from(
        """
        {id: lesson, title: Open in a lesson, key: door.id, active: {calendar: class_time}, severity: minor,
         hold: {while: 'door.position == "open"', for: 10s}}
        """
    )
    assert run(campus, [rule], opened("office", 2990), closed("office", 3100), until=3200) == []


def test_a_hold_may_arm_from_state_reported_after_a_boot(plain: Campus, held: Rule) -> None:
    assert short(run(plain, [held], opened("main", 0, initial=True), until=61)) == ["firing main 60"]


def test_unknown_neither_arms_nor_fires(plain: Campus) -> None:
    rules = [
        rule_from(f"{{id: r{n}, title: T, key: door.id, severity: minor, hold: {{while: '{text}', for: 1s}}}}")
        for n, text in enumerate(['door.position != "open"', '!(door.position == "open")', 'door.lock == "locked"'])
    ]
    assert run(plain, rules, say("access.granted", 0, "main"), until=600) == []


def test_unknown_never_clears(campus: Campus) -> None:
    rule = rule_from(
        """
        {id: r, title: T, key: visit.id, severity: minor,
         hold: {while: 'visit.state == "in"', for: 0s}, clear: 'visit.zone != "gym"'}
        """
    )
    found = run(campus, [rule], say("visitor.checked_in", 0, "v1"), say("badge.scanned", 9, "v1"), until=99)
    assert short(found) == ["firing v1 0"]


def test_a_ladder_raises_the_severity(plain: Campus) -> None:
    rule = rule_from(
        HELD.replace(
            "severity: severe",
            "ladder: [{after: 0s, severity: moderate}, {after: 60s, severity: severe}, {after: 5m, severity: extreme}]",
        )
    )
    found = run(plain, [rule], opened("main", 0), closed("main", 200), until=900)
    assert [(each.state, each.severity) for each in found] == [
        ("firing", "moderate"),
        ("firing", "severe"),
        ("resolved", "severe"),
    ]
    assert short(found) == ["firing main 60", "firing main 120", "resolved main 200"]


def test_a_ladder_waits_while_the_condition_is_false(plain: Campus) -> None:
    rule = rule_from(
        HELD.replace("severity: severe", "ladder: [{after: 0s, severity: moderate}, {after: 60s, severity: severe}]")
    )
    found = run(plain, [rule], opened("main", 0), closed("main", 118), opened("main", 121), until=900)
    assert short(found) == ["firing main 60", "firing main 121"]


def test_late_news_arms_with_its_own_time_and_is_marked(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], 100, opened("main", 10, received=100), until=101)
    assert short(found) == ["firing main 70 late"]
    assert found[0].late_by_s == pytest.approx(29)


def test_late_evidence_resolves(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0), 100, closed("main", 40, received=100), until=101)
    assert short(found) == ["firing main 60", "resolved main 60 late"]
    assert found[1].because["note"] == "late evidence"


def test_older_news_changes_nothing(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 20), closed("main", 30), opened("main", 10, received=40), until=300)
    assert found == []


def test_late_news_from_a_window_is_judged_again_at_its_end(campus: Campus, held: Rule) -> None:
    found = run(campus, [held], 400, opened("main", 250, received=400), until=401)
    assert short(found) == ["firing main 360 late"]


def test_an_override_holds_for_its_scope_and_ends(plain: Campus) -> None:
    rule = rule_from(
        HELD
        + """
overrides: [{scope: {door: {zone: gym}}, params: {hold: 10m}, until: "2026-11-24T08:05", reason: concert, by: dean}]
"""
    )
    found = run(plain, [rule], opened("main", 0), opened("gym-east", 0), opened("gym-west", 270), until=400)
    # The override ends at second 300: what is already older than 60 s is due then.
    assert short(found) == ["firing main 60", "firing gym-east 300", "firing gym-west 330"]


def test_an_override_can_silence_a_door_for_a_while(plain: Campus) -> None:
    rule = rule_from(
        HELD
        + """
overrides: [{scope: {door: {id: main}}, mode: disabled, until: "2026-11-24T08:05", reason: painting, by: dean}]
"""
    )
    assert short(run(plain, [rule], opened("main", 0), until=361)) == ["firing main 360"]


def test_shadow_findings_say_so(plain: Campus, held: Rule) -> None:
    shadow = rule_from(HELD + "mode: shadow\n")
    found = run(plain, [shadow], opened("main", 0), closed("main", 90), until=100)
    assert [each.mode for each in found] == ["shadow", "shadow"]


def test_a_drill_carries_its_mark_and_never_ends_the_real_thing(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0, exercise="drill"), until=61)
    assert [each.exercise for each in found] == ["drill"]
    found = run(plain, [held], opened("main", 0), closed("main", 70, exercise="test"), until=200)
    assert short(found) == ["firing main 60"]


def test_a_drill_never_stands_in_the_way_of_the_real_thing(plain: Campus, held: Rule) -> None:
    found = run(plain, [held], opened("main", 0, exercise="drill"), opened("main", 90), until=151)
    assert short(found) == ["firing main 60", "resolved main 150", "firing main 150"]
    assert [each.exercise for each in found] == ["drill", "drill", "live"]


def test_the_day_the_clocks_go_back_counts_real_time(plain: Campus) -> None:
    campus = lincoln(gatherings=[])
    rule = rule_from(
        """
        {id: night, title: Open at night, key: door.id, active: {calendar: staffed, invert: true}, severity: minor,
         hold: {while: 'door.position == "open"', for: 90m}}
        """
    )
    # 2026-11-01, 01:30 daylight time in Chicago: half an hour before the clocks go back.
    night = rule_from_start(campus, rule)
    assert night == [timedelta(minutes=90)]


def rule_from_start(campus: Campus, rule: Rule) -> list[timedelta]:
    from datetime import UTC, datetime

    start = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    engine = Engine(campus, [rule], started=start - timedelta(seconds=1))
    message = opened("office", (start - at(0)).total_seconds())
    found = engine.accept(message) + engine.advance(start + timedelta(hours=3))
    return [each.at - start for each in found]


def test_a_window_stands_at_its_local_time_after_the_clocks_went_back(held: Rule) -> None:
    from datetime import UTC, datetime

    campus = lincoln(gatherings=[])
    engine = Engine(campus, [held], started=datetime(2026, 10, 30, tzinfo=UTC))
    found = []
    for day, utc_hour in ((30, 12), (2, 13)):
        # 07:30 local time, on the Friday before and the Monday after; the window ends at 08:05.
        when = datetime(2026, 10 if day == 30 else 11, day, utc_hour, 30, tzinfo=UTC)
        found += engine.advance(when - timedelta(seconds=1))
        found += engine.accept(opened("main", (when - at(0)).total_seconds()))
        found += engine.advance(when + timedelta(minutes=40))
        found += engine.accept(closed("main", (when - at(-3000)).total_seconds()))
        found += engine.advance(when + timedelta(minutes=55))
    local = [each.at.astimezone(campus.zone_info).strftime("%H:%M") for each in found if each.state == "firing"]
    assert local == ["08:06", "08:06"]
