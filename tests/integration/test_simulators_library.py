"""The whole library through `replay`: what is expected is found, who must be told is told, and it is quick."""

from __future__ import annotations

import io
from itertools import islice
from pathlib import Path
from time import process_time

import msgspec
import pytest
from rich.console import Console

from app import recordings, rehearsal, simulation
from app.outcome import Outcome, diverging
from core.campus import Campus
from core.findings import Finding
from ingest.mapping import shipped as shipped_mappings
from rules.rule import shipped
from simulators.dialects import DIALECTS, bound, spoken
from simulators.play import record
from simulators.scenarios import LIBRARY, Scenario, library, read_scenario
from simulators.verdict import Observed, Verdict, judge

ENDLESS = {"demo"}
PATHS = [path for path in library() if path.stem not in ENDLESS]
IN_ALL_S = 60.0
SPENT: dict[str, float] = {}


def findings(scenario: Scenario, campus: Campus, lines: list[recordings.Line]) -> list[Finding]:
    return [each for each in recordings.findings(lines, campus, shipped(), shipped_mappings()) if each.mode == "live"]


def verdict(scenario: Scenario) -> Verdict:
    lines = recordings.parse(record(scenario.stream(), until=scenario.end, exercise="live"))
    seen = [
        Observed(rule=each.rule, key=each.key, at=each.at, state=each.state, severity=each.severity)
        for each in findings(scenario, scenario.campus, lines)
    ]
    return judge(scenario.wanted(), seen, forbidden=scenario.file.forbid, allowed=scenario.file.allow)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_scenario_comes_out_as_expected_in_a_replay(path: Path) -> None:
    scenario = read_scenario(path)
    began = process_time()
    found = verdict(scenario)
    SPENT[path.stem] = process_time() - began
    outcome = Outcome(
        scenario=scenario.id,
        started=scenario.start,
        verdict=found,
        diverging=diverging(scenario, found, scenario.stream(), scenario.start),
    )
    assert found.passed, "\n".join([*found.lines(), outcome.diverging or ""])


def test_the_whole_library_is_large_and_takes_less_than_a_minute() -> None:
    assert len(PATHS) >= 40
    if len(SPENT) == len(PATHS):
        assert sum(SPENT.values()) < IN_ALL_S


@pytest.mark.parametrize(
    "path", [path for path in PATHS if any(each.told for each in read_scenario(path).file.expect)], ids=lambda p: p.stem
)
async def test_whoever_must_be_told_is_told(path: Path) -> None:
    scenario = read_scenario(path)
    owner = {way.id: person.id for person in scenario.campus.people for way in person.endpoints}
    lines = recordings.parse(record(scenario.stream(), until=scenario.end, exercise="live"))
    log = await rehearsal.alerts_of(scenario.campus, shipped(), lines, [])
    for each in scenario.file.expect:
        told = {
            owner[way] for line in log if (line["rule"], line["key"]) == (each.rule, each.key) for way in line["to"]
        }
        assert set(each.told) <= told


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["door-held-open", "door-propped"])
def test_the_same_door_in_another_makers_words_is_found_the_same(name: str, dialect: str) -> None:
    scenario = read_scenario(LIBRARY / "rules" / f"{name}.yaml")

    def found(campus: Campus, dialect: str) -> list[tuple[str, str, str, str]]:
        told = spoken(scenario.stream(), campus, dialect)
        lines = recordings.parse(record(told, until=scenario.end, exercise="live"))
        return [(each.rule, each.key, each.state, f"{each.at:%T}") for each in findings(scenario, campus, lines)]

    own = found(scenario.campus, "own")
    assert own
    assert found(bound(scenario.campus, dialect), dialect) == own


def test_a_dialect_changes_topic_and_words_and_leaves_the_controllers_alone() -> None:
    scenario = read_scenario(LIBRARY / "rules" / "door-held-open.yaml")
    said = list(islice(spoken(scenario.stream(), scenario.campus, "zigbee2mqtt"), 40))
    topics = {each.topic.split("/")[0] for each in said}
    assert topics == {"zigbee2mqtt", "campus"}
    contact = next(each for each in said if each.topic == "zigbee2mqtt/gym-east")
    assert contact.payload["contact"] is False
    assert not contact.own
    badges = [each for each in said if isinstance(each.payload, dict) and each.payload.get("exit_request")]
    assert all(each.own for each in badges)
    assert badges


def test_what_falls_short_names_the_message_after_which_it_did(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    text = (LIBRARY / "rules" / "door-propped.yaml").read_text().replace("../campuses", str(LIBRARY / "campuses"))
    path.write_text(text.replace("expect:\n", "expect:\n  - {rule: door-forced, key: main, at: 30s}\n"))
    scenario = read_scenario(path)
    found = verdict(scenario)
    outcome = Outcome(
        scenario=scenario.id,
        started=scenario.start,
        verdict=found,
        diverging=diverging(scenario, found, scenario.stream(), scenario.start),
    )
    assert not outcome.passed
    said = msgspec.json.decode(outcome.diverging or "")
    assert said["topic"] == "campus/always-open/door/main"
    assert outcome.summary().startswith("FELL SHORT")
    assert 'failures="1"' in outcome.junit()
    assert outcome.plain()["results"][-1]["result"] == "missing"


async def test_a_recording_says_which_part_of_people_it_leaves_out(tmp_path: Path) -> None:
    said = io.StringIO()
    order = simulation.Order(scenario="taken-and-left", broker="mqtt://127.0.0.1:1", record=tmp_path / "messages.jsonl")
    assert await simulation.run(order, out=Console(file=said, width=400)) == 0
    assert (
        "left out, for a recording holds messages alone: reyes: acknowledge door-held-open gym-east;" in said.getvalue()
    )
    assert len(recordings.read(tmp_path / "messages.jsonl")) > 10
