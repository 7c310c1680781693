"""The clock of the machine is stepped by an hour, forward and back, while doors stand open and messages arrive.

A hold counts how long a door stands open, not what the clock says: its alert is due at its time, neither an hour early
nor an hour late. The sensors' clocks are right all the time.

    python -m benchmarks.endurance.clock_step [--step 3600] [--hold 8] [--rate 50]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.endurance.count import Count, compare, look, settled
from benchmarks.endurance.processes import processes, started
from benchmarks.endurance.sensors import Sensors, open_all_day
from benchmarks.endurance.stepped import set_step
from benchmarks.stage import PROBE, Stage, stage

IN_TIME_S: Final = 2.0
"""So far from its time an alert may be told."""
DOORS: Final = [f"d{number}" for number in range(8)]
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Told:
    """One door that was held open, and how far from its time it was told."""

    when: str
    late_s: float
    """Negative: early; infinite: not at all."""

    def __str__(self) -> str:
        return f"{self.when}: " + ("never" if self.late_s == float("inf") else f"{self.late_s:+.1f} s")


@dataclass(frozen=True, slots=True)
class ClockStep:
    """What came of it."""

    count: Count
    told: tuple[Told, ...]

    @property
    def holds(self) -> bool:
        """Nothing lost or doubled, and every hold in its time."""
        return self.count.holds and all(abs(each.late_s) <= IN_TIME_S for each in self.told)

    def __str__(self) -> str:
        return f"{self.count}\ndoors held open, {'; '.join(map(str, self.told))}"


async def run(
    folder: Path,
    *,
    step: float = 3600,
    hold: float = 8,
    rate: float = 50,
    progress: Progress = lambda _line: None,
) -> ClockStep:
    """Hold doors open, step the clock forward and back again, and look when each is told."""
    async with stage(folder, rules=[PROBE, held(hold)]) as here:
        open_all_day(here, doors=DOORS)
        set_step(folder, 0)
        (process,), sensors = processes(here, split=False), Sensors(here.broker.port)
        process.program = "benchmarks.endurance.stepped"
        async with started([process]):
            with sensors.connected():
                working = asyncio.create_task(sensors.work(rate=rate, seconds=2 * (hold + hold / 3 + 3)))
                opened: dict[str, tuple[str, float]] = {}
                for turn, (name, ahead) in enumerate((("forward", step), ("back", 0.0))):
                    progress(f"the clock goes {name} by {step:g} s …")
                    await _step(here, sensors, opened, name, ahead, DOORS[4 * turn : 4 * turn + 4], hold)
                await working
                await sensors.done()
                await settled(here, sensors.said, patience=hold + 5, longest=45)
            told = tuple(_told(here, opened, hold))
            return ClockStep(compare(f"clock stepped {step / 3600:g} h, both ways", sensors.said, look(here)), told)


def held(seconds: float) -> dict[str, Any]:
    """Return a rule that holds once a door has been open for so long."""
    return {
        **{key: value for key, value in PROBE.items() if key != "match"},
        "id": f"{PROBE['id']}-held",
        "key": "door.id",
        "scope": {"door": {"class": "interior"}},
        "hold": {"while": 'door.position == "open" && door.id.startsWith("d")', "for": f"{seconds:g}s"},
        "alert": {"text": "probe {door.id}", "policy": "probe"},
    }


async def _step(
    here: Stage,
    sensors: Sensors,
    opened: dict[str, tuple[str, float]],
    name: str,
    ahead: float,
    doors: list[str],
    hold: float,
) -> None:
    """Open two doors before and one after the step; one of the first two is closed in time."""
    loop = asyncio.get_running_loop()
    before, closed, after, shut = doors
    for door in (before, closed):
        sensors.say(f"door/{door}", {"position": "open"})
    opened[before] = (f"before it went {name}", loop.time())
    await asyncio.sleep(hold / 3)
    set_step(here.folder, ahead)
    await asyncio.sleep(1.0)
    sensors.say(f"door/{after}", {"position": "open"})
    opened[after] = (f"after it went {name}", loop.time())
    sensors.say(f"door/{shut}", {"position": "open"})
    await asyncio.sleep(hold / 3)
    for door in (closed, shut):
        sensors.say(f"door/{door}", {"position": "closed"})
    sensors.said.due |= {before, after}
    await asyncio.sleep(hold * 2 / 3 + 2)


def _told(here: Stage, opened: dict[str, tuple[str, float]], hold: float) -> list[Told]:
    arrived: dict[str, float] = {}
    for push in here.receiver.received:
        arrived.setdefault(push.json["title"].partition("probe ")[2].partition(" ")[0], push.at)
    # The receiver stamps with the same clock as the loop.
    return [Told(when, arrived.get(door, float("inf")) - at - hold) for door, (when, at) in opened.items()]


def main() -> int:
    """Run and print; 1 if something was lost or doubled, or a hold was not told in its time."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--step", type=float, default=3600, help="seconds by which the clock is stepped")
    words.add_argument("--hold", type=float, default=8, help="seconds that a door must stand open")
    words.add_argument("--rate", type=float, default=50, help="messages a second meanwhile")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(
            run(Path(name) / "stage", step=said.step, hold=said.hold, rate=said.rate, progress=out.print)
        )
    out.print(str(found), highlight=False)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
