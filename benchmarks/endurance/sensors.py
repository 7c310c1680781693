"""Sensors behind a gateway that keeps what the broker has not acknowledged, for as long as it takes.

Doors that open and close, and visits of which some are due an alert; every one is on record in `Said`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.endurance.count import Said
from benchmarks.stage import Stage
from core.clock import Clock, SystemClock, stopwatch
from tests import servers

IN_FLIGHT: Final = 200
ALL_DAY: Final = "00:00-24:00"
DOORS: Final = ("main", "gym-east", "gym-west", "office")
EVERY: Final = 50
"""One message of so many is due an alert."""


@dataclass
class Sensors:
    """Says things, and keeps them until the broker has them."""

    port: int
    clock: Clock = field(default_factory=SystemClock)
    said: Said = field(default_factory=Said)
    _client: Client = field(init=False)
    _acknowledged: int = 0
    _published: int = 0

    def __post_init__(self) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, "gateway", clean_session=False, protocol=MQTTv311)
        self._client.username_pw_set("sensors", servers.PASSWORD)
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(0.2, 1)
        self._client.on_publish = self._note

    def _note(self, *_: object) -> None:
        self._acknowledged += 1

    @property
    def is_done(self) -> bool:
        """Whether the broker has acknowledged everything."""
        return self._acknowledged >= self._published

    @contextlib.contextmanager
    def connected(self) -> Iterator[None]:
        """Keep a connection, and make it again whenever it is lost."""
        self._client.connect_async("127.0.0.1", self.port, keepalive=10)
        self._client.loop_start()
        try:
            yield
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def say(self, topic: str, body: Mapping[str, Any], *, ago: timedelta = timedelta(0)) -> None:
        """Say one thing, which happened a while `ago`, behind the campus's topic."""
        self._published += 1
        self._client.publish(f"campus/lincoln/{topic}", self.spell(topic, body, ago=ago), qos=1)

    def spell(self, topic: str, body: Mapping[str, Any], *, ago: timedelta = timedelta(0)) -> bytes:
        """Put it on record and return it as it goes over the wire."""
        name = f"m{len(self.said.ids)}"
        self.said.ids.add(name)
        if "position" in body:
            self.said.doors[topic.rpartition("/")[2]] = body["position"]
        if body.get("action") == "escort":
            self.said.due.add(body["visit"])
        return msgspec.json.encode({"id": name, "at": (self.clock.now() - ago).isoformat(), **body})

    async def work(self, *, rate: float, seconds: float, every: int = EVERY) -> None:
        """Say `rate` things a second; one of `every` is a visit that is due an alert."""
        started = stopwatch()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - stopwatch()))
            self.say(*thing(number, every))

    async def done(self, seconds: float = 60.0) -> None:
        """Wait until the broker has everything."""
        async with asyncio.timeout(seconds):
            while not self.is_done:
                await asyncio.sleep(0.05)


def thing(number: int, every: int = EVERY) -> tuple[str, dict[str, Any]]:
    """Return the topic and the body of the thing of that number."""
    if number % every == 0:
        return "visitor/lobby", {"action": "escort", "visit": f"v{number}"}
    position = "closed" if (number // len(DOORS)) % 2 else "open"
    return f"door/{DOORS[number % len(DOORS)]}", {"position": position}


def open_all_day(here: Stage, *, doors: Sequence[str] = ()) -> None:
    """Let the school be staffed day and night and every door be watched: whatever the hour, only the probe is due.

    `doors`: more of them, inside the building.
    """
    path: Path = here.folder / "config" / "campus.yaml"
    plain = yaml.safe_load(path.read_text())
    watched = {"name": "always", "at": ALL_DAY, "doors": list(DOORS), "monitor": "diaz"}
    regular = {"staffed": ALL_DAY, "windows": [watched]}
    plain["calendar"] = {"week": dict.fromkeys(plain["calendar"]["week"], "regular"), "day_types": {"regular": regular}}
    plain["doors"] += [{"id": each, "name": each, "zone": "lobby", "class": "interior"} for each in doors]
    path.write_text(yaml.safe_dump(plain, sort_keys=False))
