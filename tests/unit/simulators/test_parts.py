"""Short scenarios: values for parameters, and parts that several files share."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from simulators.scenarios import LIBRARY, ScenarioFile, library, parse_scenario, read_scenario, scenario_schema
from tests.unit.simulators.test_scenarios import HEAD, TEN

PART = """
part: wedge
parameters: {door: main, for: 6m}
script:
  - {at: 0s, door: $door, opens: {for: $for, granted: true}}
expect:
  - {rule: door-held-open, key: $door, at: 60s}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wedge.yaml").write_text(PART)
    (tmp_path / "campuses").mkdir()
    (tmp_path / "campuses" / "always-open.yaml").write_text((LIBRARY / "campuses" / "always-open.yaml").read_text())
    return tmp_path


def problems(text: str, folder: Path, **how: Any) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse_scenario(text, folder=folder, file="s.yaml", **how)
    return [str(problem) for problem in caught.value.problems]


def test_a_parameter_stands_for_a_value_of_any_kind_and_within_a_text() -> None:
    text = HEAD + "parameters: {door: field, count: 12, who: Kim}\n"
    text += "script:\n  - {at: 1s, door: $door, opens: {}}\n"
    text += '  - {at: 2s, gathering: play, say: {mode: absolute, count: $count, gate: "the gate of ${who}"}}\n'
    found = parse_scenario(text)
    assert found.file.script[0].door == "field"
    assert found.file.script[1].say == {"mode": "absolute", "count": 12, "gate": "the gate of Kim"}
    other = parse_scenario(text, given={"door": "main"})
    assert other.file.script[0].door == "main"


def test_a_part_is_included_at_its_moment_with_its_values(folder: Path) -> None:
    text = (
        HEAD
        + "reports: false\ninclude:\n  - {file: wedge.yaml, at: 10m, with: {door: gym-east}}\n  - {file: wedge.yaml}\n"
    )
    found = parse_scenario(text, folder=folder)
    openings = [each for each in found.stream() if each.payload.get("position") == "open"]
    assert [(each.topic.rsplit("/", 1)[1], each.at - TEN) for each in openings] == [
        ("main", timedelta(0)),
        ("gym-east", timedelta(minutes=10)),
    ]
    assert [(each.expectation.key, each.at - TEN) for each in found.wanted()] == [
        ("gym-east", timedelta(minutes=11)),
        ("main", timedelta(minutes=1)),
    ]


def test_a_whole_scenario_can_be_a_part_of_another(folder: Path) -> None:
    (folder / "inner.yaml").write_text(HEAD + "script: [{at: 5s, door: main, say: {lock: locked}}]\n")
    found = parse_scenario(HEAD + "include: [{file: inner.yaml, at: 1m}]\n", folder=folder)
    assert found.file.script[0].at == timedelta(seconds=65)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("script: [{at: 1s, door: $dor, opens: {}}]", "s.yaml:4: script[0].door: no parameter 'dor'"),
        (
            "parameters: {door: main}\nscript: [{at: 1s, door: $dor, opens: {}}]",
            "s.yaml:5: script[0].door: no parameter 'dor'; did you mean 'door'?",
        ),
        ("include: [{file: nowhere.yaml}]", "s.yaml:4: include[0].file: no such file: nowhere.yaml"),
    ],
)
def test_what_is_missing_is_told_where(text: str, problem: str, folder: Path) -> None:
    assert problems(HEAD + text, folder) == [problem]


def test_a_mistake_in_a_part_is_told_with_the_parts_own_file_and_line(folder: Path) -> None:
    text = HEAD + "include: [{file: wedge.yaml, with: {door: nowhere}}]\n"
    (found,) = problems(text, folder)
    assert found.startswith(f"{folder / 'wedge.yaml'}:5: script[0].door: no door 'nowhere'")
    (found,) = problems(HEAD + "include: [{file: wedge.yaml, with: {dor: main}}]\n", folder)
    assert "wedge.yaml" in found
    assert "no parameter 'dor'; did you mean 'door'?" in found


def test_a_part_that_includes_itself_is_refused(folder: Path) -> None:
    (folder / "loop.yaml").write_text("part: loop\ninclude: [{file: loop.yaml}]\n")
    (found,) = problems(HEAD + "include: [{file: loop.yaml}]\n", folder)
    assert "included more than 8 deep" in found


def test_a_value_for_a_parameter_that_is_not_there_is_refused(folder: Path) -> None:
    assert "no parameter 'speed'" in problems(HEAD, folder, given={"speed": 1})[0]


def test_the_schema_is_whole_and_lets_a_parameter_stand_for_every_value() -> None:
    schema = json.loads(json.dumps(scenario_schema()))
    named = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)))
    assert named == set(schema["$defs"])
    for kind in (schema, schema["$defs"]["Entry"], schema["$defs"]["Expectation"]):
        for field in kind["properties"].values():
            assert {"$ref": "#/$defs/Parameter"} in field["anyOf"]
    assert set(schema["properties"]) == set(ScenarioFile.model_fields)
    assert schema["additionalProperties"] is False


def test_every_part_that_ships_is_included_by_a_scenario_that_ships() -> None:
    used = {Path(each.file).stem for path in library() for each in read_scenario(path).file.include}
    assert {path.stem for path in (LIBRARY / "parts").glob("*.yaml")} == used
