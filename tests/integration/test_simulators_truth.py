"""The truth's own comparison: it finds nothing wrong with good rules, and names what bad ones miss or make up."""

from __future__ import annotations

from msgspec.structs import replace

from benchmarks import truth
from core.findings import Finding
from simulators.faults import DEFAULT_RATES

DAYS = 3


def test_on_some_days_over_an_ordinary_network_everything_true_is_found() -> None:
    report = truth.run(DAYS, incidents=8, faults=DEFAULT_RATES)
    assert report.recall == 1, "\n".join(report.lines())
    assert sum(each.true for each in report.scores.values()) > 20
    assert report.messages > 5000


def one_day() -> tuple[truth.Scenario, list[Finding]]:
    ((day, seed),) = truth.school_days(1)
    scenario = truth.scenario_of(day, seed, 8)
    found, _ = truth.found_in(scenario, {})
    return scenario, found


def test_what_is_missed_and_what_is_made_up_is_named() -> None:
    scenario, found = one_day()
    report = truth.Report(1)
    made_up = replace(found[0], rule="door-forced", key="nowhere")
    truth.compare(report, scenario, [*found[1:], made_up], set())
    assert report.recall < 1
    assert report.precision < 1
    assert not report.held
    assert any(line.startswith("missed") and found[0].rule in line for line in report.mistakes)
    assert any(line.startswith("false") and "door-forced nowhere" in line for line in report.mistakes)


def test_a_hundred_days_are_a_hundred_different_ones() -> None:
    days = truth.school_days(100)
    assert len(set(days)) == 100
