"""Where the time goes between a message's publishing and its push: to the journal, to the outbox, to the receiver.

At 10 messages a second each is due an alert; at shares of the rate that is held, 0.5 % are, as in `held`. All times are
of one machine's clock. A message says itself when it was published. Its row, and that of the delivery it asks for,
count as committed when another process can first read them; it looks every 5 ms, so that these two may be that much
late, and never early. The receiver stamps a push when the whole request is there.

    python -m benchmarks.endtoend.stages [--held 6000] [--seconds 6] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from benchmarks import picture
from benchmarks.endtoend import publisher
from benchmarks.endtoend.held import journalled, waiting
from benchmarks.endtoend.scene import Scene, Watch, ask, scene, until
from benchmarks.endtoend.traffic import MARK, PHONES, Traffic
from benchmarks.latency import share
from benchmarks.page import Section, Target
from benchmarks.stage import postgres

SECONDS: Final = 5.0
SLOW: Final = 10
"""Messages a second of a quiet day."""
SHARES: Final = (0.1, 0.5, 0.9)
PATIENCE_S: Final = 20.0
STAGES: Final = ("journalled", "outbox", "accepted")
POINTS: Final = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Times:
    """How long it took, from publishing, for so many messages."""

    count: int
    p50: float
    p95: float
    p99: float

    def __str__(self) -> str:
        return f"{self.p50:.0f} / {self.p95:.0f} / {self.p99:.0f}"


@dataclass(frozen=True)
class Stages:
    """One rate: times from publishing, in milliseconds."""

    database: str
    label: str
    rate: float
    sent: int
    due: int
    """Alerts that were due."""
    journalled: Times
    """Of all messages."""
    outbox: Times
    """Of those due an alert: their delivery's row."""
    accepted: Times
    """Of those due an alert: the push is there."""

    def __str__(self) -> str:
        told = ", ".join(f"{name} {getattr(self, name)}" for name in STAGES)
        return f"{self.database} {self.label}: ms p50 / p95 / p99 {told}; {self.accepted.count} of {self.due} pushed"


def times(took: Sequence[float]) -> Times:
    """Return what so many times (seconds) come to, in milliseconds."""
    ordered = sorted(1000 * each for each in took)
    points = [share(ordered, each) for each in POINTS] if ordered else [float("inf")] * len(POINTS)
    return Times(len(ordered), *points)


def measure(here: Scene, watch: Watch, traffic: Traffic, *, label: str, rate: float, length: float) -> Stages:
    """Publish at a rate to a service that runs, and take the time of each stage."""
    until(60, lambda: not waiting(here.database_url))
    first, count = watch.highest(), max(1, int(rate * length))
    done = publisher.run(here.folder, here.broker.port, traffic, messages=count, rate=rate)
    due = traffic.due(count)
    until(PATIENCE_S, lambda: watch.highest() - first >= count)
    until(PATIENCE_S, lambda: len(here.receiver.arrivals(traffic.name)) >= due)
    heard = journalled(here.database_url, watch, first)
    arrived = here.receiver.arrivals(traffic.name)
    return Stages(
        database="SQLite" if here.database_url.startswith("sqlite") else "PostgreSQL",
        label=label,
        rate=done.rate,
        sent=count,
        due=due,
        journalled=times([seen - published for seen, published, _ in heard]),
        outbox=times(_posted(here, watch, traffic.name)),
        accepted=times([at - published for published, at in arrived.values()]),
    )


def _posted(here: Scene, watch: Watch, name: str) -> list[float]:
    """Return how long it took until the delivery of each alert was in the outbox."""
    rows = ask(here.database_url, "SELECT d.id, a.key FROM deliveries d JOIN alerts a ON a.id = d.alert ORDER BY d.id")
    found: dict[str, tuple[int, float]] = {}
    for number, key in rows:
        mark = MARK.search(key)
        if mark and mark[1] == name:
            found.setdefault(key, (number, int(mark[3]) / 1e6))
    when = watch.when("deliveries", [number for number, _ in found.values()])
    return [seen - published for seen, (_, published) in zip(when, found.values(), strict=True)]


def run(
    folder: Path,
    held: float,
    *,
    shares: Sequence[float] = SHARES,
    length: float = SECONDS,
    database_url: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Stages]:
    """Measure at 10 messages a second and at shares of the rate held."""
    found = []
    with scene(folder, database_url=database_url, endpoints=PHONES) as here:
        here.service.start()
        with Watch(here.database_url) as watch:
            publisher.run(
                here.folder, here.broker.port, Traffic("warm", alerts=0.1, endpoints=PHONES), messages=300, rate=150
            )
            turns = [(f"{SLOW}/s", float(SLOW), 1.0), *((f"{part:.0%} of held", part * held, 0.005) for part in shares)]
            for turn, (label, rate, alerts) in enumerate(turns, 1):
                traffic = Traffic("t" * turn, alerts=alerts, endpoints=PHONES)
                found.append(measure(here, watch, traffic, label=label, rate=rate, length=length))
                say(str(found[-1]))
    return found


def measured(
    folder: Path, held: Mapping[str, float], *, length: float = SECONDS, say: Callable[[str], None] = lambda _: None
) -> list[Stages]:
    """Measure all rates on SQLite, and half of the held one on PostgreSQL; `held` by database."""
    found = run(folder / "sqlite", held["SQLite"], length=length, say=say)
    with postgres(folder / "postgres") as url:
        rate = held.get("PostgreSQL", held["SQLite"])
        found += run(folder / "on-postgres", rate, shares=[0.5], length=length, database_url=url, say=say)
    return found


def section(folder: Path, held: Mapping[str, float], say: Callable[[str], None] = lambda _: None) -> Section:
    """Measure at shares of the rates held, by database, and return the part of the page."""
    return page_of(measured(folder, held, say=say))


def page_of(found: Sequence[Stages]) -> Section:
    """Return the part of the page, with what was promised."""
    page = Section(
        "Where the time goes between a message and its push",
        (
            "From publishing at QoS 1 to the committed row in the journal (all messages), the committed row in the "
            "outbox, and the push at a local HTTP receiver (of those due an alert: at 10 messages/s all, else 0.5 %; "
            f"{PHONES} phones by turns). A message says when it was published; a row counts as committed when another "
            "process can first read it, which is looked at every 5 ms; the receiver stamps what it gets. "
            "Milliseconds, p50 / p95 / p99."
        ),
        ["python -m benchmarks.endtoend.stages --held RATE"],
    )
    page.table(
        ("database", "rate", "messages/s", "journalled", "outbox", "accepted", "pushed"),
        [
            (
                e.database,
                e.label,
                f"{e.rate:,.0f}",
                e.journalled,
                e.outbox,
                e.accepted,
                f"{e.accepted.count} of {e.due}",
            )
            for e in found
        ],
    )
    draw(found)
    page.picture("stages", "Milliseconds from publishing to the journal, the outbox and the receiver, at each rate")
    page.targets += targets(found)
    return page


def draw(found: Sequence[Stages]) -> None:
    """Draw the medians of each rate, one stage on top of the other, and the whole way's p99 as a point."""
    with picture.axes("stages", across="database and rate", up="ms after publishing (log)") as drawn:
        names = [f"{each.database}\n{each.label}" for each in found]
        for name in reversed(STAGES):
            drawn.bar(names, [getattr(each, name).p50 for each in found], label=f"{name}, p50", width=0.6)
        drawn.plot(names, [each.accepted.p99 for each in found], "kx", label="accepted, p99")
        drawn.set_yscale("log")
        drawn.set_ylim(bottom=1)


def targets(found: Sequence[Stages]) -> list[Target]:
    """Return what was promised, and whether it is held."""
    kept = []
    for each in found:
        way = each.accepted
        if each.label == f"{SLOW}/s":
            limits = ("p50 under 15 ms", way.p50 < 15)
        elif each.label.startswith("50%"):
            limits = ("p50 under 30 ms and p99 under 150 ms", way.p50 < 30 and way.p99 < 150)
        else:
            continue
        words, held = limits
        held = held and way.count == each.due
        promised = f"published to accepted at {each.label}, {words} ({each.database})"
        figures = f"p50 {way.p50:.0f}, p99 {way.p99:.0f} ms, {way.count} of {each.due} pushed"
        kept.append(Target(promised, figures, held, "" if held else _why(each)))
    return kept


def _why(each: Stages) -> str:
    sending = max(each.accepted.p50 - each.outbox.p50, 0.0)
    return f"of the median, {each.outbox.p50:.0f} ms until the outbox, {sending:.0f} ms until the push is there"


def main() -> int:
    """Measure and print; 1 if a target is missed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--held", type=float, default=6000.0, help="messages a second of which shares are tried")
    words.add_argument("--seconds", type=float, default=SECONDS, help="of each rate")
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    said = words.parse_args()
    out = Console()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        found = run(folder / "stage", said.held, length=said.seconds, database_url=url, say=out.print)
    for target in targets(found):
        out.print(str(target), soft_wrap=True)
    return 0 if all(each.held for each in targets(found)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
