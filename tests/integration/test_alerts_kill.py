"""`kill -9` on a courier at work, again and again: nothing is lost, and a kill doubles one push per endpoint at most.

`benchmarks/deliveries.py` does the same to the whole service, with ten thousand alerts.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter

import pytest

from alerts import outbox
from benchmarks.deliveries import people
from core.clock import SystemClock
from core.database import Database
from tests.campuses import lincoln, with_phones
from tests.servers import ROOT, Receiver
from tests.unit.alerts.making import advice, finding, take

ENDPOINTS, EACH, KILLS = 4, 25, 3
pytestmark = pytest.mark.timeout(180)


def start(url: str, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.courier_process", url, str(port), str(ENDPOINTS)]
    return subprocess.Popen(command, cwd=ROOT)


async def accepted(database: Database) -> int:
    async with database.reading() as session:
        return (await outbox.count_states(session)).get("accepted", 0)


async def test_kills_lose_nothing_and_double_one_push_per_endpoint_at_most(
    database: Database, database_url: str, receiver: Receiver
) -> None:
    policies = [{"id": f"p{n}", "steps": [{"notify": [f"person:p{n}"]}]} for n in range(ENDPOINTS)]
    plain = with_phones(receiver.port, people=people(ENDPOINTS)).model_dump(mode="json", by_alias=True)
    campus, now = lincoln(people=plain["people"], policies=policies), SystemClock().now()
    due = [
        finding(key=f"d{n}-{each}", at=now, advice=advice(policy=f"p{n}"))
        for n in range(ENDPOINTS)
        for each in range(EACH)
    ]
    await take(database, campus, *due, now=now)
    chance = random.Random(5)
    process = start(database_url, receiver.port)
    try:
        for turn in range(KILLS):
            await receiver.wait_for(1 + turn * len(due) // (KILLS + 1), seconds=60)
            await asyncio.sleep(chance.uniform(0.0, 0.3))
            process.kill()
            process.wait(10)
            process = start(database_url, receiver.port)
        async with asyncio.timeout(90):
            while await accepted(database) < len(due):
                await asyncio.sleep(0.1)
    finally:
        process.kill()
        process.wait(10)
    copies = Counter((each.path, each.json["title"].rpartition(" · ")[2]) for each in receiver.received)
    assert len(copies) == len(due), "every alert came"
    doubled = Counter[str]()
    for (path, _), count in copies.items():
        doubled[path] += count - 1
    assert max(doubled.values()) <= KILLS, doubled
