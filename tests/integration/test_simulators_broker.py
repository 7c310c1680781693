"""The embedded broker does what a broker must, ends with its parent, and says so when its port is taken."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from app.broker import MAX_PAYLOAD, EmbeddedBroker
from core.errors import BadInput
from tests import servers


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    found = EmbeddedBroker(servers.free_port())
    await found.start()
    yield found
    await found.stop()


def client(broker: EmbeddedBroker, name: str, *, kept: bool = False) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", broker.port, identifier=name, clean_session=not kept)


async def heard(source: aiomqtt.Client, count: int) -> list[aiomqtt.Message]:
    found: list[aiomqtt.Message] = []
    async with asyncio.timeout(10):
        async for message in source.messages:
            found.append(message)
            if len(found) == count:
                break
    return found


async def test_a_kept_session_gets_what_came_while_it_was_away(broker: EmbeddedBroker) -> None:
    async with client(broker, "kept", kept=True) as away:
        await away.subscribe("#", qos=1)
    async with client(broker, "sensor") as sensor:
        for number in range(500):
            await sensor.publish("zigbee2mqtt/Gym East", str(number), qos=1)
    async with client(broker, "kept", kept=True) as back:
        found = await heard(back, 500)
    assert [message.payload for message in found] == [str(number).encode() for number in range(500)]
    assert {str(message.topic) for message in found} == {"zigbee2mqtt/Gym East"}


async def test_a_message_acknowledged_by_hand_comes_again_until_it_is(broker: EmbeddedBroker) -> None:
    def listen(*, acknowledge: int, wanted: int) -> list[bytes]:
        found: list[bytes] = []

        def take(source: paho.Client, _: object, message: paho.MQTTMessage) -> None:
            found.append(message.payload)
            if len(found) <= acknowledge:
                source.ack(message.mid, message.qos)

        listener = paho.Client(CallbackAPIVersion.VERSION2, client_id="by-hand", clean_session=False, manual_ack=True)
        listener.on_message = take
        listener.connect("127.0.0.1", broker.port)
        for _ in range(200):
            listener.loop(0.02)
            if listener.is_connected() and not wanted:
                break
            if wanted and len(found) >= wanted:
                break
        if not wanted:
            listener.subscribe("door", 1)
            for _ in range(10):
                listener.loop(0.02)
        for _ in range(5):
            listener.loop(0.02)
        listener.disconnect()
        listener.loop(0.02)
        return found

    await asyncio.to_thread(listen, acknowledge=0, wanted=0)
    async with client(broker, "sensor") as sensor:
        for number in range(4):
            await sensor.publish("door", str(number), qos=1)
    first = await asyncio.to_thread(listen, acknowledge=2, wanted=4)
    second = await asyncio.to_thread(listen, acknowledge=9, wanted=2)
    assert first == [b"0", b"1", b"2", b"3"]
    assert second == [b"2", b"3"]


async def test_retained_messages_are_kept_for_whoever_comes_later(broker: EmbeddedBroker) -> None:
    async with client(broker, "sensor") as sensor:
        await sensor.publish("state/door", "open", qos=1, retain=True)
    async with client(broker, "late") as late:
        await late.subscribe("state/#", qos=1)
        (found,) = await heard(late, 1)
    assert (found.payload, found.retain) == (b"open", True)


@pytest.mark.parametrize("size", [65_536, 1024 * 1024, 10 * 1024 * 1024])
async def test_large_messages_go_through(broker: EmbeddedBroker, size: int) -> None:
    async with client(broker, "listener") as listener:
        await listener.subscribe("big", qos=1)
        async with client(broker, "sensor") as sensor:
            await sensor.publish("big", b"x" * size, qos=1)
        (found,) = await heard(listener, 1)
    assert isinstance(found.payload, bytes)
    assert len(found.payload) == size


async def test_a_message_beyond_all_bounds_harms_nobody_but_its_sender(broker: EmbeddedBroker) -> None:
    def shout() -> int:
        # By hand: the broker hangs up in the middle of it.
        shouter = paho.Client(CallbackAPIVersion.VERSION2, client_id="shouter", reconnect_on_failure=False)
        shouter.connect("127.0.0.1", broker.port)
        shouter.publish("big", b"x" * (MAX_PAYLOAD + 1024), qos=1)
        for _ in range(200):
            result = shouter.loop(0.05)
            if result != paho.MQTT_ERR_SUCCESS:
                return int(result)
        return 0

    async with client(broker, "listener") as listener:
        await listener.subscribe("big", qos=1)
        assert await asyncio.to_thread(shout) != 0
        async with client(broker, "sensor") as sensor:
            await sensor.publish("big", b"small", qos=1)
        (found,) = await heard(listener, 1)
    assert found.payload == b"small"


async def test_mqtt_5_is_hung_up_on_at_once(broker: EmbeddedBroker) -> None:
    def knock() -> bool:
        knocker = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False)
        knocker.connect("127.0.0.1", broker.port)
        return any(knocker.loop(0.05) != paho.MQTT_ERR_SUCCESS for _ in range(20))

    assert await asyncio.to_thread(knock)


async def test_a_port_in_use_is_told(broker: EmbeddedBroker) -> None:
    with pytest.raises(BadInput, match=f"port {broker.port} is in use; choose another one"):
        await EmbeddedBroker(broker.port).start()


async def test_it_can_be_stopped_twice_and_started_again(broker: EmbeddedBroker) -> None:
    await broker.stop()
    await broker.stop()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", broker.port)
    await broker.start()
    async with client(broker, "again") as again:
        await again.publish("t", "x", qos=1)


PARENT = """
import asyncio, signal, sys
from app.broker import EmbeddedBroker

# Where the tests run in the background of a shell, Ctrl-C is ignored from the start.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    broker = EmbeddedBroker(int(sys.argv[1]))
    await broker.start()
    print(broker._broker._process.pid, flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        await broker.stop()

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_process_is_left_behind_however_the_service_ends(how: signal.Signals, tmp_path: Path) -> None:
    port = servers.free_port()
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(servers.ROOT)}
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        str(port),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    assert parent.stdout
    child = int(await asyncio.wait_for(parent.stdout.readline(), 15))
    # As a terminal does it: Ctrl-C reaches the whole group, the broker's process too.
    os.killpg(parent.pid, how) if how == signal.SIGINT else parent.send_signal(how)
    await asyncio.wait_for(parent.wait(), 10)
    for _ in range(100):
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 0)
            await asyncio.sleep(0.05)
            continue
        break
    else:
        pytest.fail("the broker's process is still there")
