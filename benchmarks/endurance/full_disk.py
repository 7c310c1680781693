"""The disk of the database is full for a while: nothing is acknowledged, it is told, and work goes on by itself.

First it is full and empty again while the service runs; then it is full, the service is killed, and another one starts
where there is room: had anything been acknowledged that could not be written, it would be lost now. The disk is a small
file system where one may be mounted (as root), else a limit on the size of files.

    python -m benchmarks.endurance.full_disk [--seconds 6] [--rate 200] [--limit]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks.endurance.count import Count, compare, look, settled
from benchmarks.endurance.disk import Disk, disk
from benchmarks.endurance.processes import Process, processes, started
from benchmarks.endurance.readiness import Readiness, asked, ready_again
from benchmarks.endurance.sensors import Sensors, open_all_day
from benchmarks.stage import stage

BEFORE_S: Final = 2.0
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class FullDisk:
    """What came of it."""

    count: Count
    how: str
    words: str
    """What `/readyz` said of the database; empty: it said that all was well."""
    logged: bool
    """Whether the log says that nothing can be written."""
    back_s: float
    """From the first room to readiness."""

    @property
    def holds(self) -> bool:
        """Nothing lost or doubled, and told in both places."""
        return self.count.holds and bool(self.words) and self.logged and self.back_s < 30

    def __str__(self) -> str:
        told = f'/readyz: "{self.words}"' if self.words else "not told by /readyz"
        logged = "" if self.logged else "not "
        return f"{self.count}; by a {self.how}; {told}; {logged}in the log; ready again after {self.back_s:.1f} s"


async def run(
    folder: Path,
    *,
    seconds: float = 6.0,
    rate: float = 200,
    mount: bool = True,
    progress: Progress = lambda _line: None,
) -> FullDisk:
    """Say `rate` things a second, let the disk be full for `seconds` twice, and count."""
    with disk(folder / "disk", mount=mount) as found:
        async with stage(folder / "stage", database_url=f"sqlite:///{found.folder}/hallwatch.db") as here:
            open_all_day(here)
            (process,), sensors = processes(here, split=False), Sensors(here.broker.port)
            async with started([process]), asked(here.service.url) as readiness:
                with sensors.connected():
                    length = 2 * seconds + 3 * BEFORE_S
                    working = asyncio.create_task(sensors.work(rate=rate, seconds=length))
                    progress(f"full for {seconds:g} s by a {found.name} …")
                    back = await _full_and_empty(found, process, readiness, seconds)
                    progress(f"full for {seconds:g} s and killed …")
                    await _full_and_killed(found, process, seconds)
                    await working
                    await sensors.done()
                    await settled(here, sensors.said)
            text = process.log_text()
            words = readiness.words.get("database", "")
            # What was on its way to the receiver, and could not be written down, is sent again, each time.
            count = compare("disk full", sensors.said, look(here), excused=2)
            return FullDisk(count, found.name, words, "handling_waits" in text, back)


async def _full_and_empty(found: Disk, process: Process, readiness: Readiness, seconds: float) -> float:
    assert process.process is not None
    await asyncio.sleep(BEFORE_S)
    found.fill(process.process.pid)
    await asyncio.sleep(seconds)
    found.free(process.process.pid)
    return await ready_again(readiness)


async def _full_and_killed(found: Disk, process: Process, seconds: float) -> None:
    assert process.process is not None
    await asyncio.sleep(BEFORE_S)
    found.fill(process.process.pid)
    await asyncio.sleep(seconds)
    pid = process.process.pid
    process.process.kill()
    found.free(pid)  # a killed process is there until it is waited for
    await asyncio.to_thread(process.process.wait, 10)
    await asyncio.to_thread(process.start)


def main() -> int:
    """Run and print the count; 1 if something was lost or doubled, or nobody was told."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=6.0, help="how long it is full, each time")
    words.add_argument("--rate", type=float, default=200, help="messages a second")
    words.add_argument("--limit", action="store_true", help="limit the size of files, even if a disk may be mounted")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(
            run(Path(name), seconds=said.seconds, rate=said.rate, mount=not said.limit, progress=out.print)
        )
    out.print(str(found), highlight=False)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
