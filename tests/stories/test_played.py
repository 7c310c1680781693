"""Scenario files in which people act, through the whole house: what they expect of every alert comes about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.clock import ManualClock
from simulators.scenarios import library, parse_scenario, read_scenario
from simulators.verdict import FOUND
from tests.servers import ROOT
from tests.stories.duty import duty
from tests.stories.played import play

PEOPLED = [
    path
    for path in library()
    if (file := read_scenario(path).file).people or any(each.state not in FOUND for each in file.expect)
]


@pytest.mark.parametrize("path", PEOPLED, ids=lambda path: path.stem)
async def test_what_people_do_has_the_effect_that_is_expected(tmp_path: Path, path: Path) -> None:
    scenario = read_scenario(path)
    async with duty(tmp_path, ManualClock(scenario.start), scenario.campus) as watch:
        verdict = await play(watch, scenario)
    assert verdict.passed, "\n".join(verdict.lines())


async def test_the_pages_example_comes_about_and_what_does_not_falls_short(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(scenario: taken-in-time\n.*?)```", page, re.DOTALL)
    scenario = parse_scenario(text)
    answer = re.compile(r"  - \{at: 90s, person: reyes, .*\n")
    unanswered = parse_scenario(answer.sub("", text))
    assert len(unanswered.deeds()) == len(scenario.deeds()) - 1
    verdicts = []
    for number, each in enumerate((scenario, unanswered)):
        (tmp_path / str(number)).mkdir()
        async with duty(tmp_path / str(number), ManualClock(each.start), each.campus) as watch:
            verdicts.append(await play(watch, each))
    assert verdicts[0].passed, "\n".join(verdicts[0].lines())
    assert [each.expectation.state for each in verdicts[1].missed] == ["acknowledged"]


def test_the_situations_that_a_person_is_part_of_are_among_them() -> None:
    assert {"restart", "opens-again", "taken-and-left", "forgotten-bypass"} <= {path.stem for path in PEOPLED}
