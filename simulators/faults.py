"""What goes wrong between a sensor and its reader: streams bent by chance, always the same way for the same seed.

A fault takes a stream in order of sending and returns one; so they combine.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from random import Random
from typing import Final

from msgspec.structs import replace

from core.campus import nearest
from core.errors import BadInput, Problem
from simulators.utterance import Utterance

NEIGHBOURS: Final = timedelta(seconds=5)
"""Utterances further apart do not overtake one another."""
Fault = Callable[[Iterable[Utterance], float, Random], Iterator[Utterance]]


def drop(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Lose a share of the utterances."""
    return (each for each in stream if chance.random() >= rate)


def duplicate(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Say a share of the utterances twice, word for word, the second time up to 20 s later."""

    def bend(each: Utterance) -> Iterator[Utterance]:
        yield each
        if chance.random() < rate:
            yield _later(each, chance.uniform(0.05, 20))

    return _in_order(stream, bend)


def delay(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Send a share of the utterances 2 to 90 s after they happened."""

    def bend(each: Utterance) -> Iterator[Utterance]:
        yield _later(each, chance.uniform(2, 90)) if chance.random() < rate else each

    return _in_order(stream, bend)


def skew(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Set the clocks of a share of the devices wrong: a little, or beyond belief."""
    clocks: dict[str, timedelta] = {}
    for each in stream:
        if each.topic not in clocks:
            wrong = chance.choice((chance.uniform(-5, 1.5), chance.uniform(-3600, -900), chance.uniform(30, 86_400)))
            clocks[each.topic] = timedelta(seconds=wrong if chance.random() < rate else 0)
        error = each.clock_error
        yield each if error is None else replace(each, clock_error=error + clocks[each.topic])


def reorder(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Let a share of the utterances be overtaken by the next one, where it follows within 5 s."""
    held: Utterance | None = None
    for each in stream:
        if held is None:
            if chance.random() < rate:
                held = each
            else:
                yield each
        elif each.sent_at - held.sent_at > NEIGHBOURS:
            yield held
            held = None
            yield each
        else:
            yield each
            yield replace(held, delay=each.sent_at - held.at)
            held = None
    if held is not None:
        yield held


FAULTS: Final[Mapping[str, Fault]] = {
    "drop": drop,
    "skew": skew,
    "duplicate": duplicate,
    "delay": delay,
    "reorder": reorder,
}
"""Every fault by its name, in the order in which they act."""


def afflict(stream: Iterable[Utterance], rates: Mapping[str, float], *, seed: int = 0) -> Iterator[Utterance]:
    """Return the stream with every fault that `rates` names, each with its own dice; BadInput for one unknown."""
    check_rates(rates)
    bent = iter(stream)
    for name, fault in FAULTS.items():
        if rates.get(name):
            bent = fault(bent, rates[name], Random(f"{seed}/fault/{name}"))  # noqa: S311 - not a secret
    return bent


def check_rates(rates: Mapping[str, float]) -> None:
    """Raise BadInput unless every name is a fault and every rate lies between 0 and 1."""
    problems = [
        Problem(f"no fault {name!r}{nearest(name, list(FAULTS))}", where="faults")
        for name in rates
        if name not in FAULTS
    ]
    problems += [
        Problem("must be a share between 0 and 1, like 0.05", where=f"faults.{name}")
        for name, rate in rates.items()
        if name in FAULTS and not 0 <= rate <= 1
    ]
    if problems:
        raise BadInput(problems)


def _later(each: Utterance, seconds: float) -> Utterance:
    return replace(each, delay=each.delay + timedelta(seconds=seconds))


def _in_order(stream: Iterable[Utterance], bend: Callable[[Utterance], Iterator[Utterance]]) -> Iterator[Utterance]:
    # Bending only ever makes an utterance later; what is due before the next one comes in can go out.
    waiting: list[tuple[float, int, Utterance]] = []
    count = 0
    for each in stream:
        while waiting and waiting[0][0] <= each.sent_at.timestamp():
            yield heapq.heappop(waiting)[2]
        for bent in bend(each):
            heapq.heappush(waiting, (bent.sent_at.timestamp(), count, bent))
            count += 1
    while waiting:
        yield heapq.heappop(waiting)[2]
