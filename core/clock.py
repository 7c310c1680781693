"""The only place that reads the time. Everything else is given `now`, or holds a Clock."""

from __future__ import annotations

import asyncio
import heapq
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

AT_ONCE: Final = 0.1
"""Seconds by which the wall clock may differ from ours and is right: it is kept right in such small moves."""
TOO_FAR: Final = 43_200.0
"""Seconds from which on the clock must have been wrong before: half a day is not slept over."""
FOLLOW: Final = 0.05
"""How much faster or slower we run after a step: a minute is off by three seconds, and an hour is made up in 20."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger("clock")


class Clock(Protocol):
    """What a loop needs to know about time."""

    ahead: float
    """How many seconds the machine's clock was ahead of this one when it was last looked at, because it was stepped."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds of this clock."""
        ...


def _steady() -> float:
    """Return seconds on a clock that no step moves, and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class SystemClock:
    """The machine's own clock; a step of it is followed slowly, for a door stands open no longer because of it.

    It runs on from when it was made. Where the wall clock differs, it runs faster or slower by `FOLLOW` until both
    agree; what differs by little, or by so much that it must have been wrong before (`TOO_FAR`), is taken over at
    once. It never runs backwards, but for such a correction. `wall` and `steady` say the time in seconds.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time, steady: Callable[[], float] = _steady) -> None:
        self._wall = wall
        self._steady = steady
        self._ours = wall()
        self._looked = steady()
        self._lock = threading.Lock()
        self.ahead = 0.0

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        with self._lock:
            return _EPOCH + timedelta(seconds=self._move())

    def _move(self) -> float:
        looked, wall = self._steady(), self._wall()
        passed = max(0.0, looked - self._looked)
        before, self._looked = self._ours, looked
        gap = wall - (before + passed)
        if abs(gap) <= AT_ONCE:
            self._ours, gap = max(before, wall), 0.0
        elif abs(gap) >= TOO_FAR:
            self._ours, gap = wall, 0.0
        else:
            self._ours = before + passed + max(-passed * FOLLOW, min(passed * FOLLOW, gap))
        self._tell(gap)
        return self._ours

    def _tell(self, gap: float) -> None:
        was, self.ahead = self.ahead, gap
        if bool(was) == bool(gap):
            return
        if gap:
            hours = abs(gap) / FOLLOW / 3600
            _log.warning("the machine's clock was stepped", by_s=round(gap, 1), followed_in_hours=round(hours, 1))
        else:
            _log.info("the machine's clock and ours agree again")

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now() >= when`."""
        while (left := (when - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 1.0))

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds, whatever happens to the wall clock meanwhile."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that moves when told to (`jump`), or runs `rate` times as fast as the machine's (simulators)."""

    ahead = 0.0

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
