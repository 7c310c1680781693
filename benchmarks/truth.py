"""Are the rules right? Seeded days of a school, with incidents and a network's faults, judged against the truth.

The simulator knows what really happened; every rule should find it, and nothing else. Every miss and every false
finding is named.

    python -m benchmarks.truth [--days 100] [--incidents 8] [--seed 0] [--fault KIND=RATE…] [--no-faults]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from app import recordings
from app.simulation import read_faults
from core.clock import stopwatch
from core.findings import Finding
from ingest.mapping import shipped as shipped_mappings
from rules.rule import shipped as shipped_rules
from simulators.faults import DEFAULT_RATES
from simulators.habits import Habits
from simulators.play import record
from simulators.scenarios import LIBRARY, Scenario, ScenarioFile, read_campus
from simulators.truth import Truth

RECALL, PRECISION = 1.0, 0.95
FIRST_DAY = date(2026, 11, 2)
WEEKS = 4
EARLY = timedelta(seconds=10)
"""A device's clock may be wrong by so much without anybody knowing."""
PATIENCE = timedelta(minutes=2)
"""So much later a finding may come where the network is slow."""
LATE = timedelta(hours=18)
"""A ladder's next step says again what is true already."""


@dataclass(slots=True)
class Score:
    """How often a rule was right."""

    true: int = 0
    found: int = 0
    false: int = 0


@dataclass(slots=True)
class Report:
    """What was found of what there was, by rule, and every mistake in words."""

    days: int
    messages: int = 0
    scores: dict[str, Score] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)

    def of(self, rule: str) -> Score:
        """Return the score of a rule."""
        return self.scores.setdefault(rule, Score())

    @property
    def recall(self) -> float:
        """Which share of what was true was found."""
        true = sum(each.true for each in self.scores.values())
        return sum(each.found for each in self.scores.values()) / true if true else 1.0

    @property
    def precision(self) -> float:
        """Which share of what was found was true."""
        found = sum(each.found for each in self.scores.values())
        said = found + sum(each.false for each in self.scores.values())
        return found / said if said else 1.0

    @property
    def held(self) -> bool:
        """Whether it is as good as it must be."""
        return self.recall >= RECALL and self.precision >= PRECISION

    def lines(self) -> Iterator[str]:
        """Yield the report, every mistake named."""
        yield f"{'rule':<32} {'true':>6} {'found':>6} {'missed':>6} {'false':>6}"
        for rule, score in sorted(self.scores.items()):
            yield f"{rule:<32} {score.true:>6} {score.found:>6} {score.true - score.found:>6} {score.false:>6}"
        yield from self.mistakes
        yield (
            f"{self.days} days, {self.messages} messages: recall {self.recall:.2%} (at least {RECALL:.0%}), "
            f"precision {self.precision:.2%} (at least {PRECISION:.0%})"
        )


def school_days(count: int) -> list[tuple[date, int]]:
    """Return so many days of the calendar with lessons, and the seed of each."""
    campus = read_campus(LIBRARY / "campuses" / "box.yaml")
    dates = [FIRST_DAY + timedelta(days=number) for number in range(7 * WEEKS)]
    lessons = [day for day in dates if campus.local_calendar.spans("class_time", day)]
    return [(lessons[number % len(lessons)], number // len(lessons)) for number in range(count)]


def scenario_of(day: date, seed: int, incidents: int) -> Scenario:
    """Return one day of the school in a box."""
    campus = read_campus(LIBRARY / "campuses" / "box.yaml")
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the campus's own clock
    file = ScenarioFile(
        scenario=f"day-{day}",
        campus={},
        start=midnight,
        length=timedelta(hours=23, minutes=59),
        seed=seed,
        life=Habits(incidents=incidents),
    )
    return Scenario(file, campus, campus.instant(midnight))


def found_in(scenario: Scenario, faults: Mapping[str, float]) -> tuple[list[Finding], int]:
    """Return what the shipped rules find in a scenario, and in how many messages."""
    lines = list(recordings.parse(record(scenario.stream(faults=faults), until=scenario.end, exercise="live")))
    found = recordings.findings(lines, scenario.campus, shipped_rules(), shipped_mappings())
    return [each for each in found if each.mode == "live" and each.state == "firing"], len(lines)


def clocks_wrong(scenario: Scenario, faults: Mapping[str, float]) -> set[str]:
    """Return the devices whose clocks the faults have set wrong, which is as true as any incident."""
    wrong: set[str] = set()
    for each in scenario.stream(faults=faults):
        if each.clock_error is not None and abs(each.clock_error) > timedelta(minutes=5):
            name = each.topic.rsplit("/", 1)[1]
            wrong |= {name, scenario.campus.device_of_door.get(name, name)}
    return wrong


def compare(report: Report, scenario: Scenario, found: Sequence[Finding], wrong_clocks: set[str]) -> None:
    """Add one day to the report."""
    truths = list(scenario.truths())
    open_truths = list(truths)
    name = f"{scenario.id} seed {scenario.file.seed}"
    for each in truths:
        report.of(each.rule).true += 1
    for finding in sorted(found, key=lambda one: one.at):
        hit = next((each for each in open_truths if _says(each, finding)), None)
        if hit is not None:
            open_truths.remove(hit)
            report.of(finding.rule).found += 1
        elif not _known(truths, finding, wrong_clocks):
            report.of(finding.rule).false += 1
            report.mistakes.append(f"false   {name}: {finding.rule} {finding.key} at {finding.at:%H:%M:%S}")
    for each in open_truths:
        report.mistakes.append(f"missed  {name}: {each.rule} {each.key} at {each.at:%H:%M:%S}, {each.what}")


def _says(truth: Truth, finding: Finding) -> bool:
    same = (truth.rule, truth.key) == (finding.rule, finding.key)
    return same and truth.at - EARLY <= finding.at <= truth.until + PATIENCE


def _known(truths: Sequence[Truth], finding: Finding, wrong_clocks: set[str]) -> bool:
    if finding.rule == "device-clock-wrong" and finding.key in wrong_clocks:
        return True
    return any(
        (each.rule, each.key) == (finding.rule, finding.key) and each.at <= finding.at <= each.at + LATE
        for each in truths
    )


def run(days: int, *, incidents: int = 8, faults: Mapping[str, float] = DEFAULT_RATES, seed: int = 0) -> Report:
    """Live so many days, and compare."""
    report = Report(days)
    for day, number in school_days(days):
        scenario = scenario_of(day, seed + number, incidents)
        found, messages = found_in(scenario, faults)
        report.messages += messages
        compare(report, scenario, found, clocks_wrong(scenario, faults))
    return report


def main() -> int:
    """Run and print; 1 where a rule is not as good as it must be."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--days", type=int, default=100)
    words.add_argument("--incidents", type=int, default=8)
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--fault", action="append", default=[], metavar="KIND=RATE")
    words.add_argument("--no-faults", action="store_true")
    said = words.parse_args()
    own = read_faults(tuple(said.fault)) or {}
    faults = {} if said.no_faults else {**DEFAULT_RATES, **own}
    started = stopwatch()
    report = run(said.days, incidents=said.incidents, faults=faults, seed=said.seed)
    print("\n".join(report.lines()))
    print(f"faults: {', '.join(f'{name}={rate:g}' for name, rate in faults.items()) or 'none'}")
    print(f"{stopwatch() - started:.0f} s")
    return 0 if report.held else 1


if __name__ == "__main__":
    raise SystemExit(main())
