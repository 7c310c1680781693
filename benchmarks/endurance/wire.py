"""Publishes many prepared messages without being the one that is measured: whole blocks of packets on one socket.

MQTT 3.1.1, and no more of it than a crowd of sensors needs. It blocks: call it in a thread.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from itertools import islice
from threading import Event
from typing import Final

from core.clock import stopwatch
from tests import servers

BLOCK: Final = 200
"""So many messages go out at once."""
IN_FLIGHT: Final = 2_000
"""So many may be under way before the broker has acknowledged the first of them."""
_CONNECT, _PUBLISH, _DISCONNECT = 0x10, 0x30, 0xE0
_ACKNOWLEDGEMENT: Final = 4
"""Bytes of a PUBACK."""
Spoken = tuple[str, bytes, int]
"""Topic, payload and quality of service (0 or 1)."""


def publish(port: int, messages: Iterable[Spoken], *, rate: float | None = None, stop: Event | None = None) -> int:
    """Publish, `rate` a second or as fast as the broker takes them, until the end or `stop`; return how many.

    When this returns, the broker has acknowledged all that it acknowledges.
    """
    with socket.create_connection(("127.0.0.1", port), 10) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.sendall(_packet(_CONNECT, _connect("sensors", servers.PASSWORD)))
        if wire.recv(4)[-1:] != b"\0":
            raise ConnectionError("the broker refuses the sensors")
        sent = _send(wire, iter(messages), rate, stop or Event())
        wire.sendall(_packet(_DISCONNECT, b""))
        return sent


def _send(wire: socket.socket, messages: Iterable[Spoken], rate: float | None, stop: Event) -> int:
    began, sent, asked, answered = stopwatch(), 0, 0, 0
    while not stop.is_set() and (
        block := list(islice(messages, BLOCK if rate is None else min(BLOCK, int(rate / 50))))
    ):
        if rate is not None:
            stop.wait(max(0.0, began + sent / rate - stopwatch()))
        packets = []
        for topic, payload, qos in block:
            asked += qos
            packets.append(_packet(_PUBLISH | qos << 1, _publication(topic, payload, asked % 65_535 + 1 if qos else 0)))
        wire.sendall(b"".join(packets))
        sent += len(block)
        while asked * _ACKNOWLEDGEMENT - answered > IN_FLIGHT * _ACKNOWLEDGEMENT:
            answered += _hear(wire)
    while answered < asked * _ACKNOWLEDGEMENT:
        answered += _hear(wire)
    return sent


def _hear(wire: socket.socket) -> int:
    heard = len(wire.recv(65_536))
    if not heard:
        raise ConnectionError("the broker has hung up")
    return heard


def _connect(user: str, password: str) -> bytes:
    head = struct.pack("!H4sBBH", 4, b"MQTT", 4, 0xC2, 0)
    return head + b"".join(_text(word.encode()) for word in ("", user, password))


def _publication(topic: str, payload: bytes, packet: int) -> bytes:
    return _text(topic.encode()) + (struct.pack("!H", packet) if packet else b"") + payload


def _text(word: bytes) -> bytes:
    return struct.pack("!H", len(word)) + word


def _packet(first: int, body: bytes) -> bytes:
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes((first,)) + bytes(digits) + body
