"""What a month raises: one school is generated for thirty days and replayed through every shipped protocol.

Once without incidents, which must raise nothing above minor, and once with two incidents a school day over an ordinary
network. Times are those of the processor. Writes `docs/month.md` and its picture.

    python -m benchmarks.month [--seed 1] [--incidents 2]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Final

from app import recordings
from core.findings import SEVERITIES, Finding
from ingest.mapping import shipped as shipped_mappings
from rules.rule import shipped as shipped_rules
from simulators.faults import DEFAULT_RATES
from simulators.habits import Habits
from simulators.picture import bars
from simulators.play import record
from simulators.scenarios import LIBRARY, Scenario, ScenarioFile, read_campus

DOCS: Final = Path(__file__).parent.parent / "docs"
START: Final = datetime.fromisoformat("2026-11-02T00:00")
LENGTH: Final = timedelta(days=30)
GENERATED_WITHIN_S: Final = 10.0
RANK: Final[Mapping[str, int]] = {name: number for number, name in enumerate(SEVERITIES)}


@dataclass(frozen=True, slots=True)
class Month:
    """What a month said and raised, and how long that took."""

    messages: int
    raised: Counter[tuple[str, str]]
    """Findings that began, by rule and severity; a ladder's next step counts as one."""
    generated_s: float
    replayed_s: float

    @property
    def is_quiet(self) -> bool:
        """Whether nothing above minor was raised."""
        return all(severity == "minor" for _, severity in self.raised)

    def rows(self) -> list[tuple[str, str, int]]:
        """Return (rule, severity, count), the most urgent first."""
        order = sorted(self.raised.items(), key=lambda item: (-RANK[item[0][1]], -item[1], item[0]))
        return [(rule, severity, count) for (rule, severity), count in order]


def scenario(incidents: int, seed: int) -> Scenario:
    """Return a month of the school in a box: 20 doors, 600 students, 25 visitors a day."""
    campus = read_campus(LIBRARY / "campuses" / "box.yaml")
    life = Habits(incidents=incidents)
    file = ScenarioFile(scenario="month", campus={}, start=START, length=LENGTH, seed=seed, life=life)
    return Scenario(file, campus, campus.instant(START))


def run(incidents: int, *, seed: int = 1, faults: Mapping[str, float] | None = None) -> Month:
    """Generate a month, replay it, and count."""
    month = scenario(incidents, seed)
    began = process_time()
    written = list(record(month.stream(faults=faults or {}), until=month.end, exercise="live"))
    generated = process_time()
    lines = recordings.parse(written)
    found = recordings.findings(lines, month.campus, shipped_rules(), shipped_mappings())
    raised: Counter[tuple[str, str]] = Counter((each.rule, each.severity) for each in begun(found))
    return Month(len(written), raised, generated - began, process_time() - generated)


def begun(found: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the live findings that begin, or rise; what is said again while it holds is no other alert."""
    holding: dict[tuple[str, str], str] = {}
    for each in found:
        place = (each.rule, each.key)
        if each.mode != "live":
            continue
        if each.state == "resolved":
            holding.pop(place, None)
        elif holding.get(place) != each.severity:
            holding[place] = each.severity
            yield each


def page(quiet: Month, usual: Month, incidents: int) -> str:
    """Return the page of the documentation."""
    campus = scenario(0, 0).campus
    dates = (START.date() + timedelta(days=number) for number in range(LENGTH.days))
    lessons = sum(bool(campus.local_calendar.spans("class_time", day)) for day in dates)
    lines = [
        "# What a month raises",
        "",
        (
            f"One school of {len(campus.doors)} doors, 600 students and 25 visitors a day, for {LENGTH.days} days with "
            f"{lessons} days of lessons: a late start, an early release, exams, Thanksgiving, games, concerts and a "
            "dance. Simulated, and replayed through every shipped protocol. Times are those of the processor. Written "
            "by `make month`."
        ),
        "",
        "| month | messages | generated in s | replayed in s | raised |",
        "|---|---|---|---|---|",
        _row("nothing goes wrong", quiet),
        _row(f"{incidents} incidents a school day, an ordinary network", usual),
        "",
        "A month in which nothing goes wrong must raise nothing above minor. What the other one raises:",
        "",
        "![What a month raises, by rule and severity](images/month.svg)",
        "",
        "| rule | severity | raised |",
        "|---|---|---|",
        *(f"| `{rule}` | {severity} | {count} |" for rule, severity, count in usual.rows()),
        "",
    ]
    return "\n".join(lines)


def _row(name: str, month: Month) -> str:
    raised = month.raised.total()
    return f"| {name} | {month.messages:,} | {month.generated_s:.1f} | {month.replayed_s:.1f} | {raised} |"


def main() -> int:
    """Run, write and print; 1 where it was too slow or not quiet."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--incidents", type=int, default=2)
    said = words.parse_args()
    quiet = run(0, seed=said.seed)
    usual = run(said.incidents, seed=said.seed, faults=DEFAULT_RATES)
    text = page(quiet, usual, said.incidents)
    (DOCS / "month.md").write_text(text, encoding="utf-8")
    title = f"What a month raises: {usual.raised.total()} findings of {usual.messages:,} messages"
    (DOCS / "images" / "month.svg").write_text(bars(title, usual.rows()), encoding="utf-8")
    print(text)
    return 0 if quiet.is_quiet and max(quiet.generated_s, usual.generated_s) < GENERATED_WITHIN_S else 1


if __name__ == "__main__":
    raise SystemExit(main())
