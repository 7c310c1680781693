from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.documents import parse
from core.errors import BadInput
from rules.document import RuleDocument
from rules.rule import document_model, problems_on, read_rule, read_rules, rule_schema, shipped, with_params
from rules.sentence import sentence
from rules.trial import run_tests
from tests.campuses import lincoln
from tests.unit.rules.talk import rule_from

BASE: dict[str, Any] = {
    "id": "held",
    "title": "Held open",
    "key": "door.id",
    "params": {"hold": {"type": "duration", "default": "60s", "min": "10s", "max": "30m"}},
    "hold": {"while": 'door.position == "open"', "for": "p.hold"},
    "severity": "severe",
}


def problems(**changes: Any) -> list[str]:
    data = {name: value for name, value in {**BASE, **changes}.items() if value is not None}
    with pytest.raises(BadInput) as caught:
        read_rule(data)
    return [str(each) for each in caught.value.problems]


def test_a_rule_is_read() -> None:
    rule = read_rule(BASE)
    assert (rule.id, rule.entity, rule.mode, rule.version) == ("held", "door", "live", 1)
    assert rule.params == {"hold": timedelta(seconds=60)}
    assert [(each.after, each.severity) for each in rule.ladder] == [(timedelta(0), "severe")]
    assert rule.document == BASE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "Held Open"}, "id: String should match pattern"),
        ({"title": None}, "title: is required"),
        ({"colour": "red"}, "colour: no such key"),
        ({"key": "doors.id"}, "key: must be 'door.id'"),
        ({"severity": None}, "severity: say either severity or ladder"),
        ({"severity": "fatal"}, "severity: must be 'minor'"),
        ({"ladder": [{"after": "0s", "severity": "minor"}]}, "severity: say either severity or ladder"),
        (
            {"severity": None, "ladder": [{"after": "5s", "severity": "minor"}]},
            "ladder[0].after: the first step stands at 0s",
        ),
        (
            {"severity": None, "ladder": [{"after": "0s", "severity": "severe"}, {"after": "5s", "severity": "minor"}]},
            "ladder[1].severity: must be higher",
        ),
        ({"hold": {"while": "door.open", "for": "p.hold"}}, "hold.while: column 6: no field 'open' on door"),
        ({"hold": {"while": "door.exterior", "for": "p.hld"}}, "hold.for: column 3: no parameter 'hld'; did you mean"),
        ({"hold": {"while": "door.exterior"}}, "hold.for: is required"),
        ({"keep": "door.name"}, "keep: column 1: this is a string; a duration is wanted here"),
        ({"keep": "-5s"}, "keep: -5s is too short"),
        ({"keep": "400d"}, "keep: 400d is longer than a year"),
        ({"alert": {"cooldown": "400d"}}, "alert.cooldown: must be less than or equal to"),
        ({"tests": [{"at": "36d", "expect": "nothing"}]}, "tests[0].steps[0].at: must be less than or equal to"),
        ({"keep": "p.hold - 2m"}, "keep: -1m is too short"),
        ({"clear": {"quite": "5m"}}, "clear.quite: no such key"),
        ({"clear": [5]}, "clear: must be a condition, or {quiet: 10m}"),
        ({"hold": "door.exterior"}, "hold: must be an object, key: value"),
        ({"hold": None, "match": {"of": []}}, "match.of: must not be empty"),
        ({"hold": None, "match": {"of": 5}}, "match.of[0]: must be an object, key: value"),
        (
            {"hold": None, "count": {"of": "door.*", "at_least": 0, "within": "5s"}},
            "count.at_least: must be at least",
        ),
        ({"hold": None, "count": {"of": "door.*", "at_least": 2, "within": "0s"}}, "count.within: 0s is too short"),
        ({"clear": "door.position"}, "clear: column 1: this is a string; true or false is wanted here"),
        ({"params": {"hold": {"type": "duration", "default": "5s", "min": "10s"}}}, "default: 5s is below the minimum"),
        ({"params": {"hold": {"type": "duration", "default": "soon"}}}, "default: not a duration"),
        ({"params": {"hold": {"type": "int", "default": True}}}, "default: True is no int"),
        ({"params": {"hold": {"type": "bool", "default": True, "max": 1}}}, "max: a bool has no bounds"),
        ({"scope": {"door": {"exteriour": True}}}, "scope.door.exteriour: no such field; did you mean 'exterior'?"),
        ({"scope": {"door": {"exterior": "yes"}}}, "scope.door.exterior: 'yes' is no bool"),
        ({"scope": {"door": {"class": ["mian"]}}}, "scope.door.class: it is never 'mian'; did you mean 'main'?"),
        ({"scope": {"door": {"position": "open"}}}, "scope.door.position: this changes under way"),
        ({"scope": {"visit": {"type": "x"}}}, "scope.visit: a door has no 'visit'"),
        ({"active": {}}, "active: say one of calendar, during, campus_state"),
        ({"active": {"invert": True, "campus_state": "secure"}}, "active: invert: goes with calendar"),
        ({"active": {"campus_state": "secured"}}, "active.campus_state[0]: must be 'normal'"),
        ({"alert": {"text": "{door.nam} is open"}}, "alert.text: column 7: no field 'nam' on door"),
        ({"alert": {"text": "{door is open"}}, "alert.text: a brace stands alone"),
        ({"alert": {"txt": "x"}}, "alert.txt: no such key"),
        ({"tests": [{"at": "0s"}]}, "a step says either send or expect"),
        ({"overrides": [{"params": {"hold": "5m"}, "reason": "r", "by": "b"}]}, "overrides[0].until: is required"),
        (
            {"overrides": [{"params": {"hold": "5h"}, "until": "2026-12-04T22:30", "reason": "r", "by": "b"}]},
            "overrides[0].params.hold: 5h is above the maximum of 30m",
        ),
        (
            {"overrides": [{"params": {"hld": "5m"}, "until": "2026-12-04T22:30", "reason": "r", "by": "b"}]},
            "overrides[0].params.hld: no such parameter; did you mean 'hold'?",
        ),
        (
            {"overrides": [{"mode": "shadow", "from": "2027-01-01", "until": "2026-12-04", "reason": "r", "by": "b"}]},
            "overrides[0]: until: must be later than from",
        ),
        (
            {"overrides": [{"until": "2026-12-04T22:30", "reason": "r", "by": "b"}]},
            "overrides[0]: say params or mode",
        ),
    ],
)
def test_what_is_wrong_names_its_field(changes: dict[str, Any], expected: str) -> None:
    assert any(expected in each for each in problems(**changes)), problems(**changes)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = problems(hold={"while": "door.open", "for": "5"}, keep="soon", scope={"door": {"colour": "red"}})
    assert [each.split(":")[0] for each in found] == ["hold.while", "hold.for", "keep", "scope.door.colour"]


@pytest.mark.parametrize("data", [None, [], "hold", 5])
def test_something_else_than_an_object_is_no_rule(data: Any) -> None:
    with pytest.raises(BadInput, match="a rule is an object"):
        read_rule(data)


def test_problems_of_files_carry_file_and_line() -> None:
    text = """
id: held
title: Held open
key: door.id
severity: severe
hold:
  while: door.positon == "open"
  for: 60s
---
id: held
title: Another one
key: door.id
severity: severe
match: {of: door.opened}
---
id: held
title: The same id
key: door.id
severity: severe
match: {of: door.opened}
"""
    with pytest.raises(BadInput) as caught:
        read_rules(parse(text, file="rules.yaml"))
    assert [str(each) for each in caught.value.problems] == [
        "rules.yaml:7: hold.while: column 6: no field 'positon' on door; did you mean 'position'?",
        "rules.yaml:16: id: there is another rule 'held'",
    ]


def test_parameters_can_be_set_within_their_bounds() -> None:
    rule = read_rule(BASE)
    assert with_params(rule, {"hold": "5m"}).params == {"hold": timedelta(minutes=5)}
    assert rule.params == {"hold": timedelta(seconds=60)}
    with pytest.raises(BadInput, match="default: 5s is below the minimum of 10s"):
        with_params(rule, {"hold": "5s"})
    with pytest.raises(BadInput, match="no such parameter; did you mean 'hold'"):
        with_params(rule, {"hould": "5s"})


def test_a_rule_is_said_in_one_sentence() -> None:
    rule = rule_from(
        """
        {id: r, title: Open at night, key: door.id, active: {calendar: staffed, invert: true}, keep: 5s,
         hold: {while: 'door.position == "open"', for: 90s}, clear: 'door.position == "closed"',
         ladder: [{after: 0s, severity: minor}, {after: 5m, severity: severe}]}
        """
    )
    assert sentence(rule) == (
        "Open at night: when the door is open, and stays so for 1m30s, outside of staffed time, "
        "until the door is closed; minor, then severe after 5m."
    )


def test_the_schema_has_every_key_of_a_document() -> None:
    schema = rule_schema()
    assert set(schema["properties"]) >= set(RuleDocument.model_fields)
    assert schema["additionalProperties"] is False
    assert document_model().model_config["extra"] == "forbid"


def test_what_a_campus_does_not_have_is_told() -> None:
    rule = rule_from(
        """
        {id: r, title: T, key: door.id, active: {calendar: lunch}, severity: minor,
         scope: {door: {id: [main, side]}},
         hold: {while: 'door.position == "open" && !now.in("arival")', for: 90s}}
        """
    )
    assert [str(each) for each in problems_on(rule, lincoln())] == [
        "r: no calendar or window 'arival' on this campus; did you mean 'arrival'?",
        "r: no calendar or window 'lunch' on this campus; there are arrival, class_time, school, staffed",
        "r.scope.door.id: no door 'side' on this campus",
    ]
    assert problems_on(read_rule(BASE), lincoln()) == []


# ------------------------------------------------------------------------------------------ the rules that ship
@pytest.mark.parametrize("rule", shipped(), ids=lambda rule: rule.id)
def test_every_rule_that_ships_passes_its_own_tests(rule: Any) -> None:
    assert rule.tests
    assert run_tests(rule) == []


@pytest.mark.parametrize("rule", shipped(), ids=lambda rule: rule.id)
def test_every_rule_that_ships_says_why_what_and_what_to_do(rule: Any) -> None:
    assert len(rule.why) > 80
    assert rule.alert.do
    assert rule.alert.text
    assert "visitor" not in rule.alert.text or "{visit" not in rule.alert.text, "no visitor's name on a lock screen"


def test_the_rules_that_ship_are_in_files_of_their_names() -> None:
    import importlib.resources

    folder = importlib.resources.files("rules") / "protocols"
    assert {f"{rule.id}.yaml" for rule in shipped()} == {
        each.name for each in folder.iterdir() if each.name.endswith(".yaml")
    }


# ------------------------------------------------------------------------------------------------ tests of a rule
def trial(steps: str, more: str = "") -> list[str]:
    rule = rule_from(
        f"""
{{id: r, title: T, key: door.id, severity: minor, scope: {{door: {{exterior: true}}}},
 hold: {{while: 'door.position == "open"', for: 60s}}, tests: {steps}{more}}}
"""
    )
    return [str(each) for each in run_tests(rule)]


def test_a_test_that_fails_says_what_was_found_instead() -> None:
    opened = "{at: 0s, send: {kind: door.opened, door: d}}"
    assert trial(f"[{opened}, {{at: 59s, expect: firing}}]") == [
        "tests[1]: expected firing by 59s, but nothing was found"
    ]
    assert trial(f"[{opened}, {{at: 61s, expect: nothing}}]") == [
        "tests[1]: expected nothing by 1m1s, but found firing minor for d"
    ]
    assert trial(f"[{opened}, {{at: 61s, expect: firing, key: e, severity: severe}}]") == [
        "tests[1]: expected firing severe for e by 1m1s, but nothing was found"
    ]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ("[{at: 0s, send: {kind: door.opend, door: d}}]", "tests[0].send.kind: no message kind 'door.opend'; did you"),
        ("[{at: 0s, send: {kind: door.opened, dor: d}}]", "tests[0].send.dor: no such field; did you mean 'door'?"),
        ("[{at: 0s, send: {kind: door.opened}}]", "tests[0].send: Object missing required field `door`"),
        ("[{at: 0s, send: {kind: door.opened, door: 5}}]", "tests[0].send.door: Expected `str`, got `int`"),
        ("[{at: 0s, send: {kind: door.opened, door: d, at: noon}}]", "tests[0].send.at: not a moment"),
        ("[{at: 5s, expect: nothing}, {at: 1s, expect: nothing}]", "tests[1].at: a step stands before the one above"),
        ("[{name: x, campus: {dors: []}, steps: [{at: 1s, expect: nothing}]}]", "tests[0].campus.dors: no such key"),
        ("[{name: x, params: {n: 5}, steps: [{at: 1s, expect: nothing}]}]", "n: no such parameter"),
    ],
)
def test_a_test_that_cannot_be_run_says_why(steps: str, problem: str) -> None:
    assert problem in "\n".join(trial(steps))
