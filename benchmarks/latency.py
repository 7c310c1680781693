"""Message published -> push accepted by a local receiver, with Mosquitto, at a steady rate.

python -m benchmarks.latency [--rate 50] [--seconds 20] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import msgspec

from benchmarks.stage import Stage, postgres, stage
from core.clock import SystemClock
from tests import servers


@dataclass(frozen=True)
class Latency:
    """Milliseconds from publishing to the receiver's getting the push."""

    database: str
    rate: int
    sent: int
    pushed: int
    p50: float
    p95: float
    p99: float
    most: float

    def __str__(self) -> str:
        return (
            f"{self.database}: {self.sent} sent at {self.rate}/s, {self.pushed} pushed; "
            f"ms p50 {self.p50:.1f}, p95 {self.p95:.1f}, p99 {self.p99:.1f}, most {self.most:.1f}"
        )


async def run(folder: Path, *, rate: int = 50, seconds: float = 20.0, database_url: str | None = None) -> Latency:
    """Publish messages that each cause one push, and measure each."""
    async with stage(folder, database_url=database_url) as here:
        await asyncio.to_thread(here.service.start)
        await _publish(here, "w", rate, 2.0)
        return await measure(here, "v", rate=rate, seconds=seconds)


async def measure(here: Stage, name: str, *, rate: int, seconds: float) -> Latency:
    """Measure a service that runs already. `name` is a letter for the visits of this measuring alone."""
    sent = await _publish(here, name, rate, seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30):
            while not sent.keys() <= _arrivals(here).keys():
                await asyncio.sleep(0.1)
    arrived = _arrivals(here)
    took = sorted((arrived[visit] - at) * 1000 for visit, at in sent.items() if visit in arrived)
    database = "SQLite" if here.database_url.startswith("sqlite") else "PostgreSQL"
    if not took:
        return Latency(database, rate, len(sent), 0, *([float("inf")] * 4))
    return Latency(database, rate, len(sent), len(took), *(share(took, p) for p in (0.5, 0.95, 0.99)), took[-1])


def share(ordered: list[float], share: float) -> float:
    """Return the value below which a share of the ordered values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _arrivals(here: Stage) -> dict[str, float]:
    arrived: dict[str, float] = {}
    for push in here.receiver.received:
        found = re.search(r"probe ([a-z]\d+)", push.json["message"] + push.json["title"])
        if found:
            arrived.setdefault(found.group(1), push.at)
    return arrived


async def _publish(here: Stage, name: str, rate: int, seconds: float) -> dict[str, float]:
    clock, sent = SystemClock(), {}
    loop = asyncio.get_running_loop()
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        started = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - loop.time()))
            visit = f"{name}{number}"
            said = {"id": visit, "at": clock.now().isoformat(), "action": "escort", "visit": visit}
            # The receiver stamps with the same clock: the loop's is the machine's monotonic one.
            sent[visit] = loop.time()
            await client.publish("campus/lincoln/visitor/lobby", msgspec.json.encode(said), qos=1)
    return sent


def main() -> int:
    """Run and print; 1 if p99 is above 500 ms or a push is missing."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rate", type=int, default=50)
    words.add_argument("--seconds", type=float, default=20.0)
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        found = asyncio.run(run(folder / "stage", rate=said.rate, seconds=said.seconds, database_url=url))
    print(found)
    return 0 if found.pushed == found.sent and found.p99 < 500 else 1


if __name__ == "__main__":
    raise SystemExit(main())
