"""One word of one sensor: what is said, when, and on which topic.

Everything the simulators make is a stream of utterances in order of sending; faults bend such a stream, `play`
publishes it, `record` writes it down. Nothing here knows a broker or a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from core.messages import Exercise

NO_TIME = timedelta(0)
TRIAL = "trial"
"""What is no more than a drill or a test is said below this level; the broker lets testers speak nowhere else."""


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """Something a sensor says. A time inside of the payload is a `datetime` until it is spelled."""

    at: datetime
    """When it happened."""
    topic: str
    payload: Any
    """JSON values; text and bytes are sent as they stand."""
    retain: bool = False
    qos: int = 1
    delay: timedelta = NO_TIME
    """How long after `at` it is sent."""
    clock_error: timedelta | None = NO_TIME
    """How far the sensor's clock is ahead; None: the payload has no time of its own, or stands as it was written."""
    own: bool = True
    """On our own topics, where the envelope's words are understood; False: another maker's device."""

    @property
    def sent_at(self) -> datetime:
        """When it is sent."""
        return self.at + self.delay


def merge(*streams: Iterable[Utterance]) -> Iterator[Utterance]:
    """Return several streams as one, in order of sending; each must be in order itself. Nothing is held but a head."""
    return heapq.merge(*streams, key=attrgetter("sent_at"))


Story = tuple[datetime, Callable[[], Iterable[Utterance]]]
"""When something begins, and how it is told: in order of sending, nothing of it before that moment."""


def unfold(stories: Iterable[Story]) -> Iterator[Utterance]:
    """Yield what the stories say, in order of sending. Each is begun at its moment only, so that few are held."""
    waiting = sorted(stories, key=itemgetter(0), reverse=True)
    under_way: list[tuple[datetime, int, Utterance, Iterator[Utterance]]] = []
    begun = 0
    while waiting or under_way:
        while waiting and (not under_way or waiting[-1][0] <= under_way[0][0]):
            told = iter(waiting.pop()[1]())
            begun += 1
            for first in told:
                heapq.heappush(under_way, (first.sent_at, begun, first, told))
                break
        if not under_way:
            continue
        _, number, said, told = under_way[0]
        yield said
        following = next(told, None)
        if following is None:
            heapq.heappop(under_way)
        else:
            heapq.heapreplace(under_way, (following.sent_at, number, following, told))


def spell(
    utterance: Utterance,
    *,
    when: Callable[[datetime], datetime] | None = None,
    exercise: Exercise = "test",
    run: str = "",
) -> bytes:
    """Return the payload as it goes over the wire.

    `when` moves every time in it (to the moment it is really played), `exercise` marks it, unless it marks itself,
    and `run` sets its id apart from those of another run of the same stream.
    """
    said = utterance.payload
    if isinstance(said, bytes):
        return said
    if isinstance(said, str):
        return said.encode()
    if isinstance(said, dict):
        moved = when or (lambda at: at)
        said = {name: moved(value) if isinstance(value, datetime) else value for name, value in said.items()}
        if utterance.clock_error is not None:
            said["at"] = moved(utterance.at) + utterance.clock_error
        if utterance.own and run and "id" in said:
            said["id"] = f"{run}-{said['id']}"
        if utterance.own and exercise != "live":
            said.setdefault("exercise", exercise)
        said = {name: write_instant(value) if isinstance(value, datetime) else value for name, value in said.items()}
    return msgspec.json.encode(said)


def place(utterance: Utterance, exercise: Exercise) -> str:
    """Return the topic it is published on: what is not live stays below `trial/`, whoever says it."""
    return utterance.topic if exercise == "live" else f"{TRIAL}/{utterance.topic}"


def write_instant(at: datetime) -> str:
    """Return an instant as our devices spell it, to the millisecond: `2026-11-24T14:00:00.000Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
