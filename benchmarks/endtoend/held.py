"""The rate that one process holds with flat latency, beside the floor that any program pays, on both databases.

A rate is held if, once it has gone on for a second, the time from publishing to the journal does not grow for some
seconds (the median of the last third is no more than half as much again, or 20 ms more, as that of the first), and
nothing waits at the end: every message is in the journal half a second after the last was published, every push is
sent a second after. It is looked for by halving, below what is worked off when everything comes at once; before each
try everything must have been told that was due. Service and floor are measured in the same run, by the same rule.

    python -m benchmarks.endtoend.held [--seconds 5] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console

from benchmarks.endtoend import floor, publisher
from benchmarks.endtoend.programs import memory_mib, processor_seconds, with_children
from benchmarks.endtoend.scene import Scene, Watch, ask, scene, until
from benchmarks.endtoend.traffic import PHONES, Traffic, seconds
from benchmarks.latency import share
from benchmarks.page import Section, Target
from benchmarks.stage import postgres
from core.clock import SystemClock, stopwatch

SECONDS: Final = 5.0
LOW: Final = 0.3
LATE_S: Final = 0.5
"""The last message must be in the journal so soon after it was published."""
TRIES: Final = 3
"""So many rates are tried, halving what lies between `LOW` and all of what comes through when it comes at once."""
SETTLE_S: Final = 1.0
"""So long a rate goes on before it counts: batches have to find their size."""
FLOOD_S: Final = 3.0
GROWTH: Final = 1.5
SLACK_MS: Final = 20.0
"""More than this and more than `GROWTH` times as much in the last third as in the first is no flat latency."""


@dataclass(frozen=True)
class Try:
    """What came of one rate."""

    rate: float
    """As it was published, messages a second."""
    sent: int
    journalled: int
    p50: float
    p95: float
    p99: float
    """Milliseconds from publishing to the journal."""
    first: float
    last: float
    """Medians of the first and the last third, milliseconds."""
    late: float
    """Seconds from the last publishing to the last row."""
    own: float
    all: float
    """Processor seconds per 10,000 messages: of the process itself, and of broker, publisher and database, too."""
    batch: float
    """Messages in a transaction, on average."""
    untold: int
    """Pushes that wait a second after the last message."""
    kept: bool
    """The publisher kept its rate."""

    @property
    def is_flat(self) -> bool:
        """Return whether latency does not grow, and nothing waits at the end."""
        flat = self.last <= max(self.first * GROWTH, self.first + SLACK_MS)
        waits = self.late >= LATE_S or self.untold
        return flat and not waits and self.journalled == self.sent and self.kept

    def __str__(self) -> str:
        return (
            f"{self.rate:,.0f}/s {'held' if self.is_flat else 'not held'}: p50 {self.p50:.0f} p99 {self.p99:.0f} ms, "
            f"first third {self.first:.0f}, last {self.last:.0f} ms, batches of {self.batch:.0f}, "
            f"processor {self.own:.2f} of {self.all:.2f} s per 10,000, {self.journalled} of {self.sent}, "
            f"{self.untold} pushes wait"
        )


@dataclass(frozen=True)
class Held:
    """The rate that one program holds."""

    name: str
    database: str
    flood: float
    """Messages a second when everything comes at once."""
    best: Try | None
    """The highest rate that was held; None: none was."""
    tries: tuple[Try, ...]
    memory: float = 0.0
    """Resident MiB at the end."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.best.rate if self.best else 0.0


@dataclass(frozen=True)
class Found:
    """Service and floor on one database, in one run."""

    database: str
    service: Held
    floor: Held | None
    hears: float
    """Messages a second that are heard and acknowledged by paho when everything comes at once."""
    inserts: float
    """Rows a second, inserted in batches as large as the service's, by the driver alone."""
    startup: float
    """Seconds from the start of the process to the push of the alert that waited for it."""

    @property
    def ratio(self) -> float:
        """How much of the floor's held rate the service holds."""
        return self.service.rate / self.floor.rate if self.floor and self.floor.rate else 0.0


@dataclass
class Subject:
    """A program under measure: the journal it writes, and its processes."""

    name: str
    here: Scene
    pid: Callable[[], int]
    beside: Sequence[Callable[[], int]] = ()
    """Broker and database."""
    _turn: int = 0

    def attempt(self, watch: Watch, rate: float, length: float) -> Try:
        """Publish at a rate and see what it does to the time until a message is in the journal."""
        self.settle()
        traffic = self._traffic()
        first, count = watch.highest(), int(rate * (length + SETTLE_S))
        pids = [self.pid()], [pid for each in self.beside for pid in with_children(each())]
        before = [processor_seconds(each) for each in pids]
        program = publisher.program(self.here.folder, self.here.broker.port, traffic, messages=count, rate=rate)
        program.start()
        done = publisher.found(program)
        until(30, lambda: watch.highest() - first >= count or watch.idle > 3)
        until(1, lambda: not waiting(self.here.database_url))
        untold = waiting(self.here.database_url)
        own, beside = (processor_seconds(each) - was for each, was in zip(pids, before, strict=True))
        rows = journalled(self.here.database_url, watch, first)
        return _judged(rate, done, rows, length, own=own, beside=beside + done.processor, untold=untold)

    def _traffic(self) -> Traffic:
        self._turn += 1
        # Ids that were never said before: they would count as repeats.
        return Traffic("r" * self._turn, endpoints=PHONES)

    def settle(self) -> None:
        """Wait until everything is told that is due."""
        until(60, lambda: not waiting(self.here.database_url))

    def flood(self, watch: Watch, count: int) -> float:
        """Publish as fast as is accepted; return how many a second came into the journal, from the first on."""
        first = watch.highest()
        publisher.run(self.here.folder, self.here.broker.port, self._traffic(), messages=count)
        until(60, lambda: watch.highest() - first >= count or watch.idle > 3)
        times = [at for at, _, _ in journalled(self.here.database_url, watch, first)]
        return len(times) / max(times[-1] - times[0], 1e-9) if times else 0.0


def journalled(database_url: str, watch: Watch, after: int) -> list[tuple[float, float, float]]:
    """Return (in the journal, published, received) of the messages behind a row, in seconds since 1970."""
    rows = ask(database_url, f"SELECT id, at, received_at FROM messages WHERE id > {after} ORDER BY id")
    until(5, lambda: not rows or watch.highest() >= rows[-1][0])
    when = watch.when("messages", [row[0] for row in rows])
    return [(seen, _instant(at), _instant(came)) for seen, (_, at, came) in zip(when, rows, strict=True)]


def waiting(database_url: str) -> int:
    """Return how many pushes are still to be sent."""
    return int(ask(database_url, "SELECT count(*) FROM deliveries WHERE due_at IS NOT NULL")[0][0])


def _instant(value: int | datetime) -> float:
    return seconds(value) if isinstance(value, datetime) else value / 1e6


def _judged(
    rate: float,
    done: publisher.Published,
    rows: Sequence[tuple[float, float, float]],
    length: float,
    *,
    own: float,
    beside: float,
    untold: int,
) -> Try:
    steady = done.began_at + SETTLE_S
    took = [1000 * (seen - published) for seen, published, _ in rows if published >= steady] or [float("inf")]
    third = max(1, len(took) // 3)
    ordered = sorted(took)
    p50, p95, p99 = (share(ordered, each) for each in (0.5, 0.95, 0.99))
    tens = max(len(rows), 1) / 10_000
    return Try(
        rate=done.rate,
        sent=done.sent,
        journalled=len(rows),
        p50=p50,
        p95=p95,
        p99=p99,
        first=median(took[:third]),
        last=median(took[-third:]),
        late=max((seen for seen, _, _ in rows), default=float("inf")) - done.ended_at,
        own=own / tens,
        all=(own + beside) / tens,
        batch=len(rows) / max(1, len({came for _, _, came in rows})),
        untold=untold,
        kept=done.rate > 0.97 * rate and done.behind < 0.1 * length,
    )


def search(subject: Subject, *, length: float = SECONDS, say: Callable[[str], None] = lambda _: None) -> Held:
    """Look for the highest rate that is held: downwards from what comes through at once, then half a step up."""
    url = subject.here.database_url
    tries: list[Try] = []
    with Watch(url, ("messages",)) as watch:
        subject.flood(watch, 3000)  # it is warm then
        flood = subject.flood(watch, int(FLOOD_S * max(subject.flood(watch, 8000), 500)))
        say(f"{subject.name}: {flood:,.0f}/s when everything comes at once")
        low, high = LOW, 1.0
        for _ in range(TRIES):
            tries.append(subject.attempt(watch, (low + high) / 2 * flood, length))
            say(f"{subject.name}: {tries[-1]}")
            low, high = ((low + high) / 2, high) if tries[-1].is_flat else (low, (low + high) / 2)
        if low == LOW:
            tries.append(subject.attempt(watch, low * flood, length))
            say(f"{subject.name}: {tries[-1]}")
    held = [each for each in tries if each.is_flat]
    best = max(held, key=lambda each: each.rate, default=None)
    database = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    return Held(subject.name, database, flood, best, tuple(tries), memory_mib(subject.pid()))


def run(
    folder: Path,
    *,
    database_url: str | None = None,
    postgres_pid: Callable[[], int] | None = None,
    beside_floor: bool = True,
    length: float = SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Found:
    """Measure service and floor on one database. On PostgreSQL both have the same server and the same table."""
    with scene(folder, database_url=database_url, endpoints=PHONES) as here:
        assert here.broker.process is not None
        beside: list[Callable[[], int]] = [
            partial(int, here.broker.process.pid),
            *([postgres_pid] if postgres_pid else []),
        ]
        here.service.start()
        held = search(Subject("service", here, lambda: here.pid, beside), length=length, say=say)
        startup = first_alert(here)
        say(f"service: {startup:.2f} s from its start to the push of the alert that waited")
        here.service.stop()
        publisher.forget(here.broker.port, "hallwatch")
        batch = round(held.best.batch) if held.best else floor.BATCH
        inserts = insert_rate(here.database_url, batch)
        say(f"floor: {inserts:,.0f} rows/s inserted in batches of {batch}")
        hears = _hears(here)
        say(f"floor: {hears:,.0f}/s heard and acknowledged")
        low = _search_floor(here, beside, length=length, say=say) if beside_floor else None
    return Found(held.database, held, low, hears, inserts, startup)


def _search_floor(
    here: Scene, beside: Sequence[Callable[[], int]], *, length: float, say: Callable[[str], None]
) -> Held:
    both = floor.program(here.folder, "both", here.broker.port, here.database_url)
    try:
        return search(Subject("floor", here, lambda: both.pid, beside), length=length, say=say)
    finally:
        both.stop()


def first_alert(here: Scene) -> float:
    """Return how long it takes from the start of a process to the push of an alert that waits in the kept session."""
    until(60, lambda: not waiting(here.database_url))
    here.service.stop()
    publisher.run(here.folder, here.broker.port, Traffic("s", alerts=1.0, endpoints=PHONES), messages=1)
    began = seconds(SystemClock().now())
    here.service.start(wait=False)
    until(60, lambda: here.receiver.arrivals("s"))
    found = here.receiver.arrivals("s")
    here.service.wait_ready()
    return found[0][1] - began if found else float("inf")


def insert_rate(database_url: str, batch: int, rows: int = 20_000) -> float:
    """Return how many rows a second are inserted by the driver alone, each batch committed."""
    clock, traffic = SystemClock(), Traffic("i")
    said = [(traffic.say(number, clock.now())) for number in range(rows)]
    with floor.journal(database_url) as insert:
        began = stopwatch()
        for start in range(0, rows, batch):
            now = clock.now()
            insert([floor.row(topic, payload, now) for topic, payload in said[start : start + batch]])
        return rows / (stopwatch() - began)


def _hears(here: Scene, messages: int = 20_000) -> float:
    program = floor.program(here.folder, "consume", here.broker.port)
    try:
        publisher.run(here.folder, here.broker.port, Traffic("h", alerts=0), messages=messages)
        until(2, lambda: False)  # what it has not acknowledged by then, it never will
    finally:
        program.stop()
    found = program.wait()
    return float(found["count"] / found["seconds"]) if found["seconds"] else 0.0


def rows(found: Sequence[Found]) -> list[tuple[object, ...]]:
    """Return the lines of the table."""
    return [
        (
            held.name,
            held.database,
            f"{held.flood:,.0f}",
            f"{held.rate:,.0f}",
            *((f"{held.best.p50:.0f} / {held.best.p99:.0f}", f"{held.best.batch:.0f}") if held.best else ("-", "-")),
            *((f"{held.best.own:.2f}", f"{held.best.all:.2f}") if held.best else ("-", "-")),
            held.best.untold if held.best else "-",
            f"{held.memory:.0f}",
        )
        for each in found
        for held in filter(None, (each.service, each.floor))
    ]


HEAD: Final = (
    "program",
    "database",
    "all at once, messages/s",
    "held, messages/s",
    "p50 / p99 ms",
    "messages a batch",
    "processor s per 10,000",
    "with broker, publisher and database",
    "pushes waiting after 1 s",
    "MiB",
)


def measured(folder: Path, *, length: float = SECONDS, say: Callable[[str], None] = lambda _: None) -> list[Found]:
    """Measure both databases."""
    found = [run(folder / "sqlite", length=length, say=say)]
    with postgres(folder / "postgres") as url:
        found.append(
            run(
                folder / "on-postgres",
                database_url=url,
                postgres_pid=_server(folder),
                beside_floor=False,
                length=length,
                say=say,
            )
        )
    return found


def _server(folder: Path) -> Callable[[], int]:
    return lambda: int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def section(folder: Path, say: Callable[[str], None] = lambda _: None) -> Section:
    """Measure, and return the part of the page."""
    return page_of(measured(folder, say=say))


def page_of(found: Sequence[Found]) -> Section:
    """Return the part of the page, with what was promised."""
    page = Section(
        "What one process holds",
        (
            "Messages of 200 doors and their sensors at QoS 1 through Mosquitto, 0.5 % of them due an alert on one "
            f"of {PHONES} phones, all shipped protocols on. "
            "*Held* is the highest rate tried at which, after a second to settle, the time from "
            "publishing to the committed row does not grow for five seconds (medians of the first and the last third) "
            "and nothing waits at the end: no message after half a second, no push after one. The *floor* is a bare "
            "paho loop that inserts each batch into the same table with the database's driver, commits and then "
            "acknowledges: it judges nothing and tells nobody. Both by the same rule, in the same run; the floor on "
            "SQLite (on PostgreSQL: `--database postgresql`)."
        ),
        ["python -m benchmarks.endtoend.held --seconds 5"],
    )
    page.table(HEAD, rows(found))
    page.table(
        (
            "database",
            "service / floor, held",
            "paho alone, messages/s",
            "inserts alone, rows/s",
            "start to first alert, s",
        ),
        [
            (
                e.database,
                f"{e.ratio:.2f}" if e.floor else "-",
                f"{e.hears:,.0f}",
                f"{e.inserts:,.0f}",
                f"{e.startup:.2f}",
            )
            for e in found
        ],
    )
    page.say(
        "Start to first alert: from the start of the process to the push of an alert that waited in the kept session."
    )
    page.targets += targets(found)
    return page


def targets(found: Sequence[Found]) -> list[Target]:
    """Return what was promised, and whether it is held."""
    sqlite, *others = found
    wanted = max(6000.0, 0.6 * sqlite.floor.rate if sqlite.floor else 0.0)
    rate = sqlite.service.rate
    kept = [
        Target(
            "one process holds 6,000 messages/s or 0.6 of the floor, whichever is more (SQLite)",
            f"{rate:,.0f}/s, {sqlite.ratio:.2f} of the floor",
            rate >= wanted,
            "" if rate >= wanted else _why(sqlite.service),
        )
    ]
    for each in others:
        part = each.service.rate / rate if rate else 0.0
        kept.append(
            Target(
                "PostgreSQL holds 0.8 of what SQLite holds",
                f"{part:.2f} ({each.service.rate:,.0f}/s)",
                part >= 0.8,
                "" if part >= 0.8 else _why(each.service),
            )
        )
    return kept


def _why(held: Held) -> str:
    if held.best is None:
        return "no rate that was tried was held"
    best = held.best
    return (
        f"{best.own:.2f} s of the processor per 10,000 messages in the service, {best.all - best.own:.2f} s beside it"
    )


def main() -> int:
    """Measure and print; 1 if a target is missed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--seconds", type=float, default=SECONDS, help="of each rate")
    words.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if said.database == "sqlite":
            found = [run(folder / "sqlite", length=said.seconds, say=out.print)]
        elif said.database == "postgresql":
            with postgres(folder / "postgres") as url:
                server = _server(folder)
                found = [run(folder / "one", database_url=url, postgres_pid=server, length=said.seconds, say=out.print)]
        else:
            found = measured(folder, length=said.seconds, say=out.print)
    page = page_of(found)
    out.print("\n".join([*page.body, *map(str, page.targets)]), soft_wrap=True)
    return 0 if all(each.held for each in page.targets) else 1


if __name__ == "__main__":
    raise SystemExit(main())
