"""Policies: documents, defaults, what they plan and whom they would reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from alerts import alert as moves
from alerts import policies
from alerts.policies import Policy
from core.documents import parse
from core.errors import BadInput
from core.findings import SEVERITIES
from tests.campuses import lincoln
from tests.conftest import START
from tests.unit.alerts.making import finding, later

SATURDAY = datetime(2026, 11, 28, 16, 0, tzinfo=UTC)


def problems(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        policies.read_policies(parse(text, file="policies.yaml"))
    return [str(problem) for problem in caught.value.problems]


def one(**changes: Any) -> Policy:
    return Policy.model_validate({"id": "mine", "steps": [{"notify": ["role:sro"]}], **changes})


def test_there_is_a_default_for_every_severity() -> None:
    assert set(SEVERITIES) < set(policies.default_policies())


def test_extreme_tells_the_shift_and_administrators_on_every_endpoint_at_once() -> None:
    first = policies.preview(policies.default_policies()["extreme"], lincoln(), START)[0]
    assert first.at == START
    assert [each.endpoint for each in first.recipients] == ["reyes-phone", "reyes-sms", "diaz-phone"]
    assert {each.tier for each in first.recipients} == {0}


def test_extreme_goes_on_every_minute_and_never_stops_by_itself() -> None:
    steps = policies.default_policies()["extreme"].steps
    assert [step.after for step in steps] == [timedelta(seconds=each) for each in (0, 60, 120)]
    assert steps[-1].repeat == timedelta(seconds=60)


def test_severe_tells_the_officer_by_push_then_text_then_others() -> None:
    seen = policies.preview(policies.default_policies()["severe"], lincoln(), START)
    assert [set(each.people) for each in seen] == [{"reyes"}, {"reyes"}, {"reyes"}, {"diaz", "okafor"}, {"reyes"}]
    assert [each.endpoint for each in seen[0].recipients if each.tier == 0] == ["reyes-phone"]
    assert [each.endpoint for each in seen[1].recipients if each.tier == 0] == ["reyes-sms"]
    assert seen[-1].until == "on_scene"


def test_on_a_closed_saturday_the_preview_shows_who_is_on_call() -> None:
    seen = policies.preview(policies.default_policies()["severe"], lincoln(), SATURDAY)
    assert seen[0].people == ("okafor",)
    nobody = policies.preview(one(steps=[{"notify": ["role:maintenance"]}]), lincoln(), SATURDAY)
    assert nobody[0].recipients == ()


def test_a_plan_says_when_each_step_is_due() -> None:
    policy = one(
        steps=[
            {"notify": ["role:sro"]},
            {"after": 90, "notify": ["on_call"]},
            {"after": "5m", "notify": ["role:admin"]},
        ]
    )
    assert [(each.step, each.due_at) for each in policies.plan(policy, START)] == [
        (0, START),
        (1, later(90)),
        (2, later(300)),
    ]


def test_a_document_holds_one_policy_or_many() -> None:
    found = policies.read_policies(
        parse("id: a\nsteps: [{notify: [on_call]}]\n---\n- {id: b, steps: [{notify: [role:sro], until: resolve}]}\n")
    )
    assert set(found) == {"a", "b"}
    assert found["b"].steps[0].until == "resolve"
    wrapped = policies.read_policies(parse("policies:\n- {id: c, steps: [{notify: [on_call]}]}\n"))
    assert set(wrapped) == {"c"}


def test_what_is_wrong_is_said_with_line_and_field() -> None:
    assert problems("id: a\nsteps:\n- notify: [role:pricipal]\n  atfer: 5\n") == [
        "policies.yaml:3: steps[0].notify: no role 'pricipal'; did you mean 'principal'?",
        "policies.yaml:4: steps[0].atfer: no such key",
    ]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("{notify: []}", "steps[0].notify"),
        ("{notify: [everybody]}", "'everybody' names nobody; write role:sro, shift:on_duty, person:reyes or on_call"),
        ("{notify: [shift:night]}", "no shift 'night'"),
        ("{notify: [on_call], via: [pigeon]}", "steps[0].via[0]"),
        ("{notify: [on_call], after: soon}", "not a duration; write it like 90s"),
        ("{notify: [on_call], after: 8d}", "must be between 0s and 7d"),
        ("{notify: [on_call], after: -5}", "must be between 0s and 7d"),
        ("{notify: [on_call], repeat: 1s}", "must be 10s or more"),
        ("{notify: [on_call], until: tomorrow}", "steps[0].until"),
    ],
)
def test_a_wrong_step_is_refused(step: str, words: str) -> None:
    assert words in "\n".join(problems(f"id: a\nsteps: [{step}]\n"))


def test_two_policies_of_one_name_are_refused() -> None:
    text = "- {id: a, steps: [{notify: [on_call]}]}\n- {id: a, steps: [{notify: [on_call]}]}\n"
    assert problems(text) == ["policies.yaml:2: [1].id: there is a policy 'a' already"]


def test_a_campus_replaces_and_adds_policies() -> None:
    campus = lincoln(policies=[{"id": "severe", "steps": [{"notify": ["person:diaz"]}]}])
    assert policies.policies_of(campus)["severe"].steps[0].notify == ("person:diaz",)
    assert "extreme" in policies.policies_of(campus)


def test_a_policy_that_names_somebody_unknown_is_refused_on_its_campus() -> None:
    with pytest.raises(BadInput, match="no person 'reyez'; did you mean 'reyes'"):
        policies.policies_of(lincoln(policies=[{"id": "mine", "steps": [{"notify": ["person:reyez"]}]}]))


def test_the_rule_asks_for_a_policy_and_hears_why_it_gets_another() -> None:
    known = policies.default_policies()
    assert policies.choose(known, None, "severe") == (known["severe"], "")
    assert policies.choose(known, "extreme", "minor") == (known["extreme"], "")
    found, why = policies.choose(known, "night", "severe")
    assert found.id == "severe"
    assert "there is no policy 'night'" in why


def test_a_policy_survives_being_kept_with_an_alert() -> None:
    for policy in policies.default_policies().values():
        assert policies.from_plain(policies.to_plain(policy)) == policy


def test_only_the_answer_a_step_waits_for_ends_it() -> None:
    alert = moves.opened(finding(), now=START, policy={})
    taken = moves.acknowledged(alert, who="reyes", now=START)
    there = moves.on_scene(alert, who="reyes", now=START)
    answered = {
        until: [policies.is_answered(until, each) for each in (alert, taken, there)]
        for until in ("ack", "on_scene", "resolve")
    }
    assert answered == {"ack": [False, True, True], "on_scene": [False, False, True], "resolve": [False, False, False]}


def test_quiet_hours_wait_for_the_next_time_somebody_is_on_site() -> None:
    minor = policies.default_policies()["minor"]
    monday = datetime(2026, 11, 30, 12, 30, tzinfo=UTC)
    assert policies.send_at(minor, lincoln(), SATURDAY) == monday
    assert policies.send_at(minor, lincoln(), START) == START + timedelta(hours=1)
    assert policies.send_at(policies.default_policies()["extreme"], lincoln(), SATURDAY) == SATURDAY


def test_quiet_hours_of_a_campus_that_never_opens_hold_nothing_back() -> None:
    closed = lincoln(calendar={})
    minor = policies.default_policies()["minor"]
    assert policies.send_at(minor, closed, SATURDAY) == SATURDAY + timedelta(hours=1)


def test_an_alert_keeps_its_axes_apart() -> None:
    alert = replace(moves.opened(finding(), now=START, policy={}), code="A1-00")
    taken = moves.acknowledged(moves.suppressed(alert, "shelved"), who="reyes", now=START)
    assert (taken.condition, taken.suppressed, taken.acknowledged_by) == ("active", "shelved", "reyes")


def test_what_repeats_keeps_its_rhythm_however_late_it_was() -> None:
    minute = timedelta(seconds=60)
    for late_s, next_s in ((0, 60), (1.5, 60), (59, 60), (60, 120), (200, 240)):
        assert policies.next_time(START, minute, START + timedelta(seconds=late_s)) == START + timedelta(seconds=next_s)
