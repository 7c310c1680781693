"""All programs of endurance, one after the other, each at a size for which it takes well under a minute.

python -m benchmarks.endurance.page
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.endurance import backlog, clock_step, full_disk, garbage, kills, restarts, soak
from benchmarks.endurance.backlog import Backlog
from benchmarks.endurance.count import HEAD, Count
from benchmarks.endurance.garbage import Garbage
from benchmarks.page import Section, Target
from benchmarks.stage import keep_log_quiet
from core.clock import stopwatch

COMMANDS: Final = (
    "python -m benchmarks.endurance.soak --weeks 8",
    "python -m benchmarks.endurance.kills --seconds 600 [--split] [--database postgresql]",
    "python -m benchmarks.endurance.restarts --of broker|database --times 20 --away 60",
    "python -m benchmarks.endurance.clock_step --step 3600",
    "python -m benchmarks.endurance.full_disk --seconds 60",
    "python -m benchmarks.endurance.garbage --seconds 600",
    "python -m benchmarks.endurance.backlog --messages 1000000",
)
Run = Callable[[Path], Awaitable[object]]
RUNS: Final[dict[str, Run]] = {
    "soak": lambda folder: soak.run(folder, weeks=0.2),
    "kill -9, one process": lambda folder: kills.run(folder, seconds=6),
    "kill -9, a process each for ingest, courier, api": lambda folder: kills.run(folder, seconds=6, split=True),
    "broker away": lambda folder: restarts.run(folder, "broker", times=1),
    "database away": lambda folder: restarts.run(folder, "database", times=1),
    "clock stepped": lambda folder: clock_step.run(folder),
    "full disk": lambda folder: full_disk.run(folder),
    "rubbish": lambda folder: garbage.run(folder, seconds=5),
    "backlog": lambda folder: backlog.run(folder, messages=60_000),
}


def section(folder: Path, *, say: Callable[[str], None] = lambda _: None) -> Section:
    """Run each, and return the part of the page."""
    found: dict[str, object] = {}
    for number, (name, run) in enumerate(RUNS.items()):
        began = stopwatch()
        found[name] = asyncio.run(_run(run, folder / str(number)))
        say(f"{name}: {found[name]} ({stopwatch() - began:.0f} s)")
    said = Section(
        "Endurance",
        "What the service is put through while messages come, and what is left of it at the end: journal, doors, "
        "alerts and deliveries are compared with what was sent. *Lost*: sent and not in the journal, or a door of "
        "which something else is believed than it said last. *Duplicated*: rows, alerts, repeats and deliveries "
        "beyond the first. A push may come twice for each endpoint and kill: better twice than never.",
        COMMANDS,
    )
    counts = {name: _count(each) for name, each in found.items()}
    said.table(HEAD, [(name, *count.cells[1:]) for name, count in counts.items()])
    for name, each in found.items():
        said.say(f"**{name.capitalize()}.** {each}.")
    said.targets += [_target(name, count) for name, count in counts.items()]
    said.targets += _more(found)
    return said


async def _run(run: Run, folder: Path) -> object:
    folder.mkdir(parents=True)
    return await run(folder)


def _count(found: object) -> Count:
    count = getattr(found, "count", None)
    assert isinstance(count, Count)
    return count


def _target(name: str, count: Count) -> Target:
    promised = f"{name}: nothing lost, nothing done twice, every alert that is due delivered"
    measured = (
        f"{count.lost} lost, {count.duplicated} doubled, {count.delivered} of {count.alerts_due} delivered, "
        f"{count.unwanted} unwanted"
    )
    return Target(promised, measured, count.holds)


def _more(found: dict[str, object]) -> Iterator[Target]:
    for each in found.values():
        if isinstance(each, Backlog):
            promised = "a backlog tells of what is true now alone, and of the rest in one summary"
            measured = f"told of {each.told_over} that are over; {len(each.summaries)} summaries"
            yield Target(promised, measured, not each.told_over and len(each.summaries) == 1)
        if isinstance(each, Garbage):
            yield Target("10,000 payloads of rubbish a second, each counted", f"{each.rate:,.0f}/s", each.holds)


def main() -> int:
    """Run and print; 1 if something does not hold."""
    keep_log_quiet()
    out = Console()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        found = section(Path(name), say=lambda line: out.print(line, markup=False, soft_wrap=True))
    out.print("\n".join([*found.lines, *map(str, found.targets)]), markup=False, soft_wrap=True)
    return 0 if all(each.held for each in found.targets) else 1


if __name__ == "__main__":
    raise SystemExit(main())
