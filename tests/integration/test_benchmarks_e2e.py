"""The benchmarks from end to end count right, at their smallest: and what is lost or doubled would be told."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from benchmarks.endtoend import base, floor, held, node_red, peer, publisher, stages
from benchmarks.endtoend.programs import Program
from benchmarks.endtoend.receiver import Receiver, read
from benchmarks.endtoend.scene import Watch, ask, scene, until
from benchmarks.endtoend.traffic import Traffic
from core.clock import SystemClock
from tests import servers

pytestmark = pytest.mark.skipif(not servers.MOSQUITTO, reason="mosquitto is not installed (apt-get install mosquitto)")


def test_traffic_knows_what_it_is_due() -> None:
    for share in (0.0, 0.005, 0.5, 1.0):
        traffic = Traffic("x", alerts=share)
        assert traffic.due(1001) == sum(traffic.is_due(number) for number in range(1001))


def test_a_push_tells_of_each_message_once() -> None:
    topic, payload = Traffic("x", alerts=1.0).say(7, SystemClock().now())
    assert topic.endswith("visitor/lobby")
    (told,) = read(f"12.5\t/reyes\t{payload.decode()} and again {payload.decode()}")
    assert (told.at, told.path, told.name, told.number) == (12.5, "/reyes", "x", 7)


def test_what_is_lost_or_doubled_is_told() -> None:
    assert peer.compare(3, {0: 1, 1: 1, 2: 1}) == peer.Lost(3, 0, 0)
    assert peer.compare(3, {0: 1, 2: 2}) == peer.Lost(3, 1, 1)


def _rows(count: int, late: float, growth: float = 0.0) -> list[tuple[float, float, float]]:
    return [(100 + each / 100 + late + growth * each, 100 + each / 100, each) for each in range(count)]


def _judged(rows: list[tuple[float, float, float]], *, behind: float = 0.0, untold: int = 0) -> held.Try:
    done = publisher.Published(300, 300, 100.0, 103.0, behind, 0.1)
    return held._judged(100, done, rows, 3.0, own=0.3, beside=0.2, untold=untold)


def test_a_rate_counts_as_held_only_where_all_comes_in_time() -> None:
    good = _judged(_rows(300, 0.01))
    assert good.is_flat
    assert good.p50 == pytest.approx(10, abs=0.1)
    assert (good.own, good.all) == (pytest.approx(10), pytest.approx(10 + 0.2 / 0.03))
    assert not _judged(_rows(299, 0.01)).is_flat, "a message is missing"
    assert not _judged([*_rows(300, 0.01), (103.0, 102.0, 1.0)]).is_flat, "a message is there twice"
    assert not _judged(_rows(300, 0.01, growth=0.001)).is_flat, "it grows"
    assert not _judged(_rows(300, 0.6)).is_flat, "it waits at the end"
    assert not _judged(_rows(300, 0.01), behind=1.0).is_flat, "the publisher did not keep the rate"
    assert not _judged(_rows(300, 0.01), untold=1).is_flat, "a push waits"


def test_service_and_floor_are_measured_message_by_message(tmp_path: Path) -> None:
    with scene(tmp_path) as here:
        here.service.start()
        subject = held.Subject("service", here, lambda: here.pid)
        with Watch(here.database_url) as watch:
            tried = subject.attempt(watch, 75, 1.0)
            assert (tried.sent, tried.journalled, tried.untold) == (150, 150, 0)
            assert 0 < tried.p50 < 5000
            found = stages.measure(here, watch, Traffic("x", alerts=0.1), label="50/s", rate=50, length=1.0)
        assert (found.sent, found.due, found.journalled.count) == (50, 5, 50)
        assert (found.outbox.count, found.accepted.count) == (5, 5)
        assert found.accepted.p50 > found.outbox.p50 - 1000 * 0.005
        here.service.stop()
        publisher.forget(here.broker.port, "hallwatch")
        before = ask(here.database_url, "SELECT count(*) FROM messages")[0][0]
        both = floor.program(here.folder, "both", here.broker.port, here.database_url)
        publisher.run(here.folder, here.broker.port, Traffic("y"), messages=200)
        assert until(10, lambda: ask(here.database_url, "SELECT count(*) FROM messages")[0][0] == before + 200)
        both.stop()
        assert both.wait()["count"] == 200


def test_the_plain_loop_loses_what_it_cannot_push(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    receiver.start()
    try:
        with servers.mosquitto(tmp_path / "mosquitto") as broker:
            words = ["--port", str(broker.port), "--url", f"http://127.0.0.1:{receiver.port}/base", "--hold", "1"]
            plain = peer.Base(Program(tmp_path, base.MODULE, words))
            ring = peer.Ring(tmp_path, broker, receiver, print)
            with ring.running(plain):
                burst = ring.burst(plain, 21, 0.5)
                assert (burst.due, burst.pushed) == (11, 11)
                assert burst.rate > 0
                assert ring.down([plain], due=4, length=0.4) == {"base": peer.Lost(4, 4, 0)}
                (late, back) = ring.hold([plain], 1.0, lambda: None)["base"]
                assert late is not None
                assert late > -0.1
                assert back == 0.0
    finally:
        receiver.stop()


def test_the_receiver_counts_every_copy_and_keeps_its_connections(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    receiver.start()
    try:
        line = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
        for said in ("x1t5", "x2t5", "x1t5"):
            line.request("POST", "/there", f'{{"message": "probe {said}"}}')
            assert line.getresponse().read() == b"ok"
        assert until(5, lambda: receiver.copies("x", "/there") == {1: 2, 2: 1})
        assert not receiver.copies("x", "/elsewhere")
        line.close()
    finally:
        receiver.stop()


def test_node_red_gets_the_same_two_rules(tmp_path: Path) -> None:
    nodes = {node["id"]: node for node in node_red.flow(1883, "http://127.0.0.1/red", 10)}
    ends = {to for node in nodes.values() for wires in node.get("wires", ()) for to in wires}
    assert ends <= nodes.keys()
    assert nodes["hears"]["qos"] == "1"
    assert not nodes["broker"]["cleansession"]
    assert nodes["timer"]["duration"] == "10"


def test_without_node_the_page_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node_red.missing(tmp_path) == "Node.js is not installed"
