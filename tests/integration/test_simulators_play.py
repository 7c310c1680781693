"""Streams are played through real brokers: everything arrives, in order, in time, and again after a loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import aiomqtt
import msgspec
import pytest

from app.broker import EmbeddedBroker
from core.clock import ManualClock, SystemClock, stopwatch
from core.errors import BadInput, Unavailable
from ingest import decode
from simulators.play import BrokerAddress, play
from simulators.scenarios import LIBRARY, read_scenario
from simulators.utterance import TRIAL, Utterance
from tests import servers
from tests.conftest import START


def steady(count: int, *, apart: float = 0.01) -> Iterator[Utterance]:
    for n in range(count):
        yield Utterance(
            at=START + timedelta(seconds=apart * n),
            topic="campus/lincoln/door/gym-east",
            payload={"id": str(n), "position": "open"},
        )


class Listener:
    """A client that hears everything."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []

    async def listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append((str(message.topic), msgspec.json.decode(message.payload)))

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[tuple[str, dict[str, Any]]]:
        async with asyncio.timeout(seconds):
            while len(self.heard) < count:
                await asyncio.sleep(0.01)
        return self.heard

    @property
    def ids(self) -> list[str]:
        return [payload["id"].split("-")[-1] for _, payload in self.heard]


@asynccontextmanager
async def listener(url: str) -> AsyncIterator[Listener]:
    found = Listener()
    async with BrokerAddress.parse(url).connection() as client:
        await client.subscribe("#", qos=1)
        task = asyncio.create_task(found.listen(client))
        yield found
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(servers.free_port())
    await broker.start()
    yield broker
    await broker.stop()


async def test_a_thousand_messages_arrive_in_their_order(mosquitto: servers.Mosquitto) -> None:
    async with listener(mosquitto.url()) as hears:
        address = BrokerAddress.parse(mosquitto.url("tester"))
        summary = await play(steady(1000), address, SystemClock(), start=START, speed=inf)
        await hears.wait_for(1000)
    assert (summary.sent, summary.acknowledged) == (1000, 1000)
    assert hears.ids == [str(n) for n in range(1000)]


async def test_a_scenario_plays_through_the_embedded_broker_a_hundred_times_as_fast(embedded: EmbeddedBroker) -> None:
    scenario = read_scenario(LIBRARY / "rules" / "watch-list-match.yaml")
    told = list(scenario.stream())
    reached: list[tuple[int, datetime]] = []
    async with listener(embedded.url) as hears:
        clock = SystemClock()
        before = clock.now()
        summary = await play(
            told,
            BrokerAddress.parse(embedded.url),
            clock,
            start=scenario.start,
            speed=100,
            progress=lambda done, at: reached.append((done, at)),
        )
        await hears.wait_for(len(told))
    assert summary.acknowledged == len(told)
    assert 1 < summary.seconds < 5
    assert reached[-1] == (len(told), told[-1].sent_at)
    times = [datetime.fromisoformat(payload["at"]) for _, payload in hears.heard]
    assert times == sorted(times)
    assert all(before - timedelta(seconds=1) < at < clock.now() for at in times)
    assert {payload["exercise"] for _, payload in hears.heard} == {"test"}


async def test_at_speed_one_every_word_comes_at_its_moment(embedded: EmbeddedBroker) -> None:
    async with listener(embedded.url) as hears:
        began = stopwatch()
        await play(steady(4, apart=0.2), BrokerAddress.parse(embedded.url), SystemClock(), start=START)
        took = stopwatch() - began
        await hears.wait_for(4)
    times = [datetime.fromisoformat(payload["at"]) for _, payload in hears.heard]
    assert 0.6 <= took < 1.5
    assert [(at - times[0]) / timedelta(seconds=1) for at in times] == pytest.approx([0, 0.2, 0.4, 0.6], abs=0.002)


async def test_a_shared_clock_that_runs_faster_is_followed(embedded: EmbeddedBroker) -> None:
    clock = ManualClock(datetime(2026, 11, 24, 14, 0, tzinfo=UTC), rate=60)
    async with listener(embedded.url) as hears:
        summary = await play(steady(3, apart=30), BrokerAddress.parse(embedded.url), clock, start=START)
        await hears.wait_for(3)
    assert 0.9 < summary.seconds < 3
    assert hears.heard[-1][1]["at"][:18] == "2026-11-24T14:01:0"


async def test_two_runs_of_the_same_stream_have_different_ids(embedded: EmbeddedBroker) -> None:
    async with listener(embedded.url) as hears:
        for _ in range(2):
            await play(steady(2), BrokerAddress.parse(embedded.url), SystemClock(), start=START, exercise="live")
        await hears.wait_for(4)
    assert len({payload["id"] for _, payload in hears.heard}) == 4
    assert all("exercise" not in payload for _, payload in hears.heard)
    assert {topic for topic, _ in hears.heard} == {"campus/lincoln/door/gym-east"}


async def test_what_is_not_live_is_said_below_trial_whatever_it_is(mosquitto: servers.Mosquitto) -> None:
    maker = Utterance(at=START, topic="zigbee2mqtt/Gym East", payload={"contact": False}, own=False)
    async with listener(mosquitto.url()) as hears:
        address = BrokerAddress.parse(mosquitto.url("tester"))
        await play([*steady(1), maker], address, SystemClock(), start=START, speed=inf)
        await play(steady(1), address, SystemClock(), start=START, speed=inf, exercise="drill")
        await hears.wait_for(2)
        await asyncio.sleep(0.1)
    # The maker's topic is nobody's to rehearse on: the broker drops it, and the decoder would not know it.
    said = [(topic, payload["exercise"]) for topic, payload in hears.heard]
    assert said == [("trial/campus/lincoln/door/gym-east", "test"), ("trial/campus/lincoln/door/gym-east", "drill")]
    assert TRIAL == decode.TRIAL


async def test_what_a_lost_broker_has_not_acknowledged_is_sent_again(mosquitto: servers.Mosquitto) -> None:
    lost = False

    def lose(done: int, _: datetime) -> None:
        nonlocal lost
        if done >= 300 and not lost:
            lost = True
            mosquitto.stop(kill=True)
            mosquitto.start()

    address = BrokerAddress.parse(mosquitto.url("tester"))
    summary = await play(steady(600), address, SystemClock(), start=START, speed=inf, progress=lose)
    assert lost
    assert summary.acknowledged == 600
    assert summary.sent > 600


async def test_a_wrong_password_is_told_at_once(mosquitto: servers.Mosquitto) -> None:
    address = BrokerAddress.parse(f"mqtt://sensors:wrong@127.0.0.1:{mosquitto.port}")
    with pytest.raises(Unavailable, match="refused us"):
        await play(steady(1), address, SystemClock(), start=START)


async def test_a_broker_that_is_not_there_is_told_at_once() -> None:
    address = BrokerAddress.parse(f"mqtt://127.0.0.1:{servers.free_port()}")
    with pytest.raises(Unavailable, match=r"does not answer .*; 0 messages were acknowledged"):
        await play(steady(1), address, SystemClock(), start=START)


async def test_a_play_that_is_broken_off_leaves_nothing_running(embedded: EmbeddedBroker) -> None:
    playing = asyncio.create_task(
        play(steady(1000, apart=1), BrokerAddress.parse(embedded.url), SystemClock(), start=START)
    )
    await asyncio.sleep(0.3)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("url", ["127.0.0.1:1883", "http://host", "mqtt://", "mqtt://host:port", ""])
def test_what_is_no_brokers_address_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="write it like mqtt://"):
        BrokerAddress.parse(url)


def test_an_address_says_who_and_where_and_hides_the_password() -> None:
    found = BrokerAddress.parse("mqtts://sensors:p%40ss@broker.example")
    assert (found.host, found.port, found.user, found.password, found.tls) == (
        "broker.example",
        8883,
        "sensors",
        "p@ss",
        True,
    )
    assert "p@ss" not in repr(found)


async def test_no_speed_is_not_a_speed() -> None:
    with pytest.raises(BadInput, match="speed: must be more than 0"):
        await play(steady(1), BrokerAddress("127.0.0.1", 1), SystemClock(), start=START, speed=0)
