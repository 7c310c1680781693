"""The broker, or the database, restarts several times while messages flow: readiness tells it, and nothing is lost.

The sensors' gateway keeps what the broker has not acknowledged. Mosquitto is told to end, as by a service manager, and
keeps what it has on its disk; PostgreSQL is taken down at once, as by a failing machine.

    python -m benchmarks.endurance.restarts [--of broker|database] [--times 3] [--away 2] [--rate 200]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from benchmarks.endurance.count import Count, compare, look, settled
from benchmarks.endurance.processes import processes, started
from benchmarks.endurance.readiness import asked, ready_again
from benchmarks.endurance.sensors import Sensors, open_all_day
from benchmarks.stage import stage
from tests import servers

BETWEEN_S: Final = 1.5
"""Seconds in which everything is there, before and after each restart."""
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Restarts:
    """What was away, and what came of what was said meanwhile."""

    count: Count
    of: Literal["broker", "database"]
    told: bool
    """Whether `/readyz` said so."""
    back_s: float
    """From the return to readiness, the longest."""

    @property
    def holds(self) -> bool:
        """Nothing lost or doubled, and readiness told the truth."""
        return self.count.holds and self.told and self.back_s < 30

    def __str__(self) -> str:
        told = "told" if self.told else "not told"
        return f"{self.count}; {told} by /readyz; ready again after {self.back_s:.1f} s at most"


async def run(
    folder: Path,
    of: Literal["broker", "database"],
    *,
    times: int = 3,
    away: float = 2.0,
    rate: float = 200,
    progress: Progress = lambda _line: None,
) -> Restarts:
    """Say `rate` things a second, take the broker or the database away `times` times for some seconds, and count."""
    with contextlib.ExitStack() as stack:
        postgres, url = None, None
        if of == "database":
            postgres = servers.Postgres(folder / "postgres")
            postgres.start()
            stack.callback(postgres.stop)
            url = postgres.create("restarts")
        async with stage(folder / "stage", database_url=url) as here:
            open_all_day(here)
            found, sensors = processes(here, split=False), Sensors(here.broker.port)
            down = postgres.pause if postgres else here.broker.stop
            up = postgres.resume if postgres else here.broker.start
            async with started(found), asked(here.service.url) as readiness:
                with sensors.connected():
                    working = asyncio.create_task(
                        sensors.work(rate=rate, seconds=times * (away + 3 * BETWEEN_S) + BETWEEN_S)
                    )
                    worst = 0.0
                    for turn in range(times):
                        await asyncio.sleep(BETWEEN_S)
                        progress(f"{of} away for {away:g} s, {turn + 1} of {times} …")
                        await asyncio.to_thread(down)
                        readiness.ready = False
                        await asyncio.sleep(away)
                        await asyncio.to_thread(up)
                        worst = max(worst, await ready_again(readiness))
                    await working
                    await sensors.done()
                    await settled(here, sensors.said)
            name = f"{'Mosquitto' if of == 'broker' else 'PostgreSQL'} restarts, {times} times {away:g} s"
            # A push whose record the database did not take is sent again: at most one at a time.
            excused = times if of == "database" else 0
            return Restarts(compare(name, sensors.said, look(here), excused=excused), of, of in readiness.told, worst)


def main() -> int:
    """Run and print the count; 1 if something was lost or doubled, or readiness did not tell."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--of", choices=("broker", "database"), default="broker")
    words.add_argument("--times", type=int, default=3, help="how often it restarts")
    words.add_argument("--away", type=float, default=2.0, help="seconds that it is away each time; 60 for a real one")
    words.add_argument("--rate", type=float, default=200, help="messages a second")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        found = asyncio.run(
            run(Path(name), said.of, times=said.times, away=said.away, rate=said.rate, progress=out.print)
        )
    out.print(str(found), highlight=False)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
