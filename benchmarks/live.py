"""Message published -> committed and told to whoever listens, at a steady rate: what a busy machine does to ingest.

Unlike the way to a push (`benchmarks.latency`) nothing in it waits its turn at an endpoint, so that one late message
does not make all that follow late.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
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
    arrived: list[tuple[datetime, float]] = []
    query = {"topic": "door", "campus": "lincoln"}
    async with client.stream("GET", "/stream", params=query) as stream:
        hearing = asyncio.create_task(_hear(stream, arrived))
        sent = await _publish(here, rate, seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not arrived or arrived[-1][0] < max(sent):
                    await asyncio.sleep(0.1)
        hearing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await hearing
    took = [1000 * (at - sent[said]) for said, at in _heard(sent, arrived).items()]
    found = sorted(took) or [float("inf")]
    return Live(len(sent), len(took), *(share(found, each) for each in (0.5, 0.95, 0.99)), found[-1])


def _heard(sent: Iterable[datetime], arrived: Sequence[tuple[datetime, float]]) -> dict[datetime, float]:
    """Return when each was heard of: with itself, or with what came after it in the same transaction."""
    found: dict[datetime, float] = {}
    waiting = deque(sorted(sent))
    for said, at in arrived:
        while waiting and waiting[0] <= said:
            found[waiting.popleft()] = at
    return found


async def _hear(stream: httpx.Response, arrived: list[tuple[datetime, float]]) -> None:
    async for line in lines_of(stream, "data: "):
        told = msgspec.json.decode(line)
        arrived.append((datetime.fromisoformat(told["since"]), asyncio.get_running_loop().time()))


async def lines_of(stream: httpx.Response, beginning: str) -> AsyncIterator[str]:
    """Yield the rest of each line of a stream that begins so."""
    async for line in stream.aiter_lines():
        if line.startswith(beginning):
            yield line.removeprefix(beginning)


async def _publish(here: Stage, rate: int, seconds: float) -> dict[datetime, float]:
    """Let a door open and close; return when each was published, by the time it says."""
    clock, loop, sent = SystemClock(), asyncio.get_running_loop(), dict[datetime, float]()
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        started = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - loop.time()))
            at = clock.now()
            sent[at] = loop.time()
            said = {"id": f"live-{at}", "at": at, "position": "closed" if number % 2 else "open"}
            await client.publish(f"campus/lincoln/door/{DOOR}", msgspec.json.encode(said), qos=1)
    return sent
