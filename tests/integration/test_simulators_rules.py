"""The scenarios that ship tell the truth about the rules that ship: what they expect is found, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

import pytest

from core.findings import Finding
from rules.engine import Engine
from rules.rule import shipped
from simulators.demo import demo_campus, demo_scenario
from simulators.faults import FAULTS
from simulators.scenarios import LIBRARY, Scenario, library, read_scenario
from simulators.verdict import Observed, Verdict, judge
from tests.conftest import START
from tests.unit.simulators.streams import understood

LATENESS = timedelta(seconds=1)
JUDGED = [path for path in library() if read_scenario(path).file.expect]


def findings(scenario: Scenario, length: timedelta, **how: object) -> Iterator[Finding]:
    """Yield what the engine finds, fed as the service would be."""
    engine = Engine(scenario.campus, shipped(), started=scenario.start - timedelta(minutes=1))
    end = scenario.start + length
    seen: set[tuple[str, str]] = set()
    for each in takewhile(lambda one: one.sent_at < end, scenario.stream(**how)):  # type: ignore[arg-type] # stream's
        yield from engine.advance(each.sent_at - LATENESS)
        for message in understood(each, scenario.campus):
            if (message.message_id, message.kind) not in seen:
                seen.add((message.message_id, message.kind))
                yield from engine.accept(message)
    yield from engine.advance(end)
    assert not engine.health


def verdict(path: Path, **how: object) -> Verdict:
    scenario = read_scenario(path)
    assert scenario.end
    seen = [
        Observed(rule=each.rule, key=each.key, at=each.at, state=each.state, severity=each.severity)
        for each in findings(scenario, scenario.end - scenario.start, **how)
    ]
    return judge(scenario.wanted(), seen, forbidden=scenario.file.forbid, allowed=scenario.file.allow)


@pytest.mark.parametrize("path", JUDGED, ids=lambda path: path.stem)
def test_a_scenario_meets_its_expectations_and_nothing_else_is_found(path: Path) -> None:
    found = verdict(path)
    assert found.passed, "\n".join(found.lines())


@pytest.mark.parametrize("path", JUDGED, ids=lambda path: path.stem)
def test_repeats_and_swapped_neighbours_change_nothing(path: Path) -> None:
    found = verdict(path, faults={"duplicate": 0.3, "reorder": 0.3})
    assert found.passed, "\n".join(found.lines())


def test_a_bounce_is_no_new_opening() -> None:
    found = verdict(LIBRARY / "bouncing-contact.yaml")
    assert found.passed, "\n".join(found.lines())


def test_every_rule_that_ships_has_its_scenario() -> None:
    assert {rule.id for rule in shipped()} <= {path.stem for path in (LIBRARY / "rules").glob("*.yaml")}


def test_ordinary_days_are_quiet() -> None:
    scenario = read_scenario(LIBRARY / "school-day.yaml")
    quiet = Scenario(
        scenario.file.model_copy(update={"script": (), "expect": (), "length": timedelta(days=7)}),
        scenario.campus,
        scenario.start,
    )
    assert [f"{each.rule} {each.key} {each.at}" for each in findings(quiet, timedelta(days=7))] == []


def test_the_demo_tells_its_story_and_then_is_quiet() -> None:
    scenario = demo_scenario(demo_campus(START, "json://127.0.0.1:1"), START)
    fired = [
        (each.rule, each.key, (each.at - START) / timedelta(seconds=1))
        for each in findings(scenario, timedelta(hours=2))
        if each.state == "firing"
    ]
    assert [rule for rule, _, _ in fired] == [
        "watch-list-match",
        "door-forced",
        "door-held-open",
        "over-capacity",
        "door-propped",
        "after-hours-opening",
    ]
    assert fired[0][2] < 10
    assert fired[-1][2] < 600


def test_every_fault_may_be_played_without_stopping_a_rule() -> None:
    scenario = read_scenario(LIBRARY / "school-day.yaml")
    rates = dict.fromkeys(FAULTS, 0.1)
    assert list(findings(scenario, timedelta(hours=17), faults=rates))
