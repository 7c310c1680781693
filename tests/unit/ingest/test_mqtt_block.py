"""Messages in a block of bytes: read as paho would, and everything that is not plain is left to it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt._packet import decode_publish
from paho.mqtt.enums import MQTTProtocolVersion

from core.messages import Heard
from ingest.mqtt.block import read_messages

TOPICS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40)
HEARD = st.builds(
    lambda topic, payload, retained, redelivered, packet: Heard(topic, payload, retained, redelivered, packet),
    TOPICS,
    st.binary(max_size=400),
    st.booleans(),
    st.booleans(),
    st.integers(0, 65535),
)


def length_of(size: int) -> bytes:
    found = bytearray()
    while True:
        size, rest = divmod(size, 128)
        found.append(rest | (0x80 if size else 0))
        if not size:
            return bytes(found)


def body_of(heard: Heard, properties: bytes | None) -> bytes:
    topic = heard.topic.encode()
    body = struct.pack("!H", len(topic)) + topic
    body += struct.pack("!H", heard.packet) if heard.packet else b""
    body += b"" if properties is None else length_of(len(properties)) + properties
    return body + heard.payload


def packet_of(heard: Heard, properties: bytes | None = b"") -> bytes:
    body = body_of(heard, properties)
    flags = 0x30 | 0x08 * heard.redelivered | 0x02 * bool(heard.packet) | heard.retained
    return bytes((flags,)) + length_of(len(body)) + body


@given(st.lists(HEARD, max_size=5), st.booleans())
def test_messages_are_read_as_they_were_sent(sent: list[Heard], newest: bool) -> None:
    block = b"".join(packet_of(each, b"" if newest else None) for each in sent)
    assert read_messages(block, 0, 100, has_properties=newest) == (sent, len(block))


@given(HEARD)
def test_a_message_means_the_same_as_to_the_library(heard: Heard) -> None:
    properties = b"\x01\x01"
    packet = packet_of(heard, properties)
    theirs = decode_publish(packet[0], body_of(heard, properties), MQTTProtocolVersion.MQTTv5)
    (ours,), _ = read_messages(packet, 0, 1, has_properties=True)
    assert (ours.topic.encode(), ours.payload, ours.retained, ours.redelivered, ours.packet) == (
        theirs.topic,
        theirs.payload,
        theirs.retain,
        theirs.dup,
        theirs.mid,
    )


@given(st.lists(HEARD, min_size=1, max_size=3), st.data())
def test_a_message_that_is_not_whole_waits(sent: list[Heard], data: st.DataObject) -> None:
    block = b"".join(map(packet_of, sent))
    cut = data.draw(st.integers(0, len(block) - 1))
    found, place = read_messages(block[:cut], 0, 100, has_properties=True)
    assert found == sent[: len(found)]
    assert len(found) < len(sent)
    assert place == len(b"".join(map(packet_of, found)))


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_left(block: bytes, newest: bool) -> None:
    found, place = read_messages(block, 0, 100, has_properties=newest)
    assert 0 <= place <= len(block)
    assert all(each.topic for each in found)


@pytest.mark.parametrize(
    ("what", "packet"),
    [
        ("another packet", b"\xd0\x00"),
        ("QoS 2", b"\x34\x06\x00\x01a\x00\x01\x00"),
        ("QoS 3", b"\x36\x06\x00\x01a\x00\x01\x00"),
        ("no topic", b"\x32\x05\x00\x00\x00\x01\x00"),
        ("a topic that is no text", b"\x32\x06\x00\x01\xff\x00\x01\x00"),
        ("packet id 0", b"\x32\x06\x00\x01a\x00\x00\x00"),
        ("properties longer than the packet", b"\x32\x06\x00\x01a\x00\x01\x09"),
        ("a topic longer than the packet", b"\x30\x03\x00\x09a"),
        ("a length of five bytes", b"\x30\xff\xff\xff\xff\x01"),
    ],
)
def test_what_is_not_plain_is_left(what: str, packet: bytes) -> None:
    good = Heard("a", b"1", packet=7)
    block = packet_of(good) + packet
    assert read_messages(block, 0, 100, has_properties=True) == ([good], len(packet_of(good))), what


def test_no_more_are_read_than_asked_for() -> None:
    block = packet_of(Heard("a", b"1", packet=7)) * 3
    found, place = read_messages(block, 0, 2, has_properties=True)
    assert len(found) == 2
    assert place == len(block) * 2 // 3
