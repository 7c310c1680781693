"""What a district's state costs: to take it back after a restart, and to hold it in memory.

The restore goes through `rules.store`, on SQLite and on PostgreSQL: so many keys that rules remember, a fifth of them
with an open timer, and the facts of a door for every fifth. The memory is that of the whole service (`hallwatch
serve`) with 20,000 doors in schools of 200, all of which have opened and shut; and that of the corridor with its
database through a month of one school, week by week.

    python -m benchmarks.growth.state [--part restore|doors|month] [--keys 100000] [--doors 20000] [--weeks 4]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import multiprocessing
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import process_time
from typing import Any, Final

import httpx
from rich.console import Console

from app import recordings
from benchmarks import month, picture
from benchmarks.growth import district as districts
from benchmarks.growth.corridor import Corridor, corridor, furnish
from benchmarks.growth.district import District, Said
from benchmarks.page import Section, Target
from benchmarks.replay import START
from benchmarks.stage import server, stage
from core import state
from core.clock import SystemClock, stopwatch
from core.database import Database
from rules import store
from rules.engine import Engine
from rules.rule import Rule, read_rule
from rules.spell import due
from simulators.faults import DEFAULT_RATES
from simulators.play import record

KEYS: Final = (1_000, 10_000, 100_000)
DOORS: Final = 20_000
WEEKS: Final = 4
RESTORE_S: Final = 5.0
DOORS_MIB: Final = 300.0
SMALL: Final = 20
"""Doors of the service that shows what the program itself takes."""
FLAT: Final = 1.05
"""How much more than after its first week a service may take after its last."""
POST: Final = 1_000
"""Messages of one request: as many as the listener hands over at once."""
SAID: Final = 3
"""Messages of each door: somebody is let in, it opens, it shuts. What is not explained would raise an alert a door."""
KEPT: Final = 5
"""Keys of each door: one has a timer."""
TICK: Final = timedelta(minutes=15)
WINDOW: Final = timedelta(seconds=20)
"""What is said in so long makes one batch: a month has to fit into a minute."""
SCHOOL_DOORS: Final = 2_000
"""Doors of a campus whose state is taken back."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was taken back, and how long that took."""

    database: str
    keys: int
    timers: int
    seconds: float
    cpu_s: float
    """Of the seconds, those in which our own process worked."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a service with many doors takes."""

    doors: int
    ready_s: float
    """From its start to its being ready, with the doors' campuses and nothing heard."""
    empty_mib: float
    full_mib: float
    """After every door has spoken."""
    again_s: float
    """From a start to its being ready, with the state of every door."""
    again_mib: float
    small_mib: float
    """What a service with few doors takes."""
    alerts: int
    """Raised while the doors spoke."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What a service takes at the beginning of a month, and after each of its weeks."""

    messages: int
    mib: tuple[float, ...]

    @property
    def growth(self) -> float:
        """How many times as much it takes after the last week as after the first."""
        return self.mib[-1] / self.mib[1]


@dataclass(frozen=True, slots=True)
class State:
    """All that was measured."""

    restored: Sequence[Restored]
    held: Held | None
    lived: Lived | None


# ------------------------------------------------------------------------------------------------------- restore
def _rules() -> tuple[Rule, ...]:
    held: dict[str, Any] = {"hold": {"while": 'door.position == "open"', "for": "30m"}}
    counted = [{"count": {"of": "door.opened", "at_least": 50, "within": f"{30 + n}m"}} for n in range(KEPT - 1)]
    return tuple(
        read_rule({"id": f"kept-{n}", "title": "Kept", "key": "door.id", "severity": "minor", **operator})
        for n, operator in enumerate((held, *counted))
    )


async def restore(url: str, keys: int) -> Restored:
    """Write the state of so many keys, and take it back."""
    doors = keys // KEPT
    place = districts.district(doors, max(1, doors // SCHOOL_DOORS))
    rules = _rules()
    await furnish(url, place, START, rules)
    database = Database(url)
    try:
        await _write_state(database, place, rules)
        gc.collect()
        gc.disable()  # as the service does while it starts
        began, worked = stopwatch(), process_time()
        engines: list[Engine] = []
        async with database.reading() as session:
            for campus in place.campuses:
                engine, _ = await store.restore(session, campus, rules, now=START + timedelta(minutes=5))
                engines.append(engine)
        seconds, cpu = stopwatch() - began, process_time() - worked
        kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    finally:
        gc.enable()
        await database.close()
    return Restored(kind, *_counted(engines), seconds, cpu)


def _counted(engines: Sequence[Engine]) -> tuple[int, int]:
    """Return how many keys the rules remember, and how many of them have a timer."""
    known = [(rule, each) for engine in engines for rule in engine.rules for _, each in engine.states(rule.id)]
    return len(known), sum(rule.operator.name == "hold" and due(rule, each) is not None for rule, each in known)


async def _write_state(database: Database, place: District, rules: Sequence[Rule]) -> None:
    for campus in place.campuses:
        engine = Engine(campus, rules, started=START)
        for number in range(place.doors_each):
            for message in place.read(_opened(campus.id, number)):
                engine.accept(message)
        engine.advance(START + timedelta(minutes=4))
        async with database.transaction() as session:
            await state.save(session, campus.id, engine.now.take_changes())
            await store.save(session, campus.id, engine.changes())


def _opened(campus: str, number: int) -> Said:
    at = START + timedelta(seconds=1)
    return districts.say(at, campus, f"door/d{number}", f"{campus}-{number}", position="open")


# ----------------------------------------------------------------------------------------------- many doors in memory
async def hold(folder: Path, doors: int) -> Held:
    """Start a service with so many doors, let each of them speak, and start it again."""
    place = districts.district(doors)
    async with stage(folder, rules=(), policies=()) as here:
        await furnish(here.database_url, place, SystemClock().now())
        ready = await _ready(here.service)
        empty = _mib(here.service.process.pid)  # type: ignore[union-attr] # it runs
        token = here.service.command("token", "create", "--name", "bench", "--role", "admin").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=f"{here.service.url}/api/v1", headers=headers, timeout=120) as client:
            await _speak(client, place)
        full = _mib(here.service.process.pid)  # type: ignore[union-attr] # it runs
        heard = here.query("SELECT count(*) FROM messages")[0][0]
        if heard != SAID * doors:
            raise RuntimeError(f"{heard} of {SAID * doors} messages were journalled")
        alerts = here.query("SELECT count(*) FROM alerts")[0][0]
        here.service.stop()
        again = await _ready(here.service)
        again_mib = _mib(here.service.process.pid)  # type: ignore[union-attr] # it runs
    async with stage(folder / "small", rules=(), policies=()) as here:
        await furnish(here.database_url, districts.district(SMALL), SystemClock().now())
        await _ready(here.service)
        small = _mib(here.service.process.pid)  # type: ignore[union-attr] # it runs
    return Held(doors, ready, empty, full, again, again_mib, small, alerts)


async def _ready(service: Any) -> float:
    began = stopwatch()
    await asyncio.to_thread(service.start, wait=False)
    await asyncio.to_thread(service.wait_ready, 120.0)
    return stopwatch() - began


async def _speak(client: httpx.AsyncClient, place: District) -> None:
    """Let every door open for somebody who may come in, and shut."""
    words = _words(place)
    while part := list(itertools.islice(words, POST)):
        answer = await client.post("/messages", json=part)
        answer.raise_for_status()
        if answer.json()["accepted"] != len(part):
            raise RuntimeError(f"not all was taken: {answer.text[:200]}")


def _words(place: District) -> Iterator[dict[str, Any]]:
    clock = SystemClock()
    for campus, number in itertools.product(place.campuses, range(place.doors_each)):
        for topic, said in (
            (f"door/d{number}", {"access": "granted"}),
            (f"door/d{number}", {"position": "open"}),
            (f"door/d{number}", {"position": "closed"}),
        ):
            at = clock.now().isoformat()
            yield {"topic": f"{districts.PREFIX}/{campus.id}/{topic}", "payload": {**said, "at": at}}


def _mib(pid: int | str = "self") -> float:
    """Return how much memory a process has, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


# -------------------------------------------------------------------------------------------------------- a month
def live(folder: Path, weeks: int = WEEKS) -> Lived:
    """Live through weeks of one school in a process of its own, and weigh it after each."""
    made = month.scenario(2, 1)
    recording = folder / "month.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    with recording.open("wb") as out:
        out.writelines(record(made.stream(faults=DEFAULT_RATES), until=made.end, exercise="live"))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_live_through, recording, f"sqlite:///{folder}/month.db", weeks).result()


def _live_through(recording: Path, url: str, weeks: int) -> Lived:
    return asyncio.run(_weigh(recording, url, weeks))


async def _weigh(recording: Path, url: str, weeks: int) -> Lived:
    made = month.scenario(2, 1)
    began = made.campus.instant(month.START)
    await furnish(url, District((made.campus,), len(made.campus.doors)), began)
    weighed: list[float] = []
    heard = 0
    async with corridor(url, began) as here:
        for batch in _batches(recording):
            if batch[0].at >= began + timedelta(weeks=len(weighed)):
                weighed.append(_weight())
                if len(weighed) > weeks:
                    break
            await _until(here, batch[0])
            await here.hear(batch)
            heard += len(batch)
        else:
            weighed.append(_weight())
    return Lived(heard, tuple(weighed))


def _weight() -> float:
    gc.collect()
    return _mib()


async def _until(here: Corridor, said: Said) -> None:
    while said.at - here.clock.now() > TICK:
        here.clock.jump(TICK)
        await here.pipeline.on_tick()


def _batches(recording: Path) -> Iterator[list[Said]]:
    """Yield what arrives together as one batch, without reading the whole of it beforehand."""
    batch: list[Said] = []
    with recording.open("rb") as lines:
        for raw in lines:
            (line,) = recordings.parse([raw])
            if line.heard is None:
                continue
            if batch and line.rx - batch[0].at > WINDOW:
                yield batch
                batch = []
            batch.append(Said(line.rx, line.heard))
    yield batch


# ------------------------------------------------------------------------------------------------------- together
PARTS: Final = ("restore", "doors", "month")


def run(
    folder: Path,
    parts: Sequence[str] = PARTS,
    *,
    keys: Sequence[int] = KEYS,
    doors: int = DOORS,
    weeks: int = WEEKS,
    out: Console | None = None,
) -> State:
    """Measure some parts, one after the other."""
    out = out or Console(quiet=True)
    restored: list[Restored] = []
    held: Held | None = None
    lived: Lived | None = None
    if "restore" in parts:
        for each in _restores(folder, keys):
            restored.append(each)
            out.print(each)
    if "doors" in parts:
        held = asyncio.run(hold(folder / "doors", doors))
        out.print(held)
    if "month" in parts:
        lived = live(folder / "month", weeks)
        out.print(lived)
    return State(restored, held, lived)


def _restores(folder: Path, keys: Sequence[int]) -> Iterator[Restored]:
    folder.mkdir(parents=True, exist_ok=True)
    for count in keys:
        yield asyncio.run(restore(f"sqlite:///{folder}/{count}.db", count))
    with server(folder / "postgres") as postgres:
        for count in keys:
            yield asyncio.run(restore(postgres.create(f"keys{count}"), count))


ABOUT: Final = (
    "How long it takes to take the rules' state back after a restart, what a service holds in memory that watches a "
    "district, and whether a month of one school makes it hold more."
)


def section(folder: Path, found: State | None = None) -> Section:
    """Measure all of it, or take what was found, and return the section of the page."""
    found = found or run(folder)
    said = Section("State: taken back, and held", ABOUT, ["python -m benchmarks.growth.state"])
    _tell_restored(said, found.restored)
    if found.held is not None:
        _tell_held(said, found.held)
    if found.lived is not None:
        _tell_lived(said, found.lived)
    return said


def _tell_restored(said: Section, restored: Sequence[Restored]) -> None:
    said.say(
        "**Restore.** Keys that rules remember, a fifth of them with an open timer, the facts of a door for every "
        f"fifth, on campuses of {SCHOOL_DOORS:,} doors; the rules' being laid out included."
    )
    rows = [[e.database, f"{e.keys:,}", f"{e.timers:,}", f"{e.seconds:.2f}", f"{e.cpu_s:.2f}"] for e in restored]
    said.table(["database", "keys", "timers", "seconds", "of them our processor"], rows)
    lines = {
        name: [(each.keys, each.seconds) for each in restored if each.database == name]
        for name in dict.fromkeys(each.database for each in restored)
    }
    picture.growth("state-restore", lines, across="keys", up="seconds")
    said.picture("state-restore", "Time of a restore against the number of keys")
    for each in restored:
        if each.keys == max(KEYS):
            held = each.seconds < RESTORE_S
            promised = (
                f"restore of {each.keys:,} keys and {each.timers:,} timers under {RESTORE_S:g} s, {each.database}"
            )
            why = "" if held else f"{each.cpu_s:.1f} s of it are our own processor's, the rest was waited for"
            said.targets.append(Target(promised, f"{each.seconds:.1f} s", held, why))


def _tell_held(said: Section, found: Held) -> None:
    said.say(
        f"**Many doors.** `hallwatch serve` with {found.doors:,} doors in schools of {districts.SCHOOL}, SQLite, every "
        "shipped protocol; resident memory when it is ready, after every door has opened for somebody and shut "
        f"({found.alerts:,} alerts), and after a restart."
    )
    rows = [
        ["ready, nothing heard", f"{found.ready_s:.1f}", f"{found.empty_mib:.0f}"],
        ["after every door has spoken", "", f"{found.full_mib:.0f}"],
        ["ready again, with the state of every door", f"{found.again_s:.1f}", f"{found.again_mib:.0f}"],
        [f"the same service with {SMALL} doors", "", f"{found.small_mib:.0f}"],
    ]
    said.table(["when", "from start to ready s", "MiB"], rows)
    held = found.full_mib < DOORS_MIB
    each = 1024 * (found.full_mib - found.small_mib) / (found.doors - SMALL)
    why = f"{found.small_mib:.0f} MiB of it are the program itself, {each:.1f} KiB go to each door"
    promised = f"{found.doors:,} doors in less than {DOORS_MIB:g} MiB, the whole process"
    said.targets.append(Target(promised, f"{found.full_mib:.0f} MiB", held, "" if held else why))


def _tell_lived(said: Section, found: Lived) -> None:
    said.say(
        f"**A month.** Pipeline and database of one school in a process of their own, through {found.messages:,} "
        "messages of simulated weeks with incidents and an ordinary network; resident memory."
    )
    when = ["at the start", *(f"after week {n}" for n in range(1, len(found.mib)))]
    said.table(["when", "MiB"], [[each, f"{mib:.1f}"] for each, mib in zip(when, found.mib, strict=True)])
    picture.growth("state-month", {"": list(enumerate(found.mib))}, across="weeks", up="MiB", log=False)
    said.picture("state-month", "Memory week by week")
    held = found.growth <= FLAT
    promised = f"memory is flat: after the last week at most {FLAT:g} times what it was after the first"
    said.targets.append(Target(promised, f"{found.growth:.2f} times", held))


def main() -> int:
    """Run and print."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--part", choices=PARTS, action="append", help="only this; may be given again")
    words.add_argument("--keys", type=int, help="keys to take back, in place of 1,000, 10,000 and 100,000")
    words.add_argument("--doors", type=int, default=DOORS, help="doors held in memory")
    words.add_argument("--weeks", type=int, default=WEEKS, choices=range(1, WEEKS + 1), help="weeks lived through")
    said = words.parse_args()
    keys = KEYS if said.keys is None else (said.keys,)
    with tempfile.TemporaryDirectory(prefix="hallwatch-state-") as name:
        out = Console(highlight=False)
        run(Path(name), said.part or PARTS, keys=keys, doors=said.doors, weeks=said.weeks, out=out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
