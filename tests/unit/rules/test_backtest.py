"""What a change costs: every value priced in one pass, and the real alerts that it would have missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.campus import Campus
from core.errors import BadInput
from core.messages import Message
from rules.backtest import Backtest, Known, Price, Spell, gained_and_lost, read_text, set_params, tuned_to, variants
from rules.rule import Rule, read_rule
from rules.trial import run_tests
from tests.conftest import START
from tests.unit.rules.talk import at, closed, opened, rule_from, say

DAY = timedelta(days=1)
HELD = """
id: held
title: Held open
scope: {door: {exterior: true}}
key: door.id
params:
  hold: {type: duration, default: 60s, min: 10s, max: 30m}
  times: {type: int, default: 2, min: 1, max: 9}
  strict: {type: bool, default: true}
hold: {while: 'door.position == "open" && (p.strict || p.times > 5)', for: p.hold}
severity: severe
"""


@pytest.fixture
def held() -> Rule:
    return rule_from(HELD)


def open_for(door: str, *stretches: tuple[float, float]) -> list[Message]:
    """A door that opens at a second and stays open for so many."""
    return [each for start, length in stretches for each in (opened(door, start), closed(door, start + length))]


def priced(
    campus: Campus, rule: Rule, messages: Iterable[Message], *known: Known, days: float = 1, **sweep: list[Any]
) -> list[Price]:
    test = Backtest([campus], variants(rule, {}, sweep), since=START, until=START + days * DAY)
    for message in messages:
        test.accept(message)
    test.finish()
    return test.prices(known)


def real(number: int, began: float, ended: float | None, key: str = "gym-east") -> Known:
    over = None if ended is None else at(ended)
    return Known(id=number, code=f"A{number}", campus="lincoln", key=key, began_at=at(began), ended_at=over)


def test_every_value_of_a_sweep_is_priced_in_one_pass(campus: Campus, held: Rule) -> None:
    messages = open_for("gym-east", (0, 30), (1000, 70), (2000, 130), (3000, 400))
    found = priced(campus, held, messages, days=2, hold=["20s", "60s", "120s", "5m"])
    assert [(each.params, each.findings, each.alerts_per_day) for each in found] == [
        ({"hold": "20s"}, 4, 2.0),
        ({"hold": "60s"}, 3, 1.5),
        ({"hold": "120s"}, 2, 1.0),
        ({"hold": "5m"}, 1, 0.5),
    ]


def test_one_pass_finds_what_a_pass_for_each_value_finds(campus: Campus, held: Rule) -> None:
    messages = open_for("gym-east", (0, 30), (1000, 70), (2000, 130)) + open_for("main", (3000, 400), (4000, 61))
    together = priced(campus, held, messages, hold=["20s", "60s", "5m"])
    alone = [priced(campus, held, messages, hold=[value])[0] for value in ("20s", "60s", "5m")]
    assert together == alone


def test_real_alerts_that_a_value_misses_are_named_and_those_it_delays_too(campus: Campus, held: Rule) -> None:
    messages = open_for("gym-east", (0, 100), (1000, 400))
    known = [real(1, 60, 100), real(2, 1060, 1400)]
    shorter, same, longer, longest = priced(campus, held, messages, *known, hold=["30s", "60s", "120s", "10m"])
    assert (shorter.missed_real, shorter.delayed_real) == ([], [])
    assert (same.missed_real, same.delayed_real) == ([], [])
    assert [each.code for each in longer.missed_real] == ["A1"]
    assert [(each.code, each.later_by) for each in longer.delayed_real] == [("A2", "1m")]
    assert [each.code for each in longest.missed_real] == ["A1", "A2"]
    assert longest.missed_count == 2


def test_an_alert_of_another_door_does_not_make_up_for_one_that_is_missed(campus: Campus, held: Rule) -> None:
    (found,) = priced(campus, held, open_for("main", (0, 400)), real(1, 60, 400, key="gym-east"))
    assert [each.code for each in found.missed_real] == ["A1"]


def test_what_was_before_is_known_and_not_counted(campus: Campus, held: Rule) -> None:
    before = say("door.opened", -3600, "gym-east")
    (found,) = priced(campus, held, [before, closed("gym-east", 600)], real(1, -3540, 600))
    assert found.findings == 0
    assert found.missed_real == [], "it went on into the span"


def test_a_shadow_or_disabled_rule_is_priced_as_if_it_were_live(campus: Campus, held: Rule) -> None:
    for mode in ("shadow", "disabled"):
        (found,) = priced(campus, replace(held, mode=mode), open_for("gym-east", (0, 100)))
        assert found.findings == 1


def test_drills_are_not_counted(campus: Campus, held: Rule) -> None:
    drill = [opened("gym-east", 0, exercise="drill"), closed("gym-east", 500, exercise="drill")]
    (found,) = priced(campus, held, drill)
    assert found.findings == 0


def test_several_parameters_are_combined(campus: Campus, held: Rule) -> None:
    found = priced(campus, held, open_for("gym-east", (0, 100)), hold=["30s", "3m"], strict=[True, False])
    assert [each.params for each in found] == [
        {"hold": "30s", "strict": True},
        {"hold": "30s", "strict": False},
        {"hold": "3m", "strict": True},
        {"hold": "3m", "strict": False},
    ]
    assert [each.findings for each in found] == [1, 0, 0, 0]


def test_a_rule_that_breaks_says_so_in_its_price(campus: Campus) -> None:
    broken = rule_from(HELD.replace("p.times > 5", "10 / (p.times - 2) > 1").replace("default: true", "default: false"))
    (found,) = priced(campus, broken, open_for("gym-east", (0, 100)))
    assert "division by zero" in found.trouble


@pytest.mark.parametrize(
    ("params", "sweep", "where", "message"),
    [
        ({"hold": "5s"}, {}, "params.hold", "below the minimum of 10s"),
        ({}, {"hold": ["60s", "2h"]}, "sweep.hold", "above the maximum of 30m"),
        ({}, {"hodl": ["60s"]}, "sweep.hodl", "did you mean 'hold'"),
        ({"times": "3"}, {}, "params.times", "no int"),
        ({}, {"hold": []}, "sweep.hold", "names no value"),
        ({}, {"times": [1, 2, 3, 4, 5], "hold": ["10s", "20s", "30s", "40s", "50s"]}, "sweep", "at most 20"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(
    held: Rule, params: dict[str, Any], sweep: dict[str, list[Any]], where: str, message: str
) -> None:
    with pytest.raises(BadInput) as caught:
        variants(held, params, sweep)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert message in problem.message


def test_typed_values_take_the_form_of_their_parameter(held: Rule) -> None:
    assert read_text(held, "hold", "90s") == "90s"
    assert read_text(held, "times", "7") == 7
    assert read_text(held, "strict", "false") is False
    for name, text in (("times", "many"), ("strict", "yes"), ("nothing", "1")):
        with pytest.raises(BadInput):
            read_text(held, name, text)


def test_set_params_keeps_the_version_and_names_every_problem(held: Rule) -> None:
    assert set_params(replace(held, version=7), {"hold": "2m"}).version == 7
    with pytest.raises(BadInput) as caught:
        set_params(held, {"hold": "1s", "times": 99})
    assert [each.where for each in caught.value.problems] == ["params.hold", "params.times"]


@pytest.mark.parametrize("named", [False, True])
def test_a_tuned_rule_still_passes_the_tests_it_was_written_with(named: bool) -> None:
    steps = [
        {"at": "0s", "send": {"kind": "door.opened", "door": "d1"}},
        {"at": "61s", "expect": "firing"},
    ]
    tests = [{"name": "a minute", "steps": steps}] if named else steps
    rule = read_rule({**rule_from(HELD).document, "tests": tests})
    assert run_tests(rule) == []
    assert run_tests(set_params(rule, {"hold": "5m"})) != []
    tuned = tuned_to(tuned_to(rule, {"hold": "5m"}), {"hold": "10m", "times": 3})
    assert tuned.params["hold"] == timedelta(minutes=10)
    assert run_tests(tuned) == []


def test_what_two_forms_found_is_told_apart_by_place_and_time() -> None:
    def spell(key: str, start: float, end: float | None) -> Spell:
        return Spell("lincoln", key, at(start), None if end is None else at(end))

    draft = [spell("main", 0, 10), spell("main", 100, None), spell("gym-east", 0, 5)]
    live = [spell("main", 5, 20), spell("gym-west", 0, 5)]
    gained, lost = gained_and_lost(draft, live)
    assert [(each.key, each.began_at) for each in gained] == [("main", at(100)), ("gym-east", at(0))]
    assert [each.key for each in lost] == ["gym-west"]
