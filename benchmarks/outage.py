"""The broker, or the database, goes away for a while as messages arrive: readiness says so, nothing is lost.

python -m benchmarks.outage [--seconds 60] [--of broker|database]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiomqtt
import msgspec

from benchmarks.stage import Stage, stage
from core.clock import SystemClock
from tests import servers


@dataclass(frozen=True)
class Outcome:
    """What was said before, during and after the outage, and what became of it."""

    of: str
    seconds: float
    sent: int
    journalled: int
    alerts_due: int
    alerts_delivered: int
    readiness_told: bool
    back_after: float
    """Seconds from the return of what was away to readiness."""

    @property
    def holds(self) -> bool:
        """Nothing was lost, and readiness told the truth."""
        whole = self.journalled == self.sent and self.alerts_delivered == self.alerts_due
        return whole and self.readiness_told and self.back_after < 30


def readiness(here: Stage) -> dict[str, Any]:
    """Return what `/readyz` says, ready or not."""
    try:
        with urllib.request.urlopen(f"{here.service.url}/readyz", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            found = json.load(error)
    return found


async def run(folder: Path, of: Literal["broker", "database"], *, seconds: float) -> Outcome:
    """Say ten messages a second, take the broker or the database away for some seconds, and count."""
    with contextlib.ExitStack() as stack:
        postgres, url = None, None
        if of == "database":
            postgres = servers.Postgres(folder / "postgres")
            postgres.start()
            stack.callback(postgres.stop)
            url = postgres.create("outage")
        async with stage(folder / "stage", database_url=url) as here:
            await asyncio.to_thread(here.service.start)
            said = _Said()
            await _say(here, said, 20)
            await asyncio.to_thread(postgres.pause if postgres else here.broker.stop)
            told = await _while_away(here, said, of, seconds)
            await asyncio.to_thread(postgres.resume if postgres else here.broker.start)
            back = await _until_ready(here)
            await _say(here, said, 20)
            with contextlib.suppress(TimeoutError):
                await _settled(here, said)
            ids = {msgspec.json.decode(data)["message_id"] for _, data in here.journalled()}
            pushed = _pushed(here)
            return Outcome(of, seconds, said.count, len(ids), said.alerts, len(pushed), told, back)


@dataclass
class _Said:
    count: int = 0
    alerts: int = 0


async def _say(here: Stage, said: _Said, messages: int) -> None:
    clock = SystemClock()
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        for _ in range(messages):
            number, said.count = said.count, said.count + 1
            action = "escort" if number % 5 == 0 else "preregister"
            said.alerts += number % 5 == 0
            body = {"id": f"o{number}", "at": clock.now().isoformat(), "action": action, "visit": f"v{number}"}
            await client.publish("campus/lincoln/visitor/lobby", msgspec.json.encode(body), qos=1)
            await asyncio.sleep(0.02)


async def _while_away(here: Stage, said: _Said, of: str, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    until, told = loop.time() + seconds, False
    while loop.time() < until:
        found = await asyncio.to_thread(readiness, here)
        told = told or (not found["ready"] and not found["parts"][of]["ok"])
        if of == "database":
            await _say(here, said, 5)
        await asyncio.sleep(0.5)
    return told


async def _until_ready(here: Stage) -> float:
    loop = asyncio.get_running_loop()
    since = loop.time()
    while not (await asyncio.to_thread(readiness, here))["ready"]:
        if loop.time() - since > 60:
            return float("inf")
        await asyncio.sleep(0.2)
    return loop.time() - since


async def _settled(here: Stage, said: _Said) -> None:
    async with asyncio.timeout(30):
        while len(here.journalled()) < said.count or len(_pushed(here)) < said.alerts:
            await asyncio.sleep(0.3)


def _pushed(here: Stage) -> set[str]:
    texts = (push.json["message"] for push in here.receiver.received)
    return {word for text in texts for word in text.split() if word.startswith("v") and word[1:].isdigit()}


def main() -> int:
    """Run and print; 1 if something was lost."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=60.0)
    words.add_argument("--of", choices=("broker", "database"), default="broker")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), asked.of, seconds=asked.seconds))
    print(found)
    return 0 if found.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
