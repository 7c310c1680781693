"""Failed sign-ins, counted by address, so that guessing is slow. A right token is never turned away."""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from core.errors import TooMany

LIMIT = 10
WINDOW = timedelta(minutes=5)
ADDRESSES = 10_000
"""How many addresses are remembered; the one not heard of for longest is forgotten first."""


class Attempts:
    """Remembers who failed when."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def failed(self, address: str, now: datetime) -> None:
        """Note a failure; TooMany once there were more than ten within five minutes."""
        failures = self._failures.setdefault(address, deque(maxlen=LIMIT + 1))
        self._failures.move_to_end(address)
        while len(self._failures) > ADDRESSES:
            self._failures.popitem(last=False)
        failures.append(now)
        while failures[0] <= now - WINDOW:
            failures.popleft()
        if len(failures) > LIMIT:
            wait = (failures[1] + WINDOW - now).total_seconds()
            raise TooMany("too many failed sign-ins from this address; wait and try again", max(1, round(wait)))
