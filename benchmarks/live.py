"""Message published -> committed and told to whoever listens, at a steady rate: what a busy machine does to ingest.

Unlike the way to a push (`benchmarks.latency`) nothing in it waits its turn at an endpoint, so that one late message
does not make all that follow late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiomqtt
import httpx
import msgspec

from benchmarks.latency import share
from benchmarks.stage import Stage
from core.clock import SystemClock
from tests import servers

DOOR: Final = "office"
"""An interior door: what it says is journalled, judged and shown, and raises nothing."""


@dataclass(frozen=True)
class Live:
    """Milliseconds from publishing to the listener's having heard of it."""

    sent: int
    heard: int
    p50: float
    p95: float
    p99: float
    most: float

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.heard} heard; "
            f"ms p50 {self.p50:.1f}, p95 {self.p95:.1f}, p99 {self.p99:.1f}, most {self.most:.1f}"
        )


async def measure(here: Stage, client: httpx.AsyncClient, *, rate: int, seconds: float) -> Live:
    """Measure a service that runs already, by the stream of its API."""
    arrived: dict[str, float] = {}
    query = {"topic": "door", "campus": "lincoln"}
    async with client.stream("GET", "/stream", params=query) as stream:
        hearing = asyncio.create_task(_hear(stream, arrived))
        sent = await _publish(here, rate, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not sent.keys() <= arrived.keys():
                    await asyncio.sleep(0.1)
        hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hearing
    took = sorted((arrived[at] - began) * 1000 for at, began in sent.items() if at in arrived) or [float("inf")]
    heard = len(sent.keys() & arrived.keys())
    return Live(len(sent), heard, *(share(took, each) for each in (0.5, 0.95, 0.99)), took[-1])


async def _hear(stream: httpx.Response, arrived: dict[str, float]) -> None:
    async for line in lines_of(stream, "data: "):
        arrived.setdefault(msgspec.json.decode(line)["since"], asyncio.get_running_loop().time())


async def lines_of(stream: httpx.Response, beginning: str) -> AsyncIterator[str]:
    """Yield the rest of each line of a stream that begins so."""
    async for line in stream.aiter_lines():
        if line.startswith(beginning):
            yield line.removeprefix(beginning)


async def _publish(here: Stage, rate: int, seconds: float) -> dict[str, float]:
    """Let a door open and close; return when each was published, by the time it says."""
    clock, loop, sent = SystemClock(), asyncio.get_running_loop(), dict[str, float]()
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        started = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - loop.time()))
            at = clock.now().isoformat()
            sent[at.replace("+00:00", "Z")] = loop.time()
            said = {"id": f"live-{at}", "at": at, "position": "closed" if number % 2 else "open"}
            await client.publish(f"campus/lincoln/door/{DOOR}", msgspec.json.encode(said), qos=1)
    return sent
