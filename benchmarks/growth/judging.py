"""What a message costs in the rule engine, against the number of rules, doors, open timers and campuses.

Engines are driven as the service drives them: a batch at a time, time goes on to the watermark on every campus that
is spoken of, each message is taken in, and what has changed is taken out to be written. All of it in this process, on
one core; times are those of the processor, the median of some rounds. The doors that speak have spoken once before.

    python -m benchmarks.growth.judging [--axis rules|doors|timers|campuses] [--messages 4000] [--batch 200]
"""

from __future__ import annotations

import argparse
import gc
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Final

from rich.console import Console

from benchmarks import picture
from benchmarks.growth import district as districts
from benchmarks.growth.district import GENERAL, LATENESS, SCHOOL, District, Said
from benchmarks.page import Section, Target
from benchmarks.replay import START
from core.facts import DeviceFacts, DoorFacts, Facts
from core.messages import Message
from rules.engine import Engine
from rules.rule import Rule, read_rule, shipped
from rules.saved import Position, Saved, SettledFacts
from rules.spell import due

MESSAGES: Final = 4_000
BATCH: Final = 200
"""Messages of a batch: what waits when a thousand or more arrive each second."""
ROUNDS: Final = 4
RULES: Final = (10, 100, 1_000, 10_000)
RULED_DOORS: Final = 1_000
DOORS: Final = (20, 200, 2_000, 20_000, 200_000)
TIMERS: Final = (0, 1_000, 10_000, 100_000)
TIMED: Final = 10
"""Campuses that the open timers are spread over."""
CLOSED: Final = 200
"""Doors of each of these that are shut, and speak."""
CAMPUSES: Final = (1, 10, 100, 1_000)
DIVIDED: Final = 4_000
"""Doors that are divided among the campuses."""
BELL: Final = START + timedelta(hours=15, minutes=10)
"""School ends, on a Tuesday: what is measured comes before it, whatever the size, and raises few alerts."""
HELD: Final = 10
"""Timers of every open door, none of which runs out while messages are measured."""


@dataclass(frozen=True)
class Point:
    """What a message costs at one size."""

    count: int
    us: float
    """Microseconds of the processor for a message."""
    first_us: float
    """The same where a door speaks for the first time since the start."""
    looks: float
    """How many rules look at a key, for a message."""
    laid_out_s: float
    """How long it takes to lay the rules out over all campuses, and to take their state back."""
    bell_ms: float
    """How long the district's judging stands still when a bell rings on all campuses."""
    ring_ms: float = 0.0
    """What an hour costs in which the open timers run out; 0 where it was not waited for."""

    def __str__(self) -> str:
        return (
            f"{self.us:7.1f} us a message ({self.first_us:.1f} the first time), {self.looks:.1f} looks, "
            f"laid out in {self.laid_out_s:.1f} s, a bell {self.bell_ms:.0f} ms, the timers {self.ring_ms:.0f} ms"
        )


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured at each point."""

    messages: int = MESSAGES
    batch: int = BATCH


@dataclass(frozen=True)
class Judging:
    """A point for every size of each axis."""

    points: Mapping[str, Sequence[Point]]

    def ratio(self, axis: str, count: int) -> float:
        """Return how many times as much as with the smallest number a message costs."""
        found = self.points[axis]
        return next(each.us for each in found if each.count == count) / found[0].us


class Engines:
    """The engines of a district, driven as the pipeline drives them."""

    def __init__(self, place: District, rules: Sequence[Rule], at: datetime, *, open_doors: int = 0) -> None:
        """Every door of the district has its state at an instant; the last `open_doors` of each campus stand open."""
        started = process_time()
        self._by_campus: dict[str, Engine] = {}
        for campus in place.campuses:
            engine = Engine(campus, rules, started=at)
            engine.restore(_standing(place.doors_each, open_doors, at), ())
            self._by_campus[campus.id] = engine
        self.laid_out_s = process_time() - started
        self.looks = 0

    def hear(self, messages: Sequence[Message], now: datetime) -> int:
        """Judge a batch, and take out what is to be written; return the number of findings."""
        found = 0
        touched = {message.campus for message in messages}
        for campus in touched:
            found += len(self._by_campus[campus].advance(now - LATENESS))
        for message in messages:
            found += len(self._by_campus[message.campus].accept(message))
        for campus in touched:
            self._take_out(self._by_campus[campus])
        return found

    def pass_time(self, until: datetime) -> None:
        """Let time go on, on every campus."""
        for engine in self._by_campus.values():
            engine.advance(until)
            self._take_out(engine)

    def _take_out(self, engine: Engine) -> None:
        engine.now.take_moves()
        engine.now.take_changes()
        engine.changes()
        self.looks += sum(tally.evaluations for tally in engine.take_tally().values())

    @property
    def open_timers(self) -> int:
        """How many doors wait for the time of a rule."""
        return sum(
            rule.entity == "door" and due(rule, state) is not None
            for engine in self._by_campus.values()
            for rule in engine.rules
            for _, state in engine.states(rule.id)
        )

    def check(self) -> None:
        """Raise if a rule could not judge: what was measured would not be the work."""
        for campus, engine in self._by_campus.items():
            if engine.health:
                raise RuntimeError(f"{campus}: {engine.health}")


def _standing(doors: int, open_doors: int, at: datetime) -> Saved:
    """Return the state of a campus whose doors are shut, but for the last ones, and whose sensors are well."""
    shut = doors - open_doors
    facts: list[Facts] = [DeviceFacts(id=f"s{n}", heard_at=at) for n in range(doors)]
    facts += [
        DoorFacts(
            id=f"d{n}", heard_at=at, position="closed" if n < shut else "open", position_at=at, position_heard_at=at
        )
        for n in range(doors)
    ]
    return Saved(
        position=Position(watermark=at, alive_at=at, started=at, since=at, shapes="{}"),
        settled=tuple(SettledFacts(entity=each.entity, id=each.id, facts=each, last=None) for each in facts),
    )


# ---------------------------------------------------------------------------------------------------- measuring
def measure(
    count: int, place: District, rules: Sequence[Rule], size: Size, *, open_doors: int = 0, timers: int | None = None
) -> Point:
    """Return what a message costs: its doors speak once, and are measured when they speak again, before a bell."""
    at = BELL - 2 * size.messages * districts.PAUSE / place.doors - timedelta(minutes=2)
    engines = Engines(place, rules, at, open_doors=open_doors)
    if timers is not None and engines.open_timers != timers:
        raise RuntimeError(f"{engines.open_timers} timers are open, not {timers}")
    spoken: list[float] = []
    for name in ("first", "again"):
        engines.looks = 0
        told = districts.traffic(place, at + timedelta(seconds=10), name=name, doors=place.doors_each - open_doors)
        said = list(itertools.islice(told, size.messages))
        spoken.append(_cost(engines, place, said, size.batch))
        at = said[-1].at + timedelta(seconds=20)
        engines.pass_time(at)
    engines.check()
    looks = engines.looks / size.messages
    bell = place.campuses[0].next_boundary(at)
    engines.pass_time(bell - timedelta(milliseconds=1))
    bell_s = _seconds(lambda: engines.pass_time(bell))
    ring_s = 0.0 if timers is None else _seconds(lambda: engines.pass_time(bell + timedelta(hours=1)))
    return Point(count, spoken[1], spoken[0], looks, engines.laid_out_s, 1e3 * bell_s, 1e3 * ring_s)


def _cost(engines: Engines, place: District, said: Sequence[Said], batch: int) -> float:
    """Return how many microseconds a message takes; that it is read beforehand does not count."""
    took: list[float] = []
    piece = max(batch, len(said) // ROUNDS)
    for start in range(0, len(said), piece):
        part = said[start : start + piece]
        batches = [part[each : each + batch] for each in range(0, len(part), batch)]
        read = [([one for each in some for one in place.read(each)], some[-1].at) for some in batches]
        took.append(_seconds(partial(_hear_all, engines, read)) / len(part))
    return 1e6 * median(took)


def _hear_all(engines: Engines, batches: Sequence[tuple[Sequence[Message], datetime]]) -> None:
    for messages, now in batches:
        engines.hear(messages, now)


def _seconds(work: Callable[[], object]) -> float:
    started = process_time()
    work()
    return process_time() - started


def rules(size: Size) -> Iterator[Point]:
    """Measure more and more rules on a thousand doors."""
    place = districts.district(RULED_DOORS, 1)
    for count in RULES:
        yield measure(count, place, districts.rules(count, place), size)


def doors(size: Size, counts: Sequence[int] = DOORS) -> Iterator[Point]:
    """Measure more and more doors, in schools of two hundred, by every shipped protocol."""
    for count in counts:
        yield measure(count, districts.district(count), shipped(), size)


def timers(size: Size, counts: Sequence[int] = TIMERS) -> Iterator[Point]:
    """Measure beside more and more doors that stand open, and for each of which several rules wait."""
    known = {each.id: each for each in shipped()}
    held = {**known["door-held-open"].document, "scope": {}, "variants": [], "tests": []}
    waiting = [
        read_rule(held | {"id": f"held-{n}", "params": {"hold": {"type": "duration", "default": f"{40 + n}m"}}})
        for n in range(HELD)
    ]
    chosen = (*(known[each] for each in GENERAL if each not in ("door-held-open", "door-propped")), *waiting)
    place = districts.district((CLOSED + max(counts) // HELD // TIMED) * TIMED, TIMED)
    for count in counts:
        yield measure(count, place, chosen, size, open_doors=count // HELD // TIMED, timers=count)


def campuses(size: Size) -> Iterator[Point]:
    """Measure the same doors on more and more campuses, by every shipped protocol."""
    for count in CAMPUSES:
        yield measure(count, districts.district(DIVIDED, count), shipped(), size)


AXES: Final[Mapping[str, Callable[[Size], Iterator[Point]]]] = {
    "rules": rules,
    "doors": doors,
    "timers": timers,
    "campuses": campuses,
}


def run(axes: Sequence[str] = tuple(AXES), size: Size | None = None, out: Console | None = None) -> Judging:
    """Measure along some axes, one size after the other, each alone in memory."""
    out = out or Console(quiet=True)
    found: dict[str, list[Point]] = {}
    for axis in axes:
        for point in AXES[axis](size or Size()):
            found.setdefault(axis, []).append(point)
            gc.collect()
            out.print(f"{point.count:>9,} {axis:<9} {point}")
    return Judging(found)


# ------------------------------------------------------------------------------------------------------- the page
ABOUT: Final = (
    "What a message costs in the rule engine, in microseconds of the processor, and how many times as much as with the "
    f"smallest number. Batches of {BATCH} messages of ordinary days are judged as the service judges them; every door "
    "has its state, and those that speak have spoken once before (*first time*: what that cost). A bell is the end of "
    "school on every campus at once: so long all judging stands still."
)
WORDS: Final[Mapping[str, str]] = {
    "rules": (
        f"On one campus of {RULED_DOORS:,} doors. Ten rules are shipped protocols for all doors, sensors, visits and "
        "counters; each further one is a shipped protocol with other values for a single place: of twenty, fourteen "
        "for one door, two for the doors of one zone, two for one sensor, one for a series of games, one for a type of "
        "visitor. With 10,000, every door has some ten rules of its own, and they do look (*looks* a message)."
    ),
    "doors": (
        f"By every shipped protocol, in schools of {SCHOOL} doors; messages are spread over all of them. Twenty "
        "doors say in most of a day what a district says in seconds: what time alone brings about in it (heartbeats "
        "due, bells) is judged in between, and makes the message of a small district the dearer one. The target is "
        "therefore told beside the cheapest size, too."
    ),
    "timers": (
        f"On {TIMED} campuses, beside doors that stand open and for each of which {HELD} rules wait. *Running out*: "
        "what an hour costs in which all of them do."
    ),
    "campuses": f"The same {DIVIDED:,} doors on more and more campuses, by every shipped protocol.",
}
PROMISED: Final = (("rules", 1_000, 2.0), ("doors", 200_000, 1.5))
"""The axis, the size, and how many times as much as at the smallest size a message may cost there."""


def section(_folder: Path, found: Judging | None = None) -> Section:
    """Measure all axes, or take what was found, and return the section of the page."""
    found = found or run()
    said = Section("What a message costs, the larger it all is", ABOUT, ["python -m benchmarks.growth.judging"])
    for axis, points in found.points.items():
        said.say(f"**{axis.capitalize()}.** {WORDS[axis]}")
        head = [axis, "us a message", "times", "first time us", "looks", "laid out in s", "a bell ms"]
        said.table([*head, *(["running out ms"] if axis == "timers" else [])], _rows(axis, points))
        picture.growth(
            f"judging-{axis}", {"": [(each.count, each.us) for each in points]}, across=axis, up="us a message"
        )
        said.picture(f"judging-{axis}", f"Cost of a message against the number of {axis}")
    said.targets += targets(found)
    return said


def _rows(axis: str, points: Sequence[Point]) -> Iterator[list[str]]:
    for each in points:
        row = [f"{each.count:,}", f"{each.us:.0f}", f"{each.us / points[0].us:.2f}", f"{each.first_us:.0f}"]
        row += [f"{each.looks:.1f}", f"{each.laid_out_s:.1f}", f"{each.bell_ms:.0f}"]
        yield [*row, *([f"{each.ring_ms:.0f}"] if axis == "timers" else [])]


def targets(found: Judging) -> Iterator[Target]:
    """Yield what was promised of the axes that were measured."""
    for axis, count, most in PROMISED:
        if count not in [each.count for each in found.points.get(axis, ())]:
            continue
        ratio, smallest = found.ratio(axis, count), found.points[axis][0].count
        promised = f"a message with {count:,} {axis} costs at most {most:g} times what it costs with {smallest}"
        asked = next(each for each in found.points[axis] if each.count == count)
        cheapest = min(found.points[axis], key=lambda each: each.us)
        measured = f"{ratio:.2f} times ({asked.us / cheapest.us:.2f} times the cheapest size, {cheapest.count:,})"
        why = f"{asked.looks:.1f} looks a message instead of {found.points[axis][0].looks:.1f}"
        yield Target(promised, measured, ratio <= most, "" if ratio <= most else why)


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--axis", choices=tuple(AXES), action="append", help="only this; may be given again")
    words.add_argument("--messages", type=int, default=MESSAGES, help="messages measured at each point")
    words.add_argument("--batch", type=int, default=BATCH, help="messages of a batch")
    said = words.parse_args()
    run(said.axis or tuple(AXES), Size(said.messages, said.batch), Console(highlight=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
