"""One connection's MQTT client: paho, set up for a kept session, manual acknowledgement, and larger reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Final

from paho.mqtt.client import PUBACK, Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from core.messages import Heard
from ingest.mqtt.address import Address
from ingest.mqtt.block import read_messages

KEEPALIVE: Final = 30
"""Seconds."""
SESSION_EXPIRY: Final = 14 * 86400
"""Seconds for which the broker keeps what comes while we are away."""
RECEIVE_MAXIMUM: Final = 1000
"""Messages that the broker may send ahead of our acknowledgements."""
_CHUNK: Final = 64 * 1024
_PUBACK: Final = bytes((PUBACK, 2))


class Version:
    """Which version of MQTT is tried next: 5, unless the broker does not answer to it."""

    def __init__(self) -> None:
        self.next = MQTTProtocolVersion.MQTTv5

    @property
    def is_last(self) -> bool:
        """Whether there is no other version to try."""
        return self.next != MQTTProtocolVersion.MQTTv5

    def note(self, *, answered: bool) -> bool:
        """Learn from a connection that has ended; return whether the older version is worth trying at once.

        A broker without MQTT 5 may say so, or may just hang up.
        """
        newest = self.next == MQTTProtocolVersion.MQTTv5
        self.next = MQTTProtocolVersion.MQTTv311 if newest and not answered else MQTTProtocolVersion.MQTTv5
        return self.is_last


class BufferedClient(Client):
    """Reads from the socket in large pieces, and takes the messages out of them at once.

    paho reads the header of a packet byte by byte, each a system call, and answers each message with a system call.
    It still does all that is not a plain message, and the rest of one that does not lie whole in a piece.
    """

    _buffer: bytes = b""
    _place: int = 0

    @property
    def has_more(self) -> bool:
        """Whether bytes were read from the network that no packet was made of yet."""
        if self._place < len(self._buffer):
            return True
        pending = getattr(self.socket(), "pending", None)
        return bool(pending and pending())

    def take_messages(self, most: int) -> list[Heard]:
        """Return the messages that lie whole in what was read; none: let paho read what comes next."""
        if self._in_packet["command"]:
            return []
        self._fill()
        found, self._place = read_messages(
            self._buffer, self._place, most, has_properties=self.protocol == MQTTProtocolVersion.MQTTv5
        )
        return found

    def acknowledge(self, packets: Iterable[int]) -> None:
        """Acknowledge messages by their packet ids, all in one piece."""
        said = b"".join(_PUBACK + packet.to_bytes(2, "big") for packet in packets)
        if said:
            self._packet_queue(PUBACK, said, 0, 1)

    def _fill(self) -> None:
        if self._place >= len(self._buffer):
            # What is wrong with the socket paho finds out for itself, and says so.
            with contextlib.suppress(OSError):
                self._buffer, self._place = super()._sock_recv(_CHUNK), 0

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._place >= len(self._buffer):
            self._buffer, self._place = super()._sock_recv(_CHUNK), 0
        found = self._buffer[self._place : self._place + bufsize]
        self._place += len(found)
        return found


def make_client(address: Address, client_id: str, protocol: MQTTProtocolVersion) -> BufferedClient:
    """Return a client for one connection, not yet connected."""
    client = BufferedClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=protocol,
        clean_session=None if protocol == MQTTProtocolVersion.MQTTv5 else False,
        manual_ack=True,
        reconnect_on_failure=False,
    )
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        files = (address.ca_file, address.cert_file, address.key_file)
        ca, cert, key = (str(path) if path else None for path in files)
        client.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
    return client


def connect(client: Client, address: Address) -> None:
    """Connect and ask for the kept session; OSError if the broker cannot be reached."""
    if client.protocol == MQTTProtocolVersion.MQTTv5:
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        wishes.SessionExpiryInterval = SESSION_EXPIRY
        wishes.ReceiveMaximum = RECEIVE_MAXIMUM
        client.connect(address.host, address.port, KEEPALIVE, clean_start=False, properties=wishes)
    else:
        client.connect(address.host, address.port, KEEPALIVE)


def subscribe(client: Client, topics: Sequence[str]) -> int:
    """Subscribe with QoS 1; return the number that the answer will carry.

    Retained copies come once, when the broker does not know the subscription yet (from a broker without MQTT 5, every
    time).
    """
    if client.protocol == MQTTProtocolVersion.MQTTv5:
        options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
        _, number = client.subscribe([(topic, options) for topic in topics])
    else:
        _, number = client.subscribe([(topic, 1) for topic in topics])
    return number or 0


def unsubscribe(client: Client, topics: Sequence[str]) -> None:
    """No longer hear topics."""
    if topics:
        client.unsubscribe(list(topics))
