"""Are the rules right? Seeded weeks of a school, with incidents and a network's faults, judged against the truth.

The simulator knows what really happened; every rule should find it, and nothing else. Every miss and every false
finding is named.

    python -m benchmarks.truth [--days 100] [--incidents 8] [--seed 0] [--fault KIND=RATE…] [--no-faults]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from app import recordings
from app.simulation import read_faults
from core.campus import Campus
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
DAY = timedelta(days=1)
FIRST_DAY = date(2026, 11, 2)
WEEKS = 4
EARLY = timedelta(seconds=10)
"""A device's clock may be wrong by so much without anybody knowing."""
PATIENCE = timedelta(minutes=2)
"""So much later a finding may come where the network is slow."""
LATE = timedelta(hours=18)
"""A ladder's next step says again what is true already."""
WRONG = timedelta(minutes=5)
"""A clock further off is reported."""
BELIEVED = timedelta(minutes=10)
"""A clock further off is not believed: the moment of the receipt counts."""
CHATTERED = re.compile(r"-f\d[oc]$")
"""What the fault `flap` lets a contact say."""
LOOSE = 6
"""So many words of a chattering contact within a minute, beside the closing itself, are a loose magnet."""
MINUTE, NO_TIME = timedelta(minutes=1), timedelta(0)


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
            f"{self.days} days with lessons, {self.messages} messages: recall {self.recall:.2%} "
            f"(at least {RECALL:.0%}), precision {self.precision:.2%} (at least {PRECISION:.0%})"
        )


def stretches(count: int) -> list[tuple[timedelta, int]]:
    """Return how long so many days with lessons take, four weeks at most at a time, and the seed of each stretch."""
    campus = read_campus(LIBRARY / "campuses" / "box.yaml")
    dates = [FIRST_DAY + timedelta(days=number) for number in range(7 * WEEKS)]
    ends = [day + DAY - FIRST_DAY for day in dates if campus.local_calendar.spans("class_time", day)]
    whole, rest = divmod(count, len(ends))
    found = [(7 * WEEKS * DAY, seed) for seed in range(whole)]
    return [*found, (ends[rest - 1], whole)] if rest else found


def scenario_of(length: timedelta, seed: int, incidents: int) -> Scenario:
    """Return so much of the life of the school in a box, nights and weekends included."""
    campus = read_campus(LIBRARY / "campuses" / "box.yaml")
    midnight = datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day)  # noqa: DTZ001 - the campus's own clock
    file = ScenarioFile(
        scenario="weeks", campus={}, start=midnight, length=length, seed=seed, life=Habits(incidents=incidents)
    )
    return Scenario(file, campus, campus.instant(midnight))


def found_in(scenario: Scenario, faults: Mapping[str, float]) -> tuple[list[Finding], int]:
    """Return what the shipped rules find in a scenario, and in how many messages."""
    lines = list(recordings.parse(record(scenario.stream(faults=faults), until=scenario.end, exercise="live")))
    found = recordings.findings(lines, scenario.campus, shipped_rules(), shipped_mappings())
    return [each for each in found if each.mode == "live" and each.state == "firing"], len(lines)


@dataclass(slots=True)
class Bent:
    """What the faults have made true of the devices themselves, which is as true as any incident."""

    campus: Campus
    errors: dict[str, timedelta] = field(default_factory=dict)
    """How far a clock is wrong at most, by the last level of the topic on which it speaks."""
    chatter: dict[str, list[datetime]] = field(default_factory=dict)
    """When a contact has chattered, by door."""

    def by(self, key: str) -> timedelta:
        """Return how far from the true moment a finding about `key` may be, because a clock is believed that errs."""
        doors = self.campus.doors_by_id
        others = (error for name, error in self.errors.items() if name not in doors)
        return min(self.errors[key] if key in self.errors else max(others, default=NO_TIME), BELIEVED)

    def explains(self, finding: Finding) -> bool:
        """Return whether a fault alone makes a finding true."""
        if finding.rule == "device-clock-wrong":
            names = (name for name, error in self.errors.items() if error > WRONG)
            return any(finding.key in (name, self.campus.device_of_door.get(name)) for name in names)
        if finding.rule == "door-contact-flapping":
            chatter = self.chatter.get(finding.key, ())
            return sum(abs(finding.at - at) <= MINUTE for at in chatter) >= LOOSE
        return False


def bent_by(scenario: Scenario, faults: Mapping[str, float]) -> Bent:
    """Return what the faults do to the devices of a scenario."""
    bent = Bent(scenario.campus)
    for each in scenario.stream(faults=faults):
        name = each.topic.rsplit("/", 1)[1]
        if each.clock_error is not None:
            bent.errors[name] = max(bent.errors.get(name, NO_TIME), abs(each.clock_error))
        if isinstance(each.payload, dict) and CHATTERED.search(str(each.payload.get("id"))):
            bent.chatter.setdefault(name, []).append(each.at + (each.clock_error or NO_TIME))
    return bent


def compare(report: Report, scenario: Scenario, found: Sequence[Finding], bent: Bent) -> None:
    """Add a stretch to the report."""
    truths = list(scenario.truths())
    open_truths = list(truths)
    name = f"seed {scenario.file.seed}"
    for each in truths:
        report.of(each.rule).true += 1
    for finding in sorted(found, key=lambda one: one.at):
        hit = next((each for each in open_truths if _says(each, finding, bent.by(finding.key))), None)
        if hit is not None:
            open_truths.remove(hit)
            report.of(finding.rule).found += 1
        elif not (bent.explains(finding) or _known(truths, finding)):
            report.of(finding.rule).false += 1
            report.mistakes.append(f"false   {name}: {finding.rule} {finding.key} at {finding.at:%a %d %b %H:%M:%S}")
    for each in open_truths:
        report.mistakes.append(f"missed  {name}: {each.rule} {each.key} at {each.at:%a %d %b %H:%M:%S}, {each.what}")


def _says(truth: Truth, finding: Finding, error: timedelta) -> bool:
    same = (truth.rule, truth.key) == (finding.rule, finding.key)
    return same and truth.at - EARLY - error <= finding.at <= truth.until + PATIENCE + error


def _known(truths: Sequence[Truth], finding: Finding) -> bool:
    return any(
        (each.rule, each.key) == (finding.rule, finding.key) and each.at <= finding.at <= each.at + LATE
        for each in truths
    )


def run(days: int, *, incidents: int = 8, faults: Mapping[str, float] = DEFAULT_RATES, seed: int = 0) -> Report:
    """Live so many days, and compare."""
    report = Report(days)
    for length, number in stretches(days):
        scenario = scenario_of(length, seed + number, incidents)
        found, messages = found_in(scenario, faults)
        report.messages += messages
        compare(report, scenario, found, bent_by(scenario, faults))
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
