"""Five million messages: how long the lists take, and whether what is live notices a back-test.

A past is written into the database in bulk, the service is started on it, and every list and every page of an alert is
asked for over HTTP, with filters and with cursors deep in the list. Then messages are published at a steady rate and
waited for at the event stream, first alone, then while back-tests of thirty days run one after the other over the API.

    python -m benchmarks.journal [--rows 5000000] [--database sqlite|postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx
import yaml

from benchmarks import bulk, live
from benchmarks.bulk import Past
from benchmarks.latency import share
from benchmarks.live import Live, lines_of
from benchmarks.page import Section, Target
from benchmarks.stage import Stage, postgres, stage
from core import registry
from core.clock import SystemClock, stopwatch
from tests import campuses

ROWS: Final = 5_000_000
FEW: Final = 200_000
FEW_TIMES: Final = 12
FEW_S: Final = 10.0
"""So many rows, questions and seconds on the page of all benchmarks, for the sake of time."""
CAMPUSES: Final = ("lincoln", "oak", "elm", "ash")
TIMES: Final = 40
"""So often each path is asked."""
MOST_MS: Final = 200.0
"""What the 95th percentile of a list may take."""
LIVE_MS: Final = 500.0
"""What the 99th percentile from a message to its listener may take, whatever runs beside."""
RATE: Final = 20
LIVE_S: Final = 20.0
RULE: Final = "door-held-open"
CAUGHT_UP: Final = 500
"""So many events a listener that was away has missed."""


@dataclass(frozen=True)
class Question:
    """One question to the API, and how it is called in the table."""

    name: str
    path: str
    query: Mapping[str, str | int]


@dataclass(frozen=True)
class Asked:
    """How long a question took, in milliseconds."""

    name: str
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Journal:
    """What was measured on one database."""

    database: str
    rows: int
    filled_s: float
    asked: Sequence[Asked]
    alone: Live
    beside: Live
    backtests: Sequence[float]
    """Seconds that each back-test took."""

    @property
    def slow(self) -> list[Asked]:
        """The questions that took too long."""
        return [each for each in self.asked if each.p95 >= MOST_MS]

    @property
    def keeps(self) -> bool:
        """Whether live latency keeps: nothing lost, and a slow end below half a second and twice what it was alone."""
        whole = self.beside.heard == self.beside.sent and bool(self.backtests)
        return whole and self.beside.p99 < min(LIVE_MS, 2 * self.alone.p99)

    def __str__(self) -> str:
        lines = [f"{self.database}, {self.rows:,} messages, written in {self.filled_s:.0f} s"]
        lines += [f"  {each.name:<52} {each.p50:8.1f} {each.p95:8.1f} {each.p99:8.1f}" for each in self.asked]
        took = ", ".join(f"{each:.1f}" for each in self.backtests)
        return "\n".join([*lines, f"  alone   {self.alone}", f"  beside  {self.beside}", f"  back-tests: {took} s"])


async def run(
    folder: Path,
    *,
    rows: int = ROWS,
    database_url: str | None = None,
    times: int = TIMES,
    seconds: float = LIVE_S,
) -> Journal:
    """Fill, start, ask, and measure what is live without and with a back-test beside it."""
    async with stage(folder, database_url=database_url) as here:
        past = Past(campuses=CAMPUSES, rows=rows, until=SystemClock().now() - timedelta(minutes=1))
        _add_campuses(here, past.campuses[1:])
        await _start(here)
        here.service.stop()
        began = stopwatch()
        await asyncio.to_thread(lambda: asyncio.run(bulk.fill(here.database_url, past)))
        filled = stopwatch() - began
        await _start(here)
        token = here.service.command("token", "create", "--name", "bench", "--role", "admin").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=f"{here.service.url}/api/v1", headers=headers, timeout=120) as client:
            asked = [await _ask(client, each, times) for each in questions(past)]
            asked.append(await _catch_up(client, times))
            alone = await live.measure(here, client, rate=RATE, seconds=seconds)
            beside, backtests = await _beside_backtests(here, client, past, seconds)
    name = "PostgreSQL" if database_url else "SQLite"
    return Journal(name, rows, filled, asked, alone, beside, backtests)


async def _start(here: Stage) -> None:
    here.service.start(wait=False)
    await asyncio.to_thread(here.service.wait_ready, 120.0)


def _add_campuses(here: Stage, names: Sequence[str]) -> None:
    """Write further campuses beside the stage's own."""
    for name in names:
        plain = registry.to_plain(campuses.with_phones(here.receiver.port))
        plain["campus"] |= {"id": name, "name": name.title()}
        (here.folder / "config" / f"{name}.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))


# --------------------------------------------------------------------------------------------------------- the lists
def questions(past: Past) -> list[Question]:
    """Return every list and every page of an alert, with filters common and rare, at its head and deep inside."""
    alerts = past.alerts
    day, early = timedelta(days=1), past.until - timedelta(days=60)
    deep = cursor(f"{(past.until - bulk.JOURNAL / 2).isoformat()}#{past.rows // 2}")
    number = alerts // 2
    visit, lincoln = f"v-{past.rows // 200:07}", {"campus": "lincoln"}
    span = {"since": _said(early), "until": _said(early + day)}
    return [
        Question("messages", "/messages", {}),
        Question("messages, deep", "/messages", {"cursor": deep}),
        Question("messages of a campus", "/messages", lincoln),
        Question("messages of a campus, deep", "/messages", lincoln | {"cursor": deep}),
        Question("messages of a campus that says nothing", "/messages", {"campus": "nowhere"}),
        Question("messages of a frequent kind", "/messages", lincoln | {"kind": "door.opened"}),
        Question("messages of a frequent kind, deep", "/messages", lincoln | {"kind": "door.opened", "cursor": deep}),
        Question("messages of a kind, all campuses", "/messages", {"kind": "visitor.screened"}),
        Question("messages of a kind never heard", "/messages", {"kind": "pickup.requested"}),
        Question("messages of a kind never heard, one campus", "/messages", lincoln | {"kind": "pickup.requested"}),
        Question("messages of a family", "/messages", lincoln | {"kind": "visitor.*"}),
        Question("messages of a family, all campuses", "/messages", {"kind": "visitor.*"}),
        Question("messages of a door", "/messages", lincoln | {"key": "door-7"}),
        Question("messages of a door, deep", "/messages", lincoln | {"key": "door-7", "cursor": deep}),
        Question("messages of a door, all campuses", "/messages", {"key": "door-7"}),
        Question("messages of one visit", "/messages", lincoln | {"key": "v-17"}),
        Question("messages of one visit, all campuses", "/messages", {"key": "v-17"}),
        Question("messages of nobody", "/messages", {"key": "nobody"}),
        Question("messages of a kind and a door", "/messages", lincoln | {"kind": "door.opened", "key": "door-7"}),
        Question("messages of a day", "/messages", span),
        Question("messages of a day of a campus", "/messages", lincoln | span),
        Question("messages of a day and a kind", "/messages", lincoln | span | {"kind": "door.closed"}),
        Question("messages of a day and a door", "/messages", lincoln | span | {"key": "door-7"}),
        Question("messages since long ago", "/messages", {"since": _said(early)}),
        Question("messages until long ago", "/messages", {"until": _said(early)}),
        Question("alerts", "/alerts", {}),
        Question("alerts, deep", "/alerts", {"cursor": cursor(number)}),
        Question("alerts that are open", "/alerts", {"state": "open"}),
        Question("alerts that are closed", "/alerts", {"state": "closed"}),
        Question("alerts of a severity", "/alerts", {"severity": "extreme"}),
        Question("alerts of a rule", "/alerts", {"rule": "door-forced"}),
        Question("alerts of a rule that never fired", "/alerts", {"rule": "zone-overcrowded"}),
        Question("alerts of a campus since a day", "/alerts", lincoln | {"since": _said(past.until - day)}),
        Question("one alert: timeline, deliveries, attempts", f"/alerts/{number}", {}),
        Question("who was reached", f"/alerts/{number}/reach", {}),
        Question("an alert as CAP", f"/alerts/{number}/cap", {}),
        Question("an evidence pack", f"/alerts/{number}/evidence", {}),
        Question("audit", "/audit", {}),
        Question("audit, deep", "/audit", {"cursor": cursor(alerts)}),
        Question("audit of one alert", "/audit", {"subject": f"alert:{number}"}),
        Question("quarantine", "/quarantine", {}),
        Question("quarantine, deep", "/quarantine", {"cursor": cursor(past.quarantined // 2)}),
        Question("quarantine of a reason", "/quarantine", {"reason": "bad_json"}),
        Question("quarantine of a reason never given", "/quarantine", {"reason": "too_large"}),
        Question("quarantine of a campus and a time", "/quarantine", lincoln | {"until": _said(past.until - 9 * day)}),
        Question("doors", "/campuses/lincoln/doors", {}),
        Question("devices", "/campuses/lincoln/devices", {}),
        Question("visits", "/campuses/lincoln/visits", {}),
        Question("visits, deep", "/campuses/lincoln/visits", {"cursor": cursor(visit)}),
        Question("visits that are in", "/campuses/lincoln/visits", {"state": "in"}),
        Question("roster", "/campuses/lincoln/roster", {}),
        Question("gatherings", "/campuses/lincoln/gatherings", {}),
        Question("gatherings that are on", "/campuses/lincoln/gatherings", {"on": "true"}),
        Question("figures of 30 days", "/reports/kpi", {}),
        Question("figures of 30 days of a campus", "/reports/kpi", lincoln),
        Question("figures of a week", "/reports/kpi", {"from": _said(past.until - 7 * day)}),
        Question("suppressions", "/suppressions", {}),
        Question("rules", "/rules", {}),
    ]


def cursor(place: int | str) -> str:
    """Return the cursor behind the row of that number or key."""
    return base64.urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def _said(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


async def _ask(client: httpx.AsyncClient, question: Question, times: int) -> Asked:
    took: list[float] = []
    for _ in range(1 + times):
        began = stopwatch()
        answer = await client.get(question.path, params=dict(question.query))
        took.append(1000 * (stopwatch() - began))
        answer.raise_for_status()
        await asyncio.sleep(0.005)  # below the rate at which a caller is told to wait
    return _asked(question.name, took[1:])  # the first one compiles what all that follow share


async def _catch_up(client: httpx.AsyncClient, times: int) -> Asked:
    """Measure how long a listener that was away needs for what it has missed."""
    async with client.stream("GET", "/stream") as stream:
        newest = int(await anext(lines_of(stream, "id: ")))
    took: list[float] = []
    for _ in range(times):
        began = stopwatch()
        async with client.stream("GET", "/stream", params={"last_id": newest - CAUGHT_UP}) as stream:
            async for line in lines_of(stream, "id: "):
                if int(line) >= newest:
                    break
        took.append(1000 * (stopwatch() - began))
    return _asked(f"the stream: {CAUGHT_UP} events that were missed", took)


def _asked(name: str, took: list[float]) -> Asked:
    took.sort()
    return Asked(name, *(share(took, each) for each in (0.5, 0.95, 0.99)))


# -------------------------------------------------------------------------------------------------- live, and beside
async def _beside_backtests(
    here: Stage, client: httpx.AsyncClient, past: Past, seconds: float
) -> tuple[Live, list[float]]:
    """Measure what is live while the thirty days before are judged again, one back-test after the other."""
    took: list[float] = []

    async def judge() -> None:
        span = {"since": _said(past.until - timedelta(days=30)), "until": _said(past.until)}
        for campus in cycle(past.campuses):
            began = stopwatch()
            answer = await client.post("/rules/backtest", json={"rule_id": RULE, "campus": campus, **span})
            if answer.status_code != 503:  # too long for the machine: it was judged all the same until it was given up
                answer.raise_for_status()
            took.append(stopwatch() - began)

    judging = asyncio.create_task(judge())
    beside = await live.measure(here, client, rate=RATE, seconds=seconds)
    while not took and not judging.done():  # one that takes longer is waited for, so that its time is known
        await asyncio.sleep(0.1)
    judging.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await judging
    return beside, took


def section(folder: Path, rows: int = FEW) -> Section:
    """Measure on both databases; return the part of the page."""
    with postgres(folder / "postgres") as url:
        found = [
            asyncio.run(run(folder / name, rows=rows, database_url=database, times=FEW_TIMES, seconds=FEW_S))
            for name, database in (("sqlite", None), ("postgresql", url))
        ]
    return page(found)


def page(found: Sequence[Journal]) -> Section:
    """Return the part of the page about what was found."""
    first = found[0]
    said = Section(
        f"Looking into a journal of {first.rows:,} messages",
        f"On four campuses over {bulk.JOURNAL.days} days, with {bulk.ALERTS.days} days of alerts and what belongs to "
        "them. Each list and each page of an alert over HTTP, 100 rows a piece, milliseconds.",
        [f"python -m benchmarks.journal --rows {ROWS} [--database postgresql]"],
    )
    names = ", ".join(each.database for each in found)
    said.table(
        [f"asked for, on {names}", *("p50 | p95 | p99" for _ in found)],
        [
            (each.name, *(f"{one.p50:.0f} | {one.p95:.0f} | {one.p99:.0f}" for one in _same(found, place)))
            for place, each in enumerate(first.asked)
        ],
    )
    said.say(
        f"What is live, beside back-tests of 30 days over the API (`{RULE}`, a campus at a time): {RATE} messages a "
        "second, from publishing to the stream's telling of it. It keeps its latency where nothing is lost and p99 "
        f"stays below {LIVE_MS:.0f} ms and below twice what it is alone."
    )
    said.table(
        ["database", "beside", "sent", "heard", "p50 ms", "p95 ms", "p99 ms", "most ms", "back-tests took s"],
        [row for each in found for row in _live(each)],
    )
    for each in found:
        slow = ", ".join(one.name for one in each.slow)
        promised = f"every list of {each.rows:,} messages within {MOST_MS:.0f} ms at p95, {each.database}"
        said.targets.append(Target(promised, f"slower: {slow}" if slow else "all", not slow))
        kept = f"p99 {each.alone.p99:.0f} ms alone, {each.beside.p99:.0f} ms beside"
        said.targets.append(
            Target(f"live messages keep their latency beside back-tests, {each.database}", kept, each.keeps)
        )
    return said


def _same(found: Sequence[Journal], place: int) -> list[Asked]:
    return [each.asked[place] for each in found]


def _live(found: Journal) -> list[tuple[object, ...]]:
    took = ", ".join(f"{each:.0f}" for each in found.backtests)
    return [
        (
            found.database,
            what,
            each.sent,
            each.heard,
            *(f"{one:.0f}" for one in (each.p50, each.p95, each.p99, each.most)),
            s,
        )
        for what, each, s in (("nothing", found.alone, ""), ("back-tests", found.beside, took))
    ]


def main() -> int:
    """Run and print; 1 if a list is too slow, or what is live does not keep its latency."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rows", type=int, default=ROWS)
    words.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    said = words.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(postgres(folder / "postgres")) if said.database == "postgresql" else None
        found = asyncio.run(run(folder / "stage", rows=said.rows, database_url=url))
    print(found)
    for each in found.slow:
        print(f"too slow: {each.name}")
    if not found.keeps:
        print("what is live does not keep its latency")
    return 0 if found.keeps and not found.slow else 1


if __name__ == "__main__":
    raise SystemExit(main())
