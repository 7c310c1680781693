"""How fast the rules judge: a replay of a million messages by every shipped protocol, many rules against few, one
condition against a closure written by hand and against another language, and a sweep against one pass for each value.

Everything runs in this one process, on one core, in one run, so that the ratios can be compared. Times are those of
the processor: what else the machine does meanwhile does not count.

    python -m benchmarks.replay [--messages 1000000] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import heapq
import itertools
import pstats
import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any, Final

from cel import Context
from cel import compile as compile_cel

from benchmarks.page import Section
from core.campus import Campus
from core.messages import KINDS, Message
from core.world import World
from rules.backtest import Backtest, variants
from rules.engine import Engine
from rules.language.check import Environment
from rules.language.expression import read_expression
from rules.language.roots import reachable
from rules.language.scene import Scene
from rules.rule import Rule, read_rule, shipped

START: Final = datetime(2026, 9, 1, 5, tzinfo=UTC)
LATENESS: Final = timedelta(seconds=1)
DOORS: Final = 40
A_DAY: Final = 25_000
"""Messages that a busy campus of forty doors sends in a day."""
STEP: Final = timedelta(days=1) / A_DAY
CHUNK: Final = 20_000
"""So many messages are in memory at once: making them is not what is measured."""
TARGET: Final = 60.0
"""Seconds in which a million messages are to be replayed."""
CONDITION: Final = (
    'door.position == "open" && door.exterior && !(door.class == "main") && door.lock != "locked" && '
    'door.zone in ["z1", "z2", "z3"]'
)


@dataclass(frozen=True)
class Figure:
    """One thing that was measured: a name, the figure, and how it compares."""

    name: str
    value: str
    beside: str = ""

    def __str__(self) -> str:
        return f"{self.name:<58} {self.value:>16}  {self.beside}"


# ---------------------------------------------------------------------------------------------------- the stage
def campus(doors: int = DOORS) -> Campus:
    """Return a campus of so many doors, each with a sensor, that keeps school hours."""
    weekdays = ("mon", "tue", "wed", "thu", "fri")
    regular = {"staffed": "06:30-18:00", "school": "07:50-15:10", "class_time": ["08:00-08:50", "09:00-11:45"]}
    classes = ("main", "monitored", "exit_only", "interior")
    return Campus.model_validate(
        {
            "campus": {"id": "bench", "name": "Bench High", "timezone": "America/Chicago"},
            "calendar": {"week": dict.fromkeys(weekdays, "regular"), "day_types": {"regular": regular, "closed": {}}},
            "zones": [{"id": f"z{n}", "name": f"Zone {n}", "load": 300} for n in range(max(4, doors // 4))],
            "doors": [
                {
                    "id": f"d{n}",
                    "name": f"Door {n}",
                    "zone": f"z{n % max(4, doors // 4)}",
                    "class": classes[n % 4],
                    "exterior": n % 4 != 3,
                    "has_rex": n % 2 == 0,
                }
                for n in range(doors)
            ],
            "devices": [{"id": f"s{n}", "door": f"d{n}", "kind": "door", "heartbeat": "1h"} for n in range(doors)],
            "gatherings": [
                {
                    "id": "game",
                    "name": "Game",
                    "zone": "z1",
                    "start": "2026-09-04T18:00",
                    "end": "2026-09-04T21:00",
                    "expected": 200,
                    "doors": ["d1"],
                }
            ],
        }
    )


def stream(count: int, doors: int = DOORS, seed: int = 7) -> Iterator[Message]:
    """Yield messages of ordinary days, in order: people pass doors, sensors report, visitors come and go."""
    dice = random.Random(seed)
    waiting: list[tuple[datetime, str, Message]] = []
    told, visit = 0, 0
    while True:
        at = START + told * STEP
        for message in _scene(dice, at, doors, visit):
            heapq.heappush(waiting, (message.at, message.message_id, message))
            visit += message.kind == "visitor.checked_out"
            told += 1
        while waiting and waiting[0][0] <= at:
            yield heapq.heappop(waiting)[-1]
            count -= 1
            if not count:
                return


def _scene(dice: random.Random, at: datetime, doors: int, visit: int) -> Iterator[Message]:
    door = f"d{dice.randrange(doors)}"
    what = dice.random()
    if what < 0.80:
        yield _say("exit.requested" if dice.random() < 0.4 else "access.granted", at, door=door)
        yield _say("door.opened", at + timedelta(seconds=1), door=door)
        yield _say("door.closed", at + timedelta(seconds=1 + dice.randrange(2, 8)), door=door)
    elif what < 0.96:
        number = dice.randrange(doors)
        yield _say("device.heartbeat", at, device=f"s{number}", door=f"d{number}")
    elif what < 0.99:
        yield _say("attendance.entered", at, gathering="game", count=1)
    else:
        name = f"v{visit}"
        yield _say("visitor.checked_in", at, visit=name, expected_out=at + timedelta(hours=1))
        yield _say("visitor.checked_out", at + timedelta(seconds=2), visit=name, method="person")


_SERIAL: Final = iter(range(10**12))


def _say(kind: str, at: datetime, **said: Any) -> Message:
    of = KINDS[kind]
    known = {name: value for name, value in said.items() if name in of.__struct_fields__}
    return of(campus="bench", source=f"s/{kind}", message_id=str(next(_SERIAL)), at=at, received_at=at, **known)


def replayed(engine: Engine, messages: Sequence[Message]) -> tuple[float, int]:
    """Return in how many seconds an engine judged some messages, and how much it found."""
    found = 0
    started = process_time()
    for message in messages:
        found += len(engine.advance(message.received_at - LATENESS))
        found += len(engine.accept(message))
    return process_time() - started, found


# ------------------------------------------------------------------------------------------------ what is measured
def protocols(count: int, profile: bool) -> list[Figure]:
    """Replay a stream by every shipped protocol."""
    place, rules = campus(), shipped()
    engine = Engine(place, rules, started=START - LATENESS)
    told = stream(count)
    watch = cProfile.Profile()
    seconds, found = 0.0, 0
    while chunk := list(itertools.islice(told, CHUNK)):
        if profile:
            watch.enable()
        took, more = replayed(engine, chunk)
        watch.disable()
        seconds, found = seconds + took, found + more
    if profile:
        pstats.Stats(watch).sort_stats("tottime").print_stats(25)
    assert not engine.health, engine.health
    million = seconds * 1_000_000 / count
    sample = list(stream(min(count, CHUNK)))
    idle, _ = replayed(Engine(place, (), started=START - LATENESS), sample)
    bare = f"{idle / len(sample) * 1e6:.1f} us without rules"
    return [
        Figure(f"{count} messages, {len(rules)} protocols", f"{seconds:.1f} s", f"{found} findings"),
        Figure("  a million of them", f"{million:.1f} s", f"at most {TARGET:g} s: {_verdict(million <= TARGET)}"),
        Figure("  one of them", f"{seconds / count * 1e6:.1f} us", bare),
        *_dearest(place, rules, sample, idle),
    ]


def _dearest(place: Campus, rules: Sequence[Rule], messages: Sequence[Message], idle: float) -> Iterator[Figure]:
    """Yield what the dearest protocols cost, each alone."""
    alone = ((replayed(Engine(place, [each], started=START - LATENESS), messages)[0] - idle, each.id) for each in rules)
    for seconds, name in heapq.nlargest(8, alone):
        yield Figure(f"  {name}, alone", f"{seconds / len(messages) * 1e6:.1f} us", "a message, beyond no rules")


def memory(count: int = 20_000) -> list[Figure]:
    """Weigh the engine after some messages, after four times as many, and with four times as many keys."""
    few, many = _weight(count, DOORS), _weight(4 * count, DOORS)
    wide = _weight(4 * count, 4 * DOORS)
    return [
        Figure(f"memory on {DOORS} doors, after {count} messages", f"{few / 1024:.0f} KiB"),
        Figure(f"memory on {DOORS} doors, after {4 * count} messages", f"{many / 1024:.0f} KiB", f"{many / few:.2f} x"),
        Figure(f"memory on {4 * DOORS} doors, after {4 * count}", f"{wide / 1024:.0f} KiB", f"{wide / few:.2f} x"),
    ]


def _weight(count: int, doors: int) -> int:
    """Return how many bytes an engine has come to hold by so many messages. New visitors would be new keys."""
    place, rules = campus(doors), shipped()
    told = (message for message in stream(count, doors) if message.about != "visit")
    tracemalloc.start()
    try:
        engine = Engine(place, rules, started=START - LATENESS)
        while chunk := list(itertools.islice(told, 1000)):
            replayed(engine, chunk)
            engine.changes()
            engine.now.take_changes()
        del chunk
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _verdict(held: bool) -> str:
    return "held" if held else "MISSED"


def many_rules(keys: int = 1000, count: int = 20_000) -> list[Figure]:
    """Replay the same messages by ten rules and by a thousand, on a thousand keys."""
    place = campus(keys)
    messages = list(stream(count, keys))
    each: dict[int, float] = {}
    for number in (10, 1000):
        engine = Engine(place, [_own_door(n, keys) for n in range(number)], started=START - LATENESS)
        each[number] = replayed(engine, messages)[0] / len(messages) * 1e6
    ratio = each[1000] / each[10]
    return [
        Figure(f"10 rules on {keys} keys, a message", f"{each[10]:.1f} us"),
        Figure(
            f"1000 rules on {keys} keys, a message",
            f"{each[1000]:.1f} us",
            f"{ratio:.2f} x; at most 2: {_verdict(ratio <= 2)}",
        ),
    ]


def _own_door(number: int, keys: int) -> Rule:
    return read_rule(
        {
            "id": f"held-{number}",
            "title": "Held",
            "key": "door.id",
            "scope": {"door": {"id": f"d{number % keys}"}},
            "hold": {"while": f'door.position == "open" && door.name != "Gate {number}"', "for": "60s"},
            "severity": "minor",
        }
    )


def conditions(rounds: int = 200_000) -> list[Figure]:
    """Evaluate one condition of five terms: by hand, in our language, and in the other."""
    place = campus()
    world = World(place)
    world.apply(_say("door.opened", START, door="d1"))
    world.apply(_say("door.unlocked", START, door="d1"))
    scene = Scene(place, world, START, "door", "d1", {}, START)
    ours = read_expression(CONDITION, Environment(reachable("door") | {"now"}), "bool")
    doors = place.doors_by_id
    zones = ("z1", "z2", "z3")

    def by_hand(scene: Scene) -> bool:
        facts: Any = scene.world.get("door", scene.key)
        door = doors[scene.key]
        return (
            facts.position == "open"
            and door.exterior
            and door.door_class != "main"
            and facts.lock != "locked"
            and door.zone in zones
        )

    # `class` is a reserved word there.
    program = compile_cel(CONDITION.replace("door.class", "door.kind"))
    facts = {"position": "open", "exterior": True, "kind": "monitored", "lock": "unlocked", "zone": "z1"}
    kept = Context()
    kept.add_variable("door", facts)
    assert by_hand(scene) is ours(scene) is program.execute(kept) is True
    hand = _each(lambda: by_hand(scene), rounds)
    own = _each(lambda: ours(scene), rounds)
    other = _each(lambda: program.execute(kept), rounds)
    fresh = _each(lambda: program.execute({"door": facts}), rounds // 10)
    return [
        Figure("one condition, a closure written by hand", f"{hand:.2f} us"),
        Figure("one condition, ours", f"{own:.2f} us", f"{own / hand:.1f} x; at most 5: {_verdict(own <= 5 * hand)}"),
        Figure("one condition, common-expression-language, context kept", f"{other:.2f} us", f"{other / hand:.1f} x"),
        Figure("one condition, common-expression-language, new values", f"{fresh:.2f} us", f"{fresh / hand:.1f} x"),
    ]


def _each(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(5):
        started = process_time()
        for _ in range(rounds):
            work()
        best = min(best, process_time() - started)
    return best / rounds * 1e6


def sweeps(count: int = 50_000) -> list[Figure]:
    """Price ten values in one pass, and in ten."""
    place = campus()
    messages = list(stream(count))
    rule = next(each for each in shipped() if each.id == "door-held-open")
    values = [f"{10 + 10 * n}s" for n in range(1, 11)]
    name = next(iter(rule.document["params"]))
    together = _priced(place, rule, {name: values}, messages)
    apart = sum(_priced(place, rule, {name: [value]}, messages) for value in values)
    one = _priced(place, rule, {name: values[:1]}, messages)
    return [
        Figure("a sweep of 10 values, one engine", f"{together:.2f} s", f"{together / one:.1f} x one value"),
        Figure("a sweep of 10 values, an engine each", f"{apart:.2f} s", f"{apart / together:.1f} x the one engine"),
    ]


def _priced(place: Campus, rule: Rule, sweep: dict[str, list[Any]], messages: Sequence[Message]) -> float:
    test = Backtest([place], variants(rule, {}, sweep), since=START, until=messages[-1].received_at + LATENESS)
    started = process_time()
    for message in messages:
        test.accept(message)
    test.finish()
    return process_time() - started


def compiling(number: int = 1000) -> list[Figure]:
    """Read a thousand rules."""
    started = process_time()
    for each in range(number):
        _own_door(each, number)
    seconds = process_time() - started
    return [Figure(f"{number} rules read and compiled", f"{seconds:.2f} s", f"under 1 s: {_verdict(seconds < 1)}")]


def section(_folder: Path) -> Section:
    """Measure it with fewer messages; return the part of the page."""
    found = Section(
        "Judging",
        "The rule engine alone, on one core, in one run: one condition against a closure written by hand and against "
        "common-expression-language, a sweep against one pass for each value, and messages of forty doors through "
        "every shipped protocol. Times are those of the processor.",
        ["python -m benchmarks.replay --messages 1000000 [--profile]"],
    )
    figures = [*conditions(50_000), *compiling(), *sweeps(10_000), *protocols(100_000, profile=False)]
    found.table(["what", "measured", "beside"], [(each.name.strip(), each.value, each.beside) for each in figures])
    return found


def run(messages: int = 1_000_000, *, profile: bool = False) -> list[Figure]:
    """Measure all of it."""
    return [*conditions(), *compiling(), *many_rules(), *sweeps(), *memory(), *protocols(messages, profile)]


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--messages", type=int, default=1_000_000)
    words.add_argument("--profile", action="store_true", help="say where the time of the protocols goes")
    said = words.parse_args()
    for figure in run(said.messages, profile=said.profile):
        print(figure)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
