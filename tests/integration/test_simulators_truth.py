"""The truth's own comparison: it finds nothing wrong with good rules, and names what bad ones miss or make up."""

from __future__ import annotations

from collections import Counter
from time import process_time

import pytest
from msgspec.structs import replace

from benchmarks import month, truth
from core.findings import Finding
from simulators.faults import DEFAULT_RATES
from simulators.play import record

DAYS = 3


def test_on_some_days_over_an_ordinary_network_everything_true_is_found() -> None:
    report = truth.run(DAYS, incidents=8, faults=DEFAULT_RATES)
    assert report.recall == 1, "\n".join(report.lines())
    assert sum(each.true for each in report.scores.values()) > 20
    assert report.messages > 5000


def one_day() -> tuple[truth.Scenario, list[Finding]]:
    ((length, seed),) = truth.stretches(1)
    scenario = truth.scenario_of(length, seed, 8)
    found, _ = truth.found_in(scenario, {})
    return scenario, found


def test_what_is_missed_and_what_is_made_up_is_named() -> None:
    scenario, found = one_day()
    report = truth.Report(1)
    made_up = replace(found[0], rule="door-forced", key="nowhere")
    truth.compare(report, scenario, [*found[1:], made_up], truth.Bent(scenario.campus))
    assert report.recall < 1
    assert report.precision < 1
    assert not report.held
    assert any(line.startswith("missed") and found[0].rule in line for line in report.mistakes)
    assert any(line.startswith("false") and "door-forced nowhere" in line for line in report.mistakes)


def test_a_hundred_days_with_lessons_are_weeks_of_different_seeds() -> None:
    campus = truth.read_campus(truth.LIBRARY / "campuses" / "box.yaml")
    stretches = truth.stretches(100)
    days = [(truth.FIRST_DAY + truth.DAY * number, seed) for length, seed in stretches for number in range(length.days)]
    assert sum(bool(campus.local_calendar.spans("class_time", day)) for day, _ in days) == 100
    assert len(set(days)) == len(days)
    assert all(length <= truth.WEEKS * 7 * truth.DAY for length, _ in stretches)


def test_what_a_fault_makes_true_is_no_false_finding_and_nothing_else_is_excused() -> None:
    scenario, _ = one_day()
    faults = {"flap": 0.2, "skew": 0.5}
    bent = truth.bent_by(scenario, faults)
    found, _ = truth.found_in(scenario, faults)
    explained = Counter(each.rule for each in found if bent.explains(each))
    assert set(explained) == {"door-contact-flapping", "device-clock-wrong"}
    assert not any(truth.Bent(scenario.campus).explains(each) for each in found)


@pytest.mark.parametrize(("incidents", "faults"), [(0, {}), (2, DEFAULT_RATES)])
def test_the_page_of_the_month_is_of_this_very_simulator_and_a_month_is_made_in_ten_seconds(
    incidents: int, faults: dict[str, float]
) -> None:
    began, scenario = process_time(), month.scenario(incidents, seed=1)
    written = sum(1 for _ in record(scenario.stream(faults=faults), until=scenario.end, exercise="live"))
    assert process_time() - began < month.GENERATED_WITHIN_S
    assert len(scenario.campus.doors) == 20
    page = (month.DOCS / "month.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| {incidents or 'nothing'} "))
    assert row.split("|")[2].strip() == f"{written:,}", "`make month` writes the page anew"


def test_what_is_said_again_while_it_holds_is_counted_once_and_a_rise_anew() -> None:
    _, found = one_day()
    first = replace(found[0], state="firing", severity="minor", mode="live")
    risen, over = replace(first, severity="severe"), replace(first, state="resolved")
    assert list(month.begun([first, first, risen, risen, over, first])) == [first, risen, first]
    assert list(month.begun([replace(first, mode="shadow")])) == []
