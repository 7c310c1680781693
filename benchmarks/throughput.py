"""How many messages a second are heard, judged by every shipped protocol, stored and acknowledged.

A backlog is published while the service is away and its kept session collects it; then the service is started, and
the time it takes to work it off is measured.

    python -m benchmarks.throughput [--messages 20000] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import msgspec

from benchmarks.stage import Stage, postgres, stage
from core.clock import SystemClock, stopwatch
from tests import servers

DOORS = ("main", "gym-east", "gym-west", "office")


@dataclass(frozen=True)
class Throughput:
    """What was worked off, and how fast."""

    database: str
    messages: int
    journalled: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.database}: {self.journalled} of {self.messages} in {self.seconds:.1f} s, {self.rate:.0f}/s"

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.journalled / self.seconds if self.seconds else 0.0


async def run(folder: Path, *, messages: int = 20_000, database_url: str | None = None) -> Throughput:
    """Let a backlog gather, and measure how it is worked off."""
    async with stage(folder, database_url=database_url, rules=(), policies=()) as here:
        await asyncio.to_thread(here.service.start)
        here.service.stop()
        await publish(here, messages)
        here.service.start(wait=False)
        first = await until(here, 1)
        last = await until(here, messages)
    name = "PostgreSQL" if database_url else "SQLite"
    return Throughput(name, messages, messages, last - first)


async def until(here: Stage, count: int, seconds: float = 600.0) -> float:
    """Return when so many messages stood in the journal."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(Exception):
                ((found,),) = here.query("SELECT count(*) FROM messages")
                if found >= count:
                    return stopwatch()
            await asyncio.sleep(0.05)


async def publish(here: Stage, messages: int) -> None:
    """Publish openings and closings of four doors, as fast as the broker takes them."""
    clock = SystemClock()
    topics = [f"campus/lincoln/door/{door}" for door in DOORS]
    async with aiomqtt.Client(
        "127.0.0.1",
        here.broker.port,
        username="sensors",
        password=servers.PASSWORD,
        max_inflight_messages=200,
        max_queued_outgoing_messages=0,
    ) as client:
        client.pending_calls_threshold = 1000
        for start in range(0, messages, 200):
            said = (
                client.publish(
                    topics[number % len(topics)],
                    msgspec.json.encode(
                        {
                            "id": f"t{number}",
                            "at": clock.now().isoformat(),
                            "position": "open" if number // len(topics) % 2 else "closed",
                        }
                    ),
                    qos=1,
                )
                for number in range(start, min(start + 200, messages))
            )
            await asyncio.gather(*said)


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=20_000)
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        print(asyncio.run(run(folder / "stage", messages=said.messages, database_url=url)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
