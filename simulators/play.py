"""Plays a stream of utterances to a broker, as real sensors would, or writes it down for a replay.

Sensors do not give up: what the broker has not acknowledged is sent again once it is back, with the same id, so
that nothing counts twice. MQTT 3.1.1 is spoken, the one version that every broker understands.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import inf
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec
from aiomqtt.exceptions import MqttConnectError

from core.clock import Clock, stopwatch
from core.errors import BadInput, Problem, Unavailable
from core.messages import Exercise
from simulators.utterance import Utterance, place, spell, write_instant

IN_FLIGHT: Final = 50
"""So many may be under way before the first of them must have been acknowledged."""
PATIENCE_S: Final = 30.0
"""So long a lost broker is waited for."""
RETRY_S: Final = 0.5
PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
Progress = Callable[[int, datetime], None]


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and who we are to it."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None

    @classmethod
    def parse(cls, url: str, *, ca_file: Path | None = None) -> BrokerAddress:
        """Return what `mqtt://user:password@host:1883` (or `mqtts://…`) means; BadInput where it means nothing."""
        right = "write it like mqtt://127.0.0.1:1883 or mqtts://user:password@host:8883"
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadInput([Problem(f"not a broker's address; {right}", where="broker")]) from None
        if parts.scheme not in PORTS or not parts.hostname:
            raise BadInput([Problem(f"not a broker's address; {right}", where="broker")])
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port or PORTS[parts.scheme], user, password, parts.scheme == "mqtts", ca_file)

    def connection(self) -> aiomqtt.Client:
        """Return a client for this broker, not connected yet."""
        client = aiomqtt.Client(
            self.host,
            self.port,
            username=self.user,
            password=self.password,
            tls_context=ssl.create_default_context(cafile=self.ca_file) if self.tls else None,
            max_inflight_messages=IN_FLIGHT,
        )
        client.pending_calls_threshold = IN_FLIGHT
        return client


@dataclass(frozen=True, slots=True)
class Summary:
    """How a play went: utterances sent (again, too), those the broker acknowledged, and how long it took."""

    sent: int
    acknowledged: int
    seconds: float
    started: datetime
    """The moment of the clock at which the first moment of the scenario was played."""


async def play(
    stream: Iterable[Utterance],
    address: BrokerAddress,
    clock: Clock,
    *,
    start: datetime,
    speed: float = 1.0,
    exercise: Exercise = "test",
    run: str = "",
    progress: Progress | None = None,
) -> Summary:
    """Publish a stream so that its moment `start` is now, `speed` times as fast as it is told (`inf`: at once).

    Every time in the stream is moved along, so that the service finds it fresh at any speed. `run` names this run:
    ids differ from those of every other one. Without it the moment of the start is taken. All that is not live goes
    below `trial/`, where nothing live is believed. `progress` is told after
    each utterance how many were acknowledged and which moment of the scenario has been reached. Unavailable if the
    broker refuses us or stays away.
    """
    if not speed > 0:
        raise BadInput([Problem("must be more than 0", where="speed")])
    began, now = stopwatch(), clock.now()
    timing = _Timing(clock, start, now, speed)
    player = _Player(address, timing, exercise, run or f"{now:%y%m%d%H%M%S%f}", progress)
    await player.play_all(iter(stream))
    return Summary(player.sent, player.acknowledged, stopwatch() - began, now)


@dataclass(frozen=True, slots=True)
class _Timing:
    clock: Clock
    start: datetime
    now: datetime
    speed: float

    def moved(self, at: datetime) -> datetime:
        """Return the moment of the clock at which a moment of the scenario is played."""
        return self.clock.now() if self.speed == inf else self.now + (at - self.start) / self.speed

    def is_ahead(self, at: datetime) -> bool:
        """Return whether a moment of the scenario is still to come."""
        return self.speed != inf and self.moved(at) > self.clock.now()


@dataclass(slots=True)
class _Player:
    address: BrokerAddress
    timing: _Timing
    exercise: Exercise
    run: str
    progress: Progress | None
    sent: int = 0
    acknowledged: int = 0
    under_way: deque[tuple[Utterance, asyncio.Task[None]]] = field(default_factory=deque)
    """What the broker has not acknowledged, the oldest first."""
    to_send: deque[Utterance] = field(default_factory=deque)
    """What comes before the rest of the stream: taken from it, or to be sent again."""

    async def play_all(self, stream: Iterator[Utterance]) -> None:
        reached, patient_until = -1, None
        while True:
            try:
                async with self.address.connection() as client:
                    patient_until = patient_until or stopwatch() + PATIENCE_S
                    await _while_connected(client, self._send(client, stream))
                return
            except aiomqtt.MqttError as error:
                if self.acknowledged > reached:
                    reached, patient_until = self.acknowledged, patient_until and stopwatch() + PATIENCE_S
                if patient_until is None or isinstance(error, MqttConnectError) or stopwatch() > patient_until:
                    raise Unavailable(self._why(error)) from None
            finally:
                await self._recall()
            await asyncio.sleep(RETRY_S)

    async def _send(self, client: aiomqtt.Client, stream: Iterator[Utterance]) -> None:
        while self._take(stream):
            each = self.to_send[0]
            while self.under_way and self.timing.is_ahead(each.sent_at):
                await self._settle_oldest()
            if self.timing.is_ahead(each.sent_at):
                await self.timing.clock.sleep_until(self.timing.moved(each.sent_at))
            self._publish(client, self.to_send.popleft())
            if len(self.under_way) >= IN_FLIGHT:
                await self._settle_oldest()
        while self.under_way:
            await self._settle_oldest()

    def _take(self, stream: Iterator[Utterance]) -> bool:
        if not self.to_send:
            self.to_send.extend(islice(stream, 1))
        return bool(self.to_send)

    def _publish(self, client: aiomqtt.Client, each: Utterance) -> None:
        payload = spell(each, when=self.timing.moved, exercise=self.exercise, run=self.run)
        topic = place(each, self.exercise)
        sending = client.publish(topic, payload, qos=each.qos, retain=each.retain, timeout=PATIENCE_S)
        self.under_way.append((each, asyncio.ensure_future(sending)))
        self.sent += 1

    async def _settle_oldest(self) -> None:
        each, task = self.under_way[0]
        await task
        self.under_way.popleft()
        self.acknowledged += 1
        if self.progress:
            self.progress(self.acknowledged, each.sent_at)

    async def _recall(self) -> None:
        # The connection is gone: what was not acknowledged will be sent again, in its order.
        await _end([task for _, task in self.under_way])
        self.to_send.extendleft(each for each, _ in reversed(self.under_way))
        self.under_way.clear()

    def _why(self, error: aiomqtt.MqttError) -> str:
        place = f"the broker at {self.address.host}:{self.address.port}"
        if isinstance(error, MqttConnectError):
            return f"{place} refused us: {error}"
        return f"{place} does not answer ({error}); {self.acknowledged} messages were acknowledged"


async def _while_connected(client: aiomqtt.Client, work: Coroutine[None, None, None]) -> None:
    # A publisher would learn of a lost connection only after its time-out; a reader does so at once.
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(_until_lost(client))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _end(tasks)


async def _until_lost(client: aiomqtt.Client) -> None:
    async for _ in client.messages:
        pass


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def record(
    stream: Iterable[Utterance], *, until: datetime | None = None, exercise: Exercise = "test"
) -> Iterator[bytes]:
    """Yield the stream as lines for `hallwatch replay`; `until` lets the clock run on after the last one.

    BadInput for a payload that is not text: it can be played, not written down.
    """
    for each in stream:
        line: dict[str, object] = {"rx": write_instant(each.sent_at), "topic": each.topic}
        try:
            said = spell(each, exercise=exercise).decode()
        except UnicodeDecodeError:
            raise BadInput(f"what is said at {line['rx']} on {each.topic} is not text; it cannot be recorded") from None
        is_text = isinstance(each.payload, str | bytes)
        line["payload"] = said if is_text else msgspec.json.decode(said)
        line |= {"retain": True} if each.retain else {}
        yield msgspec.json.encode(line) + b"\n"
    if until is not None:
        yield msgspec.json.encode({"rx": write_instant(until)}) + b"\n"
