"""How often: failed sign-ins, so that guessing is slow; and requests by caller, so that none starves the others.

A right token is never turned away for what somebody else guessed. A password is: there are few enough of them to try.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from api.access import Caller
from core.errors import TooMany

LIMIT: Final = 10
WINDOW: Final = timedelta(minutes=5)
NAME_LIMIT: Final = 50
NAME_WINDOW: Final = timedelta(hours=1)
"""Of one user's password, from wherever it is guessed."""
ADDRESSES: Final = 10_000
"""How many addresses (names, callers) are remembered; the one not heard of for longest is forgotten first."""
A_SECOND: Final = 200.0
"""So many requests a second may one caller make, reads and writes apart."""
BURST_S: Final = 20
"""So many seconds' worth at once, after having been quiet."""


class Attempts:
    """Remembers who failed when."""

    def __init__(self, limit: int = LIMIT, window: timedelta = WINDOW) -> None:
        self._limit = limit
        self._window = window
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def failed(self, address: str, now: datetime) -> None:
        """Note a failure; TooMany once there were more than the limit within the window."""
        failures = self._failures.setdefault(address, deque(maxlen=self._limit + 1))
        self._failures.move_to_end(address)
        while len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        failures.append(now)
        self.must_not_wait(address, now)

    def must_not_wait(self, address: str, now: datetime) -> None:
        """Raise TooMany, with the seconds to wait, where there were more failures than the limit."""
        failures = self._failures.get(address)
        if failures is None:
            return
        while failures and failures[0] <= now - self._window:
            failures.popleft()
        if len(failures) > self._limit:
            wait = (failures[1] + self._window - now).total_seconds()
            raise TooMany("too many failed sign-ins; wait and try again", max(1, round(wait)))


@dataclass(slots=True)
class _Bucket:
    level: float
    at: datetime


class Rates:
    """Remembers how often each caller came: a bucket each for reads and writes that fills with time."""

    def __init__(self, a_second: float = A_SECOND) -> None:
        self._a_second = a_second
        self._buckets: OrderedDict[tuple[str, int, bool], _Bucket] = OrderedDict()

    def came(self, caller: Caller, *, writes: bool, now: datetime) -> None:
        """Note a request; TooMany where the caller asks faster than anybody needs to."""
        full = self._a_second * BURST_S
        key = (caller.kind, caller.id, writes)
        bucket = self._buckets.setdefault(key, _Bucket(full, now))
        self._buckets.move_to_end(key)
        while len(self._buckets) > ADDRESSES:
            self._buckets.popitem(last=False)
        passed = max(0.0, (now - bucket.at).total_seconds())
        bucket.level, bucket.at = min(full, bucket.level + passed * self._a_second), now
        if bucket.level < 1:
            raise TooMany(f"more than {self._a_second:.0f} requests a second; go on more slowly", 1)
        bucket.level -= 1
