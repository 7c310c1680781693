"""`kill -9` at random while messages arrive: is every message journalled once, was every alert told, what came twice?

The service runs as one process, or (`--split`) as one for each role; one of them is killed every few seconds, at
moments that the seed chooses, and started again at once.

    python -m benchmarks.endurance.kills [--seconds 20] [--rate 500] [--seed 1] [--split] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.endurance.count import Count, compare, look, settled
from benchmarks.endurance.processes import Process, processes, started
from benchmarks.endurance.sensors import Sensors, open_all_day
from benchmarks.stage import postgres, stage
from core.clock import SystemClock

PAUSE_S: Final = (0.3, 4.0)
"""Between two kills; a process takes two seconds or three to start, and may be hit while it does."""


@dataclass(frozen=True, slots=True)
class Kills:
    """What went in, what came of it, and what was killed."""

    count: Count
    killed: Counter[str]
    """How often, by the name of the process."""
    settled_s: float
    """From the last message to the last effect."""

    def __str__(self) -> str:
        named = ", ".join(f"{name} {times}" for name, times in sorted(self.killed.items()))
        return f"{self.count}; killed: {named or 'nobody'}; settled after {self.settled_s:.1f} s"


async def run(
    folder: Path,
    *,
    seconds: float = 20.0,
    rate: float = 500,
    seed: int = 1,
    split: bool = False,
    database_url: str | None = None,
) -> Kills:
    """Publish, kill, start again, wait until all is worked off, and count."""
    chance = random.Random(seed)
    async with stage(folder, database_url=database_url) as here:
        open_all_day(here)
        found, sensors = processes(here, split=split), Sensors(here.broker.port)
        async with started(found):
            with sensors.connected():
                working = asyncio.create_task(sensors.work(rate=rate, seconds=seconds))
                killed = await _kill_now_and_then(found, chance, working)
                await working
                await sensors.done()
            took = await settled(here, sensors.said)
        name = f"kill -9, {'split roles' if split else 'one process'}, {_kind(here.database_url)}"
        # A kill of the courier interrupts what is on its way to the one endpoint that there is.
        excused = sum(times for who, times in killed.items() if who in ("serve", "courier"))
        return Kills(compare(name, sensors.said, look(here), excused=excused), killed, took)


def _kind(url: str) -> str:
    return "SQLite" if url.startswith("sqlite") else "PostgreSQL"


async def _kill_now_and_then(
    found: Sequence[Process], chance: random.Random, working: asyncio.Task[None]
) -> Counter[str]:
    killed: Counter[str] = Counter()
    while not working.done():
        await asyncio.wait([working], timeout=chance.uniform(*PAUSE_S))
        if working.done():
            break
        victim = chance.choice(found)
        await asyncio.to_thread(victim.kill)
        victim.start(wait=False)
        killed[victim.name] += 1
    return killed


def main() -> int:
    """Run and print the count; 1 if something was lost or had an effect twice."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=20.0, help="how long messages arrive")
    words.add_argument("--rate", type=float, default=500, help="messages a second")
    words.add_argument("--seed", type=int, default=1, help="chooses moments and victims")
    words.add_argument("--split", action="store_true", help="one process for each role")
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    said = words.parse_args()
    out = Console()
    out.print(f"{SystemClock().now():%H:%M:%S} {said.rate:g} messages/s for {said.seconds:g} s …")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        found = asyncio.run(
            run(
                folder / "stage",
                seconds=said.seconds,
                rate=said.rate,
                seed=said.seed,
                split=said.split,
                database_url=url,
            )
        )
    out.print(str(found), highlight=False)
    return 0 if found.count.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
