"""How long the pages of the console take with 10,000 doors and 30 days of alerts, over HTTP, on SQLite.

The service is a real one in a process of its own; it is asked for every page that the menu leads to, and for those of
one thing, one request after the other.

    python -m benchmarks.pages [--doors 10000] [--rows 1000000] [--times 40]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from benchmarks import bulk, latency
from benchmarks.bulk import Past
from benchmarks.page import Section, Target
from benchmarks.stage import Stage, stage
from core import registry, state
from core.clock import SystemClock, stopwatch
from core.database import Database
from core.facts import DeviceFacts, DoorFacts
from tests.browser.paths import paths
from tests.campuses import with_phones

DOORS: Final = 10_000
ROWS: Final = 1_000_000
TIMES: Final = 20
MOST_MS: Final = 300.0
"""What the 95th percentile of a page may take."""
ASKED_FOR: Final = frozenset(("/audit/verify", "/users/{user}"))
"""Left out: reads the whole record, which is asked for and not looked at by the way; a user, of whom there is none."""


@dataclass(frozen=True)
class Shown:
    """How long a page took, in milliseconds, and how large it is before it is compressed."""

    path: str
    p50: float
    p95: float
    kib: float

    @property
    def is_slow(self) -> bool:
        """Whether it took too long."""
        return self.p95 >= MOST_MS


async def run(folder: Path, *, doors: int = DOORS, rows: int = ROWS, times: int = TIMES) -> list[Shown]:
    """Fill, start, and ask for every page."""
    async with stage(folder, rules=(), policies=()) as here:
        _grow(here, doors)
        await _start(here)
        here.service.stop()
        now = SystemClock().now()
        past = Past(campuses=("lincoln",), rows=rows, until=now - timedelta(minutes=1))
        await asyncio.to_thread(lambda: asyncio.run(_fill(here.database_url, past, doors, now)))
        await _start(here)
        token = here.service.command("token", "create", "--name", "bench", "--role", "admin").stdout.strip()
        number = str(here.query("SELECT max(id) FROM alerts")[0][0])
        async with httpx.AsyncClient(base_url=here.service.url, headers={"Accept": "text/html"}, timeout=60) as client:
            await client.post("/login", data={"token": token})
            asked = [each for each in paths(number=number, user="{user}") if each not in ASKED_FOR]
            return [await _ask(client, each, times) for each in asked]


async def _start(here: Stage) -> None:
    here.service.start(wait=False)
    await asyncio.to_thread(here.service.wait_ready, 180.0)


def _grow(here: Stage, doors: int) -> None:
    """Give the campus its doors, one in three leading outside, in a hundred zones, each with a sensor."""
    plain: dict[str, Any] = registry.to_plain(with_phones(here.receiver.port))
    plain["zones"] += [{"id": f"z{n}", "name": f"Wing {n}"} for n in range(100)]
    more = range(doors - len(plain["doors"]))
    plain["doors"] += [
        {"id": f"d{n}", "name": f"Room {n}", "number": str(n), "zone": f"z{n % 100}", "exterior": n % 3 == 0}
        for n in more
    ]
    plain["devices"] += [{"id": f"s{n}", "door": f"d{n}", "kind": "door", "heartbeat": "1h"} for n in more]
    (here.folder / "config" / "campus.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))


async def _fill(url: str, past: Past, doors: int, now: datetime) -> None:
    await bulk.fill(url, past)
    database = Database(url)
    numbers = iter(range(doors))
    while piece := list(islice(numbers, 2000)):
        facts = [_door(n, now) for n in piece] + [DeviceFacts(id=f"s{n}", heard_at=now, online=True) for n in piece]
        async with database.transaction() as session:
            await state.save(session, "lincoln", facts)
    await database.close()


def _door(number: int, now: datetime) -> DoorFacts:
    position: Any = "open" if number % 50 == 0 else "closed"
    return DoorFacts(id=f"d{number}", heard_at=now, position=position, position_at=now, position_heard_at=now)


async def _ask(client: httpx.AsyncClient, path: str, times: int) -> Shown:
    took: list[float] = []
    size = 0
    for _ in range(2 + times):
        began = stopwatch()
        answer = await client.get(path)
        took.append(1000 * (stopwatch() - began))
        answer.raise_for_status()
        size = len(answer.content)
    took = sorted(took[2:])  # the first ones compile what all that follow share
    return Shown(path, latency.share(took, 0.5), latency.share(took, 0.95), size / 1024)


def section(folder: Path) -> Section:
    """Measure with fewer rows and looks; return the part of the page."""
    doors, rows = DOORS, ROWS // 10
    found = asyncio.run(run(folder, doors=doors, rows=rows, times=10))
    said = Section(
        "The pages of the console",
        f"{doors:,} doors with a sensor each, 30 days of alerts, {rows:,} messages, SQLite; one request after the "
        "other over HTTP.",
        [f"python -m benchmarks.pages --rows {ROWS}"],
    )
    said.table(
        ["page", "p50 ms", "p95 ms", "KiB, before it is compressed"],
        [(f"`{each.path}`", f"{each.p50:.0f}", f"{each.p95:.0f}", f"{each.kib:.0f}") for each in found],
    )
    slow = ", ".join(f"`{each.path}` {each.p95:.0f} ms" for each in found if each.is_slow)
    promised = f"every page of a district of {doors:,} doors within {MOST_MS:.0f} ms at p95"
    said.targets.append(Target(promised, slow or f"slowest {max(each.p95 for each in found):.0f} ms", not slow))
    return said


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--doors", type=int, default=DOORS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--times", type=int, default=TIMES)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        shown = asyncio.run(run(Path(place), doors=said.doors, rows=said.rows, times=said.times))
    print("\n".join(f"{each.path:40} {each.p50:6.0f} {each.p95:6.0f} ms {each.kib:6.0f} KiB" for each in shown))
    raise SystemExit(any(each.is_slow for each in shown))
