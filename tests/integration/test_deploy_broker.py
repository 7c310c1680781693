"""The broker as docker-compose sets it up: its accounts are those of the secrets, each with its own rights."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import pytest

from tests import servers

COMPOSE = servers.DEPLOY / "compose"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets, made by the script in a copy of its folder."""
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(COMPOSE / "make-secrets", folder)
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
    return folder / "secrets"


@pytest.fixture(scope="module")
def port(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a broker in a folder that the set-up script has filled."""
    if not servers.MOSQUITTO or not servers.MOSQUITTO_PASSWD:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto mosquitto-clients)")
    folder = tmp_path_factory.mktemp("broker")
    places = {"SETUP": str(servers.DEPLOY), "SECRETS": str(secrets), "BROKER": str(folder)}
    for _ in range(2):  # it is run at every start
        subprocess.run([COMPOSE / "broker-setup"], check=True, capture_output=True, env={**os.environ, **places})
    conf, found = folder / "mosquitto.conf", servers.free_port()
    own = f"listener {found} 127.0.0.1\nuser {'root' if os.geteuid() == 0 else os.environ.get('USER', 'root')}"
    conf.write_text(conf.read_text().replace("listener 1883", own))
    process = subprocess.Popen(
        [servers.MOSQUITTO, "-c", "mosquitto.conf"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        servers.wait_for_port(found, process)
        yield found
    finally:
        process.terminate()
        process.wait(10)


def client(port: int, account: str, password: str) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", port, username=account, password=password, timeout=5)


async def test_what_sensors_say_is_heard_and_what_the_tester_says_stays_marked(port: int, secrets: Path) -> None:
    heard: list[str] = []

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            heard.append(str(message.topic))
            if len(heard) == 3:
                return

    async with (
        client(port, "hallwatch", (secrets / "mqtt_hallwatch").read_text()) as service,
        client(port, "sensors", (secrets / "mqtt_sensors").read_text()) as sensors,
        client(port, "tester", (secrets / "mqtt_tester").read_text()) as tester,
    ):
        await service.subscribe("#", qos=1)
        await tester.publish("campus/lincoln/door/main", "{}", qos=1)  # dropped: only trial/ is the tester's
        await sensors.publish("campus/lincoln/door/main", "{}", qos=1)
        await sensors.publish("zigbee2mqtt/Gym East", "{}", qos=1)
        await tester.publish("trial/campus/lincoln/door/main", "{}", qos=1)
        async with asyncio.timeout(10):
            await listen(service)
    assert sorted(heard) == ["campus/lincoln/door/main", "trial/campus/lincoln/door/main", "zigbee2mqtt/Gym East"]


@pytest.mark.parametrize(("account", "password"), [("hallwatch", "wrong"), ("stranger", "x")])
async def test_nobody_else_is_let_in(port: int, account: str, password: str) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with client(port, account, password):
            pass


def test_the_secrets_are_long_different_and_fit_together(secrets: Path) -> None:
    said = {path.name: path.read_text() for path in secrets.iterdir()}
    passwords = [
        said[name] for name in ("secret_key", "postgres_password", "mqtt_hallwatch", "mqtt_sensors", "mqtt_tester")
    ]
    assert len(set(passwords)) == 5
    assert min(map(len, passwords)) >= 40
    assert urlsplit(said["database_url"]).password == said["postgres_password"]
    assert urlsplit(said["mqtt_url_hallwatch"]).password == said["mqtt_hallwatch"]
    assert urlsplit(said["mqtt_url_sensors"]).password == said["mqtt_sensors"]


def test_the_secrets_are_kept_from_others_and_never_made_anew(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    assert secrets.stat().st_mode & 0o077 == 0
    again = subprocess.run([secrets.parent / "make-secrets"], check=True, capture_output=True)
    assert again.stdout == b""
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before


def test_the_secret_key_is_good_enough_for_the_service(secrets: Path) -> None:
    from core.settings import load

    key = load({"HALLWATCH_SECRET_KEY_FILE": str(secrets / "secret_key")}, toml=secrets / "none.toml").require_secret()
    assert key == (secrets / "secret_key").read_text()
