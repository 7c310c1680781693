"""`kill -9` while alerts are being told: is every alert delivered, and how many pushes came twice?

Each message is due an alert, each alert a push to one of several endpoints, through real Apprise to a local receiver.

python -m benchmarks.deliveries [--alerts 10000] [--rate 200] [--kills 20] [--endpoints 10] [--database postgresql]
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import random
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec

from benchmarks.page import Section, Target
from benchmarks.stage import PROBE, Stage, postgres, stage
from core.clock import SystemClock, stopwatch
from tests import servers
from tests.campuses import LINCOLN

LEASE_S = 8.0
"""After a kill, what was on its way is sent again so much later."""


@dataclass(frozen=True)
class Counts:
    """What was due, and what came."""

    database: str
    alerts: int
    endpoints: int
    kills: int
    seconds: float
    """From the first message to the last push."""
    opened: int
    delivered: int
    lost: int
    doubled: int
    """Pushes that came more than once."""
    most_doubled: int
    """Of those, the most at one endpoint."""
    recorded: int
    """Deliveries that the record calls accepted."""

    @property
    def holds(self) -> bool:
        """Nothing lost, and at most one push doubled for each endpoint and kill."""
        return not self.lost and self.recorded == self.alerts and self.most_doubled <= self.kills


async def run(
    folder: Path,
    *,
    alerts: int = 10_000,
    rate: int = 200,
    kills: int = 20,
    endpoints: int = 10,
    seed: int = 1,
    database_url: str | None = None,
) -> Counts:
    """Publish, kill at random moments while there is work left, wait until all is told, and count."""
    settings = {"rules": rules(endpoints), "policies": policies(endpoints), "people": people(endpoints)}
    async with stage(folder, database_url=database_url, **settings) as here:
        here.service.start(wait=False)
        await asyncio.to_thread(here.service.wait_ready, 120)
        began = stopwatch()
        publisher = asyncio.create_task(_publish(here, alerts, rate))
        await _kill_now_and_then(here, alerts, kills, random.Random(seed))
        await publisher
        await _told(here, alerts)
        took = stopwatch() - began
        await _settled(here, alerts)
        return _count(here, alerts=alerts, endpoints=endpoints, kills=kills, seconds=took)


def people(endpoints: int) -> list[dict[str, Any]]:
    """Return the people of the campus, with one more for each endpoint."""
    more = [
        {
            "id": f"p{number}",
            "name": f"Person {number}",
            "role": "maintenance",
            "endpoints": [{"id": f"phone-{number}", "url": f"json://127.0.0.1:9/phone-{number}"}],
        }
        for number in range(endpoints)
    ]
    return [*LINCOLN["people"], *more]


def rules(endpoints: int) -> list[dict[str, Any]]:
    """Return one rule for each endpoint: the end of a visit's name says whose it is."""
    return [
        {
            **PROBE,
            "id": f"probe-{number}",
            "match": {"of": "escort.assigned", "if": f'visit.id.endsWith("-{number}")'},
            "alert": {"text": "probe {visit.id}", "policy": f"probe-{number}"},
        }
        for number in range(endpoints)
    ]


def policies(endpoints: int) -> list[dict[str, Any]]:
    """Return one policy for each endpoint."""
    return [
        {"id": f"probe-{number}", "steps": [{"notify": [f"person:p{number}"]}], "expires": "1h"}
        for number in range(endpoints)
    ]


async def _publish(here: Stage, alerts: int, rate: int) -> None:
    clock, started = SystemClock(), stopwatch()
    endpoints = here.query("SELECT count(*) FROM rules WHERE id LIKE 'probe-%'")[0][0]
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        for number in range(alerts):
            ahead = number / rate - (stopwatch() - started)
            if ahead > 0:
                await asyncio.sleep(ahead)
            visit = f"v{number}-{number % endpoints}"
            said = {"action": "escort", "visit": visit, "id": f"m{number}", "at": clock.now().isoformat()}
            await client.publish("campus/lincoln/visitor/lobby", msgspec.json.encode(said), qos=1)


async def _kill_now_and_then(here: Stage, alerts: int, kills: int, chance: random.Random) -> None:
    """Kill while pushes are going out: each kill waits for some more of them, and a moment nobody chose."""
    for turn in range(kills):
        enough = (alerts * turn) // (kills + 1) + 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                while len(here.receiver.received) < enough:
                    await asyncio.sleep(0.01)
        await asyncio.sleep(chance.uniform(0.0, 0.5))
        here.service.kill()
        await asyncio.to_thread(here.service.start, wait=False)
    await asyncio.to_thread(here.service.wait_ready, 120)


async def _told(here: Stage, alerts: int, stall: float = 60.0) -> None:
    """Return once every alert was pushed, or no push has come for a minute."""
    seen, since = 0, stopwatch()
    while len(_copies(here)) < alerts and stopwatch() - since < stall:
        await asyncio.sleep(0.25)
        if len(here.receiver.received) > seen:
            seen, since = len(here.receiver.received), stopwatch()


async def _settled(here: Stage, alerts: int) -> None:
    """Let what was on its way at the last kill come again, if it is to."""
    began = stopwatch()
    while stopwatch() - began < 3 * LEASE_S and (stopwatch() - began < LEASE_S or _recorded(here) < alerts):
        await asyncio.sleep(0.25)


def _recorded(here: Stage) -> int:
    return int(here.query("SELECT count(*) FROM deliveries WHERE state = 'accepted'")[0][0])


def _pushes(here: Stage) -> Iterator[tuple[str, str]]:
    """Yield the endpoint and the visit of every push."""
    for push in list(here.receiver.received):
        if found := re.search(r"probe (v\d+-\d+)", push.json["title"]):
            yield push.path, found[1]


def _copies(here: Stage) -> collections.Counter[tuple[str, str]]:
    return collections.Counter(_pushes(here))


def _count(here: Stage, *, alerts: int, endpoints: int, kills: int, seconds: float) -> Counts:
    copies = _copies(here)
    doubled: collections.Counter[str] = collections.Counter()
    for (endpoint, _), count in copies.items():
        doubled[endpoint] += count - 1
    opened = here.query("SELECT count(*) FROM alerts WHERE rule LIKE 'probe-%'")[0][0]
    return Counts(
        database="SQLite" if here.database_url.startswith("sqlite") else "PostgreSQL",
        alerts=alerts,
        endpoints=endpoints,
        kills=kills,
        seconds=seconds,
        opened=int(opened),
        delivered=len(copies),
        lost=alerts - len(copies),
        doubled=doubled.total(),
        most_doubled=max(doubled.values(), default=0),
        recorded=_recorded(here),
    )


def section(folder: Path) -> Section:
    """Run it small on both databases; return the part of the page."""
    found = Section(
        "`kill -9` while alerts are being told",
        "Alerts, made by messages at 200 a second, are each pushed through Apprise to one of ten endpoints; the "
        "service is killed while pushes go out, and started again at once. Lost: an alert that no push tells. Doubled: "
        "pushes that came more than once; at most one for each endpoint and kill may.",
        ["python -m benchmarks.deliveries --alerts 10000 --rate 200 --kills 20 [--database postgresql]"],
    )
    with postgres(folder / "postgres") as url:
        counts = [
            asyncio.run(run(folder / name, alerts=500, kills=2, database_url=database))
            for name, database in (("sqlite", None), ("postgresql", url))
        ]
    found.table(
        ["database", "kills", "alerts", "delivered", "lost", "doubled", "most at one", "seconds", "pushes/s"],
        [
            (
                each.database,
                each.kills,
                each.alerts,
                each.delivered,
                each.lost,
                each.doubled,
                each.most_doubled,
                f"{each.seconds:.0f}",
                f"{each.delivered / each.seconds:.0f}",
            )
            for each in counts
        ],
    )
    said = ", ".join(f"{each.database}: {each.lost} lost, {each.most_doubled} doubled at one" for each in counts)
    promised = "`kill -9` while alerts are told: none lost, at most one doubled for each endpoint and kill"
    found.targets.append(Target(promised, said, all(each.holds for each in counts)))
    return found


def main() -> int:
    """Run and print the counts; 1 if something was lost, or too much doubled."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--alerts", type=int, default=10_000)
    words.add_argument("--rate", type=int, default=200)
    words.add_argument("--kills", type=int, default=20)
    words.add_argument("--endpoints", type=int, default=10)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    said = vars(words.parse_args())
    kind = said.pop("database")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        url = stack.enter_context(postgres(Path(folder) / "postgres")) if kind == "postgresql" else None
        counts = asyncio.run(run(Path(folder) / "stage", database_url=url, **said))
        print(counts, flush=True)
    return 0 if counts.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
