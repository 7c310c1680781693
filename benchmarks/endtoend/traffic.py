"""What a busy campus says: doors in ordinary use, the health of their sensors, and now and then what is due an alert.

Every door goes round the same steps: a badge, a passage, a sign of life, a push bar, two more passages. Nothing of it
is worth an alert to any protocol that ships; a visit that is given an escort is, to the rule of the benchmark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

CAMPUS: Final = "campus/lincoln"
STEPS: Final = (
    ("door", '"access":"granted","credential":"c-81"'),
    ("door", '"position":"open"'),
    ("door", '"position":"closed"'),
    ("device", '"kind":"heartbeat","battery_pct":93'),
    ("door", '"exit_request":true'),
    ("door", '"position":"open"'),
    ("door", '"position":"closed"'),
    ("door", '"battery_pct":92'),
    ("door", '"position":"open"'),
    ("door", '"position":"closed"'),
)
"""What a door and its sensor say, one after the other."""
PHONES: Final = 10
"""So many phones are told by turns: thirty grave alerts a second are for no one person."""
MARK: Final = re.compile(r"\b([a-z]+)(\d+)t(\d+)(?:-\d+)?\b")
"""A visit's name: of which publishing, the how many-th message, published when (microseconds since 1970)."""
HELD: Final = f"{CAMPUS}/door/held"
"""The door that stays open."""
HELD_MARK: Final = "hold0t0"
"""The name of that door, and the id of what is said of it: whoever tells of it, tells this."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is said: messages of so many doors, a share of them due an alert, spread over so many endpoints."""

    name: str
    """Letters: the ids of this publishing differ from those of every other."""
    doors: int = 200
    alerts: float = 0.005
    endpoints: int = 1

    @property
    def _every(self) -> int:
        return round(1 / self.alerts) if self.alerts else 0

    def is_due(self, number: int) -> bool:
        """Return whether the message of this number is due an alert."""
        return bool(self._every) and number % self._every == 0

    def due(self, messages: int) -> int:
        """Return how many alerts the first so many messages are due."""
        return -(-messages // self._every) if self._every else 0

    def say(self, number: int, at: datetime) -> tuple[str, bytes]:
        """Return topic and payload of a message published at an instant."""
        if self.is_due(number):
            place = f"-{number // self._every % self.endpoints}" if self.endpoints > 1 else ""
            visit = f"{self.name}{number}t{(at - _EPOCH) // _MICROSECOND}{place}"
            topic, said = f"{CAMPUS}/visitor/lobby", f'"action":"escort","visit":"{visit}"'
        else:
            door = number % self.doors
            family, said = STEPS[(number // self.doors + door) % len(STEPS)]
            topic = f"{CAMPUS}/{family}/room-{door}{'-contact' if family == 'device' else ''}"
        return topic, f'{{"id":"{self.name}{number}","at":"{at.isoformat()}",{said}}}'.encode()


def instant(micros: int) -> float:
    """Return the seconds since 1970 of a mark's time."""
    return micros / 1e6


def seconds(at: datetime) -> float:
    """Return an instant as seconds since 1970."""
    return (at - _EPOCH) / timedelta(seconds=1)
