"""The scenarios that ship tell the truth about the rules that ship: what they expect is found, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.campus import Campus
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
    """Yield what the live rules find, the engine fed as the service would be."""
    engine = Engine(scenario.campus, shipped(), started=scenario.start - timedelta(minutes=1))
    end = scenario.start + length
    seen: set[tuple[str, str]] = set()
    for each in takewhile(lambda one: one.sent_at < end, scenario.stream(**how)):  # type: ignore[arg-type] # stream's
        yield from _live(engine.advance(each.sent_at - LATENESS))
        for message in understood(each, scenario.campus):
            if (message.message_id, message.kind) not in seen:
                seen.add((message.message_id, message.kind))
                # A scenario speaks as a test; what the rules make of it is asked as if it were so.
                yield from _live(engine.accept(replace(message, exercise="live")))
    yield from _live(engine.advance(end))
    assert not engine.health


def _live(found: list[Finding]) -> Iterator[Finding]:
    return (each for each in found if each.mode == "live")


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


def test_every_live_rule_that_ships_is_expected_by_a_scenario() -> None:
    expected = {each.rule for path in library() for each in read_scenario(path).file.expect}
    assert {rule.id for rule in shipped() if rule.mode == "live"} == expected


DAY_TYPES = {
    "regular": {},
    "early_release": {"2026-11-24": {"type": "early_release", "reason": "teachers' conference"}},
    "closed": {"2026-11-24": {"type": "closed", "reason": "snow"}},
}


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("day_type", DAY_TYPES)
def test_ordinary_days_are_quiet(day_type: str, seed: int) -> None:
    scenario = read_scenario(LIBRARY / "school-day.yaml")
    campus = scenario.campus.model_dump(by_alias=True, mode="json")
    campus["calendar"]["exceptions"] = campus["calendar"]["exceptions"] | DAY_TYPES[day_type]
    length = timedelta(days=7 if day_type == "regular" else 1)
    quiet = Scenario(
        scenario.file.model_copy(update={"script": (), "expect": (), "length": length, "seed": seed}),
        Campus.model_validate(campus),
        scenario.start,
    )
    found = [each for each in findings(quiet, length) if each.severity != "minor"]
    assert [f"{each.rule} {each.key} {each.at}" for each in found] == []


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
        "denied-then-forced",
        "door-held-open",
        "nearly-full",
        "over-capacity",
        "door-propped",
        "after-hours-opening",
        "denied-then-forced",
    ]
    assert fired[0][2] < 10
    assert fired[-1][2] < 600


def test_every_fault_may_be_played_without_stopping_a_rule() -> None:
    scenario = read_scenario(LIBRARY / "school-day.yaml")
    rates = dict.fromkeys(FAULTS, 0.1)
    assert list(findings(scenario, timedelta(hours=17), faults=rates))
