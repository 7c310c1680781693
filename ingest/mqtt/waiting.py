"""The hand-over from the network's thread to the event loop: ordered, bounded, with one wake-up for many messages."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from core.messages import Heard

OVERHEAD: Final = 512
"""Bytes that a waiting message takes beside its topic and payload, roughly."""


class Delivery:
    """One message as the broker delivered it, and on which connection it is to be acknowledged."""

    __slots__ = ("connection", "heard", "mid", "size")

    def __init__(self, heard: Heard, mid: int, connection: int) -> None:
        self.heard = heard
        self.mid = mid
        """The packet id; 0 if the broker wants no acknowledgement."""
        self.connection = connection
        """The number of the connection; a packet id means something on that one only."""
        self.size = len(heard.topic) + len(heard.payload) + OVERHEAD


class Waiting:
    """What was taken in and is not done with. Bytes count until `done`, not only until `take`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._queue: deque[Delivery] = deque()
        self._lock = threading.Lock()
        self._bytes = 0
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._told = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the event loop that takes."""
        self._loop = loop

    @property
    def count(self) -> int:
        """How many messages are not done with."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no more should be taken in."""
        return self._bytes >= self._max_bytes

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Add messages (called in the network's thread)."""
        if not deliveries:
            return
        with self._lock:
            self._queue.extend(deliveries)
            self._bytes += sum(delivery.size for delivery in deliveries)
            self._count += len(deliveries)
            tell, self._told = not self._told, True
        if tell and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def take(self, most: int) -> list[Delivery]:
        """Return what has arrived, at most `most`; wait if there is nothing."""
        while True:
            with self._lock:
                if self._queue:
                    return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
                self._told = False
                self._arrived.clear()
            await self._arrived.wait()

    def done(self, deliveries: Iterable[Delivery]) -> None:
        """Give back the room of messages that are done with."""
        with self._lock:
            for delivery in deliveries:
                self._bytes -= delivery.size
                self._count -= 1
