"""The listener over TLS: a broker that proves who it is, and one that does not."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.errors import BadInput
from tests import servers
from tests.integration.test_ingest_mqtt import Ear, say_many, until


def make_certificate(folder: Path) -> Path:
    """Write a certificate that vouches for itself, for 127.0.0.1, and its key; return the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "broker.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "broker.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "broker.crt"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[servers.Mosquitto, str, Path]]:
    """A broker with a listener for TLS beside the plain one, the URL of it, and its certificate."""
    if not servers.MOSQUITTO or not servers.MOSQUITTO_PASSWD:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto mosquitto-clients)")
    broker = servers.Mosquitto(tmp_path / "mosquitto")
    broker.prepare()
    certificate = make_certificate(broker.folder)
    port = servers.free_port()
    with (broker.folder / "mosquitto.conf").open("a") as conf:
        conf.write(f"\nlistener {port} 127.0.0.1\ncertfile broker.crt\nkeyfile broker.key\n")
    broker.start()
    yield broker, f"mqtts://hallwatch:{servers.PASSWORD}@127.0.0.1:{port}", certificate
    broker.stop()


async def test_messages_come_over_tls(secured: tuple[servers.Mosquitto, str, Path]) -> None:
    broker, url, certificate = secured
    async with Ear(broker, url, ca_file=certificate).open() as ear:
        said = await say_many(broker, 2000)
        await ear.wait_for(2000)
        await until(lambda: ear.listener.status.acknowledged == 2000)
    assert ear.payloads == said


async def test_a_broker_that_cannot_prove_who_it_is_is_not_spoken_to(
    secured: tuple[servers.Mosquitto, str, Path],
) -> None:
    broker, url, _ = secured
    async with Ear(broker, url).open(connected=False) as ear:
        await until(lambda: "certificate" in ear.listener.status.reason)
        assert not ear.listener.status.connected


async def test_a_file_that_is_no_certificate_is_said(secured: tuple[servers.Mosquitto, str, Path]) -> None:
    broker, url, certificate = secured
    odd = certificate.with_name("odd.crt")
    odd.write_text("this is no certificate")
    async with Ear(broker, url, ca_file=odd).open(connected=False) as ear:
        await until(lambda: "cannot be reached" in ear.listener.status.reason)
    with pytest.raises(BadInput, match="MQTT_CA_FILE: no such file"):
        Ear(broker, url, ca_file=certificate.with_name("missing.crt"))
