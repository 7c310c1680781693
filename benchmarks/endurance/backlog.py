"""Half an hour of messages arrives at once: how fast is it worked off, who is told of what, does the service answer?

The service is away while the broker keeps what 500 doors say over thirty minutes; then it starts. What was true in that
time and is over must page nobody, what still is must, and one notice sums up what was missed. `/readyz` is asked ten
times a second meanwhile. Beside it, in the same run: fresh messages of now (`benchmarks.throughput`).

    python -m benchmarks.endurance.backlog [--messages 100000] [--minutes 30] [--fresh 20000]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import throughput
from benchmarks.endurance.count import Count, compare, look, pushed, settled
from benchmarks.endurance.processes import processes, started
from benchmarks.endurance.readiness import asked
from benchmarks.endurance.sensors import Sensors, open_all_day
from benchmarks.endurance.wire import Spoken, publish
from benchmarks.stage import POLICY, PROBE, Stage, stage
from core.clock import stopwatch

MINUTES: Final = 30.0
DOORS: Final = [f"d{number}" for number in range(500)]
HOLD_S: Final = 20
HELD: Final[dict[str, Any]] = {
    **{key: value for key, value in PROBE.items() if key != "match"},
    "key": "door.id",
    "hold": {"while": 'door.position == "open"', "for": f"{HOLD_S}s"},
    "alert": {"text": "probe {door.id}", "policy": "probe"},
}
Progress = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Doors that stand open for a while; in shares of the backlog before its end."""

    doors: range
    opened: float
    closed: float

    @property
    def is_over(self) -> bool:
        """Whether they are closed again."""
        return self.closed > 0


STRETCHES: Final = (
    Stretch(range(50), 2 / 3, 1 / 2),
    Stretch(range(50, 70), 1 / 4, 1 / 6),
    Stretch(range(70, 90), 2 / 5, 0),
    Stretch(range(90, 100), 1 / 10, 0),
)
_OF_DOOR: Final = {number: each for each in STRETCHES for number in each.doors}


@dataclass(frozen=True, slots=True)
class Backlog:
    """What came of it."""

    count: Count
    seconds: float
    """From the first row to the last."""
    rate: float
    """Messages a second."""
    fresh_rate: float
    """Messages a second of a backlog that is no older than it takes to publish it."""
    worst_s: float
    """The longest that `/readyz` took while it was worked off."""
    told_over: int
    """Doors that are closed again and of which somebody was told."""
    others: Counter[str]
    """The other alerts, by rule."""
    summaries: list[str]
    """Notices that sum up what was missed."""

    @property
    def holds(self) -> bool:
        """What is over pages nobody, what is true does, one notice sums up, and it answers within a second."""
        return self.count.holds and len(self.summaries) == 1 and self.worst_s < 1.0

    def __str__(self) -> str:
        return (
            f"{self.count}\nworked off in {self.seconds:.1f} s, {self.rate:,.0f}/s "
            f"({self.rate / self.fresh_rate:.2f} of fresh messages, {self.fresh_rate:,.0f}/s); "
            f"/readyz took {self.worst_s:.2f} s at most; told of "
            f"{self.told_over} that are over; other alerts: {dict(self.others)}; summaries: {self.summaries}"
        )


async def run(
    folder: Path,
    *,
    messages: int = 100_000,
    minutes: float = MINUTES,
    fresh: int = 20_000,
    progress: Progress = lambda _line: None,
) -> Backlog:
    """Let half an hour gather, start the service, and see what it does."""
    async with stage(folder / "stage", rules=[HELD], policies=[POLICY, POLICY | {"id": "moderate"}]) as here:
        open_all_day(here, doors=DOORS)
        (process,), sensors = processes(here, split=False), Sensors(here.broker.port)
        async with started([process]):
            await asyncio.to_thread(process.stop)
            _age(here, minutes)
            progress(f"{messages:,} messages of {minutes:g} minutes …")
            await asyncio.to_thread(publish, here.broker.port, spoken(sensors, messages, minutes))
            process.start(wait=False)
            async with asked(here.service.url) as readiness:
                first = await _until(here, 1)
                last = await _until(here, messages)
                progress(f"worked off in {last - first:.1f} s; waiting for what is told …")
                worst = readiness.worst_s
            await settled(here, sensors.said, patience=HOLD_S + 5, longest=45)
            await asyncio.sleep(HOLD_S / 4)  # what should not be told, if it is to be told all the same
        count = compare(f"backlog of {minutes:g} min", sensors.said, look(here))
        others = Counter(rule for (rule,) in here.query("SELECT rule FROM alerts WHERE rule <> 'probe'"))
        told = len(pushed(here).keys() & sensors.said.over)
        # It is small news, and may wait for company in the outbox.
        posted = "SELECT a.text FROM deliveries d JOIN alerts a ON a.id = d.alert WHERE a.rule = 'backlog-read'"
        summaries = [words for (words,) in here.query(posted)]
    progress(f"{fresh:,} fresh messages …")
    beside = await throughput.run(folder / "fresh", messages=fresh)
    took = last - first
    return Backlog(count, took, messages / took, beside.rate, worst, told, others, summaries)


def _age(here: Stage, minutes: float) -> None:
    """Let the rows say that the service has been away for so long."""
    path = here.database_url.removeprefix("sqlite:///")
    micros = int(60e6 * minutes)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE engines SET watermark = watermark - :m, alive_at = alive_at - :m", {"m": micros})


def spoken(sensors: Sensors, messages: int, minutes: float = MINUTES) -> Iterator[Spoken]:
    """Yield what the doors say over so long, in order of time, and put on record what is due."""
    for number, door in enumerate(DOORS):
        if number in _OF_DOOR:
            (sensors.said.over if _OF_DOOR[number].is_over else sensors.said.due).add(door)
    length = 60 * minutes
    every = length * len(DOORS) / messages
    for number in range(messages):
        share = (messages - number) / messages
        which = number % len(DOORS)
        topic = f"door/{DOORS[which]}"
        body = {"position": "open" if _is_open(which, share, length, every) else "closed"}
        yield f"campus/lincoln/{topic}", sensors.spell(topic, body, ago=timedelta(seconds=share * length)), 1


def _is_open(door: int, share: float, length: float, every: float) -> bool:
    stretch = _OF_DOOR.get(door)
    if stretch is not None:
        return stretch.closed < share <= stretch.opened
    # It opens for less than the hold, and is closed at the end; where it speaks too seldom for that, it stays closed.
    left = share * length
    return 2 * every < left and 2 * every < HOLD_S and int(left // (HOLD_S - 2 - every)) % 4 == 0


async def _until(here: Stage, count: int, seconds: float = 600.0) -> float:
    async with asyncio.timeout(seconds):
        while True:
            ((found,),) = here.query("SELECT max(id) FROM messages")
            if (found or 0) >= count:
                return stopwatch()
            await asyncio.sleep(0.05)


def main() -> int:
    """Run and print; 1 if a rule of the backlog did not hold."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=100_000)
    words.add_argument("--minutes", type=float, default=MINUTES, help="over so long they were said")
    words.add_argument("--fresh", type=int, default=20_000, help="fresh messages, beside which it is measured")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as name:
        found = asyncio.run(
            run(Path(name), messages=said.messages, minutes=said.minutes, fresh=said.fresh, progress=out.print)
        )
    out.print(str(found), highlight=False)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
