"""What people do in a scenario: read with its mistakes told, moved with an include, in order of time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from core.campus import Campus
from core.errors import BadInput
from simulators.deeds import VERBS
from simulators.scenarios import LIBRARY, parse_scenario
from simulators.verdict import FOUND, STATES
from tests.unit.simulators.test_scenarios import HEAD, TEN, problems

ANSWER = "{at: 30s, person: diaz, acknowledge: {rule: door-held-open, key: main}}"


def test_deeds_come_in_order_of_time_and_say_what_they_are() -> None:
    text = f"""people:
  - {{at: 10m, person: reyes, resolve: {{rule: door-held-open, key: main, as: nuisance, note: wind}}}}
  - {ANSWER}
  - {{at: "10:05", person: reyes, on_scene: {{rule: door-held-open, key: main}}}}
  - {{at: 1m, person: diaz, suppress: {{keys: [field], rules: [door-propped], for: 2h, reason: repair}}}}
  - {{at: 2m, restart: {{for: 8s}}}}
"""
    found = parse_scenario(HEAD + text)
    assert [((at - TEN).total_seconds(), str(deed)) for at, deed in found.deeds()] == [
        (30, "diaz: acknowledge door-held-open main"),
        (60, "diaz: keep door-propped, field quiet"),
        (120, "restart the service"),
        (300, "reyes: on_scene door-held-open main"),
        (600, "reyes: resolve door-held-open main"),
    ]
    assert found.end
    assert found.end > TEN + timedelta(minutes=10), "it lasts until the last of them"


def test_an_include_moves_its_people_along(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(f"part: answered\npeople: [{ANSWER}]\n")
    (tmp_path / "campuses").mkdir()
    (tmp_path / "campuses" / "always-open.yaml").write_text((LIBRARY / "campuses" / "always-open.yaml").read_text())
    found = parse_scenario(HEAD + "include: [{file: part.yaml, at: 5m}]\n", folder=tmp_path)
    assert [at - TEN for at, _ in found.deeds()] == [timedelta(minutes=5, seconds=30)]


def test_whoever_sees_no_alerts_is_not_asked_what_became_of_them() -> None:
    states = ("firing", "told", "resolved")
    lines = "".join(f"  - {{rule: r, key: k, at: 1s, state: {state}}}\n" for state in states)
    found = parse_scenario(HEAD + f"expect:\n{lines}")
    assert [each.expectation.state for each in found.wanted()] == list(FOUND)
    assert len(found.wanted(states=STATES)) == 3


def test_on_another_campus_its_people_must_be_there() -> None:
    found = parse_scenario(HEAD + f"people: [{ANSWER}]")
    stranger = Campus.model_validate({"campus": {"id": "other", "name": "Other", "timezone": "UTC"}})
    with pytest.raises(BadInput, match=r"people\[0\].person: no person 'diaz'"):
        found.on(stranger, found.start)


@pytest.mark.parametrize(
    ("deed", "problem"),
    [
        (
            "{at: 1s, person: raies, acknowledge: {rule: r, key: k}}",
            "people[0].person: no person 'raies'; did you mean 'reyes'?",
        ),
        (
            "{at: 1s, person: diaz}",
            f"people[0]: one of {', '.join(VERBS)} is required",
        ),
        (
            "{at: 1s, person: diaz, acknowledge: {rule: r, key: k}, on_scene: {rule: r, key: k}}",
            f"people[0]: one of {', '.join(VERBS)} is required, not acknowledge and on_scene",
        ),
        (
            "{at: 1s, acknowledge: {rule: r, key: k}}",
            "people[0]: person: nobody in particular restarts the service; all else is done by somebody",
        ),
        (
            "{at: 1s, person: diaz, restart: {}}",
            "people[0]: person: nobody in particular restarts the service; all else is done by somebody",
        ),
        (
            "{at: 1s, person: diaz, suppress: {for: 1h, reason: repair}}",
            "people[0].suppress: rules or keys are required: say what is kept quiet",
        ),
        ("{at: 1s, person: diaz, suppress: {keys: [main], for: 1h}}", "people[0].suppress.reason: is required"),
        ("{at: 1s, person: diaz, resolve: {rule: r, key: k}}", "people[0].resolve.as: is required"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(deed: str, problem: str) -> None:
    assert problems(HEAD + f"people: [{deed}]") == [f"s.yaml:4: {problem}"]
