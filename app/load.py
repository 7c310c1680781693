"""`hallwatch simulate --load`: how many messages a second the service takes, and how late it knows."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.asking import Api
from core.campus import Campus
from core.clock import SystemClock, stopwatch
from simulators.load import EARLIER, Load, Sent, by_second, percentiles, press
from simulators.picture import lines_over_time
from simulators.play import BrokerAddress

WAIT_S: Final = 60.0
"""So long the service may take to work off what was sent."""
LOOK_EVERY_S: Final = 0.5
RULE: Final = "watch-list-match"


@dataclass(slots=True)
class Findings:
    """What was sent, and what the service made of it. Latencies are in seconds, by the second they belong to."""

    sent: Sent
    journalled: int | None = None
    """None: nobody asked the service."""
    alerted: int | None = None
    heard: list[tuple[float, float]] = field(default_factory=list)
    """From being said to being received by the service."""
    told: list[tuple[float, float]] = field(default_factory=list)
    """From being said to the alert."""

    @property
    def complete(self) -> bool:
        """Whether all of it was acknowledged, and journalled and alerted where that was asked."""
        sent = self.sent
        journalled = self.journalled in (None, sent.sent)
        return sent.acknowledged == sent.sent and journalled and self.alerted in (None, sent.alerts_due)

    def latencies(self) -> dict[str, list[tuple[float, float]]]:
        """Return the latencies by name, those that were measured."""
        named = {"acknowledged": self.sent.latencies, "received": self.heard, "alerted": self.told}
        return {name: points for name, points in named.items() if points}

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values, latencies in milliseconds."""
        return {
            "sent": self.sent.sent,
            "acknowledged": self.sent.acknowledged,
            "journalled": self.journalled,
            "alerts_due": self.sent.alerts_due,
            "alerted": self.alerted,
            "seconds": round(self.sent.seconds, 2),
            "messages_per_second": round(self.sent.sent / self.sent.seconds, 1) if self.sent.seconds else None,
            "latency_ms": {
                name: {word: round(1000 * value, 1) for word, value in percentiles([y for _, y in points]).items()}
                for name, points in self.latencies().items()
            },
        }

    def picture(self) -> str:
        """Return latency over time as SVG: the middle and the 99th of a hundred of each."""
        lines = {
            f"{name} {word}": [(at, 1000 * value) for at, value in by_second(points, share)]
            for name, points in self.latencies().items()
            if name != "received"
            for word, share in (("p50", 0.5), ("p99", 0.99))
        }
        rate = self.sent.sent / self.sent.seconds if self.sent.seconds else 0
        return lines_over_time(f"Latency at {rate:.0f} messages/s, QoS 1", "ms", lines)


async def measure(campus: Campus, load: Load, address: BrokerAddress, api: Api | None) -> Findings:
    """Send it, wait until the service has worked it off, and ask what came of it."""
    clock = SystemClock()
    found = Findings(await press(campus, load, address, clock))
    if api is None:
        return found
    since = found.sent.started - EARLIER
    began = stopwatch()
    while stopwatch() - began < WAIT_S:
        alerts = await _own_alerts(api, campus.id, since, found.sent.run)
        if len(alerts) >= found.sent.alerts_due:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    found.alerted = len(alerts)
    said: dict[str, datetime] = {}
    seen: set[str] = set()
    async for each in api.messages(campus.id, since):
        name = str(each["message_id"])
        if name.startswith(found.sent.run):
            seen.add(name)
            at = datetime.fromisoformat(each["at"])
            said[each["key"]] = at
            found.heard.append(_point(found, at, datetime.fromisoformat(each["received_at"])))
    found.journalled = len(seen)
    found.told = [
        _point(found, said[each["key"]], datetime.fromisoformat(each["opened_at"]))
        for each in alerts
        if each["key"] in said
    ]
    return found


def _point(found: Findings, said: datetime, known: datetime) -> tuple[float, float]:
    return ((said - found.sent.started).total_seconds(), (known - said).total_seconds())


async def _own_alerts(api: Api, campus: str, since: datetime, run: str) -> Sequence[dict[str, Any]]:
    alerts = await api.alerts(campus, since)
    return [each for each in alerts if each["rule"] == RULE and each["key"].startswith(run)]


async def run(
    campus: Campus,
    load: Load,
    address: BrokerAddress,
    *,
    api: tuple[str, str] | None,
    picture: Path | None,
    as_json: bool,
    out: Console,
) -> int:
    """Measure and report; 1 if something was not acknowledged, journalled or alerted."""
    async with _maybe(api) as asked:
        found = await measure(campus, load, address, asked)
    if picture is not None:
        await asyncio.to_thread(picture.write_text, found.picture(), encoding="utf-8")
    if as_json:
        sys.stdout.write(json.dumps(found.plain(), indent=2) + "\n")
    else:
        show(found, out)
    return 0 if found.complete else 1


@contextlib.asynccontextmanager
async def _maybe(api: tuple[str, str] | None) -> AsyncIterator[Api | None]:
    if api is None:
        yield None
        return
    async with Api.at(*api) as asked:
        yield asked


def show(found: Findings, out: Console) -> None:
    """Print it."""
    said = found.plain()
    words = ("sent", "acknowledged", "journalled", "alerts_due", "alerted", "messages_per_second")
    out.print("  ".join(f"{word.replace('_', ' ')} {said[word]}" for word in words if said[word] is not None))
    table = Table("latency, ms", "p50", "p95", "p99", "max", box=None, pad_edge=False)
    for name, values in said["latency_ms"].items():
        table.add_row(name, *(f"{values[word]:.1f}" for word in ("p50", "p95", "p99", "max")))
    out.print(table)
