"""`kill -9` while messages arrive: is every message in the journal exactly once, was every alert delivered?

python -m benchmarks.kill [--messages 5000] [--rate 500] [--kills 2]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import msgspec

from benchmarks.stage import Stage, stage
from core.clock import SystemClock, stopwatch
from tests import servers


@dataclass(frozen=True)
class Counts:
    """What went in, and what came of it."""

    sent: int
    journalled: int
    journalled_twice: int
    missing: int
    alerts_due: int
    alerts_delivered: int
    alerts_missing: int
    most_copies: int
    kills: int

    @property
    def holds(self) -> bool:
        """Nothing lost, nothing journalled twice, at most one more copy of a push per kill."""
        whole = not (self.missing or self.journalled_twice or self.alerts_missing)
        return whole and self.most_copies <= 1 + self.kills


async def run(folder: Path, *, messages: int = 5000, rate: int = 500, kills: int = 2, every: int = 50) -> Counts:
    """Publish, kill, start again, wait until all is worked off, and count."""
    async with stage(folder) as here:
        here.service.start()
        publisher = asyncio.create_task(_publish(here, messages, rate, every))
        for turn in range(kills):
            await asyncio.sleep(messages / rate * (turn + 0.7) / (kills + 1))
            here.service.kill()
            here.service.start(wait=False)
        due = await publisher
        await asyncio.to_thread(here.service.wait_ready, 60)
        await _settled(here, messages, due)
        return _count(here, messages, due, kills)


async def _publish(here: Stage, messages: int, rate: int, every: int) -> set[str]:
    clock, due = SystemClock(), set()
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        started = stopwatch()
        for number in range(messages):
            ahead = number / rate - (stopwatch() - started)
            if ahead > 0:
                await asyncio.sleep(ahead)
            if number % every == 0:
                visit = f"v{number}"
                due.add(visit)
                said = {"action": "escort", "visit": visit}
                topic = "campus/lincoln/visitor/lobby"
            else:
                said = {"position": "open" if number % 2 else "closed"}
                topic = f"campus/lincoln/door/{('main', 'gym-east', 'gym-west')[number % 3]}"
            stamped = {"id": f"m{number}", "at": clock.now().isoformat(), **said}
            await client.publish(topic, msgspec.json.encode(stamped), qos=1)
    return due


async def _settled(here: Stage, messages: int, due: set[str], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while len(_ids(here)) < messages or not due <= set(_copies(here)):
            await asyncio.sleep(0.25)
    # A second copy, if there is to be one, comes with the next lease at the latest.
    await asyncio.sleep(2.0)


def _ids(here: Stage) -> list[str]:
    return [msgspec.json.decode(data)["message_id"] for _, data in here.journalled()]


def _copies(here: Stage) -> collections.Counter[str]:
    said = (push.json["message"] + push.json["title"] for push in list(here.receiver.received))
    return collections.Counter(found.group(1) for text in said if (found := re.search(r"probe (v\d+)", text)))


def _count(here: Stage, messages: int, due: set[str], kills: int) -> Counts:
    ids, copies = collections.Counter(_ids(here)), _copies(here)
    return Counts(
        sent=messages,
        journalled=len(ids),
        journalled_twice=sum(count > 1 for count in ids.values()),
        missing=sum(f"m{number}" not in ids for number in range(messages)),
        alerts_due=len(due),
        alerts_delivered=len(due & set(copies)),
        alerts_missing=len(due - set(copies)),
        most_copies=max(copies.values(), default=0),
        kills=kills,
    )


def main() -> int:
    """Run and print the counts; 1 if something was lost or doubled."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=5000)
    words.add_argument("--rate", type=int, default=500)
    words.add_argument("--kills", type=int, default=2)
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = asyncio.run(run(Path(folder), messages=said.messages, rate=said.rate, kills=said.kills))
    print(counts)
    return 0 if counts.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
