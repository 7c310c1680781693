"""The only place that reads the time. Everything else is given `now`, or holds a Clock."""

from __future__ import annotations

import asyncio
import heapq
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a loop needs to know about time."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`; a clock that is stepped while we sleep is noticed within a second."""
        while (left := (when - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 1.0))

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, whatever happens to the wall clock meanwhile."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves when told to (`jump`), or runs `rate` times as fast as the machine's (simulators)."""

    def __init__(self, start: datetime, *, rate: float = 0.0) -> None:
        self._base = start
        self._rate = rate
        self._anchor = time.monotonic()
        self._sleepers: list[tuple[datetime, int, asyncio.Event]] = []
        self._count = 0

    def now(self) -> datetime:
        """Return the present instant of this clock in UTC."""
        if not self._rate:
            return self._base
        return self._base + timedelta(seconds=(time.monotonic() - self._anchor) * self._rate)

    def jump(self, by: timedelta | float) -> None:
        """Move forward by `by` (seconds if a number) and wake those whose time has come."""
        self._base += by if isinstance(by, timedelta) else timedelta(seconds=by)
        while self._sleepers and self._sleepers[0][0] <= self.now():
            heapq.heappop(self._sleepers)[2].set()

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`."""
        if self._rate:
            while (left := (when - self.now()).total_seconds()) > 0:
                await asyncio.sleep(min(left / self._rate, 1.0))
            return
        if self.now() >= when:
            await asyncio.sleep(0)
            return
        self._count += 1
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (when, self._count, woken))
        await woken.wait()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        await self.sleep_until(self.now() + timedelta(seconds=seconds))


def stopwatch() -> float:
    """Return seconds on a clock that only ever runs forward; for measuring how long something took."""
    return time.perf_counter()
