"""SIGTERM while providers hang: the service ends soon, and what was on its way is sent after the restart."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from benchmarks.deliveries import people, policies, rules
from benchmarks.stage import Stage, stage
from core.clock import SystemClock, stopwatch
from tests import servers

HUNG = 12
pytestmark = [
    pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)"),
    pytest.mark.timeout(120),
]


async def say(here: Stage) -> None:
    """Cause an alert for each endpoint."""
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        for number in range(HUNG):
            at = SystemClock().now().isoformat()
            said = {"action": "escort", "visit": f"v-{number}", "at": at, "id": f"m{number}"}
            await client.publish("campus/lincoln/visitor/lobby", msgspec.json.encode(said), qos=1)


async def test_a_service_whose_providers_hang_ends_within_ten_seconds_and_forgets_nothing(tmp_path: Path) -> None:
    probes = {"rules": rules(HUNG), "policies": policies(HUNG), "people": people(HUNG)}
    async with stage(tmp_path, **probes) as here:
        here.receiver.delay = 120.0
        await asyncio.to_thread(here.service.start)
        await say(here)
        await here.receiver.wait_for(HUNG)
        began = stopwatch()
        assert await asyncio.to_thread(here.service.stop) == 0
        took = stopwatch() - began
        assert took < 10
        assert here.query("SELECT state, count(*) FROM deliveries GROUP BY state") == [("leased", HUNG)]
        here.receiver.delay = 0.0
        await asyncio.to_thread(here.service.start)
        received = await here.receiver.wait_for(2 * HUNG, seconds=30)
        assert set(Counter(each.path for each in received).values()) == {2}, "each once before, and once after"
        async with asyncio.timeout(10):
            while here.query("SELECT count(*) FROM deliveries WHERE state = 'accepted'") != [(HUNG,)]:
                await asyncio.sleep(0.1)
