"""What goes wrong between a sensor and its reader: streams bent by chance, always the same way for the same seed.

A fault takes a stream in order of sending and returns one; so they combine.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from core.campus import nearest
from core.errors import BadInput, Problem
from simulators.utterance import NO_TIME, Utterance

NEIGHBOURS: Final = timedelta(seconds=5)
"""Utterances further apart do not overtake one another."""
MOST_DRIFT: Final = 300e-6
"""By which share a cheap clock may run too fast or too slow."""
GARBAGE: Final = ("", "{not json", "null", "[1, 2", '{"position": "ajar"}', '{"at": "yesterday"}', "NaN", "\ufffd")
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


def drift(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Let the clocks of a share of the devices run too fast or too slow, by up to 26 s a day."""
    clocks: dict[str, float] = {}
    first: datetime | None = None
    for each in stream:
        first = first or each.at
        if each.topic not in clocks:
            wrong = chance.uniform(-MOST_DRIFT, MOST_DRIFT)
            clocks[each.topic] = wrong if chance.random() < rate else 0.0
        error = each.clock_error
        yield each if error is None else replace(each, clock_error=error + (each.at - first) * clocks[each.topic])


def polarity(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Wire a share of the contacts the wrong way round: they say open for closed."""
    wrong: dict[str, bool] = {}
    for each in stream:
        position = _position(each)
        if position is None:
            yield each
            continue
        if each.topic not in wrong:
            wrong[each.topic] = chance.random() < rate
        turned = "closed" if position == "open" else "open"
        yield replace(each, payload={**each.payload, "position": turned}) if wrong[each.topic] else each


def flap(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Let the contact chatter on a share of the closings: it opens and closes again, up to four times in 2 s."""

    def bend(each: Utterance) -> Iterator[Utterance]:
        yield each
        if _position(each) != "closed" or each.payload.get("initial") or chance.random() >= rate:
            return
        at = each.at
        for turn in range(chance.randint(1, 4)):
            for position in ("open", "closed"):
                at += timedelta(seconds=chance.uniform(0.08, 0.25))
                yield replace(each, at=at, payload=_again(each, f"f{turn}{position[0]}", position=position))

    return _in_order(stream, bend)


def reboot(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Let a contact start anew after a share of what contacts say: it reports open first, then how it really is."""

    def bend(each: Utterance) -> Iterator[Utterance]:
        yield each
        position = _position(each)
        if position is None or chance.random() >= rate:
            return
        boot = f"b{chance.randrange(10**6)}"
        at = each.at + timedelta(seconds=chance.uniform(1, 4))
        for number, state in enumerate(("open", position)):
            said = _again(each, f"{boot}-{number}", position=state, initial=True, boot=boot)
            yield replace(each, at=at + timedelta(seconds=number / 4), payload=said)

    return _in_order(stream, bend)


def retained(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """After a share of the utterances, hand out the copy that the broker has kept of another topic's last word."""
    last: dict[str, Utterance] = {}

    def bend(each: Utterance) -> Iterator[Utterance]:
        yield each
        if _position(each) is not None:
            last[each.topic] = each
        if last and chance.random() < rate:
            kept = last[chance.choice(list(last))]
            yield replace(kept, retain=True, delay=each.sent_at - kept.at)

    return _in_order(stream, bend)


def garbage(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """After a share of the utterances, say something on the same topic that nobody can read."""
    for each in stream:
        yield each
        if chance.random() < rate:
            yield replace(each, at=each.sent_at, delay=NO_TIME, payload=chance.choice(GARBAGE), clock_error=None)


def reconnect(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Lose the broker for 1 to 20 s, after a share of the utterances: what is said meanwhile comes at once, and the
    last five before it come again.
    """
    return _outage(stream, rate, chance, seconds=(1, 20), again=5)


def backlog(stream: Iterable[Utterance], rate: float, chance: Random) -> Iterator[Utterance]:
    """Lose the broker for 5 to 45 minutes, after a share of the utterances: then everything comes at once."""
    return _outage(stream, rate, chance, seconds=(300, 2700), again=0)


def _outage(
    stream: Iterable[Utterance], rate: float, chance: Random, *, seconds: tuple[float, float], again: int
) -> Iterator[Utterance]:
    before: deque[Utterance] = deque(maxlen=again)
    held: list[Utterance] = []
    back: datetime | None = None
    for each in stream:
        if back is not None:
            if each.sent_at < back:
                held.append(each)
                continue
            yield from _at_once((*before, *held), back)
            held, back = [], None
        yield each
        before.append(each)
        if chance.random() < rate:
            back = each.sent_at + timedelta(seconds=chance.uniform(*seconds))
    if back is not None:
        yield from _at_once((*before, *held), back)


def _at_once(held: Iterable[Utterance], at: datetime) -> Iterator[Utterance]:
    return (replace(each, delay=at - each.at) for each in held)


def _position(each: Utterance) -> Any:
    return each.payload.get("position") if each.own and isinstance(each.payload, dict) else None


def _again(each: Utterance, mark: str, **said: Any) -> dict[str, Any]:
    return {**each.payload, "id": f"{each.payload.get('id', each.topic)}-{mark}", **said}


FAULTS: Final[Mapping[str, Fault]] = {
    "polarity": polarity,
    "flap": flap,
    "reboot": reboot,
    "drop": drop,
    "skew": skew,
    "drift": drift,
    "duplicate": duplicate,
    "retained": retained,
    "delay": delay,
    "reorder": reorder,
    "garbage": garbage,
    "reconnect": reconnect,
    "backlog": backlog,
}
"""Every fault by its name, in the order in which they act."""

DEFAULT_RATES: Final[Mapping[str, float]] = {
    "flap": 0.01,
    "reboot": 0.0005,
    "skew": 0.01,
    "drift": 0.05,
    "duplicate": 0.02,
    "retained": 0.001,
    "delay": 0.0005,
    "reorder": 0.02,
    "garbage": 0.001,
    "reconnect": 0.0005,
}
"""An ordinary network, for `--fault default`. Nothing is lost on it (QoS 1 sends again), no contact is wired wrongly,
and the broker is never away for long: what a sensor has not said, no service can know."""


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
