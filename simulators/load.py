"""Says so many messages a second for so long, at QoS 1, and measures how long the broker takes to acknowledge each.

The doors of a campus are badged, opened and closed, which raises nothing; every fiftieth message is a confirmed match
at the desk, which raises an alert at once: so it can be asked afterwards what was journalled and what was alerted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from core.campus import Campus
from core.clock import Clock, stopwatch
from core.errors import BadInput, Problem
from simulators.play import PATIENCE_S, BrokerAddress
from simulators.utterance import TRIAL, write_instant

ALERT_EVERY: Final = 50
STATION: Final = "load"
SLICE_S: Final = 0.02
"""Messages are sent in small bursts, so far apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is to be sent."""

    rate: float
    """Messages a second."""
    seconds: float
    doors: int | None = None
    """How many of the campus's doors speak; None: all that have a sensor."""
    prefix: str = "campus"
    live: bool = False


@dataclass(slots=True)
class Sent:
    """What was sent, and how the broker took it."""

    run: str
    """Every message's id begins with it."""
    started: datetime
    sent: int = 0
    acknowledged: int = 0
    alerts_due: int = 0
    seconds: float = 0.0
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """(seconds after the start at which it was due, seconds until it was acknowledged)."""


@dataclass(slots=True)
class _Talk:
    """What the doors say, one message after the other."""

    campus: Campus
    load: Load
    run: str
    doors: Sequence[str]

    def message(self, number: int, at: datetime) -> tuple[str, dict[str, Any]]:
        """Return topic and payload of the message of that number."""
        family, name, said = self._words(number)
        told = {"id": f"{self.run}-{number}", "at": write_instant(at), **said}
        top = self.load.prefix if self.load.live else f"{TRIAL}/{self.load.prefix}"
        if not self.load.live:
            told["exercise"] = "test"
        return f"{top}/{self.campus.id}/{family}/{name}", told

    def _words(self, number: int) -> tuple[str, str, dict[str, Any]]:
        if number % ALERT_EVERY == ALERT_EVERY - 1:
            said = {"action": "screen", "visit": f"{self.run}-{number}", "screening": "confirmed", "watch": "trespass"}
            return "visitor", STATION, said
        turn, step = divmod(number, 3)
        door = self.doors[turn % len(self.doors)]
        words = ({"access": "granted"}, {"position": "open"}, {"position": "closed"})
        return "door", door, dict(words[step])


async def press(campus: Campus, load: Load, address: BrokerAddress, clock: Clock) -> Sent:
    """Send it; BadInput where there is nothing to send, Unavailable as `play` has it."""
    doors = [door.id for door in campus.doors if door.monitored][: load.doors]
    if not doors:
        raise BadInput([Problem("no door of this campus has a sensor", where="campus")])
    if not (load.rate > 0 and load.seconds > 0):
        raise BadInput([Problem("must be more than 0", where="load")])
    now = clock.now()
    sent = Sent(run=f"load{now:%H%M%S%f}", started=now)
    talk = _Talk(campus, load, sent.run, doors)
    total = int(load.rate * load.seconds)
    async with address.connection() as client:
        client.pending_calls_threshold = total
        began = stopwatch()
        tasks: list[asyncio.Task[None]] = []
        for number in range(total):
            due = number / load.rate
            ahead = due - (stopwatch() - began)
            if ahead > 0:
                await asyncio.sleep(max(ahead, SLICE_S))
            topic, said = talk.message(number, clock.now())
            sending = client.publish(topic, msgspec.json.encode(said), qos=1, timeout=PATIENCE_S)
            tasks.append(asyncio.create_task(_settle(sending, sent, began, due)))
            sent.sent += 1
            sent.alerts_due += number % ALERT_EVERY == ALERT_EVERY - 1
        await asyncio.gather(*tasks)
        sent.seconds = stopwatch() - began
    return sent


async def _settle(sending: Any, sent: Sent, began: float, due: float) -> None:
    await sending
    sent.acknowledged += 1
    # From the moment it was due: a sender that falls behind is slow, too.
    sent.latencies.append((due, stopwatch() - began - due))


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the middle, the 95th and 99th of a hundred, and the most; empty where there are none."""
    if not values:
        return {}
    line = sorted(values)
    pick = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {name: line[min(len(line) - 1, int(share * len(line)))] for name, share in pick.items()} | {"max": line[-1]}


def by_second(points: Sequence[tuple[float, float]], share: float) -> list[tuple[float, float]]:
    """Return for every second the value below which that share of its points lie."""
    seconds: dict[int, list[float]] = {}
    for at, value in points:
        seconds.setdefault(int(at), []).append(value)
    found = []
    for second, values in sorted(seconds.items()):
        line = sorted(values)
        found.append((float(second), line[min(len(line) - 1, int(share * len(line)))]))
    return found


EARLIER: Final = timedelta(seconds=2)
"""Asked for what came of it, one begins a little before the start."""
