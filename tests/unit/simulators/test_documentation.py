"""The tester's page tells the truth: its examples are read, and what it names exists."""

from __future__ import annotations

import re
from inspect import Parameter, signature
from itertools import islice

import msgspec
import pytest

from app.cli import simulate
from simulators.faults import DEFAULT_RATES, FAULTS
from simulators.phone import KEPT
from simulators.scenarios import ScenarioFile, find_scenario, library, parse_scenario
from simulators.verdict import STATES
from tests.servers import ROOT
from tests.unit.simulators.streams import in_order

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
SCENARIOS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def table(heading: str) -> list[str]:
    """Return the words in the first column of the first table after a heading."""
    part = PAGE.split(heading, 1)[1].split("|---|", 1)[1].split("\n\n", 1)[0]
    return [word for line in part.splitlines()[1:] for word in re.findall(r"`(\w+)`", line.split("|")[1])]


@pytest.mark.parametrize("text", SCENARIOS, ids=lambda text: text.split("\n")[0].split(": ")[1])
def test_an_example_is_a_scenario(text: str) -> None:
    said = list(islice(parse_scenario(text).stream(), 5000))
    assert said
    assert in_order(said)


def test_there_are_examples() -> None:
    assert len(SCENARIOS) == 6


def test_every_state_of_an_alert_is_told() -> None:
    assert set(table("## People, and what becomes of an alert")) == set(STATES)


def test_every_key_and_every_fault_is_told() -> None:
    assert set(table("## A scenario")) == set(ScenarioFile.model_fields)
    assert set(table("## Faults")) == set(FAULTS)


def test_the_rates_of_an_ordinary_network_are_told() -> None:
    part = PAGE.split("## Faults", 1)[1].split("|---|", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in part.splitlines()[1:]]
    told = {row[0].strip("`"): float(row[2]) for row in rows if len(row) > 2 and row[2]}
    assert told == dict(DEFAULT_RATES)


def test_every_option_that_is_named_is_one_of_the_command() -> None:
    named = set(re.findall(r"--[a-z]+", " ".join(re.findall(r"\$ hallwatch simulate .*", PAGE))))
    options = {word for each in signature(simulate).parameters.values() for word in _flags(each)}
    assert named <= options
    assert "--load" in named


def _flags(parameter: Parameter) -> set[str]:
    option = parameter.annotation if isinstance(parameter.annotation, str) else ""
    return {f"--{parameter.name.replace('_', '-')}", *re.findall(r"--[a-z]+", option)}


def test_every_scenario_that_is_named_ships() -> None:
    for name in re.findall(r"hallwatch simulate ([\w-]+)(?= )", PAGE):
        if not name.startswith("my-"):
            assert find_scenario(name) in library()


def test_what_is_pushed_by_hand_is_what_the_phone_reads() -> None:
    (body,) = re.findall(r"curl -d '(.*?)'", PAGE)
    assert set(msgspec.json.decode(body)) == {"title", "message", "type"}
    assert f"the last {KEPT}\n" in PAGE
