"""Whatever comes over the wire: kept with its reason, acknowledged, and the next good message works."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from benchmarks.stage import Stage, stage
from tests import servers

pytestmark = [
    pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)"),
    pytest.mark.timeout(120),
]
DOOR = "campus/lincoln/door/office"
HOSTILE: list[tuple[str, bytes, str]] = [
    (DOOR, b"not json", "bad_json"),
    (DOOR, b"", "bad_json"),
    (DOOR, b'{"position": "open"', "bad_json"),
    (DOOR, b'{"position": "open", "seq": NaN}', "bad_json"),
    (DOOR, b'{"position": "open", "seq": 1e999}', "bad_json"),
    (DOOR, b'{"a":' * 100 + b"1" + b"}" * 100, "bad_json"),
    (DOOR, b"[" * 50_000, "bad_json"),
    (DOOR, '{"position": "geöffnet"}'.encode("latin-1"), "bad_encoding"),
    (DOOR, "{}".encode("utf-16"), "bad_encoding"),
    (DOOR, b'{"position": "ajar"}', "invalid_field"),
    (DOOR, b'{"position": true}', "invalid_field"),
    (DOOR, b'{"position": "open", "at": "yesterday"}', "invalid_field"),
    (DOOR, b'{"position": "open", "battery_pct": "full"}', "invalid_field"),
    (DOOR, b"[]", "invalid_field"),
    (DOOR, b"{}", "invalid_field"),
    (DOOR, b"x" * (10 * 1024 * 1024), "too_large"),
    ("campus/lincoln/door/nowhere", b'{"position": "open"}', "unknown_entity"),
    ("campus/lincoln/attendance/nothing", b'{"direction": "in"}', "unknown_entity"),
    ("campus/roosevelt/door/main", b'{"position": "open"}', "unknown_campus"),
    ("campus/lincoln/window/main", b'{"position": "open"}', "unknown_topic"),
    ("campus/lincoln", b'{"position": "open"}', "unknown_topic"),
    ("campus/lincoln/campus/state", b'{"state": "panic"}', "invalid_field"),
    ("campus/lincoln/visitor/lobby", b'{"action": "check_in"}', "invalid_field"),
]


async def say(here: Stage, *said: tuple[str, bytes]) -> None:
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        for topic, payload in said:
            await client.publish(topic, payload, qos=1)


def ask(here: Stage, path: str, token: str) -> Any:
    request = urllib.request.Request(f"{here.service.url}{path}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


async def count(here: Stage, table: str, wanted: int) -> None:
    async with asyncio.timeout(20):
        while here.query(f"SELECT count(*) FROM {table}")[0][0] < wanted:
            await asyncio.sleep(0.1)


async def test_bad_input_is_kept_with_its_reason_acknowledged_and_stops_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        await asyncio.to_thread(here.service.start)
        await say(here, *((topic, payload) for topic, payload, _ in HOSTILE))
        await say(here, (DOOR, b'{"id": "good", "position": "open"}'))
        await count(here, "messages", 1)
        await count(here, "quarantine", len(HOSTILE))
        token = here.service.command("token", "create", "--name", "test", "--role", "admin").stdout.strip()
        rows = await asyncio.to_thread(ask, here, "/api/v1/quarantine?limit=100", token)
        told = [(row["topic"], row["reason"].partition(":")[0]) for row in reversed(rows["items"])]
        assert told == [(topic, reason) for topic, _, reason in HOSTILE]
        # All of it was acknowledged: nothing is delivered again to the next process.
        here.service.stop()
        await asyncio.to_thread(here.service.start)
        await say(here, (DOOR, b'{"id": "better", "position": "closed"}'))
        await count(here, "messages", 2)
        assert here.query("SELECT count(*) FROM quarantine") == [(len(HOSTILE),)]


async def test_a_flood_of_garbage_does_not_hold_up_a_good_message(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        await asyncio.to_thread(here.service.start)
        loop = asyncio.get_running_loop()
        flooding = asyncio.create_task(flood(here, rate=2000, seconds=10.0))
        await asyncio.sleep(1.0)
        took: list[float] = []
        for number in range(12):
            said = json.dumps({"id": f"f{number}", "action": "escort", "visit": f"v{number}"}).encode()
            before = loop.time()
            await say(here, ("campus/lincoln/visitor/lobby", said))
            await here.receiver.wait_for(number + 1, 10)
            took.append(loop.time() - before)
            await asyncio.sleep(0.5)
        sent = await flooding
        assert max(took) < 1.0, took
        await count(here, "quarantine", sent)


async def flood(here: Stage, *, rate: int, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    async with aiomqtt.Client("127.0.0.1", here.broker.port, username="sensors", password=servers.PASSWORD) as client:
        client.pending_calls_threshold = 1000
        started, sent = loop.time(), 0
        while loop.time() - started < seconds:
            await asyncio.gather(*(client.publish(DOOR, b"garbage", qos=1) for _ in range(rate // 20)))
            sent += rate // 20
            await asyncio.sleep(max(0.0, started + sent / rate - loop.time()))
    return sent
