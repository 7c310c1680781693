from __future__ import annotations

from datetime import timedelta

import pytest

from core.campus import Campus
from core.errors import BadInput
from core.messages import Message
from rules.engine import Engine
from rules.operators import OPERATORS
from rules.rule import Rule, rule_schema
from rules.trial import run_tests
from tests.campuses import lincoln
from tests.unit.rules.talk import at, closed, opened, rule_from, run, say, short


@pytest.fixture
def campus() -> Campus:
    """The campus without windows and gatherings' doors."""
    return lincoln(calendar={}, gatherings=[])


def rule(operator: str, key: str = "door.id", more: str = "") -> Rule:
    return rule_from(f"{{id: r, title: T, key: {key}, severity: minor, {operator}{more and ', ' + more}}}")


# --------------------------------------------------------------------------------------------------- all of them
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_has_a_worked_example_that_comes_true(name: str) -> None:
    example = rule_from(OPERATORS[name].example)
    assert example.tests
    assert run_tests(example) == []


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_is_in_the_schema(name: str) -> None:
    assert name in rule_schema()["properties"]


def test_an_operator_without_docstring_or_example_is_refused() -> None:
    from rules.operators.base import Operator

    with pytest.raises(TypeError, match="a name, a docstring and an example are required"):
        type("Bare", (Operator,), {"name": "bare"})
    assert "bare" not in OPERATORS


# --------------------------------------------------------------------------------------------------------- match
def test_match_speaks_on_arrival_and_is_over_at_once(campus: Campus) -> None:
    engine = Engine(campus, [rule("match: {of: door.opened}")], started=at(-1))
    assert short(engine.accept(opened("main", 0))) == ["firing main 0", "resolved main 0"]


def test_match_hears_edges_only(campus: Campus) -> None:
    found = run(campus, [rule("match: {of: door.opened}")], opened("main", 0), opened("main", 9), until=20)
    assert short(found) == ["firing main 0", "resolved main 0"]
    assert run(campus, [rule("match: {of: door.opened}")], opened("main", 0, initial=True), until=20) == []


def test_match_with_clear_stays_open_and_counts_repeats(campus: Campus) -> None:
    denied = rule("match: {of: access.denied}", more="clear: 'door.position == \"open\"'")
    found = run(campus, [denied], say("access.denied", 0, "main"), say("access.denied", 5, "main"), opened("main", 9))
    assert short(found) == ["firing main 0", "firing main 5", "resolved main 9"]


def test_match_with_quiet_ends_when_nothing_more_is_heard(campus: Campus) -> None:
    denied = rule("match: {of: access.denied}", more="clear: {quiet: 10s}")
    found = run(campus, [denied], say("access.denied", 0, "main"), say("access.denied", 8, "main"), until=30)
    assert short(found) == ["firing main 0", "firing main 8", "resolved main 18"]


def test_match_with_slack_judges_by_late_state(campus: Campus) -> None:
    slow = rule("match: {of: access.denied, if: 'door.position == \"open\"', slack: 2s}")
    found = run(campus, [slow], say("access.denied", 5, "main"), opened("main", 4, received=5.5), until=9)
    assert short(found) == ["firing main 5", "resolved main 5"]


def test_match_marks_what_could_only_be_known_late(campus: Campus) -> None:
    found = run(campus, [rule("match: {of: door.opened}")], 100, opened("main", 10, received=100))
    assert short(found) == ["firing main 10 late", "resolved main 10 late"]
    assert found[0].late_by_s == 89


# ------------------------------------------------------------------------------------------------------- without
FORCED = "without: {of: door.opened, prior: [access.granted, exit.requested], within: 10s, slack: 5s}"


def test_without_waits_its_slack_and_then_speaks_of_the_opening(campus: Campus) -> None:
    assert run(campus, [rule(FORCED)], opened("main", 0), until=5.9) == []
    found = run(campus, [rule(FORCED)], opened("main", 0), until=6)
    assert short(found) == ["firing main 0", "resolved main 0"]


@pytest.mark.parametrize("before", [0, 4, 10])
def test_a_prior_within_the_time_explains_it_both_ends_included(campus: Campus, before: float) -> None:
    found = run(campus, [rule(FORCED)], say("access.granted", 10 - before, "main"), opened("main", 10), until=60)
    assert found == []


def test_a_prior_too_long_ago_explains_nothing(campus: Campus) -> None:
    found = run(campus, [rule(FORCED)], say("access.granted", 0, "main"), opened("main", 10.5), until=60)
    assert short(found)[0] == "firing main 10.5"


LASTING = rule_from(
    "{id: r, title: T, key: door.id, severity: minor, clear: 'door.position == \"closed\"', keep: 5s,"
    "without: {of: door.opened, prior: access.granted, within: 10s, slack: 1s, lasting: 3s}}"
)


@pytest.mark.parametrize(("closes", "found"), [(2.9, []), (3, ["firing main 0", "resolved main 3"])])
def test_what_lasts_too_short_a_time_does_not_count(campus: Campus, closes: float, found: list[str]) -> None:
    assert short(run(campus, [LASTING], opened("main", 0), closed("main", closes), until=60)) == found


def test_what_lasts_is_found_when_it_has_lasted_long_enough(campus: Campus) -> None:
    assert run(campus, [LASTING], opened("main", 0), until=3.9) == []
    assert short(run(campus, [LASTING], opened("main", 0), until=4)) == ["firing main 0"]
    assert LASTING.operator.say({}) == (
        "door opened and it lasts 3s or longer, without access granted in the 10s before"
    )


def test_a_bounce_on_opening_is_one_opening(campus: Campus) -> None:
    found = run(campus, [LASTING], opened("main", 0), closed("main", 1), opened("main", 2), until=60)
    assert short(found) == ["firing main 0"]


def test_a_prior_after_it_explains_nothing(campus: Campus) -> None:
    found = run(campus, [rule(FORCED)], opened("main", 0), say("exit.requested", 0.5, "main"), until=60)
    assert short(found)[0] == "firing main 0"


def test_a_prior_that_arrives_within_the_slack_explains_it(campus: Campus) -> None:
    found = run(campus, [rule(FORCED)], opened("main", 10), say("exit.requested", 9, "main", received=15.9), until=60)
    assert found == []


def test_a_prior_that_arrives_later_ends_an_open_finding(campus: Campus) -> None:
    open_ended = rule(FORCED, more="clear: 'door.position == \"closed\"'")
    found = run(campus, [open_ended], opened("main", 10), 30, say("exit.requested", 9, "main", received=30), until=60)
    assert short(found) == ["firing main 10", "resolved main 29"]
    assert found[1].because["note"].startswith("late evidence")


def test_an_end_that_comes_during_the_slack_keeps_its_own_time(campus: Campus) -> None:
    open_ended = rule(FORCED, more="clear: 'door.position == \"closed\"'")
    found = run(campus, [open_ended], opened("main", 0), closed("main", 2), opened("main", 3), until=60)
    assert short(found) == ["firing main 0", "resolved main 2", "firing main 3"]


def test_what_happens_again_within_keep_belongs_to_what_was_before(campus: Campus) -> None:
    kept = rule(FORCED, more="clear: 'door.position == \"closed\"', keep: 5s")
    granted = say("access.granted", 0, "main")
    found = run(campus, [kept], granted, opened("main", 1), closed("main", 20), opened("main", 24.9), until=60)
    assert found == []
    found = run(campus, [kept], granted, opened("main", 1), closed("main", 20), opened("main", 25), until=60)
    assert short(found) == ["firing main 25"]
    found = run(campus, [kept], opened("main", 0), closed("main", 20), opened("main", 24), closed("main", 30), until=60)
    assert short(found) == ["firing main 0", "resolved main 30"]


def test_a_late_opening_waits_its_slack_from_then_on_and_is_marked(campus: Campus) -> None:
    engine = Engine(campus, [rule(FORCED)], started=at(-1))
    engine.advance(at(100))
    assert engine.accept(opened("main", 10, received=101)) == []
    assert engine.advance(at(104.9)) == []
    found = engine.advance(at(105))
    assert short(found)[0] == "firing main 10 late"
    assert found[0].late_by_s == 95


def test_a_late_opening_is_explained_by_an_old_grant(campus: Campus) -> None:
    found = run(campus, [rule(FORCED)], say("access.granted", 5, "main"), 100, opened("main", 10, received=100))
    assert found == []


def test_the_same_kind_may_explain_the_next_but_not_itself(campus: Campus) -> None:
    first = rule("without: {of: access.denied, prior: access.denied, within: 60s}")
    times = (0, 30, 80, 141)
    found = run(campus, [first], *(say("access.denied", when, "main") for when in times), until=200)
    assert short(found)[::2] == ["firing main 0", "firing main 141"]


def test_without_is_judged_by_the_active_time_of_the_message(campus: Campus) -> None:
    campus = lincoln(gatherings=[])
    night = rule(FORCED, more="active: {calendar: staffed, invert: true}")
    evening = 10 * 3600  # 18:00, the end of the staffed time
    found = run(campus, [night], opened("main", evening - 1), opened("gym-west", evening), until=evening + 60)
    assert short(found)[::2] == [f"firing gym-west {evening}"]


def test_an_unknown_condition_never_fires(campus: Campus) -> None:
    shut = rule("without: {of: door.opened, if: 'door.lock == \"locked\"', prior: access.granted, within: 10s}")
    assert run(campus, [shut], opened("main", 0), until=60) == []


# --------------------------------------------------------------------------------------------------------- count
SEVEN = "count: {of: [door.opened, door.closed], at_least: 3, within: 60s}"


def test_count_fires_on_reaching_the_bound_and_ends_when_it_falls_below(campus: Campus) -> None:
    found = run(campus, [rule(SEVEN)], opened("main", 0), closed("main", 10), opened("main", 20), until=200)
    assert short(found) == ["firing main 20", "resolved main 60"]
    assert found[0].because["values"] == {"count": 3}
    assert len(found[0].because["messages"]) == 3


def test_the_beginning_of_the_window_is_not_part_of_it(campus: Campus) -> None:
    assert run(campus, [rule(SEVEN)], opened("main", 0), closed("main", 10), opened("main", 60), until=99) == []


def test_count_rearms_only_after_it_has_fallen_below(campus: Campus) -> None:
    door = [opened("main", 0), closed("main", 10), opened("main", 20), closed("main", 50), opened("main", 65)]
    found = run(campus, [rule(SEVEN)], *door, closed("main", 95), opened("main", 96), until=300)
    # Below the bound from 80 on, when the door's third message of the window leaves it; reached again at 95.
    assert short(found) == ["firing main 20", "resolved main 80", "firing main 95", "resolved main 125"]


def test_count_fires_again_after_a_quiet_time(campus: Campus) -> None:
    door = [opened("main", 0), closed("main", 10), opened("main", 20)]
    again = [closed("main", 100), opened("main", 110), closed("main", 120)]
    found = run(campus, [rule(SEVEN)], *door, *again, until=300)
    assert short(found) == ["firing main 20", "resolved main 60", "firing main 120", "resolved main 160"]


def test_count_of_different_values(campus: Campus) -> None:
    people = rule("count: {of: access.denied, if: has(msg.credential), distinct: msg.door, at_least: 2, within: 60s}",
                  key="zone.id")  # fmt: skip
    same = [say("access.denied", when, "gym-east", credential="c") for when in (0, 10, 20)]
    assert run(campus, [people], *same, until=99) == []
    found = run(campus, [people], *same, say("access.denied", 30, "gym-west", credential="c"), until=200)
    assert short(found) == ["firing gym 30", "resolved gym 80"]


# ------------------------------------------------------------------------------------------------------ sequence
def two_steps() -> Rule:
    return rule("sequence: {steps: [{of: access.denied, as: a}, {of: door.opened}], within: 60s}", key="zone.id")


def test_sequence_takes_the_earliest_and_uses_each_message_once(campus: Campus) -> None:
    found = run(
        campus,
        [two_steps()],
        say("access.denied", 0, "gym-east"),
        say("access.denied", 5, "gym-east"),
        opened("gym-west", 10),
        opened("gym-east", 20),
        closed("gym-east", 25),
        opened("gym-east", 30),
        until=99,
    )
    assert short(found)[::2] == ["firing gym 10", "firing gym 20"]
    assert [each["at"][-4:-1] for each in found[0].because["messages"]] == [":00", ":10"]


def test_sequence_ends_with_its_time(campus: Campus) -> None:
    start = say("access.denied", 0, "gym-east")
    assert short(run(campus, [two_steps()], start, opened("gym-west", 60), until=99))[:1] == ["firing gym 60"]
    assert run(campus, [two_steps()], start, opened("gym-west", 60.5), until=99) == []


def test_sequence_of_another_key_is_another_sequence(campus: Campus) -> None:
    found = run(campus, [two_steps()], say("access.denied", 0, "main"), opened("gym-west", 10), until=99)
    assert found == []


# -------------------------------------------------------------------------------------------------------- follow
FOLLOW = "follow: {after: door.opened, expect: door.closed, within: 30s}"


def test_follow_fires_when_what_is_expected_does_not_come(campus: Campus) -> None:
    found = run(campus, [rule(FOLLOW)], opened("main", 0), until=31)
    assert short(found) == ["firing main 30", "resolved main 30"]


def test_what_comes_at_the_last_instant_comes_in_time(campus: Campus) -> None:
    assert run(campus, [rule(FOLLOW)], opened("main", 0), closed("main", 30), until=99) == []


def test_a_new_beginning_does_not_start_the_time_anew(campus: Campus) -> None:
    denied = rule("follow: {after: access.denied, expect: access.granted, within: 30s}")
    found = run(campus, [denied], say("access.denied", 0, "main"), say("access.denied", 20, "main"), until=99)
    assert short(found) == ["firing main 30", "resolved main 30"]


def test_what_is_expected_must_come_after_not_at_the_same_instant(campus: Campus) -> None:
    both = rule("follow: {after: access.denied, expect: access.granted, within: 30s}")
    found = run(
        campus, [both], say("access.denied", 0, "main", seq=1), say("access.granted", 0, "main", seq=2), until=9
    )
    assert found == []
    found = run(
        campus, [both], say("access.denied", 0, "main", seq=1), say("access.granted", 0, "main", seq=2), until=31
    )
    assert short(found)[0] == "firing main 30"


# -------------------------------------------------------------------------------------------------------- silent
SILENT = "silent: {of: ['door.*', device.heartbeat], for: 60s}"


def test_silence_is_noticed_and_ends_with_the_next_word(campus: Campus) -> None:
    quiet = rule(SILENT, key="device.id", more="scope: {device: {id: main}}")
    beats = [say("device.heartbeat", when, "main") for when in (-30, 10)]
    found = run(campus, [quiet], *beats, closed("main", 100, device="main"), until=120)
    assert short(found) == ["firing main 70", "resolved main 100"]


def test_one_never_heard_is_silent_too(campus: Campus) -> None:
    quiet = rule(SILENT, key="device.id", more="scope: {device: {id: main}}")
    assert short(run(campus, [quiet], until=61)) == ["firing main 0"]  # the engine started a minute before


def test_repeats_of_what_was_known_are_words_too(campus: Campus) -> None:
    quiet = rule(SILENT, key="device.id", more="scope: {device: {id: main}}")
    words = [closed("main", when, device="main") for when in (0, 50, 100, 150)]
    assert run(campus, [quiet], *words, until=200) == []


def test_time_in_which_nothing_could_be_heard_does_not_count(campus: Campus) -> None:
    quiet = rule(SILENT, key="device.id", more="scope: {device: {id: main}}")
    engine = Engine(campus, [quiet], started=at(0))
    engine.accept(say("device.heartbeat", 10, "main"))
    engine.advance(at(30))
    engine.blind(at(3630))
    assert engine.advance(at(3600 + 69.9)) == []
    assert short(engine.advance(at(3600 + 70))) == ["firing main 3670"]


def test_a_device_without_a_heartbeat_is_never_silent(campus: Campus) -> None:
    quiet = rule("silent: {of: device.heartbeat, for: device.heartbeat * 3}", key="device.id")
    found = run(campus, [quiet], until=4 * 3600)
    assert {each.key for each in found} == {"gym-east-contact"}


# ------------------------------------------------------------------------------------------------------ deadline
def overstay(more: str = "") -> Rule:
    return rule("deadline: {at: visit.expected_out + 15m, each: visit, if: 'visit.state == \"in\"'}", "visit.id", more)


def check_in(when: float, out: float, visit: str = "v1", kind: str = "visitor.checked_in") -> Message:
    return say(kind, when, visit, expected_out=at(out))


def test_a_visitor_who_stays_too_long_is_found_when_the_time_has_come(campus: Campus) -> None:
    found = run(campus, [overstay()], check_in(0, 600), say("visitor.checked_out", 1600, "v1"), until=1700)
    assert short(found) == ["firing v1 1500", "resolved v1 1600"]


def test_a_visitor_who_left_in_time_is_not(campus: Campus) -> None:
    assert run(campus, [overstay()], check_in(0, 600), say("visitor.checked_out", 1500, "v1"), until=1700) == []


def test_a_visit_that_is_extended_gets_a_new_time(campus: Campus) -> None:
    longer = check_in(700, 1200, kind="badge.scanned")
    assert short(run(campus, [overstay()], check_in(0, 600), longer, until=3000)) == ["firing v1 2100"]


def test_extending_a_visit_that_is_overdue_ends_the_finding(campus: Campus) -> None:
    longer = check_in(1600, 3000, kind="badge.scanned")
    found = run(campus, [overstay()], check_in(0, 600), longer, until=3901)
    assert short(found) == ["firing v1 1500", "resolved v1 1600", "firing v1 3900"]


def test_a_time_of_the_calendar_comes_every_day_it_exists(campus: Campus) -> None:
    campus = lincoln(gatherings=[])
    close = rule("deadline: {at: calendar.staffed.end, each: visit, if: 'visit.state == \"in\"'}", "visit.id")
    days = timedelta(days=8).total_seconds()
    found = run(campus, [close], say("visitor.checked_in", 0, "v1"), until=days)
    # 18:00 on Tuesday; it stays open until somebody signs the visitor out.
    assert short(found) == ["firing v1 36000"]
    again = run(
        campus,
        [close],
        say("visitor.checked_in", 0, "v1"),
        say("visitor.checked_out", 40000, "v1"),
        say("visitor.checked_in", 90000, "v2"),
        until=days,
    )
    # Wednesday, 18:00; Thursday is a holiday.
    assert short(again) == ["firing v1 36000", "resolved v1 40000", "firing v2 122400"]


def test_a_deadline_may_lie_after_a_long_holiday() -> None:
    calendar = lincoln().calendar.model_dump(mode="json")
    days = [f"2026-11-{day}" for day in range(24, 31)] + [f"2026-12-{day:02}" for day in range(1, 21)]
    campus = lincoln(calendar=calendar | {"exceptions": {day: {"type": "closed"} for day in days}}, gatherings=[])
    close = rule("deadline: {at: calendar.staffed.end, if: 'campus.state == \"normal\"'}", "campus.id")
    found = run(campus, [close], until=timedelta(days=28).total_seconds())
    assert [f"{each.at:%m-%d %H}" for each in found] == ["12-22 00"]  # 18:00 on the 21st in Chicago


# ------------------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("match: {of: door.opend}", "match.of: no message kind 'door.opend'; did you mean 'door.opened'?"),
        ("match: {of: visitor.denied, if: visit.zone == 1}", "match.if: column 1: a string and an int"),
        (
            "match: {of: campus.state_changed}",
            "match.of: campus.state_changed says nothing about a door, and the key is door.id",
        ),
        ("hold: {while: msg.door == 'a', for: 1s}", "hold.while: column 1: there is no message here"),
        ("hold: {while: door.exterior, for: 5}", "hold.for: column 1: this is an int; a duration is wanted here"),
        ("deadline: {at: calendar.school.end + door.name}", "deadline.at: column 1: texts are not built"),
        ("hold: {while: door.exterior, for: 5s}, clear: {quiet: 5m}", "clear.quiet: quiet counts from the last"),
        ("silent: {of: 'door.*', for: 5s, whole: 1}", "silent.whole: no such key"),
        ("sequence: {steps: [{of: door.opened, as: door}, {of: door.closed}], within: 1m}", "the name 'door' is taken"),
        ("match: {of: door.opened}, count: {of: door.opened, within: 5s, at_least: 2}", "a rule has one operator"),
        ("scope: {}", "a rule has one operator; one of count, deadline"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(BadInput) as caught:
        rule(text)
    assert problem in str(caught.value)
