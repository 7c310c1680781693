"""Receives pushes over HTTP, in a process of its own: fast enough for all, and it can be away for a while.

Connections are kept open for whoever wants that. Each request is a line of a file: when it came, where, what it said.

    python -m benchmarks.endtoend.receiver --port PORT --file FILE
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from benchmarks.endtoend.programs import Program
from benchmarks.endtoend.traffic import MARK, instant, seconds
from core.clock import SystemClock
from tests.servers import free_port, wait_for_port

MODULE: Final = "benchmarks.endtoend.receiver"
FLUSH_S: Final = 0.02
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n"


@dataclass(frozen=True, slots=True)
class Told:
    """One message that a push told of."""

    at: float
    """When the push came, in seconds since 1970."""
    path: str
    name: str
    """Of which publishing."""
    number: int
    published: float


@dataclass
class Receiver:
    """The receiver as a process that can be ended and started again on the same port."""

    folder: Path
    port: int = field(default_factory=free_port)
    _program: Program | None = None
    _read: int = 0
    _told: dict[str, list[Told]] = field(default_factory=dict)
    """By the name of the publishing."""

    @property
    def file(self) -> Path:
        """Where it writes down what comes."""
        return self.folder / "pushes"

    def start(self) -> None:
        """Receive."""
        self._program = Program(self.folder, MODULE, ["--port", str(self.port), "--file", str(self.file)])
        self._program.start()
        assert self._program.process is not None
        wait_for_port(self.port, self._program.process)

    def stop(self) -> None:
        """Be away: connections are refused."""
        if self._program is not None:
            self._program.stop()

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._program is not None
        return self._program.pid

    def told(self, name: str, path: str = "") -> list[Told]:
        """Return what has been told by now of the messages of a publishing, at a path that begins so."""
        self._look()
        return [each for each in self._told.get(name, ()) if each.path.startswith(path)]

    def arrivals(self, name: str, path: str = "") -> dict[int, tuple[float, float]]:
        """Return (published, first arrived) of each message of a publishing that was pushed."""
        return {each.number: (each.published, each.at) for each in reversed(self.told(name, path))}

    def copies(self, name: str, path: str = "") -> Counter[int]:
        """Return how often each message of a publishing was pushed."""
        return Counter(each.number for each in self.told(name, path))

    def _look(self) -> None:
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self._read)
            come = file.read()
        whole = come[: come.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").split("\n"):
            for each in read(line):
                self._told.setdefault(each.name, []).append(each)


def read(line: str) -> list[Told]:
    """Return what a line of the receiver's file tells of: each message once, however often the push names it."""
    at, _, rest = line.partition("\t")
    path, _, said = rest.partition("\t")
    marks = dict.fromkeys(MARK.findall(said))
    return [Told(float(at), path, name, int(number), instant(int(micros))) for name, number, micros in marks]


class _Connection(asyncio.Protocol):
    """Takes requests apart, no more than it must."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._clock = SystemClock()
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            path = self._buffer[:end].split(b" ", 2)[1]
            said = self._buffer[end + 4 : end + 4 + length].replace(b"\n", b" ")
            self._buffer = self._buffer[end + 4 + length :]
            self._file.write(b"%.6f\t%b\t%b\n" % (seconds(self._clock.now()), path, said))
            closes = b"connection: close" in head
            self._transport.write(_ANSWER + (b"connection: close\r\n\r\nok" if closes else b"\r\nok"))
            if closes:
                self._transport.close()


async def receive(port: int, path: Path) -> None:
    """Receive until SIGTERM."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    with path.open("ab") as file:
        server = await loop.create_server(lambda: _Connection(file), "127.0.0.1", port, backlog=1024)
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), FLUSH_S)
            except TimeoutError:
                file.flush()
        server.close()


def main() -> int:
    """Receive until ended."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--file", type=Path, required=True)
    said = words.parse_args()
    asyncio.run(receive(said.port, said.file))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
