"""Publishes at QoS 1, at a steady rate or as fast as the broker accepts: a process of its own, cheap on purpose.

A client library would be the bottleneck of what is measured; here packets are put together by hand and written in
blocks. Every message holds the time at which it was made; at a rate, messages come due by the clock, whatever becomes
of those before (what the broker has not acknowledged is bounded).

    python -m benchmarks.endtoend.publisher [--messages 100000] [--rate 0] [--alerts 0.005] [--port PORT …]

Without a port it starts a Mosquitto of its own and says how fast it publishes to that alone.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Final

from benchmarks.endtoend.programs import Program, processor_seconds
from benchmarks.endtoend.traffic import Traffic, seconds
from core.clock import SystemClock, stopwatch
from tests import servers

WINDOW: Final = 4000
"""Messages that may be under way before the first must have been acknowledged."""
BLOCK: Final = 50
"""Messages written at once, at most."""
PAUSE_S: Final = 0.002
MODULE: Final = "benchmarks.endtoend.publisher"


@dataclass(frozen=True)
class Published:
    """What was sent, and how well the rate was kept."""

    sent: int
    acknowledged: int
    began_at: float
    """Seconds since 1970."""
    ended_at: float
    behind: float
    """The most seconds a message was made later than it was due."""
    processor: float
    """Processor seconds of the publisher."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.sent / max(self.ended_at - self.began_at, 1e-9)


class Line:
    """One MQTT 3.1.1 connection that publishes."""

    def __init__(self, port: int, user: str, password: str, name: str) -> None:
        self._wire = socket.create_connection(("127.0.0.1", port), 10)
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        said = b"\x00\x04MQTT\x04\xc2\x00\x00" + b"".join(_text(each) for each in (name, user, password))
        self._wire.sendall(b"\x10" + _length(len(said)) + said)
        answer = self._wire.recv(4)
        if len(answer) < 4 or answer[3]:
            raise ConnectionError(f"the broker refused the publisher: {answer.hex()}")
        self._wire.settimeout(None)  # with a time limit, even a look at what has come would wait
        self._packet = 0
        self._rest = 0
        self.sent = self.acknowledged = 0

    def packet(self, topic: str, payload: bytes, *, retain: bool = False) -> bytes:
        """Return a PUBLISH at QoS 1. Source: MQTT 3.1.1, section 3.3."""
        self._packet = self._packet % 65_535 + 1
        name = topic.encode()
        rest = len(name).to_bytes(2, "big") + name + self._packet.to_bytes(2, "big") + payload
        return (b"\x33" if retain else b"\x32") + _length(len(rest)) + rest

    def write(self, packets: list[bytes]) -> None:
        """Send packets."""
        self._wire.sendall(b"".join(packets))
        self.sent += len(packets)

    def listen(self) -> None:
        """Count the acknowledgements that have come: four bytes each."""
        try:
            came = len(self._wire.recv(65_536, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        if not came:
            raise ConnectionError("the broker has closed the publisher's connection")
        whole, self._rest = divmod(self._rest + came, 4)
        self.acknowledged += whole

    def settle(self, within: float = 30.0) -> None:
        """Wait until everything is acknowledged; no longer than so many seconds."""
        pause, began = Event(), stopwatch()
        while self.acknowledged < self.sent and stopwatch() - began < within:
            self.listen()
            pause.wait(PAUSE_S)

    def close(self) -> None:
        """Say good-bye."""
        self._wire.sendall(b"\xe0\x00")
        self._wire.close()


def publish(line: Line, traffic: Traffic, messages: int, rate: float) -> Published:
    """Publish so many messages; `rate` 0: as fast as they are accepted."""
    clock, pause = SystemClock(), Event()
    began, began_at, behind = stopwatch(), seconds(clock.now()), 0.0
    while line.sent < messages:
        passed = stopwatch() - began
        due = min(messages, int(passed * rate) + 1) if rate else messages
        stop = min(due, line.sent + BLOCK, line.acknowledged + WINDOW)
        if rate and stop > line.sent:
            behind = max(behind, passed - line.sent / rate)
        if stop > line.sent:
            line.write([line.packet(*traffic.say(number, clock.now())) for number in range(line.sent, stop)])
        line.listen()
        if stop >= due or line.sent - line.acknowledged >= WINDOW:
            pause.wait(PAUSE_S)
    ended_at = seconds(clock.now())
    line.settle()
    return Published(line.sent, line.acknowledged, began_at, ended_at, behind, processor_seconds([os.getpid()]))


def program(folder: Path, port: int, traffic: Traffic, *, messages: int, rate: float = 0.0) -> Program:
    """Return the publisher as a process, not started yet."""
    said = {"port": port, "messages": messages, "rate": rate, **asdict(traffic)}
    words = [word for name, value in said.items() for word in (f"--{name}", str(value))]
    return Program(folder, MODULE, words)


def run(folder: Path, port: int, traffic: Traffic, *, messages: int, rate: float = 0.0) -> Published:
    """Publish in a process of its own, and wait for its end."""
    started = program(folder, port, traffic, messages=messages, rate=rate)
    started.start()
    try:
        return found(started)
    finally:
        started.stop()


def found(started: Program) -> Published:
    """Wait for a publisher's end and return what it did."""
    return Published(**started.wait(600))


def say(port: int, topic: str, payload: bytes, *, retain: bool = False) -> None:
    """Say one thing, and wait until the broker has it."""
    line = Line(port, "sensors", servers.PASSWORD, "one-word")
    line.write([line.packet(topic, payload, retain=retain)])
    line.settle()
    line.close()


def forget(port: int, client: str) -> None:
    """Let the broker forget a kept session: it no longer collects for whom nobody waits."""
    Line(port, "hallwatch", servers.PASSWORD, client).close()


def _text(text: str) -> bytes:
    said = text.encode()
    return len(said).to_bytes(2, "big") + said


def _length(length: int) -> bytes:
    found = bytearray()
    while True:
        length, low = divmod(length, 128)
        found.append(low | (0x80 if length else 0))
        if not length:
            return bytes(found)


def main() -> int:
    """Publish and print what was done as JSON."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--port", type=int, default=0, help="of a broker that knows the user `sensors`")
    words.add_argument("--messages", type=int, default=100_000)
    words.add_argument("--rate", type=float, default=0.0, help="messages a second; 0: as fast as they are accepted")
    words.add_argument("--name", default="p", help="letters with which the ids begin")
    words.add_argument("--doors", type=int, default=200)
    words.add_argument("--alerts", type=float, default=0.005, help="share of messages that are due an alert")
    words.add_argument("--endpoints", type=int, default=1)
    said = vars(words.parse_args())
    port, messages, rate = said.pop("port"), said.pop("messages"), said.pop("rate")
    with tempfile.TemporaryDirectory() as folder:
        broker = servers.Mosquitto(Path(folder))
        try:
            if not port:
                broker.start()
            line = Line(port or broker.port, "sensors", servers.PASSWORD, f"publisher-{said['name']}")
            done = publish(line, Traffic(**said), messages, rate)
            line.close()
        finally:
            broker.stop()
    print(json.dumps(asdict(done)))
    if not port:
        print(f"{done.rate:,.0f} messages/s")
    return 0 if done.acknowledged == done.sent else 1


if __name__ == "__main__":
    raise SystemExit(main())
