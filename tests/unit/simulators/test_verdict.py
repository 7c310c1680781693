"""The verdict: what came, what did not, and what should not have."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from simulators.verdict import Expectation, Observed, Pattern, State, Wanted, judge
from tests.conftest import START


def wanted(rule: str, key: str, seconds: float, **how: object) -> Wanted:
    expectation = Expectation.model_validate({"rule": rule, "key": key, "at": timedelta(seconds=seconds), **how})
    return Wanted(expectation=expectation, at=START + timedelta(seconds=seconds))


def seen(rule: str, key: str, seconds: float, state: State = "firing") -> Observed:
    return Observed(rule=rule, key=key, at=START + timedelta(seconds=seconds), state=state, severity="severe")


def test_everything_that_was_expected_came() -> None:
    verdict = judge(
        [wanted("held", "d", 70), wanted("held", "d", 130, state="resolved")],
        [seen("held", "d", 130, "resolved"), seen("held", "d", 71)],
    )
    assert verdict.passed
    assert [line.split()[0] for line in verdict.lines()] == ["ok", "ok"]


def test_what_comes_after_its_time_is_late_and_what_comes_before_it_is_missing() -> None:
    verdict = judge([wanted("held", "d", 70)], [seen("held", "d", 73)])
    assert not verdict.passed
    assert list(verdict.lines()) == [
        "late      held d firing at 2026-11-24T14:01:10+00:00 ± 2 s, came at 2026-11-24T14:01:13+00:00"
    ]
    early = judge([wanted("held", "d", 70)], [seen("held", "d", 60)])
    assert list(early.lines()) == ["missing   held d firing at 2026-11-24T14:01:10+00:00 ± 2 s"]


def test_who_should_have_been_told_is_asked_only_where_it_is_known_who_was() -> None:
    needs = wanted("held", "d", 70, told=["reyes", "diaz"])
    asked = replace(seen("held", "d", 70), told=frozenset({"reyes"}))
    verdict = judge([needs], [asked])
    assert not verdict.passed
    assert list(verdict.lines()) == ["untold    held d firing at 2026-11-24T14:01:10+00:00 ± 2 s: not diaz"]
    assert judge([needs], [seen("held", "d", 70)]).passed


def test_a_pattern_may_name_a_rule_a_key_or_a_severity() -> None:
    found = [seen("forced", "d", 5)]
    assert judge([], found, allowed=[Pattern(severity="severe")]).passed
    assert judge([], found, allowed=[Pattern(key="d")]).passed
    assert not judge([], found, allowed=[Pattern(severity="minor")]).passed
    with pytest.raises(ValidationError, match="one of rule, key, severity is required"):
        Pattern()


def test_the_first_trouble_is_the_earliest_of_what_went_wrong() -> None:
    found = [seen("quiet", "e", 40), seen("held", "d", 99)]
    verdict = judge([wanted("held", "d", 70), wanted("forced", "f", 90)], found)
    assert verdict.first_trouble() == (START + timedelta(seconds=40), "e")
    assert judge([], []).first_trouble() is None


def test_another_severity_is_missing() -> None:
    assert judge([wanted("held", "d", 70, severity="severe")], [seen("held", "d", 70)]).passed
    assert not judge([wanted("held", "d", 70, severity="minor")], [seen("held", "d", 70)]).passed


def test_one_finding_meets_one_expectation() -> None:
    verdict = judge([wanted("held", "d", 70), wanted("held", "d", 71)], [seen("held", "d", 70)])
    assert (len(verdict.met), len(verdict.missed)) == (1, 1)


def test_what_nobody_expected_is_unwanted_unless_it_is_allowed() -> None:
    found = [seen("forced", "d", 5), seen("quiet", "d", 5)]
    verdict = judge([], found, allowed=[Pattern(rule="quiet")])
    assert [str(each) for each in verdict.unwanted] == ["forced d firing at 2026-11-24T14:00:05+00:00"]


def test_a_ladder_may_fire_again_for_what_was_expected_unless_it_is_forbidden() -> None:
    found = [seen("held", "d", 70), seen("held", "d", 370)]
    assert judge([wanted("held", "d", 70)], found).passed
    assert not judge([wanted("held", "d", 70)], found, forbidden=[Pattern(rule="held", key="d")]).passed


def test_an_end_that_nobody_expected_harms_nobody() -> None:
    assert judge([], [seen("held", "d", 70, "resolved")]).passed


def test_a_notice_is_asked_for_its_people_and_what_is_kept_back_for_its_reason() -> None:
    told = replace(seen("held", "d", 70, "told"), told=frozenset({"reyes"}))
    assert judge([wanted("held", "d", 70, state="told", told=["reyes"])], [told]).passed
    assert not judge([wanted("held", "d", 70, state="told", told=["diaz"])], [told]).passed
    hushed = replace(seen("held", "d", 70, "quiet"), why="cooldown")
    assert judge([wanted("held", "d", 70, state="quiet", why="cooldown")], [hushed]).passed
    assert judge([wanted("held", "d", 70, state="quiet")], [hushed]).passed
    assert not judge([wanted("held", "d", 70, state="quiet", why="maintenance")], [hushed]).passed


def test_what_becomes_of_an_alert_beyond_what_was_asked_is_not_unwanted() -> None:
    steps = [seen("held", "d", 70), seen("held", "d", 71, "told"), seen("held", "d", 90, "closed")]
    assert judge([wanted("held", "d", 70)], steps).passed
