"""The listener with a real broker: nothing is lost, nothing is acknowledged too early, nothing stops it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import aiomqtt
import pytest

from core.clock import SystemClock, stopwatch
from core.errors import BadInput, Unavailable
from core.messages import Heard
from ingest.mqtt import Listener
from ingest.mqtt.listener import QUIET
from tests import servers

DOOR = "campus/lincoln/door/gym-east"


class Ear:
    """A listener with a memory; `handle` may be made to wait, or to fail."""

    def __init__(self, broker: servers.Mosquitto, url: str | None = None, **options: Any) -> None:
        self.heard: list[Heard] = []
        self.batches: list[int] = []
        self.poison: list[Heard] = []
        self.free = asyncio.Event()
        self.free.set()
        self.before: Callable[[list[Heard]], Awaitable[None]] | None = None
        settings: dict[str, Any] = {"client_id": "hallwatch", "prefix": "campus", "topics": ["zigbee2mqtt/#"]} | options
        self.listener = Listener(
            url or broker.url(), handle=self._handle, on_poison=self._keep, clock=SystemClock(), **settings
        )

    async def _handle(self, batch: list[Heard]) -> None:
        self.batches.append(len(batch))
        await self.free.wait()
        if self.before is not None:
            await self.before(batch)
        self.heard += batch

    async def _keep(self, heard: Heard, error: Exception) -> None:
        self.poison.append(heard)

    @property
    def payloads(self) -> list[bytes]:
        return [each.payload for each in self.heard]

    async def wait_for(self, count: int, seconds: float = 20.0) -> None:
        await until(lambda: len(self.heard) >= count, seconds)

    @contextlib.asynccontextmanager
    async def open(self, *, connected: bool = True) -> AsyncIterator[Ear]:
        task = asyncio.create_task(self.listener.run())
        try:
            if connected:
                await until(lambda: self.listener.status.connected)
            yield self
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def say(broker: servers.Mosquitto, *payloads: str, topic: str = DOOR, qos: int = 1, retain: bool = False) -> None:
    """Publish as a sensor does, and wait until the broker has it."""
    async with aiomqtt.Client("127.0.0.1", broker.port, username="sensors", password=servers.PASSWORD) as sensor:
        for payload in payloads:
            await sensor.publish(topic, payload, qos=qos, retain=retain)


async def say_many(broker: servers.Mosquitto, count: int, topic: str = DOOR) -> list[bytes]:
    """Publish so many different messages, fast."""
    program = shutil.which("mosquitto_pub")
    if program is None:
        pytest.skip("mosquitto_pub is not installed (apt-get install mosquitto-clients)")
    lines = [b'{"position": "open", "id": "%d"}' % number for number in range(count)]
    who = ["-h", "127.0.0.1", "-p", str(broker.port), "-u", "sensors", "-P", servers.PASSWORD]
    command = [program, *who, "-q", "1", "-t", topic, "-l"]
    text = b"\n".join(lines) + b"\n"
    await asyncio.to_thread(subprocess.run, command, input=text, check=True, capture_output=True, timeout=60)
    return lines


async def test_what_is_said_is_heard_in_order(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open() as ear:
        await say(mosquitto, "1", "2", "3")
        await ear.wait_for(3)
        await until(lambda: ear.listener.status.acknowledged == 3)
    assert ear.payloads == [b"1", b"2", b"3"]
    assert {(each.topic, each.retained, each.redelivered) for each in ear.heard} == {(DOOR, False, False)}
    assert all(each.packet for each in ear.heard)
    assert ear.listener.status.waiting == 0


async def test_a_topic_with_spaces_a_trial_and_a_retained_state_are_heard(mosquitto: servers.Mosquitto) -> None:
    await say(mosquitto, "{}", topic="zigbee2mqtt/Back Deck Door", retain=True)
    async with Ear(mosquitto).open() as ear:
        await ear.wait_for(1)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, username="tester", password=servers.PASSWORD) as tester:
            await tester.publish(f"trial/{DOOR}", "t", qos=1)
        await ear.wait_for(2)
    assert [(each.topic, each.retained) for each in ear.heard] == [
        ("zigbee2mqtt/Back Deck Door", True),
        (f"trial/{DOOR}", False),
    ]


async def test_a_retained_state_is_not_told_again_when_the_session_goes_on(mosquitto: servers.Mosquitto) -> None:
    await say(mosquitto, "{}", topic="zigbee2mqtt/Door", retain=True)
    async with Ear(mosquitto).open() as ear:
        await ear.wait_for(1)
    async with Ear(mosquitto).open() as again:
        await asyncio.wait_for(again.listener.caught_up.wait(), 15)
    assert again.heard == []


async def test_a_message_is_acknowledged_only_after_it_was_handled(mosquitto: servers.Mosquitto) -> None:
    first = Ear(mosquitto)
    first.free.clear()
    async with first.open():
        await say(mosquitto, "a", "b")
        await until(lambda: first.listener.status.waiting == 2)
        assert first.listener.status.acknowledged == 0
    assert first.heard == []
    async with Ear(mosquitto).open() as second:
        await second.wait_for(2)
        await until(lambda: second.listener.status.acknowledged == 2)
    assert second.payloads == [b"a", b"b"]
    assert all(each.redelivered for each in second.heard)
    assert second.listener.status.redelivered == 2


KILLED = """
import asyncio, os, signal, sys
from core.clock import SystemClock
from ingest.mqtt import Listener
from ingest.mqtt.listener import QUIET

async def handle(batch):
    os.kill(os.getpid(), signal.SIGKILL)

listener = Listener(sys.argv[1], client_id="hallwatch", prefix="campus", topics=[], handle=handle, clock=SystemClock())
asyncio.run(listener.run())
"""


async def test_a_process_killed_before_it_acknowledges_leaves_the_message_to_the_next(
    mosquitto: servers.Mosquitto,
) -> None:
    async with Ear(mosquitto).open():
        pass
    await say(mosquitto, "a", "b")
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, mosquitto.url(), cwd=servers.ROOT)
    assert await asyncio.wait_for(killed.wait(), 30) == -9
    async with Ear(mosquitto).open() as ear:
        await ear.wait_for(2)
    assert ear.payloads == [b"a", b"b"]
    assert ear.heard[0].redelivered


async def test_what_was_handled_is_not_delivered_again(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open() as first:
        await say(mosquitto, "a")
        await first.wait_for(1)
    async with Ear(mosquitto).open() as second:
        await asyncio.wait_for(second.listener.caught_up.wait(), 15)
    assert second.heard == []


async def test_the_session_keeps_what_comes_while_nobody_listens(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open():
        pass
    said = await say_many(mosquitto, 500)
    async with Ear(mosquitto).open() as ear:
        assert not ear.listener.caught_up.is_set()
        await asyncio.wait_for(ear.listener.caught_up.wait(), 15)
        assert ear.payloads == said


async def test_five_thousand_messages_arrive_once_each_and_batches_grow_under_load(
    mosquitto: servers.Mosquitto,
) -> None:
    ear = Ear(mosquitto)

    async def work_like_a_database(batch: list[Heard]) -> None:
        await asyncio.sleep(0.02)

    ear.before = work_like_a_database
    async with ear.open():
        said = await say_many(mosquitto, 5000)
        await ear.wait_for(5000, 60)
        await until(lambda: ear.listener.status.acknowledged == 5000)
    assert ear.payloads == said
    assert max(ear.batches) > 50
    assert max(ear.batches) <= 1000


async def test_a_backlog_is_not_over_because_we_were_too_busy_to_look(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open():
        pass
    await say_many(mosquitto, 600)
    ear = Ear(mosquitto, max_batch=100)
    heard_by_then: list[int] = []
    ear.listener.on_caught_up = lambda: heard_by_then.append(len(ear.heard))

    async def hold_the_loop(_batch: list[Heard]) -> None:
        await asyncio.sleep(QUIET / 20)
        time.sleep(2 * QUIET)  # noqa: ASYNC251 - as judging a large batch on a slow machine does

    ear.before = hold_the_loop
    async with ear.open():
        await asyncio.wait_for(ear.listener.caught_up.wait(), 30)
    assert heard_by_then[0] == 600


async def test_the_broker_goes_and_comes_back(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open() as ear:
        await say(mosquitto, "before")
        await ear.wait_for(1)
        mosquitto.stop()
        await until(lambda: not ear.listener.status.connected)
        assert ear.listener.status.reason
        assert not ear.listener.caught_up.is_set()
        mosquitto.start()
        await until(lambda: ear.listener.status.connected)
        assert ear.listener.status.reason == ""
        await say(mosquitto, "after")
        await ear.wait_for(2)
    assert ear.payloads == [b"before", b"after"]


async def test_a_broker_that_restarts_while_messages_wait_gets_them_acknowledged_once(
    mosquitto: servers.Mosquitto,
) -> None:
    ear = Ear(mosquitto)
    ear.free.clear()
    async with ear.open():
        await say(mosquitto, "a", "b")
        await until(lambda: ear.listener.status.waiting == 2)
        mosquitto.stop()
        await until(lambda: not ear.listener.status.connected)
        mosquitto.start()
        await until(lambda: ear.listener.status.received == 4)
        assert ear.listener.status.waiting == 2, "what we hold is not taken in twice"
        ear.free.set()
        await until(lambda: ear.listener.status.acknowledged == 2)
    assert ear.payloads == [b"a", b"b"]
    async with Ear(mosquitto).open() as again:
        await asyncio.wait_for(again.listener.caught_up.wait(), 15)
    assert again.heard == []


async def test_a_late_acknowledgement_is_not_sent_on_another_connection(mosquitto: servers.Mosquitto) -> None:
    ear = Ear(mosquitto)
    ear.free.clear()
    async with ear.open():
        await say(mosquitto, "a")
        await until(lambda: ear.listener.status.waiting == 1)
        mosquitto.stop()
        await until(lambda: not ear.listener.status.connected)
        ear.free.set()
        await ear.wait_for(1)
        mosquitto.start()
        await ear.wait_for(2)
    assert [each.redelivered for each in ear.heard] == [False, True]
    assert ear.listener.status.acknowledged == 1


async def test_a_listener_that_starts_before_the_broker_waits_for_it(mosquitto: servers.Mosquitto) -> None:
    mosquitto.stop()
    async with Ear(mosquitto).open(connected=False) as ear:
        await until(lambda: "cannot be reached" in ear.listener.status.reason)
        mosquitto.start()
        await until(lambda: ear.listener.status.connected)


async def test_a_wrong_password_is_said_clearly(mosquitto: servers.Mosquitto) -> None:
    url = f"mqtt://hallwatch:wrong@127.0.0.1:{mosquitto.port}"
    async with Ear(mosquitto, url).open(connected=False) as ear:
        await until(lambda: ear.listener.status.reason != "not connected yet")
        status = ear.listener.status
    assert not status.connected
    # Mosquitto calls a wrong password "not authorized".
    assert "the broker" in status.reason
    assert "user" in status.reason
    assert "wrong" not in status.reason


async def test_another_client_of_the_same_name_is_said_clearly(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open() as ear, Ear(mosquitto).open():
        await until(lambda: "MQTT_CLIENT_ID" in ear.listener.status.reason)


async def test_a_database_that_is_away_loses_nothing(mosquitto: servers.Mosquitto) -> None:
    ear = Ear(mosquitto)
    attempts: list[list[Heard]] = []

    async def fail_twice(batch: list[Heard]) -> None:
        attempts.append(batch)
        if len(attempts) < 3:
            raise Unavailable("database: gone")

    ear.before = fail_twice
    async with ear.open():
        await say(mosquitto, "a")
        await say(mosquitto, "b", qos=0)
        await ear.wait_for(2)
        await until(lambda: ear.listener.status.acknowledged == 1)
    assert ear.payloads == [b"a", b"b"]
    assert ear.poison == []
    assert not attempts[0][0].redelivered
    assert attempts[1][0].redelivered, "an attempt that failed may have been stored all the same"


async def test_one_message_that_breaks_the_handling_does_not_stop_the_others(mosquitto: servers.Mosquitto) -> None:
    ear = Ear(mosquitto)

    async def choke(batch: list[Heard]) -> None:
        if any(each.payload == b"poison" for each in batch):
            raise RuntimeError("cannot stomach this")

    ear.before = choke
    ear.free.clear()
    said = [*(f"{number}" for number in range(20)), "poison", *(f"{number}" for number in range(20, 40))]
    async with ear.open():
        await say(mosquitto, *said)
        await until(lambda: ear.listener.status.waiting == 41)
        ear.free.set()
        await ear.wait_for(40)
        await until(lambda: ear.listener.status.acknowledged == 41)
    assert [each.decode() for each in ear.payloads] == [word for word in said if word != "poison"]
    assert [each.payload for each in ear.poison] == [b"poison"]


async def test_more_than_may_wait_stays_with_the_broker(mosquitto: servers.Mosquitto) -> None:
    ear = Ear(mosquitto, max_waiting_bytes=50_000)
    ear.free.clear()
    async with ear.open():
        said = await say_many(mosquitto, 3000)
        await asyncio.sleep(0.5)
        assert ear.listener.status.waiting < 1500
        ear.free.set()
        await ear.wait_for(3000)
    assert ear.payloads == said


async def test_large_messages_pass_and_a_flood_without_qos_is_bounded(mosquitto: servers.Mosquitto) -> None:
    ear = Ear(mosquitto, max_waiting_bytes=200_000)
    ear.free.clear()
    async with ear.open():
        await say(mosquitto, *(["x" * 50_000] * 40), qos=0)
        await asyncio.sleep(0.5)
        held = ear.listener.status.waiting
        ear.free.set()
        await until(lambda: ear.listener.status.waiting == 0)
        await say(mosquitto, "y" * 1_000_000)
        await until(lambda: bool(ear.heard) and len(ear.heard[-1].payload) == 1_000_000)
    assert held < 10


async def test_a_payload_that_is_no_text_and_an_empty_one_are_heard(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open() as ear:
        async with aiomqtt.Client("127.0.0.1", mosquitto.port, username="sensors", password=servers.PASSWORD) as sensor:
            await sensor.publish(DOOR, b"\xff\x00\xfe", qos=1)
            await sensor.publish(DOOR, b"", qos=1)
        await ear.wait_for(2)
    assert ear.payloads == [b"\xff\x00\xfe", b""]


async def test_the_thread_ends_with_the_listener(mosquitto: servers.Mosquitto) -> None:
    async with Ear(mosquitto).open() as ear:
        assert "mqtt" in {thread.name for thread in threading.enumerate()}
    assert "mqtt" not in {thread.name for thread in threading.enumerate()}
    assert ear.listener.status.reason == "closed"


class OldBroker:
    """Answers MQTT 5 as a broker does that has never heard of it (or hangs up), and takes part in MQTT 3.1.1."""

    def __init__(self, *, hangs_up: bool) -> None:
        self.hangs_up = hangs_up
        self.versions: list[int] = []
        self.filters: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._converse(reader, writer)
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connect = await self._packet(reader)
        self.versions.append(connect[6])
        if connect[6] == 5:
            if not self.hangs_up:
                writer.write(b"\x20\x02\x00\x01")
            return
        writer.write(b"\x20\x02\x00\x00")
        self.filters.append(subscription := await self._packet(reader))
        writer.write(b"\x90\x05" + subscription[:2] + b"\x01\x01\x01")
        await self._packet(reader)

    async def _packet(self, reader: asyncio.StreamReader) -> bytes:
        await reader.readexactly(1)
        length = (await reader.readexactly(1))[0]
        if length & 128:
            length = (length & 127) + 128 * (await reader.readexactly(1))[0]
        return await reader.readexactly(length)


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_an_old_broker_is_spoken_to_in_mqtt_3(hangs_up: bool) -> None:
    old = OldBroker(hangs_up=hangs_up)
    server = await asyncio.start_server(old.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ear = Ear(servers.Mosquitto.__new__(servers.Mosquitto), f"mqtt://127.0.0.1:{port}")
    async with ear.open():
        assert old.versions == [5, 4]
        assert b"zigbee2mqtt/#" in old.filters[0]
    server.close()


async def test_a_broker_that_never_answers_is_not_hammered() -> None:
    calls = 0

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    ear = Ear(servers.Mosquitto.__new__(servers.Mosquitto), f"mqtt://127.0.0.1:{port}")
    async with ear.open(connected=False):
        await until(lambda: ear.listener.status.reason == "the broker hung up before it answered")
        server.close()
        await asyncio.sleep(1)
    assert calls <= 6


@pytest.mark.parametrize("url", ["http://x", "mqtt://", "mqtt://host:notaport", "nonsense"])
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="mqtt://host:1883"):
        Ear(servers.Mosquitto.__new__(servers.Mosquitto), url)


@pytest.mark.parametrize("words", [("a",), ("a", "b")])
async def test_the_password_is_in_no_text(words: Sequence[str], mosquitto: servers.Mosquitto) -> None:
    ear = Ear(mosquitto)
    async with ear.open():
        await say(mosquitto, *words)
        await ear.wait_for(len(words))
    assert servers.PASSWORD not in f"{ear.listener.status!r} {ear.listener._connection._address!r}"


async def test_many_kept_messages_are_heard_soon(mosquitto: servers.Mosquitto) -> None:
    """How soon is told with `pytest -s`."""
    count = 20_000
    async with Ear(mosquitto).open():
        pass
    await say_many(mosquitto, count)
    started = stopwatch()
    async with Ear(mosquitto).open() as ear:
        await ear.wait_for(count, 60)
        took = stopwatch() - started
    sys.stdout.write(f"\nheard and acknowledged {count} kept messages: {count / took:,.0f}/s\n")
    assert len(set(ear.payloads)) == count
