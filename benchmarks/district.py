"""A full day of a district, made to the end: how long it takes, how many messages it is, and how much memory it holds.

Nothing is kept of what is made, as when it is sent. Times are those of the processor; the memory is the largest the
process has ever held.

    python -m benchmarks.district [--schools 1000] [--doors 200] [--days 1] [--write]
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import process_time
from typing import Final

from simulators.box import Size, grown
from simulators.habits import Habits
from simulators.play import record
from simulators.scenarios import LIBRARY, Scenario, ScenarioFile, read_campus

START: Final = datetime.fromisoformat("2026-11-03T00:00")
"""A Tuesday with lessons."""
WITHIN_MIB: Final = 2048.0
"""More than this a district must not hold."""


@dataclass(frozen=True, slots=True)
class District:
    """What a district said, and what that took."""

    doors: int
    messages: int
    seconds: float
    peak_mib: float

    def lines(self) -> Iterator[str]:
        """Yield it as a person reads it."""
        yield f"{self.doors:,} doors, {self.messages:,} messages in {self.seconds:.0f} s of the processor"
        yield f"{self.messages / max(self.seconds, 1e-9):,.0f} messages/s, {self.peak_mib:.0f} MiB at most"


def scenario(schools: int, doors: int, days: float) -> Scenario:
    """Return so many days of a district of schools like the one in a box."""
    size = Size(schools=schools, doors=doors)
    campus = grown(read_campus(LIBRARY / "campuses" / "box.yaml"), size)
    length = timedelta(days=days)
    file = ScenarioFile(scenario="district", campus={}, start=START, length=length, life=Habits(), size=size)
    return Scenario(file, campus, campus.instant(START))


def run(schools: int, doors: int, days: float, *, write: bool = False) -> District:
    """Make it to the end; `write` spells every message out, as it goes over the wire."""
    district = scenario(schools, doors, days)
    began = process_time()
    said = district.stream()
    count = sum(1 for _ in (record(said) if write else said))
    seconds = process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return District(schools * len(district.campus.doors), count, seconds, peak)


def main() -> int:
    """Run and print; 1 if it holds more than it should."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--schools", type=int, default=1000)
    words.add_argument("--doors", type=int, default=200)
    words.add_argument("--days", type=float, default=1.0)
    words.add_argument("--write", action="store_true", help="spell every message out")
    said = words.parse_args()
    found = run(said.schools, said.doors, said.days, write=said.write)
    print("\n".join(found.lines()))
    return 0 if found.peak_mib <= WITHIN_MIB else 1


if __name__ == "__main__":
    raise SystemExit(main())
