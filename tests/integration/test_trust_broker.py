"""Who may say what to the broker of `deploy/`: accounts by password and by certificate, over TLS, with their rights."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.stage import Stage, stage
from tests import servers

LIVE, TRIAL = "campus/lincoln/door/office", "trial/campus/lincoln/door/office"
JOINED = 'sed "/^listener/d" mosquitto.conf | cat - tls.conf'
"""How the page for operators puts TLS in the place of the plain listener."""
pytestmark = [
    pytest.mark.skipif(
        not (servers.MOSQUITTO and servers.MOSQUITTO_PASSWD),
        reason="mosquitto is not installed (apt-get install mosquitto mosquitto-clients)",
    ),
    pytest.mark.timeout(120),
]


# ----------------------------------------------------------------------------------------------------- over TLS
@dataclass(frozen=True)
class Secured:
    """The broker with `tls.conf`: the port for passwords, that for certificates, and the folder of these."""

    by_password: int
    by_certificate: int
    tls: Path

    def context(self, account: str | None = None, folder: Path | None = None) -> ssl.SSLContext:
        """Return what a client knows: the broker's authority, and its own certificate if it has one."""
        found = ssl.create_default_context(cafile=self.tls / "ca.crt")
        if account:
            own = (folder or self.tls) / account
            found.load_cert_chain(f"{own}.crt", f"{own}.key")
        return found

    def with_password(self, account: str, password: str = servers.PASSWORD) -> aiomqtt.Client:
        context = self.context()
        return aiomqtt.Client(
            "127.0.0.1", self.by_password, username=account, password=password, tls_context=context, timeout=5
        )

    def with_certificate(self, account: str | None, folder: Path | None = None) -> aiomqtt.Client:
        context = self.context(account, folder)
        return aiomqtt.Client("127.0.0.1", self.by_certificate, tls_context=context, timeout=5)


def make_certificates(folder: Path, *accounts: str) -> None:
    folder.mkdir()
    script = servers.DEPLOY / "mosquitto" / "make-certificates"
    subprocess.run([script, "127.0.0.1", *accounts], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed (apt-get install openssl)")
    broker = servers.Mosquitto(tmp_path_factory.mktemp("secured") / "mosquitto")
    broker.prepare()
    found = Secured(broker.port, servers.free_port(), broker.folder / "tls")
    make_certificates(found.tls, "hallwatch", "sensors", "tester")
    conf, deployed = broker.folder / "mosquitto.conf", servers.DEPLOY / "mosquitto"
    assert JOINED in (servers.ROOT / "docs" / "operations.md").read_text("utf-8")
    text = subprocess.run(JOINED, shell=True, cwd=deployed, check=True, capture_output=True, text=True).stdout
    text = text.replace("listener 8883", f"listener {found.by_password} 127.0.0.1")
    text = text.replace("listener 8884", f"listener {found.by_certificate} 127.0.0.1")
    user = next(line for line in conf.read_text().splitlines() if line.startswith("user "))
    conf.write_text(f"{user}\n{text}")
    broker.start()
    yield found
    broker.stop()


@pytest.mark.parametrize("way", ["password", "certificate"])
async def test_over_tls_each_account_has_its_own_rights(secured: Secured, way: str) -> None:
    enter = secured.with_password if way == "password" else secured.with_certificate
    async with enter("hallwatch") as service, enter("sensors") as sensors, enter("tester") as tester:
        await service.subscribe("#", qos=1)
        await tester.publish(LIVE, "from the tester", qos=1)
        await tester.publish(TRIAL, "from the tester", qos=1)
        await sensors.publish(TRIAL, "from the sensors", qos=1)
        await sensors.publish(LIVE, "from the sensors", qos=1)
        heard = [(str(each.topic), each.payload) for each in await first(service, 2)]
    assert sorted(heard) == [(LIVE, b"from the sensors"), (TRIAL, b"from the tester")]


async def first(client: aiomqtt.Client, number: int) -> list[aiomqtt.Message]:
    """Return so many messages, once there is nothing more to come."""
    found: list[aiomqtt.Message] = []
    async with asyncio.timeout(10):
        async for message in client.messages:
            found.append(message)
            if len(found) == number:
                break
    await asyncio.sleep(0.2)
    assert len(client.messages) == 0
    return found


async def test_a_wrong_password_no_certificate_and_one_of_a_stranger_are_refused(
    secured: Secured, tmp_path: Path
) -> None:
    make_certificates(tmp_path / "strange", "hallwatch")
    with pytest.raises(aiomqtt.MqttError, match="Not authorized"):
        await enter(secured.with_password("hallwatch", "wrong"))
    for stranger in (secured.with_certificate(None), secured.with_certificate("hallwatch", tmp_path / "strange")):
        with pytest.raises((aiomqtt.MqttError, ssl.SSLError, ConnectionError)):
            await enter(stranger)


async def test_the_brokers_own_certificate_opens_no_account(secured: Secured) -> None:
    with pytest.raises((aiomqtt.MqttError, ssl.SSLError, ConnectionError)):
        await enter(secured.with_certificate("broker"))


async def enter(client: aiomqtt.Client) -> None:
    # With TLS 1.3 a client learns that its certificate was refused only after its own handshake is done.
    async with client:
        await client.publish(TRIAL, "x", qos=1)


def test_certificates_are_kept_from_others_and_never_made_anew(secured: Secured) -> None:
    before = {path.name: path.read_bytes() for path in secured.tls.iterdir()}
    script = servers.DEPLOY / "mosquitto" / "make-certificates"
    again = subprocess.run([script, "127.0.0.1", "tester"], cwd=secured.tls, check=True, capture_output=True)
    assert again.stdout == b""
    assert {path.name: path.read_bytes() for path in secured.tls.iterdir()} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in secured.tls.glob("*.key"))


# ------------------------------------------------------------------------------------------------- what is said
@pytest.mark.parametrize(
    ("account", "topic", "allowed"),
    [
        ("tester", LIVE, False),
        ("tester", "trial/campus/lincoln/campus/state", True),
        ("tester", TRIAL, True),
        ("tester", "trial/zigbee2mqtt/Gym East", False),
        ("tester", "zigbee2mqtt/Gym East", False),
        ("tester", "campus/lincoln/campus/state", False),
        ("sensors", LIVE, True),
        ("hallwatch", TRIAL, True),
    ],
)
def test_the_broker_says_no_itself(mosquitto: servers.Mosquitto, account: str, topic: str, allowed: bool) -> None:
    assert answer(mosquitto.port, account, topic) == ("Success" if allowed else "Not authorized")


def answer(port: int, account: str, topic: str) -> str:
    """Return what the broker answers to a publication; only MQTT 5 has words for it."""
    answered, told = threading.Event(), list[str]()

    def on_publish(_client: Any, _data: Any, _mid: int, reason: Any, _properties: Any) -> None:
        told.append("Success" if reason.value in (0, 16) else str(reason))
        answered.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_publish = on_publish
    client.username_pw_set(account, servers.PASSWORD)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        client.publish(topic, "{}", qos=1)
        assert answered.wait(5)
    finally:
        client.disconnect()
        client.loop_stop()
    return told[0]


async def test_nothing_a_tester_says_over_mqtt_is_live(tmp_path: Path) -> None:
    async with stage(tmp_path) as here:
        await asyncio.to_thread(here.service.start)
        await say(here, "tester", LIVE, {"id": "t1", "position": "open"})
        await say(here, "tester", TRIAL, {"id": "t2", "position": "open", "exercise": "live"})
        await say(here, "tester", TRIAL, {"id": "t3", "position": "open"})
        await say(here, "tester", TRIAL, {"id": "t4", "position": "open", "exercise": "test"})
        await say(here, "sensors", LIVE, {"id": "s1", "position": "closed"})
        token = here.service.command("token", "create", "--name", "test", "--role", "viewer").stdout.strip()
        heard = await shown(here, "/api/v1/messages", token, 2)
        assert {(each["message_id"], each["exercise"]) for each in heard} == {("t4", "test"), ("s1", "live")}
        refused = await shown(here, "/api/v1/quarantine", token, 2)
        assert {each["topic"] for each in refused} == {TRIAL}
        assert all("this sender may only say drill or test" in str(each) for each in refused)
        # What is true of the door is what the sensor said of it.
        (door,) = here.query("SELECT level FROM facts WHERE entity = 'door' AND id = 'office'")
        assert door == ("closed",)


async def say(here: Stage, account: str, topic: str, said: dict[str, Any]) -> None:
    client = aiomqtt.Client("127.0.0.1", here.broker.port, username=account, password=servers.PASSWORD)
    async with client:
        await client.publish(topic, json.dumps(said), qos=1)


async def shown(here: Stage, path: str, token: str, wanted: int) -> list[dict[str, Any]]:
    """Return what a list of the API shows, once there is so much of it."""
    request = urllib.request.Request(f"{here.service.url}{path}", headers={"Authorization": f"Bearer {token}"})

    def ask() -> list[dict[str, Any]]:
        with urllib.request.urlopen(request, timeout=10) as found:
            items: list[dict[str, Any]] = json.load(found)["items"]
            return items

    async with asyncio.timeout(20):
        while len(items := await asyncio.to_thread(ask)) < wanted:
            await asyncio.sleep(0.1)
    return items


def test_the_scripts_can_be_started() -> None:
    assert os.access(servers.DEPLOY / "mosquitto" / "make-certificates", os.X_OK)
