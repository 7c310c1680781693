"""The first alert after a start: nobody waits for what could have been loaded before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from benchmarks.stage import stage
from core.clock import SystemClock
from tests import servers
from tests.servers import Receiver

IN_TIME_S = 3.0
ALONE = """
import asyncio, sys
from alerts.channels import Channels
from alerts.notices import Notice
from core.clock import stopwatch

async def main():
    channels = Channels(allow_private=True)
    await channels.warm_up()
    began = stopwatch()
    outcome = await channels.send(sys.argv[1], Notice("A", "B", "extreme"), lane="critical")
    print(outcome.state, stopwatch() - began)
    channels.close()

asyncio.run(main())
"""


async def test_once_warm_the_first_notice_waits_for_no_loading(receiver: Receiver) -> None:
    command = [sys.executable, "-c", ALONE, receiver.url()]
    said = await asyncio.to_thread(
        subprocess.run, command, cwd=servers.ROOT, check=True, capture_output=True, text=True
    )
    state, seconds = said.stdout.split()
    assert state == "accepted"
    assert float(seconds) < 1.0, "loading the services alone takes longer"


@pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)")
async def test_a_service_that_has_just_become_ready_tells_its_first_alert_in_time(tmp_path: Path) -> None:
    rule = {
        "id": "first",
        "title": "The first",
        "key": "door.id",
        "match": {"of": "door.opened"},
        "severity": "extreme",
        "alert": {"text": "probe {door}", "policy": "probe"},
    }
    async with stage(tmp_path, rules=[rule]) as here:
        await asyncio.to_thread(here.service.start)
        opened = asyncio.get_running_loop().time()
        where = {"port": here.broker.port, "username": "sensors", "password": servers.PASSWORD}
        async with aiomqtt.Client("127.0.0.1", **where) as client:
            said = {"position": "open", "at": SystemClock().now().isoformat()}
            await client.publish("campus/lincoln/door/office", msgspec.json.encode(said), qos=1)
        (push, *_) = await here.receiver.wait_for(1, 20)
        await asyncio.to_thread(here.service.stop)
    assert push.at - opened < IN_TIME_S
